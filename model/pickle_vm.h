/** @file pickle_vm.h  The state of the machine in pickle.c, and numpy's part of it. */
#ifndef PN_MODEL_PICKLE_VM_H
#define PN_MODEL_PICKLE_VM_H

#include "base/arena.h"
#include "model/pickle.h"

struct pn_pickle {
    const unsigned char *begin, *at, *end;
    size_t op_place; /**< of the instruction being run */
    pn_err *err;
    pn_arena arena;
    pn_pickle_item **stack, **memo;
    size_t n_stack, stack_capacity, n_memo, memo_capacity;
    size_t copied_bytes; /**< text that had to be decoded */
    pn_pickle_item *root;
};

/** "byte N: ..." with N that of the instruction. */
pn_status pn_pickle_fail(pn_pickle *p, pn_status st, const char *fmt, ...)
    PN_PRINTF(3, 4);
/** NULL without memory. */
pn_pickle_item *pn_pickle_new(pn_pickle *p, pn_pickle_kind kind);
PN_MUST_CHECK pn_status pn_pickle_append(pn_pickle *p, pn_pickle_item *to,
                                         pn_pickle_item *item);

/** The function of that name as a GLOBAL's i. @return false: it is not on the list */
bool pn_pickle_find_global(pn_bytes module, pn_bytes name, int64_t *out);
/** f(*args). @return PN_EFORMAT, PN_EUNSUPPORTED, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_pickle_call(pn_pickle *p, const pn_pickle_item *f,
                                       const pn_pickle_item *args, pn_pickle_item **out);
/** object.__setstate__(state), in place. */
PN_MUST_CHECK pn_status pn_pickle_build(pn_pickle *p, pn_pickle_item *object,
                                        const pn_pickle_item *state);

#endif
