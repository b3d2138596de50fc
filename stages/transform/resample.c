/*
 * Pillow resizes 8-bit pictures in two passes, along x and then along y, each rounded to
 * a byte. Weights are computed in double, normalised and rounded to 22-bit fixed point.
 * All of that is repeated here step by step, since the bits hang on it; what is not
 * repeated is work on pixels that the window leaves out.
 */
#include "stages/transform/resample.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Catmull-Rom, a = -0.5, in the order of operations that Pillow uses */
static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static void axis_fini(pn_axis *a)
{
    free(a->first);
    free(a->n_taps);
    free(a->taps);
    *a = (pn_axis){0};
}

static int to_fixed(double w)
{
    w *= 1 << PN_TAP_BITS;
    return (int)(w < 0 ? w - 0.5 : w + 0.5);
}

static void put_tap(pn_tap_pair *taps, int i, int k)
{
    taps[i / 2].hi[i % 2] = (int16_t)(k >> PN_TAP_LO_BITS);
    taps[i / 2].lo[i % 2] = (int16_t)(k & ((1 << PN_TAP_LO_BITS) - 1));
}

static void fill_filtered(pn_axis *a, double support, double filterscale, double *weights)
{
    double (*filter)(double) = a->filter == PN_FILTER_PILLOW_BICUBIC ? bicubic : bilinear;
    double scale = (double)a->in / (double)a->full, inverse = 1.0 / filterscale;
    size_t pairs = ((size_t)a->max_taps + 1) / 2;
    for (int i = 0; i < a->n; i++) {
        double centre = ((double)(a->window + i) + 0.5) * scale, sum = 0;
        int from = (int)(centre - support + 0.5), to = (int)(centre + support + 0.5);
        if (from < 0) from = 0;
        if (to > a->in) to = a->in;
        int n = to - from;
        for (int t = 0; t < n; t++) {
            weights[t] = filter((t + from - centre + 0.5) * inverse);
            sum += weights[t];
        }
        a->first[i] = from;
        a->n_taps[i] = n;
        for (int t = 0; t < n; t++)
            put_tap(a->taps + pairs * (size_t)i, t,
                    to_fixed(sum != 0 ? weights[t] / sum : weights[t]));
    }
}

/* Pillow walks along the axis by adding: a product would round differently. */
static void fill_nearest(pn_axis *a)
{
    double scale = (double)a->in / (double)a->full, at = scale * 0.5;
    for (int64_t i = 0; i < a->window; i++)
        at += scale;
    for (int i = 0; i < a->n; i++, at += scale) {
        a->first[i] = at < a->in ? (int)at : a->in - 1;
        a->n_taps[i] = 1;
    }
}

static pn_status axis_make(pn_axis *a, pn_filter filter, int in, int64_t full,
                           int64_t window, int n)
{
    if (a->first && a->filter == filter && a->in == in && a->full == full &&
        a->window == window && a->n == n)
        return PN_OK;
    axis_fini(a);
    bool is_nearest = filter == PN_FILTER_PILLOW_NEAREST;
    double scale = (double)in / (double)full, filterscale = scale < 1.0 ? 1.0 : scale;
    double support = filterscale * (filter == PN_FILTER_PILLOW_BICUBIC ? 2.0 : 1.0);
    double span = ceil(support) * 2 + 1;
    *a = (pn_axis){.filter = filter, .in = in, .full = full, .window = window, .n = n};
    a->max_taps = is_nearest ? 1 : span < in ? (int)span : in;

    size_t pairs = ((size_t)a->max_taps + 1) / 2;
    double *weights = malloc((size_t)a->max_taps * sizeof(*weights));
    a->first = malloc((size_t)n * sizeof(*a->first));
    a->n_taps = malloc((size_t)n * sizeof(*a->n_taps));
    a->taps = calloc((size_t)n, pairs * sizeof(*a->taps));
    bool ok = weights && a->first && a->n_taps && a->taps;
    if (!ok)
        axis_fini(a);
    else if (is_nearest)
        fill_nearest(a);
    else
        fill_filtered(a, support, filterscale, weights);
    free(weights);
    return ok ? PN_OK : PN_ENOMEM;
}

static void copy_nearest(const pn_resampler *r, const uint8_t *src, size_t src_stride,
                         uint8_t *out, size_t out_stride)
{
    for (int y = 0; y < r->y.n; y++) {
        const uint8_t *row = src + src_stride * (size_t)r->y.first[y];
        uint8_t *to = out + out_stride * (size_t)y;
        for (int x = 0; x < r->x.n; x++, to += 3) {
            const uint8_t *p = row + (size_t)r->x.first[x] * 3;
            to[0] = p[0];
            to[1] = p[1];
            to[2] = p[2];
        }
    }
}

static pn_status room_for_rows(pn_resampler *r, size_t row_bytes)
{
    int n = r->y.max_taps;
    if (n > r->rows_capacity) {
        free(r->rows);
        r->rows_capacity = 0;
        r->rows = malloc((size_t)n * sizeof(*r->rows));
        if (!r->rows) return PN_ENOMEM;
        r->rows_capacity = n;
    }
    return pn_scratch_reserve(&r->ring, &r->ring_capacity, row_bytes * (size_t)n);
}

static pn_status filter_rows(pn_resampler *r, const uint8_t *src, size_t src_stride,
                             uint8_t *out, size_t out_stride)
{
#if defined(__SSE2__)
    pn_resample_x_fn along_x = pn_resample_x_sse2;
    pn_resample_y_fn along_y = pn_resample_y_sse2;
#else
    pn_resample_x_fn along_x = pn_resample_x_c;
    pn_resample_y_fn along_y = pn_resample_y_c;
#endif
    size_t n_bytes = (size_t)r->x.n * 3, row_bytes = (n_bytes + 16) / 16 * 16;
    size_t pairs = ((size_t)r->y.max_taps + 1) / 2;
    pn_status st = room_for_rows(r, row_bytes);
    if (st) return st;

    int slots = r->y.max_taps, next = 0; /* rows below next are in the ring, or were */
    for (int y = 0; y < r->y.n; y++) {
        int first = r->y.first[y], n = r->y.n_taps[y];
        if (next < first) next = first;
        for (; next < first + n; next++)
            along_x(r->ring + row_bytes * (size_t)(next % slots),
                    src + src_stride * (size_t)next, &r->x);
        for (int t = 0; t < n; t++)
            r->rows[t] = r->ring + row_bytes * (size_t)((first + t) % slots);
        along_y(out + out_stride * (size_t)y, r->rows, r->y.taps + pairs * (size_t)y, n,
                n_bytes);
    }
    return PN_OK;
}

pn_status pn_resample(pn_resampler *r, const pn_bitmap *src, const pn_layout *l,
                      pn_filter filter, uint8_t *out, int out_width)
{
    size_t src_stride = (size_t)src->width * 3, out_stride = (size_t)out_width * 3;
    const uint8_t *from = src->bgr + src_stride * (size_t)l->src_y + (size_t)l->src_x * 3;
    uint8_t *to = out + out_stride * (size_t)l->dst_y + (size_t)l->dst_x * 3;
    pn_status st =
        axis_make(&r->x, filter, l->src_width, l->full_width, l->window_x, l->width);
    if (!st)
        st = axis_make(&r->y, filter, l->src_height, l->full_height, l->window_y,
                       l->height);
    if (st) return st;
    if (filter != PN_FILTER_PILLOW_NEAREST)
        return filter_rows(r, from, src_stride, to, out_stride);
    copy_nearest(r, from, src_stride, to, out_stride);
    return PN_OK;
}

void pn_resampler_trim(pn_resampler *r)
{
    pn_scratch_trim(&r->ring, &r->ring_capacity);
}

void pn_resampler_fini(pn_resampler *r)
{
    axis_fini(&r->x);
    axis_fini(&r->y);
    free(r->ring);
    free(r->rows);
    *r = (pn_resampler){0};
}
