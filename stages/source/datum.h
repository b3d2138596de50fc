/** @file datum.h  Caffe's Datum: the protobuf message that its LMDBs hold an image in. */
#ifndef PN_STAGES_DATUM_H
#define PN_STAGES_DATUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "penult/batch.h"

typedef struct pn_datum {
    int32_t channels, height, width; /**< 0 where absent */
    const uint8_t *data; /**< an image file or planes; points into the message; NULL: no
                            such field */
    size_t data_size;
    int32_t label;
    bool has_label;
    bool encoded;    /**< data is an image file */
    size_t n_floats; /**< elements of float_data, which only features are kept in */
} pn_datum;

/**
 * Parse without copying. Unknown fields are skipped; of a repeated field the last counts.
 * @return NULL, or the rule that the bytes break (static)
 */
const char *pn_datum_parse(pn_datum *out, const void *bytes, size_t size);

/** How the values of a database are to be read. */
typedef enum pn_value_format {
    PN_VALUE_AUTO,    /**< an image file by its first bytes, else a Datum */
    PN_VALUE_ENCODED, /**< an image file, whatever it begins with */
    PN_VALUE_DATUM,
} pn_value_format;

/**
 * Fill an item's data (copied), raw sizes and labels from a stored value. A value that
 * cannot be an image marks the item as failed.
 * @return PN_OK also then; PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_item_from_value(pn_item *it, pn_value_format format,
                                           const void *value, size_t size);

#endif
