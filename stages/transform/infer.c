/* One pass of the model over a batch's good items. The failed ones take no slot, and no
 * result depends on which slot it was. */
#include "stages/transform/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "penult/image.h"

typedef struct infer_shared {
    pn_infer_opts opts;
    pn_normalizer normalizer;
    size_t n_scores, n_features, n_pixels;
} infer_shared;

typedef struct infer_state {
    const infer_shared *shared;
    pn_exec *exec;
    float *scores; /* a softmax works in place, and the model's output is only lent */
    int *slots;    /* max_batch: the item in each slot */
} infer_state;

static pn_status infer_open(void *shared, const void *opts, pn_err *err)
{
    infer_shared *s = shared;
    s->opts = *(const pn_infer_opts *)opts;
    const pn_infer_opts *o = &s->opts;
    pn_model_info info;
    pn_model_get_info(o->model, &info);
    if (o->max_batch < 1 || o->threads < 1 || o->scores_tap < 0 ||
        o->scores_tap >= info.n_taps || o->features_tap < -1 ||
        o->features_tap >= info.n_taps)
        return pn_fail(err, PN_EINVAL,
                       "infer: batch %d, threads %d, taps %d and %d of %d: out of range",
                       o->max_batch, o->threads, o->scores_tap, o->features_tap,
                       info.n_taps);
    if (info.channels != 3 || info.height != o->preprocess->height ||
        info.width != o->preprocess->width)
        return pn_fail(err, PN_EMISMATCH,
                       "infer: the model takes %d channels of %dx%d, the preprocessing "
                       "record makes 3 of %dx%d",
                       info.channels, info.height, info.width, o->preprocess->height,
                       o->preprocess->width);
    s->n_scores = pn_model_tap_count(o->model, o->scores_tap);
    if (o->features_tap >= 0)
        s->n_features = pn_model_tap_count(o->model, o->features_tap);
    if (o->top_k < 0 || (size_t)o->top_k > s->n_scores)
        return pn_fail(err, PN_EINVAL, "infer: top_k is %d: the model has %zu classes",
                       o->top_k, s->n_scores);
    s->n_pixels = (size_t)info.height * (size_t)info.width;
    pn_normalizer_init(&s->normalizer, o->preprocess);
    return PN_OK;
}

static pn_status infer_start(void *state, const void *shared, pn_err *err)
{
    infer_state *s = state;
    s->shared = shared;
    const pn_infer_opts *o = &s->shared->opts;
    s->scores = malloc(s->shared->n_scores * sizeof(*s->scores));
    s->slots = malloc((size_t)o->max_batch * sizeof(*s->slots));
    if (!s->scores || !s->slots) return pn_fail(err, PN_ENOMEM, "infer: out of memory");
    return pn_exec_new(&s->exec, o->model, o->max_batch, o->threads, err);
}

static bool are_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

static void take_result(infer_state *s, pn_item *it, int slot)
{
    const pn_infer_opts *o = &s->shared->opts;
    const float *scores = pn_exec_output(s->exec, o->scores_tap, slot);
    const float *features =
        o->features_tap >= 0 ? pn_exec_output(s->exec, o->features_tap, slot) : NULL;
    if (!are_finite(scores, s->shared->n_scores) ||
        (features && !are_finite(features, s->shared->n_features))) {
        pn_item_fail(it, PN_REASON_NOT_FINITE,
                     "the network's answer holds NaN or infinity");
        return;
    }
    if (o->softmax) {
        memcpy(s->scores, scores, s->shared->n_scores * sizeof(*scores));
        pn_softmax(s->scores, s->shared->n_scores);
        scores = s->scores;
    }
    pn_top_k(scores, s->shared->n_scores, it->top, (size_t)o->top_k);
    if (features)
        memcpy(it->features, features, s->shared->n_features * sizeof(*it->features));
}

static pn_status infer_apply(void *state, pn_batch *batch, pn_err *err)
{
    infer_state *s = state;
    const infer_shared *sh = s->shared;
    const pn_batch_shape *b = &batch->shape;
    if (b->top_k != sh->opts.top_k || b->n_features != sh->n_features ||
        (size_t)b->height * (size_t)b->width != sh->n_pixels)
        return pn_fail(err, PN_EINTERNAL,
                       "infer: the batch has room for %d labels and %zu features, the "
                       "model gives %d and %zu",
                       b->top_k, b->n_features, sh->opts.top_k, sh->n_features);

    for (int i = 0; i < batch->n;) {
        int n = 0;
        for (; i < batch->n && n < sh->opts.max_batch; i++) {
            if (batch->items[i].reason) continue;
            pn_normalizer_apply(&sh->normalizer, batch->items[i].pixels,
                                pn_exec_input(s->exec, n), sh->n_pixels);
            s->slots[n++] = i;
        }
        if (!n) break;
        pn_status st = pn_exec_run(s->exec, n);
        if (st) return pn_fail(err, st, "infer: the model did not run");
        for (int k = 0; k < n; k++)
            take_result(s, &batch->items[s->slots[k]], k);
    }
    batch->type = PN_TYPE_RESULTS;
    return PN_OK;
}

static void infer_stop(void *state)
{
    infer_state *s = state;
    pn_exec_free(&s->exec);
    free(s->scores);
    free(s->slots);
    s->scores = NULL;
    s->slots = NULL;
}

static void infer_close(void *shared)
{
    (void)shared;
}

const pn_transform_ops pn_transform_infer = {
    .info = {.name = "infer",
             .summary = "the model: top-k labels and features in one pass",
             .opts_size = sizeof(pn_infer_opts),
             .shared_size = sizeof(infer_shared),
             .state_size = sizeof(infer_state),
             .open = infer_open,
             .start = infer_start,
             .stop = infer_stop,
             .close = infer_close},
    .in = PN_TYPE_PIXELS,
    .out = PN_TYPE_RESULTS,
    .apply = infer_apply,
};
