/* Several files that appear together, as far as a file system lets them. */
#include "base/outset.h"

#include <assert.h>

pn_status pn_outset_open(pn_outset *s, pn_outfile **f, const char *path, pn_err *err)
{
    assert(s->n < PN_OUTSET_MAX);
    pn_status st = pn_outfile_open(&s->files[s->n], path, err);
    if (!st) *f = s->files[s->n++];
    return st;
}

pn_status pn_outset_sync(pn_outset *s, pn_err *err)
{
    pn_status st = PN_OK;
    for (int i = 0; i < s->n && !st; i++)
        st = pn_outfile_sync(s->files[i], err);
    return st;
}

pn_status pn_outset_commit(pn_outset *s, pn_err *err)
{
    pn_status st = pn_outfiles_commit(s->files, s->n, err);
    s->n = 0;
    return st;
}

void pn_outset_abort(pn_outset *s)
{
    for (int i = 0; i < s->n; i++)
        pn_outfile_abort(&s->files[i]);
    s->n = 0;
}
