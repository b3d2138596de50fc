/** @file npy.h  Arrays that numpy wrote, for tests that compare with another program. */
#ifndef PN_TESTS_NPY_H
#define PN_TESTS_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "penult/status.h"

#define PN_NPY_MAX_DIMS 8

typedef struct pn_npy {
    int ndim;
    int64_t dim[PN_NPY_MAX_DIMS];
    size_t n;     /**< elements */
    double *data; /**< float32 and float64 alike, C order; owned */
} pn_npy;

/** '<f4' or '<f8', C order. Zero *out first. @return PN_ENOENT, PN_EFORMAT, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_npy_read(pn_npy *out, const char *path, pn_err *err);
void pn_npy_fini(pn_npy *a);

#endif
