/* The matrix product: every level gives the reference's bits, the reference is near the
 * truth, and nobody writes past the columns asked for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "buffers.h"

typedef struct size {
    size_t m, n, k;
} size;

static const size sizes[] = {{1, 1, 1},     {1, 16, 128},  {2, 17, 129},  {5, 31, 7},
                             {6, 32, 127},  {7, 33, 256},  {11, 48, 257}, {12, 15, 384},
                             {13, 49, 130}, {14, 64, 3},   {23, 80, 200}, {25, 100, 64},
                             {49, 35, 300}, {97, 24, 147}, {3, 250, 512}, {99, 33, 129},
                             {197, 65, 70}};
enum { N_SIZES = sizeof(sizes) / sizeof(*sizes) };

static float *pack(const pn_kernels *k, const float *w, const size *s)
{
    float *b = pn_buffer_new(k->gemm_pack_floats(s->n, s->k), 0, false);
    for (size_t i = 0; i < k->gemm_pack_floats(s->n, s->k); i++)
        b[i] = 0;
    for (size_t j = 0; j < s->n; j++)
        k->gemm_pack(b, w + j * s->k, j, s->n, s->k);
    return b;
}

/* both lengths of chains that there are */
static size_t block_of(const size *s)
{
    return s->k % 2 ? 64 : 0;
}

/* Columns first .. n, with two floats of canary behind each row. */
static float *columns(pn_cpu level, const float *a, size_t lda, const float *w,
                      const size *s, size_t first)
{
    pn_kernels k;
    pn_kernels_init(&k, level);
    const size_t ldc = s->n - first + 2;
    float *b = pack(&k, w, s), *c = pn_buffer_canary(s->m * ldc);
    const pn_gemm g = {.c = c,
                       .a = a,
                       .b = b,
                       .ldc = ldc,
                       .lda = lda,
                       .m = s->m,
                       .n = s->n - first,
                       .k = s->k,
                       .n_all = s->n,
                       .n0 = first,
                       .k_block = block_of(s)};
    k.gemm(&g);
    pn_buffer_free(b);
    return c;
}

static float *product(pn_cpu level, const float *a, size_t lda, const float *w,
                      const size *s)
{
    return columns(level, a, lda, w, s, 0);
}

static void every_level_gives_the_references_bits(void **state)
{
    (void)state;
    pn_cpu levels[4];
    const int n = pn_levels(levels);
    for (int i = 0; i < N_SIZES; i++)
        for (int odd = 0; odd < 2; odd++) {
            const size *s = &sizes[i];
            const size_t lda = s->k + 5;
            float *a = pn_buffer_new(s->m * lda, 1, odd),
                  *w = pn_buffer_new(s->n * s->k, 2, odd);
            float *expected = product(PN_CPU_C, a, lda, w, s);
            for (int l = 1; l < n; l++) {
                float *c = product(levels[l], a, lda, w, s);
                assert_true(pn_buffer_same(c, expected, s->m * (s->n + 2)));
                pn_buffer_free(c);
            }
            pn_buffer_free(expected);
            pn_buffer_free(w);
            pn_buffer_free(a);
        }
}

/* What the reference says of m x n, on whose every row and column it is a part. */
static void check_corner(pn_cpu level, const float *a, const float *w, const float *want,
                         const size *most, const size *s, size_t first)
{
    float *c = columns(level, a, s->k, w, s, first), *canary = pn_buffer_canary(2);
    const size_t n = s->n - first;
    for (size_t r = 0; r < s->m; r++) {
        assert_true(pn_buffer_same(c + r * (n + 2), want + r * (most->n + 2) + first, n));
        assert_true(pn_buffer_same(c + r * (n + 2) + n, canary, 2));
    }
    pn_buffer_free(canary);
    pn_buffer_free(c);
}

static void every_tail_of_rows_and_columns_gives_the_same_bits(void **state)
{
    (void)state;
    pn_cpu levels[4];
    const int n = pn_levels(levels);
    static const size_t depths[] = {3, 130};
    for (int d = 0; d < 2; d++) {
        const size most = {26, 49, depths[d]};
        float *a = pn_buffer_new(most.m * most.k, 7, true),
              *w = pn_buffer_new(most.n * most.k, 8, true);
        float *want = product(PN_CPU_C, a, most.k, w, &most);
        for (int l = 0; l < n; l++)
            for (size_t m = 1; m <= most.m; m++)
                for (size_t j = 1; j <= most.n; j++) {
                    if (m % 5 && j % 16 > 1 && j % 16 < 15) continue;
                    const size s = {m, j, most.k};
                    check_corner(levels[l], a, w, want, &most, &s, 0);
                    if (j > PN_PANEL)
                        check_corner(levels[l], a, w, want, &most, &s, PN_PANEL);
                }
        pn_buffer_free(want);
        pn_buffer_free(w);
        pn_buffer_free(a);
    }
}

/* |error| <= gamma * sum |a||b|, gamma = (block + blocks) u / (1 - ...), Higham's bound
 * for sums in blocks (Accuracy and Stability of Numerical Algorithms, section 4.2) */
static void the_reference_keeps_the_bound_of_its_sum(void **state)
{
    (void)state;
    for (int i = 0; i < N_SIZES; i++) {
        const size *s = &sizes[i];
        float *a = pn_buffer_new(s->m * s->k, 3, false),
              *w = pn_buffer_new(s->n * s->k, 4, false);
        float *c = product(PN_CPU_C, a, s->k, w, s);
        const double terms = PN_K_BLOCK + (double)s->k / PN_K_BLOCK + 2;
        for (size_t r = 0; r < s->m; r++)
            for (size_t j = 0; j < s->n; j++) {
                double sum = 0, size_of_sum = 0;
                for (size_t k = 0; k < s->k; k++) {
                    const double p = (double)a[r * s->k + k] * (double)w[j * s->k + k];
                    sum += p;
                    size_of_sum += fabs(p);
                }
                assert_true(fabs((double)c[r * (s->n + 2) + j] - sum) <=
                            terms * ldexp(1, -24) * size_of_sum);
            }
        pn_buffer_free(c);
        pn_buffer_free(w);
        pn_buffer_free(a);
    }
}

static void nothing_is_written_past_the_columns(void **state)
{
    (void)state;
    pn_cpu levels[4];
    const int n = pn_levels(levels);
    float *canary = pn_buffer_canary(2);
    for (int l = 0; l < n; l++)
        for (int i = 0; i < N_SIZES; i++) {
            const size *s = &sizes[i];
            float *a = pn_buffer_new(s->m * s->k, 5, false);
            float *w = pn_buffer_new(s->n * s->k, 6, false);
            float *c = product(levels[l], a, s->k, w, s);
            for (size_t r = 0; r < s->m; r++)
                assert_true(pn_buffer_same(c + r * (s->n + 2) + s->n, canary, 2));
            pn_buffer_free(c);
            pn_buffer_free(w);
            pn_buffer_free(a);
        }
    pn_buffer_free(canary);
}

static void what_follows_is_done_as_the_epilogue_does_it(void **state)
{
    (void)state;
    static const float bounds[][2] = {
        {-0.5F, 2}, {-INFINITY, INFINITY}, {0, INFINITY}, {-INFINITY, INFINITY}};
    pn_cpu levels[4];
    const int n = pn_levels(levels);
    for (int i = 0; i < 4 * N_SIZES; i++)
        for (int l = 0; l < n; l++) {
            const size *s = &sizes[i / 4];
            float *a = pn_buffer_new(s->m * s->k, 1, false);
            float *w = pn_buffer_new(s->n * s->k, 2, false);
            float *bias = pn_buffer_bare(s->n, 3, true);
            float *r = pn_buffer_bare(s->m * s->n, 4, true);
            pn_kernels k;
            pn_kernels_init(&k, levels[l]);
            float *b = pack(&k, w, s), *want = product(PN_CPU_C, a, s->k, w, s);
            float *c = pn_buffer_canary(s->m * (s->n + 2));
            const float *lo_hi = bounds[i % 4];
            float *slope = pn_buffer_bare(s->n, 5, true);
            pn_act act = {.kind = PN_ACT_CLAMP, .lo = lo_hi[0], .hi = lo_hi[1]};
            if (i % 4 == 3) {
                act.kind = PN_ACT_PRELU;
                act.slope = slope;
            }
            pn_epilogue e = {.y = c,
                             .bias = i / 4 % 3 ? bias : NULL,
                             .r = i / 4 % 2 ? r : NULL,
                             .ldy = s->n + 2,
                             .ldr = s->n,
                             .m = s->m,
                             .n = s->n,
                             .act = &act};
            const pn_gemm g = {.c = c,
                               .a = a,
                               .b = b,
                               .ldc = s->n + 2,
                               .lda = s->k,
                               .m = s->m,
                               .n = s->n,
                               .k = s->k,
                               .n_all = s->n,
                               .k_block = block_of(s),
                               .after = &e};
            k.gemm(&g);
            e.y = want;
            pn_f32_epilogue_c(&e);
            assert_true(pn_buffer_same(c, want, s->m * (s->n + 2)));
            pn_buffer_free(c);
            pn_buffer_free(want);
            pn_buffer_free(b);
            pn_buffer_free(r);
            pn_buffer_free(slope);
            pn_buffer_free(bias);
            pn_buffer_free(w);
            pn_buffer_free(a);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_references_bits),
        cmocka_unit_test(every_tail_of_rows_and_columns_gives_the_same_bits),
        cmocka_unit_test(the_reference_keeps_the_bound_of_its_sum),
        cmocka_unit_test(what_follows_is_done_as_the_epilogue_does_it),
        cmocka_unit_test(nothing_is_written_past_the_columns),
    };
    return pn_run_kernel_checks(tests);
}
