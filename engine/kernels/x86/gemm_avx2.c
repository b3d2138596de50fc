/* 6 rows x 16 columns: 12 accumulators, 2 vectors of weights and 1 broadcast of the 16
 * registers; 12 FMAs for 8 loads a step is the FMA peak of every core with two load
 * ports. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "engine/kernels/kernels.h"

#define INLINE static inline __attribute__((always_inline))
/* CHUNK rows go through all columns before the next: what they read of a and write of c,
 * and the residual, stays in the second-level cache meanwhile. */
enum { ROWS = 6, CHUNK = 98, LINE = 16 };

/* one block of k under one tile */
typedef struct tile_args {
    const float *sums; /* of the blocks of k before this one, a panel apart; NULL: none */
    float *c;
    const float *a, *b;
    size_t ldc, lda, k;
    const pn_epilogue *after;  /* NULL but in the last block of k */
    bool clamps;               /* `after` has bounds or slopes */
    size_t row, column;        /* of c[0] in the product, for `after` */
    uintptr_t ahead;           /* weights of the next block, fetched a line a step; */
    size_t ahead_step;         /* maybe none: no pointer. PN_PANEL floats; 0: done */
    const float *far;          /* this tile's rows of a in the next chunk, of which it */
    size_t far_first, far_end; /* fetches these */
} tile_args;

/* What the tile will write, and the residual, are on their way while it multiplies; what
 * the next chunk reads of a is in the second-level cache when it begins. */
INLINE void fetch(const tile_args *t, const int n)
{
    const pn_epilogue *e = t->after;
    for (size_t i = t->far_first; i < t->far_end; i++)
        for (size_t k = 0; k < t->k; k += LINE)
            __builtin_prefetch(t->far + i * t->lda + k, 0, 2);
    for (int i = 0; i < n; i++) {
        __builtin_prefetch(t->c + (size_t)i * t->ldc, 1);
        if (e && e->r)
            __builtin_prefetch(e->r + (t->row + (size_t)i) * e->ldr + t->column);
    }
}

/* -0 is what changes no number that it is added to. */
INLINE __m256 bias_of(const pn_epilogue *e, size_t column)
{
    return e->bias ? _mm256_loadu_ps(e->bias + column) : _mm256_set1_ps(-0.0F);
}

/* A PRELU: the slope times what is negative. */
INLINE __m256 bend(const float *slope, __m256 v)
{
    const __m256 below = _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ);
    return _mm256_blendv_ps(v, _mm256_mul_ps(v, _mm256_loadu_ps(slope)), below);
}

/* The sums, complete if `ends`, to where they belong. n, ends and clamps are constants
 * where this is inlined. */
INLINE void store(const tile_args *t, __m256 sum[ROWS][2], const int n, const bool ends,
                  const bool clamps)
{
    const pn_epilogue *e = t->after;
    const __m256 lo = _mm256_set1_ps(clamps ? e->act->lo : 0);
    const __m256 hi = _mm256_set1_ps(clamps ? e->act->hi : 0);
    const __m256 first = ends ? bias_of(e, t->column) : lo;
    const __m256 second = ends ? bias_of(e, t->column + 8) : lo;
    const float *r = ends && e->r ? e->r + t->row * e->ldr + t->column : NULL;
#pragma GCC unroll 6
    for (int i = 0; i < n; i++)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            __m256 v = sum[i][j];
            if (t->sums)
                v = _mm256_add_ps(_mm256_loadu_ps(t->sums + i * PN_PANEL + 8 * j), v);
            if (ends) v = _mm256_add_ps(v, j ? second : first);
            if (r) v = _mm256_add_ps(v, _mm256_loadu_ps(r + (size_t)i * e->ldr + 8 * j));
            /* these operand orders let NaN pass */
            if (clamps) v = _mm256_min_ps(hi, _mm256_max_ps(lo, v));
            if (clamps && e->act->slope) v = bend(e->act->slope + t->column + 8 * j, v);
            _mm256_storeu_ps(t->c + (size_t)i * t->ldc + 8 * j, v);
        }
}

/* n rows (a constant where this is inlined) of one panel */
INLINE void tile(const tile_args *t, const int n)
{
    const float *b = t->b;
    __m256 sum[ROWS][2];
    fetch(t, n);
#pragma GCC unroll 6
    for (int i = 0; i < n; i++)
        sum[i][0] = sum[i][1] = _mm256_setzero_ps();
    for (size_t p = 0; p < t->k; p++, b += PN_PANEL) {
        __builtin_prefetch((const void *)(t->ahead + p * t->ahead_step));
        __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
        __asm__("" : "+x"(b0), "+x"(b1)); /* or gcc folds the loads into every FMA */
#pragma GCC unroll 6
        for (int i = 0; i < n; i++) {
            __m256 x = _mm256_broadcast_ss(t->a + (size_t)i * t->lda + p);
            sum[i][0] = _mm256_fmadd_ps(x, b0, sum[i][0]);
            sum[i][1] = _mm256_fmadd_ps(x, b1, sum[i][1]);
        }
    }
    if (!t->after)
        store(t, sum, n, false, false);
    else if (t->clamps)
        store(t, sum, n, true, true);
    else
        store(t, sum, n, true, false);
}

static void tile_of(const tile_args *t, size_t n)
{
    switch (n) {
    case 6:
        tile(t, 6);
        break;
    case 5:
        tile(t, 5);
        break;
    case 4:
        tile(t, 4);
        break;
    case 3:
        tile(t, 3);
        break;
    case 2:
        tile(t, 2);
        break;
    default:
        tile(t, 1);
        break;
    }
}

/* Rows row .. row + m, at most CHUNK, of one panel, block after block of k; near-equal
 * tiles: 8 rows are 4 + 4, as 6 + 2 would wait for the latency of the FMAs. The sums on
 * their way lie side by side: in c, a row apart, they would fall into few sets of the
 * cache. */
static void panel(const pn_gemm *g, float *c, size_t ldc, size_t column, size_t row,
                  size_t m, const pn_epilogue *after)
{
    _Alignas(64) float sums[CHUNK * PN_PANEL];
    const float *b = g->b + (g->n0 + column) * g->k;
    const size_t block = g->k_block ? g->k_block : PN_K_BLOCK;
    const size_t part = column / PN_PANEL, parts = (g->n + PN_PANEL - 1) / PN_PANEL;
    for (size_t k0 = 0; k0 < g->k; k0 += block) {
        const bool is_last = g->k - k0 <= block;
        tile_args t = {.ldc = is_last ? ldc : PN_PANEL, .lda = g->lda, .column = column};
        t.b = b + k0 * PN_PANEL;
        t.k = is_last ? g->k - k0 : block;
        t.after = is_last ? after : NULL;
        t.clamps = after && (after->act->lo != -INFINITY || after->act->hi != INFINITY ||
                             after->act->slope);
        const uintptr_t next =
            (uintptr_t)(is_last ? b + g->k * PN_PANEL : t.b + block * PN_PANEL);
        size_t tiles = (m + ROWS - 1) / ROWS;
        for (size_t i = 0, n; i < m; i += n, tiles--) {
            n = (m - i + tiles - 1) / tiles;
            t.c = is_last ? c + i * ldc : sums + i * PN_PANEL;
            t.sums = k0 ? sums + i * PN_PANEL : NULL;
            t.a = g->a + (row + i) * g->lda + k0;
            t.row = row + i;
            /* each panel fetches its part of what lies ahead of this tile */
            const bool has_far = row + m + i + n <= g->m;
            t.far = has_far ? t.a + m * g->lda : t.a;
            t.far_first = has_far ? n * part / parts : 0;
            t.far_end = has_far ? n * (part + 1) / parts : 0;
            t.ahead = next;
            t.ahead_step = i == 0 ? PN_PANEL * sizeof(float) : 0;
            tile_of(&t, n);
        }
    }
}

/* A panel that is not full must not write past its columns. */
static void edge(const pn_gemm *g, size_t column, size_t row, size_t m)
{
    float whole[CHUNK * PN_PANEL];
    panel(g, whole, PN_PANEL, column, row, m, NULL);
    for (size_t i = 0; i < m; i++)
        memcpy(g->c + (row + i) * g->ldc + column, whole + i * PN_PANEL,
               (g->n - column) * sizeof(float));
}

static void chunk(const pn_gemm *g, size_t row, size_t m)
{
    size_t j = 0;
    for (; j + PN_PANEL <= g->n; j += PN_PANEL)
        panel(g, g->c + row * g->ldc + j, g->ldc, j, row, m, g->after);
    if (j < g->n) edge(g, j, row, m);
}

/* In near-equal chunks: a last one of four rows would wait for the weights. */
PN_DECL_GEMM(pn_f32_gemm_avx2)
{
    size_t left = (g->m + CHUNK - 1) / CHUNK;
    for (size_t row = 0, m; row < g->m; row += m, left--) {
        m = (g->m - row + left - 1) / left;
        chunk(g, row, m);
    }
    const size_t whole = g->n / PN_PANEL * PN_PANEL;
    if (g->after && whole < g->n) pn_epilogue_columns(g->after, whole);
}
