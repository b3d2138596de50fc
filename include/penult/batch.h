/**
 * @file batch.h  What flows: a batch of items, filled in as it travels from source to
 * sink.
 *
 * One record for the whole way instead of a new one a stage: an image's key, its bytes,
 * its pixels and its result then cannot be told apart from each other's, and a failed
 * item keeps its place. A batch has one holder at a time; handing it on hands on
 * everything in it.
 */
#ifndef PENULT_BATCH_H
#define PENULT_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "penult/model.h"
#include "penult/status.h"

/** How far a batch is filled. A stage takes one kind and makes the next. */
typedef enum pn_type {
    PN_TYPE_REFS,    /**< key and path: pipeline/loop.c reads the file */
    PN_TYPE_BYTES,   /**< key and encoded bytes or raw pixels, perhaps labels */
    PN_TYPE_PIXELS,  /**< pixels of the network's size, u8, BGR */
    PN_TYPE_RESULTS, /**< top-k and features */
} pn_type;

/** Encoded bytes at which a source that reads them itself ends a batch early. */
#define PN_FULL_BATCH_BYTES ((int64_t)64 << 20)

/** Why an image failed. X(enum, the code in the result's `errors`) */
/* clang-format off: it never agrees with itself about this list */
#define PN_REASONS(X)                                                                    \
    X(NONE, "none")                                                                      \
    X(READ, "read_failed")                                                               \
    X(TOO_LARGE, "too_large")                                                            \
    X(EMPTY, "empty")                                                                    \
    X(NOT_IMAGE, "not_an_image")                                                         \
    X(UNSUPPORTED, "unsupported")                                                        \
    X(TRUNCATED, "truncated")                                                            \
    X(DAMAGED, "damaged")                                                                \
    X(RECORD, "bad_record")                                                              \
    X(NOT_FINITE, "not_finite")
/* clang-format on */
typedef enum pn_reason {
#define X(id, name) PN_REASON_##id,
    PN_REASONS(X)
#undef X
        PN_N_REASONS
} pn_reason;
const char *pn_reason_name(pn_reason r);

#define PN_ITEM_TEXT 256

typedef struct pn_item {
    uint64_t seq; /**< position in the source's order, from 0 */
    uint8_t *key; /**< opaque bytes, not NUL-terminated */
    size_t key_size, key_capacity;
    char *path; /**< REFS: what to open; NUL-terminated */
    size_t path_capacity;
    uint8_t *data; /**< BYTES: the encoded image, or raw pixels if raw_channels */
    size_t data_size, data_capacity;
    int raw_height, raw_width,
        raw_channels; /**< raw: planar C x H x W, 1 (grey) or 3 (BGR); else 0 */
    float *labels;    /**< the source's own labels */
    size_t n_labels, labels_capacity;
    uint8_t *pixels;  /**< PIXELS: height x width x 3, BGR; points into the batch */
    pn_score *top;    /**< RESULTS: top_k, descending; points into the batch */
    float *features;  /**< RESULTS: n_features; points into the batch; NULL if there are
                         none */
    pn_reason reason; /**< not NONE: failed, goes no further than into `errors` */
    char text[PN_ITEM_TEXT]; /**< and why, UTF-8, for a person */
} pn_item;

typedef struct pn_batch_shape {
    int capacity;      /**< items */
    int height, width; /**< pixels the network takes */
    int top_k;
    size_t n_features; /**< 0: none */
    int64_t
        max_item_bytes; /**< encoded; a larger item fails; 0: the source's own limit */
} pn_batch_shape;

typedef struct pn_batch {
    pn_type type;
    pn_batch_shape shape;
    int n; /**< items in use, 0..capacity */
    pn_item *items;
    uint8_t *pixel_block; /**< capacity x height x width x 3, 64-byte aligned */
    pn_score *top_block;
    float *feature_block;
    struct pn_batch *next; /**< for whoever holds it: a queue's or a pool's link */
} pn_batch;

PN_MUST_CHECK pn_status pn_batch_new(pn_batch **out, const pn_batch_shape *shape);
/** *b becomes NULL and may be NULL. */
void pn_batch_free(pn_batch **b);
/** Empty it for the next journey; buffers are kept, but those of unusual size are given
 * back. */
void pn_batch_reset(pn_batch *b);
/** Memory that the encoded bytes of its items take. */
int64_t pn_batch_data_bytes(const pn_batch *b);

/** Copies into the item's own buffers, which grow as needed. @return PN_ENOMEM */
PN_MUST_CHECK pn_status pn_item_set_key(pn_item *it, const void *key, size_t size);
PN_MUST_CHECK pn_status pn_item_set_path(pn_item *it, const char *path);
PN_MUST_CHECK pn_status pn_item_set_data(pn_item *it, const void *data, size_t size);
/** Room for `size` bytes in data; data_size is left to the caller. */
PN_MUST_CHECK pn_status pn_item_reserve_data(pn_item *it, size_t size);
/** The encoded bytes are no longer needed: give the memory back (a small one stays). */
void pn_item_drop_data(pn_item *it);
PN_MUST_CHECK pn_status pn_item_set_labels(pn_item *it, const float *labels, size_t n);
/** Mark as failed; the first reason stays. */
void pn_item_fail(pn_item *it, pn_reason reason, const char *fmt, ...) PN_PRINTF(3, 4);

#endif
