/** @file npy.h  An .npy file as doubles, for tests that compare with another program. */
#ifndef PN_TESTS_NPY_H
#define PN_TESTS_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "penult/graph.h"
#include "penult/status.h"

typedef struct pn_npy {
    int ndim;
    int64_t dim[PN_MAX_DIMS];
    size_t n;     /**< elements */
    double *data; /**< whatever the type on disk, C order; owned */
} pn_npy;

/** Zero *out first. @return what pn_npy_parse() returns, PN_ENOENT, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_npy_read(pn_npy *out, const char *path, pn_err *err);
void pn_npy_fini(pn_npy *a);

#endif
