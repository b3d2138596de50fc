/* A struct back into text, as YAML lines or one JSON object, so that what was read can be
 * shown and read again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fields.h"
#include "base/scalar.h"

/* The code point at p and its length; 0xfffd and 1 where the bytes are no UTF-8. */
static unsigned decode_utf8(const unsigned char *p, int *length)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    int n = p[0] < 0x80       ? 1
            : p[0] >> 5 == 6  ? 2
            : p[0] >> 4 == 14 ? 3
            : p[0] >> 3 == 30 ? 4
                              : 0;
    *length = 1;
    if (n == 1) return p[0];
    if (!n) return 0xfffd;
    unsigned c = p[0] & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) return 0xfffd;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 0xfffd;
    *length = n;
    return c;
}

/* in quotes that both YAML and JSON understand */
static void print_quoted(FILE *f, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    fputc('"', f);
    for (int n; *p; p += n) {
        unsigned c = decode_utf8(p, &n);
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", (int)c);
        else if (c == '\n')
            fputs("\\n", f);
        else if (c == '\t')
            fputs("\\t", f);
        else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfeff || c == 0xfffd ||
                 c == 0xfffe || c == 0xffff || c == 0x2028 || c == 0x2029)
            fprintf(f, "\\u%04x", c);
        else
            fwrite(p, 1, (size_t)n, f);
    }
    fputc('"', f);
}

/* words that YAML reads back as they are: no quotes needed */
static bool is_plain(const char *text)
{
    static const char *const taken[] = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n"};
    if (!*text || strchr("-.0123456789", *text)) return false;
    for (const char *p = text; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./",
                    *p))
            return false;
    for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
        if (strcasecmp(text, taken[i]) == 0) return false;
    return true;
}

static void print_text(FILE *f, const char *text, bool json)
{
    if (!json && is_plain(text))
        fputs(text, f);
    else
        print_quoted(f, text);
}

static void print_real(FILE *f, double v)
{
    char buf[PN_REAL_TEXT];
    pn_real_text(v, buf);
    fputs(buf, f);
}

static void print_list(FILE *f, const pn_field *field, const void *base, bool json)
{
    const char *comma = "";
    fputc('[', f);
    if (field->type == PN_FIELD_STRINGS) {
        char *const *list = *(char *const *const *)base;
        for (; list && *list; list++, comma = ", ") {
            fputs(comma, f);
            print_text(f, *list, json);
        }
    }
    for (int i = 0; i < field->count; i++, comma = ", ") {
        fputs(comma, f);
        if (field->type == PN_FIELD_INTS)
            fprintf(f, "%lld", (long long)((const int64_t *)base)[i]);
        else
            print_real(f, ((const double *)base)[i]);
    }
    fputc(']', f);
}

static void print_limit(FILE *f, const pn_limit *l, bool json)
{
    char buf[PN_REAL_TEXT];
    pn_real_text(l->value, buf);
    bool quote = json && l->is_percent;
    fprintf(f, "%s%s%s%s", quote ? "\"" : "", buf, l->is_percent ? "%" : "",
            quote ? "\"" : "");
}

static void print_value(FILE *f, const pn_field *field, const void *base, bool json)
{
    switch (field->type) {
    case PN_FIELD_BOOL:
        fputs(*(const bool *)base ? "true" : "false", f);
        break;
    case PN_FIELD_AUTO_INT:
        if (*(const int64_t *)base == 0) {
            print_text(f, "auto", json);
            break;
        }
        /* fall through */
    case PN_FIELD_INT:
        fprintf(f, "%lld", (long long)*(const int64_t *)base);
        break;
    case PN_FIELD_REAL:
        print_real(f, *(const double *)base);
        break;
    case PN_FIELD_REALS:
    case PN_FIELD_INTS:
    case PN_FIELD_STRINGS:
        print_list(f, field, base, json);
        break;
    case PN_FIELD_STRING:
    case PN_FIELD_PATH:
        print_text(f, *(char *const *)base, json);
        break;
    case PN_FIELD_ENUM:
        print_text(f, field->names[*(const int *)base], json);
        break;
    case PN_FIELD_LIMIT:
        print_limit(f, base, json);
        break;
    }
}

/* a text that nobody gave has no spelling: null is refused on the way in */
static bool has_value(const pn_field *f, const void *base)
{
    bool text = f->type == PN_FIELD_STRING || f->type == PN_FIELD_PATH ||
                f->type == PN_FIELD_STRINGS;
    return !text || *(void *const *)base;
}

static pn_status finish(FILE *f, char **made, char **out)
{
    if (fclose(f) != 0) {
        free(*made);
        return PN_ENOMEM;
    }
    free(*out);
    *out = *made;
    return PN_OK;
}

pn_status pn_fields_print(const pn_section *s, char **text)
{
    char *made = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&made, &size);
    if (!f) return PN_ENOMEM;
    if (*text) fputs(*text, f);
    for (const pn_field *field = s->fields; field->key; field++) {
        const void *base = (const char *)s->base + field->offset;
        if (!has_value(field, base)) continue;
        fprintf(f, "%s%s: ", *s->name ? "  " : "", field->key);
        print_value(f, field, base, false);
        fputc('\n', f);
    }
    return finish(f, &made, text);
}

pn_status pn_fields_print_json(const pn_section *s, char **json)
{
    char *made = NULL, *out = NULL;
    size_t size = 0;
    const char *comma = "";
    FILE *f = open_memstream(&made, &size);
    if (!f) return PN_ENOMEM;
    fputc('{', f);
    for (const pn_field *field = s->fields; field->key; field++) {
        const void *base = (const char *)s->base + field->offset;
        if (!has_value(field, base)) continue;
        fprintf(f, "%s\"%s\": ", comma, field->key);
        print_value(f, field, base, true);
        comma = ", ";
    }
    fputc('}', f);
    pn_status st = finish(f, &made, &out);
    if (!st) *json = out;
    return st;
}
