/* Windows without weights. MMdnn's emitter pads a maximum as told but guesses how an
 * average counts its padding: there the padding becomes a node of its own, and windows
 * that hang over the edge are put right by a factor a place. */
#include "model/export_mmdnn.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PLACES = 1 << 22 };

typedef struct pool {
    int n; /* spatial axes */
    const pn_shape *in, *out;
    int64_t kernel[PN_MAX_DIMS], stride[PN_MAX_DIMS];
    int64_t pads[2 * PN_MAX_DIMS];  /* what the node says: begins, then ends */
    int64_t cover[2 * PN_MAX_DIMS]; /* so much that no window is cut */
} pool;

static bool read_pool(pn_ir *w, pool *p)
{
    p->in = pn_ir_in_shape(w, 0);
    p->out = pn_ir_out_shape(w, 0);
    p->n = p->in->ndim - 2;
    for (int i = 0; i < p->n; i++) {
        int64_t x = p->in->dim[i + 2];
        p->kernel[i] = pn_ir_int_at(w, "kernel_shape", i, 1);
        p->stride[i] = pn_ir_int_at(w, "strides", i, 1);
        p->pads[i] = pn_ir_int_at(w, "pads", i, 0);
        p->pads[p->n + i] = pn_ir_int_at(w, "pads", p->n + i, 0);
        int64_t end =
            (p->out->dim[i + 2] - 1) * p->stride[i] + p->kernel[i] - x - p->pads[i];
        p->cover[i] = p->pads[i];
        p->cover[p->n + i] = end > 0 ? end : 0;
        if (pn_ir_int_at(w, "dilations", i, 1) == 1) continue;
        pn_ir_refuse(w, "MMdnn's PyTorch emitter has no dilated pooling");
        return false;
    }
    return true;
}

static void put_pool(pn_ir *w, const char *type, const char *name, const char *x,
                     const pool *p, const int64_t *pads)
{
    pn_ir_begin(w, "Pool", name, &x, 1);
    pn_ir_set_string(w, "pooling_type", type);
    pn_ir_set_bool(w, "global_pooling", false);
    pn_ir_set_window(w, "kernel_shape", 1, p->kernel, p->n);
    pn_ir_set_window(w, "strides", 1, p->stride, p->n);
    pn_ir_set_pads(w, pads, p->n);
    pn_ir_end(w, p->out);
}

/* A padding of our own import, with the least float as the maximum of nothing: the pool
 * that it was made for takes it back. */
static const pn_node *padding_below(const pn_ir *w, int value)
{
    const pn_value *v = &w->g->values[value];
    if (v->producer == PN_NONE || w->values[value].name) return NULL;
    const pn_node *n = &w->g->nodes[v->producer];
    return n->op == PN_OP_PAD ? n : NULL;
}

void pn_ir_max_pool(pn_ir *w)
{
    pool p = {0};
    if (!read_pool(w, &p)) return;
    const pn_node *pad = padding_below(w, w->node->inputs[0]);
    const char *x;
    if (pad) {
        const pn_value *by = &w->g->values[pad->inputs[1]];
        int64_t pads[2 * PN_MAX_DIMS] = {0};
        if (pn_value_to_i64(by, 0, 2 * p.in->ndim, pads)) return;
        for (int i = 0; i < p.n; i++) {
            p.cover[i] += pads[i + 2];
            p.cover[p.n + i] += pads[p.in->ndim + i + 2];
        }
        x = w->values[pad->inputs[0]].name;
    } else {
        x = pn_ir_input(w, 0);
    }
    put_pool(w, "MAX", pn_ir_name_output(w, 0), x, &p, p.cover);
}

/* what the average divides by along one axis, for the window at `at` */
static int64_t divisor(const pool *p, int i, int64_t at, bool counts_padding)
{
    int64_t x = p->in->dim[i + 2];
    int64_t start = at * p->stride[i] - p->pads[i], end = start + p->kernel[i];
    int64_t first = counts_padding ? -p->pads[i] : 0;
    int64_t last = counts_padding ? x + p->pads[p->n + i] : x;
    if (start < first) start = first;
    if (end > last) end = last;
    return end > start ? end - start : 0;
}

/* elements of a window / elements that count, per place; NULL: it is 1 everywhere.
 * *is_refused: it cannot be made */
static const char *divisors(pn_ir *w, const pool *p, const char *stem, bool *is_refused)
{
    bool counts = pn_node_int(w->node, "count_include_pad", 0) != 0, is_one = true;
    pn_shape shape = *p->out;
    shape.dim[0] = shape.dim[1] = 1;
    int64_t n = pn_shape_count(&shape);
    *is_refused = n < 1 || n > MAX_PLACES;
    float *map = *is_refused ? NULL : malloc((size_t)n * sizeof(*map));
    if (!map) {
        if (*is_refused)
            pn_ir_refuse(w, "an average over the edge at more than %d places",
                         MAX_PLACES);
        else
            w->has_failed = true;
        return NULL;
    }
    for (int64_t k = 0; k < n; k++) {
        double window = 1, by = 1;
        int64_t rest = k;
        for (int i = p->n - 1; i >= 0; i--) {
            by *= (double)divisor(p, i, rest % shape.dim[i + 2], counts);
            window *= (double)p->kernel[i];
            rest /= shape.dim[i + 2];
        }
        map[k] = by > 0 ? (float)(window / by) : 0;
        is_one &= map[k] == 1;
    }
    const char *name = is_one ? NULL : pn_ir_constant(w, stem, &shape, map);
    free(map);
    return name;
}

void pn_ir_average_pool(pn_ir *w)
{
    static const int64_t none[2 * PN_MAX_DIMS] = {0};
    pool p = {0};
    bool is_padded = false, is_refused = false;
    if (!read_pool(w, &p)) return;
    if (p.n != 2) {
        pn_ir_refuse(w, "MMdnn's PyTorch emitter pads averages in two dimensions only");
        return;
    }
    const char *x = pn_ir_input(w, 0), *name = pn_ir_name_output(w, 0), *factor = NULL;
    for (int i = 0; i < 2 * p.n; i++)
        is_padded |= p.cover[i] > 0;
    if (is_padded) factor = divisors(w, &p, name, &is_refused);
    if (is_refused) return;
    if (is_padded) {
        const char *padded = pn_ir_name(w, name, "_padded");
        pn_shape shape = *p.in;
        for (int i = 0; i < p.n; i++)
            shape.dim[i + 2] += p.cover[i] + p.cover[p.n + i];
        pn_ir_begin(w, "Pad", padded, &x, 1);
        pn_ir_set_string(w, "mode", "CONSTANT");
        pn_ir_set_float(w, "constant_values", 0);
        pn_ir_set_pads(w, p.cover, p.n);
        pn_ir_end(w, &shape);
        x = padded;
    }
    const char *pooled = factor ? pn_ir_name(w, name, "_pooled") : name;
    put_pool(w, "AVG", pooled, x, &p, none);
    const char *inputs[] = {pooled, factor};
    if (factor) pn_ir_plain(w, "Mul", name, inputs, 2, p.out);
}

static void put_global(pn_ir *w, const char *type, const char *name, const char *x,
                       const pn_shape *out)
{
    static const int64_t ones[PN_MAX_DIMS] = {1, 1, 1, 1, 1, 1, 1, 1};
    pn_ir_begin(w, "Pool", name, &x, 1);
    pn_ir_set_string(w, "pooling_type", type);
    pn_ir_set_bool(w, "global_pooling", true);
    pn_ir_set_window(w, "kernel_shape", 1, ones, out->ndim - 2);
    pn_ir_set_window(w, "strides", 1, ones, out->ndim - 2);
    pn_ir_end(w, out);
}

void pn_ir_global_pool(pn_ir *w)
{
    const char *x = pn_ir_input(w, 0);
    if (pn_ir_in_shape(w, 0)->ndim > 5) {
        pn_ir_refuse(w, "more than three spatial axes");
        return;
    }
    put_global(w, w->node->op == PN_OP_GLOBAL_MAX_POOL ? "MAX" : "AVG",
               pn_ir_name_output(w, 0), x, pn_ir_out_shape(w, 0));
}

/* the axes as a set of bits, all if none is named; -1: they are computed */
static int axes_of(const pn_ir *w)
{
    const pn_node *n = w->node;
    int ndim = pn_ir_in_shape(w, 0)->ndim, bits = 0;
    const pn_attr *a = pn_node_attr(n, "axes");
    int64_t axes[PN_MAX_DIMS];
    size_t count = a ? a->n : 0;
    if (count > PN_MAX_DIMS) return -1;
    for (size_t i = 0; i < count; i++)
        axes[i] = a->ints[i];
    if (n->op == PN_OP_REDUCE_SUM && n->n_inputs > 1 && n->inputs[1] != PN_NONE) {
        const pn_value *v = &w->g->values[n->inputs[1]];
        int64_t k = pn_shape_count(&v->shape);
        if (k < 0 || k > PN_MAX_DIMS || pn_value_to_i64(v, 0, k, axes)) return -1;
        count = (size_t)k;
    }
    for (size_t i = 0; i < count; i++)
        bits |= 1 << (axes[i] < 0 ? axes[i] + ndim : axes[i]);
    return count ? bits : (1 << ndim) - 1;
}

/* a mean over all places is a global pool; a sum is the mean times the places */
void pn_ir_reduce(pn_ir *w)
{
    pn_shape in = *pn_ir_in_shape(w, 0), kept = in;
    const pn_shape *out = pn_ir_out_shape(w, 0);
    int bits = axes_of(w), spatial = ((1 << in.ndim) - 1) & ~3;
    double count = 1;
    bool is_sum = w->node->op == PN_OP_REDUCE_SUM;
    if (bits != spatial || in.ndim < 3 || in.ndim > 5 ||
        w->node->op == PN_OP_REDUCE_MIN || w->node->op == PN_OP_REDUCE_PROD) {
        pn_ir_refuse(w, "MMdnn's PyTorch emitter reduces over all places only, and to no "
                        "minimum or product");
        return;
    }
    for (int i = 2; i < in.ndim; i++) {
        count *= (double)in.dim[i];
        kept.dim[i] = 1;
    }
    bool is_reshaped = out->ndim != in.ndim;
    const char *x = pn_ir_input(w, 0), *name = pn_ir_name_output(w, 0);
    const char *at = is_sum || is_reshaped ? pn_ir_name(w, name, "_mean") : name;
    put_global(w, w->node->op == PN_OP_REDUCE_MAX ? "MAX" : "AVG", at, x, &kept);
    if (is_sum) {
        const char *inputs[] = {at, pn_ir_scalar(w, name, (float)count)};
        at = is_reshaped ? pn_ir_name(w, name, "_sum") : name;
        pn_ir_plain(w, "Mul", at, inputs, 2, &kept);
    }
    if (!is_reshaped) return;
    int64_t target[] = {-1, out->dim[1]};
    pn_ir_begin(w, "Reshape", name, &at, 1);
    pn_ir_set_ints(w, "shape", target, 2);
    pn_ir_end(w, out);
}

/* the fill of a padding; false: it is computed */
static bool fill_of(const pn_ir *w, float *fill)
{
    *fill = 0;
    return w->node->n_inputs < 3 || w->node->inputs[2] == PN_NONE ||
           pn_ir_const_scalar(w, 2, fill);
}

/* all readers are maxima, which pad with the least number themselves */
static bool is_for_max_pools(const pn_ir_value *v)
{
    return v->n_readers > 0 && v->n_readers == v->n_max_pools && !v->is_output;
}

void pn_ir_pad(pn_ir *w)
{
    static const char *const modes[][2] = {
        /* the emitter takes SYMMETRIC for PyTorch's replicate, which is ONNX's edge */
        {"constant", "CONSTANT"},
        {"reflect", "REFLECT"},
        {"edge", "SYMMETRIC"}};
    const char *mode = pn_node_string(w->node, "mode", "constant"), *to = "CONSTANT";
    int ndim = pn_ir_in_shape(w, 0)->ndim;
    int64_t pads[2 * PN_MAX_DIMS] = {0}, spatial[2 * PN_MAX_DIMS] = {0};
    float fill;
    if (!fill_of(w, &fill) || !pn_ir_is_const(w, 1) ||
        pn_value_to_i64(&w->g->values[w->node->inputs[1]], 0, 2 * ndim, pads)) {
        pn_ir_refuse(w, "its padding is computed");
        return;
    }
    if (ndim < 3 || pads[0] || pads[1] || pads[ndim] || pads[ndim + 1]) {
        pn_ir_refuse(w, "MMdnn's PyTorch emitter pads spatial axes only");
        return;
    }
    for (int i = 0; i < 3; i++)
        if (!strcmp(mode, modes[i][0])) to = modes[i][1];
    if (fill != 0 && !strcmp(mode, "constant")) {
        if (fill < -1e38F && is_for_max_pools(&w->values[w->node->outputs[0]])) {
            pn_ir_input(w, 0); /* the pools name it */
            return;
        }
        pn_ir_refuse(w, "MMdnn's PyTorch emitter pads with zeros only");
        return;
    }
    for (int i = 2; i < ndim; i++) {
        spatial[i - 2] = pads[i];
        spatial[ndim - 2 + i - 2] = pads[ndim + i];
    }
    const char *x = pn_ir_input(w, 0);
    pn_ir_begin(w, "Pad", pn_ir_name_output(w, 0), &x, 1);
    pn_ir_set_string(w, "mode", to);
    pn_ir_set_float(w, "constant_values", 0);
    pn_ir_set_pads(w, spatial, ndim - 2);
    pn_ir_end(w, pn_ir_out_shape(w, 0));
}
