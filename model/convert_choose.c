/* Two choices made on a user's behalf when a model is converted. The feature tensor is
 * what the classifying layer is fed: the layer is looked for from the first output
 * backwards, so that a fully connected layer inside the net (a squeeze-and-excite block)
 * is not taken for it. */
#include "model/convert_choose.h"

#include <stdlib.h>
#include <string.h>

#include "base/fields.h"
#include "penult/log.h"

static const pn_node *producer(const pn_graph *g, int value)
{
    int p = g->values[value].producer;
    return p == PN_NONE ? NULL : &g->nodes[p];
}

static bool is_const(const pn_graph *g, int value)
{
    return value != PN_NONE && g->values[value].data != NULL;
}

/* the one input of a node that is computed; PN_NONE if there are several, or none */
static int only_computed(const pn_graph *g, const pn_node *n)
{
    int found = PN_NONE;
    for (int i = 0; i < n->n_inputs; i++) {
        if (n->inputs[i] == PN_NONE || is_const(g, n->inputs[i])) continue;
        if (found != PN_NONE && found != n->inputs[i]) return PN_NONE;
        found = n->inputs[i];
    }
    return found;
}

static bool is_dense(const pn_graph *g, const pn_node *n)
{
    return n->op == PN_OP_GEMM ||
           (n->op == PN_OP_MATMUL && n->n_inputs == 2 && is_const(g, n->inputs[1]));
}

/* the layer that classifies: the first with weights behind the first output; where the
 * way to it forks, the last fully connected layer there is */
static const pn_node *classifier(const pn_graph *g)
{
    int value = g->outputs[0];
    for (int steps = 0; value != PN_NONE && steps < g->n_nodes; steps++) {
        const pn_node *n = producer(g, value);
        if (!n) break;
        if (n->op == PN_OP_CONV || is_dense(g, n)) return n;
        value = only_computed(g, n);
    }
    for (int i = g->n_nodes - 1; i >= 0; i--)
        if (is_dense(g, &g->nodes[i])) return &g->nodes[i];
    return NULL;
}

static int through_dropout(const pn_graph *g, int value)
{
    const pn_node *n;
    while ((n = producer(g, value)) != NULL &&
           (n->op == PN_OP_IDENTITY || n->op == PN_OP_DROPOUT))
        value = n->inputs[0];
    return value;
}

static int spatial_places(const pn_shape *s)
{
    for (int i = 2; i < s->ndim; i++)
        if (s->dim[i] != 1) return 2;
    return 1;
}

/* a convolution's input, averaged over its places, if the graph has that; else PN_NONE */
static int averaged(const pn_graph *g, int value)
{
    if (spatial_places(&g->values[value].shape) == 1) return value;
    for (int i = 0; i < g->n_nodes; i++) {
        const pn_node *n = &g->nodes[i];
        if (n->op == PN_OP_GLOBAL_AVERAGE_POOL && n->inputs[0] == value)
            return n->outputs[0];
        if (n->op != PN_OP_REDUCE_MEAN || n->inputs[0] != value) continue;
        const pn_shape *s = &g->values[n->outputs[0]].shape;
        if (pn_shape_count(s) == g->values[value].shape.dim[1]) return n->outputs[0];
    }
    return PN_NONE;
}

static int default_features(const pn_graph *g, const pn_node *by)
{
    int value = through_dropout(g, by->inputs[0]);
    if (by->op == PN_OP_CONV) return averaged(g, value);
    /* where a fully connected layer brought its own flattening, what the user knows is
     * what went into that */
    const pn_node *flat = producer(g, value);
    size_t n = strlen(by->name);
    if (flat && flat->op == PN_OP_FLATTEN && n && !strncmp(flat->name, by->name, n) &&
        !strcmp(flat->name + n, ".flat"))
        value = through_dropout(g, flat->inputs[0]);
    return value;
}

static bool is_feature(const pn_graph *g, int value)
{
    const pn_value *v = &g->values[value];
    if (v->producer == PN_NONE || v->dtype != PN_F32 || !v->has_shape ||
        v->shape.ndim < 2 || v->shape.dim[0] != PN_DIM_FREE)
        return false;
    for (int i = 1; i < v->shape.ndim; i++)
        if (v->shape.dim[i] < 1) return false;
    return true;
}

static pn_status unknown_features(const pn_graph *g, const char *wanted, pn_err *err)
{
    const char **names = calloc((size_t)g->n_values + 1, sizeof(*names));
    const char *near = NULL;
    int n = 0;
    for (int i = 0; names && i < g->n_values; i++)
        if (is_feature(g, i)) names[n++] = g->values[i].name;
    if (names) near = pn_word_nearest(names, wanted);
    pn_fail(err, PN_EINVAL, "--features %s: no tensor of the model has that name%s%s%s",
            wanted, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    free(names);
    return PN_EINVAL;
}

static pn_status take_features(pn_graph *g, int value, pn_err *err)
{
    pn_status st = pn_graph_set_meta(g, PN_META_FEATURES, g->values[value].name);
    bool is_output = false;
    for (int i = 0; i < g->n_outputs; i++)
        is_output |= g->outputs[i] == value;
    if (!st && !is_output) st = pn_graph_add_output(g, value);
    return st ? pn_fail(err, st, "features: %s", pn_status_name(st)) : PN_OK;
}

static void drop_meta(pn_graph *g, const char *key)
{
    for (int i = 0; i < g->n_meta; i++) {
        if (strcmp(g->meta_keys[i], key) != 0) continue;
        g->n_meta--;
        g->meta_keys[i] = g->meta_keys[g->n_meta];
        g->meta_values[i] = g->meta_values[g->n_meta];
        return;
    }
}

pn_status pn_choose_features(pn_graph *g, const char *wanted, pn_err *err)
{
    const char *why = "as asked for", *known = pn_graph_meta(g, PN_META_FEATURES);
    const pn_node *by = NULL;
    int value = PN_NONE;
    if (wanted && !strcmp(wanted, "none")) {
        pn_log(PN_LOG_INFO, "features: none, as asked for");
        drop_meta(g, PN_META_FEATURES);
        return PN_OK;
    }
    if (wanted) {
        value = pn_graph_find(g, wanted);
        if (value == PN_NONE) return unknown_features(g, wanted, err);
        if (!is_feature(g, value))
            return pn_fail(err, PN_EINVAL,
                           "--features %s: is not computed for each image of a batch",
                           wanted);
    } else if (known && *known && (value = pn_graph_find(g, known)) != PN_NONE &&
               is_feature(g, value)) {
        why = "as the model's metadata says";
    } else if ((by = classifier(g)) != NULL) {
        value = default_features(g, by);
        why = "what the classifying layer is fed";
    }
    if (value == PN_NONE || !is_feature(g, value)) {
        pn_log(PN_LOG_INFO,
               "features: none: no tensor of the graph is what a classifying "
               "layer is fed (--features NAME chooses one)");
        return PN_OK;
    }
    char shape[PN_SHAPE_TEXT];
    pn_log(PN_LOG_INFO, "features: %s (%s), %s%s%s", g->values[value].name,
           pn_shape_text(&g->values[value].shape, shape, sizeof(shape)), why,
           by && by->name[0] ? ": " : "", by ? by->name : "");
    return take_features(g, value, err);
}

/* moving elements about does not make probabilities anything else */
static bool ends_in_softmax(const pn_graph *g)
{
    int value = g->outputs[0];
    for (int steps = 0; steps < g->n_nodes; steps++) {
        const pn_node *n = producer(g, value);
        if (!n) return false;
        if (n->op == PN_OP_SOFTMAX) return true;
        if (n->op != PN_OP_IDENTITY && n->op != PN_OP_FLATTEN && n->op != PN_OP_RESHAPE &&
            n->op != PN_OP_SQUEEZE && n->op != PN_OP_UNSQUEEZE && n->op != PN_OP_DROPOUT)
            return false;
        value = n->inputs[0];
    }
    return false;
}

pn_status pn_choose_scores(pn_graph *g, const char *wanted, pn_err *err)
{
    const char *known = pn_graph_meta(g, PN_META_SCORES);
    if (wanted && strcmp(wanted, "softmax") != 0 && strcmp(wanted, "as-is") != 0)
        return pn_fail(err, PN_EINVAL, "--scores %s: must be softmax or as-is", wanted);
    if (!wanted && known) return PN_OK;
    bool is_soft = ends_in_softmax(g);
    if (wanted && is_soft && !strcmp(wanted, "softmax"))
        pn_log(PN_LOG_WARN,
               "--scores softmax: %s is made by a softmax already: a second one makes "
               "all probabilities nearly equal",
               g->values[g->outputs[0]].name);
    const char *scores = wanted ? wanted : is_soft ? "as-is" : "softmax";
    if (!wanted && !is_soft)
        pn_log(PN_LOG_INFO,
               "scores: %s is no softmax: one is applied for the probabilities "
               "(--scores as-is: it is not)",
               g->values[g->outputs[0]].name);
    pn_status st = pn_graph_set_meta(g, PN_META_SCORES, scores);
    return st ? pn_fail(err, st, "scores: %s", pn_status_name(st)) : PN_OK;
}
