/* npy.c  The part of the .npy format that our goldens use. The header is a Python dict
 * literal of fixed keys, so three small searches do for a parser. */
#include "tests/support/npy.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static bool shape_of(pn_npy *a, const char *header)
{
    const char *p = strstr(header, "'shape': (");
    if (!p) return false;
    p += strlen("'shape': (");
    a->n = 1;
    for (a->ndim = 0; *p != ')'; a->ndim++) {
        char *end;
        long long d = strtoll(p, &end, 10);
        if (end == p || d < 0 || a->ndim == PN_NPY_MAX_DIMS) return false;
        if (d && a->n > SIZE_MAX / 16 / (size_t)d) return false;
        a->dim[a->ndim] = d;
        a->n *= (size_t)d;
        p = end + strspn(end, ", ");
    }
    return true;
}

static pn_status parse(pn_npy *a, const unsigned char *b, size_t size, const char *path,
                       pn_err *err)
{
    char header[512];
    if (size < 10 || memcmp(b, "\x93NUMPY\x01", 7) != 0)
        return pn_fail(err, PN_EFORMAT, "%s: not an .npy file of version 1", path);
    size_t len = b[8] | (size_t)b[9] << 8;
    if (len >= sizeof header || len > size - 10)
        return pn_fail(err, PN_EFORMAT, "%s: header of %zu bytes", path, len);
    memcpy(header, b + 10, len);
    header[len] = 0;

    bool f4 = strstr(header, "'descr': '<f4'"), f8 = strstr(header, "'descr': '<f8'");
    if (!f4 && !f8) return pn_fail(err, PN_EFORMAT, "%s: neither <f4 nor <f8", path);
    if (!strstr(header, "'fortran_order': False"))
        return pn_fail(err, PN_EFORMAT, "%s: not in C order", path);
    if (!shape_of(a, header)) return pn_fail(err, PN_EFORMAT, "%s: bad shape", path);
    if (size - 10 - len != a->n * (f4 ? 4 : 8))
        return pn_fail(err, PN_EFORMAT, "%s: %zu bytes of data for %zu elements", path,
                       size - 10 - len, a->n);

    a->data = malloc(a->n ? a->n * sizeof *a->data : 1);
    if (!a->data) return pn_fail(err, PN_ENOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < a->n; i++) {
        float f;
        if (f4)
            memcpy(&f, b + 10 + len + 4 * i, 4);
        else
            memcpy(&a->data[i], b + 10 + len + 8 * i, 8);
        if (f4) a->data[i] = (double)f;
    }
    return PN_OK;
}

pn_status pn_npy_read(pn_npy *out, const char *path, pn_err *err)
{
    pn_file *file = NULL;
    pn_status st = pn_file_open(&file, path, err);
    if (st != PN_OK) return st;
    st = parse(out, file->data, file->size, path, err);
    pn_file_close(&file);
    if (st != PN_OK) pn_npy_fini(out);
    return st;
}

void pn_npy_fini(pn_npy *a)
{
    free(a->data);
    memset(a, 0, sizeof *a);
}
