/** @file args.h  A command's options from a table. */
#ifndef PN_CLI_ARGS_H
#define PN_CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/command.h"

typedef enum pn_arg_type {
    PN_ARG_FLAG, /**< bool */
    PN_ARG_TEXT, /**< const char *, lent by argv */
    PN_ARG_INT,  /**< int64_t within min..max */
    PN_ARG_INTS, /**< pn_arg_ints: "1,8", each within min..max */
    PN_ARG_REAL, /**< double within min..max */
    PN_ARG_LIST, /**< pn_arg_list: may be given again and again */
} pn_arg_type;

enum { PN_MAX_ARG_INTS = 32, PN_MAX_OPTIONS = 24 };
typedef struct pn_arg_ints {
    int n;
    int64_t v[PN_MAX_ARG_INTS];
} pn_arg_ints;

/** Room for as many as argc must be there before. */
typedef struct pn_arg_list {
    const char **items;
    int n;
} pn_arg_list;

typedef struct pn_option {
    const char *name; /**< long, without dashes; NULL ends a table */
    int letter;       /**< 0: none */
    pn_arg_type type;
    void *out;
    double min, max;
} pn_option;

/**
 * Parse argv; operands are moved behind the options, and *operands counts them:
 * argv[argc - *operands ...]. -h and --help are known without a table entry.
 * @return PN_OK, PN_END if help was printed, PN_EINVAL with a text that names the option
 */
PN_MUST_CHECK pn_status pn_args_parse(const pn_command *cmd, const pn_option *options,
                                      int argc, char **argv, int *operands, pn_err *err);

#endif
