/* YAML's own rules turn `no` into false, 010 into 8 and 1e99 into inf; a config that runs
 * for days must not be read by such rules, so these are the only spellings there are. */
#include "base/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* past -?(0|[1-9][0-9]*), or NULL */
static const char *skip_int(const char *p)
{
    if (*p == '-') p++;
    if (!is_digit(*p)) return NULL;
    if (*p == '0') return p + 1;
    while (is_digit(*p))
        p++;
    return p;
}

/* past one or more digits, or NULL */
static const char *skip_digits(const char *p)
{
    if (!is_digit(*p)) return NULL;
    while (is_digit(*p))
        p++;
    return p;
}

/* past a JSON number, or NULL */
static const char *skip_real(const char *p)
{
    p = skip_int(p);
    if (p && *p == '.') p = skip_digits(p + 1);
    if (p && (*p == 'e' || *p == 'E')) {
        p++;
        if (*p == '+' || *p == '-') p++;
        p = skip_digits(p);
    }
    return p;
}

bool pn_scalar_int(const char *text, int64_t *out)
{
    const char *end = skip_int(text);
    if (!end || *end || strcmp(text, "-0") == 0) return false;
    errno = 0;
    long long v = strtoll(text, NULL, 10);
    if (errno) return false;
    *out = v;
    return true;
}

bool pn_scalar_real(const char *text, double *out)
{
    const char *end = skip_real(text);
    if (!end || *end) return false;
    double v = strtod(text, NULL);
    if (!isfinite(v)) return false;
    *out = v;
    return true;
}

bool pn_scalar_bool(const char *text, bool *out)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0) return false;
    *out = yes;
    return true;
}

bool pn_scalar_limit(const char *text, pn_limit *out)
{
    pn_limit v = {0};
    int64_t count;
    if (pn_scalar_int(text, &count)) {
        if (count < 0) return false;
        v.value = (double)count;
    } else {
        const char *end = skip_real(text);
        if (!end || end[0] != '%' || end[1]) return false;
        v.value = strtod(text, NULL);
        v.is_percent = true;
        if (!(v.value >= 0 && v.value <= 100)) return false;
    }
    *out = v;
    return true;
}

bool pn_scalar_is_null(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof(nulls) / sizeof(*nulls); i++)
        if (strcmp(text, nulls[i]) == 0) return true;
    return false;
}

void pn_real_text(double v, char buf[PN_REAL_TEXT])
{
    if (v == 0 && signbit(v)) { /* "-0" is read as a whole number, which has no sign */
        snprintf(buf, PN_REAL_TEXT, "-0.0");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buf, PN_REAL_TEXT, "%.*g", digits, v);
        if (strtod(buf, NULL) == v) return;
    }
}
