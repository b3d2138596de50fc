/* Eight channels at a time; fully unrolled, or gcc keeps the 6x6 block in memory. */
#include "engine/kernels/kernels.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
enum { WIDTH = 8 };

INLINE void input_1d(__m256 o[6], __m256 r0, __m256 r1, __m256 r2, __m256 r3, __m256 r4,
                     __m256 r5)
{
    const __m256 half_root = _mm256_set1_ps(0.70710678118654752f);
    const __m256 root = _mm256_set1_ps(1.4142135623730951f);
    o[0] = _mm256_fmadd_ps(_mm256_set1_ps(-2.5f), r2, _mm256_add_ps(r0, r4));
    o[5] = _mm256_fmadd_ps(_mm256_set1_ps(-2.5f), r3, _mm256_add_ps(r1, r5));
    __m256 even = _mm256_fmadd_ps(_mm256_set1_ps(-2.0f), r2, r4);
    __m256 odd = _mm256_fmsub_ps(root, r1, _mm256_mul_ps(half_root, r3));
    o[1] = _mm256_sub_ps(even, odd);
    o[2] = _mm256_add_ps(even, odd);
    even = _mm256_fmadd_ps(_mm256_set1_ps(-0.5f), r2, r4);
    odd = _mm256_fmsub_ps(root, r3, _mm256_mul_ps(half_root, r1));
    o[3] = _mm256_add_ps(even, odd);
    o[4] = _mm256_sub_ps(even, odd);
}

PN_DECL_WINO_INPUT(pn_f32_wino_input_avx2)
{
    for (size_t c = 0; c < n; c += WIDTH) {
        __m256 down[6][6], o[6];
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) {
            input_1d(
                o, _mm256_loadu_ps(pixels[j] + c), _mm256_loadu_ps(pixels[6 + j] + c),
                _mm256_loadu_ps(pixels[12 + j] + c), _mm256_loadu_ps(pixels[18 + j] + c),
                _mm256_loadu_ps(pixels[24 + j] + c), _mm256_loadu_ps(pixels[30 + j] + c));
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++)
                down[i][j] = o[i];
        }
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) {
            input_1d(o, down[i][0], down[i][1], down[i][2], down[i][3], down[i][4],
                     down[i][5]);
#pragma GCC unroll 6
            for (int j = 0; j < 6; j++)
                _mm256_storeu_ps(planes + (size_t)(6 * i + j) * plane + c, o[j]);
        }
    }
}

INLINE void output_1d(__m256 y[4], __m256 m0, __m256 m1, __m256 m2, __m256 m3, __m256 m4,
                      __m256 m5)
{
    const __m256 half_root = _mm256_set1_ps(0.70710678118654752f);
    const __m256 root = _mm256_set1_ps(1.4142135623730951f);
    __m256 p = _mm256_add_ps(m1, m2), q = _mm256_sub_ps(m1, m2);
    __m256 r = _mm256_add_ps(m3, m4), s = _mm256_sub_ps(m3, m4);
    y[0] = _mm256_add_ps(_mm256_add_ps(m0, p), r);
    y[1] = _mm256_fmadd_ps(half_root, q, _mm256_mul_ps(root, s));
    y[2] =
        _mm256_fmadd_ps(_mm256_set1_ps(0.5f), p, _mm256_mul_ps(_mm256_set1_ps(2.0f), r));
    y[3] = _mm256_fmadd_ps(
        _mm256_set1_ps(0.70710678118654752f * 0.5f), q,
        _mm256_fmadd_ps(_mm256_set1_ps(1.4142135623730951f * 2.0f), s, m5));
}

INLINE __m256 finish(__m256 v, const float *residual, const float *bias, float lo,
                     float hi, size_t c)
{
    v = _mm256_add_ps(v, _mm256_loadu_ps(bias + c));
    if (residual) v = _mm256_add_ps(v, _mm256_loadu_ps(residual + c));
    v = _mm256_max_ps(_mm256_set1_ps(lo), v); /* this operand order lets NaN pass */
    return _mm256_min_ps(_mm256_set1_ps(hi), v);
}

PN_DECL_WINO_OUTPUT(pn_f32_wino_output_avx2)
{
    for (size_t c = 0; c < n; c += WIDTH) {
        __m256 down[4][6], o[4];
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) {
            const float *m = planes + (size_t)j * plane + c;
            output_1d(o, _mm256_loadu_ps(m), _mm256_loadu_ps(m + 6 * plane),
                      _mm256_loadu_ps(m + 12 * plane), _mm256_loadu_ps(m + 18 * plane),
                      _mm256_loadu_ps(m + 24 * plane), _mm256_loadu_ps(m + 30 * plane));
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
                down[i][j] = o[i];
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            output_1d(o, down[i][0], down[i][1], down[i][2], down[i][3], down[i][4],
                      down[i][5]);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                const float *add = residual ? residual[4 * i + j] : NULL;
                _mm256_storeu_ps(pixels[4 * i + j] + c,
                                 finish(o[j], add, bias, lo, hi, c));
            }
        }
    }
}
