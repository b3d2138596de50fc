/* Loops without products: every level gives the references' bits over every tail, with
 * denormals, infinities and NaN among the numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buffers.h"

enum { MOST = 35, TAPS = 9 };

/* Call `check` with every level's table for 1, 2, .. MOST numbers. */
static void each_tail(void (*check)(const pn_kernels *k, size_t n))
{
    pn_cpu levels[4];
    const int n_levels = pn_levels(levels);
    for (int l = 0; l < n_levels; l++) {
        pn_kernels k;
        pn_kernels_init(&k, levels[l]);
        for (size_t n = 1; n <= MOST; n++)
            check(&k, n);
    }
}

static pn_act act_of(int kind, const float *slope)
{
    return (pn_act){.kind = (pn_act_kind)kind,
                    .lo = kind % 2 ? -0.75F : -INFINITY,
                    .hi = kind % 3 ? 2 : INFINITY,
                    .a = 0.3F,
                    .b = 1.25F,
                    .slope = slope};
}

/* Both of n floats and a canary; frees them. */
static void same_and_free(float *got, float *want, size_t n)
{
    assert_true(pn_buffer_same(got, want, n + 1));
    pn_buffer_free(got);
    pn_buffer_free(want);
}

static void check_activations(const pn_kernels *k, size_t n)
{
    float *x = pn_buffer_new(n, (unsigned)n, true), *slope = pn_buffer_new(n, 2, true);
    float *scale = pn_buffer_new(n, 3, true), *shift = pn_buffer_new(n, 4, true);
    for (int kind = PN_ACT_CLAMP; kind <= PN_ACT_WRAP; kind++) {
        const pn_act act = act_of(kind, slope);
        float *got = pn_buffer_canary(n + 1), *want = pn_buffer_canary(n + 1);
        k->act(got, x, n, &act);
        pn_f32_act_c(want, x, n, &act);
        same_and_free(got, want, n);

        got = pn_buffer_canary(n + 1);
        want = pn_buffer_canary(n + 1);
        k->affine(got, x, scale, shift, n, &act);
        for (size_t i = 0; i < n; i++)
            want[i] = pn_cpu_has_fma() ? fmaf(x[i], scale[i], shift[i])
                                       : x[i] * scale[i] + shift[i];
        pn_f32_act_c(want, want, n, &act);
        same_and_free(got, want, n);
    }
    pn_buffer_free(shift);
    pn_buffer_free(scale);
    pn_buffer_free(slope);
    pn_buffer_free(x);
}

static void activations_give_the_references_bits(void **state)
{
    (void)state;
    each_tail(check_activations);
}

static void check_epilogue(const pn_kernels *k, size_t n)
{
    enum { ROWS = 3 };
    const size_t ld = n + 1;
    float *y = pn_buffer_new(ROWS * ld, 5, true), *r = pn_buffer_bare(ROWS * n, 6, true);
    float *bias = pn_buffer_bare(n, 7, true), *slope = pn_buffer_new(n, 8, true);
    /* the others are told apart where the activations are checked */
    for (int kind = 0; kind < 4 * (PN_ACT_ELU + 1); kind++) {
        const pn_act act = act_of(kind / 4, slope);
        float *got = pn_buffer_canary(ROWS * ld), *want = pn_buffer_canary(ROWS * ld);
        pn_epilogue e = {.bias = kind & 1 ? bias : NULL,
                         .r = kind & 2 ? r : NULL,
                         .ldy = ld,
                         .ldr = n,
                         .m = ROWS,
                         .n = n,
                         .act = &act};
        for (size_t i = 0; i < ROWS; i++) {
            memcpy(got + i * ld, y + i * ld, n * sizeof(*y));
            memcpy(want + i * ld, y + i * ld, n * sizeof(*y));
        }
        e.y = got;
        k->epilogue(&e);
        e.y = want;
        pn_f32_epilogue_c(&e);
        same_and_free(got, want, ROWS * ld - 1);
    }
    pn_buffer_free(slope);
    pn_buffer_free(bias);
    pn_buffer_free(r);
    pn_buffer_free(y);
}

static void epilogues_give_the_references_bits(void **state)
{
    (void)state;
    each_tail(check_epilogue);
}

static void check_binary(const pn_kernels *k, size_t n)
{
    static const ptrdiff_t steps[][2] = {{1, 1}, {1, 0}, {0, 1}, {3, 1}, {-1, 2}};
    float *a = pn_buffer_new(3 * n, 9, true), *b = pn_buffer_new(3 * n, 10, true);
    for (int f = PN_BINARY_ADD; f <= PN_BINARY_PRELU; f++)
        for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
            const ptrdiff_t sa = steps[s][0], sb = steps[s][1];
            const float *first = sa < 0 ? a + n - 1 : a;
            float *got = pn_buffer_canary(n + 1), *want = pn_buffer_canary(n + 1);
            k->binary((pn_binary)f, got, first, sa, b, sb, n);
            pn_f32_binary_c((pn_binary)f, want, first, sa, b, sb, n);
            same_and_free(got, want, n);
        }
    pn_buffer_free(b);
    pn_buffer_free(a);
}

static void arithmetic_gives_the_references_bits(void **state)
{
    (void)state;
    each_tail(check_binary);
}

static void check_taps(const pn_kernels *k, size_t n)
{
    float *x = pn_buffer_new(TAPS * (n + 2), 11, true);
    const float *tap[TAPS];
    for (size_t t = 0; t < TAPS; t++)
        tap[t] = x + t * (n + 2);
    for (size_t taps = 0; taps <= TAPS; taps += 3) {
        float *got = pn_buffer_canary(n + 1), *want = pn_buffer_canary(n + 1);
        k->max_taps(got, tap, taps, n);
        pn_f32_max_taps_c(want, tap, taps, n);
        same_and_free(got, want, n);

        got = pn_buffer_canary(n + 1);
        want = pn_buffer_canary(n + 1);
        k->avg_taps(got, tap, taps, n, 7);
        pn_f32_avg_taps_c(want, tap, taps, n, 7);
        same_and_free(got, want, n);
    }
    for (size_t h = 1; h <= 3; h++) {
        float *got = pn_buffer_canary(n + 1), *want = pn_buffer_canary(n + 1);
        float *row = pn_buffer_canary(n + 1), *other = pn_buffer_canary(n + 1);
        k->global_avg(got, x, n + 2, h, 3, n, row);
        pn_f32_global_avg_c(want, x, n + 2, h, 3, n, other);
        assert_true(row[n] == other[n]); /* the canary */
        same_and_free(got, want, n);

        got = pn_buffer_canary(n + 1);
        want = pn_buffer_canary(n + 1);
        k->global_max(got, x, n + 2, h, 3, n, row);
        pn_f32_global_max_c(want, x, n + 2, h, 3, n, other);
        same_and_free(got, want, n);
        pn_buffer_free(row);
        pn_buffer_free(other);
    }
    pn_buffer_free(x);
}

static void pools_give_the_references_bits(void **state)
{
    (void)state;
    each_tail(check_taps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_give_the_references_bits),
        cmocka_unit_test(epilogues_give_the_references_bits),
        cmocka_unit_test(arithmetic_gives_the_references_bits),
        cmocka_unit_test(pools_give_the_references_bits),
    };
    return pn_run_kernel_checks(tests);
}
