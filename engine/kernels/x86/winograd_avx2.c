/* Eight channels at a time; fully unrolled, or gcc keeps the tile in memory. */
#include "engine/kernels/kernels.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
enum { WIDTH = 8, IN = PN_WINO_IN_MAX, OUT = PN_WINO_OUT_MAX };

INLINE __m256 times(float a, __m256 b)
{
    return _mm256_mul_ps(_mm256_set1_ps(a), b);
}

INLINE __m256 fma_of(float a, __m256 b, __m256 c)
{
    return _mm256_fmadd_ps(_mm256_set1_ps(a), b, c);
}

INLINE void input_4(__m256 o[IN], const __m256 r[IN])
{
    const float half_root = 0.70710678118654752f, root = 1.4142135623730951f;
    o[0] = fma_of(-2.5f, r[2], _mm256_add_ps(r[0], r[4]));
    o[5] = fma_of(-2.5f, r[3], _mm256_add_ps(r[1], r[5]));
    __m256 even = fma_of(-2.0f, r[2], r[4]);
    __m256 odd = _mm256_fmsub_ps(_mm256_set1_ps(root), r[1], times(half_root, r[3]));
    o[1] = _mm256_sub_ps(even, odd);
    o[2] = _mm256_add_ps(even, odd);
    even = fma_of(-0.5f, r[2], r[4]);
    odd = _mm256_fmsub_ps(_mm256_set1_ps(root), r[3], times(half_root, r[1]));
    o[3] = _mm256_add_ps(even, odd);
    o[4] = _mm256_sub_ps(even, odd);
}

INLINE void input_pair(__m256 *o, const __m256 r[IN], float at, float sum, float product)
{
    const __m256 even = fma_of(product, r[0], fma_of(-sum, r[2], r[4]));
    const __m256 odd = fma_of(product, r[1], fma_of(-sum, r[3], r[5]));
    o[0] = fma_of(at, even, odd);
    o[1] = _mm256_fnmadd_ps(_mm256_set1_ps(at), even, odd);
}

INLINE void input_5(__m256 o[IN], const __m256 r[IN])
{
    input_pair(o, r, 9.0f / 32, 3865.0f / 1024, 35721.0f / 16384);
    input_pair(o + 2, r, 27.0f / 32, 3217.0f / 1024, 3969.0f / 16384);
    input_pair(o + 4, r, 7.0f / 4, 810.0f / 1024, 59049.0f / 1048576);
    const __m256 last = fma_of(-3946.0f / 1024, r[4], r[6]);
    o[6] = fma_of(-2893401.0f / 16777216, r[0], fma_of(2599209.0f / 1048576, r[2], last));
}

/* in is a constant where this is inlined */
INLINE void input_tile(float *planes, size_t plane, const float *const *pixels, size_t n,
                       const int in)
{
    for (size_t c = 0; c < n; c += WIDTH) {
        __m256 down[IN][IN], o[IN], r[IN];
#pragma GCC unroll 7
        for (int j = 0; j < in; j++) {
#pragma GCC unroll 7
            for (int i = 0; i < in; i++)
                r[i] = _mm256_loadu_ps(pixels[in * i + j] + c);
            in == 6 ? input_4(o, r) : input_5(o, r);
#pragma GCC unroll 7
            for (int i = 0; i < in; i++)
                down[i][j] = o[i];
        }
#pragma GCC unroll 7
        for (int i = 0; i < in; i++) {
            in == 6 ? input_4(o, down[i]) : input_5(o, down[i]);
#pragma GCC unroll 7
            for (int j = 0; j < in; j++)
                _mm256_storeu_ps(planes + (size_t)(in * i + j) * plane + c, o[j]);
        }
    }
}

PN_DECL_WINO_INPUT(pn_f32_wino4_input_avx2)
{
    input_tile(planes, plane, pixels, n, 6);
}

PN_DECL_WINO_INPUT(pn_f32_wino5_input_avx2)
{
    input_tile(planes, plane, pixels, n, 7);
}

INLINE void output_4(__m256 y[OUT], const __m256 m[IN])
{
    const float half_root = 0.70710678118654752f, root = 1.4142135623730951f;
    const __m256 p = _mm256_add_ps(m[1], m[2]), q = _mm256_sub_ps(m[1], m[2]);
    const __m256 r = _mm256_add_ps(m[3], m[4]), s = _mm256_sub_ps(m[3], m[4]);
    y[0] = _mm256_add_ps(_mm256_add_ps(m[0], p), r);
    y[1] = fma_of(half_root, q, times(root, s));
    y[2] = fma_of(0.5f, p, times(2.0f, r));
    y[3] = fma_of(half_root * 0.5f, q, fma_of(root * 2.0f, s, m[5]));
}

INLINE void output_5(__m256 y[OUT], const __m256 m[IN])
{
    const __m256 p = _mm256_add_ps(m[0], m[1]), q = _mm256_sub_ps(m[0], m[1]);
    const __m256 r = _mm256_add_ps(m[2], m[3]), s = _mm256_sub_ps(m[2], m[3]);
    const __m256 t = _mm256_add_ps(m[4], m[5]), u = _mm256_sub_ps(m[4], m[5]);
    y[0] = _mm256_add_ps(_mm256_add_ps(p, r), t);
    y[1] = fma_of(9.0f / 32, q, fma_of(27.0f / 32, s, times(7.0f / 4, u)));
    y[2] = fma_of(81.0f / 1024, p, fma_of(729.0f / 1024, r, times(49.0f / 16, t)));
    y[3] = fma_of(729.0f / 32768, q, fma_of(19683.0f / 32768, s, times(343.0f / 64, u)));
    y[4] = fma_of(6561.0f / 1048576, p,
                  fma_of(531441.0f / 1048576, r, fma_of(2401.0f / 256, t, m[6])));
}

/* What a tile becomes when it leaves. */
typedef struct leaving {
    float *const *pixels;
    const float *const *residual, *bias;
    const pn_act *act;
} leaving;

INLINE void finish(const leaving *l, __m256 v, int at, size_t c)
{
    v = _mm256_add_ps(v, _mm256_loadu_ps(l->bias + c));
    if (l->residual) v = _mm256_add_ps(v, _mm256_loadu_ps(l->residual[at] + c));
    v = _mm256_max_ps(_mm256_set1_ps(l->act->lo),
                      v); /* these operand orders let NaN pass */
    v = _mm256_min_ps(_mm256_set1_ps(l->act->hi), v);
    const float *slope = l->act->slope;
    if (slope) {
        const __m256 below = _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ);
        v = _mm256_blendv_ps(v, _mm256_mul_ps(v, _mm256_loadu_ps(slope + c)), below);
    }
    _mm256_storeu_ps(l->pixels[at] + c, v);
}

/* in and out are constants where this is inlined */
INLINE void output_tile(const leaving *l, const float *planes, size_t plane, size_t n,
                        const int in, const int out)
{
    for (size_t c = 0; c < n; c += WIDTH) {
        __m256 down[OUT][IN], o[OUT], r[IN];
#pragma GCC unroll 7
        for (int j = 0; j < in; j++) {
#pragma GCC unroll 7
            for (int i = 0; i < in; i++)
                r[i] = _mm256_loadu_ps(planes + (size_t)(in * i + j) * plane + c);
            in == 6 ? output_4(o, r) : output_5(o, r);
#pragma GCC unroll 5
            for (int i = 0; i < out; i++)
                down[i][j] = o[i];
        }
#pragma GCC unroll 5
        for (int i = 0; i < out; i++) {
            in == 6 ? output_4(o, down[i]) : output_5(o, down[i]);
#pragma GCC unroll 5
            for (int j = 0; j < out; j++)
                finish(l, o[j], out * i + j, c);
        }
    }
}

PN_DECL_WINO_OUTPUT(pn_f32_wino4_output_avx2)
{
    const leaving l = {pixels, residual, bias, act};
    output_tile(&l, planes, plane, n, 6, 4);
}

PN_DECL_WINO_OUTPUT(pn_f32_wino5_output_avx2)
{
    const leaving l = {pixels, residual, bias, act};
    output_tile(&l, planes, plane, n, 7, 5);
}
