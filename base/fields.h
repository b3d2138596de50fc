/**
 * @file fields.h  One table of fields between a text (YAML, JSON, --set) and a struct,
 * strictly.
 *
 * Scalars must be spelled plainly: integers in decimal without sign games, leading zeros
 * or suffix
 * (`5x`, `010` are errors), booleans true/false only, reals as JSON writes them (no inf
 * or nan). Unknown and repeated keys are refused with their line and column.
 */
#ifndef PN_BASE_FIELDS_H
#define PN_BASE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "penult/status.h"

typedef enum pn_field_type {
    PN_FIELD_BOOL,     /**< bool */
    PN_FIELD_INT,      /**< int64_t within min..max */
    PN_FIELD_AUTO_INT, /**< int64_t within min..max, or the word auto, stored as 0 */
    PN_FIELD_REAL,     /**< double within min..max */
    PN_FIELD_REALS,    /**< double[count] */
    PN_FIELD_INTS,     /**< int64_t[count] */
    PN_FIELD_STRING,   /**< char *, malloc'd; freed by pn_fields_fini */
    PN_FIELD_PATH,     /**< as a string; made absolute against the text's folder */
    PN_FIELD_STRINGS,  /**< char **, NULL-terminated, malloc'd */
    PN_FIELD_ENUM,     /**< int, index into names */
    PN_FIELD_LIMIT,    /**< pn_limit: a count, or a percentage such as 1% or 0.5% */
} pn_field_type;

typedef struct pn_limit {
    double value;
    bool is_percent; /**< value is 0..100, of all items */
} pn_limit;

typedef struct pn_field {
    const char *key; /**< without its section; NULL ends a table */
    pn_field_type type;
    size_t offset; /**< in the struct */
    const char
        *fallback;   /**< as a person would write it; NULL: no default, see required */
    bool required;   /**< must be given: no default makes sense */
    double min, max; /**< of numbers, both 0: no bound */
    int count;       /**< of REALS and INTS */
    const char *const *names; /**< of ENUM, NULL-terminated */
    const char *help;         /**< one line, with the unit */
} pn_field;

/** One section of a record: a table and the struct it fills. */
typedef struct pn_section {
    const char *name; /**< "" for keys at the top */
    const pn_field *fields;
    void *base;
} pn_section;

/** Fill in every fallback. Strings that are there already are freed first. */
PN_MUST_CHECK pn_status pn_fields_defaults(const pn_section *s, pn_err *err);
/** Set one scalar or list from its text. `where` ("run.yaml:3:9" or "--set a.b") begins
 * messages; folder: what a relative path is relative to, NULL for the working directory.
 */
PN_MUST_CHECK pn_status pn_field_set(const pn_section *s, const pn_field *f,
                                     const char *text, const char *where,
                                     const char *folder, pn_err *err);
/** Free every string of the struct and zero it. */
void pn_fields_fini(const pn_section *s);
/** Append "key: value\n" lines (two spaces in front unless name is "") to a malloc'd
 * text. */
PN_MUST_CHECK pn_status pn_fields_print(const pn_section *s, char **text);

#endif
