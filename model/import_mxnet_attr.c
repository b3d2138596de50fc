/* The grammar of attribute values: everything in a symbol is a string, written by Python
 * 2 or 3 or by C++, and MXNet takes all of their spellings. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/import_mxnet_ops.h"

static const char *skip_blanks(const char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    return s;
}

/* a number in front; NULL if there is none, else what follows */
static const char *scan_int(const char *s, int64_t *out)
{
    const char *digits = *s == '-' || *s == '+' ? s + 1 : s;
    char *end;
    if (!isdigit((unsigned char)*digits)) return NULL;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (errno) return NULL;
    *out = v;
    return *end == 'L' || *end == 'l' ? end + 1 : end;
}

bool pn_mx_parse_int(const char *text, int64_t *out)
{
    int64_t v;
    const char *end = scan_int(skip_blanks(text), &v);
    if (!end || *skip_blanks(end)) return false;
    *out = v;
    return true;
}

bool pn_mx_parse_bool(const char *text, bool *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"1", true}, {"0", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i].word) != 0) continue;
        *out = words[i].value;
        return true;
    }
    return false;
}

bool pn_mx_parse_real(const char *text, double *out)
{
    char *end;
    text = skip_blanks(text);
    double v = strtod(text, &end);
    if (end == text || *skip_blanks(end) || !isfinite(v)) return false;
    *out = v;
    return true;
}

bool pn_mx_parse_none(const char *text)
{
    text = skip_blanks(text);
    return !strncmp(text, "None", 4) && !*skip_blanks(text + 4);
}

static const char *scan_element(const char *s, pn_mx_tuple *t)
{
    if (t->n == PN_MX_TUPLE) return NULL;
    int i = t->n++;
    t->v[i] = 0;
    t->is_none[i] = !strncmp(s, "None", 4);
    s = t->is_none[i] ? s + 4 : scan_int(s, &t->v[i]);
    return s ? skip_blanks(s) : NULL;
}

bool pn_mx_parse_tuple(const char *text, pn_mx_tuple *out)
{
    pn_mx_tuple t = {0};
    const char *s = skip_blanks(text);
    char close = *s == '(' ? ')' : *s == '[' ? ']' : '\0';
    if (!close) {
        if (pn_mx_parse_none(s)) {
            *out = t;
            return true;
        }
        s = scan_element(s, &t);
        if (!s || *s) return false;
        *out = t;
        return true;
    }
    s = skip_blanks(s + 1);
    while (*s != close) {
        s = scan_element(s, &t);
        if (!s || (*s != ',' && *s != close)) return false;
        if (*s == ',') s = skip_blanks(s + 1);
    }
    if (*skip_blanks(s + 1)) return false;
    *out = t;
    return true;
}

/* ---- what translators ask for ---- */

/* NULL if it is absent or None, which mean the same */
static const char *given(const pn_mx_import *im, const char *key)
{
    const char *text = pn_mx_attr_text(im->node, key);
    return text && !pn_mx_parse_none(text) ? text : NULL;
}

static void bad_value(pn_mx_import *im, const char *key, const char *rule)
{
    const char *text = pn_mx_attr_text(im->node, key);
    pn_mx_fail(im, PN_EFORMAT, "%s=\"%.80s\": must be %s", key, text ? text : "", rule);
}

bool pn_mx_has(const pn_mx_import *im, const char *key)
{
    return given(im, key) != NULL;
}

int64_t pn_mx_int(pn_mx_import *im, const char *key, int64_t fallback, int64_t least,
                  int64_t most)
{
    const char *text = given(im, key);
    int64_t v = fallback;
    if (text && (!pn_mx_parse_int(text, &v) || v < least || v > most)) {
        bad_value(im, key, "an integer within its range");
        v = fallback;
    }
    if (v != PN_MX_REQUIRED) return v;
    pn_mx_fail(im, PN_EFORMAT, "the attribute %s is missing", key);
    return least;
}

bool pn_mx_bool(pn_mx_import *im, const char *key, bool fallback)
{
    const char *text = given(im, key);
    bool v = fallback;
    if (text && !pn_mx_parse_bool(text, &v)) bad_value(im, key, "True or False");
    return v;
}

double pn_mx_real(pn_mx_import *im, const char *key, double fallback)
{
    const char *text = given(im, key);
    double v = fallback;
    if (text && !pn_mx_parse_real(text, &v)) bad_value(im, key, "a number");
    return v;
}

int pn_mx_choice(pn_mx_import *im, const char *key, int fallback,
                 const char *const *names)
{
    const char *text = given(im, key);
    if (!text) {
        if (fallback < 0) pn_mx_fail(im, PN_EFORMAT, "the attribute %s is missing", key);
        return fallback < 0 ? 0 : fallback;
    }
    for (int i = 0; names[i]; i++)
        if (!strcmp(text, names[i])) return i;
    pn_mx_refuse(im, "%s=\"%.80s\"", key, text);
    return fallback < 0 ? 0 : fallback;
}

void pn_mx_tuple_of(pn_mx_import *im, const char *key, int most, pn_mx_tuple *out)
{
    const char *text = given(im, key);
    memset(out, 0, sizeof(*out));
    if (!text) return;
    bool fits = pn_mx_parse_tuple(text, out) && out->n <= most;
    for (int i = 0; fits && i < out->n; i++)
        fits = out->v[i] >= -PN_MX_INT_MAX && out->v[i] <= PN_MX_INT_MAX;
    if (fits) return;
    bad_value(im, key, "a tuple of integers, not more than the tensor has dimensions");
    memset(out, 0, sizeof(*out));
}

void pn_mx_ints(pn_mx_import *im, const char *key, int n, int64_t fallback, int64_t least,
                int64_t *out)
{
    pn_mx_tuple t;
    pn_mx_tuple_of(im, key, PN_MX_TUPLE, &t);
    bool fits = t.n == 0 || t.n == n;
    for (int i = 0; i < n; i++) {
        out[i] = t.n == n ? t.v[i] : fallback;
        if (t.n == n && (t.is_none[i] || t.v[i] < least)) fits = false;
    }
    if (fits) return;
    char rule[64];
    snprintf(rule, sizeof(rule), "%d integers of at least %lld", n, (long long)least);
    bad_value(im, key, rule);
    for (int i = 0; i < n; i++)
        out[i] = fallback;
}

int pn_mx_check_axis(pn_mx_import *im, int64_t axis, int ndim)
{
    if (axis < -ndim || axis >= ndim) {
        pn_mx_fail(im, PN_EFORMAT, "axis %lld of a tensor of %d dimensions",
                   (long long)axis, ndim);
        return 0;
    }
    return (int)(axis < 0 ? axis + ndim : axis);
}

int pn_mx_axis(pn_mx_import *im, const char *key, int64_t fallback, int ndim)
{
    return pn_mx_check_axis(im, pn_mx_int(im, key, fallback, -PN_MAX_DIMS, PN_MAX_DIMS),
                            ndim);
}
