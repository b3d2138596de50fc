#include "buffers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *take(size_t n)
{
    size_t bytes =
        (n * sizeof(float) + 2 * PN_PAD_BYTES - 1) / PN_PAD_BYTES * PN_PAD_BYTES;
    float *b = aligned_alloc(PN_PAD_BYTES, bytes);
    if (!b) abort();
    memset(b, 0, bytes);
    return b;
}

static float odd_one(unsigned at)
{
    const float list[] = {0, -0.0F, 1e-40F, -1e-42F, INFINITY, -INFINITY, NAN, 3e38F};
    return list[at % (sizeof(list) / sizeof(*list))];
}

float *pn_buffer_new(size_t n, unsigned seed, bool odd)
{
    float *b = take(n);
    unsigned s = seed * 2654435761U + 1;
    for (size_t i = 0; i < n; i++) {
        s = s * 1664525U + 1013904223U;
        b[i] = (float)(int)(s >> 8) / 8388608.0F - 1.0F;
        if (odd && (s >> 24) % 61 == 0) b[i] = odd_one(s >> 16);
    }
    return b;
}

float *pn_buffer_canary(size_t n)
{
    float *b = take(n);
    for (size_t i = 0; i < n; i++)
        b[i] = -12345.678F;
    return b;
}

void pn_buffer_free(float *b)
{
    free(b);
}

bool pn_buffer_same(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof(float)) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

int pn_levels(pn_cpu out[4])
{
    const pn_cpu all[] = {PN_CPU_C, PN_CPU_AVX2, PN_CPU_AVX512};
    int n = 0;
    for (int i = 0; i < 3; i++) {
        pn_cpu level;
        if (pn_cpu_resolve(&level, all[i], NULL) == PN_OK) out[n++] = level;
    }
    return n;
}
