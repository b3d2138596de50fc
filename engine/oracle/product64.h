/** @file product64.h  Sums of products and their bounds, for the oracles that have some.
 */
#ifndef PN_ENGINE_ORACLE_PRODUCT64_H
#define PN_ENGINE_ORACLE_PRODUCT64_H

#include "engine/kernels/kernels.h"
#include "engine/oracle/walk64.h"

/** How many of `all`, `each` doubles long, are widened or gathered at a time. */
int64_t pn_part_of(int64_t all, int64_t each);

/** out[i] = |x[i]| + 2^-102, rounded */
void pn_magnitudes(const double *x, int64_t n, float *out);

/** y[m x n] = a[m x k] b[k x n], and its bounds; rows of y, most and usual are ldy apart,
 * those of b and its magnitudes n_all. */
typedef struct pn_tile64 {
    int64_t m, n, k, n_all, ldy, roundings;
    const double *a, *b;
    const float *b_magnitudes;
    double *y, *most, *usual; /**< bounds NULL: none are asked for */
    float *room;              /**< for those, m x (k + n) */
} pn_tile64;
void pn_product_tile(const pn_tile64 *t);

/** n bounds from sum|w||x|, which lies in `most`. */
void pn_bound_sums(int64_t n, const double *y, int64_t roundings, double *most,
                   double *usual);

#endif
