/* Everything about a model that `run` and `classify` must agree on, decided in one
 * place. */
#include "pipeline/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "penult/graph.h"
#include "penult/log.h"
#include "pipeline/cpu_budget.h"

static pn_status no_memory(const char *path, pn_err *err)
{
    return pn_fail(err, PN_ENOMEM, "%s: out of memory", path);
}

static pn_status load_preprocess(pn_network *net, const pn_graph *g,
                                 const pn_network_opts *o, pn_err *err)
{
    if (o->preprocess)
        return pn_preprocess_read_yaml(&net->preprocess, o->preprocess, err);
    const char *json = pn_graph_meta(g, PN_META_PREPROCESS);
    if (json) return pn_preprocess_from_json(&net->preprocess, json, o->path, err);
    return pn_fail(err, PN_ECONFIG,
                   "%s: the model does not say what its network wants to see (size, "
                   "channel order, mean): give it a record by model.preprocess in the "
                   "config or --preprocess, or convert it again with --preprocess or "
                   "--preset",
                   o->path);
}

static pn_status load_labels(pn_network *net, const pn_graph *g, const pn_network_opts *o,
                             pn_err *err)
{
    pn_status st = o->labels ? pn_labels_read(&net->labels, o->labels, err)
                             : pn_labels_of_graph(&net->labels, g, err);
    if (st || !net->labels.n || net->labels.n == net->classes) return st;
    return pn_fail(err, PN_EMISMATCH, "%s: %zu labels for %zu outputs of %s",
                   o->labels ? o->labels : o->path, net->labels.n, net->classes, o->path);
}

static pn_status choose_softmax(pn_network *net, const pn_graph *g,
                                const pn_network_opts *o, pn_err *err)
{
    const char *meta = pn_graph_meta(g, PN_META_SCORES);
    if (o->scores != PN_SCORES_MODEL) {
        net->softmax = o->scores == PN_SCORES_SOFTMAX;
    } else if (meta) {
        net->softmax = strcmp(meta, "softmax") == 0;
        if (!net->softmax && strcmp(meta, "as-is") != 0)
            return pn_fail(err, PN_EFORMAT, "%s: %s is \"%.40s\", not softmax or as-is",
                           o->path, PN_META_SCORES, meta);
    } else {
        const pn_value *v = &g->values[g->outputs[0]];
        net->softmax = v->producer < 0 || g->nodes[v->producer].op != PN_OP_SOFTMAX;
        if (net->softmax)
            pn_log(PN_LOG_INFO,
                   "%s: the output is no softmax; one is applied (model.scores: as-is "
                   "leaves it out)",
                   o->path);
    }
    return PN_OK;
}

/* the value that is the feature vector, or PN_NONE */
static pn_status find_features(const pn_graph *g, const pn_network_opts *o, int *value,
                               pn_err *err)
{
    const char *name = o->features && *o->features ? o->features : NULL;
    bool asked = name != NULL;
    *value = PN_NONE;
    if (o->without_features || (asked && strcmp(name, "none") == 0)) return PN_OK;
    if (!asked) name = pn_graph_meta(g, PN_META_FEATURES);
    if (!name)
        return pn_fail(err, PN_ECONFIG,
                       "%s: the model names no feature tensor: set model.features to a "
                       "tensor (`penult show` lists them) or to none",
                       o->path);
    *value = pn_graph_find(g, name);
    if (*value == PN_NONE)
        return pn_fail(err, PN_ECONFIG,
                       "%s: there is no tensor \"%s\" to be the features (`penult show` "
                       "lists them)",
                       o->path, name);
    return PN_OK;
}

/* 0 where the graph is of the record's size already */
static void input_size(const pn_graph *g, const pn_preprocess *p, pn_model_opts *m)
{
    const pn_shape *s = g->n_inputs ? &g->values[g->inputs[0]].shape : NULL;
    if (s && s->ndim == 4 && s->dim[2] == p->height && s->dim[3] == p->width) return;
    m->height = p->height;
    m->width = p->width;
}

static pn_status compile(pn_network *net, const pn_graph *g, const pn_network_opts *o,
                         pn_err *err)
{
    int features = PN_NONE;
    if (!g->n_outputs)
        return pn_fail(err, PN_EUNSUPPORTED, "%s: the model has no output", o->path);
    pn_status st = find_features(g, o, &features, err);
    if (st) return st;
    const char *taps[2] = {g->values[g->outputs[0]].name};
    pn_model_opts m = {.cpu = o->cpu,
                       .exact = o->exact,
                       .taps = taps,
                       .n_taps = 1,
                       .threads = pn_cpu_budget()};
    net->features_tap = -1;
    if (features != PN_NONE) {
        taps[1] = g->values[features].name;
        net->features_tap = m.n_taps++;
        net->features_name = strdup(taps[1]);
        if (!net->features_name) return no_memory(o->path, err);
    }
    input_size(g, &net->preprocess, &m);
    st = pn_model_compile(&net->model, g, &m, err);
    if (st) {
        pn_err_prefix(err, "%s", o->path);
        return st;
    }
    pn_model_get_info(net->model, &net->info);
    net->classes = pn_model_tap_count(net->model, 0);
    if (net->features_tap >= 0)
        net->n_features = pn_model_tap_count(net->model, net->features_tap);
    return PN_OK;
}

static pn_status check_shapes(const pn_network *net, pn_err *err)
{
    const pn_preprocess *p = &net->preprocess;
    const pn_shape *s = pn_model_tap_shape(net->model, net->scores_tap);
    int64_t longest = 1;
    for (int i = 0; i < s->ndim; i++)
        if (s->dim[i] > longest) longest = s->dim[i];
    char shape[PN_SHAPE_TEXT];
    if (net->info.channels != 3)
        return pn_fail(err, PN_EUNSUPPORTED,
                       "%s: the network wants %d channels; images have 3", net->path,
                       net->info.channels);
    if (net->info.height != p->height || net->info.width != p->width)
        return pn_fail(err, PN_ECONFIG,
                       "%s: the network takes %dx%d pixels, its preprocessing record "
                       "makes %dx%d",
                       net->path, net->info.height, net->info.width, p->height, p->width);
    if (net->classes != (size_t)longest)
        return pn_fail(err, PN_EUNSUPPORTED,
                       "%s: the first output is %s for an image: a classifier's is one "
                       "score a class",
                       net->path, pn_shape_text(s, shape, sizeof(shape)));
    return PN_OK;
}

static pn_status digest(pn_network *net, pn_err *err)
{
    pn_file *f = NULL;
    pn_status st = pn_file_open(&f, net->path, err);
    if (st) return st;
    pn_sha256_hex(f->data, f->size, net->sha256);
    net->file_bytes = (int64_t)f->size;
    pn_file_close(&f);
    return PN_OK;
}

pn_status pn_network_open(pn_network **out, const pn_network_opts *o, pn_err *err)
{
    pn_graph *g = NULL;
    pn_network *net = calloc(1, sizeof(*net));
    if (!net) return no_memory(o->path, err);
    pn_status st = PN_OK;
    net->path = strdup(o->path);
    if (!net->path) st = no_memory(o->path, err);
    if (!st) st = pn_graph_read_onnx(&g, o->path, err);
    if (!st) st = load_preprocess(net, g, o, err);
    if (!st) st = compile(net, g, o, err);
    if (!st) st = check_shapes(net, err);
    if (!st) st = choose_softmax(net, g, o, err);
    if (!st) st = load_labels(net, g, o, err);
    const char *source = st ? NULL : pn_graph_meta(g, PN_META_SOURCE);
    if (source && !(net->source = strdup(source))) st = no_memory(o->path, err);
    pn_graph_free(&g);
    if (!st && o->with_digest) st = digest(net, err);
    if (st)
        pn_network_free(&net);
    else
        *out = net;
    return st;
}

void pn_network_free(pn_network **network)
{
    pn_network *n = *network;
    if (!n) return;
    pn_model_free(&n->model);
    pn_labels_fini(&n->labels);
    free(n->features_name);
    free(n->source);
    free(n->path);
    free(n);
    *network = NULL;
}
