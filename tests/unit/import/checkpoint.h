/** @file checkpoint.h  Checkpoints written byte by byte, as tests want them. */
#ifndef PN_TESTS_CHECKPOINT_H
#define PN_TESTS_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "model/import_mxnet.h"

/** Bytes that grow; they never fail (abort() when there is no memory). */
typedef struct bytes {
    unsigned char *data;
    size_t size;
} bytes;

void put(bytes *b, const void *data, size_t size);
void put_u32(bytes *b, uint32_t v);
void put_u64(bytes *b, uint64_t v);
void put_f32(bytes *b, float v);
void bytes_fini(bytes *b);

/** Magic, reserved word and the number of arrays. */
void put_list_head(bytes *b, uint64_t n_arrays);
/** A dense array of version 0 to 3 with its data; dims as many as ndim. */
void put_array(bytes *b, int version, int ndim, const int64_t *dim, int type_flag,
               const void *data, size_t size);
/** The number of names and the names; NULL ends them. */
void put_names(bytes *b, const char *const *names);

/** Parse bytes as if they were the file "t.params"; a copy of exactly that size, so that
 * reading past its end is seen. *copy is the caller's (free after *out). */
pn_status read_params(pn_mx_params **out, const bytes *b, unsigned char **copy,
                      pn_err *err);

/** A whole float32 checkpoint: names and shapes, every element 0.5. */
typedef struct weight {
    const char *name; /**< with its section; NULL ends a list */
    int ndim;
    int64_t dim[5];
} weight;
void put_weights(bytes *b, const weight *w);

/** The case of that name in tests/unit/model/npy_cases.bin: a file as numpy wrote it. */
bytes numpys_file(const char *name);

/** Write to a new file under the temporary folder; the caller frees and removes it. */
char *write_temp(const void *data, size_t size);

/** A file among the further checkpoints, NULL where it is not there; the caller frees it.
 */
char *shared_file(const char *name);

#endif
