/** @file convert_source.h  Where a model came from: PN_META_SOURCE, the files and their
 * digests. */
#ifndef PN_MODEL_CONVERT_SOURCE_H
#define PN_MODEL_CONVERT_SOURCE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/file.h"
#include "penult/convert.h"

/** Zeroed before its first use. */
typedef struct pn_source {
    FILE *to;
    char *text; /**< JSON */
    size_t size;
    long digest_at;    /**< in it: where the digest goes that is left over */
    pn_digest *digest; /**< NULL: none is */
} pn_source;

/** One file more. @param digest  where its digest may be left over, else NULL
 * @return PN_ENOMEM */
PN_MUST_CHECK pn_status pn_source_add(pn_source *s, const pn_file *f, pn_digest *digest);
/** Into the metadata, unless that knows already: what was converted before came from
 * there, not from what it was in between. @return PN_ENOMEM */
PN_MUST_CHECK pn_status pn_source_store(pn_source *s, pn_graph *g);
void pn_source_fini(pn_source *s);

#endif
