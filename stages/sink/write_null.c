/* Takes results and forgets them: a run's speed without its writer, and tests without
 * files. */
#include "stages/sink/write_null.h"

#include "base/fields.h"

static const pn_field null_fields[] = {{.key = NULL}};

static pn_status null_push(void *state, const pn_batch *in, pn_err *err)
{
    (void)state;
    (void)in;
    (void)err;
    return PN_OK;
}

static pn_status null_finish(void *state, const pn_counts *counts, bool complete,
                             pn_err *err)
{
    (void)state;
    (void)counts;
    (void)complete;
    (void)err;
    return PN_OK;
}

const pn_sink_ops pn_sink_write_null = {
    .info = {.name = "null",
             .summary = "keeps nothing, for trying out and measuring",
             .fields = null_fields},
    .in = PN_TYPE_RESULTS,
    .push = null_push,
    .finish = null_finish,
};
