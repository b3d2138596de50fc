/**
 * @file pickle.h  What numpy and PyTorch pickle, read without executing anything.
 *
 * A pickle is a program. Of its instructions those are known that build numbers, text,
 * containers and numpy's arrays; of the functions it may name, numpy's own constructors.
 * Everything else is refused with its place. Numbers of instructions, memo and bytes are
 * bounded by the file and by the limits below; nothing recurses.
 */
#ifndef PN_MODEL_PICKLE_H
#define PN_MODEL_PICKLE_H

#include "model/npy.h"
#include "model/wire.h"

enum {
    PN_PICKLE_MAX_OPS = 1 << 20,  /**< instructions of a program */
    PN_PICKLE_MAX_MEMO = 1 << 20, /**< entries; numpy's own writers use one an object */
};

typedef enum pn_pickle_kind {
    PN_PICKLE_NONE,
    PN_PICKLE_BOOL,
    PN_PICKLE_INT,
    PN_PICKLE_FLOAT,
    PN_PICKLE_TEXT, /**< str and bytes alike: Python 2 knew no difference */
    PN_PICKLE_TUPLE,
    PN_PICKLE_LIST,
    PN_PICKLE_DICT,   /**< items are key, value, key, value ... */
    PN_PICKLE_GLOBAL, /**< a function of the whitelist */
    PN_PICKLE_DTYPE,  /**< text is its code, order its byte order */
    PN_PICKLE_ARRAY,  /**< numbers in *array, or objects in items */
    PN_PICKLE_MARK,   /**< internal */
} pn_pickle_kind;

typedef struct pn_pickle_item {
    pn_pickle_kind kind;
    char order;    /**< of DTYPE: '<', '>', '|' or '=' */
    int64_t i;     /**< of BOOL, INT; which function of GLOBAL */
    double f;      /**< of FLOAT */
    pn_bytes text; /**< of TEXT, DTYPE; in the file, or owned by the pickle */
    struct pn_pickle_item **items;
    size_t n, capacity;
    pn_npy_array *array; /**< of ARRAY; NULL until it is built, or for objects */
} pn_pickle_item;

typedef struct pn_pickle pn_pickle;

/**
 * Run the program that begins at `bytes`; what it leaves is the root. The bytes are
 * borrowed for the life of *out. Containers may hold themselves: walk a known depth.
 * @param where  begins messages
 * @return PN_EFORMAT with the byte, PN_EUNSUPPORTED for an instruction or a function
 * that is not on the list, PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_pickle_read(pn_pickle **out, const void *bytes, size_t size,
                                       const char *where, pn_err *err);
const pn_pickle_item *pn_pickle_root(const pn_pickle *p);
void pn_pickle_free(pn_pickle **p);

#endif
