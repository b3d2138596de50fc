/** @file command.h  What a command is, and what all commands share. */
#ifndef PN_CLI_COMMAND_H
#define PN_CLI_COMMAND_H

#include <jansson.h>
#include <stdint.h>

#include "cli/exit_code.h"
#include "penult/status.h"

typedef struct pn_command {
    const char *name;
    const char *summary; /**< one line */
    const char *help;    /**< usage, examples, then the options */
    /** argv[0] is the command's name. @return the exit status */
    int (*run)(int argc, char **argv);
} pn_command;

extern const pn_command pn_command_convert, pn_command_run, pn_command_classify,
    pn_command_show, pn_command_compare, pn_command_bench, pn_command_completion,
    pn_command_manual;

/** Print "penult: TEXT" on stderr and clear err. @return the exit status for it */
int pn_cli_fail(pn_err *err, pn_status st);
/** Print a value as one line (or many: pretty) on stdout; takes it. @return PN_ENOMEM */
PN_MUST_CHECK pn_status pn_cli_print_json(json_t *value, int pretty);
/** A JSON text; what is no UTF-8 becomes '?'. NULL when there is no memory. */
json_t *pn_cli_json_text(const char *text, size_t size);
/** A JSON number; null for what JSON has no number for. */
json_t *pn_cli_json_number(double v);
/** "18.7 MiB" into buf; returns buf. */
const char *pn_cli_bytes_text(int64_t bytes, char *buf, size_t size);
/** "12,345,678" into buf; returns buf. */
const char *pn_cli_count_text(int64_t n, char *buf, size_t size);
#define PN_CLI_NUMBER 32

#endif
