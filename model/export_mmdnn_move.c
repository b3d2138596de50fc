/* Operators that move numbers and compute none. MMdnn's Reshape counts in PyTorch's
 * order, its Concat, Slice and Flatten in the IR's own, channels last. */
#include "model/export_mmdnn.h"

#include <string.h>

enum { MAX_JOINED = 4096 };

void pn_ir_identity(pn_ir *w)
{
    pn_ir_alias(w);
}

void pn_ir_cast(pn_ir *w)
{
    if (pn_node_int(w->node, "to", PN_F32) != PN_F32 ||
        w->g->values[w->node->inputs[0]].dtype != PN_F32) {
        pn_ir_refuse(w, "MMdnn's PyTorch emitter computes in float32 only");
        return;
    }
    pn_ir_alias(w);
}

/* the first dimension is the batch, whatever its size */
void pn_ir_reshape(pn_ir *w)
{
    const pn_shape *to = pn_ir_out_shape(w, 0), *in = pn_ir_in_shape(w, 0);
    int64_t target[PN_MAX_DIMS];
    if (to->ndim < 2) {
        pn_ir_refuse(w, "MMdnn's PyTorch emitter cannot reshape to %d dimensions",
                     to->ndim);
        return;
    }
    if (pn_shape_equal(to, in)) {
        pn_ir_alias(w);
        return;
    }
    memcpy(target, to->dim, sizeof(target)); /* a free batch is -1, as PyTorch has it */
    const char *x = pn_ir_input(w, 0);
    pn_ir_begin(w, "Reshape", pn_ir_name_output(w, 0), &x, 1);
    pn_ir_set_ints(w, "shape", target, (size_t)to->ndim);
    pn_ir_end(w, to);
}

/* The emitted view() wants elements without gaps, and the layer behind it wants its rows
 * turned: what has gaps is reshaped instead. */
void pn_ir_flatten(pn_ir *w)
{
    int from = w->node->inputs[0];
    const pn_shape *in = pn_ir_in_shape(w, 0);
    int64_t axis = pn_node_int(w->node, "axis", 1);
    if (axis < 0) axis += in->ndim;
    if (axis != 1 || in->ndim < 3 || w->values[from].is_view || pn_ir_is_const(w, 0)) {
        pn_ir_reshape(w);
        return;
    }
    pn_ir_value *out = &w->values[w->node->outputs[0]];
    out->flat_rows = (size_t)in->dim[1];
    out->flat_columns = 1;
    for (int i = 2; i < in->ndim; i++)
        out->flat_columns *= (size_t)in->dim[i];
    const char *x = pn_ir_input(w, 0);
    pn_ir_plain(w, "Flatten", pn_ir_name_output(w, 0), &x, 1, pn_ir_out_shape(w, 0));
}

/* dimensions of one element may go anywhere: that moves nothing */
void pn_ir_transpose(pn_ir *w)
{
    const pn_shape *in = pn_ir_in_shape(w, 0);
    const pn_attr *perm = pn_node_attr(w->node, "perm");
    int64_t last = -1;
    for (int i = 0; i < in->ndim; i++) {
        int64_t from = perm ? perm->ints[i] : in->ndim - 1 - i;
        if (in->dim[from] == 1) continue;
        if (from < last) {
            pn_ir_refuse(w, "MMdnn's PyTorch emitter cannot transpose");
            return;
        }
        last = from;
    }
    pn_ir_reshape(w);
}

void pn_ir_concat(pn_ir *w)
{
    const char *inputs[MAX_JOINED];
    int n = w->node->n_inputs;
    if (n > MAX_JOINED) {
        pn_ir_refuse(w, "%d inputs, at most %d", n, MAX_JOINED);
        return;
    }
    if (n == 1) {
        pn_ir_alias(w);
        return;
    }
    for (int i = 0; i < n; i++)
        inputs[i] = pn_ir_input(w, i);
    pn_ir_begin(w, "Concat", pn_ir_name_output(w, 0), inputs, n);
    pn_ir_set_int(
        w, "axis",
        pn_ir_axis(pn_node_int(w->node, "axis", 1), pn_ir_out_shape(w, 0)->ndim));
    pn_ir_end(w, pn_ir_out_shape(w, 0));
}

/* starts and ends of the graph's axes, channels last in the file */
static void put_slice(pn_ir *w, int output, const char *x, const int64_t *starts,
                      const int64_t *ends)
{
    const pn_shape *out = pn_ir_out_shape(w, output);
    int64_t s[PN_MAX_DIMS], e[PN_MAX_DIMS];
    for (int i = 0; i < out->ndim; i++) {
        int to = (int)pn_ir_axis(i, out->ndim);
        s[to] = starts[i];
        e[to] = ends[i];
    }
    pn_ir_begin(w, "Slice", pn_ir_name_output(w, output), &x, 1);
    pn_ir_set_ints(w, "starts", s, (size_t)out->ndim);
    pn_ir_set_ints(w, "ends", e, (size_t)out->ndim);
    pn_ir_end(w, out);
    w->values[w->node->outputs[output]].is_view = true;
}

/* the whole of every axis; an end of 0 is open */
static void whole(const pn_shape *s, int64_t *starts, int64_t *ends)
{
    for (int i = 0; i < s->ndim; i++) {
        starts[i] = 0;
        ends[i] = s->dim[i] == PN_DIM_FREE ? 0 : s->dim[i];
    }
}

void pn_ir_split(pn_ir *w)
{
    const pn_shape *in = pn_ir_in_shape(w, 0);
    int64_t starts[PN_MAX_DIMS], ends[PN_MAX_DIMS], at = 0;
    int64_t axis = pn_node_int(w->node, "axis", 0);
    if (axis < 0) axis += in->ndim;
    whole(in, starts, ends);
    const char *x = pn_ir_input(w, 0);
    for (int i = 0; i < w->node->n_outputs; i++) {
        starts[axis] = at;
        ends[axis] = at += pn_ir_out_shape(w, i)->dim[axis];
        if (w->values[w->node->outputs[i]].n_readers ||
            w->values[w->node->outputs[i]].is_output)
            put_slice(w, i, x, starts, ends);
    }
}

static bool read_ints(const pn_ir *w, int input, int64_t *out, int64_t *n)
{
    const pn_value *v = &w->g->values[w->node->inputs[input]];
    *n = v->data ? pn_shape_count(&v->shape) : -1;
    return *n >= 0 && *n <= PN_MAX_DIMS && !pn_value_to_i64(v, 0, *n, out);
}

void pn_ir_slice(pn_ir *w)
{
    const pn_shape *in = pn_ir_in_shape(w, 0), *out = pn_ir_out_shape(w, 0);
    int64_t starts[PN_MAX_DIMS], ends[PN_MAX_DIMS], from[PN_MAX_DIMS], axes[PN_MAX_DIMS],
        steps[PN_MAX_DIMS], n, n_axes, n_steps = 0;
    bool is_known = read_ints(w, 1, from, &n);
    n_axes = n;
    for (int i = 0; i < PN_MAX_DIMS; i++)
        axes[i] = i;
    if (is_known && w->node->n_inputs > 3 && w->node->inputs[3] != PN_NONE)
        is_known = read_ints(w, 3, axes, &n_axes);
    if (is_known && w->node->n_inputs > 4 && w->node->inputs[4] != PN_NONE)
        is_known = read_ints(w, 4, steps, &n_steps);
    for (int64_t i = 0; i < n_steps; i++)
        is_known &= steps[i] == 1;
    if (!is_known || n_axes != n) {
        pn_ir_refuse(w, "MMdnn's PyTorch emitter slices at constant places, step 1");
        return;
    }
    whole(in, starts, ends);
    for (int64_t i = 0; i < n; i++) {
        int64_t a = axes[i] < 0 ? axes[i] + in->ndim : axes[i], size = in->dim[a];
        if (size == PN_DIM_FREE) continue;
        int64_t start = from[i] < 0 ? from[i] + size : from[i];
        starts[a] = start < 0 ? 0 : start > size ? size : start;
        ends[a] = starts[a] + out->dim[a];
    }
    const char *x = pn_ir_input(w, 0);
    put_slice(w, 0, x, starts, ends);
}
