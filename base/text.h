/** @file text.h  Lines for people, with names in them that came from a file. */
#ifndef PN_BASE_TEXT_H
#define PN_BASE_TEXT_H

#include <stdio.h>

#include "penult/status.h"

/** Print one line, or a list: a line break with two blanks behind it stays. All else that
 * is no printable UTF-8 is written as \xHH: a name from a foreign file must not move the
 * cursor or forge a line of ours. */
void pn_print_line(FILE *to, const char *fmt, ...) PN_PRINTF(2, 3);

#endif
