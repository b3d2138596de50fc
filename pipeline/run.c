/* Puts a run together from its config. The network is given a core a worker and one
 * thread each: images are many, so whole images are what is divided. */
#include "pipeline/run.h"

#include <stdlib.h>
#include <string.h>

#include "penult/log.h"
#include "pipeline/run_parts.h"
#include "stages/sink/write_lmdb.h"
#include "stages/transform/decode.h"
#include "stages/transform/infer.h"

struct pn_run {
    const pn_config *config;
    pn_network *network;
    pn_run_info info;
    pn_run_meta meta;
    pn_decode_opts decode;
    pn_infer_opts infer;
    pn_run_plan plan;
};

/* how the sink stores features, by its own word; NULL if it has no such field */
static const char *stored_features(const pn_config *c)
{
    if (!c->sink->info.fields) return NULL;
    const pn_section s = {
        .name = "", .fields = c->sink->info.fields, .base = c->sink_opts};
    const pn_field *f = pn_field_find(&s, 1, "", "features", NULL);
    if (!f || f->type != PN_FIELD_ENUM) return NULL;
    return f->names[*(const int *)((const char *)c->sink_opts + f->offset)];
}

static pn_status open_network(pn_run *r, const char *stored, pn_err *err)
{
    const pn_config *c = r->config;
    const pn_network_opts o = {
        .path = c->model.path,
        .preprocess = c->model.preprocess,
        .labels = c->model.labels,
        .features = c->model.features,
        .scores = (pn_scores_choice)c->model.scores,
        .cpu = (pn_cpu)c->run.cpu,
        .exact = c->engine.exact,
        .without_features = stored && strcmp(stored, "none") == 0,
        .with_digest = true,
    };
    return pn_network_open(&r->network, &o, err);
}

static void describe(pn_run *r)
{
    const pn_network *net = r->network;
    pn_run_info *i = &r->info;
    int64_t wanted = r->config->model.top_k;
    i->network = net;
    i->top_k = (int)wanted;
    if ((uint64_t)wanted > net->classes) {
        i->top_k = (int)net->classes;
        pn_log(PN_LOG_INFO, "model.top_k is %lld; the model has %zu classes",
               (long long)wanted, net->classes);
    }
    if (i->threads > i->cores)
        pn_log(PN_LOG_WARN, "run.threads is %d, but this process may use %d cores",
               i->threads, i->cores);
    i->weight_bytes = net->info.weight_bytes;
    i->working_bytes =
        i->threads * (net->info.thread_bytes + (int64_t)i->batch * net->info.image_bytes);
}

static void make_plan(pn_run *r)
{
    const pn_config *c = r->config;
    const pn_network *net = r->network;
    pn_run_info *i = &r->info;
    r->decode = (pn_decode_opts){.preprocess = &net->preprocess};
    r->infer = (pn_infer_opts){
        .model = net->model,
        .preprocess = &net->preprocess,
        .max_batch = i->batch,
        .threads = 1,
        .scores_tap = net->scores_tap,
        .softmax = net->softmax,
        .features_tap = net->features_tap,
        .top_k = i->top_k,
    };
    r->plan = (pn_run_plan){
        .source = c->source,
        .source_opts = c->source_opts,
        .n_transforms = 2,
        .transforms = {&pn_transform_decode, &pn_transform_infer},
        .transform_opts = {&r->decode, &r->infer},
        .sink = c->sink,
        .sink_opts = c->sink_opts,
        .shape = {.capacity = i->batch,
                  .height = net->preprocess.height,
                  .width = net->preprocess.width,
                  .top_k = i->top_k,
                  .n_features = net->n_features,
                  .max_item_bytes = c->input.max_file_bytes},
        .workers = i->threads,
        .in_flight = (int)c->input.in_flight,
        .max_file_bytes = c->input.max_file_bytes,
        .max_read_bytes = PN_USUAL_READ_BYTES,
        .max_failures = c->run.max_failures,
    };
    i->batches = pn_runner_batches(&r->plan);
    const pn_batch_shape *s = &r->plan.shape;
    int64_t item = (int64_t)s->height * s->width * 3 +
                   (int64_t)s->top_k * (int64_t)sizeof(pn_score) +
                   (int64_t)(s->n_features * sizeof(float)) + (int64_t)sizeof(pn_item);
    i->batch_bytes = (int64_t)i->batches * i->batch * item;
    i->encoded_bytes = pn_runner_encoded_bytes(&r->plan);
}

pn_status pn_run_open(pn_run **out, const pn_config *c, pn_err *err)
{
    pn_run *r = calloc(1, sizeof(*r));
    if (!r) return pn_fail(err, PN_ENOMEM, "run: out of memory");
    r->config = c;
    const char *stored = stored_features(c);
    pn_status st = pn_run_look_at_output(c, err);
    if (!st) st = pn_run_look_at_input(c, &r->info, err);
    if (!st) st = open_network(r, stored, err);
    if (!st)
        st = pn_run_meta_init(&r->meta, c, r->network, stored ? stored : "float32", err);
    if (st) {
        pn_run_free(&r);
        return st;
    }
    pn_run_decide(c, &r->info);
    describe(r);
    make_plan(r);
    *out = r;
    return PN_OK;
}

void pn_run_get_info(const pn_run *r, pn_run_info *info)
{
    *info = r->info;
}

pn_status pn_run_execute(pn_run *r, bool handle_signals, int progress,
                         pn_run_summary *summary, pn_err *err)
{
    pn_write_lmdb_opts lmdb;
    r->plan.handle_signals = handle_signals;
    r->plan.progress = progress;
    if (r->config->sink == &pn_sink_write_lmdb) {
        lmdb = *(const pn_write_lmdb_opts *)r->config->sink_opts;
        lmdb.meta_config = r->meta.config;
        lmdb.meta_model = r->meta.model;
        lmdb.meta_labels = r->meta.labels;
        lmdb.meta_features = r->meta.features;
        r->plan.sink_opts = &lmdb;
    }
    return pn_runner_run(&r->plan, summary, err);
}

void pn_run_free(pn_run **run)
{
    pn_run *r = *run;
    if (!r) return;
    pn_network_free(&r->network);
    pn_run_meta_fini(&r->meta);
    free(r);
    *run = NULL;
}
