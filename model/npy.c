/* The .npy format. Its header is a Python literal: a dict of three keys, which a parser
 * of exactly that grammar reads without guessing. Format: numpy/lib/format.py. */
#include "model/npy.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

enum { PREAMBLE = 8, CHUNK = 512 /* elements converted at a time */ };

typedef struct parser {
    const char *p, *end;
    const char *where;
    pn_err *err;
} parser;

#define header_fail(h, st, ...)                                                          \
    (pn_fail((h)->err, st, __VA_ARGS__), pn_err_prefix((h)->err, "%s", (h)->where), st)

/* ---- the dict ---- */

static void skip_blanks(parser *h)
{
    while (h->p < h->end && (*h->p == ' ' || *h->p == '\t' || *h->p == '\n'))
        h->p++;
}

/* whether the next character, after blanks, is c; it is taken then */
static bool take(parser *h, char c)
{
    skip_blanks(h);
    if (h->p == h->end || *h->p != c) return false;
    h->p++;
    return true;
}

static bool take_word(parser *h, const char *word)
{
    const size_t n = strlen(word);
    skip_blanks(h);
    if ((size_t)(h->end - h->p) < n || memcmp(h->p, word, n) != 0) return false;
    h->p += n;
    return true;
}

/* a string literal of plain characters; no escapes: numpy writes none here */
static bool take_string(parser *h, char *out, size_t size)
{
    skip_blanks(h);
    if (h->p == h->end || (*h->p != '\'' && *h->p != '"')) return false;
    const char quote = *h->p++;
    for (size_t n = 0; h->p < h->end && n < size; n++) {
        const char c = *h->p++;
        if (c == quote) {
            out[n] = '\0';
            return true;
        }
        if (c < ' ' || c > '~' || c == '\\') return false;
        out[n] = c;
    }
    return false;
}

static bool take_dim(parser *h, int64_t *out)
{
    int64_t v = 0;
    skip_blanks(h);
    const char *begin = h->p;
    for (; h->p < h->end && *h->p >= '0' && *h->p <= '9'; h->p++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, *h->p - '0', &v))
            return false;
    if (h->p == begin) return false;
    if (h->p < h->end && *h->p == 'L') h->p++; /* Python 2's long */
    *out = v;
    return true;
}

/* "()", "(3,)", "(2, 3)", "(2, 3,)"; "(3)" is no tuple to Python either */
static pn_status parse_shape(parser *h, pn_npy_array *a)
{
    if (!take(h, '(')) return header_fail(h, PN_EFORMAT, "shape: must be a tuple");
    bool is_open = true, has_comma = false;
    a->shape.ndim = 0;
    while (!take(h, ')')) {
        int64_t dim;
        if (!is_open || !take_dim(h, &dim))
            return header_fail(h, PN_EFORMAT,
                               "shape: must be a tuple of whole numbers of 63 bits");
        if (a->shape.ndim == PN_MAX_DIMS)
            return header_fail(h, PN_EUNSUPPORTED,
                               "shape: more than %d dimensions are not supported",
                               PN_MAX_DIMS);
        a->shape.dim[a->shape.ndim++] = dim;
        is_open = take(h, ',');
        has_comma = has_comma || is_open;
    }
    if (a->shape.ndim == 1 && !has_comma)
        return header_fail(h, PN_EFORMAT, "shape: must be a tuple");
    return PN_OK;
}

void pn_npy_find_dtype(pn_npy_array *a)
{
    static const struct {
        char name[4];
        pn_dtype dtype;
    } types[] = {{"f4", PN_F32}, {"f8", PN_F64}, {"f2", PN_F16}, {"u1", PN_U8},
                 {"i1", PN_I8},  {"u2", PN_U16}, {"i2", PN_I16}, {"u4", PN_U32},
                 {"i4", PN_I32}, {"u8", PN_U64}, {"i8", PN_I64}, {"b1", PN_BOOL}};
    const char *name = a->descr;
    if (strchr("<>|=", *name)) name++;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(name, types[i].name) == 0) {
            a->has_dtype = true;
            a->dtype = types[i].dtype;
            a->is_big_endian = a->descr[0] == '>' && name[1] != '1';
        }
}

static pn_status parse_descr(parser *h, pn_npy_array *a)
{
    skip_blanks(h);
    if (h->p < h->end && *h->p == '[')
        return header_fail(h, PN_EUNSUPPORTED,
                           "a structured element type is not supported");
    if (!take_string(h, a->descr, sizeof(a->descr)) || !a->descr[0])
        return header_fail(h, PN_EFORMAT, "descr: must be a text like '<f4'");
    pn_npy_find_dtype(a);
    return PN_OK;
}

static pn_status parse_order(parser *h, pn_npy_array *a)
{
    if (take_word(h, "True"))
        a->is_fortran = true;
    else if (!take_word(h, "False"))
        return header_fail(h, PN_EFORMAT, "fortran_order: must be True or False");
    return PN_OK;
}

static pn_status parse_dict(parser *h, pn_npy_array *a)
{
    static const struct {
        const char *key;
        pn_status (*parse)(parser *h, pn_npy_array *a);
    } keys[] = {
        {"descr", parse_descr}, {"fortran_order", parse_order}, {"shape", parse_shape}};
    bool seen[3] = {false}, is_open = true;
    if (!take(h, '{')) return header_fail(h, PN_EFORMAT, "its header is no dict");
    while (!take(h, '}')) {
        char key[16];
        int k = 0;
        if (!is_open || !take_string(h, key, sizeof(key)) || !take(h, ':'))
            return header_fail(h, PN_EFORMAT, "its header is no dict of three keys");
        while (k < 3 && strcmp(key, keys[k].key) != 0)
            k++;
        if (k == 3 || seen[k])
            return header_fail(h, PN_EFORMAT, "its header has %s key \"%s\"",
                               k == 3 ? "the unknown" : "twice the", key);
        seen[k] = true;
        pn_status st = keys[k].parse(h, a);
        if (st) return st;
        is_open = take(h, ',');
    }
    for (int k = 0; k < 3; k++)
        if (!seen[k])
            return header_fail(h, PN_EFORMAT, "its header lacks \"%s\"", keys[k].key);
    skip_blanks(h);
    if (h->p != h->end)
        return header_fail(h, PN_EFORMAT, "something stands behind its header's dict");
    return PN_OK;
}

/* ---- the frame ---- */

pn_status pn_npy_parse_header(pn_npy_array *out, const void *bytes, size_t size,
                              const char *where, pn_err *err)
{
    const unsigned char *b = bytes;
    parser h = {.where = where, .err = err};
    if (size < PREAMBLE || memcmp(b, "\x93NUMPY", 6) != 0)
        return header_fail(&h, PN_EFORMAT, "is no .npy array");
    if (b[6] < 1 || b[6] > 3 || b[7] != 0)
        return header_fail(&h, PN_EUNSUPPORTED,
                           "version %u.%u of the .npy format: 1.0 to 3.0 are supported",
                           b[6], b[7]);
    const size_t at = PREAMBLE + (b[6] == 1 ? 2 : 4);
    if (size < at) return header_fail(&h, PN_EFORMAT, "ends inside its header");
    const size_t length = b[6] == 1 ? pn_get_u16(b + PREAMBLE) : pn_get_u32(b + PREAMBLE);
    if (length > PN_NPY_MAX_HEADER)
        return header_fail(&h, PN_EFORMAT, "a header of %zu bytes: at most %d", length,
                           PN_NPY_MAX_HEADER);
    if (length > size - at) return header_fail(&h, PN_EFORMAT, "ends inside its header");
    pn_npy_array a = {.data = b + at + length, .size_bytes = size - at - length};
    h.p = (const char *)b + at;
    h.end = h.p + length;
    pn_status st = parse_dict(&h, &a);
    if (st) return st;
    if (a.shape.ndim < 2) a.is_fortran = false;
    *out = a;
    return PN_OK;
}

pn_status pn_npy_parse(pn_npy_array *out, const void *bytes, size_t size,
                       const char *where, pn_err *err)
{
    pn_npy_array a;
    const parser h = {.where = where, .err = err};
    char text[PN_SHAPE_TEXT];
    pn_status st = pn_npy_parse_header(&a, bytes, size, where, err);
    if (st) return st;
    if (strchr(a.descr, 'O'))
        return header_fail(&h, PN_EUNSUPPORTED,
                           "holds Python objects (%s), not an array of numbers", a.descr);
    if (!a.has_dtype)
        return header_fail(&h, PN_EUNSUPPORTED, "elements of type %s are not supported",
                           a.descr);
    int64_t n = pn_shape_count(&a.shape), want;
    if (n < 0 || __builtin_mul_overflow(n, (int64_t)pn_dtype_size(a.dtype), &want) ||
        (uint64_t)want != a.size_bytes)
        return header_fail(&h, PN_EFORMAT, "%zu bytes of elements do not make %s of %s",
                           a.size_bytes, pn_shape_text(&a.shape, text, sizeof(text)),
                           pn_dtype_name(a.dtype));
    *out = a;
    return PN_OK;
}

/* ---- the elements ---- */

/* Elements first .. first + n in C order, each byte-swapped to ours. n >= 1. */
static void gather(const pn_npy_array *a, int64_t first, int64_t n, unsigned char *to)
{
    const size_t size = pn_dtype_size(a->dtype);
    const int ndim = a->is_fortran ? a->shape.ndim : 0;
    int64_t index[PN_MAX_DIMS] = {0}, stride[PN_MAX_DIMS] = {0}, at = 0, step = 1;
    for (int d = 0; d < ndim; d++) {
        stride[d] = step;
        step *= a->shape.dim[d];
    }
    int64_t rest = first;
    for (int d = ndim; d-- > 0; rest /= a->shape.dim[d]) {
        index[d] = rest % a->shape.dim[d];
        at += index[d] * stride[d];
    }
    if (!ndim) at = first;
    for (int64_t i = 0; i < n; i++, to += size) {
        const unsigned char *from = a->data + (size_t)at * size;
        for (size_t b = 0; b < size; b++)
            to[b] = from[a->is_big_endian ? size - 1 - b : b];
        if (!ndim) at++;
        for (int d = ndim; d-- > 0;) { /* the odometer's next place */
            at += stride[d];
            if (++index[d] < a->shape.dim[d]) break;
            at -= index[d] * stride[d];
            index[d] = 0;
        }
    }
}

/* what pn_value_to_f32() would lose: f64 and integers beyond 24 bits */
static pn_status exactly(const pn_value *v, int64_t n, double *out)
{
    float small[CHUNK];
    int64_t whole[CHUNK];
    pn_status st = PN_OK;
    switch (v->dtype) {
    case PN_F64:
        memcpy(out, v->data, (size_t)n * sizeof(*out));
        return PN_OK;
    case PN_U64:
        memcpy(whole, v->data, (size_t)n * sizeof(*whole));
        for (int64_t i = 0; i < n; i++)
            out[i] = (double)(uint64_t)whole[i];
        return PN_OK;
    case PN_I64:
    case PN_U32:
    case PN_I32:
        st = pn_value_to_i64(v, 0, n, whole);
        for (int64_t i = 0; i < n && !st; i++)
            out[i] = (double)whole[i];
        return st;
    default:
        st = pn_value_to_f32(v, 0, n, small);
        for (int64_t i = 0; i < n && !st; i++)
            out[i] = (double)small[i];
        return st;
    }
}

/* one of f32 and f64 is wanted */
static pn_status convert(const pn_npy_array *a, int64_t first, int64_t n, float *f32,
                         double *f64)
{
    unsigned char raw[CHUNK * sizeof(double)];
    pn_value v = {.dtype = a->dtype, .data = raw, .size_bytes = sizeof(raw)};
    const int64_t count = pn_shape_count(&a->shape);
    if (first < 0 || n < 0 || first > count || n > count - first) return PN_EINVAL;
    pn_status st = PN_OK;
    for (int64_t done = 0, now; done < n && !st; done += now) {
        now = n - done < CHUNK ? n - done : CHUNK;
        gather(a, first + done, now, raw);
        st = f32 ? pn_value_to_f32(&v, 0, now, f32 + done) : exactly(&v, now, f64 + done);
    }
    return st;
}

pn_status pn_npy_to_f32(const pn_npy_array *a, int64_t first, int64_t n, float *out)
{
    return convert(a, first, n, out, NULL);
}

pn_status pn_npy_to_f64(const pn_npy_array *a, int64_t first, int64_t n, double *out)
{
    return convert(a, first, n, NULL, out);
}
