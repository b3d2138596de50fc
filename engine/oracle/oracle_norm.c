/* Normalisations, Softmax and reductions. */
#include "engine/oracle/block64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The parameters of a normalisation: inputs 1 .. count. */
static pn_status open_params(pn_walk64 *w, const pn_node *n, int count,
                             pn_array64 rooms[4], const pn_array64 *p[4], int64_t each)
{
    for (int i = 0; i < count; i++) {
        p[i] = pn_oracle_in(w, n, i + 1, &rooms[i]);
        if (!p[i]) return PN_ENOMEM;
        if (p[i]->n < each) return PN_EUNSUPPORTED;
    }
    return PN_OK;
}

/* y = s x + t on one map; t itself is off by t_off. */
static void scale_map(const pn_array64 *x, int64_t first, int64_t size, double s,
                      double t, double t_off, pn_array64 *y)
{
    pn_block64 b;
    for (int64_t at = first, next; at < first + size; at = next) {
        next = pn_block_load(x, at, first + size, y->most != NULL, &b);
        for (int64_t i = 0; i < b.n; i++)
            y->x[at + i] = s * b.x[i] + t;
        for (int plane = 0; y->most && plane < 2; plane++) {
            double *off = y->most + plane * y->n + at;
            for (int64_t i = 0; i < b.n; i++)
                off[i] = fabs(s) * b.off[plane][i] +
                         PN_U * (3 * pn_mag(s * b.x[i]) + 2 * pn_mag(t)) + t_off;
        }
    }
}

typedef struct batch_norm {
    const pn_array64 *x, *p[4];
    double epsilon;
    int64_t pixels;
    pn_array64 *y;
} batch_norm;

/* Elements first .. end, the rest of a map at either end of them. */
static void normalise_part(const void *arg, int64_t first, int64_t end)
{
    const batch_norm *b = arg;
    for (int64_t at = first, next; at < end; at = next) {
        const int64_t c = at / b->pixels;
        const double bias = b->p[1]->x[c], mean = b->p[2]->x[c];
        const double s = b->p[0]->x[c] / sqrt(b->p[3]->x[c] + b->epsilon);
        next = (c + 1) * b->pixels < end ? (c + 1) * b->pixels : end;
        scale_map(b->x, at, next - at, s, bias - mean * s, 0x1p-50 * fabs(bias), b->y);
    }
}

/* y = s x + t with s = scale / sqrt(variance + epsilon), t = bias - mean s: s and t are
 * rounded once, alone or within the weights before, then product (without FMA) and sum.
 * Both sides make t in double, where bias and mean s may cancel. */
pn_status pn_oracle_batch_norm(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room, rooms[4] = {{.x = NULL}};
    const pn_array64 *in = pn_oracle_in(w, n, 0, &room);
    const pn_array64 x = in ? *in : room;
    pn_array64 *y = in ? pn_oracle_out_over(w, n, &x) : NULL;
    batch_norm b = {.x = &x, .y = y};
    b.epsilon = (double)pn_node_float(n, "epsilon", 1e-5F);
    b.pixels = y ? y->n / y->shape.dim[1] : 1;
    pn_status st = y ? open_params(w, n, 4, rooms, b.p, y->shape.dim[1]) : PN_ENOMEM;
    if (!st) st = pn_blocks_run(w, normalise_part, &b, y->n);
    for (int i = 0; i < 4; i++)
        pn_oracle_done(&rooms[i]);
    pn_oracle_done(&room);
    return st;
}

/* Factor and summand: one for all elements (step 0) or one each. */
typedef struct params64 {
    const double *scale, *shift; /* shift NULL: none */
    int64_t scale_step, shift_step;
} params64;

/* One map: y = (x - mean) s + t, done in double and rounded once. */
static void normalise(const pn_array64 *x, int64_t first, int64_t size, const params64 *p,
                      double epsilon, pn_array64 *y)
{
    double sum = 0, squares = 0, off[2] = {0, 0}, off_squares[2] = {0, 0};
    for (int64_t i = first; i < first + size; i++)
        sum += x->x[i];
    const double mean = sum / (double)size;
    for (int64_t i = first; i < first + size; i++) {
        squares += (x->x[i] - mean) * (x->x[i] - mean);
        for (int plane = 0; y->most && plane < 2; plane++) {
            off[plane] += pn_off(x, plane, i) / (double)size;
            off_squares[plane] += 2 * fabs(x->x[i] - mean) * pn_off(x, plane, i);
        }
    }
    const double variance = squares / (double)size + epsilon;
    for (int64_t i = first; i < first + size; i++) {
        const double s = p->scale[(i - first) * p->scale_step] / sqrt(variance);
        const double shift = p->shift ? p->shift[(i - first) * p->shift_step] : 0;
        const double plain = (x->x[i] - mean) * s;
        y->x[i] = plain + shift;
        for (int plane = 0; y->most && plane < 2; plane++)
            y->most[plane * y->n + i] =
                fabs(s) * (pn_off(x, plane, i) + off[plane]) +
                fabs(plain) * off_squares[plane] / (double)size / variance +
                2 * PN_U * (pn_mag(plain) + pn_mag(shift));
    }
}

pn_status pn_oracle_instance_norm(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room, rooms[4] = {{.x = NULL}};
    const pn_array64 *p[4], *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, true) : NULL;
    const double epsilon = (double)pn_node_float(n, "epsilon", 1e-5F);
    const int64_t channels = y ? y->shape.dim[1] : 0;
    pn_status st = y ? open_params(w, n, 2, rooms, p, channels) : PN_ENOMEM;
    for (int64_t c = 0; !st && c < channels; c++) {
        const params64 one = {&p[0]->x[c], &p[1]->x[c], 0, 0};
        normalise(x, c * (x->n / channels), x->n / channels, &one, epsilon, y);
    }
    for (int i = 0; i < 4; i++)
        pn_oracle_done(&rooms[i]);
    pn_oracle_done(&room);
    return st;
}

/* Over the axes from `axis` on. */
pn_status pn_oracle_layer_norm(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room, rooms[4] = {{.x = NULL}};
    const pn_array64 *p[4], *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, true) : NULL;
    const int count = pn_oracle_has(w, n, 2) ? 2 : 1;
    pn_status st = y ? open_params(w, n, count, rooms, p, 1) : PN_ENOMEM;
    int64_t axis = pn_node_int(n, "axis", -1), size = 1;
    for (int d = st ? 0 : y->shape.ndim; d-- > (axis < 0 ? y->shape.ndim + axis : axis);)
        size *= y->shape.dim[d];
    for (int i = 0; !st && i < count; i++)
        if (p[i]->n != 1 && p[i]->n != size) st = PN_EUNSUPPORTED;
    if (!st) {
        const params64 all = {p[0]->x, count > 1 ? p[1]->x : NULL, p[0]->n > 1,
                              count > 1 && p[1]->n > 1};
        const double epsilon = (double)pn_node_float(n, "epsilon", 1e-5F);
        for (int64_t i = 0; i < x->n; i += size)
            normalise(x, i, size, &all, epsilon, y);
    }
    for (int i = 0; i < 4; i++)
        pn_oracle_done(&rooms[i]);
    pn_oracle_done(&room);
    return st;
}

typedef struct lrn64 {
    int64_t size, channels, pixels;
    double alpha, beta, bias;
} lrn64;

/* y = x d^-beta, d = bias + alpha / size * sum of squares. The sum of `size` squares is
 * size + 1 roundings, scaling and bias three; to the power of -beta that is beta times as
 * much of y. */
static void lrn_one(const lrn64 *l, const pn_array64 *x, int64_t channel, int64_t pixel,
                    pn_array64 *y)
{
    const int64_t before = (l->size - 1) / 2, after = l->size / 2;
    const int64_t at = channel * l->pixels + pixel;
    double squares = 0, off[2] = {0, 0};
    const int64_t first = channel > before ? channel - before : 0;
    for (int64_t c = first; c < l->channels && c - channel <= after; c++) {
        const double v = x->x[c * l->pixels + pixel];
        squares += v * v;
        for (int plane = 0; y->most && plane < 2; plane++)
            off[plane] += 2 * fabs(v) * pn_off(x, plane, c * l->pixels + pixel);
    }
    const double slope = l->alpha / (double)l->size, d = l->bias + slope * squares;
    const double factor = pow(d, -l->beta);
    y->x[at] = x->x[at] * factor;
    for (int plane = 0; y->most && plane < 2; plane++) {
        const double share = fabs(slope) * squares / fabs(d);
        y->most[plane * y->n + at] =
            factor * pn_off(x, plane, at) +
            pn_mag(y->x[at]) *
                (fabs(l->beta) * (fabs(slope) * off[plane] / fabs(d) +
                                  PN_U * ((double)(l->size + 3) * share + 2)) +
                 6 * PN_U);
    }
}

pn_status pn_oracle_lrn(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room;
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, true) : NULL;
    if (y) {
        const lrn64 l = {.size = pn_node_int(n, "size", 1),
                         .channels = x->shape.dim[1],
                         .pixels = x->n / x->shape.dim[1],
                         .alpha = (double)pn_node_float(n, "alpha", 1e-4F),
                         .beta = (double)pn_node_float(n, "beta", 0.75F),
                         .bias = (double)pn_node_float(n, "bias", 1)};
        for (int64_t c = 0; c < l.channels; c++)
            for (int64_t i = 0; i < l.pixels; i++)
                lrn_one(&l, x, c, i, y);
    }
    pn_oracle_done(&room);
    return y ? PN_OK : PN_ENOMEM;
}

/* Elements first, first + step ...: n of them. The difference from the greatest is
 * rounded, so each exponent is off by off(x) + u|x - max|; the sum is done in double and
 * is off by the mean of that, weighted by the result; expf and the rounding add 6 u. */
static void softmax_one(const pn_array64 *x, int64_t first, int64_t step, int64_t n,
                        bool is_log, pn_array64 *y)
{
    double most = -INFINITY, sum = 0, mean_off[2] = {0, 0};
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, x->x[first + i * step]);
    for (int64_t i = 0; i < n; i++)
        sum += exp(x->x[first + i * step] - most);
    for (int64_t i = 0; y->most && i < n; i++)
        for (int plane = 0; plane < 2; plane++) {
            const double below = x->x[first + i * step] - most;
            mean_off[plane] +=
                exp(below) / sum * (pn_off(x, plane, first + i * step) - PN_U * below);
        }
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = first + i * step;
        const double below = x->x[at] - most;
        y->x[at] = is_log ? below - log(sum) : exp(below) / sum;
        for (int plane = 0; y->most && plane < 2; plane++) {
            const double off = pn_off(x, plane, at) - PN_U * below + mean_off[plane];
            y->most[plane * y->n + at] =
                is_log ? off + PN_U * (pn_mag(y->x[at]) + 6)
                       : pn_mag(y->x[at]) * expm1(off) + 6 * PN_U * pn_mag(y->x[at]);
        }
    }
}

pn_status pn_oracle_softmax(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room;
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, true) : NULL;
    if (y) {
        int64_t axis = pn_node_int(n, "axis", -1), step = 1;
        if (axis < 0) axis += x->shape.ndim;
        for (int i = x->shape.ndim - 1; i > axis; i--)
            step *= x->shape.dim[i];
        const int64_t len = x->shape.dim[axis];
        for (int64_t i = 0; i < x->n / len; i++)
            softmax_one(x, i / step * step * len + i % step, step, len,
                        n->op == PN_OP_LOG_SOFTMAX, y);
    }
    pn_oracle_done(&room);
    return y ? PN_OK : PN_ENOMEM;
}

/* Which axes go; all where none is named, unless that means none. */
static bool reduced_axes(const pn_walk64 *w, const pn_node *n, int ndim, bool *goes)
{
    int64_t axes[PN_MAX_DIMS];
    const int count = pn_oracle_ints(w, n, "axes", 1, axes, PN_MAX_DIMS);
    const bool all = count <= 0 && !pn_node_int(n, "noop_with_empty_axes", 0);
    for (int i = 0; i < ndim; i++)
        goes[i] = all;
    for (int i = 0; i < count; i++) {
        const int64_t axis = axes[i] < 0 ? axes[i] + ndim : axes[i];
        if (axis < 0 || axis >= ndim) return false;
        goes[axis] = true;
    }
    return true;
}

/* One factor more: |p + e||v + off| is at most |p v| + |p| off + e (|v| + off). */
static void multiply_one(const pn_array64 *x, int64_t i, int64_t at, bool is_new,
                         pn_array64 *y)
{
    const double v = x->x[i], before = is_new ? 1 : y->x[at];
    for (int plane = 0; y->most && plane < 2; plane++) {
        double *off = &y->most[plane * y->n + at];
        const double own = pn_off(x, plane, i);
        *off = fabs(before) * own + *off * (fabs(v) + own);
    }
    y->x[at] = before * v;
}

/* One element into the output it belongs to; sums and products are done in double. */
static void reduce_one(pn_op op, const pn_array64 *x, int64_t i, int64_t at, bool is_new,
                       pn_array64 *y)
{
    const double v = x->x[i];
    if (op == PN_OP_REDUCE_PROD) {
        multiply_one(x, i, at, is_new, y);
        return;
    }
    if (op == PN_OP_REDUCE_SUM || op == PN_OP_REDUCE_MEAN)
        y->x[at] += v;
    else if (is_new || isnan(v) || (op == PN_OP_REDUCE_MAX ? v > y->x[at] : v < y->x[at]))
        y->x[at] = v;
    for (int plane = 0; y->most && plane < 2; plane++) {
        double *off = &y->most[plane * y->n + at];
        if (op == PN_OP_REDUCE_SUM || op == PN_OP_REDUCE_MEAN)
            *off += pn_off(x, plane, i);
        else
            *off = fmax(*off, pn_off(x, plane, i));
    }
}

/* What the result's rounding to float adds, in parts of it; a product has lost up to
 * 2^-53 with each factor, here and there. */
static double own_of_reduce(pn_op op, int64_t each)
{
    if (op == PN_OP_REDUCE_PROD) return 2 * PN_U + (double)each * 0x1p-52;
    return op == PN_OP_REDUCE_SUM || op == PN_OP_REDUCE_MEAN ? 2 * PN_U : 0;
}

static void finish_reduce(pn_op op, int64_t each, pn_array64 *y)
{
    const double own = own_of_reduce(op, each);
    for (int64_t i = 0; i < y->n; i++) {
        const double size = op == PN_OP_REDUCE_MEAN ? (double)each : 1;
        y->x[i] /= size;
        for (int plane = 0; y->most && plane < 2; plane++)
            y->most[plane * y->n + i] =
                y->most[plane * y->n + i] / size + own * pn_mag(y->x[i]);
    }
}

pn_status pn_oracle_reduce(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room;
    bool goes[PN_MAX_DIMS];
    int64_t step[PN_MAX_DIMS], stride = 1;
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, true) : NULL;
    pn_status st = y ? PN_OK : PN_ENOMEM;
    if (y && !reduced_axes(w, n, x->shape.ndim, goes)) st = PN_EUNSUPPORTED;
    for (int d = st ? -1 : x->shape.ndim - 1; d >= 0; d--) {
        step[d] = goes[d] ? 0 : stride;
        if (!goes[d]) stride *= x->shape.dim[d];
    }
    if (!st && stride != y->n) st = PN_EUNSUPPORTED;
    if (!st) {
        memset(y->x, 0, (size_t)y->n * sizeof(double));
        if (y->most) memset(y->most, 0, (size_t)y->n * 2 * sizeof(double));
    }
    for (int64_t i = 0; !st && i < x->n; i++) {
        int64_t at = 0, rest = i;
        bool is_new = true;
        for (int d = x->shape.ndim - 1; d >= 0; d--) {
            at += rest % x->shape.dim[d] * step[d];
            if (goes[d] && rest % x->shape.dim[d]) is_new = false;
            rest /= x->shape.dim[d];
        }
        reduce_one(n->op, x, i, at, is_new, y);
    }
    if (!st) finish_reduce(n->op, x->n / y->n, y);
    pn_oracle_done(&room);
    return st;
}
