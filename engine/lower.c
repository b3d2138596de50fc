/* Walks the nodes that the taps need, from the inputs down, and lists every one the
 * engine cannot run. */
#include "engine/lower.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pn_lower_fn *const functions[PN_N_OPS] = {
    [PN_OP_ADD] = pn_lower_binary,
    [PN_OP_AVERAGE_POOL] = pn_lower_pool,
    [PN_OP_BATCH_NORM] = pn_lower_batch_norm,
    [PN_OP_CAST] = pn_lower_cast,
    [PN_OP_CLIP] = pn_lower_clip,
    [PN_OP_CONCAT] = pn_lower_concat,
    [PN_OP_CONV] = pn_lower_conv,
    [PN_OP_CONV_TRANSPOSE] = pn_lower_conv_transpose,
    [PN_OP_DIV] = pn_lower_binary,
    [PN_OP_DROPOUT] = pn_lower_identity,
    [PN_OP_ELU] = pn_lower_activation,
    [PN_OP_ERF] = pn_lower_activation,
    [PN_OP_EXP] = pn_lower_activation,
    [PN_OP_FLATTEN] = pn_lower_reshape,
    [PN_OP_GATHER] = pn_lower_gather,
    [PN_OP_GELU] = pn_lower_activation,
    [PN_OP_GEMM] = pn_lower_gemm,
    [PN_OP_GLOBAL_AVERAGE_POOL] = pn_lower_global_pool,
    [PN_OP_GLOBAL_MAX_POOL] = pn_lower_global_pool,
    [PN_OP_HARD_SIGMOID] = pn_lower_activation,
    [PN_OP_HARD_SWISH] = pn_lower_activation,
    [PN_OP_IDENTITY] = pn_lower_identity,
    [PN_OP_INSTANCE_NORM] = pn_lower_instance_norm,
    [PN_OP_LAYER_NORM] = pn_lower_layer_norm,
    [PN_OP_LEAKY_RELU] = pn_lower_activation,
    [PN_OP_LOG] = pn_lower_activation,
    [PN_OP_LOG_SOFTMAX] = pn_lower_softmax,
    [PN_OP_LRN] = pn_lower_lrn,
    [PN_OP_MATMUL] = pn_lower_matmul,
    [PN_OP_MAX] = pn_lower_binary,
    [PN_OP_MAX_POOL] = pn_lower_pool,
    [PN_OP_MIN] = pn_lower_binary,
    [PN_OP_MUL] = pn_lower_binary,
    [PN_OP_NEG] = pn_lower_activation,
    [PN_OP_PAD] = pn_lower_pad,
    [PN_OP_POW] = pn_lower_binary,
    [PN_OP_PRELU] = pn_lower_prelu,
    [PN_OP_REDUCE_MAX] = pn_lower_reduce,
    [PN_OP_REDUCE_MEAN] = pn_lower_reduce,
    [PN_OP_REDUCE_MIN] = pn_lower_reduce,
    [PN_OP_REDUCE_PROD] = pn_lower_reduce,
    [PN_OP_REDUCE_SUM] = pn_lower_reduce,
    [PN_OP_RELU] = pn_lower_activation,
    [PN_OP_RESHAPE] = pn_lower_reshape,
    [PN_OP_RESIZE] = pn_lower_resize,
    [PN_OP_SELU] = pn_lower_activation,
    [PN_OP_SIGMOID] = pn_lower_activation,
    [PN_OP_SLICE] = pn_lower_slice,
    [PN_OP_SOFTMAX] = pn_lower_softmax,
    [PN_OP_SOFTPLUS] = pn_lower_activation,
    [PN_OP_SOFTSIGN] = pn_lower_activation,
    [PN_OP_SPLIT] = pn_lower_split,
    [PN_OP_SQRT] = pn_lower_activation,
    [PN_OP_SQUEEZE] = pn_lower_reshape,
    [PN_OP_SUB] = pn_lower_binary,
    [PN_OP_SUM] = pn_lower_binary,
    [PN_OP_TANH] = pn_lower_activation,
    [PN_OP_TRANSPOSE] = pn_lower_transpose,
    [PN_OP_UNSQUEEZE] = pn_lower_reshape,
};

pn_status pn_lower_refuse(pn_lower *lo, const pn_node *n, const char *fmt, ...)
{
    char why[256], line[640];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof(why), fmt, args);
    va_end(args);
    const char *name =
        n->name && *n->name ? n->name : pn_lower_value(lo, n->outputs[0])->name;
    int size = snprintf(line, sizeof(line), "%s%s \"%.255s\": %s",
                        lo->n_refused ? "; " : "", pn_op_name(n->op), name, why);
    char *more = realloc(lo->refused, lo->refused_size + (size_t)size + 1);
    if (!more) return PN_ENOMEM;
    memcpy(more + lo->refused_size, line, (size_t)size + 1);
    lo->refused = more;
    lo->refused_size += (size_t)size;
    lo->n_refused++;
    return PN_EUNSUPPORTED;
}

bool pn_lower_has(const pn_lower *lo, const pn_node *n, int i)
{
    if (i >= n->n_inputs || n->inputs[i] == PN_NONE) return false;
    const pn_value *v = pn_lower_value(lo, n->inputs[i]);
    return !v->data || v->size_bytes > 0;
}

bool pn_lower_is_const(const pn_lower *lo, const pn_node *n, int i)
{
    return pn_lower_has(lo, n, i) && pn_lower_value(lo, n->inputs[i])->data;
}

bool pn_lower_all_const(const pn_lower *lo, const pn_node *n, int first, int last)
{
    for (int i = first; i <= last; i++)
        if (pn_lower_has(lo, n, i) && !pn_lower_is_const(lo, n, i)) return false;
    return true;
}

int pn_lower_in(const pn_lower *lo, const pn_node *n, int i)
{
    return pn_lower_has(lo, n, i) ? lo->tensor_of[n->inputs[i]] : PN_NONE;
}

int pn_lower_out(const pn_lower *lo, const pn_node *n, int i)
{
    return lo->tensor_of[n->outputs[i]];
}

const pn_shape *pn_lower_shape(const pn_lower *lo, int tensor)
{
    return &lo->m->tensors[tensor].shape;
}

pn_layer *pn_lower_layer(pn_lower *lo, const pn_node *n, pn_layer_kind kind, int in,
                         int out)
{
    pn_layer *l = pn_net_add_layer(lo->m, kind);
    if (!l) return NULL;
    const char *name =
        n->name && *n->name ? n->name : pn_lower_value(lo, n->outputs[0])->name;
    l->name = pn_arena_strdup(&lo->m->arena, name);
    if (!l->name) return NULL;
    l->op = n->op;
    l->node = (int)(n - lo->g->nodes);
    l->in[0] = in;
    l->out = out;
    return l;
}

int pn_lower_ints(const pn_lower *lo, const pn_node *n, int i, int64_t *out, int max)
{
    if (!pn_lower_is_const(lo, n, i)) return -1;
    const pn_value *v = pn_lower_value(lo, n->inputs[i]);
    int64_t count = pn_shape_count(&v->shape);
    if (count < 0 || count > max || pn_value_to_i64(v, 0, count, out)) return -1;
    return (int)count;
}

bool pn_lower_scalar(const pn_lower *lo, const pn_node *n, int i, float *out)
{
    if (!pn_lower_is_const(lo, n, i)) return false;
    const pn_value *v = pn_lower_value(lo, n->inputs[i]);
    return pn_shape_count(&v->shape) == 1 && pn_value_to_f32(v, 0, 1, out) == PN_OK;
}

bool pn_lower_per_channel(const pn_lower *lo, const pn_node *n, int i,
                          const pn_shape *shape, double *out)
{
    if (!pn_lower_is_const(lo, n, i)) return false;
    const pn_value *v = pn_lower_value(lo, n->inputs[i]);
    const int64_t channels = shape->dim[0], count = pn_shape_count(&v->shape);
    if (count != 1 && count != channels) return false;
    const int ndim = lo->n_axes ? lo->n_axes + 1 : shape->ndim;
    if (v->shape.ndim > ndim + 1) return false;
    /* counted from the right, the channels are axis ndim - 1 of the image's shape */
    int axis = lo->is_last ? v->shape.ndim - 1 : v->shape.ndim - ndim;
    if (count != 1 && (axis < 0 || v->shape.dim[axis] != channels)) return false;
    float x = 0;
    for (int64_t c = 0; c < channels; c++) {
        if ((c == 0 || count > 1) && pn_value_to_f32(v, c, 1, &x)) return false;
        out[c] = x;
    }
    return true;
}

bool pn_lower_fits(const pn_shape *s)
{
    const int64_t count = pn_shape_count(s);
    return count > 0 && count < ((int64_t)1 << 40);
}

/* An image's part, of whatever size. */
static bool take_image(const pn_value *v, pn_shape *out)
{
    if (!v->has_shape || v->shape.ndim < 1 || v->shape.dim[0] != PN_DIM_FREE)
        return false;
    out->ndim = v->shape.ndim - 1;
    for (int i = 0; i < out->ndim; i++) {
        out->dim[i] = v->shape.dim[i + 1];
        if (out->dim[i] < 1) return false;
    }
    return true;
}

bool pn_lower_image_shape(const pn_value *v, pn_shape *out)
{
    return take_image(v, out) && pn_lower_fits(out);
}

pn_status pn_lower_refuse_shape(pn_lower *lo, const pn_node *n, int value)
{
    pn_shape unused;
    char text[PN_SHAPE_TEXT];
    const pn_value *v = pn_lower_value(lo, value);
    return pn_lower_refuse(
        lo, n, "its output is %s: %s", pn_shape_text(&v->shape, text, sizeof(text)),
        take_image(v, &unused) ? "an image must have fewer than 2^40 numbers"
                               : "the batch must be first and alone free");
}

/* Values and nodes that the taps hang on. */
static bool *find_needed(const pn_graph *g, const int *taps, int n_taps)
{
    bool *needed = calloc((size_t)g->n_values + (size_t)g->n_nodes + 1, sizeof(*needed));
    if (!needed) return NULL;
    bool *node_needed = needed + g->n_values;
    for (int i = 0; i < n_taps; i++)
        needed[taps[i]] = true;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const pn_node *n = &g->nodes[i];
        for (int j = 0; j < n->n_outputs; j++)
            if (n->outputs[j] != PN_NONE && needed[n->outputs[j]]) node_needed[i] = true;
        if (!node_needed[i]) continue;
        for (int j = 0; j < n->n_inputs; j++)
            if (n->inputs[j] != PN_NONE) needed[n->inputs[j]] = true;
    }
    return needed;
}

static pn_status lower_input(pn_lower *lo, const bool *needed, pn_err *err)
{
    int found = PN_NONE;
    for (int i = 0; i < lo->g->n_inputs; i++) {
        int v = lo->g->inputs[i];
        if (!needed[v]) continue;
        if (found != PN_NONE)
            return pn_fail(err, PN_EUNSUPPORTED,
                           "inputs \"%s\" and \"%s\": a model must have one input",
                           pn_lower_value(lo, found)->name, pn_lower_value(lo, v)->name);
        found = v;
    }
    if (found == PN_NONE) return pn_fail(err, PN_EUNSUPPORTED, "the model has no input");
    const pn_value *v = pn_lower_value(lo, found);
    pn_shape s;
    char text[PN_SHAPE_TEXT];
    if (!pn_lower_image_shape(v, &s) || s.ndim < 1 || s.ndim > 4 || v->dtype != PN_F32)
        return pn_fail(
            err, PN_EUNSUPPORTED,
            "input \"%s\" is %s of %s: must be float32, N x C and up to three axes, "
            "with the batch alone free and fewer than 2^40 numbers an image",
            v->name, pn_shape_text(&v->shape, text, sizeof(text)),
            pn_dtype_name(v->dtype));
    lo->m->input = lo->tensor_of[found] = pn_net_add_tensor(lo->m, &s);
    if (lo->m->input == PN_NONE) return pn_fail(err, PN_ENOMEM, "compile: out of memory");
    lo->m->tensors[lo->m->input].is_pinned = true;
    lo->m->tensors[lo->m->input].value = found;
    return PN_OK;
}

/* Only arithmetic takes a constant for its first operand. */
static bool has_data(const pn_lower *lo, const pn_node *n)
{
    if (!pn_lower_has(lo, n, 0)) return false;
    return !pn_lower_is_const(lo, n, 0) || functions[n->op] == pn_lower_binary ||
           functions[n->op] == pn_lower_matmul;
}

/* Outputs get their tensors, then the operator's function makes layers. */
static pn_status lower_plain(pn_lower *lo, const pn_node *n, const bool *needed)
{
    for (int i = 0; i < n->n_outputs; i++) {
        int v = n->outputs[i];
        if (v == PN_NONE || !needed[v]) continue;
        if (i > 0 && n->op != PN_OP_SPLIT)
            return pn_lower_refuse(lo, n, "only its first output can be computed");
        pn_shape s;
        if (!pn_lower_image_shape(pn_lower_value(lo, v), &s))
            return pn_lower_refuse_shape(lo, n, v);
        if (pn_lower_value(lo, v)->dtype != PN_F32 && n->op != PN_OP_CAST)
            return pn_lower_refuse(lo, n, "its output is %s, not float32",
                                   pn_dtype_name(pn_lower_value(lo, v)->dtype));
        lo->tensor_of[v] = pn_net_add_tensor(lo->m, &s);
        if (lo->tensor_of[v] == PN_NONE) return PN_ENOMEM;
        lo->m->tensors[lo->tensor_of[v]].value = v;
    }
    if (n->n_outputs < 1 || n->outputs[0] == PN_NONE ||
        (n->op != PN_OP_SPLIT && pn_lower_out(lo, n, 0) == PN_NONE))
        return pn_lower_refuse(lo, n, "its first output is left out");
    return functions[n->op] ? functions[n->op](lo, n)
                            : pn_lower_refuse(lo, n, "the engine has no code for it");
}

static pn_status lower_node(pn_lower *lo, const pn_node *n, const bool *needed)
{
    for (int i = 0; i < n->n_inputs; i++)
        if (pn_lower_has(lo, n, i) && !pn_lower_is_const(lo, n, i) &&
            lo->tensor_of[n->inputs[i]] == PN_NONE && lo->map_of[n->inputs[i]] == PN_NONE)
            return PN_OK; /* its producer was refused */
    if (pn_lower_all_const(lo, n, 0, n->n_inputs - 1))
        return pn_lower_refuse(lo, n, "all its inputs are constants");
    if (!has_data(lo, n)) return pn_lower_refuse(lo, n, "its data is a constant");
    bool done = false;
    pn_status st = pn_lower_last(lo, n, functions[n->op], &done);
    if (!st && !done) st = pn_lower_axes(lo, n, functions[n->op], &done);
    for (int i = 0; !st && !done && i < n->n_inputs; i++)
        if (n->inputs[i] != PN_NONE) st = pn_lower_turn_out(lo, n->inputs[i]);
    return st || done ? st : lower_plain(lo, n, needed);
}

static pn_status lower_nodes(pn_lower *lo, const bool *needed, pn_err *err)
{
    const pn_graph *g = lo->g;
    for (int i = 0; i < g->n_nodes; i++) {
        if (!needed[g->n_values + i]) continue;
        pn_status st = lower_node(lo, &g->nodes[i], needed);
        if (st && st != PN_EUNSUPPORTED)
            return pn_fail(err, st, "compile: %s", pn_status_name(st));
    }
    if (lo->n_refused)
        return pn_fail(err, PN_EUNSUPPORTED, "the engine cannot run %d node%s: %s",
                       lo->n_refused, lo->n_refused == 1 ? "" : "s", lo->refused);
    return PN_OK;
}

pn_status pn_lower_graph(struct pn_model *m, const pn_graph *g, const int *taps,
                         int n_taps, int *tap_tensors, pn_err *err)
{
    pn_lower lo = {.m = m, .g = g};
    bool *needed = find_needed(g, taps, n_taps);
    lo.tensor_of = malloc(((size_t)g->n_values + 1) * sizeof(int));
    lo.map_of = malloc(((size_t)g->n_values + 1) * sizeof(int));
    pn_status st = PN_ENOMEM;
    if (!needed || !lo.tensor_of || !lo.map_of) {
        pn_fail(err, st, "compile: out of memory");
        goto done;
    }
    for (int v = 0; v < g->n_values; v++)
        lo.tensor_of[v] = lo.map_of[v] = PN_NONE;
    st = lower_input(&lo, needed, err);
    if (!st) st = lower_nodes(&lo, needed, err);
    for (int i = 0; !st && i < n_taps; i++)
        st = pn_lower_turn_out(&lo, taps[i]);
    for (int i = 0; !st && i < n_taps; i++) {
        tap_tensors[i] = lo.tensor_of[taps[i]];
        m->tensors[tap_tensors[i]].is_pinned = true;
    }
done:
    free(lo.refused);
    free(lo.tensor_of);
    free(lo.map_of);
    free(needed);
    return st;
}
