/* Windows over a map, channels innermost: the caller lists the pixels under the window
 * (taps), these combine them channel by channel. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "engine/kernels/kernels.h"

#define TAPS_WIDE 32 /* channels at a time: their sums stay in registers */

static inline void depthwise_part(float *restrict y, const float *const *x,
                                  const float *restrict w, size_t ldw, size_t n_taps,
                                  size_t j, size_t n)
{
    float sum[TAPS_WIDE] = {0};
    for (size_t t = 0; t < n_taps; t++) {
        const float *xt = x[t] + j, *wt = w + t * ldw + j;
        for (size_t i = 0; i < n; i++)
            sum[i] = PN_FMA(xt[i], wt[i], sum[i]);
    }
    memcpy(y + j, sum, n * sizeof(float));
}

PN_DECL_DEPTHWISE(pn_f32_depthwise_c)
{
    size_t j = 0;
    for (; j + TAPS_WIDE <= n; j += TAPS_WIDE)
        depthwise_part(y, x, w, ldw, n_taps, j, TAPS_WIDE);
    for (; j + 8 <= n; j += 8)
        depthwise_part(y, x, w, ldw, n_taps, j, 8);
    if (j < n) depthwise_part(y, x, w, ldw, n_taps, j, n - j);
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
