/* The reader of MXNet's .params files. Four record layouts share one frame; which one an
 * array has, its first word tells. Nothing is copied: arrays are places in the mapped
 * file, and every count is held against the bytes that are left before it is believed. */
#include "model/import_mxnet.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "model/npy.h"

enum {
    MAX_NDIM = 32,
    MAX_ARRAYS = 1 << 18, /* far beyond any network; bounds memory on files of zeros */
    MAX_NAME_BYTES = 64 * 1024,
    DENSE_FACTOR = 16, /* what sparse arrays may grow to, against the size of the file */
};
#define DENSE_SLACK_BYTES (UINT64_C(1) << 20)

#define LIST_MAGIC UINT64_C(0x112)
#define V1_MAGIC UINT32_C(0xF993FAC8)
#define V2_MAGIC UINT32_C(0xF993FAC9)
#define V3_MAGIC UINT32_C(0xF993FACA)

/* Reads fail for good: after the first short one, every later one yields 0. */
typedef struct cursor {
    const unsigned char *data;
    size_t size, at;
    bool is_short;
} cursor;

typedef struct reader {
    cursor c;
    const char *path;
    pn_err *err;
    uint64_t array;       /* which one is being read, for messages */
    size_t record_at;     /* where it begins */
    uint64_t dense_bytes; /* what the sparse ones would take */
} reader;

static size_t left(const cursor *c)
{
    return c->is_short ? 0 : c->size - c->at;
}

static const unsigned char *take(cursor *c, uint64_t n)
{
    if (c->is_short || n > c->size - c->at) {
        c->is_short = true;
        return NULL;
    }
    const unsigned char *p = c->data + c->at;
    c->at += (size_t)n;
    return p;
}

static uint32_t take_u32(cursor *c)
{
    uint32_t v = 0;
    const unsigned char *p = take(c, sizeof(v));
    if (p) memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t take_u64(cursor *c)
{
    uint64_t v = 0;
    const unsigned char *p = take(c, sizeof(v));
    if (p) memcpy(&v, p, sizeof(v));
    return v;
}

static int32_t take_i32(cursor *c)
{
    uint32_t v = take_u32(c);
    int32_t s;
    memcpy(&s, &v, sizeof(s));
    return s;
}

static int64_t take_i64(cursor *c)
{
    uint64_t v = take_u64(c);
    int64_t s;
    memcpy(&s, &v, sizeof(s));
    return s;
}

#define array_fail(r, st, ...) fail_in_array(r, pn_fail((r)->err, st, __VA_ARGS__))

static pn_status fail_in_array(reader *r, pn_status st)
{
    pn_err_prefix(r->err, "%s: array %" PRIu64 " at byte %zu", r->path, r->array,
                  r->record_at);
    return st;
}

static pn_status truncated(reader *r)
{
    return array_fail(r, PN_EFORMAT, "the file ends inside it, at byte %zu", r->c.size);
}

static bool dtype_of(int32_t type_flag, pn_dtype *out)
{
    static const pn_dtype types[] = {PN_F32, PN_F64, PN_F16,  PN_U8,  PN_I32,
                                     PN_I8,  PN_I64, PN_BOOL, PN_I16, PN_U16,
                                     PN_U32, PN_U64, PN_BF16};
    if (type_flag < 0 || (size_t)type_flag >= sizeof(types) / sizeof(types[0]))
        return false;
    *out = types[type_flag];
    return true;
}

/* bytes of an array of that shape; false if they are more than `limit` */
static bool shape_bytes(const pn_shape *s, pn_dtype t, uint64_t limit, uint64_t *bytes)
{
    uint64_t n = pn_dtype_size(t);
    for (int i = 0; i < s->ndim; i++)
        if (s->dim[i] == 0) n = 0;
    for (int i = 0; i < s->ndim && n; i++)
        if (__builtin_mul_overflow(n, (uint64_t)s->dim[i], &n)) return false;
    *bytes = n;
    return n <= limit;
}

/* ndim was read: now the dimensions, 32 bits wide in V0 and 64 in all others; -1 is a
 * dimension that V3 does not know */
static pn_status read_dims(reader *r, int64_t ndim, bool wide, bool may_be_unknown,
                           pn_shape *s)
{
    if (ndim < 0 || ndim > MAX_NDIM)
        return array_fail(r, PN_EFORMAT, "%" PRId64 " dimensions: must be 0 to %d", ndim,
                          MAX_NDIM);
    if ((uint64_t)ndim * (wide ? 8 : 4) > left(&r->c)) return truncated(r);
    if (ndim > PN_MAX_DIMS)
        return array_fail(r, PN_EUNSUPPORTED,
                          "%" PRId64 " dimensions: at most %d are supported", ndim,
                          PN_MAX_DIMS);
    s->ndim = (int)ndim;
    for (int i = 0; i < s->ndim; i++) {
        s->dim[i] = wide ? take_i64(&r->c) : (int64_t)take_u32(&r->c);
        if (s->dim[i] < 0 && !(may_be_unknown && s->dim[i] == -1))
            return array_fail(r, PN_EFORMAT,
                              "dimension %d is %" PRId64 ": must be 0 or more", i,
                              s->dim[i]);
    }
    return PN_OK;
}

static pn_status read_shape(reader *r, bool may_be_unknown, pn_shape *s)
{
    int64_t ndim = take_i32(&r->c);
    if (r->c.is_short) return truncated(r);
    if (may_be_unknown && ndim == -1) {
        s->ndim = 1;
        s->dim[0] = -1;
        return PN_OK;
    }
    return read_dims(r, ndim, true, may_be_unknown, s);
}

static pn_status read_dtype(reader *r, const char *what, pn_dtype *out)
{
    int32_t type_flag = take_i32(&r->c);
    if (r->c.is_short) return truncated(r);
    if (!dtype_of(type_flag, out))
        return array_fail(r, PN_EFORMAT, "%s has the unknown element type %" PRId32, what,
                          type_flag);
    return PN_OK;
}

static pn_status read_data(reader *r, const pn_shape *s, pn_dtype t,
                           const unsigned char **data, size_t *size)
{
    uint64_t bytes;
    char text[PN_SHAPE_TEXT];
    if (!shape_bytes(s, t, left(&r->c), &bytes))
        return array_fail(r, PN_EFORMAT, "%s of %s does not fit into the %zu bytes left",
                          pn_shape_text(s, text, sizeof(text)), pn_dtype_name(t),
                          left(&r->c));
    *data = take(&r->c, bytes);
    *size = (size_t)bytes;
    return PN_OK;
}

static int64_t index_at(pn_dtype t, const unsigned char *p, int64_t i)
{
    int64_t wide;
    int32_t narrow;
    switch (t) {
    case PN_I64:
        memcpy(&wide, p + 8 * i, sizeof(wide));
        return wide;
    case PN_I32:
        memcpy(&narrow, p + 4 * i, sizeof(narrow));
        return narrow;
    default: /* PN_U8: read_aux() lets no other in */
        return p[i];
    }
}

static pn_status read_aux_head(reader *r, pn_mx_array *a, int i, pn_shape *s)
{
    pn_status st = read_dtype(r, "its index", &a->aux_dtype[i]);
    if (st) return st;
    if (a->aux_dtype[i] != PN_I64 && a->aux_dtype[i] != PN_I32 &&
        a->aux_dtype[i] != PN_U8)
        return array_fail(r, PN_EFORMAT, "its index is of %s: must be integral",
                          pn_dtype_name(a->aux_dtype[i]));
    st = read_shape(r, false, s);
    if (!st && s->ndim != 1)
        st = array_fail(r, PN_EFORMAT, "its index has %d dimensions: must be 1", s->ndim);
    return st;
}

static pn_status check_rows(reader *r, const pn_mx_array *a, const pn_shape *stored)
{
    if (a->shape.ndim != stored->ndim)
        return array_fail(r, PN_EFORMAT, "its stored rows are of another rank");
    for (int i = 1; i < stored->ndim; i++)
        if (stored->dim[i] != a->shape.dim[i] && a->n_stored)
            return array_fail(r, PN_EFORMAT, "its stored rows are of another size");
    int64_t last = -1;
    for (int64_t i = 0; i < a->n_stored; i++) {
        int64_t row = index_at(a->aux_dtype[0], a->aux[0], i);
        if (row <= last || row >= a->shape.dim[0])
            return array_fail(r, PN_EFORMAT,
                              "row index %" PRId64
                              ": must ascend and be less than %" PRId64,
                              row, a->shape.dim[0]);
        last = row;
    }
    return PN_OK;
}

static pn_status check_csr(reader *r, const pn_mx_array *a, const pn_shape aux[2])
{
    int64_t rows = a->shape.dim[0], last = 0;
    if (aux[0].dim[0] != rows + 1 && !(aux[0].dim[0] == 0 && a->n_stored == 0))
        return array_fail(r, PN_EFORMAT,
                          "%" PRId64 " row starts: must be one more than rows",
                          aux[0].dim[0]);
    for (int64_t i = 0; i < aux[0].dim[0]; i++) {
        int64_t start = index_at(a->aux_dtype[0], a->aux[0], i);
        if (start < last || start > a->n_stored || (i == 0 && start != 0) ||
            (i == rows && start != a->n_stored))
            return array_fail(r, PN_EFORMAT, "row %" PRId64 " starts at element %" PRId64,
                              i, start);
        last = start;
    }
    for (int64_t i = 0; i < a->n_stored; i++) {
        int64_t column = index_at(a->aux_dtype[1], a->aux[1], i);
        if (column < 0 || column >= a->shape.dim[1])
            return array_fail(r, PN_EFORMAT,
                              "column %" PRId64 ": must be less than %" PRId64, column,
                              a->shape.dim[1]);
    }
    return PN_OK;
}

/* everything of a sparse array behind its type: index heads, elements, indices */
static pn_status read_sparse(reader *r, pn_mx_array *a, const pn_shape *stored)
{
    int n_aux = a->storage == PN_MX_CSR ? 2 : 1;
    pn_shape aux[2];
    pn_status st = PN_OK;
    if (stored->ndim < 1 || a->shape.ndim < 1 ||
        (a->storage == PN_MX_CSR && (a->shape.ndim != 2 || stored->ndim != 1)))
        return array_fail(r, PN_EFORMAT, "a sparse array of %d dimensions",
                          a->shape.ndim);
    a->n_stored = stored->dim[0];
    for (int i = 0; i < n_aux && !st; i++)
        st = read_aux_head(r, a, i, &aux[i]);
    if (!st && aux[n_aux - 1].dim[0] != a->n_stored)
        st = array_fail(r, PN_EFORMAT,
                        "%" PRId64 " indices for %" PRId64 " stored elements",
                        aux[n_aux - 1].dim[0], a->n_stored);
    if (!st) st = read_data(r, stored, a->dtype, &a->data, &a->size_bytes);
    size_t ignored;
    for (int i = 0; i < n_aux && !st; i++)
        st = read_data(r, &aux[i], a->aux_dtype[i], &a->aux[i], &ignored);
    if (!st)
        st = a->storage == PN_MX_CSR ? check_csr(r, a, aux) : check_rows(r, a, stored);
    if (st) return st;

    uint64_t dense, limit = (uint64_t)r->c.size * DENSE_FACTOR + DENSE_SLACK_BYTES;
    if (!shape_bytes(&a->shape, PN_F32, limit - r->dense_bytes, &dense))
        return array_fail(
            r, PN_EFORMAT,
            "the sparse arrays would take more than %" PRIu64 " bytes when dense", limit);
    r->dense_bytes += dense;
    return PN_OK;
}

/* version 1 to 3; 0: first_word is the number of dimensions */
static int version_of(uint32_t first_word)
{
    return first_word == V1_MAGIC   ? 1
           : first_word == V2_MAGIC ? 2
           : first_word == V3_MAGIC ? 3
                                    : 0;
}

static pn_status read_storage(reader *r, int version, pn_mx_array *a, pn_shape *stored)
{
    int32_t storage = take_i32(&r->c);
    if (r->c.is_short) return truncated(r);
    if (storage < PN_MX_DENSE || storage > (version == 3 ? PN_MX_DENSE : PN_MX_CSR))
        return array_fail(r, PN_EFORMAT, "unknown storage type %" PRId32, storage);
    a->storage = (pn_mx_storage)storage;
    return a->storage == PN_MX_DENSE ? PN_OK : read_shape(r, false, stored);
}

static pn_status read_array(reader *r, pn_mx_array *a)
{
    pn_shape stored = {0};
    pn_status st = PN_OK;
    r->record_at = r->c.at;
    uint32_t word = take_u32(&r->c);
    if (r->c.is_short) return truncated(r);
    int version = version_of(word);
    if (version == 0 && word > MAX_NDIM)
        return array_fail(r, PN_EFORMAT,
                          "begins with 0x%08" PRIX32
                          ": neither a known version nor a number "
                          "of dimensions",
                          word);
    if (version >= 2) st = read_storage(r, version, a, &stored);
    if (!st)
        st = version == 0 ? read_dims(r, word, false, false, &a->shape)
                          : read_shape(r, version == 3, &a->shape);
    if (st) return st;
    a->is_none = version < 3 && a->shape.ndim == 0;
    for (int i = 0; i < a->shape.ndim; i++)
        if (a->shape.dim[i] < 0) a->is_none = true;
    if (a->is_none) return PN_OK;
    take(&r->c, 8); /* the device that saved it, of no meaning here */
    st = read_dtype(r, "it", &a->dtype);
    if (st) return st;
    return a->storage == PN_MX_DENSE
               ? read_data(r, &a->shape, a->dtype, &a->data, &a->size_bytes)
               : read_sparse(r, a, &stored);
}

static pn_status read_arrays(reader *r, pn_mx_params *p, uint64_t n)
{
    size_t capacity = 0;
    for (; r->array < n; r->array++) {
        if (r->array == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            void *more = reallocarray(p->array_block, capacity, sizeof(pn_mx_array));
            if (!more) return pn_fail(r->err, PN_ENOMEM, "%s: out of memory", r->path);
            p->array_block = p->arrays = more;
        }
        pn_mx_array *a = &p->arrays[p->n_arrays];
        memset(a, 0, sizeof(*a));
        pn_status st = read_array(r, a);
        if (st) return st;
        p->n_arrays++;
    }
    return PN_OK;
}

const char *pn_mx_strip_section(const char *name)
{
    if (!strncmp(name, "arg:", 4) || !strncmp(name, "aux:", 4)) return name + 4;
    return strchr(name, ':') ? NULL : name;
}

static pn_status read_names(reader *r, pn_mx_params *p, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        size_t at = r->c.at;
        uint64_t size = take_u64(&r->c);
        const unsigned char *text = take(&r->c, size);
        if (!text)
            return pn_fail(r->err, PN_EFORMAT,
                           "%s: name %" PRIu64 " at byte %zu does not fit into the file",
                           r->path, i, at);
        if (size > MAX_NAME_BYTES || memchr(text, 0, (size_t)size) ||
            !pn_utf8_valid(text, (size_t)size))
            return pn_fail(r->err, PN_EFORMAT,
                           "%s: name %" PRIu64
                           " at byte %zu: must be UTF-8 without NUL, at "
                           "most %d bytes",
                           r->path, i, at, MAX_NAME_BYTES);
        const char *copy = pn_arena_strndup(&p->arena, (const char *)text, (size_t)size);
        if (!copy) return pn_fail(r->err, PN_ENOMEM, "%s: out of memory", r->path);
        p->arrays[i].name = pn_mx_strip_section(copy);
        if (p->arrays[i].name) p->by_name[p->n_named++] = (int)i;
    }
    return PN_OK;
}

static int compare_names(const void *a, const void *b, void *arrays)
{
    const pn_mx_array *all = arrays;
    return strcmp(all[*(const int *)a].name, all[*(const int *)b].name);
}

static pn_status index_names(const reader *r, pn_mx_params *p)
{
    qsort_r(p->by_name, (size_t)p->n_named, sizeof(int), compare_names, p->arrays);
    for (int i = 1; i < p->n_named; i++)
        if (!compare_names(&p->by_name[i - 1], &p->by_name[i], p->arrays))
            return pn_fail(r->err, PN_EFORMAT, "%s: two arrays are named \"%s\"", r->path,
                           p->arrays[p->by_name[i]].name);
    return PN_OK;
}

static pn_status check_frame(reader *r)
{
    static const unsigned char big_endian[8] = {0, 0, 0, 0, 0, 0, 1, 0x12};
    const unsigned char *d = r->c.data;
    size_t size = r->c.size;
    if (size >= 8 && !memcmp(d, big_endian, 8))
        return pn_fail(r->err, PN_EUNSUPPORTED, "%s: a big-endian .params file", r->path);
    if (take_u64(&r->c) != LIST_MAGIC || left(&r->c) < 16)
        return pn_fail(r->err, PN_EFORMAT,
                       "%s: not a .params file: its first bytes are not "
                       "those of an array list",
                       r->path);
    take(&r->c, 8); /* reserved */
    return PN_OK;
}

static pn_status read_list(reader *r, pn_mx_params *p)
{
    pn_status st = check_frame(r);
    if (st) return st;
    uint64_t n = take_u64(&r->c);
    if (n > left(&r->c) / 4 || n > MAX_ARRAYS)
        return pn_fail(r->err, PN_EFORMAT, "%s: claims %" PRIu64 " arrays in %zu bytes",
                       r->path, n, r->c.size);
    st = read_arrays(r, p, n);
    if (st) return st;
    size_t names_at = r->c.at;
    uint64_t n_names = take_u64(&r->c);
    if (r->c.is_short || (n_names && n_names != n) || n_names > left(&r->c) / 8)
        return pn_fail(r->err, PN_EFORMAT,
                       "%s: claims %" PRIu64 " names for %" PRIu64 " arrays at byte %zu",
                       r->path, n_names, n, names_at);
    p->has_names = n_names > 0;
    p->by_name = calloc((size_t)n_names + 1, sizeof(int));
    if (!p->by_name) return pn_fail(r->err, PN_ENOMEM, "%s: out of memory", r->path);
    st = read_names(r, p, n_names);
    if (!st && left(&r->c))
        st = pn_fail(r->err, PN_EFORMAT,
                     "%s: %zu bytes behind the end of the list at byte %zu", r->path,
                     left(&r->c), r->c.at);
    return st;
}

pn_status pn_mx_params_read(pn_mx_params **out, const pn_file *file, pn_err *err)
{
    pn_mx_params *p = calloc(1, sizeof(*p));
    if (!p) return pn_fail(err, PN_ENOMEM, "%s: out of memory", file->path);
    p->bytes = file->data;
    p->size = file->size;
    reader r = {
        .c = {.data = file->data, .size = file->size}, .path = file->path, .err = err};
    pn_status st =
        pn_npz_suits(file) ? pn_mx_params_read_npz(p, file, err) : read_list(&r, p);
    if (!st) st = index_names(&r, p);
    if (st)
        pn_mx_params_free(&p);
    else
        *out = p;
    return st;
}

void pn_mx_params_free(pn_mx_params **params)
{
    pn_mx_params *p = *params;
    if (!p) return;
    pn_arena_fini(&p->arena);
    free(p->array_block);
    free(p->by_name);
    free(p);
    *params = NULL;
}

const pn_mx_array *pn_mx_params_find(const pn_mx_params *p, const char *name)
{
    int low = 0, high = p->n_named;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const pn_mx_array *a = &p->arrays[p->by_name[middle]];
        int order = strcmp(name, a->name);
        if (order == 0) return a;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* dense elements into zeroed memory; places were checked when the file was read */
static pn_status scatter(const pn_mx_array *a, float *dense)
{
    pn_value stored = {.dtype = a->dtype, .data = a->data, .size_bytes = a->size_bytes};
    stored.shape.ndim = 1;
    stored.shape.dim[0] = (int64_t)(a->size_bytes / pn_dtype_size(a->dtype));
    stored.has_shape = true;
    int64_t row_size = 1;
    for (int i = 1; i < a->shape.ndim; i++)
        row_size *= a->shape.dim[i];
    pn_status st = PN_OK;
    if (a->storage == PN_MX_ROW_SPARSE) {
        for (int64_t i = 0; i < a->n_stored && row_size && !st; i++)
            st = pn_value_to_f32(&stored, i * row_size, row_size,
                                 dense +
                                     index_at(a->aux_dtype[0], a->aux[0], i) * row_size);
        return st;
    }
    for (int64_t row = 0; row < a->shape.dim[0] && a->n_stored && !st; row++) {
        int64_t end = index_at(a->aux_dtype[0], a->aux[0], row + 1);
        for (int64_t i = index_at(a->aux_dtype[0], a->aux[0], row); i < end && !st; i++)
            st = pn_value_to_f32(&stored, i, 1,
                                 dense + row * row_size +
                                     index_at(a->aux_dtype[1], a->aux[1], i));
    }
    return st;
}

const void *pn_mx_array_f32(const pn_mx_array *a, pn_graph *g, size_t *size_bytes)
{
    int64_t n = pn_shape_count(&a->shape);
    if (n < 0) return NULL;
    *size_bytes = (size_t)n * sizeof(float);
    if (a->storage == PN_MX_DENSE && a->dtype == PN_F32) return a->data;
    float *copy = pn_graph_alloc(g, *size_bytes ? *size_bytes : 1);
    if (!copy) return NULL;
    pn_status st;
    if (a->storage == PN_MX_DENSE) {
        pn_value v = {.dtype = a->dtype,
                      .shape = a->shape,
                      .has_shape = true,
                      .data = a->data,
                      .size_bytes = a->size_bytes};
        st = pn_value_to_f32(&v, 0, n, copy);
    } else {
        st = scatter(a, copy);
    }
    return st ? NULL : copy;
}
