/** @file buffers.h  Arrays for the kernel checks: filled by a seed, before a page that
 * ends the program when it is touched. */
#ifndef PN_TESTS_BUFFERS_H
#define PN_TESTS_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/kernels/kernels.h"

/** n floats of which some are zero, denormal, infinite or NaN if `odd`; 64-byte aligned,
 * padded by PN_PAD_BYTES as kernels may expect. Ends the test program without memory. */
float *pn_buffer_new(size_t n, unsigned seed, bool odd);
/** The same numbers with nothing behind them, nor aligned; freed likewise. */
float *pn_buffer_bare(size_t n, unsigned seed, bool odd);
/** n floats that all hold a canary. */
float *pn_buffer_canary(size_t n);
void pn_buffer_free(float *b);
/** Whether both hold the same bits, NaN being like NaN whatever its payload. */
bool pn_buffer_same(const float *a, const float *b, size_t n);
/** The levels of this machine that have kernels of their own, the reference first. */
int pn_levels(pn_cpu out[4]);
/** Run them twice, the second time with denormals flushed to zero, as the engine does.
 * @return the number that failed */
#define pn_run_kernel_checks(tests)                                                      \
    (cmocka_run_group_tests(tests, NULL, NULL) +                                         \
     cmocka_run_group_tests_name("denormals off", tests, pn_denormals_go, NULL))
int pn_denormals_go(void **state);

#endif
