/** @file scalar.h  Numbers and words as a config spells them: one spelling each, no
 * guessing. */
#ifndef PN_BASE_SCALAR_H
#define PN_BASE_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fields.h"

/* Each returns false, and leaves *out alone, when the text is anything else. */

/** -?(0|[1-9][0-9]*) within an int64. */
bool pn_scalar_int(const char *text, int64_t *out);
/** A JSON number that a double can hold: no inf, nan, hex or sign "+". */
bool pn_scalar_real(const char *text, double *out);
/** true or false, in lower case. */
bool pn_scalar_bool(const char *text, bool *out);
/** A whole number of at least 0, or a percentage of 0 to 100: "3", "0.5%". */
bool pn_scalar_limit(const char *text, pn_limit *out);
/** What YAML calls null: nothing, ~ or null. */
bool pn_scalar_is_null(const char *text);

#define PN_REAL_TEXT 32
/** The shortest decimal text that reads back as the same double. */
void pn_real_text(double v, char buf[PN_REAL_TEXT]);

#endif
