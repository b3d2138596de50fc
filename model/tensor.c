/* What is in a tensor: element types, shapes as numbers and text, constants as numbers.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "penult/graph.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "constants are used as they lie in the file, which is little-endian");

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [PN_F32] = {"float32", 4},   [PN_U8] = {"uint8", 1},   [PN_I8] = {"int8", 1},
    [PN_U16] = {"uint16", 2},    [PN_I16] = {"int16", 2},  [PN_I32] = {"int32", 4},
    [PN_I64] = {"int64", 8},     [PN_BOOL] = {"bool", 1},  [PN_F16] = {"float16", 2},
    [PN_F64] = {"float64", 8},   [PN_U32] = {"uint32", 4}, [PN_U64] = {"uint64", 8},
    [PN_BF16] = {"bfloat16", 2},
};
enum { N_TYPES = sizeof(types) / sizeof(types[0]) };

size_t pn_dtype_size(pn_dtype t)
{
    return (unsigned)t < N_TYPES ? types[t].size : 0;
}

const char *pn_dtype_name(pn_dtype t)
{
    return pn_dtype_size(t) ? types[t].name : "unknown";
}

int64_t pn_shape_count(const pn_shape *s)
{
    /* a zero anywhere makes the product zero, even beside factors that would overflow */
    for (int i = 0; i < s->ndim; i++)
        if (s->dim[i] == 0) return 0;
    int64_t count = 1;
    for (int i = 0; i < s->ndim; i++)
        if (s->dim[i] != PN_DIM_FREE && __builtin_mul_overflow(count, s->dim[i], &count))
            return -1;
    return count;
}

bool pn_shape_equal(const pn_shape *a, const pn_shape *b)
{
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

const char *pn_shape_text(const pn_shape *s, char *buf, size_t size)
{
    size_t at = 0;
    if (size) buf[0] = '\0';
    if (s->ndim == 0) snprintf(buf, size, "scalar");
    for (int i = 0; i < s->ndim && at < size; i++) {
        const char *cross = i ? "x" : "";
        int n = s->dim[i] == PN_DIM_FREE ? snprintf(buf + at, size - at, "%sN", cross)
                                         : snprintf(buf + at, size - at, "%s%lld", cross,
                                                    (long long)s->dim[i]);
        if (n < 0) break;
        at += (size_t)n;
    }
    return buf;
}

static float f32_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

static float f32_of_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31,
             fraction = h & 0x3ff;
    if (exponent == 31) return f32_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent) return f32_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float tiny = (float)fraction * 0x1p-24f; /* denormals of f16 are normal in f32 */
    return sign ? -tiny : tiny;
}

/* elements lie wherever the file put them: read through memcpy, not through a cast */
#define CONVERT(ctype, expr)                                                             \
    for (int64_t i = 0; i < n; i++) {                                                    \
        ctype x;                                                                         \
        memcpy(&x, from + (size_t)i * sizeof(x), sizeof(x));                             \
        out[i] = (expr);                                                                 \
    }                                                                                    \
    return PN_OK

static const unsigned char *elements(const pn_value *v, int64_t first, int64_t n)
{
    size_t size = pn_dtype_size(v->dtype);
    if (!v->data || !size || first < 0 || n < 0) return NULL;
    int64_t count = (int64_t)(v->size_bytes / size);
    if (first > count || n > count - first) return NULL;
    return (const unsigned char *)v->data + (size_t)first * size;
}

pn_status pn_value_to_f32(const pn_value *v, int64_t first, int64_t n, float *out)
{
    const unsigned char *from = elements(v, first, n);
    if (!from) return PN_EINVAL;
    switch (v->dtype) {
    case PN_F32:
        if (n) memcpy(out, from, (size_t)n * sizeof(float));
        return PN_OK;
    case PN_F64:
        CONVERT(double, (float)x);
    case PN_F16:
        CONVERT(uint16_t, f32_of_f16(x));
    case PN_BF16:
        CONVERT(uint16_t, f32_of_bits((uint32_t)x << 16));
    case PN_U8:
        CONVERT(uint8_t, (float)x);
    case PN_I8:
        CONVERT(int8_t, (float)x);
    case PN_U16:
        CONVERT(uint16_t, (float)x);
    case PN_I16:
        CONVERT(int16_t, (float)x);
    case PN_U32:
        CONVERT(uint32_t, (float)x);
    case PN_I32:
        CONVERT(int32_t, (float)x);
    case PN_U64:
        CONVERT(uint64_t, (float)x);
    case PN_I64:
        CONVERT(int64_t, (float)x);
    case PN_BOOL:
        CONVERT(uint8_t, x ? 1.0F : 0.0F);
    }
    return PN_EINVAL;
}

pn_status pn_value_to_i64(const pn_value *v, int64_t first, int64_t n, int64_t *out)
{
    const unsigned char *from = elements(v, first, n);
    if (!from) return PN_EINVAL;
    switch (v->dtype) {
    case PN_I64:
        if (n) memcpy(out, from, (size_t)n * sizeof(int64_t));
        return PN_OK;
    case PN_U64:
        for (int64_t i = 0; i < n; i++) {
            uint64_t x;
            memcpy(&x, from + (size_t)i * sizeof(x), sizeof(x));
            if (x > INT64_MAX) return PN_EINVAL;
            out[i] = (int64_t)x;
        }
        return PN_OK;
    case PN_U8:
        CONVERT(uint8_t, x);
    case PN_I8:
        CONVERT(int8_t, x);
    case PN_U16:
        CONVERT(uint16_t, x);
    case PN_I16:
        CONVERT(int16_t, x);
    case PN_U32:
        CONVERT(uint32_t, x);
    case PN_I32:
        CONVERT(int32_t, x);
    case PN_BOOL:
        CONVERT(uint8_t, x != 0);
    case PN_F32:
    case PN_F64:
    case PN_F16:
    case PN_BF16:
        break;
    }
    return PN_EINVAL;
}
