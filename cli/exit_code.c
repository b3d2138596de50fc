#include "cli/exit_code.h"

int pn_exit_code(pn_status st)
{
    switch (st) {
    case PN_OK:
        return PN_EXIT_OK;
    case PN_EINVAL:
        return PN_EXIT_USAGE;
    case PN_ENOENT:
    case PN_EFORMAT:
    case PN_EUNSUPPORTED:
        return PN_EXIT_INPUT;
    case PN_ECONFIG:
    case PN_EMISMATCH:
    case PN_EEXIST:
        return PN_EXIT_CONFIG;
    case PN_ENOMEM: /* the system refused, as with I/O */
    case PN_EIO:
        return PN_EXIT_IO;
    case PN_ESTOPPED:
    case PN_EFULL:
        return PN_EXIT_AGAIN;
    case PN_AGAIN:
    case PN_END:
    case PN_EINTERNAL:
        break;
    }
    return PN_EXIT_BUG;
}
