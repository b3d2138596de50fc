/* Layers that map floats one by one: factor and summand a channel, activations that found
 * nothing to fuse with, arithmetic between two operands. */
#include "engine/ops/ops.h"

#define ELTWISE_TASK_FLOATS 16384

/* A tensor as rows of channels: a map's pixels, or one row of everything. */
static void cut_rows(const struct pn_model *m, pn_layer *l)
{
    const pn_shape *s = &m->tensors[l->out].shape;
    l->u.affine.channels =
        pn_tensor_is_map(&m->tensors[l->out]) ? s->dim[0] : pn_shape_count(s);
    l->u.affine.pixels = pn_shape_count(s) / l->u.affine.channels;
    l->u.affine.rows_per_task = pn_max64(1, ELTWISE_TASK_FLOATS / l->u.affine.channels);
    l->n_tasks = pn_ceil_div(l->u.affine.pixels, l->u.affine.rows_per_task);
}

static pn_status affine_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    const int64_t n = m->tensors[l->out].shape.dim[0];
    float *scale = pn_net_alloc_weights(m, (size_t)n);
    float *shift = pn_net_alloc_weights(m, (size_t)n);
    if (!scale || !shift) return PN_ENOMEM;
    for (int64_t c = 0; c < n; c++) {
        scale[c] = (float)l->u.affine.s.scale[c];
        shift[c] = (float)l->u.affine.s.shift[c];
    }
    l->u.affine.scale = scale;
    l->u.affine.shift = shift;
    cut_rows(m, l);
    return pn_weights_slope(m, g, l);
}

static pn_status unary_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    cut_rows(m, l);
    return pn_weights_slope(m, g, l);
}

static void rows_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                      float *scratch)
{
    (void)scratch;
    const int64_t ldx = r->m->tensors[l->in[0]].pixel_stride;
    const int64_t ldy = r->m->tensors[l->out].pixel_stride;
    const int64_t i1 =
        pn_min64(l->u.affine.pixels, (task + 1) * l->u.affine.rows_per_task);
    const size_t n = (size_t)l->u.affine.channels;
    const float *x = pn_run_tensor(r, l->in[0], image);
    float *y = pn_run_tensor(r, l->out, image);
    for (int64_t i = task * l->u.affine.rows_per_task; i < i1; i++) {
        if (l->kind == PN_LAYER_UNARY)
            r->m->kernels.act(y + i * ldy, x + i * ldx, n, &l->act);
        else
            r->m->kernels.affine(y + i * ldy, x + i * ldx, l->u.affine.scale,
                                 l->u.affine.shift, n, &l->act);
    }
}

const pn_layer_ops pn_ops_affine = {affine_prepare, rows_work, NULL};
const pn_layer_ops pn_ops_unary = {unary_prepare, rows_work, NULL};

/* Strides of operand k, and its floats if it is a constant. */
static pn_status prepare_operand(struct pn_model *m, const pn_graph *g, pn_layer *l,
                                 int k, ptrdiff_t *stride)
{
    const pn_shape *to = &m->tensors[l->out].shape;
    pn_const_operand *c = &l->u.binary.c[k];
    if (c->value == PN_NONE)
        return pn_walk_broadcast_tensor(&m->tensors[l->in[k]], to, stride)
                   ? PN_OK
                   : PN_EUNSUPPORTED;
    const pn_shape *s = &g->values[c->value].shape;
    if (!pn_walk_broadcast(s, to, stride)) return PN_EUNSUPPORTED;
    c->data = pn_weights_copy(m, g, c->value, pn_shape_count(s));
    return c->data ? PN_OK : PN_ENOMEM;
}

static pn_status binary_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    ptrdiff_t a[PN_MAX_DIMS], b[PN_MAX_DIMS];
    pn_status st = prepare_operand(m, g, l, 0, a);
    if (!st) st = prepare_operand(m, g, l, 1, b);
    if (st) return st;
    const pn_tensor *y = &m->tensors[l->out];
    pn_walk *w = &l->u.binary.walk;
    pn_walk_init(w, &y->shape, y->stride, a, b);
    l->n_tasks = pn_ceil_div(w->rows, w->rows_per_task);
    return PN_OK;
}

static const float *operand(const pn_run *r, const pn_layer *l, int k, int64_t image)
{
    return l->in[k] == PN_NONE ? l->u.binary.c[k].data
                               : pn_run_tensor(r, l->in[k], image);
}

static void binary_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                        float *scratch)
{
    (void)scratch;
    const pn_walk *w = &l->u.binary.walk;
    const int in = w->n - 1;
    const size_t n = (size_t)w->dim[in];
    const float *a = operand(r, l, 0, image), *b = operand(r, l, 1, image);
    float *y = pn_run_tensor(r, l->out, image);
    const int64_t i1 = pn_min64(w->rows, (task + 1) * w->rows_per_task);
    const bool acts = !pn_act_is_none(&l->act);
    for (int64_t i = task * w->rows_per_task; i < i1; i++) {
        ptrdiff_t oy, oa, ob;
        pn_walk_row(w, i, &oy, &oa, &ob);
        r->m->kernels.binary(l->u.binary.f, y + oy, a + oa, w->a[in], b + ob, w->b[in],
                             n);
        if (acts) r->m->kernels.act(y + oy, y + oy, n, &l->act);
    }
}

const pn_layer_ops pn_ops_binary = {binary_prepare, binary_work, NULL};
