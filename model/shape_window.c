/* Convolution, its transpose and pooling: what a window does to the spatial axes.
 * Afterwards kernel_shape, strides, dilations and pads of the node are spelled out, also
 * where auto_pad chose them (auto_pad stays, so that another image size works too). */
#include "model/shape.h"

#include <string.h>

typedef struct window {
    int n; /* spatial axes */
    int64_t kernel[PN_MAX_DIMS], stride[PN_MAX_DIMS], dilation[PN_MAX_DIMS];
    int64_t pads[2 * PN_MAX_DIMS]; /* begins, then ends */
} window;

typedef enum auto_pad { NOTSET, VALID, SAME_UPPER, SAME_LOWER } auto_pad;

/* an attribute of exactly n integers within min..PN_MAX_DIM, or n times the fallback */
static pn_status get_ints(pn_shape_job *j, const char *name, int n, int64_t min,
                          int64_t fallback, int64_t *out)
{
    const pn_attr *a = pn_node_attr(pn_job_node(j), name);
    if (a && a->n != (size_t)n)
        return pn_job_bad(j, "%s has %zu elements, must have %d", name, a->n, n);
    for (int i = 0; i < n; i++) {
        out[i] = a ? a->ints[i] : fallback;
        if (out[i] < min || out[i] > PN_MAX_DIM)
            return pn_job_bad(j, "%s is %lld at %d: must be at least %lld", name,
                              (long long)out[i], i, (long long)min);
    }
    return PN_OK;
}

static pn_status get_auto_pad(pn_shape_job *j, auto_pad *out)
{
    static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    const char *name = pn_node_string(pn_job_node(j), "auto_pad", "NOTSET");
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (auto_pad)i;
            return PN_OK;
        }
    return pn_job_bad(j,
                      "auto_pad is \"%s\": not one of NOTSET, VALID, SAME_UPPER, "
                      "SAME_LOWER",
                      name);
}

/* everything but the pads of SAME_*, which the caller knows how to choose */
static pn_status get_window(pn_shape_job *j, int n, window *w, auto_pad *mode)
{
    w->n = n;
    pn_status st = get_auto_pad(j, mode);
    if (!st) st = get_ints(j, "strides", n, 1, 1, w->stride);
    if (!st) st = get_ints(j, "dilations", n, 1, 1, w->dilation);
    if (st) return st;
    if (*mode == NOTSET) return get_ints(j, "pads", 2 * n, 0, 0, w->pads);
    memset(w->pads, 0, sizeof(w->pads));
    return PN_OK;
}

static int64_t extent(const window *w, int i)
{
    return (w->kernel[i] - 1) * w->dilation[i] + 1;
}

static void split_pads(window *w, int i, int64_t total, bool more_at_end)
{
    int64_t small = total / 2;
    w->pads[i] = more_at_end ? small : total - small;
    w->pads[w->n + i] = total - w->pads[i];
}

/* set only what differs: a second inference must not grow the graph */
static pn_status spell(pn_shape_job *j, const char *name, const int64_t *v, int n)
{
    const pn_attr *a = pn_node_attr(pn_job_node(j), name);
    if (a && a->n == (size_t)n && memcmp(a->ints, v, (size_t)n * sizeof(*v)) == 0)
        return PN_OK;
    return pn_graph_set_ints(j->g, j->node, name, v, (size_t)n);
}

static pn_status spell_window(pn_shape_job *j, const window *w)
{
    pn_status st = spell(j, "kernel_shape", w->kernel, w->n);
    if (!st) st = spell(j, "strides", w->stride, w->n);
    if (!st && pn_job_node(j)->op != PN_OP_AVERAGE_POOL) /* it has none before opset 19 */
        st = spell(j, "dilations", w->dilation, w->n);
    if (!st) st = spell(j, "pads", w->pads, 2 * w->n);
    return st;
}

/* out[i] of a window that slides over in[i] */
static pn_status slide(pn_shape_job *j, window *w, auto_pad mode, const int64_t *in,
                       bool ceil_mode, int64_t *out)
{
    for (int i = 0; i < w->n; i++) {
        int64_t k = extent(w, i), s = w->stride[i];
        if (mode == SAME_UPPER || mode == SAME_LOWER) {
            int64_t steps = (in[i] - 1) / s, total = steps * s + k - in[i];
            split_pads(w, i, total > 0 ? total : 0, mode == SAME_UPPER);
            out[i] = steps + 1;
            continue;
        }
        int64_t room = in[i] + w->pads[i] + w->pads[w->n + i] - k;
        if (room < 0)
            return pn_job_bad(
                j,
                "its window takes %lld at spatial axis %d, the padded input "
                "has %lld",
                (long long)k, i, (long long)(room + k));
        out[i] = room / s + (ceil_mode && room % s ? 1 : 0) + 1;
        /* a last window that begins in the padding behind is none: so the runtimes have
         * it, and so does ONNX itself since opset 22 */
        if (ceil_mode && (out[i] - 1) * s >= in[i] + w->pads[i]) out[i]--;
    }
    return PN_OK;
}

/* kernel_shape of a convolution is that of its weights */
static pn_status kernel_of_weights(pn_shape_job *j, const pn_shape *weights, window *w)
{
    pn_status st = get_ints(j, "kernel_shape", w->n, 1, 1, w->kernel);
    if (st) return st;
    bool given = pn_node_attr(pn_job_node(j), "kernel_shape");
    for (int i = 0; i < w->n; i++) {
        int64_t k = weights->dim[2 + i];
        if (k < 1 || k > PN_MAX_DIM || (given && k != w->kernel[i]))
            return pn_job_bad(j, "kernel_shape is %lld at %d, the weights have %lld",
                              (long long)w->kernel[i], i, (long long)k);
        w->kernel[i] = k;
    }
    return PN_OK;
}

/* what both convolutions ask for; transposed: weights are in x out / group x kernel */
static pn_status conv_channels(pn_shape_job *j, bool transposed, int64_t *n_out)
{
    const pn_shape *x = pn_job_in(j, 0), *w = pn_job_in(j, 1);
    pn_status st = pn_job_batch_first(j, x);
    if (st) return st;
    if (x->ndim < 3)
        return pn_job_bad(j, "its input has %d dimensions, at least 3", x->ndim);
    if (w->ndim != x->ndim)
        return pn_job_bad(j, "its weights have %d dimensions, its input %d", w->ndim,
                          x->ndim);
    for (int i = 0; i < w->ndim; i++)
        if (w->dim[i] < 1 || w->dim[i] > PN_MAX_DIM)
            return pn_job_bad(j, "dimension %d of its weights is %lld", i,
                              (long long)w->dim[i]);
    int64_t group = pn_node_int(pn_job_node(j), "group", 1);
    if (group < 1 || group > PN_MAX_DIM)
        return pn_job_bad(j, "group is %lld: must be at least 1", (long long)group);
    int64_t wanted = transposed ? w->dim[0] : w->dim[1] * group;
    if (x->dim[1] != wanted)
        return pn_job_bad(j, "its input has %lld channels, weights and group want %lld",
                          (long long)x->dim[1], (long long)wanted);
    if (w->dim[0] % group)
        return pn_job_bad(j, "group %lld does not divide the %lld of its weights",
                          (long long)group, (long long)w->dim[0]);
    *n_out = transposed ? w->dim[1] * group : w->dim[0];
    if (!pn_job_has(j, 2)) return PN_OK;
    const pn_shape *bias = pn_job_in(j, 2);
    if (bias->ndim != 1 || bias->dim[0] != *n_out)
        return pn_job_bad(j, "its bias must have one dimension of %lld",
                          (long long)*n_out);
    return PN_OK;
}

pn_status pn_shape_conv(pn_shape_job *j)
{
    window w;
    auto_pad mode;
    pn_shape out = *pn_job_in(j, 0);
    pn_status st = conv_channels(j, false, &out.dim[1]);
    if (!st) st = get_window(j, out.ndim - 2, &w, &mode);
    if (!st) st = kernel_of_weights(j, pn_job_in(j, 1), &w);
    if (!st) st = slide(j, &w, mode, pn_job_in(j, 0)->dim + 2, false, out.dim + 2);
    if (!st) st = spell_window(j, &w);
    return st ? st : pn_job_out(j, 0, &out);
}

pn_status pn_shape_conv_transpose(pn_shape_job *j)
{
    window w;
    auto_pad mode;
    int64_t extra[PN_MAX_DIMS], wanted[PN_MAX_DIMS];
    pn_shape out = *pn_job_in(j, 0);
    const int64_t *in = pn_job_in(j, 0)->dim + 2;
    pn_status st = conv_channels(j, true, &out.dim[1]);
    if (!st) st = get_window(j, out.ndim - 2, &w, &mode);
    if (!st) st = kernel_of_weights(j, pn_job_in(j, 1), &w);
    if (!st) st = get_ints(j, "output_padding", w.n, 0, 0, extra);
    if (!st) st = get_ints(j, "output_shape", w.n, 0, 0, wanted);
    if (st) return st;
    bool given = pn_node_attr(pn_job_node(j), "output_shape");
    for (int i = 0; i < w.n; i++) {
        int64_t full;
        if (__builtin_mul_overflow(w.stride[i], in[i] - 1, &full) ||
            __builtin_add_overflow(full, extra[i] + extent(&w, i), &full))
            return pn_job_bad(j, "spatial axis %d does not fit 63 bits", i);
        if (given || mode == SAME_UPPER || mode == SAME_LOWER) {
            int64_t size = given ? wanted[i] : in[i] * w.stride[i];
            if (size < 1 || size > full)
                return pn_job_unsupported(j, "output %lld of %lld at spatial axis %d",
                                          (long long)size, (long long)full, i);
            split_pads(&w, i, full - size, mode == SAME_UPPER);
        }
        out.dim[2 + i] = full - w.pads[i] - w.pads[w.n + i];
    }
    st = spell_window(j, &w);
    return st ? st : pn_job_out(j, 0, &out);
}

pn_status pn_shape_pool(pn_shape_job *j)
{
    window w;
    auto_pad mode;
    const pn_shape *x = pn_job_in(j, 0);
    pn_shape out = *x;
    pn_status st = pn_job_batch_first(j, x);
    if (st) return st;
    if (x->ndim < 3)
        return pn_job_bad(j, "its input has %d dimensions, at least 3", x->ndim);
    if (!pn_node_attr(pn_job_node(j), "kernel_shape"))
        return pn_job_bad(j, "kernel_shape is missing");
    st = get_window(j, x->ndim - 2, &w, &mode);
    if (!st) st = get_ints(j, "kernel_shape", w.n, 1, 1, w.kernel);
    /* a window of nothing but padding has neither a maximum nor an average */
    for (int i = 0; !st && i < w.n; i++)
        if (w.pads[i] >= extent(&w, i) || w.pads[w.n + i] >= extent(&w, i))
            st = pn_job_bad(j, "pads reach the window's size at spatial axis %d", i);
    bool ceil_mode = pn_node_int(pn_job_node(j), "ceil_mode", 0) != 0;
    if (!st) st = slide(j, &w, mode, x->dim + 2, ceil_mode, out.dim + 2);
    if (!st) st = spell_window(j, &w);
    return st ? st : pn_job_out(j, 0, &out);
}

pn_status pn_shape_global_pool(pn_shape_job *j)
{
    pn_shape out = *pn_job_in(j, 0);
    pn_status st = pn_job_batch_first(j, &out);
    if (st) return st;
    if (out.ndim < 3)
        return pn_job_bad(j, "its input has %d dimensions, at least 3", out.ndim);
    for (int i = 2; i < out.ndim; i++)
        out.dim[i] = 1;
    return pn_job_out(j, 0, &out);
}
