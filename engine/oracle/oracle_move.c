/* Operators that move elements and round nothing: bounds move along. */
#include "engine/oracle/walk64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Whether x's bounds have to be carried along. */
static bool carries(const pn_array64 *x)
{
    return x->most && !x->is_layer;
}

static void move(const pn_array64 *x, int64_t from, pn_array64 *y, int64_t to)
{
    y->x[to] = x->x[from];
    for (int plane = 0; y->most && plane < 2; plane++)
        y->most[plane * y->n + to] = pn_off(x, plane, from);
}

/* Same elements in the same order: Reshape, Flatten, Squeeze, Identity, Dropout ... */
pn_status pn_oracle_same(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room;
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, carries(x)) : NULL;
    pn_status st = !y ? PN_ENOMEM : y->n == x->n ? PN_OK : PN_EUNSUPPORTED;
    for (int64_t i = 0; !st && i < y->n; i++)
        move(x, i, y, i);
    pn_oracle_done(&room);
    return st;
}

/* Where each of y's elements comes from: start + sum of index times step; elements that
 * come from nowhere are not asked for. */
static void move_by_steps(const pn_array64 *x, int64_t start, const int64_t *step,
                          pn_array64 *y)
{
    for (int64_t i = 0; i < y->n; i++) {
        int64_t from = start, rest = i;
        for (int d = y->shape.ndim - 1; d >= 0; d--) {
            from += rest % y->shape.dim[d] * step[d];
            rest /= y->shape.dim[d];
        }
        move(x, from, y, i);
    }
}

static void strides_of(const pn_shape *s, int64_t *stride)
{
    int64_t all = 1;
    for (int d = s->ndim - 1; d >= 0; d--) {
        stride[d] = all;
        all *= s->dim[d];
    }
}

pn_status pn_oracle_transpose(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room;
    int64_t stride[PN_MAX_DIMS], step[PN_MAX_DIMS], perm[PN_MAX_DIMS];
    const int given = pn_oracle_ints(w, n, "perm", -1, perm, PN_MAX_DIMS);
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, carries(x)) : NULL;
    if (y) {
        strides_of(&x->shape, stride);
        for (int d = 0; d < y->shape.ndim; d++)
            step[d] = stride[given == y->shape.ndim ? perm[d] : y->shape.ndim - 1 - d];
        move_by_steps(x, 0, step, y);
    }
    pn_oracle_done(&room);
    return y ? PN_OK : PN_ENOMEM;
}

/* How many elements one step along `axis` is, and all behind it. */
static int64_t inner_of(const pn_shape *s, int64_t axis)
{
    int64_t n = 1;
    for (int d = (int)axis + 1; d < s->ndim; d++)
        n *= s->dim[d];
    return n;
}

static int64_t axis_of(const pn_node *n, int64_t fallback, int ndim)
{
    const int64_t axis = pn_node_int(n, "axis", fallback);
    return axis < 0 ? axis + ndim : axis;
}

pn_status pn_oracle_concat(pn_walk64 *w, const pn_node *n)
{
    pn_array64 *y = pn_oracle_out(w, n, 0, true);
    if (!y) return PN_ENOMEM;
    const int64_t axis = axis_of(n, 1, y->shape.ndim);
    const int64_t inner = inner_of(&y->shape, axis), all = y->shape.dim[axis] * inner;
    int64_t at = 0;
    for (int k = 0; k < n->n_inputs; k++) {
        pn_array64 room;
        const pn_array64 *x = pn_oracle_in(w, n, k, &room);
        if (!x) return PN_ENOMEM;
        const int64_t part = x->shape.dim[axis] * inner;
        for (int64_t i = 0; i < x->n; i++)
            move(x, i, y, i / part * all + at + i % part);
        at += part;
        pn_oracle_done(&room);
    }
    return PN_OK;
}

pn_status pn_oracle_split(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room;
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    if (!x) return PN_ENOMEM;
    const int64_t axis = axis_of(n, 0, x->shape.ndim);
    const int64_t inner = inner_of(&x->shape, axis), all = x->shape.dim[axis] * inner;
    pn_status st = PN_OK;
    for (int64_t k = 0, at = 0; !st && k < n->n_outputs; k++) {
        if (n->outputs[k] == PN_NONE) continue;
        pn_array64 *y = pn_oracle_out(w, n, (int)k, carries(x));
        if (!y) {
            st = PN_ENOMEM;
            break;
        }
        const int64_t part = y->shape.dim[axis] * inner;
        for (int64_t i = 0; i < y->n; i++)
            move(x, i / part * all + at + i % part, y, i);
        at += part;
    }
    pn_oracle_done(&room);
    return st;
}

pn_status pn_oracle_gather(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room, index_room;
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    const pn_array64 *index = pn_oracle_in(w, n, 1, &index_room);
    pn_array64 *y = x && index ? pn_oracle_out(w, n, 0, carries(x)) : NULL;
    pn_status st = y ? PN_OK : PN_ENOMEM;
    const int64_t axis = y ? axis_of(n, 0, x->shape.ndim) : 0;
    const int64_t inner = y ? inner_of(&x->shape, axis) : 1;
    const int64_t size = y ? x->shape.dim[axis] : 0;
    for (int64_t i = 0; !st && i < y->n; i++) {
        const int64_t k = i / inner % index->n;
        const int64_t from = (int64_t)index->x[k] + (index->x[k] < 0 ? size : 0);
        if (from < 0 || from >= size)
            st = PN_EUNSUPPORTED;
        else
            move(x, (i / inner / index->n * size + from) * inner + i % inner, y, i);
    }
    pn_oracle_done(&index_room);
    pn_oracle_done(&room);
    return st;
}

/* The first element that start:..:step takes of d, counted from 0. */
static int64_t first_of(int64_t start, int64_t step, int64_t d)
{
    if (start < 0) start = start < -d ? -1 : start + d;
    if (step > 0) return start < 0 ? 0 : start;
    return start >= d ? d - 1 : start < 0 ? 0 : start;
}

pn_status pn_oracle_slice(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room;
    int64_t start[PN_MAX_DIMS], axes[PN_MAX_DIMS], steps[PN_MAX_DIMS];
    int64_t step[PN_MAX_DIMS], first = 0;
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, carries(x)) : NULL;
    const int count = pn_oracle_ints(w, n, NULL, 1, start, PN_MAX_DIMS);
    const int n_axes = pn_oracle_ints(w, n, NULL, 3, axes, PN_MAX_DIMS);
    const int n_steps = pn_oracle_ints(w, n, NULL, 4, steps, PN_MAX_DIMS);
    pn_status st = !y ? PN_ENOMEM : count < 0 ? PN_EUNSUPPORTED : PN_OK;
    if (!st) strides_of(&x->shape, step);
    for (int i = 0; !st && i < count; i++) {
        int64_t axis = i < n_axes ? axes[i] : i;
        const int64_t by = i < n_steps ? steps[i] : 1;
        if (axis < 0) axis += x->shape.ndim;
        const int64_t from = first_of(start[i], by, x->shape.dim[axis]);
        first += from * step[axis];
        /* of one element the step is not taken; it may be any number */
        if (y->shape.dim[axis] > 1) step[axis] *= by;
    }
    if (!st) move_by_steps(x, first, step, y);
    pn_oracle_done(&room);
    return st;
}

/* Index i of a padded axis in the input; -1: the constant. */
static int64_t unpad(int64_t i, int64_t d, char mode)
{
    if (i >= 0 && i < d) return i;
    if (mode == 'c') return -1;
    if (mode == 'e' || d == 1) return i < 0 ? 0 : d - 1;
    return i < 0 ? -i : 2 * (d - 1) - i;
}

static void set_constant(pn_array64 *y, int64_t i, double x)
{
    y->x[i] = x;
    if (y->most) y->most[i] = y->usual[i] = 0;
}

pn_status pn_oracle_pad(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room, fill_room;
    int64_t pads[2 * PN_MAX_DIMS], stride[PN_MAX_DIMS];
    const char mode = *pn_node_string(n, "mode", "constant");
    double fill = 0;
    if (pn_oracle_has(w, n, 2)) {
        const pn_array64 *f = pn_oracle_in(w, n, 2, &fill_room);
        if (!f) return PN_ENOMEM;
        fill = f->x[0];
        pn_oracle_done(&fill_room);
    }
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, carries(x)) : NULL;
    pn_status st = y ? PN_OK : PN_ENOMEM;
    if (y && pn_oracle_ints(w, n, "pads", 1, pads, 2 * PN_MAX_DIMS) != 2 * x->shape.ndim)
        st = PN_EUNSUPPORTED;
    if (!st) strides_of(&x->shape, stride);
    for (int64_t i = 0; !st && i < y->n; i++) {
        int64_t from = 0, rest = i;
        for (int d = y->shape.ndim - 1; d >= 0; d--) {
            const int64_t at =
                unpad(rest % y->shape.dim[d] - pads[d], x->shape.dim[d], mode);
            from = at < 0 || from < 0 ? -1 : from + at * stride[d];
            rest /= y->shape.dim[d];
        }
        if (from >= 0)
            move(x, from, y, i);
        else
            set_constant(y, i, fill);
    }
    pn_oracle_done(&room);
    return st;
}

/* ---- Resize: along one axis after the other ---- */

enum { MAX_TAPS = 4 };

typedef struct resize64 {
    const char *where, *nearest;
    char mode; /* n, l or c */
    double cubic;
    bool excludes;
} resize64;

static double source_of(const resize64 *r, int64_t i, int64_t in, int64_t out, double s)
{
    const double at = (double)i;
    if (!strcmp(r->where, "asymmetric")) return at / s;
    if (!strcmp(r->where, "align_corners"))
        return out > 1 ? at * (double)(in - 1) / (double)(out - 1) : 0;
    if (!strcmp(r->where, "pytorch_half_pixel") && out == 1) return 0;
    if (!strcmp(r->where, "half_pixel_symmetric")) {
        const double adjust = (double)out / (s * (double)in);
        return (double)in / 2 * (1 - adjust) + (at + 0.5) / s - 0.5;
    }
    return (at + 0.5) / s - 0.5;
}

static double nearest_of(const resize64 *r, double at)
{
    if (!strcmp(r->nearest, "floor")) return floor(at);
    if (!strcmp(r->nearest, "ceil")) return ceil(at);
    if (!strcmp(r->nearest, "round_prefer_ceil")) return floor(at + 0.5);
    return ceil(at - 0.5);
}

static double cubic_weight(double a, double d)
{
    d = fabs(d);
    if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* Taps of output i: indices into an axis of `in`, and weights that sum to one. */
static int taps_of(const resize64 *r, double at, int64_t in, int64_t *index,
                   double *weight)
{
    const int n = r->mode == 'n' ? 1 : r->mode == 'l' ? 2 : 4;
    const double base = r->mode == 'n' ? nearest_of(r, at) : floor(at) - (n == 4);
    double sum = 0;
    for (int t = 0; t < n; t++) {
        const double to = base + t;
        weight[t] = n == 1   ? 1
                    : n == 2 ? 1 - fabs(at - to)
                             : cubic_weight(r->cubic, at - to);
        if (r->excludes && (to < 0 || to > (double)(in - 1))) weight[t] = 0;
        index[t] = to < 0 ? 0 : to > (double)(in - 1) ? in - 1 : (int64_t)to;
        sum += weight[t];
    }
    for (int t = 0; r->excludes && t < n; t++)
        weight[t] /= sum;
    return n;
}

/* x of outer x in x inner to y of outer x out x inner */
static void resize_axis(const resize64 *r, const double *x, double *y, int64_t outer,
                        int64_t in, int64_t out, int64_t inner, double scale)
{
    for (int64_t i = 0; i < out; i++) {
        int64_t index[MAX_TAPS];
        double weight[MAX_TAPS];
        const int n = taps_of(r, source_of(r, i, in, out, scale), in, index, weight);
        for (int64_t o = 0; o < outer; o++)
            for (int64_t k = 0; k < inner; k++) {
                double sum = 0;
                for (int t = 0; t < n; t++)
                    sum += weight[t] * x[(o * in + index[t]) * inner + k];
                y[(o * out + i) * inner + k] = sum;
            }
    }
}

/* Nearest alone is the engine's, and moves floats; the others get no bounds. */
pn_status pn_oracle_resize(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room, scales_room = {.x = NULL};
    const resize64 r = {
        .where = pn_node_string(n, "coordinate_transformation_mode", "half_pixel"),
        .nearest = pn_node_string(n, "nearest_mode", "round_prefer_floor"),
        .mode = *pn_node_string(n, "mode", "nearest"),
        .cubic = (double)pn_node_float(n, "cubic_coeff_a", -0.75F),
        .excludes = pn_node_int(n, "exclude_outside", 0) != 0};
    const pn_array64 *scales =
        pn_oracle_has(w, n, 2) ? pn_oracle_in(w, n, 2, &scales_room) : NULL;
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, false) : NULL;
    int64_t most = x && y ? x->n : 0, count = most;
    for (int d = 0; y && d < y->shape.ndim; d++) {
        count = count / x->shape.dim[d] * y->shape.dim[d];
        most = count > most ? count : most;
    }
    double *from = malloc(((size_t)most + 1) * sizeof(double));
    double *to = malloc(((size_t)most + 1) * sizeof(double));
    pn_status st = y && from && to ? PN_OK : PN_ENOMEM;
    if (!st) memcpy(from, x->x, (size_t)x->n * sizeof(double));
    int64_t outer = 1, inner = st ? 0 : x->n;
    for (int d = 0; !st && d < y->shape.ndim; d++) {
        const int64_t in = x->shape.dim[d], out = y->shape.dim[d];
        inner /= in;
        const double scale = scales ? scales->x[d] : (double)out / (double)in;
        if (in != out || scale != 1) {
            resize_axis(&r, from, to, outer, in, out, inner, scale);
            double *swap = from;
            from = to;
            to = swap;
        }
        outer *= out;
    }
    if (!st) memcpy(y->x, from, (size_t)y->n * sizeof(double));
    free(from);
    free(to);
    pn_oracle_done(&scales_room);
    pn_oracle_done(&room);
    return st;
}
