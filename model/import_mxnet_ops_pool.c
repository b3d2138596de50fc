/* Pooling. MXNet and ONNX agree but for two things: a window that lies wholly in the
 * padding is kept by MXNet and dropped by others, and MXNet divides an average by the
 * window cut at the edge of the padding. Where the former happens, the padding is spelled
 * out. */
#include "model/import_mxnet_ops.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "penult/log.h"

enum { MAX_SPATIAL = 3, MAX_PLACES = 1 << 22 };
typedef enum pool_type { POOL_MAX, POOL_AVG, POOL_SUM, POOL_LP } pool_type;
static const char *const pool_types[] = {"max", "avg", "sum", "lp", NULL};
/* "same" is refused by name: MXNet's own CPU code fails on it */
static const char *const conventions[] = {"valid", "full", NULL};

typedef struct pool {
    int data, n;
    pool_type type;
    bool is_full, count_pad;
    pn_shape in, out;
    int64_t kernel[MAX_SPATIAL], stride[MAX_SPATIAL], pad[MAX_SPATIAL];
    int64_t power; /* of a norm, which is taken as a sum of powers; else 0 */
} pool;

static bool is_global(pn_mx_import *im)
{
    return pn_mx_bool(im, "global_pool", false);
}

static void check_pooling(pn_mx_import *im)
{
    static const char *const layouts[] = {"NCHW", "NCW", "NCDHW", NULL};
    pn_mx_choice(im, "layout", 0, layouts);
    pn_mx_choice(im, "pool_type", POOL_MAX, pool_types);
    if (!is_global(im)) pn_mx_choice(im, "pooling_convention", 0, conventions);
}

/* the result, or the sum of powers whose root is to follow */
static const char *last_name(const pool *p)
{
    return p->power > 1 ? "sum" : NULL;
}

static int global_pooling(pn_mx_import *im, const pool *p)
{
    pn_shape out = p->in;
    int64_t axes[PN_MAX_DIMS];
    for (int i = 2; i < out.ndim; i++) {
        out.dim[i] = 1;
        axes[i - 2] = i;
    }
    if (p->type == POOL_SUM) {
        int over = pn_mx_const_i64(im, "axes", axes, (size_t)p->n);
        int sum =
            pn_mx_emit(im, PN_OP_REDUCE_SUM, last_name(p), &out, PN_MX_IN(p->data, over));
        pn_mx_set_int(im, "keepdims", 1);
        return sum;
    }
    pn_op op = p->type == POOL_MAX ? PN_OP_GLOBAL_MAX_POOL : PN_OP_GLOBAL_AVERAGE_POOL;
    return pn_mx_emit(im, op, NULL, &out, PN_MX_IN(p->data));
}

/* before 2016-07 there was one rule, like today's `full`; files of that age do not say
 * which they mean, and MXNet takes them as `valid` */
static void warn_of_old_rule(pn_mx_import *im, const pool *p)
{
    if (im->sym->version > 800 || im->is_survey || pn_mx_has(im, "pooling_convention"))
        return;
    for (int i = 0; i < p->n; i++)
        if ((p->in.dim[i + 2] + 2 * p->pad[i] - p->kernel[i]) % p->stride[i]) {
            pn_log(PN_LOG_WARN,
                   "Pooling \"%s\": names no pooling_convention: taken as valid, as "
                   "MXNet does; "
                   "a net trained before July 2016 meant full",
                   im->node->name);
            return;
        }
}

static bool read_pool(pn_mx_import *im, pool *p)
{
    p->is_full = pn_mx_choice(im, "pooling_convention", 0, conventions) == 1;
    p->count_pad = pn_mx_bool(im, "count_include_pad", true);
    pn_mx_ints(im, "kernel", p->n, -1, 1, p->kernel);
    pn_mx_ints(im, "stride", p->n, 1, 1, p->stride);
    pn_mx_ints(im, "pad", p->n, 0, 0, p->pad);
    p->out = p->in;
    for (int i = 0; i < p->n && !im->status; i++) {
        int64_t room = p->in.dim[i + 2] + 2 * p->pad[i] - p->kernel[i];
        if (p->kernel[i] < 0)
            pn_mx_fail(im, PN_EFORMAT, "the attribute kernel is missing");
        else if (room < 0)
            pn_mx_fail(im, PN_EFORMAT, "a kernel of %lld on %lld (padded)",
                       (long long)p->kernel[i], (long long)(room + p->kernel[i]));
        else
            p->out.dim[i + 2] = (p->is_full ? (room + p->stride[i] - 1) / p->stride[i]
                                            : room / p->stride[i]) +
                                1;
    }
    if (!im->status) warn_of_old_rule(im, p);
    return !im->status;
}

/* some window has no image under it, or the sum counts what ONNX's average cannot */
static bool must_spell_padding(const pool *p)
{
    for (int i = 0; i < p->n; i++) {
        int64_t x = p->in.dim[i + 2], last = (p->out.dim[i + 2] - 1) * p->stride[i];
        bool overhangs = last + p->kernel[i] > x + 2 * p->pad[i];
        if (p->pad[i] >= p->kernel[i] || last >= x + p->pad[i] ||
            (p->type == POOL_SUM && overhangs))
            return true;
    }
    return false;
}

static int emit_pad(pn_mx_import *im, const pool *p)
{
    int64_t pads[2 * PN_MAX_DIMS] = {0};
    pn_shape out = p->in;
    int ndim = p->in.ndim;
    for (int i = 0; i < p->n; i++) {
        int64_t end = (p->out.dim[i + 2] - 1) * p->stride[i] + p->kernel[i] -
                      p->in.dim[i + 2] - p->pad[i];
        pads[i + 2] = p->pad[i];
        pads[ndim + i + 2] = end > 0 ? end : 0;
        out.dim[i + 2] += pads[i + 2] + pads[ndim + i + 2];
    }
    int by = pn_mx_const_i64(im, "pads", pads, 2 * (size_t)ndim);
    int with = pn_mx_scalar(im, "fill", p->type == POOL_MAX ? -(double)FLT_MAX : 0);
    int padded = pn_mx_emit(im, PN_OP_PAD, "padded", &out, PN_MX_IN(p->data, by, with));
    pn_mx_set_string(im, "mode", "constant");
    return padded;
}

/* what MXNet divides by along one axis, for the window at `start` */
static int64_t divisor(const pool *p, int i, int64_t at)
{
    int64_t start = at * p->stride[i] - p->pad[i], end = start + p->kernel[i];
    int64_t x = p->in.dim[i + 2], edge = x + p->pad[i];
    if (end > edge) end = edge;
    if (p->count_pad) return end - start;
    if (start < 0) start = 0;
    return (end < x ? end : x) - start;
}

/* per output place: elements of the whole window / elements MXNet divides by; 0 where it
 * sees none and answers 0 */
static int emit_divisors(pn_mx_import *im, const pool *p, double window)
{
    pn_shape shape = p->out;
    shape.dim[0] = shape.dim[1] = 1;
    int64_t count = pn_shape_count(&shape);
    if (count < 1 || count > MAX_PLACES) {
        pn_mx_refuse(im, "an average with windows in the padding, at more than %d places",
                     MAX_PLACES);
        return PN_NONE;
    }
    float *map = malloc((size_t)count * sizeof(float));
    if (!map) {
        pn_mx_fail(im, PN_ENOMEM, "out of memory");
        return PN_NONE;
    }
    for (int64_t k = 0; k < count; k++) {
        double by = 1;
        int64_t rest = k;
        for (int i = p->n - 1; i >= 0; i--) {
            by *= (double)divisor(p, i, rest % shape.dim[i + 2]);
            rest /= shape.dim[i + 2];
        }
        map[k] = by > 0 ? (float)(window / by) : 0; /* 0 / 0 in MXNet, too */
    }
    int id = pn_mx_const_f32(im, "divisors", &shape, map);
    free(map);
    return id;
}

static void set_pool(pn_mx_import *im, const pool *p, bool is_padded)
{
    int64_t pads[2 * MAX_SPATIAL] = {0};
    for (int i = 0; i < p->n && !is_padded; i++)
        pads[i] = pads[p->n + i] = p->pad[i];
    pn_mx_set_ints(im, "kernel_shape", p->kernel, (size_t)p->n);
    pn_mx_set_ints(im, "strides", p->stride, (size_t)p->n);
    pn_mx_set_ints(im, "pads", pads, 2 * (size_t)p->n);
    pn_mx_set_int(im, "ceil_mode", p->is_full && !is_padded);
    if (p->type != POOL_MAX)
        pn_mx_set_int(im, "count_include_pad",
                      !is_padded && (p->count_pad || p->type == POOL_SUM));
}

static int local_pooling(pn_mx_import *im, pool *p)
{
    if (!read_pool(im, p)) return PN_NONE;
    bool is_padded = must_spell_padding(p);
    int from = is_padded ? emit_pad(im, p) : p->data;
    bool is_scaled = p->type == POOL_SUM || (p->type == POOL_AVG && is_padded);
    pn_op op = p->type == POOL_MAX ? PN_OP_MAX_POOL : PN_OP_AVERAGE_POOL;
    int pooled = pn_mx_emit(im, op, is_scaled ? "pooled" : NULL, &p->out, PN_MX_IN(from));
    set_pool(im, p, is_padded);
    if (!is_scaled || im->status) return pooled;
    double window = 1;
    for (int i = 0; i < p->n; i++)
        window *= (double)p->kernel[i];
    int by = p->type == POOL_SUM ? pn_mx_scalar(im, "area", window)
                                 : emit_divisors(im, p, window);
    return pn_mx_emit(im, PN_OP_MUL, last_name(p), &p->out, PN_MX_IN(pooled, by));
}

/* x^p, so that a sum and a root remain of the norm; MXNet takes no absolute values: p of
 * 1 is a sum, and p of 3 keeps the sign */
static int raise(pn_mx_import *im, int x, const pn_shape *in, int64_t power)
{
    if (power == 1) return x;
    const char *last = power == 2 ? "powers" : "square";
    int square = pn_mx_emit(im, PN_OP_MUL, last, in, PN_MX_IN(x, x));
    return power == 2 ? square
                      : pn_mx_emit(im, PN_OP_MUL, "powers", in, PN_MX_IN(square, x));
}

static int cube_root_above(pn_mx_import *im, const char *suffix, int x, int root,
                           const pn_shape *s)
{
    char above[32];
    snprintf(above, sizeof(above), "%s_above", suffix);
    int positive = pn_mx_emit(im, PN_OP_RELU, above, s, PN_MX_IN(x));
    return pn_mx_emit(im, PN_OP_POW, suffix, s, PN_MX_IN(positive, root));
}

static void emit_root(pn_mx_import *im, int sum, const pn_shape *out, int64_t power)
{
    if (power == 2) {
        pn_mx_emit(im, PN_OP_SQRT, NULL, out, PN_MX_IN(sum));
        return;
    }
    int root = pn_mx_scalar(im, "third", 1.0 / 3);
    int minus = pn_mx_emit(im, PN_OP_NEG, "minus", out, PN_MX_IN(sum));
    int right = cube_root_above(im, "right", sum, root, out);
    int left = cube_root_above(im, "left", minus, root, out);
    pn_mx_emit(im, PN_OP_SUB, NULL, out, PN_MX_IN(right, left));
}

static void pooling(pn_mx_import *im)
{
    pool p = {.data = pn_mx_data(im, 0)};
    p.in = pn_mx_shape_of(im, p.data);
    p.type = (pool_type)pn_mx_choice(im, "pool_type", POOL_MAX, pool_types);
    p.n = p.in.ndim - 2;
    if (!im->status && (p.n < 1 || p.n > MAX_SPATIAL))
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions", p.in.ndim);
    for (int i = 1; i < p.in.ndim && !im->status; i++)
        if (p.in.dim[i] == PN_DIM_FREE)
            pn_mx_refuse(im, "the batch is not the first dimension");
    if (p.type == POOL_LP) {
        p.power = pn_mx_int(im, "p_value", PN_MX_REQUIRED, 1, 3);
        p.data = raise(im, p.data, &p.in, p.power);
        p.type = POOL_SUM;
    }
    if (im->status) return;
    int sum = is_global(im) ? global_pooling(im, &p) : local_pooling(im, &p);
    if (p.power > 1 && !im->status)
        emit_root(im, sum, &im->g->values[sum].shape, p.power);
}

/* windows of equal size where the sizes divide; others have no ONNX operator */
static void adaptive_pooling(pn_mx_import *im)
{
    pool p = {.data = pn_mx_data(im, 0), .type = POOL_AVG, .n = 2};
    pn_mx_tuple size;
    p.in = pn_mx_shape_of(im, p.data);
    pn_mx_tuple_of(im, "output_size", 2, &size);
    if (!im->status && p.in.ndim != 4)
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions, not 4", p.in.ndim);
    if (im->status) return;
    p.out = p.in;
    for (int i = 0; i < 2; i++) {
        int64_t out = size.n == 0 ? 1 : size.v[size.n == 2 ? i : 0];
        if (out < 1 || p.in.dim[i + 2] % out) {
            pn_mx_refuse(im, "output_size does not divide the input's");
            return;
        }
        p.out.dim[i + 2] = out;
        p.kernel[i] = p.stride[i] = p.in.dim[i + 2] / out;
    }
    if (p.out.dim[2] == 1 && p.out.dim[3] == 1) {
        (void)global_pooling(im, &p);
        return;
    }
    pn_mx_emit(im, PN_OP_AVERAGE_POOL, NULL, &p.out, PN_MX_IN(p.data));
    set_pool(im, &p, false);
}

const pn_mx_op pn_mx_ops_pool[] = {
    {"Pooling", pooling, check_pooling,
     "kernel stride pad pool_type pooling_convention global_pool count_include_pad "
     "layout "
     "p_value"},
    {"_contrib_AdaptiveAvgPooling2D", adaptive_pooling, NULL, "output_size"},
    {NULL, NULL, NULL, NULL},
};
