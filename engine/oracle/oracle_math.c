/* Functions of one number, and arithmetic between two. What comes in is passed on by
 * looking at both ends of the interval: f(x +- off) against f(x), which is exact for
 * whatever rises or falls throughout. Own roundings are counted per function; for those
 * of libm an error of 2 units in the last place (4 u) is granted, above what glibc's
 * manual lists for them on any machine ("Known Maximum Errors in Math Functions"). */
#include "engine/oracle/block64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INLINE inline __attribute__((always_inline))

typedef struct function64 {
    pn_op op;
    double a, b, lo, hi;
} function64;

static double clamp(double v, double lo, double hi)
{
    v = v < lo ? lo : v;
    return v > hi ? hi : v;
}

static INLINE double value_of(const function64 *f, double x)
{
    switch (f->op) {
    case PN_OP_CLIP:
        return clamp(x, f->lo, f->hi);
    case PN_OP_RELU:
        return x < 0 ? 0 : x;
    case PN_OP_LEAKY_RELU:
        return x < 0 ? f->a * x : x;
    case PN_OP_ELU:
        return x < 0 ? f->a * expm1(x) : x;
    case PN_OP_SELU:
        return f->b * (x > 0 ? x : f->a * expm1(x));
    case PN_OP_SIGMOID:
        return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
    case PN_OP_HARD_SIGMOID:
        return clamp(f->a * x + f->b, 0, 1);
    case PN_OP_HARD_SWISH:
        return x * clamp(x / 6 + 0.5, 0, 1);
    case PN_OP_TANH:
        return tanh(x);
    case PN_OP_SOFTPLUS:
        return fmax(x, 0) + log1p(exp(-fabs(x)));
    case PN_OP_SOFTSIGN:
        return x / (1 + fabs(x));
    case PN_OP_EXP:
        return exp(x);
    case PN_OP_LOG:
        return log(x);
    case PN_OP_SQRT:
        return sqrt(x);
    case PN_OP_ERF:
        return erf(x);
    case PN_OP_NEG:
        return -x;
    case PN_OP_GELU: /* Hendrycks & Gimpel 2016; a: its approximation by tanh */
        return f->a > 0 ? x / 2 * (1 + tanh(sqrt(M_2_PI) * (x + 0.044715 * x * x * x)))
                        : x / 2 * erfc(-x * M_SQRT1_2);
    case PN_OP_CAST: /* to whole numbers, to those of 8 bits, or to another width */
        if (f->b > 0) return x - f->b * floor((x - f->lo) / f->b);
        return f->a > 0 ? trunc(x) : x;
    default:
        return NAN;
    }
}

/* What the function's own roundings add, in u. */
static INLINE double own_error(const function64 *f, double x, double y)
{
    switch (f->op) {
    case PN_OP_RELU:
    case PN_OP_CLIP:
    case PN_OP_NEG:
    case PN_OP_CAST:
        return 0;
    case PN_OP_LEAKY_RELU:
    case PN_OP_SQRT:
        return 2 * pn_mag(y);
    case PN_OP_HARD_SIGMOID:
        return 3 * (pn_mag(f->a * x) + fabs(f->b));
    case PN_OP_HARD_SWISH: /* 1/6 is rounded too */
        return 4 * pn_mag(x) * clamp(fabs(x) / 6 + 0.5, 0, 2);
    case PN_OP_SOFTSIGN:
        return 4 * pn_mag(y);
    case PN_OP_GELU: /* 1 + erf cancels below zero: its error is of 1, not of the sum */
        return 8 * pn_mag(x);
    default: /* the libm function, and at most four operations round it */
        return 8 * pn_mag(y);
    }
}

/* The farther of the two ends; an end outside the function's domain does not count. */
static INLINE double spread(const function64 *f, double x, double off, double y)
{
    const double up = fabs(value_of(f, x + off) - y);
    const double down = fabs(value_of(f, x - off) - y);
    if (isnan(up)) return isnan(down) ? 0 : down;
    return isnan(down) || up > down ? up : down;
}

static INLINE void apply_block(const function64 *f, const pn_block64 *b, int64_t first,
                               pn_array64 *y)
{
    double *to = y->x + first;
    for (int64_t i = 0; i < b->n; i++)
        to[i] = value_of(f, b->x[i]);
    for (int plane = 0; y->most && plane < 2; plane++) {
        double *off = y->most + plane * y->n + first;
        for (int64_t i = 0; i < b->n; i++)
            off[i] = spread(f, b->x[i], b->off[plane][i], to[i]) +
                     PN_U * own_error(f, b->x[i], to[i]);
    }
}

typedef struct application {
    const function64 *f;
    const pn_array64 *x;
    pn_array64 *y;
} application;

static INLINE void apply_as(const function64 *f, const application *a, int64_t first,
                            int64_t end)
{
    pn_block64 b;
    for (int64_t i = first, next; i < end; i = next) {
        next = pn_block_load(a->x, i, end, a->y->most != NULL, &b);
        apply_block(f, &b, i, a->y);
    }
}

static void apply_part(const void *arg, int64_t first, int64_t end)
{
    const application *a = arg;
    if (a->f->op == PN_OP_RELU) /* most of what there is: by a loop of its own */
        apply_as(&(function64){.op = PN_OP_RELU}, a, first, end);
    else
        apply_as(a->f, a, first, end);
}

static pn_status apply(pn_walk64 *w, const pn_node *n, const function64 *f)
{
    pn_array64 room;
    const pn_array64 *in = pn_oracle_in(w, n, 0, &room);
    const pn_array64 x = in ? *in : room;
    pn_array64 *y = in ? pn_oracle_out_over(w, n, &x) : NULL;
    pn_status st =
        y ? pn_blocks_run(w, apply_part, &(application){f, &x, y}, y->n) : PN_ENOMEM;
    pn_oracle_done(&room);
    return st;
}

static bool is_whole(int64_t dtype)
{
    return dtype != PN_F32 && dtype != PN_F64 && dtype != PN_F16 && dtype != PN_BF16;
}

pn_status pn_oracle_unary(pn_walk64 *w, const pn_node *n)
{
    function64 f = {.op = n->op};
    switch (n->op) {
    case PN_OP_LEAKY_RELU:
        f.a = (double)pn_node_float(n, "alpha", 0.01F);
        break;
    case PN_OP_ELU:
        f.a = (double)pn_node_float(n, "alpha", 1);
        break;
    case PN_OP_SELU:
        f.a = (double)pn_node_float(n, "alpha", 1.67326319217681884765625F);
        f.b = (double)pn_node_float(n, "gamma", 1.05070102214813232421875F);
        break;
    case PN_OP_HARD_SIGMOID:
        f.a = (double)pn_node_float(n, "alpha", 0.2F);
        f.b = (double)pn_node_float(n, "beta", 0.5F);
        break;
    case PN_OP_GELU:
        f.a = strcmp(pn_node_string(n, "approximate", "none"), "tanh") == 0;
        break;
    case PN_OP_CAST:
        f.a = is_whole(pn_node_int(n, "to", PN_F32));
        f.lo = pn_node_int(n, "to", PN_F32) == PN_I8 ? -128 : 0;
        if (pn_dtype_size((pn_dtype)pn_node_int(n, "to", PN_F32)) == 1 &&
            is_whole(w->g->values[n->inputs[0]].dtype))
            f.b = 256;
        break;
    default:
        break;
    }
    return apply(w, n, &f);
}

pn_status pn_oracle_clip(pn_walk64 *w, const pn_node *n)
{
    function64 f = {.op = PN_OP_CLIP, .lo = -INFINITY, .hi = INFINITY};
    for (int i = 1; i < 3; i++) {
        pn_array64 room;
        if (!pn_oracle_has(w, n, i)) continue;
        const pn_array64 *c = pn_oracle_in(w, n, i, &room);
        if (!c) return PN_ENOMEM;
        *(i == 1 ? &f.lo : &f.hi) = c->x[0];
        pn_oracle_done(&room);
    }
    return apply(w, n, &f);
}

static INLINE double value_of_two(pn_op op, double a, double b)
{
    switch (op) {
    case PN_OP_ADD:
    case PN_OP_SUM:
        return a + b;
    case PN_OP_SUB:
        return a - b;
    case PN_OP_MUL:
        return a * b;
    case PN_OP_DIV:
        return a / b;
    case PN_OP_POW:
        return pow(a, b);
    case PN_OP_MAX:
        return a > b || isnan(a) ? a : b;
    case PN_OP_MIN:
        return a < b || isnan(a) ? a : b;
    case PN_OP_PRELU:
        return a < 0 ? a * b : a;
    default:
        return NAN;
    }
}

/* Own roundings in u: two for a sum, as a constant may have been rounded; three where a
 * division by a constant became a product. */
static INLINE double own_error_of_two(pn_op op, double a, double b, double y)
{
    switch (op) {
    case PN_OP_ADD:
    case PN_OP_SUM:
    case PN_OP_SUB:
        return 2 * (pn_mag(a) + pn_mag(b));
    case PN_OP_MUL:
    case PN_OP_PRELU:
        return 3 * pn_mag(y);
    case PN_OP_DIV:
        return 4 * pn_mag(y);
    case PN_OP_POW:
        return 8 * pn_mag(y);
    default:
        return 0;
    }
}

/* Of sums and products exactly, else at the corners. */
static INLINE double spread_of_two(pn_op op, double a, double off_a, double b,
                                   double off_b, double y)
{
    if (op == PN_OP_ADD || op == PN_OP_SUM || op == PN_OP_SUB) return off_a + off_b;
    if (op == PN_OP_MUL) return fabs(a) * off_b + fabs(b) * off_a + off_a * off_b;
    double far = 0;
    for (int corner = 0; corner < 4; corner++) {
        const double d = fabs(value_of_two(op, corner & 1 ? a + off_a : a - off_a,
                                           corner & 2 ? b + off_b : b - off_b) -
                              y);
        if (d > far) far = d;
    }
    return far;
}

/* Steps of operand a for each of y's axes; 0 where it repeats. */
static void broadcast_steps(const pn_shape *a, const pn_shape *y, int64_t *step)
{
    int64_t all = 1;
    for (int i = 1; i <= y->ndim; i++) {
        const int64_t d = i <= a->ndim ? a->dim[a->ndim - i] : 1;
        step[y->ndim - i] = d > 1 ? all : 0;
        all *= d;
    }
}

static int64_t offset_of(int64_t i, const pn_shape *y, const int64_t *step)
{
    int64_t at = 0;
    for (int d = y->ndim - 1; d >= 0; d--) {
        at += i % y->dim[d] * step[d];
        i /= y->dim[d];
    }
    return at;
}

static INLINE void combine_as(pn_op op, const pn_array64 *a, const pn_array64 *b,
                              pn_array64 *y)
{
    int64_t sa[PN_MAX_DIMS], sb[PN_MAX_DIMS];
    broadcast_steps(&a->shape, &y->shape, sa);
    broadcast_steps(&b->shape, &y->shape, sb);
    const int last = y->shape.ndim - 1;
    const int64_t wide = last < 0 ? 1 : y->shape.dim[last];
    for (int64_t row = 0; row < y->n; row += wide) {
        int64_t ia = offset_of(row, &y->shape, sa), ib = offset_of(row, &y->shape, sb);
        for (int64_t i = row; i < row + wide; i++) {
            const double va = a->x[ia], vb = b->x[ib];
            const double v = value_of_two(op, va, vb);
            for (int plane = 0; y->most && plane < 2; plane++)
                y->most[plane * y->n + i] = spread_of_two(op, va, pn_off(a, plane, ia),
                                                          vb, pn_off(b, plane, ib), v) +
                                            PN_U * own_error_of_two(op, va, vb, v);
            y->x[i] = v;
            if (last >= 0) ia += sa[last], ib += sb[last];
        }
    }
}

typedef struct addition {
    const pn_array64 *a, *b;
    pn_array64 *y;
} addition;

/* Operands and result of one shape. */
static void add_part(const void *arg, int64_t first, int64_t end)
{
    const addition *s = arg;
    pn_array64 *y = s->y;
    pn_block64 p, q;
    for (int64_t i = first, next; i < end; i = next) {
        next = pn_block_load(s->a, i, end, y->most != NULL, &p);
        pn_block_load(s->b, i, end, y->most != NULL, &q);
        for (int64_t k = 0; k < p.n; k++)
            y->x[i + k] = p.x[k] + q.x[k];
        for (int plane = 0; y->most && plane < 2; plane++) {
            double *off = y->most + plane * y->n + i;
            for (int64_t k = 0; k < p.n; k++)
                off[k] = p.off[plane][k] + q.off[plane][k] +
                         PN_U * own_error_of_two(PN_OP_ADD, p.x[k], q.x[k], 0);
        }
    }
}

/* y = a op b; y may be a. */
static pn_status combine(const pn_walk64 *w, pn_op op, const pn_array64 *a,
                         const pn_array64 *b, pn_array64 *y)
{
    if ((op == PN_OP_ADD || op == PN_OP_SUM) && a->n == y->n && b->n == y->n)
        return pn_blocks_run(w, add_part, &(addition){a, b, y}, y->n);
    combine_as(op, a, b, y);
    return PN_OK;
}

/* Of two in the place of the first, if it may be; of many two at a time, from left to
 * right. What is so far is nobody's float. */
pn_status pn_oracle_binary(pn_walk64 *w, const pn_node *n)
{
    if (n->n_inputs == 1) return pn_oracle_same(w, n);
    pn_array64 room, so_far = {.x = NULL};
    const pn_array64 *a = pn_oracle_in(w, n, 0, &room);
    if (a) so_far = *a;
    pn_array64 *y = !a ? NULL
                    : n->n_inputs == 2 && n->inputs[0] != n->inputs[1]
                        ? pn_oracle_out_over(w, n, &so_far)
                        : pn_oracle_out(w, n, 0, true);
    pn_status st = y ? PN_OK : PN_ENOMEM;
    for (int i = 1; !st && i < n->n_inputs; i++) {
        pn_array64 other;
        const pn_array64 *b = pn_oracle_in(w, n, i, &other);
        st = b ? combine(w, n->op, &so_far, b, y) : PN_ENOMEM;
        so_far = *y;
        so_far.is_layer = false;
        pn_oracle_done(&other);
    }
    pn_oracle_done(&room);
    return st;
}
