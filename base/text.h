/** @file text.h  Lines for people, with names in them that came from a file. */
#ifndef PN_BASE_TEXT_H
#define PN_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "penult/status.h"

/** Print one line, or a list: a line break with two blanks behind it stays. All else that
 * is no printable UTF-8 is written as \xHH: a name from a foreign file must not move the
 * cursor or forge a line of ours. */
void pn_print_line(FILE *to, const char *fmt, ...) PN_PRINTF(2, 3);

/** Whether the text ends so; it may be nothing else. */
bool pn_text_ends(const char *text, const char *ending);

/** Bytes of the text before its ending; 0: it does not end so, or is nothing else. */
size_t pn_text_before(const char *text, const char *ending);

/** Columns that a terminal gives the text as pn_print_line() writes it: East Asian wide
 * characters take two, combining marks none, \xHH four. */
size_t pn_text_columns(const char *text);

/** The text, cut in its middle to at most `columns` ("stage3_..bn1_gamma"), at least 8;
 * never inside a character.
 * @return malloc'd; NULL when there is no memory */
char *pn_text_shorten(const char *text, size_t columns);

#endif
