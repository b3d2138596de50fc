/* How far a convolution by F(4x4, 3x3) may be off: y = A' [sum over channels of
 * (G w G') * (B' x B)] A, with the engine's points 0, +-sqrt(1/2), +-sqrt(2), infinity
 * (engine/kernels/winograd.c; after Barabasz, Anderson, Soodhalter & Gregg 2020, Error
 * Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks,
 * whose bound is one of norms; this one is per tile and output channel). With U and V the
 * two transformed factors, |U|.|V| <= norm(U) norm(V) over the channels (Cauchy and
 * Schwarz):
 *
 *     chains of products       n u norm(U) norm(V)
 *     the input's transform    9 u norm(U) norm(|B'| |x| |B|): four roundings each way,
 *                              and what came in
 *     the output's transform   10 u norm(U) norm(V): five roundings each way
 *
 * go through |A'| . |A| for what is sure, and through the root of the sum of the squares
 * (A has random signs before it) for what is usual. */
#include "engine/oracle/walk64.h"

#include <math.h>
#include <stdlib.h>

enum { IN = 6, OUT = 4, PLANES = IN * IN };

#define A 0.70710678118654752440 /* sqrt(1/2) */
#define B 1.41421356237309504880 /* sqrt(2) */

static const double kernel_matrix[IN][3] = {{1, 0, 0},
                                            {-2.0 / 3, -B / 3, -1.0 / 3},
                                            {-2.0 / 3, B / 3, -1.0 / 3},
                                            {1.0 / 6, B / 6, 1.0 / 3},
                                            {1.0 / 6, -B / 6, 1.0 / 3},
                                            {0, 0, 1}};
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
static void kernel_norms(const pn_value *weights, int64_t first, int64_t cin,
                         double *room, double *norms)
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
    for (int f = 0; f < PLANES; f++) {
        double g[9], norm = 0, length = 0;
        for (int i = 0; i < 9; i++) {
            g[i] = kernel_matrix[f / IN][i / 3] * kernel_matrix[f % IN][i % 3];
            length += g[i] * g[i];
        }
        for (int i = 0; i < 9; i++)
            for (int j = 0; j < 9; j++)
                norm += g[i] * g[j] * sum[i][j];
        norms[f] = sqrt(fmax(norm, 0) + 0x1p-40 * length * trace);
    }
}

/* The rows of the input's matrix times six numbers; 1 and 2, 3 and 4 are each other's
 * mirror. */
static void fold_in(const double *d, int step, double *out)
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
static void fold_in_abs(const double *d, int step, double *out)
{
    out[0] = d[0] + 2.5 * d[2 * step] + d[4 * step];
    out[1] = out[2] = B * d[step] + 2 * d[2 * step] + A * d[3 * step] + d[4 * step];
    out[3] = out[4] = A * d[step] + 0.5 * d[2 * step] + B * d[3 * step] + d[4 * step];
    out[5] = d[step] + 2.5 * d[3 * step] + d[5 * step];
}

/* The magnitudes of the output's matrix times six numbers, and their squares. */
static void fold_out_abs(const double *x, int step, double *out)
{
    const double low = x[step] + x[2 * step], high = x[3 * step] + x[4 * step];
    out[0] = x[0] + low + high;
    out[1] = A * low + B * high;
    out[2] = 0.5 * low + 2 * high;
    out[3] = A / 2 * low + 2 * B * high + x[5 * step];
}

static void fold_out_squared(const double *x, int step, double *out)
{
    const double low = x[step] + x[2 * step], high = x[3 * step] + x[4 * step];
    out[0] = x[0] + low + high;
    out[1] = 0.5 * low + 2 * high;
    out[2] = 0.25 * low + 4 * high;
    out[3] = 0.125 * low + 8 * high + x[5 * step];
}

/* left from left': columns first, then what came of them */
static inline __attribute__((always_inline)) void
both_sides(void (*fold)(const double *, int, double *), int rows, const double *from,
           double *to)
{
    double half[IN * IN];
    for (int j = 0; j < IN; j++)
        fold(from + j, IN, half + j * rows);
    for (int i = 0; i < rows; i++)
        fold(half + i, rows, to + i * rows);
}

/* By plane: what times norm(U) is sure, what times its square the usual's square. */
typedef struct tile {
    int64_t top, left; /* of its outputs */
    double sure[PLANES], usual[PLANES];
} tile;

static void load_tile(const pn_window64 *w, const double *x, const tile *t, double *d,
                      double *magnitude)
{
    const int64_t h = w->in[1], wide = w->in[2];
    for (int i = 0; i < PLANES; i++) {
        const int64_t y = t->top - w->before[1] + i / IN;
        const int64_t at = t->left - w->before[2] + i % IN;
        const bool is_in = y >= 0 && y < h && at >= 0 && at < wide;
        d[i] = is_in ? x[y * wide + at] : 0;
        magnitude[i] = is_in ? pn_mag(d[i]) : 0;
    }
}

static void tile_norms(const pn_window64 *w, const pn_array64 *x, int64_t cin,
                       int64_t roundings, tile *t)
{
    double plain[PLANES] = {0}, absolute[PLANES] = {0};
    for (int64_t c = 0; c < cin; c++) {
        double d[PLANES], magnitude[PLANES], v[PLANES], a[PLANES];
        load_tile(w, x->x + c * w->in[1] * w->in[2], t, d, magnitude);
        both_sides(fold_in, IN, d, v);
        both_sides(fold_in_abs, IN, magnitude, a);
        for (int f = 0; f < PLANES; f++) {
            plain[f] += v[f] * v[f];
            absolute[f] += a[f] * a[f];
        }
    }
    const double chains = pn_roundings(0, roundings + 2);
    const double walk = pn_roundings(1, roundings + 2);
    for (int f = 0; f < PLANES; f++) {
        const double norm = sqrt(plain[f]);
        const double transforms = PN_U * (10 * norm + 9 * sqrt(absolute[f]));
        t->sure[f] = chains * norm + transforms;
        t->usual[f] = walk * norm + transforms;
        t->usual[f] *= t->usual[f];
    }
}

/* Bounds of one tile of one output channel; `norms` are U's. */
static void bound_tile(const tile *t, const double *norms, double *most, double *usual)
{
    double sure[PLANES], random[PLANES];
    for (int f = 0; f < PLANES; f++) {
        sure[f] = norms[f] * t->sure[f];
        random[f] = norms[f] * norms[f] * t->usual[f];
    }
    both_sides(fold_out_abs, OUT, sure, most);
    both_sides(fold_out_squared, OUT, random, usual);
    for (int i = 0; i < OUT * OUT; i++)
        usual[i] = sqrt(usual[i]);
}

static void store_tile(const pn_window64 *w, const tile *t, int64_t channel,
                       const double *most, const double *usual, pn_array64 *y)
{
    for (int i = 0; i < OUT * OUT; i++) {
        const int64_t row = t->top + i / OUT, column = t->left + i % OUT;
        if (row >= w->out[1] || column >= w->out[2]) continue;
        const int64_t at = (channel * w->out[1] + row) * w->out[2] + column;
        const double own = 2 * PN_U * pn_mag(y->x[at]);
        y->most[at] = most[i] + own;
        y->usual[at] = usual[i] + own;
    }
}

pn_status pn_oracle_winograd(const pn_value *weights, const pn_window64 *w,
                             const pn_array64 *x, int64_t roundings, pn_array64 *y)
{
    const int64_t cin = x->shape.dim[1], cout = y->shape.dim[1];
    const int64_t high = (w->out[1] + OUT - 1) / OUT, wide = (w->out[2] + OUT - 1) / OUT;
    tile *tiles = calloc((size_t)(high * wide), sizeof(*tiles));
    double *room = malloc((size_t)cin * 9 * sizeof(double));
    const bool ok = tiles && room;
    for (int64_t i = 0; ok && i < high * wide; i++) {
        tiles[i].top = i / wide * OUT;
        tiles[i].left = i % wide * OUT;
        tile_norms(w, x, cin, roundings, &tiles[i]);
    }
    for (int64_t o = 0; ok && o < cout; o++) {
        double norms[PLANES], most[OUT * OUT], usual[OUT * OUT];
        kernel_norms(weights, o * cin * 9, cin, room, norms);
        for (int64_t i = 0; i < high * wide; i++) {
            bound_tile(&tiles[i], norms, most, usual);
            store_tile(w, &tiles[i], o, most, usual, y);
        }
    }
    free(room);
    free(tiles);
    return ok ? PN_OK : PN_ENOMEM;
}
