/* 12 rows x 32 columns (two panels): 24 accumulators of the 32 registers, 24 FMAs for 14
 * loads a step. A panel alone runs as 12 x 16: still 12 independent chains. */
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/kernels.h"

#define INLINE static inline __attribute__((always_inline))
/* CHUNK rows go through all columns before the next: what they read of a and write of c,
 * and the residual, stays in the second-level cache meanwhile. */
enum { ROWS = 12, WIDE = 2 * PN_PANEL, CHUNK = 96, STEP = 8 };

typedef struct tile_args {
    const float *sums; /* of the blocks of k before this one, WIDE apart; NULL: none */
    float *c;
    const float *a, *b, *b_next; /* b_next: the second panel's weights */
    size_t ldc, lda, k;
    bool is_last;             /* block of k: c is the product's */
    const pn_epilogue *after; /* NULL but in the last block of k */
    size_t row, column;       /* of c[0] in the product, for `after` */
} tile_args;

INLINE __m512 finish(const pn_epilogue *e, __m512 v, size_t row, size_t column)
{
    if (e->bias) v = _mm512_add_ps(v, _mm512_loadu_ps(e->bias + column));
    if (e->r) v = _mm512_add_ps(v, _mm512_loadu_ps(e->r + row * e->ldr + column));
    /* these operand orders let NaN pass */
    v = _mm512_max_ps(_mm512_set1_ps(e->act->lo), v);
    return _mm512_min_ps(_mm512_set1_ps(e->act->hi), v);
}

/* What row i of the tile will write, and its residual, are to be there when the sums are
 * done. */
INLINE void fetch(const tile_args *t, size_t i, const int p)
{
    const pn_epilogue *e = t->after;
    const float *y = t->c + i * t->ldc;
    __builtin_prefetch(y, 1);
    if (p == 2) __builtin_prefetch(y + PN_PANEL, 1);
    if (!e || !e->r) return;
    const float *r = e->r + (t->row + i) * e->ldr + t->column;
    __builtin_prefetch(r);
    if (p == 2) __builtin_prefetch(r + PN_PANEL);
}

/* One step of k: n rows, p panels; both are constants where this is inlined. */
INLINE void step(__m512 sum[ROWS][2], const tile_args *t, size_t k, const int n,
                 const int p)
{
    __m512 b = _mm512_loadu_ps(t->b + k * PN_PANEL);
    __m512 b_next = p == 2 ? _mm512_loadu_ps(t->b_next + k * PN_PANEL) : b;
#pragma GCC unroll 12
    for (int i = 0; i < n; i++) {
        __m512 x = _mm512_set1_ps(t->a[(size_t)i * t->lda + k]);
        sum[i][0] = _mm512_fmadd_ps(x, b, sum[i][0]);
        if (p == 2) sum[i][1] = _mm512_fmadd_ps(x, b_next, sum[i][1]);
    }
}

INLINE void tile(const tile_args *t, const int n, const int p)
{
    __m512 sum[ROWS][2];
    size_t k = 0;
#pragma GCC unroll 12
    for (int i = 0; i < n; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    /* a row at a time: all at once, the core could not note so many misses */
    for (size_t i = 0; t->is_last && i < (size_t)n && k + STEP <= t->k; i++) {
        fetch(t, i, p);
        for (size_t end = k + STEP; k < end; k++)
            step(sum, t, k, n, p);
    }
    for (; k < t->k; k++)
        step(sum, t, k, n, p);
#pragma GCC unroll 12
    for (int i = 0; i < n; i++)
#pragma GCC unroll 2
        for (int j = 0; j < p; j++) {
            float *y = t->c + (size_t)i * t->ldc + j * PN_PANEL;
            __m512 v = sum[i][j];
            if (t->sums)
                v = _mm512_add_ps(_mm512_loadu_ps(t->sums + i * WIDE + j * PN_PANEL), v);
            if (t->after)
                v = finish(t->after, v, t->row + (size_t)i,
                           t->column + (size_t)j * PN_PANEL);
            _mm512_storeu_ps(y, v);
        }
}

INLINE void tile_of(const tile_args *t, size_t n, const int p)
{
    switch (n) {
    case 12:
        tile(t, 12, p);
        break;
    case 11:
        tile(t, 11, p);
        break;
    case 10:
        tile(t, 10, p);
        break;
    case 9:
        tile(t, 9, p);
        break;
    case 8:
        tile(t, 8, p);
        break;
    case 7:
        tile(t, 7, p);
        break;
    case 6:
        tile(t, 6, p);
        break;
    case 5:
        tile(t, 5, p);
        break;
    case 4:
        tile(t, 4, p);
        break;
    case 3:
        tile(t, 3, p);
        break;
    case 2:
        tile(t, 2, p);
        break;
    default:
        tile(t, 1, p);
        break;
    }
}

static void tile_one(const tile_args *t, size_t n)
{
    tile_of(t, n, 1);
}

static void tile_two(const tile_args *t, size_t n)
{
    tile_of(t, n, 2);
}

/* Rows row .. row + m, at most CHUNK, of one panel or two: block after block of k, in
 * near-equal tiles of rows. The sums on their way lie side by side: in c, a row apart,
 * they would fall into few sets of the cache. */
static void panels(const pn_gemm *g, float *c, size_t ldc, size_t column, size_t row,
                   size_t m, bool two, const pn_epilogue *after)
{
    _Alignas(64) float sums[CHUNK * WIDE];
    const float *b = g->b + (g->n0 + column) * g->k;
    for (size_t k0 = 0; k0 < g->k; k0 += PN_K_BLOCK) {
        const bool is_last = g->k - k0 <= PN_K_BLOCK;
        tile_args t = {.ldc = is_last ? ldc : WIDE, .lda = g->lda, .column = column};
        t.b = b + k0 * PN_PANEL;
        t.b_next = two ? t.b + g->k * PN_PANEL : t.b;
        t.k = is_last ? g->k - k0 : PN_K_BLOCK;
        t.is_last = is_last;
        t.after = is_last ? after : NULL;
        size_t tiles = (m + ROWS - 1) / ROWS;
        for (size_t i = 0, n; i < m; i += n, tiles--) {
            n = (m - i + tiles - 1) / tiles;
            t.c = is_last ? c + i * ldc : sums + i * WIDE;
            t.sums = k0 ? sums + i * WIDE : NULL;
            t.a = g->a + (row + i) * g->lda + k0;
            t.row = row + i;
            if (two)
                tile_two(&t, n);
            else
                tile_one(&t, n);
        }
    }
}

/* A panel that is not full must not write past its columns. */
static void edge(const pn_gemm *g, size_t column, size_t row, size_t m)
{
    float whole[CHUNK * PN_PANEL];
    panels(g, whole, PN_PANEL, column, row, m, false, NULL);
    for (size_t i = 0; i < m; i++)
        memcpy(g->c + (row + i) * g->ldc + column, whole + i * PN_PANEL,
               (g->n - column) * sizeof(float));
}

static void chunk(const pn_gemm *g, size_t row, size_t m)
{
    float *c = g->c + row * g->ldc;
    size_t j = 0;
    for (; j + WIDE <= g->n; j += WIDE)
        panels(g, c + j, g->ldc, j, row, m, true, g->after);
    if (j + PN_PANEL <= g->n) {
        panels(g, c + j, g->ldc, j, row, m, false, g->after);
        j += PN_PANEL;
    }
    if (j < g->n) edge(g, j, row, m);
}

PN_DECL_GEMM(pn_f32_gemm_avx512)
{
    for (size_t row = 0; row < g->m; row += CHUNK)
        chunk(g, row, g->m - row < CHUNK ? g->m - row : (size_t)CHUNK);
    const size_t whole = g->n / PN_PANEL * PN_PANEL;
    if (g->after && whole < g->n) pn_epilogue_columns(g->after, whole);
}
