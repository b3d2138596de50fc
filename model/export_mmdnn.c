/* A graph as MMdnn's three files: NAME.pb (the graph), NAME.json (the same to read) and
 * NAME.npy (the weights). */
#include "model/export_mmdnn.h"

#include <stdlib.h>
#include <string.h>

#include "model/export.h"

static const struct rule {
    pn_ir_fn *write; /* NULL: MMdnn's emitter has none, nor can it be said otherwise */
} rules[PN_N_OPS] = {
    [PN_OP_ADD] = {pn_ir_binary},
    [PN_OP_AVERAGE_POOL] = {pn_ir_average_pool},
    [PN_OP_BATCH_NORM] = {pn_ir_batch_norm},
    [PN_OP_CAST] = {pn_ir_cast},
    [PN_OP_CLIP] = {pn_ir_clip},
    [PN_OP_CONCAT] = {pn_ir_concat},
    [PN_OP_CONV] = {pn_ir_conv},
    [PN_OP_DIV] = {pn_ir_div},
    [PN_OP_DROPOUT] = {pn_ir_identity},
    [PN_OP_FLATTEN] = {pn_ir_flatten},
    [PN_OP_GEMM] = {pn_ir_gemm},
    [PN_OP_GLOBAL_AVERAGE_POOL] = {pn_ir_global_pool},
    [PN_OP_GLOBAL_MAX_POOL] = {pn_ir_global_pool},
    [PN_OP_HARD_SIGMOID] = {pn_ir_hard_sigmoid},
    [PN_OP_HARD_SWISH] = {pn_ir_hard_swish},
    [PN_OP_IDENTITY] = {pn_ir_identity},
    [PN_OP_LEAKY_RELU] = {pn_ir_leaky_relu},
    [PN_OP_LRN] = {pn_ir_lrn},
    [PN_OP_MATMUL] = {pn_ir_matmul},
    [PN_OP_MAX] = {pn_ir_chain},
    [PN_OP_MAX_POOL] = {pn_ir_max_pool},
    [PN_OP_MIN] = {pn_ir_chain},
    [PN_OP_MUL] = {pn_ir_binary},
    [PN_OP_NEG] = {pn_ir_neg},
    [PN_OP_PAD] = {pn_ir_pad},
    [PN_OP_POW] = {pn_ir_pow},
    [PN_OP_PRELU] = {pn_ir_prelu},
    [PN_OP_REDUCE_MAX] = {pn_ir_reduce},
    [PN_OP_REDUCE_MEAN] = {pn_ir_reduce},
    [PN_OP_REDUCE_MIN] = {pn_ir_reduce},
    [PN_OP_REDUCE_PROD] = {pn_ir_reduce},
    [PN_OP_REDUCE_SUM] = {pn_ir_reduce},
    [PN_OP_RELU] = {pn_ir_unary},
    [PN_OP_RESHAPE] = {pn_ir_reshape},
    [PN_OP_SIGMOID] = {pn_ir_unary},
    [PN_OP_SLICE] = {pn_ir_slice},
    [PN_OP_SOFTMAX] = {pn_ir_softmax},
    [PN_OP_SPLIT] = {pn_ir_split},
    [PN_OP_SQUEEZE] = {pn_ir_reshape},
    [PN_OP_SUB] = {pn_ir_binary},
    [PN_OP_SUM] = {pn_ir_chain},
    [PN_OP_TANH] = {pn_ir_unary},
    [PN_OP_TRANSPOSE] = {pn_ir_transpose},
    [PN_OP_UNSQUEEZE] = {pn_ir_reshape},
};

/* ---- which nodes, in which order ---- */

enum { IS_LIVE = 1, IS_SINK = 2, IS_WRITTEN = 4 };

static void mark_live(pn_ir *w, unsigned char *marks)
{
    const pn_graph *g = w->g;
    for (int i = 0; i < g->n_outputs; i++)
        w->values[g->outputs[i]].is_output = true;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const pn_node *n = &g->nodes[i];
        bool is_live = false, is_read = false;
        for (int k = 0; k < n->n_outputs; k++) {
            is_read |= w->values[n->outputs[k]].n_readers > 0;
            is_live |= w->values[n->outputs[k]].is_output;
        }
        if (!is_live && !is_read) continue;
        marks[i] = is_read ? IS_LIVE : IS_LIVE | IS_SINK;
        for (int k = 0; k < n->n_inputs; k++) {
            if (n->inputs[k] == PN_NONE) continue;
            pn_ir_value *v = &w->values[n->inputs[k]];
            v->n_readers++;
            v->n_max_pools += n->op == PN_OP_MAX_POOL;
        }
    }
}

static void write_node(pn_ir *w, int node)
{
    w->node = &w->g->nodes[node];
    w->made = PN_NONE;
    for (int i = 0; i < w->node->n_inputs; i++)
        if (w->node->inputs[i] == PN_NONE && i == 0) {
            pn_ir_refuse(w, "its first input is left out");
            return;
        }
    if (rules[w->node->op].write)
        rules[w->node->op].write(w);
    else
        pn_ir_refuse(w, "MMdnn's PyTorch emitter has no such operator");
}

/* The emitted module returns what nobody reads, in the order of the file: the model's
 * outputs last, in their order. One that is read gets a copy, but for the features: who
 * wants them asks for the node. */
static void write_outputs(pn_ir *w, unsigned char *marks)
{
    const pn_graph *g = w->g;
    const char *features = pn_graph_meta(g, PN_META_FEATURES);
    for (int i = 0; i < g->n_outputs && !w->has_failed; i++) {
        const pn_value *v = &g->values[g->outputs[i]];
        const pn_ir_value *is = &w->values[g->outputs[i]];
        if (v->producer == PN_NONE) continue; /* refused already */
        unsigned char *mark = &marks[v->producer];
        if ((*mark & IS_SINK) && !(*mark & IS_WRITTEN)) {
            *mark |= IS_WRITTEN;
            write_node(w, v->producer);
        } else if (is->n_readers && is->name &&
                   !(i > 0 && features && !strcmp(features, v->name))) {
            pn_ir_copy(w, is->name, &v->shape);
        }
    }
}

/* ---- the input, where everything is said that the IR has no place for ---- */

static void put_outputs(pn_ir *w)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    for (int i = 0; to && i < w->g->n_outputs; i++) {
        const char *name = w->values[w->g->outputs[i]].name;
        fprintf(to, "%s%s", i ? "\n" : "", name ? name : "?");
    }
    if (to && fclose(to) == 0)
        pn_ir_set_string(w, PN_IR_OUTPUTS, text);
    else
        w->has_failed = true;
    free(text);
}

static void write_input(pn_ir *w)
{
    const pn_graph *g = w->g;
    const pn_value *x = &g->values[g->inputs[0]];
    const char *name = w->values[g->inputs[0]].name;
    pn_wire_put_text(&w->def, 1, name);
    pn_wire_put_text(&w->def, 2, "DataInput");
    pn_ir_set_shape(w, "shape", &x->shape, -1);
    if (strcmp(name, x->name) != 0) pn_ir_set_string(w, PN_IR_VALUE_NAME, x->name);
    put_outputs(w);
    for (int i = 0; i < g->n_meta; i++)
        if (!strncmp(g->meta_keys[i], PN_IR_META, strlen(PN_IR_META)))
            pn_ir_set_string(w, g->meta_keys[i], g->meta_values[i]);
    size_t body = w->body.size;
    pn_ir_end(w, &x->shape);
    /* it was built last, knowing the outputs, and stands first */
    if (!w->body.failed)
        pn_wire_put_raw(&w->head, w->body.bytes + body, w->body.size - body);
    w->body.size = body;
}

static pn_status check_ends(const pn_ir *w)
{
    const pn_graph *g = w->g;
    if (g->n_inputs != 1)
        return pn_fail(w->err, PN_EUNSUPPORTED,
                       "%d inputs: MMdnn's PyTorch emitter calls every input x",
                       g->n_inputs);
    const pn_value *x = &g->values[g->inputs[0]];
    if (!x->has_shape || x->shape.ndim < 2 || x->dtype != PN_F32)
        return pn_fail(w->err, PN_EUNSUPPORTED,
                       "input \"%s\": MMdnn's IR takes a batch of float32", x->name);
    for (int i = 0; i < g->n_outputs; i++)
        if (g->values[g->outputs[i]].producer == PN_NONE)
            return pn_fail(w->err, PN_EUNSUPPORTED, "output \"%s\": no node makes it",
                           g->values[g->outputs[i]].name);
    return PN_OK;
}

static pn_status build(pn_ir *w)
{
    const pn_graph *g = w->g;
    pn_status st = check_ends(w);
    if (st) return st;
    w->values = calloc((size_t)g->n_values + 1, sizeof(*w->values));
    unsigned char *marks = calloc((size_t)g->n_nodes + 1, 1);
    w->refused = open_memstream(&w->refused_text, &w->refused_size);
    if (!w->values || !marks || !w->refused || pn_graph_new(&w->names, "names")) {
        free(marks);
        return PN_ENOMEM;
    }
    pn_ir_reserve_words(w);
    mark_live(w, marks);
    w->values[g->inputs[0]].name = pn_ir_name(w, g->values[g->inputs[0]].name, "");
    for (int i = 0; i < g->n_nodes && !w->has_failed; i++)
        if (marks[i] == IS_LIVE) write_node(w, i);
    write_outputs(w, marks);
    free(marks);
    if (fflush(w->refused) != 0) return PN_ENOMEM;
    if (w->n_refused)
        return pn_fail(w->err, PN_EUNSUPPORTED,
                       "%d node%s cannot be said in MMdnn's IR: %s", w->n_refused,
                       w->n_refused > 1 ? "s" : "", w->refused_text);
    write_input(w);
    return w->has_failed || w->head.failed || w->body.failed || w->def.failed ||
                   w->entry.failed || w->attr.failed || w->list.failed ||
                   w->shape.failed || w->dim.failed
               ? PN_ENOMEM
               : PN_OK;
}

/* ---- the files ---- */

enum { NPY, JSON, PB, N_FILES };
static const char *const endings[N_FILES] = {".npy", ".json", ".pb"};

static pn_status write_file(const pn_ir *w, int kind, pn_outfile *to)
{
    switch (kind) {
    case NPY:
        return pn_ir_write_npy(w, to, w->err);
    case JSON:
        return pn_ir_write_json(w->head.bytes, w->head.size, to, w->err);
    default:
        return pn_outfile_write(to, w->head.bytes, w->head.size, w->err);
    }
}

/* the one that was asked for is the last */
static pn_status write_files(const pn_ir *w, const char *path, pn_outset *to)
{
    size_t stem = (size_t)(strrchr(path, '.') - path);
    const int last = !strcmp(path + stem, endings[JSON]) ? JSON : PB;
    const int order[N_FILES] = {NPY, last == JSON ? PB : JSON, last};
    char *name = malloc(stem + 8);
    pn_status st = name ? PN_OK : PN_ENOMEM;
    for (int i = 0; i < N_FILES && !st; i++) {
        const char *ending = endings[order[i]];
        pn_outfile *f;
        memcpy(name, path, stem);
        memcpy(name + stem, ending, strlen(ending) + 1);
        st = pn_outset_open(to, &f, name, w->err);
        if (!st) st = write_file(w, order[i], f);
    }
    free(name);
    return st;
}

static void ir_fini(pn_ir *w)
{
    pn_wire_out *all[] = {&w->head, &w->body, &w->def,   &w->entry,
                          &w->attr, &w->list, &w->shape, &w->dim};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        pn_wire_out_fini(all[i]);
    if (w->refused) fclose(w->refused);
    free(w->refused_text);
    free(w->values);
    free(w->arrays);
    pn_graph_free(&w->names);
    pn_arena_fini(&w->arena);
}

pn_status pn_export_mmdnn(const pn_graph *g, const char *path, pn_outset *to, pn_err *err)
{
    pn_ir w = {.g = g, .err = err, .made = PN_NONE};
    pn_status st = build(&w);
    if (!st) {
        pn_wire_put_raw(&w.head, w.body.bytes, w.body.size);
        if (w.head.failed) st = PN_ENOMEM;
    }
    if (!st && w.head.size > INT32_MAX)
        st = pn_fail(err, PN_EUNSUPPORTED, "a graph of %zu bytes, at most %d",
                     w.head.size, INT32_MAX);
    if (!st) st = write_files(&w, path, to);
    if (st == PN_ENOMEM) pn_fail(err, st, "out of memory");
    if (st == PN_ENOMEM || st == PN_EUNSUPPORTED) pn_err_prefix(err, "write %s", path);
    ir_fini(&w);
    return st;
}
