/**
 * @file fuzz.h  What the fuzz targets share. A target is LLVMFuzzerTestOneInput() on the
 * bytes of one format; libFuzzer drives it, or replay.c with what libFuzzer has found.
 */
#ifndef PN_TESTS_FUZZ_H
#define PN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "penult/graph.h"
#include "penult/status.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Inputs that were no error: replay.c holds them against what the corpus promises. */
extern size_t pn_fuzz_n_accepted;

/** The program's own fault is found: say which rule and stop where a debugger sees it. */
_Noreturn void pn_fuzz_broken(const char *rule) __attribute__((cold));
#define PN_FUZZ_CHECK(claim)                                                             \
    do {                                                                                 \
        if (!(claim)) pn_fuzz_broken(#claim);                                            \
    } while (0)

/** Whatever failed has said why, in the status it returned. Clears err. */
void pn_fuzz_said_why(pn_status st, pn_err *err);

/** A file with these bytes, for what takes a path; lent until the next call. */
const char *pn_fuzz_path(const uint8_t *data, size_t size);
/** A folder of this process's own, in memory where the system has that; removed at the
 * end. */
const char *pn_fuzz_folder(void);
/** Bytes as a C string, malloc'd; cut at the first NUL. */
char *pn_fuzz_text(const uint8_t *data, size_t size);

/** What a reader of graphs has returned: checked, counted, put to use if it is a graph,
 * and freed. */
void pn_fuzz_graph_read(pn_status st, pn_graph **g, pn_err *err);

/** Everything that can be done with a graph which a reader has accepted: written and read
 * again, compiled and run. Work that is too much for one input is left out. */
void pn_fuzz_graph(const pn_graph *g);

#endif
