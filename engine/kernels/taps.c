/* Windows over a map, channels innermost: the caller lists the pixels under the window
 * (taps), these combine them channel by channel. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "engine/kernels/kernels.h"

/* T more taps on top of what y holds (nothing at first). T is a constant where this is
 * inlined: the sum stays in a register while it goes through them. */
static inline void depthwise_pass(float *restrict y, const float *const *x,
                                  const float *restrict w, size_t ldw, size_t T,
                                  bool is_first, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        float sum = is_first ? 0 : y[j];
#pragma GCC unroll 9
        for (size_t t = 0; t < T; t++)
            sum = PN_FMA(x[t][j], w[t * ldw + j], sum);
        y[j] = sum;
    }
}

PN_DECL_DEPTHWISE(pn_f32_depthwise_c)
{
    size_t t = 0;
    if (n_taps >= 9) {
        depthwise_pass(y, x, w, ldw, 9, true, n);
        t = 9;
    } else {
        memset(y, 0, n * sizeof(float));
    }
    for (; t + 8 <= n_taps; t += 8)
        depthwise_pass(y, x + t, w + t * ldw, ldw, 8, false, n);
    for (; t + 4 <= n_taps; t += 4)
        depthwise_pass(y, x + t, w + t * ldw, ldw, 4, false, n);
    for (; t < n_taps; t++)
        depthwise_pass(y, x + t, w + t * ldw, ldw, 1, false, n);
}

/* Channels `first` on of one output. */
static void depthwise_output(const pn_depthwise_row *d, size_t p, size_t first)
{
    const float *x[25];
    const int k = d->k, s = d->stride;
    for (int ky = 0; ky < k; ky++)
        for (int kx = 0; kx < k; kx++)
            x[ky * k + kx] = d->x[ky] + (p * (size_t)s + (size_t)kx) * d->ldx[ky] + first;
    float *y = d->y + p * d->ldy + first;
    const size_t n = d->n - first;
    pn_f32_depthwise_c(y, x, d->w + first, d->ldw, (size_t)(k * k), n);
    const pn_act act = {.kind = PN_ACT_CLAMP, .lo = d->lo, .hi = d->hi};
    const pn_epilogue e = {.y = y, .bias = d->bias + first, .m = 1, .n = n, .act = &act};
    pn_f32_epilogue_c(&e);
}

PN_DECL_DEPTHWISE_ROW(pn_f32_depthwise_row_c)
{
    for (size_t p = 0; p < d->n_out; p++)
        depthwise_output(d, p, 0);
}

PN_DECL_MAX_TAPS(pn_f32_max_taps_c)
{
    for (size_t i = 0; i < n; i++)
        y[i] = -FLT_MAX;
    for (size_t t = 0; t < n_taps; t++) {
        const float *xt = x[t];
        for (size_t i = 0; i < n; i++)
            y[i] = xt[i] > y[i] || xt[i] != xt[i] ? xt[i] : y[i];
    }
}

PN_DECL_AVG_TAPS(pn_f32_avg_taps_c)
{
    memset(y, 0, n * sizeof(float));
    for (size_t t = 0; t < n_taps; t++) {
        const float *xt = x[t];
        for (size_t i = 0; i < n; i++)
            y[i] += xt[i];
    }
    for (size_t i = 0; i < n; i++)
        y[i] /= size;
}

PN_DECL_GLOBAL(pn_f32_global_avg_c)
{
    memset(y, 0, n * sizeof(float));
    for (size_t i = 0; i < h; i++) {
        memset(row, 0, n * sizeof(float));
        for (size_t j = 0; j < w; j++) {
            const float *p = x + (i * w + j) * ldx;
            for (size_t c = 0; c < n; c++)
                row[c] += p[c];
        }
        for (size_t c = 0; c < n; c++)
            y[c] += row[c];
    }
    const float size = (float)(h * w);
    for (size_t c = 0; c < n; c++)
        y[c] /= size;
}

PN_DECL_GLOBAL(pn_f32_global_max_c)
{
    (void)row;
    memcpy(y, x, n * sizeof(float));
    for (size_t i = 1; i < h * w; i++) {
        const float *p = x + i * ldx;
        for (size_t c = 0; c < n; c++)
            y[c] = p[c] > y[c] || p[c] != p[c] ? p[c] : y[c];
    }
}
