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
#include <string.h>

enum { IN = 6, OUT = 4, PLANES = IN * IN };

#define A 0.70710678118654752440 /* sqrt(1/2) */
#define B 1.41421356237309504880 /* sqrt(2) */

static const double input_matrix[IN][IN] = {
    {1, 0, -2.5, 0, 1, 0},  {0, -B, -2, A, 1, 0},   {0, B, -2, -A, 1, 0},
    {0, -A, -0.5, B, 1, 0}, {0, A, -0.5, -B, 1, 0}, {0, 1, 0, -2.5, 0, 1}};
static const double kernel_matrix[IN][3] = {{1, 0, 0},
                                            {-2.0 / 3, -B / 3, -1.0 / 3},
                                            {-2.0 / 3, B / 3, -1.0 / 3},
                                            {1.0 / 6, B / 6, 1.0 / 3},
                                            {1.0 / 6, -B / 6, 1.0 / 3},
                                            {0, 0, 1}};
static const double output_matrix[OUT][IN] = {{1, 1, 1, 1, 1, 0},
                                              {0, A, -A, B, -B, 0},
                                              {0, 0.5, 0.5, 2, 2, 0},
                                              {0, A / 2, -A / 2, 2 * B, -2 * B, 1}};

/* What the bounds need of the matrices beside themselves. */
typedef struct tables {
    double input_abs[IN][IN], output_abs[OUT][IN], output_squared[OUT][IN];
} tables;

static void fill_tables(tables *t)
{
    for (int j = 0; j < IN; j++) {
        for (int i = 0; i < IN; i++)
            t->input_abs[i][j] = fabs(input_matrix[i][j]);
        for (int i = 0; i < OUT; i++) {
            t->output_abs[i][j] = fabs(output_matrix[i][j]);
            t->output_squared[i][j] = output_matrix[i][j] * output_matrix[i][j];
        }
    }
}

/* to = left from left', left being rows x columns, which are constants at every call */
static inline __attribute__((always_inline)) void
both_sides(const double *left, int rows, int columns, const double *from, double *to)
{
    double half[IN * IN];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            double sum = 0;
            for (int k = 0; k < columns; k++)
                sum += left[i * columns + k] * from[k * columns + j];
            half[i * columns + j] = sum;
        }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < rows; j++) {
            double sum = 0;
            for (int k = 0; k < columns; k++)
                sum += half[i * columns + k] * left[j * columns + k];
            to[i * rows + j] = sum;
        }
}

/* norm(U) over the channels, by plane, of one output channel */
static void kernel_norms(const pn_value *weights, int64_t first, int64_t cin,
                         double *room, double *norms)
{
    pn_oracle_widen(weights, first, cin * 9, room);
    memset(norms, 0, PLANES * sizeof(double));
    for (int64_t c = 0; c < cin; c++) {
        double u[PLANES];
        both_sides(kernel_matrix[0], IN, 3, room + c * 9, u);
        for (int f = 0; f < PLANES; f++)
            norms[f] += u[f] * u[f];
    }
    for (int f = 0; f < PLANES; f++)
        norms[f] = sqrt(norms[f]);
}

typedef struct tile {
    int64_t top, left;                      /* of its outputs */
    double plain[PLANES], absolute[PLANES]; /* norms over the channels */
} tile;

static void tile_norms(const tables *k, const pn_window64 *w, const pn_array64 *x,
                       int64_t cin, tile *t)
{
    const int64_t h = w->in[1], wide = w->in[2];
    for (int64_t c = 0; c < cin; c++) {
        double d[PLANES], magnitude[PLANES], v[PLANES], a[PLANES];
        for (int i = 0; i < PLANES; i++) {
            const int64_t y = t->top - w->before[1] + i / IN;
            const int64_t at = t->left - w->before[2] + i % IN;
            const bool is_in = y >= 0 && y < h && at >= 0 && at < wide;
            d[i] = is_in ? x->x[(c * h + y) * wide + at] : 0;
            magnitude[i] = is_in ? pn_mag(d[i]) : 0;
        }
        both_sides(input_matrix[0], IN, IN, d, v);
        both_sides(k->input_abs[0], IN, IN, magnitude, a);
        for (int f = 0; f < PLANES; f++) {
            t->plain[f] += v[f] * v[f];
            t->absolute[f] += a[f] * a[f];
        }
    }
    for (int f = 0; f < PLANES; f++) {
        t->plain[f] = sqrt(t->plain[f]);
        t->absolute[f] = sqrt(t->absolute[f]);
    }
}

/* Bounds of one tile of one output channel; `norms` are U's. */
static void bound_tile(const tables *k, const tile *t, const double *norms,
                       int64_t roundings, double *most, double *usual)
{
    double sure[PLANES], random[PLANES];
    for (int f = 0; f < PLANES; f++) {
        const double product = norms[f] * t->plain[f];
        const double transforms = PN_U * (10 * product + 9 * norms[f] * t->absolute[f]);
        sure[f] = pn_roundings(0, roundings + 2) * product + transforms;
        random[f] = pn_roundings(1, roundings + 2) * product + transforms;
        random[f] *= random[f];
    }
    both_sides(k->output_abs[0], OUT, IN, sure, most);
    both_sides(k->output_squared[0], OUT, IN, random, usual);
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
    tables k;
    fill_tables(&k);
    for (int64_t i = 0; ok && i < high * wide; i++) {
        tiles[i].top = i / wide * OUT;
        tiles[i].left = i % wide * OUT;
        tile_norms(&k, w, x, cin, &tiles[i]);
    }
    for (int64_t o = 0; ok && o < cout; o++) {
        double norms[PLANES], most[OUT * OUT], usual[OUT * OUT];
        kernel_norms(weights, o * cin * 9, cin, room, norms);
        for (int64_t i = 0; i < high * wide; i++) {
            bound_tile(&k, &tiles[i], norms, roundings, most, usual);
            store_tile(w, &tiles[i], o, most, usual, y);
        }
    }
    free(room);
    free(tiles);
    return ok ? PN_OK : PN_ENOMEM;
}
