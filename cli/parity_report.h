/** @file parity_report.h  What `convert` says about the proof of a conversion. */
#ifndef PN_CLI_PARITY_REPORT_H
#define PN_CLI_PARITY_REPORT_H

#include <stdbool.h>

#include "cli/write_beside.h"
#include "penult/graph.h"

/**
 * Prove the graph and say on stderr what was found.
 * @param sample  an image, prepared as `classify` does; NULL: a seeded input
 * @param exact   as in pn_model_opts
 * @param writer  of its files
 * @param holds   false: a bound was missed, or there is NaN or infinity
 * @return PN_ESTOPPED (the writer has failed), PN_ECONFIG (a sample without a record),
 * PN_EMISMATCH (record and input differ), PN_ENOENT, PN_EFORMAT (the sample), PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_cli_parity(const pn_graph *g, const char *sample, bool exact,
                                      pn_cli_writer *writer, bool *holds, pn_err *err);

#endif
