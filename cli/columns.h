/** @file columns.h  A table whose columns stand under each other. */
#ifndef PN_CLI_COLUMNS_H
#define PN_CLI_COLUMNS_H

#include <stddef.h>
#include <stdio.h>

#include "penult/status.h"

enum { PN_MAX_COLUMNS = 8 };
typedef struct pn_columns pn_columns;

/**
 * A table of as many columns as `sides` has letters, 'l' or 'r' each, at most
 * PN_MAX_COLUMNS; `heads` are its first row. PN_OK or PN_ENOMEM.
 */
PN_MUST_CHECK pn_status pn_columns_new(pn_columns **out, const char *sides,
                                       const char *const *heads);
/** A row behind the others; the cells are copied. PN_OK or PN_ENOMEM. */
PN_MUST_CHECK pn_status pn_columns_add(pn_columns *c, const char *const *cells);
/**
 * Print all rows as lines of text. @param width  what a line may take: the first column
 * is shortened for it, then the second, but neither to nothing; 0: as much as there is.
 * PN_OK or PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_columns_print(const pn_columns *c, FILE *to, size_t width);
/** *c becomes NULL and may be NULL. */
void pn_columns_free(pn_columns **c);

/** Columns of the terminal that stdout is; 0 if it is none. */
size_t pn_terminal_width(void);

#endif
