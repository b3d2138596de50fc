/* Matrix products of any operands by their strides: for the rare ones that are neither a
 * convolution nor fully connected. Sums in double. */
#include "engine/ops/ops.h"

/* Strides of operand k: its last two dimensions apart, the rest broadcast. */
static pn_status prepare_operand(struct pn_model *m, const pn_graph *g, pn_layer *l,
                                 int k, const pn_shape *outer, ptrdiff_t *stride,
                                 ptrdiff_t *row, ptrdiff_t *col, int64_t *n_rows,
                                 int64_t *n_cols)
{
    pn_const_operand *c = &l->u.matmul.c[k];
    if (c->value == PN_NONE) {
        const pn_tensor *t = &m->tensors[l->in[k]];
        const int n = t->shape.ndim;
        *row = t->stride[n - 2];
        *col = t->stride[n - 1];
        *n_rows = t->shape.dim[n - 2];
        *n_cols = t->shape.dim[n - 1];
        for (int i = 0; i < outer->ndim; i++) {
            if (n != outer->ndim + 2) return PN_EUNSUPPORTED;
            stride[i] = t->shape.dim[i] == 1 ? 0 : t->stride[i];
        }
        return n == outer->ndim + 2 ? PN_OK : PN_EUNSUPPORTED;
    }
    pn_shape s = g->values[c->value].shape;
    c->data = pn_weights_copy(m, g, c->value, pn_shape_count(&s));
    if (!c->data) return PN_ENOMEM;
    *n_rows = s.dim[s.ndim - 2];
    *n_cols = s.dim[s.ndim - 1];
    *row = (ptrdiff_t)*n_cols;
    *col = 1;
    s.ndim -= 2;
    if (!pn_walk_broadcast(&s, outer, stride)) return PN_EUNSUPPORTED;
    for (int i = 0; i < outer->ndim; i++)
        stride[i] *= (ptrdiff_t)(*n_rows * *n_cols);
    return PN_OK;
}

static pn_status matmul_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    const pn_tensor *y = &m->tensors[l->out];
    pn_shape outer = y->shape;
    if (outer.ndim < 2) return PN_EUNSUPPORTED;
    outer.ndim -= 2;
    ptrdiff_t sa[PN_MAX_DIMS], sb[PN_MAX_DIMS];
    int64_t k;
    l->u.matmul.ym = y->stride[outer.ndim];
    l->u.matmul.yn = y->stride[outer.ndim + 1];
    pn_status st = prepare_operand(m, g, l, 0, &outer, sa, &l->u.matmul.am,
                                   &l->u.matmul.ak, &l->u.matmul.m, &l->u.matmul.k);
    if (!st)
        st = prepare_operand(m, g, l, 1, &outer, sb, &l->u.matmul.bk, &l->u.matmul.bn, &k,
                             &l->u.matmul.n);
    if (st) return st;
    pn_walk *w = &l->u.matmul.walk;
    w->n = outer.ndim + 1; /* plain rows: the last dimension is the product's rows */
    w->rows = 1;
    for (int i = 0; i < outer.ndim; i++) {
        w->dim[i] = outer.dim[i];
        w->y[i] = y->stride[i];
        w->a[i] = sa[i];
        w->b[i] = sb[i];
        w->rows *= outer.dim[i];
    }
    w->dim[outer.ndim] = l->u.matmul.m;
    l->n_tasks = w->rows * l->u.matmul.m;
    return PN_OK;
}

static void matmul_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                        float *scratch)
{
    (void)scratch;
    const int64_t m = l->u.matmul.m, n = l->u.matmul.n, k = l->u.matmul.k;
    ptrdiff_t oy, oa, ob;
    pn_walk_row(&l->u.matmul.walk, task / m, &oy, &oa, &ob);
    const float *a =
        l->in[0] == PN_NONE ? l->u.matmul.c[0].data : pn_run_tensor(r, l->in[0], image);
    const float *b =
        l->in[1] == PN_NONE ? l->u.matmul.c[1].data : pn_run_tensor(r, l->in[1], image);
    float *y = pn_run_tensor(r, l->out, image) + oy + (task % m) * l->u.matmul.ym;
    a += oa + (task % m) * l->u.matmul.am;
    b += ob;
    for (int64_t j = 0; j < n; j++) {
        double sum = 0;
        for (int64_t i = 0; i < k; i++)
            sum += (double)a[i * l->u.matmul.ak] *
                   (double)b[i * l->u.matmul.bk + j * l->u.matmul.bn];
        y[j * l->u.matmul.yn] = (float)sum;
    }
}

const pn_layer_ops pn_ops_matmul = {matmul_prepare, matmul_work, NULL};
