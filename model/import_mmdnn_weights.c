/* X.npy of MMdnn: an object array that holds a dict of layers, each a dict of arrays. */
#include "model/import_mmdnn.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

struct pn_mm_layer {
    pn_bytes name;
    const pn_pickle_item *arrays; /* dict */
};

static int compare_bytes(pn_bytes a, pn_bytes b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int order = n ? memcmp(a.at, b.at, n) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_layers(const void *a, const void *b)
{
    return compare_bytes(((const struct pn_mm_layer *)a)->name,
                         ((const struct pn_mm_layer *)b)->name);
}

static int compare_names(const void *a, const void *b)
{
    return compare_bytes(*(const pn_bytes *)a, *(const pn_bytes *)b);
}

/* for "%.*s" */
static int shown(pn_bytes name)
{
    return name.size > 80 ? 80 : (int)name.size;
}

static void note_repeats(pn_mmdnn *im, pn_bytes *names, size_t n, const char *of)
{
    qsort(names, n, sizeof(*names), compare_names);
    for (size_t i = 0, same; i < n; i += same) {
        for (same = 1; i + same < n && !compare_names(&names[i], &names[i + same]);)
            same++;
        if (same > 1)
            pn_mm_misfit(im, "%s \"%.*s\" is there %zu times", of, shown(names[i]),
                         (const char *)names[i].at, same);
    }
}

/* What is named alike, and what has no name or is not of that kind. Python's dict keeps
 * the last of entries that are named alike: whoever reads the file otherwise would see
 * other weights. */
static pn_status check_dict(pn_mmdnn *im, const pn_pickle_item *dict, const char *of,
                            bool holds_dicts)
{
    size_t n = 0;
    pn_bytes *names = calloc(dict->n / 2 + 1, sizeof(*names));
    if (!names) return PN_ENOMEM;
    for (size_t i = 0; i + 1 < dict->n; i += 2) {
        if (dict->items[i]->kind != PN_PICKLE_TEXT)
            pn_mm_misfit(im, "%s: the name of entry %zu is no text", of, i / 2);
        else if (holds_dicts && dict->items[i + 1]->kind != PN_PICKLE_DICT)
            pn_mm_misfit(im, "%s \"%.*s\" is no dict", of, shown(dict->items[i]->text),
                         (const char *)dict->items[i]->text.at);
        else
            names[n++] = dict->items[i]->text;
    }
    note_repeats(im, names, n, of);
    free(names);
    return PN_OK;
}

/* MMdnn writes layers and nothing else; in a layer its parser of Core ML leaves numbers,
 * too, which no operator asks for. */
static pn_status check_layers(pn_mmdnn *im, const pn_pickle_item *dict)
{
    size_t n_arrays = 0;
    pn_status st = check_dict(im, dict, "layer", true);
    for (size_t i = 0; !st && i < im->n_layers; i++) {
        const struct pn_mm_layer *l = &im->layers[i];
        char of[128];
        snprintf(of, sizeof(of), "layer \"%.*s\": array", shown(l->name),
                 (const char *)l->name.at);
        /* one dict may stand for many layers */
        n_arrays += l->arrays->n / 2;
        if (n_arrays > PN_PICKLE_MAX_OPS)
            return pn_fail(im->err, PN_EFORMAT, "%s: layers share too large a dict",
                           im->weights->path);
        st = check_dict(im, l->arrays, of, false);
    }
    char what[256];
    snprintf(what, sizeof(what), "entries of %.180s are none, or stand there twice",
             im->weights->path);
    if (!st) st = im->status;
    return st ? st : pn_mm_told(im, &im->misfits, PN_EFORMAT, what);
}

static pn_status sort_layers(pn_mmdnn *im, const pn_pickle_item *dict)
{
    im->layers = pn_arena_alloc(&im->arena, (dict->n / 2 + 1) * sizeof(*im->layers));
    if (!im->layers) return PN_ENOMEM;
    for (size_t i = 0; i + 1 < dict->n; i += 2)
        if (dict->items[i]->kind == PN_PICKLE_TEXT &&
            dict->items[i + 1]->kind == PN_PICKLE_DICT)
            im->layers[im->n_layers++] =
                (struct pn_mm_layer){dict->items[i]->text, dict->items[i + 1]};
    qsort(im->layers, im->n_layers, sizeof(*im->layers), compare_layers);
    return check_layers(im, dict);
}

pn_status pn_mm_weights_read(pn_mmdnn *im, const pn_file *file)
{
    pn_npy_array header;
    im->weights = file;
    pn_status st =
        pn_npy_parse_header(&header, file->data, file->size, file->path, im->err);
    if (!st)
        st = pn_pickle_read(&im->pickle, header.data, header.size_bytes, file->path,
                            im->err);
    if (st) return st;
    const pn_pickle_item *root = pn_pickle_root(im->pickle);
    if (root->kind == PN_PICKLE_ARRAY && !root->array && root->n == 1)
        root = root->items[0];
    if (root->kind != PN_PICKLE_DICT)
        return pn_fail(im->err, PN_EFORMAT, "%s: holds no dict of layers", file->path);
    return sort_layers(im, root);
}

static const pn_npy_array *find_array(const pn_mmdnn *im, pn_bytes layer, const char *key)
{
    const struct pn_mm_layer wanted = {.name = layer};
    const pn_bytes name = {(const unsigned char *)key, strlen(key)};
    const struct pn_mm_layer *hit =
        im->n_layers
            ? bsearch(&wanted, im->layers, im->n_layers, sizeof(wanted), compare_layers)
            : NULL;
    for (size_t i = 0; hit && i + 1 < hit->arrays->n; i += 2) {
        const pn_pickle_item *is = hit->arrays->items[i], *a = hit->arrays->items[i + 1];
        if (is->kind == PN_PICKLE_TEXT && !compare_bytes(is->text, name) &&
            a->kind == PN_PICKLE_ARRAY)
            return a->array;
    }
    return NULL;
}

const pn_npy_array *pn_mm_array(const pn_mmdnn *im, const char *key)
{
    /* MMdnn strips leading underscores off nodes, not off their layers */
    char name[256];
    int n = snprintf(name, sizeof(name), "_%s", im->node->name);
    if (n < 0 || n >= (int)sizeof(name)) {
        const pn_bytes whole = {(const unsigned char *)im->node->name,
                                strlen(im->node->name)};
        return find_array(im, whole, key);
    }
    const pn_bytes longer = {(unsigned char *)name, (size_t)n};
    const pn_bytes shorter = {(unsigned char *)name + 1, (size_t)n - 1};
    const pn_npy_array *a = find_array(im, shorter, key);
    return a ? a : find_array(im, longer, key);
}

int64_t pn_mm_stride(const pn_npy_array *a, int axis)
{
    int64_t stride = 1;
    if (a->is_fortran)
        for (int i = 0; i < axis; i++)
            stride *= a->shape.dim[i];
    else
        for (int i = axis + 1; i < a->shape.ndim; i++)
            stride *= a->shape.dim[i];
    return stride;
}

/* whether walking the strides is walking the array as it lies */
static bool is_straight(const int64_t *dims, const int64_t *strides, int n)
{
    int64_t expected = 1;
    for (int i = n - 1; i >= 0; i--) {
        if (dims[i] != 1 && strides[i] != expected) return false;
        expected *= dims[i];
    }
    return true;
}

static void gather(float *out, const unsigned char *from, const int64_t *dims,
                   const int64_t *strides, int n)
{
    int64_t at[PN_MAX_DIMS] = {0}, place = 0;
    const int64_t inner = dims[n - 1], step = strides[n - 1];
    for (;;) {
        for (int64_t i = 0; i < inner; i++) {
            memcpy(out++, from + (size_t)(place + i * step) * sizeof(float),
                   sizeof(float));
        }
        int k = n - 2;
        for (; k >= 0; k--) {
            place += strides[k];
            if (++at[k] < dims[k]) break;
            place -= at[k] * strides[k];
            at[k] = 0;
        }
        if (k < 0) return;
    }
}

/* float32 in the file's own order: the bytes as they are, or a copy to be freed */
static const unsigned char *as_floats(const pn_npy_array *a, int64_t n, float **copy)
{
    *copy = NULL;
    if (a->dtype == PN_F32 && !a->is_big_endian) return a->data;
    pn_npy_array straight = *a;
    straight.is_fortran = false; /* only the elements are converted, not their order */
    *copy = malloc((size_t)n * sizeof(float) + 1);
    if (*copy && !pn_npy_to_f32(&straight, 0, n, *copy)) return (unsigned char *)*copy;
    free(*copy);
    *copy = NULL;
    return NULL;
}

int pn_mm_strided(pn_mmdnn *im, const char *suffix, const pn_shape *shape,
                  const pn_npy_array *a, const int64_t *dims, const int64_t *strides,
                  int n)
{
    int64_t count = pn_shape_count(shape);
    if (im->status || count < 0) return PN_NONE;
    bool is_plain = a->dtype == PN_F32 && !a->is_big_endian;
    /* protocol 2 spells bytes as text: those are the pickle's own, and go with it */
    bool is_kept = pn_bytes_hold(im->weights->data, im->weights->size, a->data);
    if (count == 0 || (is_plain && is_straight(dims, strides, n) && is_kept))
        return pn_mm_const(im, suffix, PN_F32, shape, a->data);
    float *copy, *out = pn_graph_alloc(im->g, (size_t)count * sizeof(float));
    const unsigned char *from = out ? as_floats(a, count, &copy) : NULL;
    if (!from) {
        pn_mm_fail(im, PN_ENOMEM, "out of memory");
        return PN_NONE;
    }
    gather(out, from, dims, strides, n);
    free(copy);
    return pn_mm_const(im, suffix, PN_F32, shape, out);
}

int pn_mm_vector(pn_mmdnn *im, const char *suffix, const char *key, int64_t n)
{
    const pn_npy_array *a = pn_mm_array(im, key);
    const pn_shape shape = {.ndim = 1, .dim = {n}};
    const int64_t one = 1;
    if (!a) {
        pn_mm_misfit(im, "\"%s\" is missing, must have %lld numbers", key, (long long)n);
        return PN_NONE;
    }
    if (pn_shape_count(&a->shape) != n) {
        char is[PN_SHAPE_TEXT];
        pn_mm_misfit(im, "\"%s\" is %s, must have %lld numbers", key,
                     pn_shape_text(&a->shape, is, sizeof(is)), (long long)n);
        return PN_NONE;
    }
    return pn_mm_strided(im, suffix, &shape, a, &n, &one, 1);
}
