/** @file json.h  JSON records as strict as the YAML ones, by jansson. */
#ifndef PN_BASE_JSON_H
#define PN_BASE_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/fields.h"

/**
 * Parse one JSON value: no repeated keys, at most 64 levels, at most max_bytes.
 * `name` begins messages ("FILE:LINE:COLUMN: ..."). Free with json_decref().
 * @return PN_EFORMAT, PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_json_parse(json_t **out, const char *text, size_t size,
                                      size_t max_bytes, const char *name, pn_err *err);

/** Set every member of an object; numbers must be numbers, texts texts. `where` begins
 * messages. Defaults and required keys are the caller's business. @return PN_ECONFIG */
PN_MUST_CHECK pn_status pn_json_fill(const json_t *object, const pn_section *s,
                                     const char *where, const char *folder, pn_err *err);

#endif
