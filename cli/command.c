/* Printing that every command does in the same way. */
#include "cli/command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int pn_cli_fail(pn_err *err, pn_status st)
{
    fflush(stdout); /* what was printed before the failure stands before it */
    pn_print_line(stderr, "penult: %s",
                  err && err->status ? pn_err_text(err) : pn_status_name(st));
    pn_err_clear(err);
    return pn_exit_code(st);
}

pn_status pn_cli_print_json(json_t *value, int pretty)
{
    /* nine digits tell any two floats apart */
    char *text =
        value ? json_dumps(value, JSON_REAL_PRECISION(9) | (pretty ? JSON_INDENT(2) : 0))
              : NULL;
    json_decref(value);
    if (!text) return PN_ENOMEM;
    puts(text);
    free(text);
    return PN_OK;
}

json_t *pn_cli_json_text(const char *text, size_t size)
{
    json_t *j = json_stringn(text, size);
    if (j) return j;
    char *clean = malloc(size + 1);
    if (!clean) return NULL;
    for (size_t i = 0; i < size; i++)
        clean[i] = text[i] & 0x80 ? '?' : text[i];
    j = json_stringn(clean, size);
    free(clean);
    return j;
}

json_t *pn_cli_json_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

const char *pn_cli_bytes_text(int64_t bytes, char *buf, size_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    int unit = 0;
    for (; v >= 1024 && unit < 4; unit++)
        v /= 1024;
    snprintf(buf, size, unit ? "%.1f %s" : "%.0f %s", v, units[unit]);
    return buf;
}

const char *pn_cli_count_text(int64_t n, char *buf, size_t size)
{
    char digits[PN_CLI_NUMBER];
    int length = snprintf(digits, sizeof(digits), "%lld", (long long)n);
    size_t used = 0;
    for (int i = 0; i < length && used + 1 < size; i++) {
        int left = length - i;
        if (i && digits[i - 1] != '-' && left % 3 == 0 && used + 2 < size)
            buf[used++] = ',';
        buf[used++] = digits[i];
    }
    buf[used] = '\0';
    return buf;
}
