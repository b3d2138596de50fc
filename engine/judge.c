/* Floats of the engine, wherever and however they lie, against doubles in C order. */
#include "engine/judge.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANKS = 5 };
#define EQUAL_SCORES 1e-6 /* of the greatest */

/* A block of a tensor, in the order of the value: where its elements lie in both. */
typedef struct block {
    int ndim;
    int64_t n, dim[PN_MAX_DIMS];
    int64_t number[PN_MAX_DIMS]; /* elements of the value from one index to the next */
    ptrdiff_t stride[PN_MAX_DIMS];
    int64_t first; /* of the value */
    ptrdiff_t at;  /* of the tensor's floats */
} block;

static block whole_of(const pn_tensor *t)
{
    block b = {.ndim = t->shape.ndim, .n = 1};
    for (int d = b.ndim - 1; d >= 0; d--) {
        b.dim[d] = t->shape.dim[d];
        b.stride[d] = t->stride[d];
        b.number[d] = b.n;
        b.n *= b.dim[d];
    }
    if (t->is_last) { /* C x H x W of a value H x W x C */
        b.number[0] = 1;
        b.number[1] = b.dim[2] * b.dim[0];
        b.number[2] = b.dim[0];
    }
    return b;
}

/* A copy into a concatenation writes its part alone. */
static block block_of(const pn_layer *l, const pn_tensor *t)
{
    block b = whole_of(t);
    if (l->kind != PN_LAYER_COPY) return b;
    b.n = 1;
    for (int d = 0; d < b.ndim; d++) {
        b.dim[d] = l->u.copy.dim[d];
        b.at += (ptrdiff_t)l->u.copy.y_begin[d] * b.stride[d];
        b.first += l->u.copy.y_begin[d] * b.number[d];
        b.n *= b.dim[d];
    }
    return b;
}

/* The last two dimensions at one index of the others, dimensions that follow each other
 * in both being one: in the engine a map's channels stand together, in a value its
 * pixels. */
typedef struct matrix {
    int64_t rows, columns;
    ptrdiff_t row_stride, stride; /* floats */
    int64_t row_number, next;     /* elements of the value */
    ptrdiff_t at;
    int64_t number;
} matrix;

static block merged(const block *b)
{
    block m = {.n = b->n, .first = b->first, .at = b->at};
    for (int d = 0; d < b->ndim; d++) {
        const int before = m.ndim - 1;
        if (before >= 0 && m.stride[before] == b->stride[d] * b->dim[d] &&
            m.number[before] == b->number[d] * b->dim[d])
            m.dim[before] *= b->dim[d];
        else
            m.dim[m.ndim++] = b->dim[d];
        m.stride[m.ndim - 1] = b->stride[d];
        m.number[m.ndim - 1] = b->number[d];
    }
    return m;
}

static matrix matrix_of(const block *b, int64_t index)
{
    const int last = b->ndim - 1;
    matrix m = {.rows = 1, .columns = 1, .at = b->at, .number = b->first};
    if (last >= 0) {
        m.columns = b->dim[last];
        m.stride = b->stride[last];
        m.next = b->number[last];
    }
    if (last >= 1) {
        m.rows = b->dim[last - 1];
        m.row_stride = b->stride[last - 1];
        m.row_number = b->number[last - 1];
    }
    for (int d = last - 2; d >= 0; d--) {
        m.at += (ptrdiff_t)(index % b->dim[d]) * b->stride[d];
        m.number += index % b->dim[d] * b->number[d];
        index /= b->dim[d];
    }
    return m;
}

/* A part of a matrix, so small that neither order of reading it leaves the cache. */
enum { TILE_ROWS = 16, TILE_COLUMNS = 256 };

typedef struct tile {
    int64_t number, row_number, next; /* in the value */
    int rows, columns;
    float x[TILE_ROWS][TILE_COLUMNS];
} tile;

typedef void tile_fn(void *arg, tile *t);

/* Between a matrix and a tile; rows that are next to each other go side by side. */
static void swap_tile(const matrix *m, float *floats, int64_t row, int64_t column,
                      bool writes, tile *t)
{
    float *at =
        floats + m->at + (ptrdiff_t)row * m->row_stride + (ptrdiff_t)column * m->stride;
    const ptrdiff_t stride = m->stride, row_stride = m->row_stride;
    const int rows = t->rows, columns = t->columns;
    if (rows == TILE_ROWS && row_stride == 1) {
        for (int c = 0; c < columns; c++, at += stride)
            for (int r = 0; r < TILE_ROWS; r++)
                if (writes)
                    at[r] = t->x[r][c];
                else
                    t->x[r][c] = at[r];
        return;
    }
    for (int r = 0; r < rows; r++, at += row_stride)
        for (int c = 0; c < columns; c++)
            if (writes)
                at[c * stride] = t->x[r][c];
            else
                t->x[r][c] = at[c * stride];
}

/* f on all of a block: to read it, or to fill the tiles that are then written. */
static void each_tile(const block *whole, float *floats, bool writes, tile_fn *f,
                      void *arg)
{
    const block b = merged(whole);
    tile t;
    for (int64_t i = 0, done = 0; done < b.n; i++) {
        const matrix m = matrix_of(&b, i);
        done += m.rows * m.columns;
        t.row_number = m.row_number;
        t.next = m.next;
        for (int64_t r = 0; r < m.rows; r += TILE_ROWS)
            for (int64_t c = 0; c < m.columns; c += TILE_COLUMNS) {
                t.rows = (int)(m.rows - r < TILE_ROWS ? m.rows - r : TILE_ROWS);
                t.columns =
                    (int)(m.columns - c < TILE_COLUMNS ? m.columns - c : TILE_COLUMNS);
                t.number = m.number + r * m.row_number + c * m.next;
                if (!writes) swap_tile(&m, floats, r, c, false, &t);
                f(arg, &t);
                if (writes) swap_tile(&m, floats, r, c, true, &t);
            }
    }
}

static void round_tile(void *arg, tile *t)
{
    const double *x = *(const double **)arg;
    for (int r = 0; r < t->rows; r++) {
        const double *from = x + t->number + r * t->row_number;
        if (t->next == 1)
            for (int c = 0; c < t->columns; c++)
                t->x[r][c] = (float)from[c];
        else
            for (int c = 0; c < t->columns; c++)
                t->x[r][c] = (float)from[c * t->next];
    }
}

void pn_judge_set(const pn_tensor *t, float *floats, const double *x)
{
    const block b = whole_of(t);
    each_tile(&b, floats, true, round_tile, &x);
}

/* Equal infinities are no difference; NaN is one without bounds. */
static double difference(float y, double want)
{
    const double d = (double)y == want ? 0 : fabs((double)y - want);
    return d == d ? d : INFINITY;
}

typedef struct tally {
    const pn_array64 *want;
    double far, top, used, squares, allowed;
} tally;

/* Numbers of the value that a row of a tile is held against, with their bounds. */
typedef struct row {
    const double *x, *most, *usual;
    double room[3][TILE_COLUMNS]; /* where they do not stand side by side */
} row;

static const double *side_by_side(const double *from, int64_t next, int n, double *room)
{
    if (next == 1) return from;
    for (int i = 0; i < n; i++)
        room[i] = from[i * next];
    return room;
}

static void load_row(const pn_array64 *want, int64_t number, int64_t next, int n, row *r)
{
    r->x = side_by_side(want->x + number, next, n, r->room[0]);
    if (want->most) {
        r->most = side_by_side(want->most + number, next, n, r->room[1]);
        r->usual = side_by_side(want->usual + number, next, n, r->room[2]);
    } else {
        for (int i = 0; i < n; i++)
            r->room[1][i] = PN_U * pn_mag(r->x[i]);
        r->most = r->usual = r->room[1];
    }
}

/* Sums and maxima side by side, so that the compiler may use vectors. */
enum { LANES = 4 };

typedef struct lanes {
    double far[LANES], top[LANES], squares[LANES], allowed[LANES], beyond[LANES];
} lanes;

static inline double greater(double a, double b)
{
    return a > b ? a : b;
}

/* The floats compared are roundings themselves, which is u|y| more. */
static inline __attribute__((always_inline)) void
judge_one(const row *r, const float *got, int i, double used, lanes *s, int lane)
{
    const double x = r->x[i], d = difference(got[i], x), rounded = PN_U * pn_mag(x);
    const double usual = r->usual[i] + rounded;
    s->far[lane] = greater(d, s->far[lane]);
    s->top[lane] = greater(fabs(x), s->top[lane]);
    s->squares[lane] += d * d;
    s->allowed[lane] += usual * usual;
    s->beyond[lane] = greater(d - used * (r->most[i] + rounded), s->beyond[lane]);
}

static void judge_row(const row *r, const float *got, int n, tally *t)
{
    lanes s = {.far = {0}};
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            judge_one(r, got, i + lane, t->used, &s, lane);
    for (; i < n; i++)
        judge_one(r, got, i, t->used, &s, 0);
    double beyond = 0;
    for (int lane = 0; lane < LANES; lane++) {
        t->far = greater(s.far[lane], t->far);
        t->top = greater(s.top[lane], t->top);
        t->squares += s.squares[lane];
        t->allowed += s.allowed[lane];
        beyond = greater(s.beyond[lane], beyond);
    }
    for (i = 0; beyond > 0 && i < n; i++) {
        const double most = r->most[i] + PN_U * pn_mag(r->x[i]);
        const double d = difference(got[i], r->x[i]);
        if (d > t->used * most) t->used = d / most;
    }
}

static void judge_tile(void *arg, tile *got)
{
    tally *t = arg;
    row r;
    for (int i = 0; i < got->rows; i++) {
        load_row(t->want, got->number + i * got->row_number, got->next, got->columns, &r);
        judge_row(&r, got->x[i], got->columns, t);
    }
}

void pn_judge_layer(const pn_layer *l, const pn_tensor *t, const float *floats,
                    const pn_array64 *want, pn_parity_layer *out)
{
    const block b = block_of(l, t);
    tally sum = {.want = want};
    each_tile(&b, (float *)(uintptr_t)floats, false, judge_tile, &sum);
    if (sum.squares > sum.used * sum.used * sum.allowed)
        sum.used = sqrt(sum.squares / sum.allowed);
    out->relative = sum.far > 0 ? sum.far / sum.top : 0;
    out->used = sum.used;
}

bool pn_judge_same(const pn_layer *l, const pn_tensor *t, const float *a, const float *b)
{
    const block part = block_of(l, t), whole = merged(&part);
    for (int64_t i = 0, done = 0; done < whole.n; i++) {
        const matrix m = matrix_of(&whole, i);
        const int64_t run = m.row_stride == 1 ? m.rows : 1;
        done += m.rows * m.columns;
        for (int64_t c = 0; c < m.columns; c++)
            for (int64_t r = 0; r < m.rows; r += run) {
                const ptrdiff_t at =
                    m.at + (ptrdiff_t)r * m.row_stride + (ptrdiff_t)c * m.stride;
                if (memcmp(a + at, b + at, (size_t)run * sizeof(*a)) != 0) return false;
            }
    }
    return true;
}

/* The number of the greatest not yet taken. */
static int64_t next_greatest(const double *x, int64_t n, const int64_t *taken,
                             int n_taken)
{
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++) {
        bool is_taken = false;
        for (int k = 0; k < n_taken; k++)
            if (taken[k] == i) is_taken = true;
        if (!is_taken && (best < 0 || x[i] > x[best])) best = i;
    }
    return best;
}

static void compare_ranks(const double *got, const double *want, int64_t n, double top,
                          pn_parity_output *out)
{
    int64_t mine[MAX_RANKS], theirs[MAX_RANKS];
    out->k = n < MAX_RANKS ? (int)n : MAX_RANKS;
    for (int r = 0; r < out->k; r++) {
        mine[r] = next_greatest(got, n, mine, r);
        theirs[r] = next_greatest(want, n, theirs, r);
        const double apart = fabs(want[mine[r]] - want[theirs[r]]);
        if (mine[r] != theirs[r] && !(apart <= EQUAL_SCORES * top)) continue;
        out->agree++;
        if (r == 0) out->first_agrees = true;
    }
}

typedef struct ends {
    const double *want;
    double *got; /* in the order of the value */
    double far, top, squares, all;
} ends;

static void compare_tile(void *arg, tile *t)
{
    ends *e = arg;
    for (int r = 0; r < t->rows; r++)
        for (int c = 0; c < t->columns; c++) {
            const int64_t k = t->number + r * t->row_number + c * t->next;
            const double d = difference(t->x[r][c], e->want[k]);
            e->got[k] = (double)t->x[r][c];
            e->far = fmax(e->far, d);
            e->top = fmax(e->top, fabs(e->want[k]));
            e->squares += d * d;
            e->all += e->want[k] * e->want[k];
        }
}

pn_status pn_judge_output(const pn_tensor *t, const float *floats, const pn_array64 *want,
                          pn_parity_output *out)
{
    const block b = whole_of(t);
    ends e = {.want = want->x, .got = malloc((size_t)b.n * sizeof(double))};
    if (!e.got) return PN_ENOMEM;
    each_tile(&b, (float *)(uintptr_t)floats, false, compare_tile, &e);
    out->greatest = e.far > 0 ? e.far / e.top : 0;
    out->l2 = e.squares > 0 ? sqrt(e.squares / e.all) : 0;
    int wide = 0;
    for (int d = 0; d < b.ndim; d++)
        wide += b.dim[d] > 1;
    if (wide == 1) compare_ranks(e.got, want->x, b.n, e.top, out);
    free(e.got);
    return PN_OK;
}
