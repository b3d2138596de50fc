/** @file read_image.h  An image that was named on the command line. */
#ifndef PN_CLI_READ_IMAGE_H
#define PN_CLI_READ_IMAGE_H

#include "penult/batch.h"

/** The file's bytes into the item, its path the key; trouble with the file is the item's.
 * @return PN_OK also then; PN_ENOMEM */
PN_MUST_CHECK pn_status pn_cli_read_image(pn_item *it, const char *path);

#endif
