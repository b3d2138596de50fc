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
    uint64_t *given; /**< NULL, or bit i is set once a text gave fields[i]; at most 64 */
} pn_section;

/** The field of that key, in any of the sections of that name (several may share one), or
 * NULL. `in`, if not NULL, is the section it stands in. */
const pn_field *pn_field_find(const pn_section *sections, int n, const char *section,
                              const char *key, const pn_section **in);
/** Whether a text gave the key; needs s->given. */
bool pn_field_given(const pn_section *s, const char *key);
/** PN_ECONFIG naming the first required field that no text gave; needs given. */
PN_MUST_CHECK pn_status pn_fields_required(const pn_section *sections, int n,
                                           const char *where, pn_err *err);
/** PN_ECONFIG for a key that no section knows, with the nearest one that they do. */
PN_MUST_CHECK pn_status pn_field_unknown(const pn_section *sections, int n,
                                         const char *section, const char *key,
                                         const char *where, pn_err *err);

/** Fill in every fallback. Strings that are there already are freed first. */
PN_MUST_CHECK pn_status pn_fields_defaults(const pn_section *s, pn_err *err);
/**
 * Set one scalar or list from its text; of a list, the items stand between commas, in
 * brackets or not. `where` ("run.yaml:3:9" or "--set") begins messages and the key
 * follows; folder: what a relative path is relative to, NULL for the working directory.
 * @return PN_ECONFIG, PN_ENOMEM; the old value stays then
 */
PN_MUST_CHECK pn_status pn_field_set(const pn_section *s, const pn_field *f,
                                     const char *text, const char *where,
                                     const char *folder, pn_err *err);
/** The same from the items of a list; a scalar's type takes exactly one. */
PN_MUST_CHECK pn_status pn_field_set_items(const pn_section *s, const pn_field *f,
                                           const char *const *items, size_t n,
                                           const char *where, const char *folder,
                                           pn_err *err);
/** Set from "section.key" (or "key" of the section "") and a text: --set. */
PN_MUST_CHECK pn_status pn_fields_set_named(const pn_section *sections, int n,
                                            const char *name, const char *text,
                                            const char *where, const char *folder,
                                            pn_err *err);
/** Free every string of the struct and zero it. */
void pn_fields_fini(const pn_section *s);
/** Append "key: value\n" lines (two spaces in front unless name is "") to a malloc'd
 * text (or NULL). A string without a value is left out. */
PN_MUST_CHECK pn_status pn_fields_print(const pn_section *s, char **text);
/** One JSON object on one line with every field; malloc'd. The section's name is not in
 * it. */
PN_MUST_CHECK pn_status pn_fields_print_json(const pn_section *s, char **json);

/**
 * `path` as an absolute path, malloc'd: relative to folder (NULL: the working directory).
 * Leading ".." climb from where the folder really is; nothing else is resolved.
 * NULL when there is no memory.
 */
char *pn_path_absolute(const char *path, const char *folder);
/** The word of the list (NULL-terminated) that `word` may have been meant to be; or NULL.
 */
const char *pn_word_nearest(const char *const *words, const char *word);

#endif
