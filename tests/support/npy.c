#include "tests/support/npy.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/npy.h"

static pn_status keep(pn_npy *out, const pn_npy_array *a, const char *path, pn_err *err)
{
    out->ndim = a->shape.ndim;
    memcpy(out->dim, a->shape.dim, sizeof(out->dim));
    out->n = (size_t)pn_shape_count(&a->shape);
    out->data = malloc((out->n + 1) * sizeof(*out->data));
    if (!out->data) return pn_fail(err, PN_ENOMEM, "%s: out of memory", path);
    return pn_npy_to_f64(a, 0, (int64_t)out->n, out->data);
}

pn_status pn_npy_read(pn_npy *out, const char *path, pn_err *err)
{
    pn_file *file = NULL;
    pn_npy_array a;
    pn_status st = pn_file_open(&file, path, err);
    if (st != PN_OK) return st;
    st = pn_npy_parse(&a, file->data, file->size, path, err);
    if (st == PN_OK) st = keep(out, &a, path, err);
    pn_file_close(&file);
    return st;
}

void pn_npy_fini(pn_npy *a)
{
    free(a->data);
    memset(a, 0, sizeof *a);
}
