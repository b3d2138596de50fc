/* Each kernel with products, at every level of this CPU, against the FMA peak of the core
 * that it runs on, measured beside it:
 *
 *   bench_kernels [SECONDS]      a case; default 0.2
 *
 * Medians of short runs, by the CPU time of this thread: other programs then cost the
 * cache alone. Peak and kernel take turns, so that a clock that changes is seen. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BURNS = 20000, FLOATS = 1 << 22, MAX_RUNS = 1000 };
#define LEAST_S 5e-4

static float *a, *b, *c; /* FLOATS each */

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the peak ---- */

#if defined(__x86_64__)
/* Independent chains enough for two pipes of four cycles. @return operations */
__attribute__((target("avx2,fma"))) static double burn_avx2(void)
{
    __m256 sum[12], x = _mm256_set1_ps(0.5F);
    for (int i = 0; i < 12; i++)
        sum[i] = _mm256_set1_ps((float)i);
    for (int k = 0; k < BURNS; k++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++)
            sum[i] = _mm256_fmadd_ps(sum[i], x, x);
    for (int i = 0; i < 12; i++)
        _mm256_storeu_ps(c + 8 * i, sum[i]);
    return 2.0 * 8 * 12 * BURNS;
}

__attribute__((target("avx512f"))) static double burn_avx512(void)
{
    __m512 sum[24], x = _mm512_set1_ps(0.5F);
    for (int i = 0; i < 24; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (int k = 0; k < BURNS; k++)
#pragma GCC unroll 24
        for (int i = 0; i < 24; i++)
            sum[i] = _mm512_fmadd_ps(sum[i], x, x);
    for (int i = 0; i < 24; i++)
        _mm512_storeu_ps(c + 16 * i, sum[i]);
    return 2.0 * 16 * 24 * BURNS;
}
#endif

/* ---- the kernels ---- */

typedef struct bench_case {
    const char *name;
    size_t m, n, k; /**< of a product; of a row: outputs, channels, window's side */
    int stride;     /**< of a row; 0: a product */
    bool has_epilogue;
} bench_case;

static const bench_case cases[] = {
    {"1x1, 56x56, 64 to 256", 3136, 256, 64, 0, true},
    {"1x1, 28x28, 512 to 128", 784, 128, 512, 0, true},
    {"1x1, 14x14, 256 to 1024", 196, 1024, 256, 0, true},
    {"1x1, 14x14, 1024 to 256", 196, 256, 1024, 0, true},
    {"1x1, 7x7, 512 to 2048", 49, 2048, 512, 0, true},
    {"a plane of Winograd, 64", 98, 64, 64, 0, false},
    {"a plane of Winograd, 256", 98, 256, 256, 0, false},
    {"ragged, 24 to 100", 392, 100, 24, 0, true},
    {"matrix and vector, 2048 to 1000", 1, 1000, 2048, 0, false},
    {"depthwise 3x3, 64 channels", 56, 64, 3, 1, true},
    {"depthwise 3x3, 512 channels", 14, 512, 3, 1, true},
    {"depthwise 3x3 by 2, 128 channels", 28, 128, 3, 2, true},
    {"depthwise 5x5, 240 channels", 14, 240, 5, 1, true},
};
enum { N_CASES = sizeof(cases) / sizeof(*cases) };

static const pn_act relu = {.kind = PN_ACT_CLAMP, .lo = 0, .hi = INFINITY};

static double product(const pn_kernels *k, const bench_case *w)
{
    const pn_epilogue e = {
        .y = c, .bias = a, .ldy = w->n, .m = w->m, .n = w->n, .act = &relu};
    const pn_gemm g = {.c = c,
                       .a = a,
                       .b = b,
                       .ldc = w->n,
                       .lda = w->k,
                       .m = w->m,
                       .n = w->n,
                       .k = w->k,
                       .n_all = w->n,
                       .after = w->has_epilogue ? &e : NULL};
    k->gemm(&g);
    return 2.0 * (double)(w->m * w->n * w->k);
}

static double depthwise(const pn_kernels *k, const bench_case *w)
{
    pn_depthwise_row d = {.y = c,
                          .w = b,
                          .bias = b,
                          .ldy = w->n,
                          .ldw = w->n,
                          .n = w->n,
                          .n_out = w->m,
                          .k = (int)w->k,
                          .stride = w->stride,
                          .hi = 6};
    /* as the engine places maps: pixels a power of two apart share few sets */
    const size_t pixel = w->n % 256 ? w->n : w->n + PN_PANEL;
    for (size_t i = 0; i < w->k; i++) {
        d.x[i] = a + i * 64 * pixel;
        d.ldx[i] = pixel;
    }
    k->depthwise_row(&d);
    return 2.0 * (double)(w->m * w->n * w->k * w->k);
}

static double once(const pn_kernels *k, const bench_case *w)
{
    return w->stride ? depthwise(k, w) : product(k, w);
}

static int by_value(const void *x, const void *y)
{
    const double p = *(const double *)x, q = *(const double *)y;
    return (p > q) - (p < q);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof(*x), by_value);
    return x[n / 2];
}

static void measure(pn_cpu level, double (*burn)(void), double seconds)
{
    double rate[MAX_RUNS], peak[MAX_RUNS];
    pn_kernels k;
    pn_kernels_init(&k, level);
    for (int i = 0; i < N_CASES; i++) {
        const bench_case *w = &cases[i];
        const double end = cpu_s() + seconds;
        int n = 0;
        do {
            double start = cpu_s(), done = burn();
            peak[n] = done / (cpu_s() - start) * 1e-9;
            /* long enough for the clock to be exact */
            for (start = cpu_s(), done = 0; cpu_s() < start + LEAST_S;)
                done += once(&k, w);
            rate[n++] = done / (cpu_s() - start) * 1e-9;
        } while (n < MAX_RUNS && cpu_s() < end);
        const double most = median(peak, n), usual = median(rate, n);
        printf("%-8s  %-34s  %8.1f  %8.1f  %5.1f %%\n", pn_cpu_name(level), w->name,
               usual, most, 100 * usual / most);
        fflush(stdout);
    }
}

static float *filled(void)
{
    float *x = aligned_alloc(PN_PAD_BYTES, FLOATS * sizeof(*x) + PN_PAD_BYTES);
    for (int i = 0; x && i < FLOATS; i++)
        x[i] = (float)(i % 251) / 251 - 0.5F;
    return x;
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.2;
    pn_cpu level;
    a = filled();
    b = filled();
    c = filled();
    if (!a || !b || !c || !(seconds > 0)) {
        fprintf(stderr, "usage: bench_kernels [SECONDS]\n");
        return 1;
    }
    printf("%-8s  %-34s  %8s  %8s  %s\n", "level", "kernel", "GFLOP/s", "peak", "of it");
#if defined(__x86_64__)
    if (pn_cpu_resolve(&level, PN_CPU_AVX2, NULL) == PN_OK) {
        measure(PN_CPU_C, burn_avx2, seconds);
        measure(PN_CPU_AVX2, burn_avx2, seconds);
    }
    if (pn_cpu_resolve(&level, PN_CPU_AVX512, NULL) == PN_OK)
        measure(PN_CPU_AVX512, burn_avx512, seconds);
#endif
    free(a);
    free(b);
    free(c);
    return 0;
}
