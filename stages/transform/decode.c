/* Bytes in, the network's pixels out; one decoder a worker. */
#include "stages/transform/decode.h"

#include "penult/image.h"

typedef struct decode_shared {
    const pn_preprocess *preprocess;
} decode_shared;

typedef struct decode_state {
    pn_decoder *decoder;
    int height, width;
} decode_state;

static pn_status decode_open(void *shared, const void *opts, pn_err *err)
{
    (void)err;
    const pn_decode_opts *o = opts;
    decode_shared *s = shared;
    s->preprocess = o->preprocess;
    return PN_OK;
}

static pn_status decode_start(void *state, const void *shared, pn_err *err)
{
    decode_state *s = state;
    const pn_preprocess *p = ((const decode_shared *)shared)->preprocess;
    s->height = p->height;
    s->width = p->width;
    pn_status st = pn_decoder_new(&s->decoder, p);
    if (st == PN_EINVAL)
        return pn_fail(err, PN_ECONFIG,
                       "preprocessing record: size %dx%d with short_side %d: a side is 1 "
                       "to 8192 pixels and short_side at least the longer one",
                       p->height, p->width, p->short_side);
    if (st) return pn_fail(err, st, "decode: out of memory");
    return PN_OK;
}

static pn_status decode_apply(void *state, pn_batch *batch, pn_err *err)
{
    decode_state *s = state;
    if (batch->shape.height != s->height || batch->shape.width != s->width)
        return pn_fail(err, PN_EINTERNAL, "decode: a batch of %dx%d pixels, not %dx%d",
                       batch->shape.height, batch->shape.width, s->height, s->width);
    for (int i = 0; i < batch->n; i++) {
        pn_item *it = &batch->items[i];
        /* what one image needs is up to its header: a huge one is its own failure */
        if (!it->reason && pn_decoder_apply(s->decoder, it))
            pn_item_fail(it, PN_REASON_TOO_LARGE, "no memory for its pixels");
        pn_item_drop_data(it);
    }
    batch->type = PN_TYPE_PIXELS;
    return PN_OK;
}

static void decode_stop(void *state)
{
    pn_decoder_free(&((decode_state *)state)->decoder);
}

static void decode_close(void *shared)
{
    (void)shared;
}

const pn_transform_ops pn_transform_decode = {
    .info = {.name = "decode",
             .summary = "JPEG, PNG and raw planes to the network's pixels",
             .opts_size = sizeof(pn_decode_opts),
             .shared_size = sizeof(decode_shared),
             .state_size = sizeof(decode_state),
             .open = decode_open,
             .start = decode_start,
             .stop = decode_stop,
             .close = decode_close},
    .in = PN_TYPE_BYTES,
    .out = PN_TYPE_PIXELS,
    .apply = decode_apply,
};
