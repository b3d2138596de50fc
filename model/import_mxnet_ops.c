/* The driver of the translation: which node next, what its inputs have become, what
 * cannot be translated, which weights do not fit. It goes on after the latter two, so
 * that a person sees everything at once. The operators themselves are in
 * import_mxnet_ops_*.c. */
#include "model/import_mxnet_ops.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/import_mxnet_match.h"
#include "penult/log.h"

static const pn_mx_op *const families[] = {
    pn_mx_ops_conv,  pn_mx_ops_pool,  pn_mx_ops_norm, pn_mx_ops_math,   pn_mx_ops_reduce,
    pn_mx_ops_shape, pn_mx_ops_slice, pn_mx_ops_head, pn_mx_ops_resize, pn_mx_ops_cast,
};

static const pn_mx_op *find_op(const char *name)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        for (const pn_mx_op *op = families[i]; op->name; op++)
            if (!strcmp(op->name, name)) return op;
    return NULL;
}

void pn_mx_list_add(pn_mx_import *im, pn_mx_list *l, const char *fmt, ...)
{
    va_list ap;
    if (!l->stream) l->stream = open_memstream(&l->text, &l->size);
    va_start(ap, fmt);
    if (!l->stream || vfprintf(l->stream, fmt, ap) < 0 || fflush(l->stream))
        im->status = pn_fail(im->err, PN_ENOMEM, "import: out of memory");
    va_end(ap);
    l->n++;
}

void pn_mx_list_fini(pn_mx_list *l)
{
    if (l->stream) fclose(l->stream);
    free(l->text);
}

void pn_mx_fail(pn_mx_import *im, pn_status st, const char *fmt, ...)
{
    char *text;
    va_list ap;
    if (im->status) return;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    im->status = pn_fail(im->err, st, "%s \"%s\": %s", im->node->op, im->node->name,
                         n < 0 ? "out of memory" : text);
    if (n >= 0) free(text);
}

void pn_mx_refuse(pn_mx_import *im, const char *fmt, ...)
{
    char *text;
    va_list ap;
    if (im->status) return;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    pn_mx_list_add(im, &im->refused, "\n  %s \"%s\"%s%s", im->node->op, im->node->name,
                   n > 0 ? ": " : "", n > 0 ? text : "");
    if (n >= 0) free(text);
    if (!im->status) im->status = PN_EUNSUPPORTED;
    im->is_refused = true;
}

/* ---- which nodes matter ---- */

static pn_status mark_live(pn_mx_import *im)
{
    const pn_mx_symbol *s = im->sym;
    for (int i = 0; i < s->n_heads; i++)
        im->is_live[s->heads[i].node] = true;
    for (int i = s->n_nodes - 1; i >= 0; i--)
        for (int k = 0; im->is_live[i] && k < s->nodes[i].n_inputs; k++)
            im->is_live[s->nodes[i].inputs[k].node] = true;
    return PN_OK;
}

static void begin_node(pn_mx_import *im, int i)
{
    im->node = &im->sym->nodes[i];
    im->node_id = i;
    im->last = PN_NONE;
    im->is_refused = false;
}

/* a refusal is of this node alone: the walk goes on round it */
static pn_status end_node(pn_mx_import *im)
{
    if (im->is_refused && im->status == PN_EUNSUPPORTED) {
        im->status = PN_OK;
        im->outs[im->node_id].n = -1;
    }
    return im->status;
}

static pn_status check_all(pn_mx_import *im)
{
    for (int i = 0; i < im->sym->n_nodes; i++) {
        if (!im->is_live[i] || !im->sym->nodes[i].op) continue;
        begin_node(im, i);
        const pn_mx_op *op = find_op(im->node->op);
        if (!op)
            pn_mx_refuse(im, "%s", "");
        else if (op->check)
            op->check(im);
        pn_status st = end_node(im);
        if (st) return st;
    }
    return PN_OK;
}

/* ---- attributes nobody asked for ---- */

static bool is_word_of(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = words; n && (at = strstr(at, word)) != NULL; at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

static bool is_harmless(const char *key)
{
    static const char training[] =
        "workspace cudnn_tune cudnn_off momentum grad_scale out_grad use_ignore "
        "ignore_label "
        "normalization min_calib_range max_calib_range name ctx_group lr_mult wd_mult "
        "force_mirroring mirror_stage smooth_alpha valid_thresh num_args";
    return (key[0] == '_' && key[1] == '_') || is_word_of(training, key) ||
           pn_text_ends(key, "_lr_mult") || pn_text_ends(key, "_wd_mult");
}

static void warn_of_unknown_keys(pn_mx_import *im, const pn_mx_op *op)
{
    /* in old files users' own attributes are in the list, too */
    if (im->sym->version <= 800 || im->is_survey) return;
    for (int i = 0; i < im->node->n_attrs && !im->status; i++) {
        const char *key = im->node->attrs[i].key;
        if (is_harmless(key) || is_word_of(op->keys, key)) continue;
        char *mark;
        if (asprintf(&mark, "|%s.%s|", op->name, key) < 0) return;
        if (!im->warned.text || !strstr(im->warned.text, mark)) {
            pn_log(PN_LOG_WARN,
                   "%s \"%s\": attribute %s=\"%s\" is not known and is ignored", op->name,
                   im->node->name, key, im->node->attrs[i].value);
            if (im->warned.n < 1000) pn_mx_list_add(im, &im->warned, "%s", mark);
        }
        free(mark);
    }
}

/* ---- the walk ---- */

static bool hangs_on_refused(const pn_mx_import *im)
{
    for (int i = 0; i < im->node->n_inputs; i++)
        if (im->outs[im->node->inputs[i].node].n < 0) return true;
    return false;
}

static pn_status translate_all(pn_mx_import *im)
{
    for (int i = 0; i < im->sym->n_nodes; i++) {
        if (!im->is_live[i] || !im->sym->nodes[i].op || im->outs[i].n) continue;
        if (pn_mx_is_weight(im, i)) continue; /* seen through where it is taken */
        begin_node(im, i);
        if (hangs_on_refused(im)) {
            im->outs[i].n = -1;
            continue;
        }
        const pn_mx_op *op = find_op(im->node->op);
        pn_mx_take_dtype(im);
        if (!im->status) op->translate(im);
        pn_status st = end_node(im);
        if (st) return st;
        warn_of_unknown_keys(im, op);
    }
    return im->status;
}

/* weights that nothing takes are no harm by themselves (a symbol cut at the feature layer
 * leaves the classifier's behind), but beside missing ones they are the other half of it
 */
static pn_status report(pn_mx_import *im)
{
    if (im->refused.n)
        return pn_fail(im->err, PN_EUNSUPPORTED, "%d operator%s cannot be converted:%s",
                       im->refused.n, im->refused.n == 1 ? "" : "s", im->refused.text);
    if (im->misfits.n) {
        pn_mx_list_surplus(im, &im->misfits);
        if (im->status) return im->status;
        return pn_fail(im->err, PN_EFORMAT, "the weights do not fit the symbol:%s",
                       im->misfits.text);
    }
    pn_mx_list surplus = {0};
    pn_mx_list_surplus(im, &surplus);
    if (surplus.n && surplus.text)
        pn_log(PN_LOG_WARN, "weights that are left out:%s", surplus.text);
    pn_mx_list_fini(&surplus);
    return im->status;
}

/* ---- heads ---- */

static bool is_output(const pn_graph *g, int value)
{
    for (int i = 0; i < g->n_outputs; i++)
        if (g->outputs[i] == value) return true;
    return false;
}

static pn_status add_heads(pn_mx_import *im)
{
    static const pn_mx_node head = {.op = "head", .name = "head"};
    for (int i = 0; i < im->sym->n_heads; i++) {
        pn_mx_entry e = im->sym->heads[i];
        pn_mx_node copy = head;
        copy.name = im->sym->nodes[e.node].name;
        copy.inputs = &e;
        copy.n_inputs = 1;
        im->node = &copy;
        int value = pn_mx_data(im, 0);
        if (im->status) return im->status;
        /* an output must be computed, and listed once */
        if (im->g->values[value].producer == PN_NONE || is_output(im->g, value)) {
            pn_shape shape = im->g->values[value].shape;
            value = pn_mx_emit(im, PN_OP_IDENTITY, "head", &shape, PN_MX_IN(value));
            if (im->status) return im->status;
        }
        pn_status st = pn_graph_add_output(im->g, value);
        if (st) return pn_fail(im->err, st, "import: out of memory");
    }
    return PN_OK;
}

/* every shape was computed by MXNet's rules on the way; ONNX's must come out the same */
static pn_status compare_shapes(pn_mx_import *im)
{
    int n = im->g->n_values;
    pn_shape *ours = calloc((size_t)n + 1, sizeof(*ours));
    if (!ours) return pn_fail(im->err, PN_ENOMEM, "import: out of memory");
    for (int i = 0; i < n; i++)
        ours[i] = im->g->values[i].shape;
    pn_status st = pn_graph_infer_shapes(im->g, im->err);
    for (int i = 0; i < n && !st; i++) {
        const pn_value *v = &im->g->values[i];
        char a[PN_SHAPE_TEXT], b[PN_SHAPE_TEXT];
        if (v->has_shape && !pn_shape_equal(&ours[i], &v->shape))
            st = pn_fail(im->err, PN_EINTERNAL,
                         "value \"%s\" is %s in MXNet but %s in ONNX", v->name,
                         pn_shape_text(&ours[i], a, sizeof(a)),
                         pn_shape_text(&v->shape, b, sizeof(b)));
    }
    free(ours);
    return st;
}

static pn_status prepare(pn_mx_import *im)
{
    size_t n = (size_t)im->sym->n_nodes;
    pn_status st = pn_graph_new(&im->g, "mxnet");
    if (st) return pn_fail(im->err, st, "import: out of memory");
    im->outs = pn_arena_alloc(&im->arena, n * sizeof(*im->outs));
    im->dtypes = pn_arena_alloc(&im->arena, n * sizeof(*im->dtypes));
    im->is_live = pn_arena_alloc(&im->arena, n);
    im->is_wanted = pn_arena_alloc(&im->arena, n);
    im->is_used = pn_arena_alloc(&im->arena, (size_t)im->params->n_arrays + 1);
    if (!im->outs || !im->dtypes || !im->is_live || !im->is_wanted || !im->is_used)
        return pn_fail(im->err, PN_ENOMEM, "import: out of memory");
    return mark_live(im);
}

pn_status pn_mx_walk(pn_mx_import *im)
{
    pn_status st = prepare(im);
    if (!st) st = check_all(im);
    if (!st) st = translate_all(im);
    return st;
}

void pn_mx_import_fini(pn_mx_import *im)
{
    pn_mx_list_fini(&im->refused);
    pn_mx_list_fini(&im->misfits);
    pn_mx_list_fini(&im->missing);
    pn_mx_list_fini(&im->warned);
    free(im->wants);
    pn_arena_fini(&im->arena);
}

static pn_status import_all(pn_mx_import *im)
{
    pn_status st = PN_OK;
    if (im->params->n_arrays && !pn_mx_names_meet(im->sym, im->params))
        st = pn_mx_match_by_place(im);
    if (!st) st = pn_mx_walk(im);
    if (im->lacks_size) pn_mx_tell_missing(im);
    if (!st) st = report(im);
    if (!st) st = add_heads(im);
    if (!st) st = compare_shapes(im);
    return st;
}

pn_status pn_mx_import_graph(pn_graph **out, const pn_mx_symbol *sym,
                             const pn_mx_params *params, pn_mx_input_shape *shapes,
                             int n_shapes, pn_err *err)
{
    pn_mx_import im = {
        .sym = sym, .params = params, .shapes = shapes, .n_shapes = n_shapes, .err = err};
    pn_status st = import_all(&im);
    pn_mx_import_fini(&im);
    if (st)
        pn_graph_free(&im.g);
    else
        *out = im.g;
    return st;
}
