/* Layers that only move floats. */
#include <string.h>

#include "engine/ops/ops.h"

#define MOVE_TASK_FLOATS 16384

static void copy_row(float *y, const float *x, ptrdiff_t sx, int64_t n)
{
    if (sx == 1) {
        memcpy(y, x, (size_t)n * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i * sx];
}

/* Rows [first, end) of a walk: y and x already at the walk's origin. */
static void copy_rows(const pn_walk *w, float *y, const float *x, int64_t first,
                      int64_t end)
{
    const int in = w->n - 1;
    for (int64_t i = first; i < end; i++) {
        ptrdiff_t oy, ox, unused;
        pn_walk_row(w, i, &oy, &ox, &unused);
        copy_row(y + oy, x + ox, w->a[in], w->dim[in]);
    }
}

static pn_status copy_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    (void)g;
    const pn_tensor *x = &m->tensors[l->in[0]], *y = &m->tensors[l->out];
    pn_shape what = {.ndim = y->shape.ndim};
    ptrdiff_t sx[PN_MAX_DIMS];
    for (int i = 0; i < what.ndim; i++) {
        const int a = l->u.copy.axis_of[i];
        what.dim[i] = l->u.copy.dim[i];
        sx[i] = x->stride[a] * (ptrdiff_t)l->u.copy.x_step[a];
        l->u.copy.y_offset += l->u.copy.y_begin[i] * y->stride[i];
    }
    for (int a = 0; a < x->shape.ndim; a++) /* also of an axis that y has not */
        l->u.copy.x_offset += l->u.copy.x_begin[a] * x->stride[a];
    pn_walk *w = &l->u.copy.walk;
    pn_walk_init(w, &what, y->stride, sx, NULL);
    l->n_tasks = pn_ceil_div(w->rows, w->rows_per_task);
    return PN_OK;
}

static void copy_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                      float *scratch)
{
    (void)scratch;
    const pn_walk *w = &l->u.copy.walk;
    const int64_t first = task * w->rows_per_task;
    copy_rows(w, pn_run_tensor(r, l->out, image) + l->u.copy.y_offset,
              pn_run_tensor(r, l->in[0], image) + l->u.copy.x_offset, first,
              pn_min64(w->rows, first + w->rows_per_task));
}

const pn_layer_ops pn_ops_copy = {copy_prepare, copy_work, NULL};

/* Offset of the float that is number i in C order. */
static ptrdiff_t offset_of(const pn_tensor *t, int64_t i)
{
    ptrdiff_t at = 0;
    for (int d = t->shape.ndim - 1; d >= 0; d--) {
        at += (ptrdiff_t)(i % t->shape.dim[d]) * t->stride[d];
        i /= t->shape.dim[d];
    }
    return at;
}

static pn_status by_output_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    (void)g;
    l->n_tasks = pn_ceil_div(pn_shape_count(&m->tensors[l->out].shape), MOVE_TASK_FLOATS);
    return PN_OK;
}

static void reshape_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                         float *scratch)
{
    (void)scratch;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    const int64_t first = task * MOVE_TASK_FLOATS;
    const int64_t end = pn_min64(pn_shape_count(&ty->shape), first + MOVE_TASK_FLOATS);
    const float *x = pn_run_tensor(r, l->in[0], image);
    float *y = pn_run_tensor(r, l->out, image);
    for (int64_t i = first; i < end; i++)
        y[offset_of(ty, i)] = x[offset_of(tx, i)];
}

const pn_layer_ops pn_ops_reshape = {by_output_prepare, reshape_work, NULL};

/* Index i of a padded axis, in the input; -1: padding. */
static int64_t unpad(int64_t i, int64_t size, int mode)
{
    if (i >= 0 && i < size) return i;
    if (mode == 0) return -1;
    if (mode == 1 || size == 1) return i < 0 ? 0 : size - 1;
    return i < 0 ? -i : 2 * (size - 1) - i;
}

static void pad_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                     float *scratch)
{
    (void)scratch;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    const pn_shape *s = &ty->shape;
    const int64_t first = task * MOVE_TASK_FLOATS;
    const int64_t end = pn_min64(pn_shape_count(s), first + MOVE_TASK_FLOATS);
    const float *x = pn_run_tensor(r, l->in[0], image);
    float *y = pn_run_tensor(r, l->out, image);
    for (int64_t i = first; i < end; i++) {
        int64_t rest = i;
        ptrdiff_t oy = 0, ox = 0;
        bool is_padding = false;
        for (int d = s->ndim - 1; d >= 0; d--) {
            const int64_t k = rest % s->dim[d];
            rest /= s->dim[d];
            oy += (ptrdiff_t)k * ty->stride[d];
            const int64_t at =
                unpad(k - l->u.pad.before[d], tx->shape.dim[d], l->u.pad.mode);
            if (at < 0)
                is_padding = true;
            else
                ox += (ptrdiff_t)at * tx->stride[d];
        }
        y[oy] = is_padding ? l->u.pad.value : x[ox];
    }
}

const pn_layer_ops pn_ops_pad = {by_output_prepare, pad_work, NULL};

static void resize_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                        float *scratch)
{
    (void)scratch;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    const pn_shape *s = &ty->shape;
    const int64_t first = task * MOVE_TASK_FLOATS;
    const int64_t end = pn_min64(pn_shape_count(s), first + MOVE_TASK_FLOATS);
    const float *x = pn_run_tensor(r, l->in[0], image);
    float *y = pn_run_tensor(r, l->out, image);
    for (int64_t i = first; i < end; i++) {
        int64_t rest = i;
        ptrdiff_t oy = 0, ox = 0;
        for (int d = s->ndim - 1; d >= 0; d--) {
            const int64_t k = rest % s->dim[d];
            rest /= s->dim[d];
            oy += (ptrdiff_t)k * ty->stride[d];
            ox += (ptrdiff_t)l->u.resize.index[d][k] * tx->stride[d];
        }
        y[oy] = x[ox];
    }
}

const pn_layer_ops pn_ops_resize = {by_output_prepare, resize_work, NULL};
