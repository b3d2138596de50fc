/**
 * @file import_mxnet.h  An MXNet checkpoint as it lies on disk: the symbol (the graph)
 * and the parameters (the weights), read and checked but not yet understood.
 */
#ifndef PN_MODEL_IMPORT_MXNET_H
#define PN_MODEL_IMPORT_MXNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/file.h"
#include "penult/graph.h"
#include "penult/status.h"

/* ---- the weights: import_mxnet_params.c ---- */

typedef enum pn_mx_storage { PN_MX_DENSE, PN_MX_ROW_SPARSE, PN_MX_CSR } pn_mx_storage;

/** One array of a .params file. Pointers go into the mapped file, or into the arena where
 * the file has other than plain elements (compressed, big-endian, in Fortran's order). */
typedef struct pn_mx_array {
    const char *name; /**< without "arg:" or "aux:"; NULL: none, or a foreign prefix */
    pn_dtype dtype;
    pn_shape shape;
    bool is_none; /**< the file says that there is such an array, but nothing of it */
    pn_mx_storage storage;
    const unsigned char *data;
    size_t size_bytes;           /**< of data */
    const unsigned char *aux[2]; /**< row_sparse: rows; csr: indptr, columns */
    pn_dtype aux_dtype[2];       /**< integral */
    int64_t n_stored;            /**< row_sparse: rows that are there; csr: elements */
} pn_mx_array;

typedef struct pn_mx_params {
    int n_arrays;
    pn_mx_array *arrays; /**< in the file's order */
    int *by_name;        /**< n_named indices into arrays, in strcmp order */
    int n_named;
    bool has_names;             /**< the file carries names at all */
    const unsigned char *bytes; /**< arrays lie in these, size of them, or in the arena,
                                   which goes with this; NULL: elsewhere, for longer */
    size_t size;
    pn_arena arena;
    void *array_block;
} pn_mx_params;

/** Parse a mapped .params file (all versions, V0 to V3, or an .npz). `file` must outlive
 * *out. Every count is checked against the bytes that are left. @return PN_EFORMAT naming
 * array and byte, PN_EUNSUPPORTED (big-endian, more than PN_MAX_DIMS dimensions)
 */
PN_MUST_CHECK pn_status pn_mx_params_read(pn_mx_params **out, const pn_file *file,
                                          pn_err *err);
/** The same for what MXNet 2 writes under that name, an .npz or an .npy, into *p, names
 * not yet in order: import_mxnet_npz.c. */
PN_MUST_CHECK pn_status pn_mx_params_read_npz(pn_mx_params *p, const pn_file *file,
                                              pn_err *err);
/** "arg:conv0_weight" is conv0_weight, a name without a section is itself, and MXNet
 * skips whatever has a section that it does not know: NULL. */
const char *pn_mx_strip_section(const char *name);
/** *p becomes NULL and may be NULL. */
void pn_mx_params_free(pn_mx_params **p);
/** NULL if there is no array of that name. */
const pn_mx_array *pn_mx_params_find(const pn_mx_params *p, const char *name);
/** The elements as dense float32 in C order: the mapped bytes themselves where they are
 * that already, else a copy in the graph's memory. Not for an array that is_none.
 * @return NULL when there is no memory */
const void *pn_mx_array_f32(const pn_mx_array *a, pn_graph *g, size_t *size_bytes);

/* ---- the graph: import_mxnet_json.c ---- */

typedef struct pn_mx_attr {
    const char *key, *value;
} pn_mx_attr;

/** Output `index` of node `node`. */
typedef struct pn_mx_entry {
    int node, index;
} pn_mx_entry;

typedef struct pn_mx_node {
    const char *op;    /**< today's name of the operator; NULL: a variable */
    const char *name;  /**< not empty */
    pn_mx_attr *attrs; /**< operator parameters and users' attributes, one list */
    pn_mx_entry *inputs;
    int n_attrs, n_inputs;
} pn_mx_node;

typedef struct pn_mx_symbol {
    int version; /**< of the MXNet that wrote it: 10901 is 1.9.1; 800: 0.8 or older */
    int n_nodes, n_heads;
    pn_mx_node *nodes; /**< an input's node stands before the node that takes it, but for
                            variables added for inputs that old files leave out */
    pn_mx_entry *heads;
    pn_arena arena;
    void *node_block; /**< nodes, grown by added variables */
} pn_mx_symbol;

/** Parse a symbol JSON of any age, aliases resolved, missing inputs added as MXNet does.
 * `where` names it in messages. @return PN_EFORMAT naming node and rule,
 * PN_EUNSUPPORTED for control flow and gradient nodes */
PN_MUST_CHECK pn_status pn_mx_symbol_read(pn_mx_symbol **out, const void *text,
                                          size_t size, const char *where, pn_err *err);
void pn_mx_symbol_free(pn_mx_symbol **s);

/** An attribute's text; NULL if the node has none of that name. */
const char *pn_mx_attr_text(const pn_mx_node *n, const char *key);

/* MXNet's grammar of attribute values. Each returns false where the text is none of it.
 */
bool pn_mx_parse_bool(const char *text, bool *out);
/** Decimal, perhaps with Python 2's L behind it. */
bool pn_mx_parse_int(const char *text, int64_t *out);
/** Finite, as C writes it. */
bool pn_mx_parse_real(const char *text, double *out);
/** "None", with blanks round it. */
bool pn_mx_parse_none(const char *text);

enum { PN_MX_TUPLE = 16 }; /**< elements at most: pad_width of PN_MAX_DIMS dimensions */
typedef struct pn_mx_tuple {
    int n;
    int64_t v[PN_MX_TUPLE];
    bool is_none[PN_MX_TUPLE]; /**< the element is the word None; v is 0 */
} pn_mx_tuple;
/** "(3, 3)", "[3,3]", "(3L,)", "3", "()", "None" (the same as "()"). */
bool pn_mx_parse_tuple(const char *text, pn_mx_tuple *out);

/* ---- the translation: import_mxnet_ops.c ---- */

/** Shape of an input by its name; n is 0 where the caller knows none. Without batch. */
typedef struct pn_mx_input_shape {
    const char *name; /**< NULL: the only input */
    pn_shape shape;   /**< without the batch */
    bool is_fallback; /**< to be used for an image input whose shape nothing else tells */
    bool is_used;     /**< set by the import */
} pn_mx_input_shape;

/**
 * Translate a checkpoint into a new graph: values keep MXNet's names, shapes are filled.
 * @param shapes  what --input-shape and the record say; is_used is set
 * @return PN_EUNSUPPORTED listing every operator and node that has no translation,
 * PN_EFORMAT listing every weight that is missing or misshapen, PN_EINVAL where an
 * input's shape is not known
 */
PN_MUST_CHECK pn_status pn_mx_import_graph(pn_graph **out, const pn_mx_symbol *sym,
                                           const pn_mx_params *params,
                                           pn_mx_input_shape *shapes, int n_shapes,
                                           pn_err *err);

#endif
