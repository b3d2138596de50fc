/* 6 rows x 16 columns: 12 accumulators, 2 vectors of weights and 1 broadcast of the 16
 * registers; 12 FMAs for 8 loads a step is the FMA peak of every core with two load
 * ports. */
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/kernels.h"

#define INLINE static inline __attribute__((always_inline))
enum { ROWS = 6 };

/* n rows (a constant where this is inlined) of one panel, one block of k; `more` adds to
 * what the blocks before it left in c. */
INLINE void tile(float *c, size_t ldc, const float *a, size_t lda, const float *b,
                 size_t k, bool more, const int n)
{
    __m256 sum[ROWS][2];
#pragma GCC unroll 6
    for (int i = 0; i < n; i++)
        sum[i][0] = sum[i][1] = _mm256_setzero_ps();
    for (size_t p = 0; p < k; p++, b += PN_PANEL) {
        __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
        __asm__("" : "+x"(b0), "+x"(b1)); /* or gcc folds the loads into every FMA */
#pragma GCC unroll 6
        for (int i = 0; i < n; i++) {
            __m256 x = _mm256_broadcast_ss(a + (size_t)i * lda + p);
            sum[i][0] = _mm256_fmadd_ps(x, b0, sum[i][0]);
            sum[i][1] = _mm256_fmadd_ps(x, b1, sum[i][1]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < n; i++) {
        float *y = c + (size_t)i * ldc;
        if (more) {
            sum[i][0] = _mm256_add_ps(_mm256_loadu_ps(y), sum[i][0]);
            sum[i][1] = _mm256_add_ps(_mm256_loadu_ps(y + 8), sum[i][1]);
        }
        _mm256_storeu_ps(y, sum[i][0]);
        _mm256_storeu_ps(y + 8, sum[i][1]);
    }
}

static void tile_of(float *c, size_t ldc, const float *a, size_t lda, const float *b,
                    size_t k, bool more, size_t n)
{
    switch (n) {
    case 6:
        tile(c, ldc, a, lda, b, k, more, 6);
        break;
    case 5:
        tile(c, ldc, a, lda, b, k, more, 5);
        break;
    case 4:
        tile(c, ldc, a, lda, b, k, more, 4);
        break;
    case 3:
        tile(c, ldc, a, lda, b, k, more, 3);
        break;
    case 2:
        tile(c, ldc, a, lda, b, k, more, 2);
        break;
    default:
        tile(c, ldc, a, lda, b, k, more, 1);
        break;
    }
}

/* All rows of one panel, block after block; near-equal tiles: 8 rows are 4 + 4, as 6 + 2
 * would wait for the latency of the FMAs. */
static void panel(const pn_gemm *g, float *c, size_t ldc, const float *b, size_t row,
                  size_t m)
{
    for (size_t k0 = 0; k0 < g->k; k0 += PN_K_BLOCK) {
        size_t k = g->k - k0 < PN_K_BLOCK ? g->k - k0 : PN_K_BLOCK;
        size_t tiles = (m + ROWS - 1) / ROWS;
        for (size_t i = 0, n; i < m; i += n, tiles--) {
            n = (m - i + tiles - 1) / tiles;
            tile_of(c + i * ldc, ldc, g->a + (row + i) * g->lda + k0, g->lda,
                    b + k0 * PN_PANEL, k, k0 > 0, n);
        }
    }
}

PN_DECL_GEMM(pn_f32_gemm_avx2)
{
    float edge[ROWS *
               PN_PANEL]; /* a panel that is not full must not write past its columns */
    for (size_t j = 0; j < g->n; j += PN_PANEL) {
        const float *b = g->b + (g->n0 + j) * g->k;
        if (g->n - j >= PN_PANEL) {
            panel(g, g->c + j, g->ldc, b, 0, g->m);
            continue;
        }
        for (size_t row = 0, m; row < g->m; row += m) {
            m = g->m - row < ROWS ? g->m - row : (size_t)ROWS;
            panel(g, edge, PN_PANEL, b, row, m);
            for (size_t i = 0; i < m; i++)
                memcpy(g->c + (row + i) * g->ldc + j, edge + i * PN_PANEL,
                       (g->n - j) * sizeof(float));
        }
    }
}
