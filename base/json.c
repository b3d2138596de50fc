/* jansson, held to the same rules as our YAML. Its own limit on nesting is 2,048 levels,
 * more than any file we read has a use for. */
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scalar.h"

enum { MAX_DEPTH = 64 };

/* brackets outside of strings; the grammar itself is jansson's business */
static bool too_deep(const char *p, size_t size)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        if (in_string) {
            if (p[i] == '\\')
                i++;
            else if (p[i] == '"')
                in_string = false;
        } else if (p[i] == '"') {
            in_string = true;
        } else if (p[i] == '[' || p[i] == '{') {
            if (++depth > MAX_DEPTH) return true;
        } else if ((p[i] == ']' || p[i] == '}') && depth) {
            depth--;
        }
    }
    return false;
}

pn_status pn_json_parse(json_t **out, const char *text, size_t size, size_t max_bytes,
                        const char *name, pn_err *err)
{
    if (size > max_bytes)
        return pn_fail(err, PN_EFORMAT, "%s: %zu bytes of JSON: at most %zu are allowed",
                       name, size, max_bytes);
    if (too_deep(text, size))
        return pn_fail(err, PN_EFORMAT, "%s: JSON nested more than %d levels deep", name,
                       MAX_DEPTH);
    json_error_t e;
    json_t *j = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!j && json_error_code(&e) == json_error_out_of_memory)
        return pn_fail(err, PN_ENOMEM, "%s: out of memory", name);
    if (!j)
        return pn_fail(err, PN_EFORMAT, "%s:%d:%d: %s", name, e.line < 1 ? 1 : e.line,
                       e.column < 1 ? 1 : e.column, e.text);
    *out = j;
    return PN_OK;
}

/* whether a member's own type is one that the field can be written in */
static bool type_fits(const pn_field *f, const json_t *v)
{
    switch (f->type) {
    case PN_FIELD_BOOL:
        return json_is_boolean(v);
    case PN_FIELD_INT:
    case PN_FIELD_INTS:
        return json_is_integer(v);
    case PN_FIELD_REAL:
    case PN_FIELD_REALS:
        return json_is_number(v);
    case PN_FIELD_AUTO_INT:
    case PN_FIELD_LIMIT:
        return json_is_integer(v) || json_is_string(v);
    case PN_FIELD_STRING:
    case PN_FIELD_PATH:
    case PN_FIELD_STRINGS:
    case PN_FIELD_ENUM:
        return json_is_string(v);
    }
    return false;
}

/* The value as the text pn_field_set_items() takes; numbers are put into buf. */
static const char *value_text(const json_t *v, char buf[PN_REAL_TEXT])
{
    if (json_is_string(v)) return json_string_value(v);
    if (json_is_true(v)) return "true";
    if (json_is_false(v)) return "false";
    if (json_is_integer(v))
        snprintf(buf, PN_REAL_TEXT, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else
        pn_real_text(json_real_value(v), buf);
    return buf;
}

static pn_status set_member(const pn_section *s, const pn_field *f, const json_t *value,
                            const char *where, const char *folder, pn_err *err)
{
    bool list = json_is_array(value);
    size_t n = list ? json_array_size(value) : 1;
    const char **items = calloc(n + 1, sizeof(*items));
    char(*numbers)[PN_REAL_TEXT] = calloc(n + 1, sizeof(*numbers));
    pn_status st = PN_OK;
    if (!items || !numbers) st = pn_fail(err, PN_ENOMEM, "%s: out of memory", where);
    for (size_t i = 0; i < n && !st; i++) {
        const json_t *v = list ? json_array_get(value, i) : value;
        if (type_fits(f, v))
            items[i] = value_text(v, numbers[i]);
        else
            st = pn_fail(err, PN_ECONFIG, "%s: %s%s%s: a value of the wrong type", where,
                         s->name, *s->name ? "." : "", f->key);
        if (!st && json_is_string(v) && strlen(items[i]) != json_string_length(v))
            st = pn_fail(err, PN_ECONFIG, "%s: %s: a NUL byte is not allowed", where,
                         f->key);
    }
    if (!st) st = pn_field_set_items(s, f, items, n, where, folder, err);
    free(items);
    free(numbers);
    return st;
}

pn_status pn_json_fill(const json_t *object, const pn_section *s, const char *where,
                       const char *folder, pn_err *err)
{
    if (!json_is_object(object))
        return pn_fail(err, PN_ECONFIG, "%s: a JSON object is wanted", where);
    /* jansson 2.14 walks objects through non-const handles only, and changes nothing */
    json_t *walk = (json_t *)(uintptr_t)object;
    for (void *it = json_object_iter(walk); it; it = json_object_iter_next(walk, it)) {
        const char *key = json_object_iter_key(it);
        const pn_field *f = pn_field_find(s, 1, s->name, key, NULL);
        if (!f) return pn_field_unknown(s, 1, s->name, key, where, err);
        pn_status st = set_member(s, f, json_object_iter_value(it), where, folder, err);
        if (st) return st;
    }
    return PN_OK;
}
