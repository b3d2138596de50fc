/* Four pixels of eight channels: a weight is loaded for four of them, a pixel for up to
 * three windows. */
#include <immintrin.h>
#include <math.h>

#include "engine/kernels/kernels.h"

#define INLINE static inline __attribute__((always_inline))
enum { WIDTH = 8, PIXELS = 4 };

INLINE __m256 finish(__m256 v, const float *bias, float lo, float hi)
{
    v = _mm256_add_ps(v, _mm256_loadu_ps(bias));
    v = _mm256_max_ps(_mm256_set1_ps(lo), v); /* these operand orders let NaN pass */
    return _mm256_min_ps(_mm256_set1_ps(hi), v);
}

/* n outputs from `p` on; k, s and n are constants where this is inlined, so that a pixel
 * which several windows share is loaded once. */
INLINE void outputs(const pn_depthwise_row *d, size_t p, const int k, const int s,
                    const int n)
{
    for (size_t c = 0; c + WIDTH <= d->n; c += WIDTH) {
        __m256 sum[PIXELS];
#pragma GCC unroll 4
        for (int i = 0; i < n; i++)
            sum[i] = _mm256_setzero_ps();
#pragma GCC unroll 5
        for (int ky = 0; ky < k; ky++) {
            const float *x = d->x[ky] + p * (size_t)s * d->ldx[ky] + c;
#pragma GCC unroll 5
            for (int kx = 0; kx < k; kx++) {
                __m256 w = _mm256_loadu_ps(d->w + (size_t)(ky * k + kx) * d->ldw + c);
#pragma GCC unroll 4
                for (int i = 0; i < n; i++) {
                    const float *at = x + (size_t)(i * s + kx) * d->ldx[ky];
                    sum[i] = _mm256_fmadd_ps(_mm256_loadu_ps(at), w, sum[i]);
                }
            }
        }
#pragma GCC unroll 4
        for (int i = 0; i < n; i++)
            _mm256_storeu_ps(d->y + (p + (size_t)i) * d->ldy + c,
                             finish(sum[i], d->bias + c, d->lo, d->hi));
    }
}

INLINE void row(const pn_depthwise_row *d, const int k, const int s)
{
    size_t p = 0;
    for (; p + PIXELS <= d->n_out; p += PIXELS)
        outputs(d, p, k, s, PIXELS);
    for (; p < d->n_out; p++)
        outputs(d, p, k, s, 1);
}

PN_DECL_DEPTHWISE_ROW(pn_f32_depthwise_row_avx2)
{
    if (d->k == 3 && d->stride == 1)
        row(d, 3, 1);
    else if (d->k == 3)
        row(d, 3, 2);
    else if (d->stride == 1)
        row(d, 5, 1);
    else
        row(d, 5, 2);
    pn_depthwise_row_channels(d, d->n / WIDTH * WIDTH);
}
