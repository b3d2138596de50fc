/* Pools. A maximum rounds nothing: of inputs rounded alike it is the rounded maximum. An
 * average of n is n roundings of the mean magnitude, and two more where it is a mean of
 * means over the third axis; a global one adds rows, then their sums. */
#include "engine/oracle/block64.h"

#include <math.h>
#include <stdlib.h>

typedef struct pool64 {
    pn_window64 win;
    bool is_max, counts_padding;
} pool64;

/* Inputs under output o along one axis: first, last + 1 in taps, and how many lie within
 * the padded map. */
typedef struct reach {
    int64_t start, first, end, padded;
} reach;

/* Taps t with start + t * dilation below `limit`: a kernel may be any size. */
static int64_t taps_below(const pn_window64 *w, int axis, int64_t start, int64_t limit)
{
    const int64_t d = w->dilation[axis];
    const int64_t n = limit > start ? (limit - start - 1) / d + 1 : 0;
    return n < w->kernel[axis] ? n : w->kernel[axis];
}

static reach reach_of(const pn_window64 *w, int axis, int64_t o)
{
    const int64_t start = o * w->stride[axis] - w->before[axis];
    return (reach){.start = start,
                   .first = taps_below(w, axis, start, 0),
                   .end = taps_below(w, axis, start, w->in[axis]),
                   .padded = taps_below(w, axis, start, w->in[axis] + w->after[axis])};
}

/* One output of one channel: `base` is the channel's first element. */
static void pool_one(const pool64 *p, const pn_array64 *x, int64_t base, const reach r[3],
                     pn_array64 *y, int64_t at)
{
    const pn_window64 *w = &p->win;
    double best = -INFINITY, sum = 0, magnitude = 0, off[2] = {0, 0};
    int64_t n = 0;
    for (int64_t a = r[0].first; a < r[0].end; a++)
        for (int64_t b = r[1].first; b < r[1].end; b++)
            for (int64_t c = r[2].first; c < r[2].end; c++, n++) {
                const int64_t i = base +
                                  ((r[0].start + a * w->dilation[0]) * w->in[1] +
                                   r[1].start + b * w->dilation[1]) *
                                      w->in[2] +
                                  r[2].start + c * w->dilation[2];
                const double v = x->x[i];
                if (v > best || isnan(v)) best = v;
                sum += v;
                magnitude += pn_mag(v);
                for (int plane = 0; y->most && plane < 2; plane++) {
                    const double o = pn_off(x, plane, i);
                    off[plane] = p->is_max ? fmax(off[plane], o) : off[plane] + o;
                }
            }
    const double size =
        p->counts_padding ? (double)(r[0].padded * r[1].padded * r[2].padded) : (double)n;
    y->x[at] = p->is_max ? best : sum / size;
    for (int plane = 0; y->most && plane < 2; plane++)
        y->most[plane * y->n + at] =
            p->is_max ? off[plane]
                      : off[plane] / size + (double)(n + 3) * PN_U * magnitude / size;
}

typedef struct pooling {
    const pool64 *p;
    const pn_array64 *x;
    pn_array64 *y;
} pooling;

static void pool_part(const void *arg, int64_t first, int64_t end)
{
    const pooling *all = arg;
    const pn_window64 *w = &all->p->win;
    const int64_t *in = w->in, *out = w->out, pixels = out[0] * out[1] * out[2];
    for (int64_t at = first; at < end; at++) {
        const int64_t spot = at % pixels, channel = at / pixels;
        const reach r[3] = {reach_of(w, 0, spot / out[2] / out[1]),
                            reach_of(w, 1, spot / out[2] % out[1]),
                            reach_of(w, 2, spot % out[2])};
        pool_one(all->p, all->x, channel * in[0] * in[1] * in[2], r, all->y, at);
    }
}

pn_status pn_oracle_pool(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room;
    pool64 p = {.is_max = n->op == PN_OP_MAX_POOL,
                .counts_padding = pn_node_int(n, "count_include_pad", 0) != 0};
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, true) : NULL;
    pn_status st = y ? PN_OK : PN_ENOMEM;
    if (y && !pn_oracle_window(n, &x->shape, &y->shape, &p.win)) st = PN_EUNSUPPORTED;
    if (!st) st = pn_blocks_run(w, pool_part, &(pooling){&p, x, y}, y->n);
    pn_oracle_done(&room);
    return st;
}

pn_status pn_oracle_global_pool(pn_walk64 *w, const pn_node *n)
{
    pn_array64 room;
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, true) : NULL;
    const bool is_max = n->op == PN_OP_GLOBAL_MAX_POOL;
    int64_t rows = 1, wide = 1; /* slices lie one below the other */
    for (int i = 2; y && i < x->shape.ndim; i++) {
        rows *= wide;
        wide = x->shape.dim[i];
    }
    const int64_t roundings = wide + rows + 1; /* a row, the rows, the division */
    for (int64_t c = 0; y && c < y->n; c++) {
        const int64_t size = x->n / y->n;
        double best = -INFINITY, sum = 0, magnitude = 0, off[2] = {0, 0};
        for (int64_t i = c * size; i < (c + 1) * size; i++) {
            if (x->x[i] > best || isnan(x->x[i])) best = x->x[i];
            sum += x->x[i];
            magnitude += pn_mag(x->x[i]);
            for (int plane = 0; y->most && plane < 2; plane++)
                off[plane] = is_max ? fmax(off[plane], pn_off(x, plane, i))
                                    : off[plane] + pn_off(x, plane, i);
        }
        y->x[c] = is_max ? best : sum / (double)size;
        for (int plane = 0; y->most && plane < 2; plane++)
            y->most[plane * y->n + c] =
                is_max
                    ? off[plane]
                    : (off[plane] + (double)roundings * PN_U * magnitude) / (double)size;
    }
    pn_oracle_done(&room);
    return y ? PN_OK : PN_ENOMEM;
}
