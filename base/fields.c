/* Texts into a struct by a table. The only code that writes a config's values, so that
 * YAML, JSON, --set and the defaults obey the same rules. */
#include "base/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scalar.h"

enum { SHOWN = 60, MAX_FIELDS = 64 };

/* a value as it may stand in a message: short, and no control bytes */
static const char *shown(const char *text, char buf[SHOWN + 4])
{
    size_t n = 0;
    for (; text[n] && n < SHOWN; n++)
        buf[n] = (unsigned char)text[n] < ' ' || text[n] == 127 ? '?' : text[n];
    if (text[n]) {
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--; /* not in the middle of a character */
        strcpy(buf + n, "...");
    } else {
        buf[n] = '\0';
    }
    return buf;
}

static void *slot(const pn_section *s, const pn_field *f)
{
    return (char *)s->base + f->offset;
}

static const char *dot(const char *section)
{
    return *section ? "." : "";
}

/* what kind of thing was wanted, for messages */
static void wanted(const pn_field *f, char *buf, size_t size)
{
    bool bounded = f->min != 0 || f->max != 0;
    char lo[PN_REAL_TEXT], hi[PN_REAL_TEXT], range[2 * PN_REAL_TEXT + 16] = "";
    pn_real_text(f->min, lo);
    pn_real_text(f->max, hi);
    if (bounded) snprintf(range, sizeof(range), " from %s to %s", lo, hi);
    switch (f->type) {
    case PN_FIELD_BOOL:
        snprintf(buf, size, "true or false");
        break;
    case PN_FIELD_INT:
        snprintf(buf, size, "a whole number%s", range);
        break;
    case PN_FIELD_AUTO_INT:
        snprintf(buf, size, "auto or a whole number%s", range);
        break;
    case PN_FIELD_REAL:
        snprintf(buf, size, "a number%s", range);
        break;
    case PN_FIELD_REALS:
        snprintf(buf, size, "a list of %d numbers%s", f->count, range);
        break;
    case PN_FIELD_INTS:
        snprintf(buf, size, "a list of %d whole numbers%s", f->count, range);
        break;
    case PN_FIELD_LIMIT:
        snprintf(buf, size, "a count such as 10 or a percentage such as 0.5%%");
        break;
    case PN_FIELD_ENUM: {
        size_t used = (size_t)snprintf(buf, size, "one of");
        for (int i = 0; f->names[i] && used < size; i++)
            used += (size_t)snprintf(buf + used, size - used, "%s %s", i ? "," : "",
                                     f->names[i]);
        break;
    }
    case PN_FIELD_PATH:
        snprintf(buf, size, "a path");
        break;
    case PN_FIELD_STRING:
    case PN_FIELD_STRINGS:
        snprintf(buf, size, "a text");
        break;
    }
}

static pn_status bad_value(const pn_section *s, const pn_field *f, const char *text,
                           const char *where, pn_err *err)
{
    char want[512], value[SHOWN + 4];
    wanted(f, want, sizeof(want));
    return pn_fail(err, PN_ECONFIG, "%s: %s%s%s: \"%s\" is not %s", where, s->name,
                   dot(s->name), f->key, shown(text, value), want);
}

static bool in_range(const pn_field *f, double v)
{
    return (f->min == 0 && f->max == 0) || (v >= f->min && v <= f->max);
}

static bool parse_ranged_int(const pn_field *f, const char *text, int64_t *out)
{
    int64_t v;
    if (!pn_scalar_int(text, &v) || !in_range(f, (double)v)) return false;
    *out = v;
    return true;
}

static bool parse_ranged_real(const pn_field *f, const char *text, double *out)
{
    double v;
    if (!pn_scalar_real(text, &v) || !in_range(f, v)) return false;
    *out = v;
    return true;
}

static bool parse_enum(const pn_field *f, const char *text, int *out)
{
    for (int i = 0; f->names[i]; i++) {
        if (strcmp(text, f->names[i]) != 0) continue;
        *out = i;
        return true;
    }
    return false;
}

static bool parse_auto_int(const pn_field *f, const char *text, int64_t *out)
{
    if (strcmp(text, "auto") != 0) return parse_ranged_int(f, text, out);
    *out = 0;
    return true;
}

/* all items or none */
static bool parse_numbers(const pn_field *f, const char *const *items, size_t n,
                          void *out)
{
    bool whole = f->type == PN_FIELD_INTS;
    size_t size = whole ? sizeof(int64_t) : sizeof(double);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            int64_t k;
            double r;
            if (!(whole ? parse_ranged_int(f, items[i], &k)
                        : parse_ranged_real(f, items[i], &r)))
                return false;
            if (!pass) continue;
            memcpy((char *)out + i * size, whole ? (const void *)&k : (const void *)&r,
                   size);
        }
    }
    return true;
}

static void free_strings(char ***list)
{
    for (char **p = *list; p && *p; p++)
        free(*p);
    free(*list);
    *list = NULL;
}

static bool set_strings(char ***out, const char *const *items, size_t n)
{
    char **list = calloc(n + 1, sizeof(*list));
    if (!list) return false;
    for (size_t i = 0; i < n; i++) {
        list[i] = strdup(items[i]);
        if (!list[i]) {
            free_strings(&list);
            return false;
        }
    }
    free_strings(out);
    *out = list;
    return true;
}

static pn_status set_text(const pn_section *s, const pn_field *f, const char *text,
                          const char *where, const char *folder, pn_err *err)
{
    char **out = slot(s, f);
    bool path = f->type == PN_FIELD_PATH;
    if (path && !*text) return bad_value(s, f, text, where, err);
    char *copy = path ? pn_path_absolute(text, folder) : strdup(text);
    if (!copy) return pn_fail(err, PN_ENOMEM, "%s: out of memory", where);
    free(*out);
    *out = copy;
    return PN_OK;
}

static void mark_given(const pn_section *s, const pn_field *f)
{
    size_t i = (size_t)(f - s->fields);
    if (s->given && i < MAX_FIELDS) *s->given |= UINT64_C(1) << i;
}

static pn_status set_scalar(const pn_section *s, const pn_field *f, const char *text,
                            const char *where, const char *folder, pn_err *err)
{
    void *out = slot(s, f);
    bool ok = false;
    switch (f->type) {
    case PN_FIELD_BOOL:
        ok = pn_scalar_bool(text, out);
        break;
    case PN_FIELD_INT:
        ok = parse_ranged_int(f, text, out);
        break;
    case PN_FIELD_AUTO_INT:
        ok = parse_auto_int(f, text, out);
        break;
    case PN_FIELD_REAL:
        ok = parse_ranged_real(f, text, out);
        break;
    case PN_FIELD_LIMIT:
        ok = pn_scalar_limit(text, out);
        break;
    case PN_FIELD_ENUM:
        ok = parse_enum(f, text, out);
        break;
    case PN_FIELD_STRING:
    case PN_FIELD_PATH:
        return set_text(s, f, text, where, folder, err);
    case PN_FIELD_REALS:
    case PN_FIELD_INTS:
    case PN_FIELD_STRINGS:
        break; /* lists: the caller's */
    }
    return ok ? PN_OK : bad_value(s, f, text, where, err);
}

static bool is_list(const pn_field *f)
{
    return f->type == PN_FIELD_REALS || f->type == PN_FIELD_INTS ||
           f->type == PN_FIELD_STRINGS;
}

static pn_status set_list(const pn_section *s, const pn_field *f,
                          const char *const *items, size_t n, const char *where,
                          pn_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!*items[i]) return bad_value(s, f, "", where, err);
    if (f->type == PN_FIELD_STRINGS) {
        if (!n)
            return pn_fail(err, PN_ECONFIG, "%s: %s%s%s: the list is empty", where,
                           s->name, dot(s->name), f->key);
        if (!set_strings(slot(s, f), items, n))
            return pn_fail(err, PN_ENOMEM, "%s: out of memory", where);
        return PN_OK;
    }
    if (n != (size_t)f->count)
        return pn_fail(err, PN_ECONFIG, "%s: %s%s%s: %zu items where %d are wanted",
                       where, s->name, dot(s->name), f->key, n, f->count);
    if (parse_numbers(f, items, n, slot(s, f))) return PN_OK;
    for (size_t i = 0; i < n; i++) {
        int64_t k;
        double r;
        if (!(f->type == PN_FIELD_INTS ? parse_ranged_int(f, items[i], &k)
                                       : parse_ranged_real(f, items[i], &r)))
            return bad_value(s, f, items[i], where, err);
    }
    return PN_EINTERNAL; /* not reached: one of them was bad */
}

pn_status pn_field_set_items(const pn_section *s, const pn_field *f,
                             const char *const *items, size_t n, const char *where,
                             const char *folder, pn_err *err)
{
    pn_status st;
    if (is_list(f))
        st = set_list(s, f, items, n, where, err);
    else if (n != 1)
        st = pn_fail(err, PN_ECONFIG, "%s: %s%s%s: one value is wanted, not a list",
                     where, s->name, dot(s->name), f->key);
    else
        st = set_scalar(s, f, items[0], where, folder, err);
    if (!st) mark_given(s, f);
    return st;
}

static char *trim(char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    size_t n = strlen(p);
    while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
        p[--n] = '\0';
    return p;
}

/* "[a, b]" or "a, b": cut at the commas */
static pn_status set_list_text(const pn_section *s, const pn_field *f, const char *text,
                               const char *where, const char *folder, pn_err *err)
{
    size_t n = 1, room = 1;
    for (const char *p = text; *p; p++)
        room += *p == ',';
    const char **items = calloc(room, sizeof(*items));
    char *copy = strdup(text);
    pn_status st = PN_OK;
    if (!items || !copy) {
        st = pn_fail(err, PN_ENOMEM, "%s: out of memory", where);
        goto done;
    }
    char *p = trim(copy);
    size_t size = strlen(p);
    if (p[0] == '[' && size >= 2 && p[size - 1] == ']') {
        p[size - 1] = '\0';
        p = trim(p + 1);
    }
    if (!*p) n = 0;
    for (size_t i = 0; i < n; i++) {
        char *comma = strchr(p, ',');
        if (comma) *comma = '\0', n++;
        items[i] = trim(p);
        if (comma) p = comma + 1;
    }
    st = pn_field_set_items(s, f, items, n, where, folder, err);
done:
    free(copy);
    free(items);
    return st;
}

pn_status pn_field_set(const pn_section *s, const pn_field *f, const char *text,
                       const char *where, const char *folder, pn_err *err)
{
    if (is_list(f)) return set_list_text(s, f, text, where, folder, err);
    return pn_field_set_items(s, f, &text, 1, where, folder, err);
}

static void clear_field(const pn_section *s, const pn_field *f)
{
    if (f->type == PN_FIELD_STRING || f->type == PN_FIELD_PATH) {
        char **p = slot(s, f);
        free(*p);
        *p = NULL;
    } else if (f->type == PN_FIELD_STRINGS) {
        free_strings(slot(s, f));
    }
}

pn_status pn_fields_defaults(const pn_section *s, pn_err *err)
{
    const pn_section silent = {.name = s->name, .fields = s->fields, .base = s->base};
    for (const pn_field *f = s->fields; f->key; f++) {
        clear_field(s, f);
        if (!f->fallback) continue;
        pn_status st = pn_field_set(&silent, f, f->fallback, "default", NULL, err);
        if (st) return st;
    }
    return PN_OK;
}

static size_t field_size(const pn_field *f)
{
    switch (f->type) {
    case PN_FIELD_BOOL:
        return sizeof(bool);
    case PN_FIELD_INT:
    case PN_FIELD_AUTO_INT:
        return sizeof(int64_t);
    case PN_FIELD_REAL:
        return sizeof(double);
    case PN_FIELD_REALS:
        return sizeof(double) * (size_t)f->count;
    case PN_FIELD_INTS:
        return sizeof(int64_t) * (size_t)f->count;
    case PN_FIELD_STRING:
    case PN_FIELD_PATH:
    case PN_FIELD_STRINGS:
        return sizeof(char *);
    case PN_FIELD_ENUM:
        return sizeof(int);
    case PN_FIELD_LIMIT:
        return sizeof(pn_limit);
    }
    return 0;
}

void pn_fields_fini(const pn_section *s)
{
    for (const pn_field *f = s->fields; f->key; f++) {
        clear_field(s, f);
        memset(slot(s, f), 0, field_size(f));
    }
}
