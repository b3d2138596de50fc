/**
 * @file alloc_fail.h  Make an allocation of the program's own objects fail.
 *
 * Link a test with pn_test_alloc_fail: the linker then sends every allocating call of
 * what is linked statically through here (--wrap); those of shared libraries are not
 * touched.
 */
#ifndef PN_TESTS_ALLOC_FAIL_H
#define PN_TESTS_ALLOC_FAIL_H

#include <stdbool.h>
#include <stddef.h>

/** The nth allocation from now on fails, 0 being the next; negative: none does. Counting
 * begins anew. Threads may allocate meanwhile. */
void pn_alloc_fail_at(long n);
/** The nth fails and so do all behind it. */
void pn_alloc_fail_from(long n);
/** Whether the last pn_alloc_fail_at() or _from() has come about. */
bool pn_alloc_has_failed(void);
/** Allocations asked for since the last call of either. */
long pn_alloc_count(void);
/** Bytes that aligned_alloc() has given since the last call of either. */
size_t pn_alloc_aligned_bytes(void);

#endif
