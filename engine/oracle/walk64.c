/* Order and lifetimes of the double-precision walk; each operator is in oracle_*.c. */
#include "engine/oracle/walk64.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static pn_oracle_fn *const functions[PN_N_OPS] = {
    [PN_OP_ADD] = pn_oracle_binary,
    [PN_OP_AVERAGE_POOL] = pn_oracle_pool,
    [PN_OP_BATCH_NORM] = pn_oracle_batch_norm,
    [PN_OP_CAST] = pn_oracle_unary,
    [PN_OP_CLIP] = pn_oracle_clip,
    [PN_OP_CONCAT] = pn_oracle_concat,
    [PN_OP_CONV] = pn_oracle_conv,
    [PN_OP_CONV_TRANSPOSE] = pn_oracle_conv_transpose,
    [PN_OP_DIV] = pn_oracle_binary,
    [PN_OP_DROPOUT] = pn_oracle_same,
    [PN_OP_ELU] = pn_oracle_unary,
    [PN_OP_ERF] = pn_oracle_unary,
    [PN_OP_EXP] = pn_oracle_unary,
    [PN_OP_FLATTEN] = pn_oracle_same,
    [PN_OP_GATHER] = pn_oracle_gather,
    [PN_OP_GELU] = pn_oracle_unary,
    [PN_OP_GEMM] = pn_oracle_gemm,
    [PN_OP_GLOBAL_AVERAGE_POOL] = pn_oracle_global_pool,
    [PN_OP_GLOBAL_MAX_POOL] = pn_oracle_global_pool,
    [PN_OP_HARD_SIGMOID] = pn_oracle_unary,
    [PN_OP_HARD_SWISH] = pn_oracle_unary,
    [PN_OP_IDENTITY] = pn_oracle_same,
    [PN_OP_INSTANCE_NORM] = pn_oracle_instance_norm,
    [PN_OP_LAYER_NORM] = pn_oracle_layer_norm,
    [PN_OP_LEAKY_RELU] = pn_oracle_unary,
    [PN_OP_LOG] = pn_oracle_unary,
    [PN_OP_LOG_SOFTMAX] = pn_oracle_softmax,
    [PN_OP_LRN] = pn_oracle_lrn,
    [PN_OP_MATMUL] = pn_oracle_matmul,
    [PN_OP_MAX] = pn_oracle_binary,
    [PN_OP_MAX_POOL] = pn_oracle_pool,
    [PN_OP_MIN] = pn_oracle_binary,
    [PN_OP_MUL] = pn_oracle_binary,
    [PN_OP_NEG] = pn_oracle_unary,
    [PN_OP_PAD] = pn_oracle_pad,
    [PN_OP_POW] = pn_oracle_binary,
    [PN_OP_PRELU] = pn_oracle_binary,
    [PN_OP_REDUCE_MAX] = pn_oracle_reduce,
    [PN_OP_REDUCE_MEAN] = pn_oracle_reduce,
    [PN_OP_REDUCE_MIN] = pn_oracle_reduce,
    [PN_OP_REDUCE_PROD] = pn_oracle_reduce,
    [PN_OP_REDUCE_SUM] = pn_oracle_reduce,
    [PN_OP_RELU] = pn_oracle_unary,
    [PN_OP_RESHAPE] = pn_oracle_same,
    [PN_OP_RESIZE] = pn_oracle_resize,
    [PN_OP_SELU] = pn_oracle_unary,
    [PN_OP_SIGMOID] = pn_oracle_unary,
    [PN_OP_SLICE] = pn_oracle_slice,
    [PN_OP_SOFTMAX] = pn_oracle_softmax,
    [PN_OP_SOFTPLUS] = pn_oracle_unary,
    [PN_OP_SOFTSIGN] = pn_oracle_unary,
    [PN_OP_SPLIT] = pn_oracle_split,
    [PN_OP_SQRT] = pn_oracle_unary,
    [PN_OP_SQUEEZE] = pn_oracle_same,
    [PN_OP_SUB] = pn_oracle_binary,
    [PN_OP_SUM] = pn_oracle_binary,
    [PN_OP_TANH] = pn_oracle_unary,
    [PN_OP_TRANSPOSE] = pn_oracle_transpose,
    [PN_OP_UNSQUEEZE] = pn_oracle_same,
};

double pn_roundings(int plane, int64_t n)
{
    const double walk = 3 * sqrt((double)n);
    return PN_U * (plane && walk < (double)n ? walk : (double)n);
}

static void array_free(pn_array64 *a)
{
    free(a->x);
    free(a->most);
    a->x = a->most = a->usual = NULL;
}

/* One reader a use by a node that an output hangs on; nodes without any are left out. */
static void count_readers(pn_walk64 *w)
{
    const pn_graph *g = w->g;
    for (int i = 0; i < g->n_outputs; i++)
        w->readers[g->outputs[i]]++;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const pn_node *n = &g->nodes[i];
        bool is_needed = false;
        for (int j = 0; j < n->n_outputs; j++)
            if (n->outputs[j] != PN_NONE && w->readers[n->outputs[j]]) is_needed = true;
        for (int j = 0; is_needed && j < n->n_inputs; j++)
            if (n->inputs[j] != PN_NONE) w->readers[n->inputs[j]]++;
    }
}

pn_status pn_walk64_new(pn_walk64 **out, const pn_graph *g, pn_err *err)
{
    const size_t n = (size_t)g->n_values + 1;
    pn_walk64 *w = calloc(1, sizeof(*w));
    if (w) {
        w->g = g;
        w->not_finite = PN_NONE;
        w->values = calloc(n, sizeof(*w->values));
        w->readers = calloc(n, sizeof(*w->readers));
        w->sums = calloc((size_t)g->n_nodes + 1, sizeof(*w->sums));
    }
    if (!w || !w->values || !w->readers || !w->sums) {
        pn_walk64_free(&w);
        return pn_fail(err, PN_ENOMEM, "parity: out of memory");
    }
    count_readers(w);
    *out = w;
    return PN_OK;
}

void pn_walk64_free(pn_walk64 **walk)
{
    pn_walk64 *w = *walk;
    if (!w) return;
    for (int v = 0; w->values && v < w->g->n_values; v++)
        array_free(&w->values[v]);
    free(w->values);
    free(w->readers);
    free(w->sums);
    free(w);
    *walk = NULL;
}

/* The shape for one image. */
static bool image_of(const pn_value *v, pn_array64 *a)
{
    a->shape = v->shape;
    for (int i = 0; i < a->shape.ndim; i++)
        if (a->shape.dim[i] == PN_DIM_FREE) a->shape.dim[i] = 1;
    a->n = v->has_shape ? pn_shape_count(&a->shape) : -1;
    return a->n > 0 && a->n <= PN_WALK64_MAX;
}

pn_status pn_walk64_set_input(pn_walk64 *w, int value, const float *x, size_t n,
                              pn_err *err)
{
    const pn_value *v = &w->g->values[value];
    pn_array64 *a = &w->values[value];
    if (!image_of(v, a))
        return pn_fail(err, PN_EUNSUPPORTED, "input \"%s\" is too large for the proof",
                       v->name);
    if ((size_t)a->n != n)
        return pn_fail(err, PN_EINVAL, "input \"%s\" wants %lld numbers, not %zu",
                       v->name, (long long)a->n, n);
    if (!w->readers[value]) return PN_OK;
    a->x = malloc(n * sizeof(double));
    if (!a->x) return pn_fail(err, PN_ENOMEM, "parity: out of memory");
    for (size_t i = 0; i < n; i++)
        a->x[i] = (double)x[i];
    return PN_OK;
}

void pn_walk64_keep(pn_walk64 *w, int value)
{
    w->readers[value]++;
}

void pn_walk64_drop(pn_walk64 *w, int value)
{
    if (--w->readers[value] == 0) array_free(&w->values[value]);
}

/* ... and within float's range, or every run meets infinity there. */
static bool all_finite(const double *x, int64_t n)
{
    int64_t beyond = 0; /* and no way out of the loop, so that it is vectorised */
    for (int64_t i = 0; i < n; i++)
        beyond += !(fabs(x[i]) <= (double)FLT_MAX);
    return beyond == 0;
}

/* Padding with minus infinity is no accident; a Relu behind a node makes none. */
static void check_finite(pn_walk64 *w, const pn_node *n)
{
    const bool is_relu =
        n->op == PN_OP_RELU && w->g->values[n->inputs[0]].producer != PN_NONE;
    if (w->not_finite != PN_NONE || n->op == PN_OP_PAD || is_relu) return;
    for (int i = 0; i < n->n_outputs; i++) {
        const pn_array64 *a = n->outputs[i] == PN_NONE ? NULL : &w->values[n->outputs[i]];
        if (a && a->x && !all_finite(a->x, a->n)) w->not_finite = w->next;
    }
}

static bool is_needed(const pn_walk64 *w, const pn_node *n)
{
    for (int i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] != PN_NONE && w->readers[n->outputs[i]]) return true;
    return false;
}

static bool all_fit(const pn_walk64 *w, const pn_node *n)
{
    pn_array64 unused;
    for (int i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] != PN_NONE && !image_of(&w->g->values[n->outputs[i]], &unused))
            return false;
    return true;
}

static pn_status step(pn_walk64 *w, pn_err *err)
{
    const pn_node *n = &w->g->nodes[w->next];
    if (!is_needed(w, n)) return PN_OK;
    const bool fits = all_fit(w, n);
    pn_status st = fits && functions[n->op] ? functions[n->op](w, n) : PN_EUNSUPPORTED;
    if (st) {
        const char *name =
            n->name && *n->name ? n->name : w->g->values[n->outputs[0]].name;
        return pn_fail(err, st, "%s \"%s\": %s", pn_op_name(n->op), name,
                       st != PN_EUNSUPPORTED ? pn_status_name(st)
                       : fits                ? "not known in double precision"
                                             : "its output is too large for the proof");
    }
    check_finite(w, n);
    for (int i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] != PN_NONE) pn_walk64_drop(w, n->inputs[i]);
    for (int i = 0; i < n->n_outputs; i++) /* what nobody reads */
        if (n->outputs[i] != PN_NONE && !w->readers[n->outputs[i]])
            array_free(&w->values[n->outputs[i]]);
    return PN_OK;
}

pn_status pn_walk64_reach(pn_walk64 *w, int value, pn_err *err)
{
    const int producer = w->g->values[value].producer;
    while (w->next <= producer) {
        if (w->is_unwanted && w->is_unwanted(w->arg))
            return pn_fail(err, PN_ESTOPPED, "parity: stopped");
        pn_status st = step(w, err);
        if (st) return st;
        w->next++;
    }
    return PN_OK;
}

bool pn_oracle_has(const pn_walk64 *w, const pn_node *n, int i)
{
    if (i >= n->n_inputs || n->inputs[i] == PN_NONE) return false;
    const pn_value *v = &w->g->values[n->inputs[i]];
    return !v->data || v->size_bytes > 0;
}

/* nearly all there is; they may lie at any byte of a file */
static void widen_floats(const unsigned char *from, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        float x;
        memcpy(&x, from + (size_t)i * sizeof(x), sizeof(x));
        out[i] = (double)x;
    }
}

void pn_oracle_widen(const pn_value *v, int64_t first, int64_t n, double *out)
{
    float part[256];
    int64_t whole[256];
    const unsigned char *data = v->data;
    if (v->dtype == PN_F64) {
        memcpy(out, data + (size_t)first * sizeof(double), (size_t)n * sizeof(double));
        return;
    }
    if (v->dtype == PN_F32) {
        widen_floats(data + (size_t)first * sizeof(float), n, out);
        return;
    }
    const int64_t size = (int64_t)(sizeof(part) / sizeof(*part));
    for (int64_t i = 0; i < n; i += size) {
        const int64_t count = n - i < size ? n - i : size;
        const bool is_whole = pn_value_to_i64(v, first + i, count, whole) == PN_OK;
        if (!is_whole && pn_value_to_f32(v, first + i, count, part))
            memset(part, 0, sizeof(part));
        for (int64_t k = 0; k < count; k++)
            out[i + k] = is_whole ? (double)whole[k] : (double)part[k];
    }
}

const pn_array64 *pn_oracle_in(const pn_walk64 *w, const pn_node *n, int i,
                               pn_array64 *room)
{
    const pn_value *v = &w->g->values[n->inputs[i]];
    memset(room, 0, sizeof(*room));
    if (!v->data) return w->values[n->inputs[i]].x ? &w->values[n->inputs[i]] : NULL;
    if (!image_of(v, room) ||
        room->n > (int64_t)(v->size_bytes / pn_dtype_size(v->dtype)))
        return NULL;
    room->x = malloc((size_t)room->n * sizeof(double));
    if (!room->x) return NULL;
    pn_oracle_widen(v, 0, room->n, room->x);
    return room;
}

void pn_oracle_done(pn_array64 *room)
{
    array_free(room);
}

bool pn_oracle_shape(pn_walk64 *w, int value)
{
    return image_of(&w->g->values[value], &w->values[value]);
}

pn_array64 *pn_oracle_out(pn_walk64 *w, const pn_node *n, int i, bool bounds)
{
    pn_array64 *a = &w->values[n->outputs[i]];
    if (!pn_oracle_shape(w, n->outputs[i])) return NULL;
    a->x = malloc((size_t)a->n * sizeof(double));
    if (!a->x || !bounds || !w->has_bounds) return a->x ? a : NULL;
    a->most = malloc((size_t)a->n * 2 * sizeof(double));
    a->usual = a->most + a->n;
    return a->most ? a : NULL;
}

int pn_oracle_ints(const pn_walk64 *w, const pn_node *n, const char *name, int i,
                   int64_t *out, int max)
{
    const pn_attr *a = name ? pn_node_attr(n, name) : NULL;
    if (a && a->kind == PN_ATTR_INTS) {
        for (size_t k = 0; k < a->n && k < (size_t)max; k++)
            out[k] = a->ints[k];
        return a->n <= (size_t)max ? (int)a->n : -1;
    }
    if (i < 0 || !pn_oracle_has(w, n, i)) return -1;
    const pn_value *v = &w->g->values[n->inputs[i]];
    const int64_t count = pn_shape_count(&v->shape);
    if (!v->data || count < 0 || count > max || pn_value_to_i64(v, 0, count, out))
        return -1;
    return (int)count;
}
