/** @file npy.h  Arrays as numpy writes them: .npy alone, or many in an .npz. */
#ifndef PN_MODEL_NPY_H
#define PN_MODEL_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "penult/graph.h"
#include "penult/status.h"

enum {
    PN_NPY_DESCR = 32,         /**< bytes of the text of an element type, NUL included */
    PN_NPY_MAX_HEADER = 10000, /**< bytes; numpy itself refuses more */
};

/** One array. Pointers go into the bytes that were parsed. */
typedef struct pn_npy_array {
    char descr[PN_NPY_DESCR]; /**< the element type as written: "<f4", "|O" */
    bool has_dtype;           /**< it is one of ours: dtype and is_big_endian say which */
    pn_dtype dtype;
    bool is_big_endian;
    bool is_fortran; /**< the first index runs fastest; never set where it is all one */
    pn_shape shape;
    const unsigned char *data; /**< all that lies behind the header */
    size_t size_bytes;         /**< of data */
} pn_npy_array;

/**
 * The header alone, versions 1 to 3: for callers who know what lies behind "|O" or a type
 * that is not ours. `where` begins messages.
 * @return PN_EFORMAT, PN_EUNSUPPORTED (another version, a structured type, more than
 * PN_MAX_DIMS dimensions)
 */
PN_MUST_CHECK pn_status pn_npy_parse_header(pn_npy_array *out, const void *bytes,
                                            size_t size, const char *where, pn_err *err);
/** The same for an array of numbers: the type must be one of ours and the elements must
 * be there, all of them and nothing else. @return also PN_EUNSUPPORTED for other types */
PN_MUST_CHECK pn_status pn_npy_parse(pn_npy_array *out, const void *bytes, size_t size,
                                     const char *where, pn_err *err);

/** has_dtype, dtype and is_big_endian from descr. */
void pn_npy_find_dtype(pn_npy_array *a);
/** Whether the elements are as a pn_value wants them: C order, little-endian. */
static inline bool pn_npy_is_plain(const pn_npy_array *a)
{
    return !a->is_fortran && !a->is_big_endian;
}
/** n elements from element `first` on, counted in C order whatever the order on disk, of
 * an array that pn_npy_parse() took. @return PN_EINVAL past the end */
PN_MUST_CHECK pn_status pn_npy_to_f32(const pn_npy_array *a, int64_t first, int64_t n,
                                      float *out);
PN_MUST_CHECK pn_status pn_npy_to_f64(const pn_npy_array *a, int64_t first, int64_t n,
                                      double *out);

/* ---- npz.c: the arrays of a file ---- */

/** The arrays of an .npz in the archive's order, or the one of an .npy. */
typedef struct pn_npz pn_npz;

/** Told apart by content. `file` must outlive *out.
 * @return PN_EFORMAT, PN_EUNSUPPORTED, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_npz_open(pn_npz **out, const pn_file *file, pn_err *err);
/** Whether pn_npz_open() would try. */
bool pn_npz_suits(const pn_file *file);
void pn_npz_close(pn_npz **z);
int pn_npz_count(const pn_npz *z);
/** Without ".npy"; "" for that of an .npy. Lent by z. */
const char *pn_npz_name(const pn_npz *z, int i);
/** Parse array i as pn_npy_parse() does. *memory is what it lies in if it was compressed
 * (free() after use), else NULL. */
PN_MUST_CHECK pn_status pn_npz_read(const pn_npz *z, int i, pn_npy_array *out,
                                    void **memory, pn_err *err);

#endif
