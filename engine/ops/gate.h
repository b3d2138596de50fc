/**
 * @file gate.h  Deals numbered tasks to a team, and holds everyone until all are done.
 *
 * Waits on the spot for as long as a layer takes to end, and sleeps after that: where the
 * machine has other work, a team member that is not running must not be waited for by
 * those that are. (A compiler's own barriers spin for milliseconds.)
 */
#ifndef PN_ENGINE_GATE_H
#define PN_ENGINE_GATE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

typedef struct pn_gate {
    alignas(64) atomic_int_fast64_t next; /**< task that nobody has yet */
    alignas(64) atomic_uint phase;        /**< gates passed; what sleepers wait on */
    atomic_int n_waiting, n_asleep;
    int n_members; /**< fixed after init */
} pn_gate;

void pn_gate_init(pn_gate *g, int n_members);
/** A task of this phase: 0, 1, 2 ..., each to one member. */
int64_t pn_gate_take(pn_gate *g);
/** Wait until every member waits here; then tasks are numbered from 0 again. */
void pn_gate_pass(pn_gate *g);

#endif
