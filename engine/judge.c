/* Floats of the engine, wherever and however they lie, against doubles in C order. */
#include "engine/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANKS = 5 };
#define EQUAL_SCORES 1e-6 /* of the greatest */

/* A block of a tensor: where its elements lie in both. */
typedef struct block {
    int ndim;
    int64_t n, dim[PN_MAX_DIMS], begin[PN_MAX_DIMS];
    int64_t number[PN_MAX_DIMS]; /* elements of the value from one index to the next */
    const pn_tensor *t;
} block;

static block whole_of(const pn_tensor *t)
{
    block b = {.ndim = t->shape.ndim, .n = 1, .t = t};
    for (int d = b.ndim - 1; d >= 0; d--) {
        b.dim[d] = t->shape.dim[d];
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
        b.begin[d] = l->u.copy.y_begin[d];
        b.n *= b.dim[d];
    }
    return b;
}

/* A row of the block: where its first float lies, and its number in C order. */
static ptrdiff_t place_of(const block *b, int64_t row, int64_t *number)
{
    const int last = b->ndim - 1;
    ptrdiff_t at = 0;
    *number = 0;
    for (int d = last; d >= 0; d--) {
        const int64_t k = b->begin[d] + (d == last ? 0 : row % b->dim[d]);
        if (d < last) row /= b->dim[d];
        at += (ptrdiff_t)k * b->t->stride[d];
        *number += k * b->number[d];
    }
    return at;
}

/* next: elements of the value from one of a row to the next */
static int64_t row_of(const block *b, ptrdiff_t *step, int64_t *next)
{
    *step = b->ndim ? b->t->stride[b->ndim - 1] : 1;
    *next = b->ndim ? b->number[b->ndim - 1] : 1;
    return b->ndim ? b->dim[b->ndim - 1] : 1;
}

void pn_judge_set(const pn_tensor *t, float *floats, const double *x)
{
    const block b = whole_of(t);
    ptrdiff_t step;
    int64_t next;
    const int64_t wide = row_of(&b, &step, &next);
    for (int64_t row = 0; row < b.n / wide; row++) {
        int64_t number;
        float *to = floats + place_of(&b, row, &number);
        for (int64_t i = 0; i < wide; i++)
            to[i * step] = (float)x[number + i * next];
    }
}

/* Equal infinities are no difference; NaN is one without bounds. */
static double difference(float y, double want)
{
    if ((double)y == want) return 0;
    const double d = fabs((double)y - want);
    return isnan(d) ? INFINITY : d;
}

typedef struct tally {
    double far, top, used, squares, allowed;
} tally;

/* One number; the floats compared are roundings themselves, which is u|y| more. */
static void judge_one(const pn_array64 *want, int64_t k, float got, tally *t)
{
    const double d = difference(got, want->x[k]), rounded = PN_U * pn_mag(want->x[k]);
    const double most = (want->most ? want->most[k] : rounded) + rounded;
    const double usual = (want->most ? want->most[want->n + k] : rounded) + rounded;
    if (d > t->far) t->far = d;
    if (fabs(want->x[k]) > t->top) t->top = fabs(want->x[k]);
    if (d > t->used * most) t->used = d / most;
    t->squares += d * d;
    t->allowed += usual * usual;
}

void pn_judge_layer(const pn_layer *l, const pn_tensor *t, const float *floats,
                    const pn_array64 *want, pn_parity_layer *out)
{
    const block b = block_of(l, t);
    tally sum = {.far = 0};
    ptrdiff_t step;
    int64_t next;
    const int64_t wide = row_of(&b, &step, &next);
    for (int64_t row = 0; row < b.n / wide; row++) {
        int64_t k;
        const float *from = floats + place_of(&b, row, &k);
        for (int64_t i = 0; i < wide; i++)
            judge_one(want, k + i * next, from[i * step], &sum);
    }
    if (sum.squares > sum.used * sum.used * sum.allowed)
        sum.used = sqrt(sum.squares / sum.allowed);
    out->relative = sum.far > 0 ? sum.far / sum.top : 0;
    out->used = sum.used;
}

bool pn_judge_same(const pn_layer *l, const pn_tensor *t, const float *a, const float *b)
{
    const block whole = block_of(l, t);
    ptrdiff_t step;
    int64_t number;
    const int64_t wide = row_of(&whole, &step, &number);
    for (int64_t row = 0; row < whole.n / wide; row++) {
        const ptrdiff_t at = place_of(&whole, row, &number);
        for (int64_t i = 0; i < wide; i++)
            if (memcmp(a + at + i * step, b + at + i * step, sizeof(*a)) != 0)
                return false;
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

pn_status pn_judge_output(const pn_tensor *t, const float *floats, const pn_array64 *want,
                          pn_parity_output *out)
{
    const block b = whole_of(t);
    double far = 0, top = 0, squares = 0, all = 0;
    double *got = malloc((size_t)b.n * sizeof(*got));
    if (!got) return PN_ENOMEM;
    ptrdiff_t step;
    int64_t next;
    const int64_t wide_row = row_of(&b, &step, &next);
    for (int64_t row = 0; row < b.n / wide_row; row++) {
        int64_t k;
        const float *from = floats + place_of(&b, row, &k);
        for (int64_t i = 0; i < wide_row; i++, k += next) {
            const double d = difference(from[i * step], want->x[k]);
            got[k] = (double)from[i * step];
            far = fmax(far, d);
            top = fmax(top, fabs(want->x[k]));
            squares += d * d;
            all += want->x[k] * want->x[k];
        }
    }
    out->greatest = far > 0 ? far / top : 0;
    out->l2 = squares > 0 ? sqrt(squares / all) : 0;
    int wide = 0;
    for (int d = 0; d < b.ndim; d++)
        wide += b.dim[d] > 1;
    if (wide == 1) compare_ranks(got, want->x, b.n, top, out);
    free(got);
    return PN_OK;
}
