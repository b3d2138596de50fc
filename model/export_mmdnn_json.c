/* A GraphDef as protobuf's JSON mapping has it: names as in the .proto, 64-bit numbers as
 * strings, bytes in base64. It is made from the bytes of the .pb, so the two agree. */
#include "model/export_mmdnn.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { TEXT, BYTES, INT, FLOAT, BOOL, MESSAGE, MAP } kind;

/* the fields that we write, by number */
typedef struct field {
    uint32_t number;
    const char *name;
    kind kind;
    bool is_repeated;
    const struct field *of; /* of MESSAGE and MAP: its fields */
} field;

static const field dim_fields[] = {{1, "size", INT, false, NULL}, {0}};
static const field shape_fields[] = {{2, "dim", MESSAGE, true, dim_fields}, {0}};
static const field list_fields[] = {
    {3, "i", INT, true, NULL}, {7, "shape", MESSAGE, true, shape_fields}, {0}};
static const field attr_fields[] = {{1, "list", MESSAGE, false, list_fields},
                                    {2, "s", BYTES, false, NULL},
                                    {3, "i", INT, false, NULL},
                                    {4, "f", FLOAT, false, NULL},
                                    {5, "b", BOOL, false, NULL},
                                    {7, "shape", MESSAGE, false, shape_fields},
                                    {0}};
static const field node_fields[] = {{1, "name", TEXT, false, NULL},
                                    {2, "op", TEXT, false, NULL},
                                    {3, "input", TEXT, true, NULL},
                                    {4, "attr", MAP, true, attr_fields},
                                    {0}};
static const field graph_fields[] = {{1, "node", MESSAGE, true, node_fields}, {0}};

enum { MAX_JSON_DEPTH = 12 };

static void indent(FILE *to, int depth)
{
    fprintf(to, "\n%*s", 2 * depth, "");
}

static void put_base64(FILE *to, pn_bytes b)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < b.size; i += 3) {
        size_t n = b.size - i < 3 ? b.size - i : 3;
        uint32_t v = (uint32_t)b.at[i] << 16;
        if (n > 1) v |= (uint32_t)b.at[i + 1] << 8;
        if (n > 2) v |= b.at[i + 2];
        fputc(digits[v >> 18], to);
        fputc(digits[v >> 12 & 63], to);
        fputc(n > 1 ? digits[v >> 6 & 63] : '=', to);
        fputc(n > 2 ? digits[v & 63] : '=', to);
    }
}

/* names here are letters, digits, underscores and points */
static void put_string(FILE *to, pn_bytes b)
{
    fprintf(to, "\"%.*s\"", (int)b.size, (const char *)b.at);
}

static void put_float(FILE *to, uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    if (isnan(f))
        fputs("\"NaN\"", to);
    else if (isinf(f))
        fputs(f < 0 ? "\"-Infinity\"" : "\"Infinity\"", to);
    else
        fprintf(to, "%.9g", (double)f);
}

static pn_status put_message(FILE *to, pn_wire *w, const field *fields, int depth);

static pn_status put_value(FILE *to, pn_wire *w, const pn_wire_field *f, const field *is,
                           int depth)
{
    pn_wire inner;
    switch (is->kind) {
    case TEXT:
        put_string(to, f->bytes);
        return PN_OK;
    case BYTES:
        fputc('"', to);
        put_base64(to, f->bytes);
        fputc('"', to);
        return PN_OK;
    case INT:
        fprintf(to, "\"%" PRId64 "\"", (int64_t)f->value);
        return PN_OK;
    case FLOAT:
        put_float(to, (uint32_t)f->value);
        return PN_OK;
    case BOOL:
        fputs(f->value ? "true" : "false", to);
        return PN_OK;
    default:
        break;
    }
    pn_status st = pn_wire_enter(&inner, w, f, is->name, NULL);
    return st ? st : put_message(to, &inner, is->of, depth);
}

/* a map's entry: key 1, value 2 */
static pn_status put_entry(FILE *to, pn_wire *w, const pn_wire_field *f, const field *is,
                           int depth)
{
    pn_wire entry;
    pn_wire_field part;
    pn_status st = pn_wire_enter(&entry, w, f, is->name, NULL);
    if (st) return st;
    while (!(st = pn_wire_next(&entry, &part, NULL))) {
        if (part.number == 1) {
            put_string(to, part.bytes);
            fputs(": ", to);
        } else {
            field value = {2, is->name, MESSAGE, false, is->of};
            st = put_value(to, &entry, &part, &value, depth);
            if (st) return st;
        }
    }
    return st == PN_END ? PN_OK : st;
}

/* packed numbers are one field */
static pn_status put_numbers(FILE *to, const pn_wire_field *f, int depth, bool *is_first)
{
    size_t at = 0;
    uint64_t v;
    pn_status st;
    while (!(st = pn_wire_each(f, PN_WIRE_VARINT, "i", &at, &v, NULL))) {
        if (!*is_first) fputc(',', to);
        *is_first = false;
        indent(to, depth);
        fprintf(to, "\"%" PRId64 "\"", (int64_t)v);
    }
    return st == PN_END ? PN_OK : st;
}

/* all occurrences of one field: a value, a list or a map */
static pn_status put_field(FILE *to, const pn_wire *w, const field *is, int depth,
                           bool *is_first)
{
    static const char *const brackets[] = {"[", "]", "{", "}"};
    int shape = is->kind == MAP ? 2 : 0;
    bool is_open = false, is_first_item = true;
    pn_wire rest = *w;
    pn_wire_field f;
    pn_status st;
    while (!(st = pn_wire_next(&rest, &f, NULL))) {
        if (f.number != is->number) continue;
        if (!is_open) {
            if (!*is_first) fputc(',', to);
            *is_first = false;
            indent(to, depth);
            fprintf(to, "\"%s\": %s", is->name, is->is_repeated ? brackets[shape] : "");
        }
        is_open = true;
        if (!is->is_repeated) {
            st = put_value(to, &rest, &f, is, depth);
        } else if (is->kind == INT) {
            st = put_numbers(to, &f, depth + 1, &is_first_item);
        } else {
            if (!is_first_item) fputc(',', to);
            is_first_item = false;
            indent(to, depth + 1);
            st = is->kind == MAP ? put_entry(to, &rest, &f, is, depth + 1)
                                 : put_value(to, &rest, &f, is, depth + 1);
        }
        if (st) return st;
    }
    if (st != PN_END) return st;
    if (is_open && is->is_repeated) {
        indent(to, depth);
        fputs(brackets[shape + 1], to);
    }
    return PN_OK;
}

static pn_status put_message(FILE *to, pn_wire *w, const field *fields, int depth)
{
    bool is_first = true;
    pn_status st = PN_OK;
    if (depth > MAX_JSON_DEPTH) return PN_EFORMAT;
    fputc('{', to);
    for (; fields->number && !st; fields++)
        st = put_field(to, w, fields, depth + 1, &is_first);
    if (!is_first) indent(to, depth);
    fputc('}', to);
    return st;
}

pn_status pn_ir_write_json(const void *graph_def, size_t size, pn_outfile *out,
                           pn_err *err)
{
    char *text = NULL;
    size_t text_size = 0;
    pn_wire w;
    FILE *to = open_memstream(&text, &text_size);
    if (!to) return PN_ENOMEM;
    pn_wire_init(&w, graph_def, size);
    pn_status st = put_message(to, &w, graph_fields, 0);
    fputc('\n', to);
    if (fclose(to) != 0 && !st) st = PN_ENOMEM;
    if (!st) st = pn_outfile_write(out, text, text_size, err);
    free(text);
    return st;
}
