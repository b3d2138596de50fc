/* A row of a depthwise convolution: every level gives the reference's bits, and the
 * reference is the chain of fused multiply-adds it is said to be. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "buffers.h"

enum { PIXELS = 24, MOST_OUT = 9 };
static const size_t channels[] = {1, 7, 8, 15, 16, 17, 24, 48, 67};
enum { N_CHANNELS = sizeof(channels) / sizeof(*channels) };

typedef struct row {
    float *x, *w, *bias, *zeros;
    size_t n;
    int k, stride;
} row;

static row row_new(size_t n, int k, int stride, bool odd)
{
    row r = {.n = n, .k = k, .stride = stride};
    r.x = pn_buffer_new(5 * PIXELS * n, 1, odd);
    r.w = pn_buffer_new((size_t)(k * k) * n, 2, false);
    r.bias = pn_buffer_new(n, 3, false);
    r.zeros = pn_buffer_new(n, 4, false);
    for (size_t i = 0; i < n; i++)
        r.zeros[i] = 0;
    return r;
}

static void row_free(row *r)
{
    pn_buffer_free(r->x);
    pn_buffer_free(r->w);
    pn_buffer_free(r->bias);
    pn_buffer_free(r->zeros);
}

/* the first tap row is padding; a canary behind each pixel */
static float *run(const row *r, pn_cpu level, size_t n_out)
{
    pn_kernels k;
    pn_kernels_init(&k, level);
    float *y = pn_buffer_canary(n_out * (r->n + 1));
    pn_depthwise_row d = {.y = y,
                          .w = r->w,
                          .bias = r->bias,
                          .ldy = r->n + 1,
                          .ldw = r->n,
                          .n = r->n,
                          .n_out = n_out,
                          .k = r->k,
                          .stride = r->stride,
                          .lo = -0.25F,
                          .hi = 6};
    d.x[0] = r->zeros;
    for (int i = 1; i < r->k; i++) {
        d.x[i] = r->x + (size_t)i * PIXELS * r->n;
        d.ldx[i] = r->n;
    }
    k.depthwise_row(&d);
    return y;
}

static void every_level_gives_the_references_bits(void **state)
{
    (void)state;
    pn_cpu levels[4];
    const int n = pn_levels(levels);
    for (int c = 0; c < N_CHANNELS; c++)
        for (int kind = 0; kind < 8; kind++) {
            row r = row_new(channels[c], kind & 1 ? 5 : 3, kind & 2 ? 2 : 1, kind & 4);
            for (size_t n_out = 1; n_out <= MOST_OUT; n_out++) {
                float *want = run(&r, PN_CPU_C, n_out);
                for (int l = 1; l < n; l++) {
                    float *got = run(&r, levels[l], n_out);
                    assert_true(pn_buffer_same(got, want, n_out * (r.n + 1)));
                    pn_buffer_free(got);
                }
                pn_buffer_free(want);
            }
            row_free(&r);
        }
}

static void an_output_is_one_chain_then_bias_then_clamp(void **state)
{
    (void)state;
    row r = row_new(5, 3, 2, false);
    pn_cpu level;
    if (pn_cpu_resolve(&level, PN_CPU_AVX2, NULL))
        skip(); /* fmaf is the truth only with FMA */
    float *y = run(&r, PN_CPU_C, 3);
    for (size_t p = 0; p < 3; p++)
        for (size_t c = 0; c < r.n; c++) {
            float sum = 0;
            for (size_t ky = 0; ky < 3; ky++)
                for (size_t kx = 0; kx < 3; kx++) {
                    const float *x = r.x + (ky * PIXELS + p * 2 + kx) * r.n;
                    sum = fmaf(ky ? x[c] : 0, r.w[(ky * 3 + kx) * r.n + c], sum);
                }
            const float want = fminf(fmaxf(sum + r.bias[c], -0.25F), 6);
            assert_true(y[p * (r.n + 1) + c] == want);
        }
    pn_buffer_free(y);
    row_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_references_bits),
        cmocka_unit_test(an_output_is_one_chain_then_bias_then_clamp),
    };
    return pn_run_kernel_checks(tests);
}
