/* The matrix product all faster ones are held to, and its packing: panels of PN_PANEL
 * columns, in each k rows of PN_PANEL floats, the last panel filled up with zeros. */
#include <math.h>
#include <string.h>

#include "engine/kernels/kernels.h"

#define GEMM_ROWS 4

PN_DECL_PACK_FLOATS(pn_f32_pack_floats_c)
{
    return (n + PN_PANEL - 1) / PN_PANEL * PN_PANEL * k;
}

PN_DECL_PACK(pn_f32_pack_c)
{
    (void)n_all;
    float *to = b + j / PN_PANEL * PN_PANEL * k + j % PN_PANEL;
    for (size_t i = 0; i < k; i++)
        to[i * PN_PANEL] = w[i];
}

/* One panel under up to GEMM_ROWS rows. */
static void gemm_tile(float *c, size_t ldc, const float *a, size_t lda, const float *b,
                      size_t m, size_t n, size_t k, size_t block)
{
    float total[GEMM_ROWS][PN_PANEL] = {{0}};
    for (size_t k0 = 0; k0 < k; k0 += block) {
        size_t k1 = k - k0 < block ? k : k0 + block;
        float sum[GEMM_ROWS][PN_PANEL] = {{0}};
        for (size_t p = k0; p < k1; p++)
            for (size_t i = 0; i < m; i++) {
                float x = a[i * lda + p];
                for (size_t j = 0; j < PN_PANEL; j++)
                    sum[i][j] = PN_FMA(x, b[p * PN_PANEL + j], sum[i][j]);
            }
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < PN_PANEL; j++)
                total[i][j] = k0 ? total[i][j] + sum[i][j] : sum[i][j];
    }
    for (size_t i = 0; i < m; i++)
        memcpy(c + i * ldc, total[i], n * sizeof(float));
}

PN_DECL_GEMM(pn_f32_gemm_c)
{
    const size_t block = g->k_block ? g->k_block : PN_K_BLOCK;
    for (size_t j = 0; j < g->n; j += PN_PANEL) {
        const float *b = g->b + (g->n0 + j) * g->k;
        size_t n = g->n - j < PN_PANEL ? g->n - j : PN_PANEL;
        size_t i = 0;
        for (; i + GEMM_ROWS <= g->m; i += GEMM_ROWS)
            gemm_tile(g->c + i * g->ldc + j, g->ldc, g->a + i * g->lda, g->lda, b,
                      GEMM_ROWS, n, g->k, block);
        for (; i < g->m; i++)
            gemm_tile(g->c + i * g->ldc + j, g->ldc, g->a + i * g->lda, g->lda, b, 1, n,
                      g->k, block);
    }
    if (g->after) pn_f32_epilogue_c(g->after);
}
