/* Operators that only move elements. */
#include <limits.h>
#include <string.h>

#include "model/export_pytorch.h"

/* Reshape, Flatten, Unsqueeze: the order of the elements stays, the shape says it all */
void pt_reshape(pt_export *e, pt_step *s, const pn_node *n)
{
    const pn_shape *x = pt_shape_in(e, n, 0), *y = &e->g->values[n->outputs[0]].shape;
    const char *at = pt_read(e, s, n, 0);
    if (pn_shape_equal(x, y))
        e->same_as[n->outputs[0]] = s->inputs[0];
    else if (y->ndim == 2 && y->dim[0] == PN_DIM_FREE && x->ndim > 2 &&
             x->dim[0] == PN_DIM_FREE)
        s->text = pt_format(e, "torch.flatten(%s, 1)", at);
    else /* PN_DIM_FREE is -1, which says the same to PyTorch */
        s->text = pt_format(e, "%s.reshape%s", at, pt_numbers(e, y->dim, y->ndim, true));
    if (y->ndim == 0) s->text = pt_format(e, "%s.reshape(())", at);
}

void pt_squeeze(pt_export *e, pt_step *s, const pn_node *n)
{
    int64_t axes[PN_MAX_DIMS];
    const pn_shape *x = pt_shape_in(e, n, 0);
    if (pt_const_ints(e, n, 1, axes, PN_MAX_DIMS) != 1) {
        pt_reshape(e, s, n);
        return;
    }
    long long axis = (long long)(axes[0] < 0 ? axes[0] + x->ndim : axes[0]);
    s->text = pt_format(e, "%s.squeeze(%lld)", pt_read(e, s, n, 0), axis);
}

void pt_transpose(pt_export *e, pt_step *s, const pn_node *n)
{
    const pn_attr *perm = pn_node_attr(n, "perm");
    int rank = pt_shape_in(e, n, 0)->ndim;
    int64_t order[PN_MAX_DIMS];
    for (int i = 0; i < rank; i++)
        order[i] = perm ? perm->ints[i] : rank - 1 - i;
    s->text = pt_format(e, "%s.permute%s", pt_read(e, s, n, 0),
                        pt_numbers(e, order, rank, true));
}

void pt_concat(pt_export *e, pt_step *s, const pn_node *n)
{
    long long axis = (long long)pn_node_int(n, "axis", 0);
    if (axis < 0) axis += pt_shape_in(e, n, 0)->ndim;
    if (n->n_inputs > 256) return pt_refuse(e, n, "%d inputs", n->n_inputs);
    const char *list = "";
    for (int i = 0; i < n->n_inputs; i++) {
        if (pt_const(e, n, i)) return pt_refuse(e, n, "its input %d is a constant", i);
        list = pt_format(e, "%s%s%s", list, i ? ", " : "", pt_read(e, s, n, i));
    }
    if (n->n_inputs == 1)
        e->same_as[n->outputs[0]] = s->inputs[0];
    else
        s->text = pt_format(e, "torch.cat([%s], %lld)", list, axis);
}

void pt_split(pt_export *e, pt_step *s, const pn_node *n)
{
    long long axis = (long long)pn_node_int(n, "axis", 0);
    int rank = pt_shape_in(e, n, 0)->ndim;
    const char *list = "";
    bool is_same = true;
    if (axis < 0) axis += rank;
    if (n->n_outputs > 256) return pt_refuse(e, n, "%d outputs", n->n_outputs);
    for (int i = 0; i < n->n_outputs; i++) {
        const pn_shape *y = &e->g->values[n->outputs[i]].shape;
        is_same = is_same && y->dim[axis] == e->g->values[n->outputs[0]].shape.dim[axis];
        list = pt_format(e, "%s%s%lld", list, i ? ", " : "", (long long)y->dim[axis]);
    }
    const char *x = pt_read(e, s, n, 0);
    if (is_same)
        list =
            pt_format(e, "%lld", (long long)e->g->values[n->outputs[0]].shape.dim[axis]);
    s->text = pt_format(
        e, is_same ? "torch.split(%s, %s, %lld)" : "torch.split(%s, [%s], %lld)", x, list,
        axis);
}

void pt_slice(pt_export *e, pt_step *s, const pn_node *n)
{
    int64_t start[PN_MAX_DIMS], axis[PN_MAX_DIMS], step[PN_MAX_DIMS];
    const pn_shape *x = pt_shape_in(e, n, 0), *y = &e->g->values[n->outputs[0]].shape;
    const char *dims[PN_MAX_DIMS], *list = "", *flips = "";
    int last = -1, count = pt_const_ints(e, n, 1, start, PN_MAX_DIMS);
    for (int i = 0; i < PN_MAX_DIMS; i++) {
        axis[i] = i;
        step[i] = 1;
        dims[i] = ":";
    }
    if (count < 0 ||
        (pt_has(e, n, 3) && pt_const_ints(e, n, 3, axis, PN_MAX_DIMS) != count) ||
        (pt_has(e, n, 4) && pt_const_ints(e, n, 4, step, PN_MAX_DIMS) != count))
        return pt_refuse(e, n, "its ranges are computed");
    for (int i = 0; i < count; i++) {
        int a = (int)(axis[i] < 0 ? axis[i] + x->ndim : axis[i]);
        int64_t d = x->dim[a], k = y->dim[a], at = start[i] < 0 ? start[i] + d : start[i];
        if (d == PN_DIM_FREE || d == k) { /* all of it, maybe from the other end */
            if (d > 1 && step[i] < 0) flips = pt_format(e, "%s.flip(%d)", flips, a);
            continue;
        }
        int64_t by = step[i] < -d ? -d : step[i] > d ? d : step[i];
        at = at < 0 ? 0 : at > d - 1 ? d - 1 : at;
        if (by <
            0) { /* PyTorch goes forward only: the same elements, then turned round */
            at += (k - 1) * by;
            by = -by;
            if (k > 1) flips = pt_format(e, "%s.flip(%d)", flips, a);
        }
        int64_t end = at + (k - 1) * by + 1;
        dims[a] = by == 1 || k == 1
                      ? pt_format(e, "%lld:%lld", (long long)at, (long long)end)
                      : pt_format(e, "%lld:%lld:%lld", (long long)at, (long long)end,
                                  (long long)by);
        if (a > last) last = a;
    }
    const char *from = pt_read(e, s, n, 0);
    for (int i = 0; i <= last; i++)
        list = pt_format(e, "%s%s%s", list, i ? ", " : "", dims[i]);
    if (last >= 0)
        s->text = pt_format(e, "%s[%s]%s", from, list, flips);
    else if (*flips)
        s->text = pt_format(e, "%s%s", from, flips);
    else
        e->same_as[n->outputs[0]] = s->inputs[0];
}

void pt_pad(pt_export *e, pt_step *s, const pn_node *n)
{
    const char *mode = pn_node_string(n, "mode", "constant");
    int rank = pt_shape_in(e, n, 0)->ndim, first = 0;
    int64_t pads[2 * PN_MAX_DIMS];
    float fill = 0;
    if (pt_const_ints(e, n, 1, pads, 2 * PN_MAX_DIMS) != 2 * rank)
        return pt_refuse(e, n, "its pads are computed");
    if (pt_has(e, n, 2) && !pt_const_float(e, n, 2, &fill))
        return pt_refuse(e, n, "its value is computed");
    while (first < rank && pads[first] == 0 && pads[rank + first] == 0)
        first++;
    if (first == rank) {
        e->same_as[n->outputs[0]] = e->same_as[n->inputs[0]];
        return;
    }
    const char *x = pt_read(e, s, n, 0);
    if (!strcmp(mode, "constant")) {
        const char *list =
            pt_pad_list(e, pads + first, pads + rank + first, rank - first);
        s->text = fill == 0 ? pt_format(e, "F.pad(%s, %s)", x, list)
                            : pt_format(e, "F.pad(%s, %s, value=%s)", x, list,
                                        pt_float(e, fill));
        return;
    }
    bool is_negative = false;
    for (int i = 0; i < 2 * rank; i++)
        is_negative |= pads[i] < 0;
    if (rank < 3 || rank > 5 || first < 2 || is_negative)
        return pt_refuse(e, n, "mode %s borders spatial axes only", mode);
    s->text = pt_format(e, "F.pad(%s, %s, mode=\"%s\")", x,
                        pt_pad_list(e, pads + 2, pads + rank + 2, rank - 2),
                        !strcmp(mode, "edge") ? "replicate" : "reflect");
}
