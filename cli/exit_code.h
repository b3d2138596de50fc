/** @file exit_code.h  What the process says when it ends; the numbers are sysexits.h's.
 */
#ifndef PN_CLI_EXIT_CODE_H
#define PN_CLI_EXIT_CODE_H

#include "penult/status.h"

enum {
    PN_EXIT_OK = 0,
    PN_EXIT_USAGE = 64,
    PN_EXIT_FAILURES = 65, /**< finished, with more failed images than allowed */
    PN_EXIT_INPUT = 66,    /**< an input is missing, damaged or not supported */
    PN_EXIT_BUG = 70,
    PN_EXIT_IO = 74,
    PN_EXIT_AGAIN = 75, /**< stopped early: run again */
    PN_EXIT_CONFIG = 78,
};

/** The one place where a status becomes an exit status. */
int pn_exit_code(pn_status st);

#endif
