/**
 * @file golden.h  Inputs that C and Python make alike, and how outputs are compared.
 *
 * A golden then needs no input file: seed, shift and scale tell it all.
 */
#ifndef PN_TESTS_GOLDEN_H
#define PN_TESTS_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "penult/graph.h"

/** x[i] = (u - shift) * scale, u in 0..255 the top byte of splitmix64's i-th number from
 * `seed`; computed in double, rounded once. The same in tests/golden/mxnet/inputs.py. */
void pn_golden_input(float *x, size_t n, uint64_t seed, double shift, double scale);

/** max|a-b| / max|b|; infinite if a holds a NaN, or if b is all zero and a is not. */
double pn_golden_distance(const float *a, const double *b, size_t n);

/** The checkpoint tests/golden/mxnet/NAME as a graph whose input is of that shape,
 * "C,H,W".
 * @return what pn_convert() returns */
PN_MUST_CHECK pn_status pn_golden_graph(pn_graph **out, const char *name,
                                        const char *input_shape);

#endif
