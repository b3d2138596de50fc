/* 12 rows x 32 columns (two panels): 24 accumulators of the 32 registers, 24 FMAs for 14
 * loads a step. A panel alone runs as 12 x 16: still 12 independent chains. */
#include <immintrin.h>
#include <math.h>

#include "engine/kernels/kernels.h"

#define INLINE static inline __attribute__((always_inline))
/* CHUNK rows go through all columns before the next: what they read of a and write of c,
 * and the residual, stays in the second-level cache meanwhile. */
enum { ROWS = 12, WIDE = 2 * PN_PANEL, CHUNK = 98, STEP = 5, LINE = 16 };

typedef struct tile_args {
    const float *sums; /* of the blocks of k before this one, WIDE apart; NULL: none */
    float *c;
    const float *a, *b, *b_next; /* b_next: the second panel's weights */
    size_t ldc, lda, k;
    bool is_last;              /* block of k: c is the product's */
    const pn_epilogue *after;  /* NULL but in the last block of k */
    bool clamps;               /* `after` has bounds or slopes */
    size_t row, column;        /* of c[0] in the product, for `after` */
    uintptr_t ahead;           /* weights of the next block, fetched a line a step; */
    size_t ahead_step;         /* maybe none: no pointer. PN_PANEL floats; 0: done */
    const float *far;          /* this tile's rows of a in the next chunk, of which it */
    size_t far_first, far_end; /* fetches these */
    __mmask16 kept;            /* columns of the last panel; others must not be written */
} tile_args;

/* What row i of the tile will write, and its residual, are to be there when the sums are
 * done; what the next chunk reads of a, in the second-level cache when it begins. */
INLINE void fetch(const tile_args *t, size_t i, const int p)
{
    for (size_t k = 0; i >= t->far_first && i < t->far_end && k < t->k; k += LINE)
        __builtin_prefetch(t->far + i * t->lda + k, 0, 2);
    if (!t->is_last) return;
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
    __builtin_prefetch((const void *)(t->ahead + k * t->ahead_step));
    __m512 b_next = p == 2 ? _mm512_loadu_ps(t->b_next + k * PN_PANEL) : b;
#pragma GCC unroll 12
    for (int i = 0; i < n; i++) {
        __m512 x = _mm512_set1_ps(t->a[(size_t)i * t->lda + k]);
        sum[i][0] = _mm512_fmadd_ps(x, b, sum[i][0]);
        if (p == 2) sum[i][1] = _mm512_fmadd_ps(x, b_next, sum[i][1]);
    }
}

/* of a panel's columns, and where it is cut of no others: there the array may end */
INLINE __m512 load(const float *x, const tile_args *t, const bool is_cut)
{
    return is_cut ? _mm512_maskz_loadu_ps(t->kept, x) : _mm512_loadu_ps(x);
}

/* -0 is what changes no number that it is added to. */
INLINE __m512 bias_of(const tile_args *t, int j, const bool is_cut)
{
    const float *bias = t->after->bias;
    return bias ? load(bias + t->column + j * PN_PANEL, t, is_cut)
                : _mm512_set1_ps(-0.0F);
}

/* A PRELU: the slope times what is negative. */
INLINE __m512 bend(const tile_args *t, __m512 v, int j, const bool is_cut)
{
    const float *slope = t->after->act->slope + t->column + j * PN_PANEL;
    const __mmask16 below = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ);
    return _mm512_mask_mul_ps(v, below, v, load(slope, t, is_cut));
}

/* The sums, complete if `ends`, to where they belong. What n and p say of step() goes for
 * all constants here; a whole panel is stored without a mask. */
INLINE void store(const tile_args *t, __m512 sum[ROWS][2], const int n, const int p,
                  const bool is_cut, const bool ends, const bool clamps)
{
    const pn_epilogue *e = t->after;
    const __m512 lo = _mm512_set1_ps(clamps ? e->act->lo : 0);
    const __m512 hi = _mm512_set1_ps(clamps ? e->act->hi : 0);
    const __m512 first = ends ? bias_of(t, 0, is_cut && p == 1) : lo;
    const __m512 second = ends && p == 2 ? bias_of(t, 1, is_cut) : first;
    const float *r = ends && e->r ? e->r + t->row * e->ldr + t->column : NULL;
#pragma GCC unroll 12
    for (int i = 0; i < n; i++)
#pragma GCC unroll 2
        for (int j = 0; j < p; j++) {
            float *y = t->c + (size_t)i * t->ldc + j * PN_PANEL;
            __m512 v = sum[i][j];
            if (t->sums)
                v = _mm512_add_ps(_mm512_loadu_ps(t->sums + i * WIDE + j * PN_PANEL), v);
            if (ends) v = _mm512_add_ps(v, j ? second : first);
            if (r)
                v = _mm512_add_ps(v, load(r + (size_t)i * e->ldr + j * PN_PANEL, t,
                                          is_cut && j + 1 == p));
            /* these operand orders let NaN pass */
            if (clamps) v = _mm512_min_ps(hi, _mm512_max_ps(lo, v));
            if (clamps && e->act->slope) v = bend(t, v, j, is_cut && j + 1 == p);
            if (is_cut && j + 1 == p)
                _mm512_mask_storeu_ps(y, t->kept, v);
            else
                _mm512_storeu_ps(y, v);
        }
}

INLINE void tile(const tile_args *t, const int n, const int p, const bool is_cut)
{
    __m512 sum[ROWS][2];
    size_t k = 0;
#pragma GCC unroll 12
    for (int i = 0; i < n; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    /* a row at a time: all at once, the core could not note so many misses */
    for (size_t i = 0; i < (size_t)n && k + STEP <= t->k; i++) {
        fetch(t, i, p);
#pragma GCC unroll 5
        for (int s = 0; s < STEP; s++, k++)
            step(sum, t, k, n, p);
    }
#pragma GCC unroll 4
    for (; k < t->k; k++)
        step(sum, t, k, n, p);
    if (!t->after)
        store(t, sum, n, p, is_cut, false, false);
    else if (t->clamps)
        store(t, sum, n, p, is_cut, true, true);
    else
        store(t, sum, n, p, is_cut, true, false);
}

INLINE void tile_of(const tile_args *t, size_t n, const int p, const bool is_cut)
{
    switch (n) {
    case 12:
        tile(t, 12, p, is_cut);
        break;
    case 11:
        tile(t, 11, p, is_cut);
        break;
    case 10:
        tile(t, 10, p, is_cut);
        break;
    case 9:
        tile(t, 9, p, is_cut);
        break;
    case 8:
        tile(t, 8, p, is_cut);
        break;
    case 7:
        tile(t, 7, p, is_cut);
        break;
    case 6:
        tile(t, 6, p, is_cut);
        break;
    case 5:
        tile(t, 5, p, is_cut);
        break;
    case 4:
        tile(t, 4, p, is_cut);
        break;
    case 3:
        tile(t, 3, p, is_cut);
        break;
    case 2:
        tile(t, 2, p, is_cut);
        break;
    default:
        tile(t, 1, p, is_cut);
        break;
    }
}

typedef void tile_fn(const tile_args *t, size_t n);

static void one_panel(const tile_args *t, size_t n)
{
    tile_of(t, n, 1, false);
}

static void two_panels(const tile_args *t, size_t n)
{
    tile_of(t, n, 2, false);
}

static void one_cut(const tile_args *t, size_t n)
{
    tile_of(t, n, 1, true);
}

static void two_cut(const tile_args *t, size_t n)
{
    tile_of(t, n, 2, true);
}

/* by number of panels, and whether the last of them is cut */
static tile_fn *const tiles_of[2][2] = {{one_panel, one_cut}, {two_panels, two_cut}};

/* Rows row .. row + m, at most CHUNK, of `width` columns, at most two panels: block after
 * block of k, in near-equal tiles of rows. The sums on their way lie side by side: in c,
 * a row apart, they would fall into few sets of the cache. */
static void panels(const pn_gemm *g, size_t column, size_t width, size_t row, size_t m)
{
    _Alignas(64) float sums[CHUNK * WIDE];
    float *c = g->c + row * g->ldc + column;
    const float *b = g->b + (g->n0 + column) * g->k;
    const size_t block = g->k_block ? g->k_block : PN_K_BLOCK;
    const size_t cut = width % PN_PANEL;
    const size_t part = column / WIDE, parts = (g->n + WIDE - 1) / WIDE;
    const int more = width > PN_PANEL;
    tile_args t = {.lda = g->lda, .column = column};
    t.kept = (__mmask16)((1U << cut) - 1);
    const pn_act *act = g->after ? g->after->act : NULL;
    t.clamps = act && (act->lo != -INFINITY || act->hi != INFINITY || act->slope);
    for (size_t k0 = 0; k0 < g->k; k0 += block) {
        t.is_last = g->k - k0 <= block;
        t.b = b + k0 * PN_PANEL;
        t.b_next = more ? t.b + g->k * PN_PANEL : t.b;
        t.k = t.is_last ? g->k - k0 : block;
        t.after = t.is_last ? g->after : NULL;
        t.ldc = t.is_last ? g->ldc : WIDE;
        tile_fn *const tile_rows = tiles_of[more][t.is_last && cut];
        const size_t panel_bytes = g->k * PN_PANEL * sizeof(float);
        const uintptr_t next = t.is_last ? (uintptr_t)b + 2 * panel_bytes
                                         : (uintptr_t)(t.b + block * PN_PANEL);
        size_t left = (m + ROWS - 1) / ROWS;
        for (size_t i = 0, n; i < m; i += n, left--) {
            n = (m - i + left - 1) / left;
            t.c = t.is_last ? c + i * g->ldc : sums + i * WIDE;
            t.sums = k0 ? sums + i * WIDE : NULL;
            t.a = g->a + (row + i) * g->lda + k0;
            t.row = row + i;
            /* each pair of panels fetches its part of what lies ahead of this tile */
            const bool has_far = row + m + i + n <= g->m;
            t.far = has_far ? t.a + m * g->lda : t.a;
            t.far_first = has_far ? n * part / parts : 0;
            t.far_end = has_far ? n * (part + 1) / parts : 0;
            /* the first tile fetches for the one panel, the second for the other */
            t.ahead = i == 0 ? next : next + panel_bytes;
            t.ahead_step = i <= ROWS ? PN_PANEL * sizeof(float) : 0;
            tile_rows(&t, n);
        }
    }
}

/* In near-equal chunks: a last one of four rows would wait for the weights. */
PN_DECL_GEMM(pn_f32_gemm_avx512)
{
    size_t left = (g->m + CHUNK - 1) / CHUNK;
    for (size_t row = 0, m; row < g->m; row += m, left--) {
        m = (g->m - row + left - 1) / left;
        for (size_t j = 0; j < g->n; j += WIDE)
            panels(g, j, g->n - j < WIDE ? g->n - j : (size_t)WIDE, row, m);
    }
}
