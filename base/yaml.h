/**
 * @file yaml.h  YAML records: one document, mappings two levels deep, plain values.
 *
 * Refused: aliases, anchors and tags, several documents, repeated and unknown keys, null,
 * quotes round a number, nesting past 32 levels, more than 1 MiB. Every message begins
 * with FILE:LINE:COLUMN.
 */
#ifndef PN_BASE_YAML_H
#define PN_BASE_YAML_H

#include <stddef.h>

#include "base/fields.h"

typedef struct pn_yaml pn_yaml;

/** Read and check a file. @return PN_ENOENT, PN_EIO, PN_ECONFIG, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_yaml_open(pn_yaml **out, const char *path, pn_err *err);
/** The same from text; `name` stands for the file in messages; folder: of relative paths
 * (NULL: the working directory). */
PN_MUST_CHECK pn_status pn_yaml_parse(pn_yaml **out, const char *text, size_t size,
                                      const char *name, const char *folder, pn_err *err);
void pn_yaml_close(pn_yaml **y);

/** The text of a scalar and where it stands, for a key that decides which tables apply;
 * NULL if it is not there or no scalar. `where` (NULL allowed) is malloc'd. Lent until
 * close. */
const char *pn_yaml_peek(const pn_yaml *y, const char *section, const char *key,
                         char **where);
/** The name it was opened by. */
const char *pn_yaml_name(const pn_yaml *y);

/** Set every value of the document. Section "": keys at the top; "model": keys under
 * `model`. Several sections may share a name. Defaults and required keys are the caller's
 * business. */
PN_MUST_CHECK pn_status pn_yaml_fill(const pn_yaml *y, const pn_section *sections, int n,
                                     pn_err *err);

/** Defaults, the file, required keys. (Sections need `given` for the last.) */
PN_MUST_CHECK pn_status pn_yaml_load(const char *path, const pn_section *sections, int n,
                                     pn_err *err);

#endif
