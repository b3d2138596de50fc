/* Sums of products: convolutions, Gemm, MatMul. With weights w and input x, sums of n
 * products in fused multiply-adds are off by at most
 *
 *     n u sum|w||x|          the chain (Higham 3.1; blocks of a chain add their number)
 *   + 2 u sum|w||x|          weights, scaled or not, and the result are rounded once
 *   + sum|w| off(x)          what came in
 *   + 2 u (|y| + |b|)        the bias and its addition
 *
 * sum|w||x| is the same product once more, of magnitudes. */
#include "engine/oracle/walk64.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels/kernels.h"

/* Doubles of widened weights, and of gathered windows, at a time. */
#define PART_DOUBLES (1 << 20)

static int64_t part_of(int64_t all, int64_t each)
{
    const int64_t n = PART_DOUBLES / each;
    return n < 1 ? 1 : n < all ? n : all;
}

static void widen(const pn_value *v, int64_t first, int64_t n, bool magnitudes,
                  double *out)
{
    pn_oracle_widen(v, first, n, out);
    for (int64_t i = 0; magnitudes && i < n; i++)
        out[i] = pn_mag(out[i]);
}

/* A convolution by the numbers: channels in and out of a group, taps, pixels. */
typedef struct conv64 {
    const pn_value *weights;
    pn_window64 win;
    int64_t group, cin, cout, taps, pixels_in, pixels;
} conv64;

bool pn_oracle_window(const pn_node *n, const pn_shape *x, const pn_shape *y,
                      pn_window64 *w)
{
    const pn_attr *k = pn_node_attr(n, "kernel_shape"), *s = pn_node_attr(n, "strides");
    const pn_attr *d = pn_node_attr(n, "dilations"), *p = pn_node_attr(n, "pads");
    const int axes = x->ndim - 2;
    if (axes < 1 || axes > 3 || y->ndim != x->ndim || !k || (int)k->n != axes)
        return false;
    for (int i = 0; i < 3; i++) {
        w->kernel[i] = w->stride[i] = w->dilation[i] = w->in[i] = w->out[i] = 1;
        w->before[i] = w->after[i] = 0;
    }
    for (int i = 0; i < axes; i++) {
        const int at = 3 - axes + i;
        w->kernel[at] = k->ints[i];
        if (s && (int)s->n == axes) w->stride[at] = s->ints[i];
        if (d && (int)d->n == axes) w->dilation[at] = d->ints[i];
        if (p && (int)p->n == 2 * axes) {
            w->before[at] = p->ints[i];
            w->after[at] = p->ints[axes + i];
        }
        w->in[at] = x->dim[2 + i];
        w->out[at] = y->dim[2 + i];
    }
    return true;
}

/* One tap of one channel under outputs first .. end: zero where it misses the map. */
static void gather_row(const pn_window64 *w, const double *x, int64_t tap, int64_t first,
                       int64_t end, double *to)
{
    const int64_t kw = tap % w->kernel[2], kh = tap / w->kernel[2] % w->kernel[1];
    const int64_t kd = tap / w->kernel[2] / w->kernel[1];
    for (int64_t p = first; p < end;) {
        const int64_t row = p / w->out[2], ow = p % w->out[2];
        const int64_t run = end - p < w->out[2] - ow ? end - p : w->out[2] - ow;
        const int64_t id =
            row / w->out[1] * w->stride[0] - w->before[0] + kd * w->dilation[0];
        const int64_t ih =
            row % w->out[1] * w->stride[1] - w->before[1] + kh * w->dilation[1];
        const bool is_row = id >= 0 && id < w->in[0] && ih >= 0 && ih < w->in[1];
        const double *from = x + (id * w->in[1] + ih) * w->in[2];
        int64_t iw = ow * w->stride[2] - w->before[2] + kw * w->dilation[2];
        for (int64_t i = 0; i < run; i++, iw += w->stride[2])
            *to++ = is_row && iw >= 0 && iw < w->in[2] ? from[iw] : 0;
        p += run;
    }
}

/* y += the convolution of one group with a few channels in it, tap by tap. */
static void convolve_thin(const conv64 *c, int64_t group, const double *x,
                          bool magnitudes, double *room, double *y)
{
    const int64_t k = c->cin * c->taps;
    double *weights = room + c->pixels;
    for (int64_t i = 0; i < k; i++) {
        gather_row(&c->win, x + (group * c->cin + i / c->taps) * c->pixels_in,
                   i % c->taps, 0, c->pixels, room);
        for (int64_t o = 0; o < c->cout; o++) {
            const int64_t channel = group * c->cout + o;
            widen(c->weights, channel * k + i, 1, magnitudes, weights);
            double *to = y + channel * c->pixels;
            for (int64_t p = 0; p < c->pixels; p++)
                to[p] += *weights * room[p];
        }
    }
}

static void convolve_group(const conv64 *c, int64_t group, const double *x,
                           bool magnitudes, double *room, double *y)
{
    const int64_t k = c->cin * c->taps;
    const int64_t columns = part_of(c->pixels, k), rows = part_of(c->cout, k);
    double *gathered = room, *weights = room + k * columns;
    for (int64_t p = 0; p < c->pixels; p += columns) {
        const int64_t end = p + columns < c->pixels ? p + columns : c->pixels;
        for (int64_t i = 0; i < k; i++)
            gather_row(&c->win, x + (group * c->cin + i / c->taps) * c->pixels_in,
                       i % c->taps, p, end, gathered + i * (end - p));
        for (int64_t o = 0; o < c->cout; o += rows) {
            const int64_t n = c->cout - o < rows ? c->cout - o : rows;
            const int64_t channel = group * c->cout + o;
            widen(c->weights, channel * k, n * k, magnitudes, weights);
            pn_f64_gemm_blas(&(pn_product64){.m = n,
                                             .n = end - p,
                                             .k = k,
                                             .a = weights,
                                             .lda = k,
                                             .b = gathered,
                                             .ldb = end - p,
                                             .c = y + channel * c->pixels + p,
                                             .ldc = c->pixels});
        }
    }
}

static pn_status convolve(const conv64 *c, const double *x, bool magnitudes, double *y)
{
    const int64_t k = c->cin * c->taps;
    const bool is_thin = c->group > 1 && c->cout < 4;
    const int64_t size =
        is_thin ? c->pixels + 1 : k * (part_of(c->pixels, k) + part_of(c->cout, k));
    double *room = malloc((size_t)size * sizeof(double));
    if (!room) return PN_ENOMEM;
    for (int64_t g = 0; g < c->group; g++)
        (is_thin ? convolve_thin : convolve_group)(c, g, x, magnitudes, room, y);
    free(room);
    return PN_OK;
}

/* From sum|w||x| in `sums` to bounds; what came in is u|x| for every operand that a layer
 * can have here, so that it is one rounding more. */
static void bound_sums(pn_array64 *y, const double *sums, int64_t roundings)
{
    for (int plane = 0; plane < 2; plane++) {
        const double f = pn_roundings(plane, roundings + 2) + PN_U;
        for (int64_t i = 0; i < y->n; i++)
            y->most[plane * y->n + i] = f * sums[i] + 2 * PN_U * pn_mag(y->x[i]);
    }
}

/* Bias of channel c, on `pixels` of each. */
static void add_bias(pn_array64 *y, const pn_array64 *bias, int64_t pixels)
{
    for (int64_t i = 0; i < y->n; i++) {
        const double b = bias->x[i / pixels % bias->n];
        y->x[i] += b;
        for (int plane = 0; y->most && plane < 2; plane++)
            y->most[plane * y->n + i] += 2 * PN_U * pn_mag(b);
    }
}

static double *magnitudes_of(const pn_array64 *x)
{
    double *m = malloc((size_t)x->n * sizeof(double));
    for (int64_t i = 0; m && i < x->n; i++)
        m[i] = pn_mag(x->x[i]);
    return m;
}

/* y = the convolution of x, or of magnitudes; y is zeroed. */
typedef pn_status convolve_fn(const conv64 *c, const double *x, bool magnitudes,
                              double *y);

static pn_status bound_conv(const conv64 *c, convolve_fn *f, const pn_array64 *x,
                            const pn_sum *sum, pn_array64 *y)
{
    if (sum->kind == PN_SUM_WINOGRAD)
        return pn_oracle_winograd(c->weights, &c->win, x, sum->roundings, y);
    double *m = magnitudes_of(x), *sums = calloc((size_t)y->n, sizeof(double));
    pn_status st = m && sums ? f(c, m, true, sums) : PN_ENOMEM;
    if (!st) bound_sums(y, sums, sum->roundings);
    free(sums);
    free(m);
    return st;
}

static pn_status with_bias(pn_walk64 *w, const pn_node *n, pn_array64 *y, int64_t pixels)
{
    pn_array64 room;
    if (!pn_oracle_has(w, n, 2)) return PN_OK;
    const pn_array64 *bias = pn_oracle_in(w, n, 2, &room);
    if (bias) add_bias(y, bias, pixels);
    pn_oracle_done(&room);
    return bias ? PN_OK : PN_ENOMEM;
}

static int64_t product3(const int64_t *d)
{
    return d[0] * d[1] * d[2];
}

/* What both kinds of convolution have in common; weights must be a constant. */
static pn_status open_conv(pn_walk64 *w, const pn_node *n, const pn_array64 *x,
                           const pn_array64 *y, conv64 *c)
{
    c->weights = &w->g->values[n->inputs[1]];
    if (!c->weights->data || !pn_oracle_window(n, &x->shape, &y->shape, &c->win))
        return PN_EUNSUPPORTED;
    c->group = pn_node_int(n, "group", 1);
    c->cin = x->shape.dim[1] / c->group;
    c->cout = y->shape.dim[1] / c->group;
    c->taps = product3(c->win.kernel);
    c->pixels_in = product3(c->win.in);
    c->pixels = product3(c->win.out);
    const int64_t room =
        (int64_t)(c->weights->size_bytes / pn_dtype_size(c->weights->dtype));
    return c->taps * c->cin <= INT_MAX && c->taps * c->cin * c->cout * c->group <= room
               ? PN_OK
               : PN_EUNSUPPORTED;
}

static pn_status convolution(pn_walk64 *w, const pn_node *n, convolve_fn *f)
{
    pn_array64 room;
    conv64 c;
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, true) : NULL;
    pn_status st = y ? open_conv(w, n, x, y, &c) : PN_ENOMEM;
    if (!st) st = f(&c, x->x, false, y->x);
    if (!st && y->most) st = bound_conv(&c, f, x, &w->sums[n - w->g->nodes], y);
    if (!st) st = with_bias(w, n, y, c.pixels);
    pn_oracle_done(&room);
    return st;
}

pn_status pn_oracle_conv(pn_walk64 *w, const pn_node *n)
{
    return convolution(w, n, convolve);
}

/* One input channel's share of one output channel. */
static void scatter(const conv64 *c, const double *x, const double *kernel, double *y)
{
    const pn_window64 *w = &c->win;
    for (int64_t i = 0; i < c->pixels_in; i++) {
        const int64_t ix = i % w->in[2], iy = i / w->in[2] % w->in[1];
        const int64_t iz = i / w->in[2] / w->in[1];
        for (int64_t t = 0; t < c->taps; t++) {
            const int64_t tx = t % w->kernel[2], ty = t / w->kernel[2] % w->kernel[1];
            const int64_t tz = t / w->kernel[2] / w->kernel[1];
            const int64_t ox = ix * w->stride[2] - w->before[2] + tx * w->dilation[2];
            const int64_t oy = iy * w->stride[1] - w->before[1] + ty * w->dilation[1];
            const int64_t oz = iz * w->stride[0] - w->before[0] + tz * w->dilation[0];
            if (ox < 0 || ox >= w->out[2] || oy < 0 || oy >= w->out[1] || oz < 0 ||
                oz >= w->out[0])
                continue;
            y[(oz * w->out[1] + oy) * w->out[2] + ox] += x[i] * kernel[t];
        }
    }
}

/* weights are in x out / group x kernel */
static pn_status convolve_turned(const conv64 *c, const double *x, bool magnitudes,
                                 double *y)
{
    double *kernel = malloc((size_t)c->taps * sizeof(double));
    if (!kernel) return PN_ENOMEM;
    for (int64_t i = 0; i < c->cin * c->group; i++)
        for (int64_t o = 0; o < c->cout; o++) {
            widen(c->weights, (i * c->cout + o) * c->taps, c->taps, magnitudes, kernel);
            scatter(c, x + i * c->pixels_in, kernel,
                    y + (i / c->cin * c->cout + o) * c->pixels);
        }
    free(kernel);
    return PN_OK;
}

pn_status pn_oracle_conv_transpose(pn_walk64 *w, const pn_node *n)
{
    return convolution(w, n, convolve_turned);
}

/* c (m x n) = a (m x k, or k x m turned) times b, a constant of two dimensions that comes
 * a part of its rows at a time. */
static pn_status times_constant(int64_t m, int64_t n, int64_t k, const double *a,
                                bool a_turned, const pn_value *b, bool b_turned,
                                bool magnitudes, double *c)
{
    const int64_t all = b_turned ? n : k, each = b_turned ? k : n;
    const int64_t rows = part_of(all, each);
    double *part = malloc((size_t)(rows * each) * sizeof(double));
    if (!part) return PN_ENOMEM;
    for (int64_t i = 0; i < all; i += rows) {
        const int64_t count = all - i < rows ? all - i : rows;
        widen(b, i * each, count * each, magnitudes, part);
        pn_product64 p = {.m = m, .n = n, .k = k, .b = part, .ldb = each, .ldc = n};
        p.lda = a_turned ? m : k;
        p.a_turned = a_turned;
        p.b_turned = b_turned;
        p.adds = !b_turned;
        if (b_turned)
            p.n = count, p.a = a, p.c = c + i;
        else
            p.k = count, p.a = a + (a_turned ? i * m : i), p.c = c;
        pn_f64_gemm_blas(&p);
    }
    free(part);
    return PN_OK;
}

/* y = scale * (a b), with its bounds; y is zeroed. */
static pn_status fully_connected(const pn_array64 *a, bool a_turned, const pn_value *b,
                                 bool b_turned, double scale, const pn_sum *sum,
                                 pn_array64 *y)
{
    const int64_t n = b->shape.dim[!b_turned], k = b->shape.dim[b_turned];
    const int64_t m = y->n / n;
    if ((int64_t)(b->size_bytes / pn_dtype_size(b->dtype)) < n * k)
        return PN_EUNSUPPORTED;
    pn_status st = times_constant(m, n, k, a->x, a_turned, b, b_turned, false, y->x);
    for (int64_t i = 0; i < y->n; i++)
        y->x[i] *= scale;
    if (st || !y->most) return st;
    double *mag = magnitudes_of(a), *sums = calloc((size_t)y->n, sizeof(double));
    st = mag && sums ? times_constant(m, n, k, mag, a_turned, b, b_turned, true, sums)
                     : PN_ENOMEM;
    for (int64_t i = 0; !st && i < y->n; i++)
        sums[i] *= fabs(scale);
    if (!st) bound_sums(y, sums, sum->roundings);
    free(sums);
    free(mag);
    return st;
}

/* beta C, broadcast to y's rows and columns. */
static pn_status add_third(pn_walk64 *w, const pn_node *n, pn_array64 *y)
{
    pn_array64 room;
    if (!pn_oracle_has(w, n, 2)) return PN_OK;
    const pn_array64 *c = pn_oracle_in(w, n, 2, &room);
    if (!c) return PN_ENOMEM;
    const double beta = (double)pn_node_float(n, "beta", 1);
    const int64_t wide = y->shape.dim[1];
    const int dims = c->shape.ndim;
    const int64_t cw = dims > 0 ? c->shape.dim[dims - 1] : 1;
    const int64_t ch = dims > 1 ? c->shape.dim[dims - 2] : 1;
    for (int64_t i = 0; i < y->n; i++) {
        const int64_t row = ch > 1 ? i / wide : 0, column = cw > 1 ? i % wide : 0;
        const double b = beta * c->x[row * cw + column];
        y->x[i] += b;
        for (int plane = 0; y->most && plane < 2; plane++)
            y->most[plane * y->n + i] += 3 * PN_U * pn_mag(b);
    }
    pn_oracle_done(&room);
    return PN_OK;
}

/* Any two operands, each already an array: one product of their last two dimensions. */
static void multiply(const double *a, bool a_turned, const double *b, bool b_turned,
                     int64_t m, int64_t n, int64_t k, double *c)
{
    pn_f64_gemm_blas(&(pn_product64){.m = m,
                                     .n = n,
                                     .k = k,
                                     .a = a,
                                     .lda = a_turned ? m : k,
                                     .a_turned = a_turned,
                                     .b = b,
                                     .ldb = b_turned ? k : n,
                                     .b_turned = b_turned,
                                     .c = c,
                                     .ldc = n});
}

pn_status pn_oracle_gemm(pn_walk64 *w, const pn_node *n)
{
    pn_array64 rooms[2] = {{.x = NULL}};
    const bool ta = pn_node_int(n, "transA", 0) != 0;
    const bool tb = pn_node_int(n, "transB", 0) != 0;
    const double alpha = (double)pn_node_float(n, "alpha", 1);
    const pn_value *vb = &w->g->values[n->inputs[1]];
    const pn_array64 *a = pn_oracle_in(w, n, 0, &rooms[0]), *b = NULL;
    pn_array64 *y = a ? pn_oracle_out(w, n, 0, vb->data) : NULL;
    pn_status st = y ? PN_OK : PN_ENOMEM;
    if (y && vb->data) {
        st = fully_connected(a, ta, vb, tb, alpha, &w->sums[n - w->g->nodes], y);
    } else if (y) {
        b = pn_oracle_in(w, n, 1, &rooms[1]);
        if (b)
            multiply(a->x, ta, b->x, tb, y->shape.dim[0], y->shape.dim[1],
                     a->shape.dim[!ta], y->x);
        for (int64_t i = 0; i < y->n; i++)
            y->x[i] *= alpha;
        st = b ? PN_OK : PN_ENOMEM;
    }
    if (!st) st = add_third(w, n, y);
    pn_oracle_done(&rooms[0]);
    pn_oracle_done(&rooms[1]);
    return st;
}

/* Where the matrix number `i` of the output's outer dimensions lies in operand a. */
static int64_t outer_offset(const pn_shape *y, int n_outer, const pn_shape *a,
                            int64_t matrix, int64_t i)
{
    int64_t at = 0, step = matrix;
    for (int d = 1; d <= n_outer; d++) {
        const int64_t k = i % y->dim[n_outer - d];
        i /= y->dim[n_outer - d];
        const int axis = a->ndim - 2 - d;
        if (axis < 0) continue;
        if (a->dim[axis] > 1) at += k * step;
        step *= a->dim[axis];
    }
    return at;
}

/* One matrix after the other, and of magnitudes if `sums`. */
static pn_status multiply_all(const pn_array64 *a, const pn_array64 *b, pn_array64 *y,
                              double *sums)
{
    const pn_shape *sa = &a->shape, *sb = &b->shape;
    const int64_t m = sa->ndim > 1 ? sa->dim[sa->ndim - 2] : 1, k = sa->dim[sa->ndim - 1];
    const int64_t n = sb->ndim > 1 ? sb->dim[sb->ndim - 1] : 1;
    const int n_outer = y->shape.ndim - (sa->ndim > 1) - (sb->ndim > 1);
    double *ma = sums ? magnitudes_of(a) : NULL, *mb = sums ? magnitudes_of(b) : NULL;
    const bool ok = !sums || (ma && mb);
    for (int64_t i = 0; ok && i < y->n / (m * n); i++) {
        const int64_t at = outer_offset(&y->shape, n_outer, sa, m * k, i);
        const int64_t bt = outer_offset(&y->shape, n_outer, sb, k * n, i);
        multiply(a->x + at, false, b->x + bt, false, m, n, k, y->x + i * m * n);
        if (sums) multiply(ma + at, false, mb + bt, false, m, n, k, sums + i * m * n);
    }
    free(ma);
    free(mb);
    return ok ? PN_OK : PN_ENOMEM;
}

pn_status pn_oracle_matmul(pn_walk64 *w, const pn_node *n)
{
    pn_array64 rooms[2] = {{.x = NULL}};
    const pn_sum *sum = &w->sums[n - w->g->nodes];
    const pn_value *vb = &w->g->values[n->inputs[1]];
    const pn_array64 *a = pn_oracle_in(w, n, 0, &rooms[0]), *b = NULL;
    pn_array64 *y = a ? pn_oracle_out(w, n, 0, true) : NULL;
    pn_status st = y ? PN_OK : PN_ENOMEM;
    if (y && vb->data && vb->shape.ndim == 2) {
        st = fully_connected(a, false, vb, false, 1, sum, y);
    } else if (y) {
        b = pn_oracle_in(w, n, 1, &rooms[1]);
        double *sums = y->most ? calloc((size_t)y->n, sizeof(double)) : NULL;
        st = b && (sums || !y->most) ? multiply_all(a, b, y, sums) : PN_ENOMEM;
        if (!st && sums) bound_sums(y, sums, sum->roundings + 1);
        free(sums);
    }
    pn_oracle_done(&rooms[0]);
    pn_oracle_done(&rooms[1]);
    return st;
}
