/**
 * @file read_result.h  A result LMDB, read: its meta texts, its counts, its records.
 *
 *     pn_result *r = NULL;
 *     pn_record rec;
 *     pn_status st = pn_result_open(&r, "out.lmdb", err);
 *     while (!st && !(st = pn_result_next(r, &rec, err)))
 *         ...                                      // PN_END after the last one
 *     pn_result_close(&r);
 *
 * Every record is checked against its hashes as it is read. One handle is for one thread.
 * A result that is being written may be read: it is seen as it was at pn_result_open().
 */
#ifndef PN_STAGES_READ_RESULT_H
#define PN_STAGES_READ_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "penult/batch.h"
#include "penult/status.h"

typedef struct pn_result pn_result;

/** What stands in `meta`; lent until pn_result_close(). */
typedef struct pn_result_info {
    int version;
    /* JSON texts, NUL-terminated; NULL if there is none */
    const char *schema, *config, *model, *labels, *features, *counts;
    uint64_t n_items; /**< records, failed ones too */
    uint64_t n_features, n_predictions, n_errors;
    uint64_t n_ok, n_failed;          /**< from counts */
    uint64_t by_reason[PN_N_REASONS]; /**< from counts; PN_REASON_NONE is 0 */
    bool is_complete;                 /**< from counts: the run came to its end */
} pn_result_info;

/** One image; pointers are lent until the next call with the same handle. */
typedef struct pn_record {
    const uint8_t *key; /**< the full key */
    size_t key_size;
    const float *labels; /**< the source's own */
    size_t n_labels;
    bool failed;
    const char *reason, *text; /**< if failed, NUL-terminated UTF-8; else NULL */
    const pn_score *top;       /**< descending; NULL if failed */
    size_t n_top;
    const float *features; /**< NULL if there are none; float16 is widened */
    size_t n_features;
    bool is_f16; /**< the features are kept as float16 */
} pn_record;

/** @return PN_ENOENT, PN_EFORMAT (not an LMDB, not a result, damaged), PN_EUNSUPPORTED (a
 * newer version), PN_EIO, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_result_open(pn_result **out, const char *path, pn_err *err);
/** *r becomes NULL and may be NULL. */
void pn_result_close(pn_result **r);
const pn_result_info *pn_result_get_info(const pn_result *r);

/** The next record in key order, from the first on.
 * @return PN_END, PN_EFORMAT naming the key (the record is damaged; the next call goes on
 * with the one after it), PN_ENOMEM */
PN_MUST_CHECK pn_status pn_result_next(pn_result *r, pn_record *out, pn_err *err);
/** Start again before the first record. */
void pn_result_rewind(pn_result *r);
/** The record of a full key of any length; the order of pn_result_next() is not touched.
 * @return PN_ENOENT if there is none, else as pn_result_next() */
PN_MUST_CHECK pn_status pn_result_find(pn_result *r, const void *key, size_t size,
                                       pn_record *out, pn_err *err);

#endif
