/** @file block64.h  Operators that go element by element, a block at a time: a block is
 * read before it is written, so that a value that nobody else reads can be overwritten.
 */
#ifndef PN_ENGINE_ORACLE_BLOCK64_H
#define PN_ENGINE_ORACLE_BLOCK64_H

#include "engine/oracle/walk64.h"

enum { PN_BLOCK64 = 256 };

/** Some elements in a row, and by plane how far off each comes in. */
typedef struct pn_block64 {
    int64_t n;
    double x[PN_BLOCK64], off[2][PN_BLOCK64];
} pn_block64;

/** Elements first .. end, at most a block; without `bounds` off is not set.
 * @return the first element behind them */
int64_t pn_block_load(const pn_array64 *x, int64_t first, int64_t end, bool bounds,
                      pn_block64 *b);

/** Elements first .. end of one operator, on any thread. */
typedef void pn_blocks_fn(const void *arg, int64_t first, int64_t end);
/** All elements 0 .. n - 1, parts of them shared. @return PN_OK */
PN_MUST_CHECK pn_status pn_blocks_run(const pn_walk64 *w, pn_blocks_fn *f,
                                      const void *arg, int64_t n);

/** Output 0, with room for bounds if the walk has them; *x, a copy of what input 0 is,
 * may have become its room, so that an element of x must be read before that of the
 * output is written. NULL without memory. */
pn_array64 *pn_oracle_out_over(pn_walk64 *w, const pn_node *n, const pn_array64 *x);

#endif
