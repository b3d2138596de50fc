/* Every level's kernels against sums written here: the order of additions to the bit
 * where it is ours, a bound from the length of the sum where it is a library's. Every
 * tail, and canaries past the end. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels/kernels.h"

#define CANARY 1234.5F
#define MOST 40000

static float a[MOST], b[MOST], packed[MOST], y[MOST];

static void fill(float *x, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        x[i] = (float)((double)(seed >> 40) / (1 << 23) - 1);
    }
}

static void canaries(void)
{
    for (size_t i = 0; i < MOST; i++)
        y[i] = CANARY;
}

static void check_canaries(size_t m, size_t n, size_t ld)
{
    for (size_t i = 0; i < m * ld + 64; i++)
        if (i / ld >= m || i % ld >= n) assert_true(y[i] == CANARY);
}

/* The order that kernels.h fixes; fmaf is exact whatever the hardware. */
static float chain(const float *x, const float *w, size_t k)
{
    float total = 0;
    for (size_t k0 = 0; k0 < k; k0 += PN_K_BLOCK) {
        float sum = 0;
        for (size_t i = k0; i < k && i < k0 + PN_K_BLOCK; i++)
            sum = fmaf(x[i], w[i], sum);
        total = k0 ? total + sum : sum;
    }
    return total;
}

static void check_product(const pn_gemm *g, bool is_exact)
{
    for (size_t i = 0; i < g->m; i++)
        for (size_t j = 0; j < g->n; j++) {
            const float got = y[i * g->ldc + j], *x = a + i * g->lda;
            const float *w = b + (g->n0 + j) * g->k;
            double sum = 0, size = 0;
            for (size_t p = 0; p < g->k; p++) {
                sum += (double)x[p] * (double)w[p];
                size += fabs((double)x[p] * (double)w[p]);
            }
            if (fabs((double)got - sum) > (double)(g->k + 1) * (double)FLT_EPSILON * size)
                fail_msg("%zu x %zu x %zu at %zu, %zu: %g, not %g", g->m, g->n, g->k, i,
                         j, (double)got, sum);
            if (is_exact && pn_cpu_has_fma()) assert_true(got == chain(x, w, g->k));
        }
}

static void check_gemm(const pn_kernels *k, size_t m, size_t n, size_t depth, size_t n0,
                       bool is_gemv, bool is_exact)
{
    const size_t ldc = n - n0 + 3, lda = depth + (is_gemv ? 0 : 5);
    fill(a, m * lda, m + 1);
    fill(b, n * depth, n + 2);
    memset(packed, 0, sizeof(packed));
    const size_t floats = (is_gemv ? k->gemv_pack_floats : k->gemm_pack_floats)(n, depth);
    assert_true(floats <= MOST);
    for (size_t j = 0; j < n; j++)
        (is_gemv ? k->gemv_pack : k->gemm_pack)(packed, b + j * depth, j, n, depth);
    canaries();
    const pn_gemm g = {.c = y,
                       .a = a,
                       .b = packed,
                       .ldc = ldc,
                       .lda = lda,
                       .m = m,
                       .n = n - n0,
                       .k = depth,
                       .n_all = n,
                       .n0 = n0};
    (is_gemv ? k->gemv : k->gemm)(&g);
    check_canaries(m, n - n0, ldc);
    check_product(&g, is_exact);
}

static void check_products(const pn_kernels *k, bool is_exact)
{
    static const size_t depths[] = {1, 3, 127, 128, 129, 257};
    for (size_t d = 0; d < sizeof(depths) / sizeof(*depths); d++)
        for (size_t n = 1; n <= 35; n += 1 + n / 8) {
            for (size_t m = 1; m <= 9; m++)
                check_gemm(k, m, n, depths[d], 0, false, is_exact);
            check_gemm(k, 1, n, depths[d], 0, true, is_exact);
            if (n > PN_PANEL) {
                check_gemm(k, 5, n, depths[d], PN_PANEL, false, is_exact);
                check_gemm(k, 1, n, depths[d], PN_PANEL, true, is_exact);
            }
        }
}

static void products_of_the_c_level_have_one_order(void **state)
{
    (void)state;
    pn_kernels k;
    pn_kernels_init(&k, PN_CPU_C);
    check_products(&k, true);
}

static void products_without_fma_are_within_the_bound(void **state)
{
    (void)state;
    const pn_kernels k = {.gemm_pack_floats = pn_f32_pack_floats_c,
                          .gemv_pack_floats = pn_f32_pack_floats_c,
                          .gemm_pack = pn_f32_pack_c,
                          .gemv_pack = pn_f32_pack_c,
                          .gemm = pn_f32_gemm_c,
                          .gemv = pn_f32_gemm_c};
    check_products(&k, false);
}

static void products_of_openblas_are_within_the_bound(void **state)
{
    (void)state;
    pn_kernels k;
    pn_kernels_init(&k, PN_CPU_OPENBLAS);
    check_products(&k, false);
}

static void depthwise_adds_its_taps_in_order(void **state)
{
    (void)state;
    pn_kernels k;
    pn_kernels_init(&k, PN_CPU_C);
    static const size_t taps[] = {1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 17, 25, 49};
    const float *x[49];
    fill(a, MOST, 3);
    fill(b, MOST, 4);
    for (size_t t = 0; t < 49; t++)
        x[t] = a + 97 * t;
    for (size_t i = 0; i < sizeof(taps) / sizeof(*taps); i++)
        for (size_t n = 1; n <= 70; n += 1 + n / 6) {
            canaries();
            k.depthwise(y, x, b, 80, taps[i], n);
            check_canaries(1, n, n + 1);
            for (size_t j = 0; j < n; j++) {
                float sum = 0, plain = 0;
                for (size_t t = 0; t < taps[i]; t++) {
                    sum = fmaf(x[t][j], b[t * 80 + j], sum);
                    plain = plain + x[t][j] * b[t * 80 + j];
                }
                assert_true(y[j] == (pn_cpu_has_fma() ? sum : plain));
            }
        }
}

static void epilogue_adds_then_clamps(void **state)
{
    (void)state;
    pn_kernels k;
    pn_kernels_init(&k, PN_CPU_C);
    pn_act relu = {.kind = PN_ACT_CLAMP, .lo = 0, .hi = INFINITY};
    for (int which = 0; which < 4; which++)
        for (size_t n = 1; n < 40; n++) {
            canaries();
            fill(a, 3 * 50, n);
            fill(b, 64, n + 9);
            for (size_t i = 0; i < 3; i++)
                memcpy(y + i * 45, a + i * 50, n * sizeof(float));
            const pn_epilogue e = {.y = y,
                                   .bias = which & 1 ? b : NULL,
                                   .r = which & 2 ? a : NULL,
                                   .ldy = 45,
                                   .ldr = 50,
                                   .m = 3,
                                   .n = n,
                                   .act = &relu};
            k.epilogue(&e);
            check_canaries(3, n, 45);
            for (size_t i = 0; i < 3; i++)
                for (size_t j = 0; j < n; j++) {
                    float v = a[i * 50 + j];
                    if (which & 1) v = v + b[j];
                    if (which & 2) v = v + a[i * 50 + j];
                    assert_true(y[i * 45 + j] == (v > 0 ? v : 0));
                }
        }
}

static void nan_passes_through_every_activation(void **state)
{
    (void)state;
    pn_kernels k;
    pn_kernels_init(&k, PN_CPU_C);
    const float slope = 0.5F, x = NAN;
    for (int kind = PN_ACT_CLAMP; kind <= PN_ACT_NEG; kind++) {
        const pn_act act = {.kind = (pn_act_kind)kind,
                            .lo = -INFINITY,
                            .hi = 6,
                            .a = 1,
                            .b = 1,
                            .slope = &slope};
        float v = 0;
        k.act(&v, &x, 1, &act);
        assert_true(isnan(v));
    }
    const float one = 1;
    for (int f = PN_BINARY_ADD; f <= PN_BINARY_PRELU; f++) {
        if (f == PN_BINARY_POW) continue;
        float v = 0;
        k.binary((pn_binary)f, &v, &x, 1, &one, 1, 1);
        assert_true(isnan(v));
    }
}

static void pools_know_no_tap_and_every_tail(void **state)
{
    (void)state;
    pn_kernels k;
    pn_kernels_init(&k, PN_CPU_C);
    const float *x[9];
    fill(a, 9 * 70, 5);
    for (size_t t = 0; t < 9; t++)
        x[t] = a + 70 * t;
    for (size_t n = 1; n <= 70; n++) {
        canaries();
        k.max_taps(y, x, 0, n);
        assert_true(y[n - 1] == -FLT_MAX && y[n] == CANARY);
        k.max_taps(y, x, 9, n);
        for (size_t j = 0; j < n; j++) {
            float most = x[0][j];
            for (size_t t = 1; t < 9; t++)
                most = fmaxf(most, x[t][j]);
            assert_true(y[j] == most);
        }
        k.avg_taps(y, x, 9, n, 12);
        for (size_t j = 0; j < n; j++) {
            float sum = 0;
            for (size_t t = 0; t < 9; t++)
                sum += x[t][j];
            assert_true(y[j] == sum / 12);
        }
        check_canaries(1, n, n + 1);
    }
}

static void denormals_are_zero_while_off_and_back_after(void **state)
{
    (void)state;
    volatile float tiny = FLT_MIN, half = 0.5F;
    const uint32_t before = pn_denormals_off();
    const float off = tiny * half;
    pn_denormals_restore(before);
    const float on = tiny * half;
#if defined(__x86_64__)
    assert_true(off == 0);
#endif
    assert_true(on > 0);
    (void)off;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_the_c_level_have_one_order),
        cmocka_unit_test(products_without_fma_are_within_the_bound),
        cmocka_unit_test(products_of_openblas_are_within_the_bound),
        cmocka_unit_test(depthwise_adds_its_taps_in_order),
        cmocka_unit_test(epilogue_adds_then_clamps),
        cmocka_unit_test(nan_passes_through_every_activation),
        cmocka_unit_test(pools_know_no_tap_and_every_tail),
        cmocka_unit_test(denormals_are_zero_while_off_and_back_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
