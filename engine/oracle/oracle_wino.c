/* How far a convolution by F(4x4, 3x3) or F(5x5, 3x3) may be off: y = A' [sum over
 * channels of (G w G') * (B' x B)] A, with the engine's points 0, +-sqrt(1/2), +-sqrt(2),
 * infinity or +-9/32, +-27/32, +-7/4, infinity (engine/kernels/winograd.c; after
 * Barabasz, Anderson, Soodhalter & Gregg 2020, Error Analysis and Improving the Accuracy
 * of Winograd Convolution for Deep Neural Networks, whose bound is one of norms; this one
 * is per tile and output channel). With U and V the two transformed factors, |U|.|V| <=
 * norm(U) norm(V) over the channels (Cauchy and Schwarz):
 *
 *     chains of products       n u norm(U) norm(V)
 *     the input's transform    9 u norm(U) norm(|B'| |x| |B|): four roundings each way
 *                              (three of F(5x5, 3x3)), and what came in
 *     the output's transform   10 u norm(U) norm(V): five roundings each way (four)
 *
 * go through |A'| . |A| for what is sure, and through the root of the sum of the squares
 * (A has random signs before it) for what is usual. */
#include "engine/oracle/walk64.h"

#include <math.h>
#include <stdlib.h>

enum { IN = 7, OUT = 5, PLANES = IN * IN }; /* of the larger */

/* a transform of numbers `step` apart */
typedef void fold(const double *from, int step, double *to);

typedef struct scheme {
    int in, out;
    const double (*kernel)[3];
    fold *input, *input_abs, *output_abs, *output_squared;
} scheme;

#define A 0.70710678118654752440 /* sqrt(1/2) */
#define B 1.41421356237309504880 /* sqrt(2) */

static const double kernel_4[][3] = {{1, 0, 0},
                                     {-2.0 / 3, -B / 3, -1.0 / 3},
                                     {-2.0 / 3, B / 3, -1.0 / 3},
                                     {1.0 / 6, B / 6, 1.0 / 3},
                                     {1.0 / 6, -B / 6, 1.0 / 3},
                                     {0, 0, 1}};

/* The rows of the input's matrix times six numbers; 1 and 2, 3 and 4 are each other's
 * mirror. */
static void in_4(const double *d, int step, double *out)
{
    const double even = d[4 * step] - 2 * d[2 * step];
    const double odd = A * d[3 * step] - B * d[step];
    const double even2 = d[4 * step] - 0.5 * d[2 * step];
    const double odd2 = B * d[3 * step] - A * d[step];
    out[0] = d[0] - 2.5 * d[2 * step] + d[4 * step];
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = even2 + odd2;
    out[4] = even2 - odd2;
    out[5] = d[step] - 2.5 * d[3 * step] + d[5 * step];
}

/* ... and of its magnitudes */
static void in_4_abs(const double *d, int step, double *out)
{
    out[0] = d[0] + 2.5 * d[2 * step] + d[4 * step];
    out[1] = out[2] = B * d[step] + 2 * d[2 * step] + A * d[3 * step] + d[4 * step];
    out[3] = out[4] = A * d[step] + 0.5 * d[2 * step] + B * d[3 * step] + d[4 * step];
    out[5] = d[step] + 2.5 * d[3 * step] + d[5 * step];
}

/* The magnitudes of the output's matrix times six numbers, and their squares. */
static void out_4_abs(const double *x, int step, double *out)
{
    const double low = x[step] + x[2 * step], high = x[3 * step] + x[4 * step];
    out[0] = x[0] + low + high;
    out[1] = A * low + B * high;
    out[2] = 0.5 * low + 2 * high;
    out[3] = A / 2 * low + 2 * B * high + x[5 * step];
}

static void out_4_squared(const double *x, int step, double *out)
{
    const double low = x[step] + x[2 * step], high = x[3 * step] + x[4 * step];
    out[0] = x[0] + low + high;
    out[1] = 0.5 * low + 2 * high;
    out[2] = 0.25 * low + 4 * high;
    out[3] = 0.125 * low + 8 * high + x[5 * step];
}

static const scheme four = {6, 4, kernel_4, in_4, in_4_abs, out_4_abs, out_4_squared};

/* F(5x5, 3x3): x of +-x, and of the other two pairs the sum and the product of the
 * squares; the rows of x are those of (t + x) (t^4 - sum t^2 + product). */
typedef struct pair {
    double at, sum, product;
} pair;

static const pair pairs[3] = {{9. / 32, 3865. / 1024, 35721. / 16384},
                              {27. / 32, 3217. / 1024, 3969. / 16384},
                              {7. / 4, 810. / 1024, 59049. / 1048576}};

/* 1 over the product of x's distances to the other points */
#define WEIGHT(x, y, z)                                                                  \
    (1 / (2 * (x) * ((x) * (x) - (y) * (y)) * ((x) * (x) - (z) * (z))))
#define P WEIGHT(9. / 32, 27. / 32, 7. / 4)
#define Q WEIGHT(27. / 32, 9. / 32, 7. / 4)
#define R WEIGHT(7. / 4, 9. / 32, 27. / 32)
static const double kernel_5[][3] = {{P, P * 9 / 32, P * 81 / 1024},
                                     {-P, P * 9 / 32, -P * 81 / 1024},
                                     {Q, Q * 27 / 32, Q * 729 / 1024},
                                     {-Q, Q * 27 / 32, -Q * 729 / 1024},
                                     {R, R * 7 / 4, R * 49 / 16},
                                     {-R, R * 7 / 4, -R * 49 / 16},
                                     {0, 0, 1}};

static void in_5(const double *d, int step, double *out)
{
    for (int i = 0; i < 3; i++) {
        const pair *p = &pairs[i];
        const double even = p->product * d[0] - p->sum * d[2 * step] + d[4 * step];
        const double odd = p->product * d[step] - p->sum * d[3 * step] + d[5 * step];
        out[2 * i] = odd + p->at * even;
        out[2 * i + 1] = odd - p->at * even;
    }
    out[6] = d[6 * step] - 3946. / 1024 * d[4 * step] + 2599209. / 1048576 * d[2 * step] -
             2893401. / 16777216 * d[0];
}

static void in_5_abs(const double *d, int step, double *out)
{
    for (int i = 0; i < 3; i++) {
        const pair *p = &pairs[i];
        const double even = p->product * d[0] + p->sum * d[2 * step] + d[4 * step];
        const double odd = p->product * d[step] + p->sum * d[3 * step] + d[5 * step];
        out[2 * i] = out[2 * i + 1] = odd + p->at * even;
    }
    out[6] = d[6 * step] + 3946. / 1024 * d[4 * step] + 2599209. / 1048576 * d[2 * step] +
             2893401. / 16777216 * d[0];
}

/* Rows of powers of `first`, `second`, `third`. */
static inline void powers(const double *x, int step, double *out, double first,
                          double second, double third)
{
    double p = x[0] + x[step], q = x[2 * step] + x[3 * step];
    double r = x[4 * step] + x[5 * step];
    for (int i = 0; i < 5; i++, p *= first, q *= second, r *= third)
        out[i] = p + q + r;
    out[4] += x[6 * step];
}

static void out_5_abs(const double *x, int step, double *out)
{
    powers(x, step, out, 9. / 32, 27. / 32, 7. / 4);
}

static void out_5_squared(const double *x, int step, double *out)
{
    powers(x, step, out, 81. / 1024, 729. / 1024, 49. / 16);
}

static const scheme five = {7, 5, kernel_5, in_5, in_5_abs, out_5_abs, out_5_squared};

/* norm(U)^2 is g' (sum over the channels of w w') g, g being a plane's products of rows
 * of the kernel's matrix: the sum takes fewer operations than the transforms. What may
 * cancel in it is put on top. */
typedef double gram[9][9];

static void add_kernels(const double *w, int64_t n, gram sum)
{
    for (int i = 0; i < 9; i++)
        for (int j = 0; j < 9; j++) {
            double more = 0;
            for (int64_t c = 0; c < n; c++)
                more += w[c * 9 + i] * w[c * 9 + j];
            sum[i][j] += more;
        }
}

/* norm(U) over the channels, by plane, of one output channel */
static void kernel_norms(const scheme *s, const pn_value *weights, int64_t first,
                         int64_t cin, double *room, double *norms)
{
    gram sum = {{0}};
    double trace = 0;
    pn_oracle_widen(weights, first, cin * 9, room);
    for (int64_t c = 0; c < cin; c += 4)
        if (cin - c < 4)
            add_kernels(room + c * 9, cin - c, sum);
        else
            add_kernels(room + c * 9, 4, sum);
    for (int i = 0; i < 9; i++)
        trace += sum[i][i];
    for (int f = 0; f < s->in * s->in; f++) {
        double g[9], norm = 0, length = 0;
        for (int i = 0; i < 9; i++) {
            g[i] = s->kernel[f / s->in][i / 3] * s->kernel[f % s->in][i % 3];
            length += g[i] * g[i];
        }
        for (int i = 0; i < 9; i++)
            for (int j = 0; j < 9; j++)
                norm += g[i] * g[j] * sum[i][j];
        norms[f] = sqrt(fmax(norm, 0) + 0x1p-40 * length * trace);
    }
}

#define INLINED static inline __attribute__((always_inline))

/* left from left', left being rows x columns: columns first, then what came of them */
INLINED void both_sides(fold *f, int rows, int columns, const double *from, double *to)
{
    double half[IN * IN];
    for (int j = 0; j < columns; j++)
        f(from + j, columns, half + j * rows);
    for (int i = 0; i < rows; i++)
        f(half + i, rows, to + i * rows);
}

/* By plane: what times norm(U) is sure, what times its square the usual's square. */
typedef struct tile {
    const scheme *s;
    int64_t top, left; /* of its outputs */
    double sure[PLANES], usual[PLANES];
} tile;

INLINED void load_tile(const scheme *s, const pn_window64 *w, const double *x,
                       const tile *t, double *d, double *magnitude)
{
    const int64_t h = w->in[1], wide = w->in[2];
    for (int i = 0; i < s->in * s->in; i++) {
        const int64_t y = t->top - w->before[1] + i / s->in;
        const int64_t at = t->left - w->before[2] + i % s->in;
        const bool is_in = y >= 0 && y < h && at >= 0 && at < wide;
        d[i] = is_in ? x[y * wide + at] : 0;
        magnitude[i] = is_in ? pn_mag(d[i]) : 0;
    }
}

INLINED void norms_by(const scheme *s, const pn_window64 *w, const pn_array64 *x,
                      int64_t cin, int64_t roundings, tile *t)
{
    const int planes = s->in * s->in;
    double plain[PLANES] = {0}, absolute[PLANES] = {0};
    for (int64_t c = 0; c < cin; c++) {
        double d[PLANES], magnitude[PLANES], v[PLANES], a[PLANES];
        load_tile(s, w, x->x + c * w->in[1] * w->in[2], t, d, magnitude);
        both_sides(s->input, s->in, s->in, d, v);
        both_sides(s->input_abs, s->in, s->in, magnitude, a);
        for (int f = 0; f < planes; f++) {
            plain[f] += v[f] * v[f];
            absolute[f] += a[f] * a[f];
        }
    }
    const double chains = pn_roundings(0, roundings + 2);
    const double walk = pn_roundings(1, roundings + 2);
    for (int f = 0; f < planes; f++) {
        const double norm = sqrt(plain[f]);
        const double transforms = PN_U * (10 * norm + 9 * sqrt(absolute[f]));
        t->sure[f] = chains * norm + transforms;
        t->usual[f] = walk * norm + transforms;
        t->usual[f] *= t->usual[f];
    }
}

/* A scheme is a constant wherever its numbers count most. */
static void tile_norms(const pn_window64 *w, const pn_array64 *x, int64_t cin,
                       int64_t roundings, tile *t)
{
    if (t->s == &four)
        norms_by(&four, w, x, cin, roundings, t);
    else
        norms_by(&five, w, x, cin, roundings, t);
}

INLINED void bound_by(const scheme *s, const tile *t, const double *norms, double *most,
                      double *usual)
{
    double sure[PLANES], random[PLANES];
    for (int f = 0; f < s->in * s->in; f++) {
        sure[f] = norms[f] * t->sure[f];
        random[f] = norms[f] * norms[f] * t->usual[f];
    }
    both_sides(s->output_abs, s->out, s->in, sure, most);
    both_sides(s->output_squared, s->out, s->in, random, usual);
    for (int i = 0; i < s->out * s->out; i++)
        usual[i] = sqrt(usual[i]);
}

/* Bounds of one tile of one output channel; `norms` are U's. */
static void bound_tile(const tile *t, const double *norms, double *most, double *usual)
{
    if (t->s == &four)
        bound_by(&four, t, norms, most, usual);
    else
        bound_by(&five, t, norms, most, usual);
}

static void store_tile(const pn_window64 *w, const tile *t, int64_t channel,
                       const double *most, const double *usual, pn_array64 *y)
{
    const int out = t->s->out;
    for (int i = 0; i < out * out; i++) {
        const int64_t row = t->top + i / out, column = t->left + i % out;
        if (row >= w->out[1] || column >= w->out[2]) continue;
        const int64_t at = (channel * w->out[1] + row) * w->out[2] + column;
        const double own = 2 * PN_U * pn_mag(y->x[at]);
        y->most[at] = most[i] + own;
        y->usual[at] = usual[i] + own;
    }
}

typedef struct bounds {
    const scheme *s;
    const pn_value *weights;
    const pn_window64 *w;
    const pn_array64 *x;
    pn_array64 *y;
    int64_t roundings, cin, cout, n_tiles;
    int64_t channels; /* of a task */
    tile *tiles;
} bounds;

static pn_status do_tile(void *arg, int64_t task)
{
    const bounds *b = arg;
    tile_norms(b->w, b->x, b->cin, b->roundings, &b->tiles[task]);
    return PN_OK;
}

static pn_status do_channels(void *arg, int64_t task)
{
    const bounds *b = arg;
    const int64_t first = task * b->channels;
    double *room = malloc((size_t)b->cin * 9 * sizeof(double));
    if (!room) return PN_ENOMEM;
    for (int64_t o = first; o < b->cout && o < first + b->channels; o++) {
        double norms[PLANES], most[OUT * OUT], usual[OUT * OUT];
        kernel_norms(b->s, b->weights, o * b->cin * 9, b->cin, room, norms);
        for (int64_t i = 0; i < b->n_tiles; i++) {
            bound_tile(&b->tiles[i], norms, most, usual);
            store_tile(b->w, &b->tiles[i], o, most, usual, b->y);
        }
    }
    free(room);
    return PN_OK;
}

pn_status pn_oracle_winograd(const pn_walk64 *walk, const pn_value *weights,
                             const pn_window64 *w, const pn_array64 *x, const pn_sum *sum,
                             pn_array64 *y)
{
    const scheme *s = sum->kind == PN_SUM_WINOGRAD_5 ? &five : &four;
    const int64_t high = (w->out[1] + s->out - 1) / s->out;
    const int64_t wide = (w->out[2] + s->out - 1) / s->out;
    bounds b = {.s = s, .weights = weights, .w = w, .x = x, .y = y};
    b.roundings = sum->roundings;
    b.cin = x->shape.dim[1];
    b.cout = y->shape.dim[1];
    b.n_tiles = high * wide;
    b.channels = (b.cout + 7) / 8;
    b.tiles = calloc((size_t)b.n_tiles, sizeof(*b.tiles));
    if (!b.tiles) return PN_ENOMEM;
    for (int64_t i = 0; i < b.n_tiles; i++) {
        b.tiles[i].s = s;
        b.tiles[i].top = i / wide * s->out;
        b.tiles[i].left = i % wide * s->out;
    }
    pn_status st = pn_share_run(walk->share, do_tile, &b, b.n_tiles);
    if (!st)
        st = pn_share_run(walk->share, do_channels, &b,
                          (b.cout + b.channels - 1) / b.channels);
    free(b.tiles);
    return st;
}
