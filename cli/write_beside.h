/** @file write_beside.h  The outputs of a conversion are written while its proof runs,
 * and named when that has passed. */
#ifndef PN_CLI_WRITE_BESIDE_H
#define PN_CLI_WRITE_BESIDE_H

#include <stdbool.h>

#include "penult/convert.h"

typedef struct pn_cli_writer pn_cli_writer;

/** @param d  made first. It and the graph, but for its PN_META_SOURCE, may be read
 * meanwhile, not changed or freed. NULL: out of memory */
pn_cli_writer *pn_cli_write_begin(const pn_graph *g, const char *output,
                                  const pn_digest *d);
/** Whether pn_cli_write_end() will fail, as far as is known; any thread may ask. `w` is
 * such a writer. */
bool pn_cli_write_has_failed(void *w);
/** Give the files their names. @return as pn_export */
PN_MUST_CHECK pn_status pn_cli_write_end(pn_cli_writer *w, pn_err *err);
/** Wait, remove what has no name, free; *w may be NULL. */
void pn_cli_write_free(pn_cli_writer **w);

#endif
