/* An image file as an item of a batch, for commands without a pipeline. */
#include "cli/read_image.h"

#include <string.h>

#include "base/file.h"
#include "pipeline/config.h"

pn_status pn_cli_read_image(pn_item *it, const char *path)
{
    pn_file *f = NULL;
    pn_err err = {0};
    pn_status st = pn_item_set_key(it, path, strlen(path));
    if (!st) st = pn_file_open(&f, path, &err);
    if (f && !f->size)
        pn_item_fail(it, PN_REASON_EMPTY, "the file is empty");
    else if (f && f->size > PN_USUAL_FILE_BYTES)
        pn_item_fail(it, PN_REASON_TOO_LARGE, "more than %d bytes", PN_USUAL_FILE_BYTES);
    else if (f)
        st = pn_item_set_data(it, f->data, f->size);
    else if (err.status && st != PN_ENOMEM)
        pn_item_fail(it, PN_REASON_READ, "%s", pn_err_text(&err)), st = PN_OK;
    pn_file_close(&f);
    pn_err_clear(&err);
    return st;
}
