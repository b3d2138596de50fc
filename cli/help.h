/** @file help.h  What --help says, read by programs: completions and the manual page are
 * made of it, so that an option is written down once. */
#ifndef PN_CLI_HELP_H
#define PN_CLI_HELP_H

#include "cli/command.h"

enum { PN_MAX_COMMANDS = 16 };
/** NULL ends them. */
extern const pn_command *const pn_commands[];

/** What --help of the program says before and behind the list of commands. */
extern const char pn_help_head[], pn_help_tail[];
/** All three, on stdout. */
void pn_help_print(void);

/** One of a help text: `  -o, --output FILE        where to write`. */
typedef struct pn_help_option {
    char letter;    /**< 0: none */
    char name[32];  /**< long, without dashes */
    char value[48]; /**< "FILE", "softmax|as-is"; "" for a flag */
    char text[512]; /**< its lines, joined */
} pn_help_option;

/** The place of a help text's first option; NULL if it has none. */
const char *pn_help_options(const char *help);
/** Read the option at a place. @return the place behind it; NULL behind the last */
const char *pn_help_option_next(const char *at, pn_help_option *out);

#endif
