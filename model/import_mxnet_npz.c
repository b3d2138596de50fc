/* What MXNet 2 writes behind the name .params: an .npz, its entries named as the arrays
 * of the older files are, or one array alone as an .npy. */
#include <stdlib.h>
#include <string.h>

#include "model/import_mxnet.h"
#include "model/npy.h"

static pn_status out_of_memory(const pn_file *file, pn_err *err)
{
    return pn_fail(err, PN_ENOMEM, "%s: out of memory", file->path);
}

/* the elements, where they lie if they can stay there, else as float32 in the arena */
static pn_status keep_elements(pn_mx_params *p, const pn_npy_array *from, bool is_mapped,
                               pn_mx_array *to)
{
    to->shape = from->shape;
    to->dtype = from->dtype;
    to->data = from->data;
    to->size_bytes = from->size_bytes;
    if (is_mapped && pn_npy_is_plain(from)) return PN_OK;
    const int64_t n = pn_shape_count(&from->shape);
    float *copy = pn_arena_alloc(&p->arena, ((size_t)n + 1) * sizeof(*copy));
    if (!copy) return PN_ENOMEM;
    to->dtype = PN_F32;
    to->data = (const unsigned char *)copy;
    to->size_bytes = (size_t)n * sizeof(*copy);
    return pn_npy_to_f32(from, 0, n, copy);
}

static pn_status read_one(pn_mx_params *p, const pn_npz *z, int i, const pn_file *file,
                          pn_err *err)
{
    pn_npy_array a;
    void *memory;
    pn_status st = pn_npz_read(z, i, &a, &memory, err);
    if (st) return st;
    st = keep_elements(p, &a, !memory, &p->arrays[i]);
    free(memory);
    if (st) return out_of_memory(file, err);
    p->n_arrays++;
    const char *name = pn_npz_name(z, i);
    if (!*name) return PN_OK;
    char *copy = pn_arena_strdup(&p->arena, name);
    if (!copy) return out_of_memory(file, err);
    p->has_names = true;
    p->arrays[i].name = pn_mx_strip_section(copy);
    if (p->arrays[i].name) p->by_name[p->n_named++] = i;
    return PN_OK;
}

pn_status pn_mx_params_read_npz(pn_mx_params *p, const pn_file *file, pn_err *err)
{
    pn_npz *z;
    pn_status st = pn_npz_open(&z, file, err);
    if (st) return st;
    const int n = pn_npz_count(z);
    p->array_block = p->arrays = calloc((size_t)n + 1, sizeof(*p->arrays));
    p->by_name = calloc((size_t)n + 1, sizeof(*p->by_name));
    if (!p->arrays || !p->by_name) st = out_of_memory(file, err);
    for (int i = 0; i < n && !st; i++)
        st = read_one(p, z, i, file, err);
    pn_npz_close(&z);
    return st;
}
