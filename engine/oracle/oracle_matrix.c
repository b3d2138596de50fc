/* Sums of products, and Gemm and MatMul, which are nothing else. With weights w and input
 * x, sums of n products in fused multiply-adds are off by at most
 *
 *     n u sum|w||x|          the chain (Higham 3.1; blocks of a chain add their number)
 *   + 2 u sum|w||x|          weights, scaled or not, and the result are rounded once
 *   + sum|w| off(x)          what came in
 *   + 2 u (|y| + |b|)        the bias and its addition
 *
 * sum|w||x| is the same product once more, of magnitudes: in float, where it is large. */
#include "engine/oracle/product64.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Doubles of widened weights, and of gathered windows, at a time. */
#define PART_DOUBLES (1 << 20)

int64_t pn_part_of(int64_t all, int64_t each)
{
    const int64_t n = PART_DOUBLES / each;
    return n < 1 ? 1 : n < all ? n : all;
}

void pn_magnitudes(const double *x, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)pn_mag(x[i]);
}

/* What came in is u|x| for every operand that a layer can have here, so that it is one
 * rounding more. */
void pn_bound_sums(int64_t n, const double *y, int64_t roundings, double *most,
                   double *usual)
{
    const double f = pn_roundings(0, roundings + 2) + PN_U;
    const double walk = pn_roundings(1, roundings + 2) + PN_U;
    for (int64_t i = 0; i < n; i++) {
        const double sum = most[i], own = 2 * PN_U * pn_mag(y[i]);
        most[i] = f * sum + own;
        usual[i] = walk * sum + own;
    }
}

/* Longer sums than this are not taken from float. */
#define LONGEST_FLOAT_SUM (1 << 20)

/* A float sum of k products of magnitudes, from above: two roundings each for the
 * factors, k in whatever order, and what fell below float's range. Where it left that
 * range, or would be too rough, it is done in double, as slow as that is. */
static void raise_sums(const pn_tile64 *t, int64_t row, const float *sums, double *out)
{
    const double grow = 1 / (1 - PN_U * (double)(t->k + 3));
    const double lost = 0x1p-126 * (double)t->k;
    bool is_near = t->k <= LONGEST_FLOAT_SUM;
    for (int64_t i = 0; i < t->n; i++) {
        out[i] = (double)sums[i] * grow + lost;
        is_near &= sums[i] <= FLT_MAX;
    }
    if (is_near) return;
    memset(out, 0, (size_t)t->n * sizeof(*out));
    for (int64_t k = 0; k < t->k; k++) {
        const double factor = pn_mag(t->a[row * t->k + k]);
        const double *b = t->b + k * t->n_all;
        for (int64_t i = 0; i < t->n; i++)
            out[i] += factor * pn_mag(b[i]);
    }
}

void pn_product_tile(const pn_tile64 *t)
{
    pn_f64_gemm_blas(&(pn_product64){.m = t->m,
                                     .n = t->n,
                                     .k = t->k,
                                     .a = t->a,
                                     .lda = t->k,
                                     .b = t->b,
                                     .ldb = t->n_all,
                                     .c = t->y,
                                     .ldc = t->ldy});
    if (!t->most) return;
    float *a = t->room, *sums = a + t->m * t->k;
    pn_magnitudes(t->a, t->m * t->k, a);
    pn_f32_gemm_blas(&(pn_gemm){.m = (size_t)t->m,
                                .n = (size_t)t->n,
                                .k = (size_t)t->k,
                                .a = a,
                                .lda = (size_t)t->k,
                                .b = t->b_magnitudes,
                                .n_all = (size_t)t->n_all,
                                .c = sums,
                                .ldc = (size_t)t->n});
    for (int64_t row = 0; row < t->m; row++) {
        const int64_t at = row * t->ldy;
        raise_sums(t, row, sums + row * t->n, t->most + at);
        pn_bound_sums(t->n, t->y + at, t->roundings, t->most + at, t->usual + at);
    }
}

static void widen(const pn_value *v, int64_t first, int64_t n, bool magnitudes,
                  double *out)
{
    pn_oracle_widen(v, first, n, out);
    for (int64_t i = 0; magnitudes && i < n; i++)
        out[i] = pn_mag(out[i]);
}

static double *magnitudes_of(const pn_array64 *x)
{
    double *m = malloc((size_t)x->n * sizeof(double));
    for (int64_t i = 0; m && i < x->n; i++)
        m[i] = pn_mag(x->x[i]);
    return m;
}

/* c (m x n) = a (m x k, or k x m turned) times b, a constant of two dimensions that comes
 * a part of its rows at a time. */
static pn_status times_constant(int64_t m, int64_t n, int64_t k, const double *a,
                                bool a_turned, const pn_value *b, bool b_turned,
                                bool magnitudes, double *c)
{
    const int64_t all = b_turned ? n : k, each = b_turned ? k : n;
    const int64_t rows = pn_part_of(all, each);
    double *part = malloc((size_t)(rows * each) * sizeof(double));
    if (!part) return PN_ENOMEM;
    for (int64_t i = 0; i < all; i += rows) {
        const int64_t count = all - i < rows ? all - i : rows;
        widen(b, i * each, count * each, magnitudes, part);
        pn_product64 p = {.m = m, .n = n, .k = k, .b = part, .ldb = each, .ldc = n};
        p.lda = a_turned ? m : k;
        p.a_turned = a_turned;
        p.b_turned = b_turned;
        p.adds = !b_turned && i > 0;
        if (b_turned)
            p.n = count, p.a = a, p.c = c + i;
        else
            p.k = count, p.a = a + (a_turned ? i * m : i), p.c = c;
        pn_f64_gemm_blas(&p);
    }
    free(part);
    return PN_OK;
}

/* A few rows of a times a constant whose rows are columns of the product: nothing there
 * is read twice, so each is widened a piece at a time and gone for good. */
typedef struct dots {
    int64_t m, n, k;
    const double *a;
    const pn_value *b;
    double *y, *sums; /* of magnitudes; NULL: not asked for */
} dots;

enum { FEW_ROWS = 4, PIECE = 256, LANES = 4, COLUMNS_OF_TASK = 256 };

static double add_lanes(const double *lanes)
{
    return lanes[0] + lanes[1] + (lanes[2] + lanes[3]);
}

/* One column: y and sums are of m rows, n apart. */
static void dot_column(const dots *d, int64_t column)
{
    double lanes[FEW_ROWS][LANES] = {{0}}, sums[FEW_ROWS][LANES] = {{0}};
    for (int64_t at = 0; at < d->k; at += PIECE) {
        double b[PIECE] = {0}, a[PIECE] = {0};
        const int64_t n = d->k - at < PIECE ? d->k - at : PIECE;
        pn_oracle_widen(d->b, column * d->k + at, n, b);
        for (int64_t row = 0; row < d->m; row++) {
            memcpy(a, d->a + row * d->k + at, (size_t)n * sizeof(*a));
            for (int i = 0; i < PIECE; i += LANES)
                for (int lane = 0; lane < LANES; lane++)
                    lanes[row][lane] += a[i + lane] * b[i + lane];
            for (int i = 0; d->sums && i < PIECE; i += LANES)
                for (int lane = 0; lane < LANES; lane++)
                    sums[row][lane] += pn_mag(a[i + lane]) * pn_mag(b[i + lane]);
        }
    }
    for (int64_t row = 0; row < d->m; row++) {
        d->y[row * d->n + column] = add_lanes(lanes[row]);
        if (d->sums) d->sums[row * d->n + column] = add_lanes(sums[row]);
    }
}

static pn_status dot_columns(void *arg, int64_t task)
{
    const dots *d = arg;
    const int64_t first = task * COLUMNS_OF_TASK;
    for (int64_t i = first; i < d->n && i < first + COLUMNS_OF_TASK; i++)
        dot_column(d, i);
    return PN_OK;
}

/* a b of n columns in y, and of magnitudes in y->most if there is that. */
static pn_status both_products(pn_share *share, const pn_array64 *a, bool a_turned,
                               const pn_value *b, bool b_turned, pn_array64 *y)
{
    const int64_t n = b->shape.dim[!b_turned], k = b->shape.dim[b_turned], m = y->n / n;
    if (b_turned && !a_turned && m <= FEW_ROWS) {
        dots d = {.m = m, .n = n, .k = k, .a = a->x, .b = b, .y = y->x, .sums = y->most};
        return pn_share_run(share, dot_columns, &d,
                            (n + COLUMNS_OF_TASK - 1) / COLUMNS_OF_TASK);
    }
    pn_status st = times_constant(m, n, k, a->x, a_turned, b, b_turned, false, y->x);
    if (st || !y->most) return st;
    double *mag = magnitudes_of(a);
    st = mag ? times_constant(m, n, k, mag, a_turned, b, b_turned, true, y->most)
             : PN_ENOMEM;
    free(mag);
    return st;
}

/* y = scale * (a b), with its bounds. */
static pn_status fully_connected(pn_share *share, const pn_array64 *a, bool a_turned,
                                 const pn_value *b, bool b_turned, double scale,
                                 const pn_sum *sum, pn_array64 *y)
{
    const int64_t n = b->shape.dim[!b_turned], k = b->shape.dim[b_turned];
    if ((int64_t)(b->size_bytes / pn_dtype_size(b->dtype)) < n * k)
        return PN_EUNSUPPORTED;
    pn_status st = both_products(share, a, a_turned, b, b_turned, y);
    for (int64_t i = 0; !st && i < y->n; i++) {
        y->x[i] *= scale;
        if (y->most) y->most[i] *= fabs(scale);
    }
    if (!st && y->most) pn_bound_sums(y->n, y->x, sum->roundings, y->most, y->usual);
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
        st =
            fully_connected(w->share, a, ta, vb, tb, alpha, &w->sums[n - w->g->nodes], y);
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
        st = fully_connected(w->share, a, false, vb, false, 1, sum, y);
    } else if (y) {
        b = pn_oracle_in(w, n, 1, &rooms[1]);
        st = b ? multiply_all(a, b, y, y->most) : PN_ENOMEM;
        if (!st && y->most)
            pn_bound_sums(y->n, y->x, sum->roundings + 1, y->most, y->usual);
    }
    pn_oracle_done(&rooms[0]);
    pn_oracle_done(&rooms[1]);
    return st;
}
