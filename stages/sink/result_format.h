/**
 * @file result_format.h  The bytes of a result LMDB, for those who write and read it.
 *
 * | sub-database | key | value |
 * |---|---|---|
 * | features | stored key | the vector alone, float32 or float16 |
 * | predictions | stored key | k x { u32 class, f32 probability } |
 * | errors | stored key | UTF-8 reason TAB text |
 * | items | stored key | u32 version, u32 flags, u64 XXH3-64 of the features value, u64
 * of the predictions or errors value, u32 n + n bytes of the full key (n = 0: the stored
 * key is whole), u32 m + m float32 labels | | meta | schema, config, model, labels,
 * features, counts | JSON |
 *
 * All numbers are little-endian.
 */
#ifndef PN_STAGES_RESULT_FORMAT_H
#define PN_STAGES_RESULT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "penult/model.h"
#include "penult/status.h"

#include "base/bytes.h"

#define PN_RESULT_VERSION 1
#define PN_RESULT_SCHEMA_NAME "penult result" /**< `format` in meta/schema */

/** The sub-databases, in the order of pn_result_db. */
#define PN_RESULT_DBS(X)                                                                 \
    X(FEATURES, "features")                                                              \
    X(PREDICTIONS, "predictions") X(ERRORS, "errors") X(ITEMS, "items") X(META, "meta")
typedef enum pn_result_db {
#define X(id, name) PN_DB_##id,
    PN_RESULT_DBS(X)
#undef X
        PN_N_RESULT_DBS
} pn_result_db;
extern const char *const pn_result_db_names[PN_N_RESULT_DBS];

/** Value of meta/schema: version, byte order and what the sub-databases hold. */
extern const char pn_result_schema[];
/** Version of the schema in a meta/schema value; 0 if it is not a result of ours. */
int pn_result_schema_version(const void *json, size_t size);

enum {                                /* flags of an items value */
       PN_ITEM_FAILED = 1 << 0,       /**< in `errors`, not in `predictions` */
       PN_ITEM_HAS_FEATURES = 1 << 1, /**< in `features` */
       PN_ITEM_F16 = 1 << 2,          /**< the features are float16 */
};

#define PN_STORED_KEY_MAX 511 /**< LMDB's limit, as Debian and all others build it */

/** The key in the database: itself, or its first 446 bytes, `~` and 64 hex of its
 * SHA-256. @return the stored size; 0 for an empty key, which cannot be stored */
size_t pn_stored_key(uint8_t out[PN_STORED_KEY_MAX], const void *key, size_t size);

/** A key for people: printable UTF-8 as it is, other bytes as \xHH; cut with "..." if it
 * does not fit. @return buf */
const char *pn_key_text(const void *key, size_t size, char *buf, size_t buf_size);
#define PN_KEY_TEXT 256

/** IEEE 754 binary16, round to nearest even; overflow is infinity, a NaN stays one. */
uint16_t pn_f16_from_f32(float x);
float pn_f32_from_f16(uint16_t h);

#define PN_SCORE_BYTES 8u /**< of one prediction */

/** XXH3-64 of a value. */
uint64_t pn_value_hash(const void *value, size_t size);

/** An items value, taken apart; pointers lead into it. */
typedef struct pn_item_record {
    uint32_t flags;
    uint64_t features_hash; /**< 0 without features */
    uint64_t other_hash;    /**< of the predictions or errors value */
    const uint8_t *full_key;
    size_t full_key_size; /**< 0: the stored key is whole */
    const uint8_t *label_bytes;
    size_t n_labels;
} pn_item_record;

/** Bytes of an items value; 0 if a count does not fit its field. */
size_t pn_item_record_size(size_t full_key_size, size_t n_labels);
/** Write one of that size; labels come from `labels`, not from r->label_bytes. */
void pn_item_record_put(uint8_t *out, const pn_item_record *r, const float *labels);
/** @return NULL, or the rule that the bytes break (static) */
const char *pn_item_record_get(pn_item_record *out, const void *value, size_t size);

/** Copy text as valid UTF-8 without control characters ('?' and ' ' stand in for what is
 * not). out has room for size bytes. @return bytes written */
size_t pn_clean_text(uint8_t *out, const char *text, size_t size);

#endif
