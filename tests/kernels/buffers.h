/** @file buffers.h  Arrays for the kernel checks: filled by a seed, guarded at both ends.
 */
#ifndef PN_TESTS_BUFFERS_H
#define PN_TESTS_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/kernels/kernels.h"

/** n floats of which some are zero, denormal, infinite or NaN if `odd`; 64-byte aligned,
 * padded by PN_PAD_BYTES as kernels may expect. Ends the test program without memory. */
float *pn_buffer_new(size_t n, unsigned seed, bool odd);
/** n floats that all hold a canary. */
float *pn_buffer_canary(size_t n);
void pn_buffer_free(float *b);
/** Whether both hold the same bits, NaN being like NaN whatever its payload. */
bool pn_buffer_same(const float *a, const float *b, size_t n);
/** The levels of this machine that have kernels of their own, the reference first. */
int pn_levels(pn_cpu out[4]);

#endif
