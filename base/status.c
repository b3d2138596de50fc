/* Results and their texts; the only place that formats an error. */
#include "penult/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

pn_status pn_fail(pn_err *err, pn_status st, const char *fmt, ...)
{
    if (!err || err->status) return st;
    err->status = st;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&err->text, fmt, ap) < 0) err->text = NULL;
    va_end(ap);
    return st;
}

void pn_err_prefix(pn_err *err, const char *fmt, ...)
{
    if (!err || !err->status) return;
    char *prefix = NULL, *joined = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&prefix, fmt, ap) < 0) prefix = NULL;
    va_end(ap);
    if (prefix && asprintf(&joined, "%s: %s", prefix, pn_err_text(err)) >= 0) {
        free(err->text);
        err->text = joined;
    }
    free(prefix);
}

void pn_err_clear(pn_err *err)
{
    if (!err) return;
    free(err->text);
    err->text = NULL;
    err->status = PN_OK;
}

const char *pn_err_text(const pn_err *err)
{
    return err->text ? err->text : pn_status_name(err->status);
}

const char *pn_status_name(pn_status st)
{
    switch (st) {
    case PN_OK:
        return "done";
    case PN_AGAIN:
        return "more input wanted";
    case PN_END:
        return "end";
    case PN_EINVAL:
        return "invalid argument";
    case PN_ENOMEM:
        return "out of memory";
    case PN_ENOENT:
        return "no such input";
    case PN_EFORMAT:
        return "damaged file";
    case PN_EUNSUPPORTED:
        return "not supported";
    case PN_ECONFIG:
        return "bad configuration";
    case PN_EEXIST:
        return "output exists";
    case PN_EMISMATCH:
        return "inputs do not fit together";
    case PN_EIO:
        return "input/output error";
    case PN_EFULL:
        return "no space left";
    case PN_ESTOPPED:
        return "stopped early";
    case PN_EINTERNAL:
        return "internal error";
    }
    return "unknown status";
}
