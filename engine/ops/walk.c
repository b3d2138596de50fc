/* Strided loops over one to three arrays: an odometer over rows, the innermost dimension
 * left to a kernel. */
#include <string.h>

#include "engine/ops/ops.h"

#define WALK_TASK_FLOATS 16384

static ptrdiff_t at(const ptrdiff_t *stride, int i)
{
    return stride ? stride[i] : 0;
}

/* Dimension i follows on the one before: stepping over it equals stepping in the outer.
 */
static bool joins(const pn_walk *w, int outer, int64_t dim, ptrdiff_t y, ptrdiff_t a,
                  ptrdiff_t b)
{
    return w->y[outer] == y * dim && w->a[outer] == a * dim && w->b[outer] == b * dim;
}

/* One long row would be one task: cut it where it halves without a rest. */
static void split_long_row(pn_walk *w)
{
    const int i = w->n - 1;
    int64_t rows = 1;
    while (w->dim[i] > WALK_TASK_FLOATS && w->dim[i] % 2 == 0) {
        w->dim[i] /= 2;
        rows *= 2;
    }
    if (rows == 1) return;
    w->dim[i + 1] = w->dim[i];
    w->y[i + 1] = w->y[i];
    w->a[i + 1] = w->a[i];
    w->b[i + 1] = w->b[i];
    w->y[i] *= w->dim[i];
    w->a[i] *= w->dim[i];
    w->b[i] *= w->dim[i];
    w->dim[i] = rows;
    w->n++;
}

void pn_walk_init(pn_walk *w, const pn_shape *shape, const ptrdiff_t *y,
                  const ptrdiff_t *a, const ptrdiff_t *b)
{
    int order[PN_MAX_DIMS], n = 0;
    for (int i = 0; i < shape->ndim; i++) {
        if (shape->dim[i] == 1) continue;
        int j = n++;
        for (; j > 0 && at(y, order[j - 1]) < at(y, i); j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
    memset(w, 0, sizeof(*w));
    for (int k = 0; k < n; k++) {
        const int i = order[k];
        const int64_t d = shape->dim[i];
        const ptrdiff_t sy = at(y, i), sa = at(a, i), sb = at(b, i);
        if (w->n && joins(w, w->n - 1, d, sy, sa, sb))
            w->dim[w->n - 1] *= d;
        else
            w->dim[w->n++] = d;
        w->y[w->n - 1] = sy;
        w->a[w->n - 1] = sa;
        w->b[w->n - 1] = sb;
    }
    /* kernels write one float beside the other */
    if (!w->n || w->y[w->n - 1] != 1) w->dim[w->n++] = 1;
    if (w->n < PN_MAX_DIMS) split_long_row(w);
    w->rows = 1;
    for (int i = 0; i < w->n - 1; i++)
        w->rows *= w->dim[i];
    w->rows_per_task = pn_max64(1, WALK_TASK_FLOATS / w->dim[w->n - 1]);
}

void pn_walk_row(const pn_walk *w, int64_t row, ptrdiff_t *y, ptrdiff_t *a, ptrdiff_t *b)
{
    *y = *a = *b = 0;
    for (int i = w->n - 2; i >= 0; i--) {
        const ptrdiff_t k = (ptrdiff_t)(row % w->dim[i]);
        row /= w->dim[i];
        *y += k * w->y[i];
        *a += k * w->a[i];
        *b += k * w->b[i];
    }
}

bool pn_walk_broadcast(const pn_shape *s, const pn_shape *to, ptrdiff_t *stride)
{
    /* the constant may have a batch dimension of 1 in front */
    const int extra = s->ndim - to->ndim;
    if (extra > 1 || (extra == 1 && s->dim[0] != 1)) return false;
    int64_t step = 1;
    for (int i = to->ndim - 1; i >= 0; i--) {
        const int j = i + extra;
        const int64_t d = j < 0 ? 1 : s->dim[j];
        if (d != 1 && d != to->dim[i]) return false;
        stride[i] = d == 1 ? 0 : (ptrdiff_t)step;
        step *= d;
    }
    return true;
}

bool pn_walk_broadcast_tensor(const pn_tensor *t, const pn_shape *to, ptrdiff_t *stride)
{
    if (t->shape.ndim != to->ndim) return false;
    for (int i = 0; i < to->ndim; i++) {
        if (t->shape.dim[i] != 1 && t->shape.dim[i] != to->dim[i]) return false;
        stride[i] = t->shape.dim[i] == 1 ? 0 : t->stride[i];
    }
    return true;
}
