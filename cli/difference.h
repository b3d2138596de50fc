/** @file difference.h  How far an array is from another, found piece by piece. */
#ifndef PN_CLI_DIFFERENCE_H
#define PN_CLI_DIFFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Zero it, add pieces in any order, then ask. Numbers that are NaN in both, or the same
 * infinity, agree; where only one is NaN or infinite the difference is infinite. */
typedef struct pn_difference {
    int64_t n;
    double max_abs;  /**< of a - b */
    double max_want; /**< of |b|, the finite ones */
    double squares;  /**< sum of (a - b)^2 */
    int64_t at;      /**< where max_abs is, the first of equal ones */
    double got, want;
    int64_t n_nan; /**< where one alone is NaN */
} pn_difference;

/** n numbers a against b, the first of them the array's number `first`. */
void pn_difference_add(pn_difference *d, const float *got, const double *want, int64_t n,
                       int64_t first);
/** max_abs over max_want; 0 if nothing differs, infinite if all of b is 0 and a is not.
 */
double pn_difference_relative(const pn_difference *d);
/** Root of the mean square. */
double pn_difference_rms(const pn_difference *d);

#endif
