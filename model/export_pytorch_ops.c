/* One node of the graph as an expression of PyTorch: the table, and what its functions
 * are written in. */
#include "model/export_pytorch.h"

#include <stdarg.h>
#include <string.h>

#include "base/text.h"

void pt_refuse(pt_export *e, const pn_node *n, const char *fmt, ...)
{
    va_list args;
    const char *name = n->name[0] ? n->name : e->g->values[n->outputs[0]].name;
    if (e->is_failed) return;
    fprintf(e->refusals, "%s%s \"%.255s\": ", e->n_refused++ ? "; " : "",
            pn_op_name(n->op), name);
    va_start(args, fmt);
    vfprintf(e->refusals, fmt, args);
    va_end(args);
}

bool pt_has(const pt_export *e, const pn_node *n, int input)
{
    if (input >= n->n_inputs || n->inputs[input] == PN_NONE) return false;
    const pn_value *v = &e->g->values[n->inputs[input]];
    return !v->data || v->size_bytes > 0;
}

const pn_value *pt_const(const pt_export *e, const pn_node *n, int input)
{
    if (!pt_has(e, n, input)) return NULL;
    const pn_value *v = &e->g->values[n->inputs[input]];
    return v->data ? v : NULL;
}

const pn_shape *pt_shape_in(const pt_export *e, const pn_node *n, int input)
{
    return &e->g->values[n->inputs[input]].shape;
}

int pt_const_ints(const pt_export *e, const pn_node *n, int input, int64_t *out, int max)
{
    const pn_value *v = pt_const(e, n, input);
    int64_t count = v ? pn_shape_count(&v->shape) : -1;
    if (count < 0 || count > max || pn_value_to_i64(v, 0, count, out)) return -1;
    return (int)count;
}

bool pt_const_float(const pt_export *e, const pn_node *n, int input, float *out)
{
    const pn_value *v = pt_const(e, n, input);
    return v && pn_shape_count(&v->shape) == 1 && pn_value_to_f32(v, 0, 1, out) == PN_OK;
}

const char *pt_read(pt_export *e, pt_step *s, const pn_node *n, int input)
{
    if (pt_const(e, n, input)) {
        pt_refuse(e, n, "its input %d is a constant", input);
        return "";
    }
    s->inputs[s->n_inputs] = e->same_as[n->inputs[input]];
    return pt_format(e, "$%d", s->n_inputs++);
}

pt_member *pt_add_member(pt_export *e, pt_step *s, const char *make)
{
    pt_member *m = pt_alloc(e, 1, sizeof(*m));
    pt_arg *args = pt_alloc(e, PT_MAX_ARGS, sizeof(*args));
    pt_tensor *tensors = pt_alloc(e, PT_MAX_TENSORS, sizeof(*tensors));
    if (e->is_failed || s->n_members == PT_MAX_MEMBERS) return NULL;
    *m = (pt_member){.name = s->name, .make = make, .args = args, .tensors = tensors};
    s->members[s->n_members++] = m;
    return m;
}

void pt_add_arg(pt_export *e, pt_member *m, const char *key, const char *text,
                const char *usual)
{
    (void)e;
    if (m) m->args[m->n_args++] = (pt_arg){key, text, usual};
}

pt_tensor *pt_add_tensor(pt_export *e, pt_member *m, const char *key, int value,
                         const pn_shape *shape)
{
    static pt_tensor nothing;
    (void)e;
    if (!m) return &nothing;
    pt_tensor *t = &m->tensors[m->n_tensors++];
    *t = (pt_tensor){.key = key, .value = value, .factor = 1, .shape = *shape};
    return t;
}

const char *pt_add_buffer(pt_export *e, pt_step *s, int value)
{
    const pn_value *v = &e->g->values[value];
    if (s->n_members == PT_MAX_MEMBERS) return NULL;
    pt_member *m = pt_add_member(e, s, NULL);
    if (!m) return "";
    m->name = v->name;
    pt_add_arg(e, m, "shape", pt_numbers(e, v->shape.dim, v->shape.ndim, true), NULL);
    pt_add_tensor(e, m, "", value, &v->shape);
    return pt_format(e, "@%d", s->n_members - 1);
}

/* whether a constant of one element can be a Python number: not where its dimensions
 * would become those of the result */
static bool is_plain_number(const pt_export *e, const pn_node *n, int input)
{
    const pn_value *v = pt_const(e, n, input);
    if (pn_shape_count(&v->shape) != 1) return false;
    for (int i = 0; i < n->n_inputs; i++)
        if (!pt_const(e, n, i) && pt_has(e, n, i) &&
            pt_shape_in(e, n, i)->ndim >= v->shape.ndim)
            return true;
    return false;
}

const char *pt_operand(pt_export *e, pt_step *s, const pn_node *n, int input)
{
    float number;
    if (!pt_const(e, n, input)) return pt_read(e, s, n, input);
    if (is_plain_number(e, n, input) && pt_const_float(e, n, input, &number))
        return pt_float(e, number);
    const char *text = pt_add_buffer(e, s, n->inputs[input]);
    if (!text) pt_refuse(e, n, "more than %d constants", PT_MAX_MEMBERS);
    return text ? text : "";
}

const char *pt_pad_list(pt_export *e, const int64_t *begin, const int64_t *end, int n)
{
    int64_t pads[2 * PN_MAX_DIMS];
    for (int i = 0; i < n; i++) {
        pads[2 * i] = begin[n - 1 - i];
        pads[2 * i + 1] = end[n - 1 - i];
    }
    return pt_numbers(e, pads, 2 * n, true);
}

/* The word of an identifier's beginning that the source's scopes repeat: exporters of
 * PyTorch name a node /layer1/layer1.0/conv1/Conv. */
static const char *without_scopes(pt_export *e, const pn_node *n)
{
    const char *op = strrchr(n->name, '/'), *end = op ? op : n->name + strlen(n->name);
    const char *begin = end;
    while (begin > n->name && begin[-1] != '/')
        begin--;
    if (begin == end) return op ? op + 1 : n->name;
    const char *name = pt_format(e, "%.*s", (int)(end - begin), begin);
    if (begin == n->name + 1 || begin == n->name) return name;
    const char *outer = begin - 1;
    while (outer > n->name && outer[-1] != '/')
        outer--;
    return pt_format(e, "%.*s.%s", (int)(begin - 1 - outer), outer, name);
}

const char *pt_source_name(pt_export *e, const pn_node *n)
{
    const pn_value *w = n->n_inputs > 1 ? pt_const(e, n, 1) : NULL;
    int length = (int)pn_text_before(n->name, "_fwd");
    if (length) /* what Gluon hangs on every name */
        return pt_format(e, "%.*s", length, n->name);
    if (w && (length = (int)pn_text_before(w->name, ".weight")))
        return pt_format(e, "%.*s", length, w->name);
    if (n->name[0] == '/') return without_scopes(e, n);
    if (n->name[0]) return n->name;
    if (w && (length = (int)pn_text_before(w->name, "_weight")))
        return pt_format(e, "%.*s", length, w->name);
    return "";
}

static const struct op {
    pt_op_fn *make;
    const char *text; /* what functions that serve several are given, as s->text */
} ops[PN_N_OPS] = {
    [PN_OP_ADD] = {pt_binary, "+"},
    [PN_OP_AVERAGE_POOL] = {pt_pool, NULL},
    [PN_OP_BATCH_NORM] = {pt_batch_norm, NULL},
    [PN_OP_CAST] = {pt_cast, NULL},
    [PN_OP_CEIL] = {pt_unary, "torch.ceil($0)"},
    [PN_OP_CLIP] = {pt_clip, NULL},
    [PN_OP_CONCAT] = {pt_concat, NULL},
    [PN_OP_CONV] = {pt_conv, NULL},
    [PN_OP_CONV_TRANSPOSE] = {pt_conv_transpose, NULL},
    [PN_OP_DIV] = {pt_binary, "/"},
    [PN_OP_DROPOUT] = {pt_dropout, NULL},
    [PN_OP_ELU] = {pt_unary, NULL},
    [PN_OP_ERF] = {pt_unary, "torch.erf($0)"},
    [PN_OP_EXP] = {pt_unary, "torch.exp($0)"},
    [PN_OP_FLATTEN] = {pt_reshape, NULL},
    [PN_OP_FLOOR] = {pt_unary, "torch.floor($0)"},
    [PN_OP_GELU] = {pt_unary, NULL},
    [PN_OP_GEMM] = {pt_gemm, NULL},
    [PN_OP_GLOBAL_AVERAGE_POOL] = {pt_global_pool, "avg"},
    [PN_OP_GLOBAL_MAX_POOL] = {pt_global_pool, "max"},
    [PN_OP_HARD_SIGMOID] = {pt_unary, NULL},
    [PN_OP_HARD_SWISH] = {pt_unary, "F.hardswish($0)"},
    [PN_OP_INSTANCE_NORM] = {pt_instance_norm, NULL},
    [PN_OP_LAYER_NORM] = {pt_layer_norm, NULL},
    [PN_OP_LEAKY_RELU] = {pt_unary, NULL},
    [PN_OP_LOG] = {pt_unary, "torch.log($0)"},
    [PN_OP_LOG_SOFTMAX] = {pt_softmax, "F.log_softmax"},
    [PN_OP_LRN] = {pt_lrn, NULL},
    [PN_OP_MATMUL] = {pt_matmul, NULL},
    [PN_OP_MAX] = {pt_fold, "torch.maximum"},
    [PN_OP_MAX_POOL] = {pt_pool, NULL},
    [PN_OP_MIN] = {pt_fold, "torch.minimum"},
    [PN_OP_MUL] = {pt_binary, "*"},
    [PN_OP_NEG] = {pt_unary, "-$0"},
    [PN_OP_PAD] = {pt_pad, NULL},
    [PN_OP_POW] = {pt_binary, "**"},
    [PN_OP_PRELU] = {pt_prelu, NULL},
    [PN_OP_REDUCE_MAX] = {pt_reduce, "amax"},
    [PN_OP_REDUCE_MEAN] = {pt_reduce, "mean"},
    [PN_OP_REDUCE_MIN] = {pt_reduce, "amin"},
    [PN_OP_REDUCE_PROD] = {pt_reduce, "prod"},
    [PN_OP_REDUCE_SUM] = {pt_reduce, "sum"},
    [PN_OP_RELU] = {pt_unary, "F.relu($0)"},
    [PN_OP_RESHAPE] = {pt_reshape, NULL},
    [PN_OP_RESIZE] = {pt_resize, NULL},
    [PN_OP_SELU] = {pt_unary, NULL},
    [PN_OP_SIGMOID] = {pt_unary, "torch.sigmoid($0)"},
    [PN_OP_SLICE] = {pt_slice, NULL},
    [PN_OP_SOFTMAX] = {pt_softmax, "F.softmax"},
    [PN_OP_SOFTPLUS] = {pt_unary, "F.softplus($0)"},
    [PN_OP_SOFTSIGN] = {pt_unary, "F.softsign($0)"},
    [PN_OP_SPLIT] = {pt_split, NULL},
    [PN_OP_SQRT] = {pt_unary, "torch.sqrt($0)"},
    [PN_OP_SQUEEZE] = {pt_squeeze, NULL},
    [PN_OP_SUB] = {pt_binary, "-"},
    [PN_OP_SUM] = {pt_fold, "+"},
    [PN_OP_TANH] = {pt_unary, "torch.tanh($0)"},
    [PN_OP_TRANSPOSE] = {pt_transpose, NULL},
    [PN_OP_UNSQUEEZE] = {pt_reshape, NULL},
};

static void make_step(pt_export *e, const pn_node *n)
{
    pt_step *s = &e->steps[e->n_steps];
    *s = (pt_step){.name = pt_source_name(e, n), .op = n->op};
    s->inputs = pt_alloc(e, (size_t)n->n_inputs + 1, sizeof(*s->inputs));
    s->outputs = pt_alloc(e, (size_t)n->n_outputs + 1, sizeof(*s->outputs));
    if (e->is_failed) return;
    for (int i = 0; i < n->n_outputs; i++) {
        s->outputs[i] = n->outputs[i];
        if (n->outputs[i] == PN_NONE) return pt_refuse(e, n, "an output without a name");
    }
    s->n_outputs = n->n_outputs;
    bool has_data = false;
    for (int i = 0; i < n->n_inputs; i++)
        has_data |= pt_has(e, n, i) && !pt_const(e, n, i);
    if (!has_data || !pt_has(e, n, 0))
        return pt_refuse(e, n, "nothing to compute it from");
    if (n->op == PN_OP_IDENTITY) {
        e->same_as[n->outputs[0]] = e->same_as[n->inputs[0]];
        return;
    }
    if (!ops[n->op].make) return pt_refuse(e, n, "no words for it");
    s->text = ops[n->op].text;
    ops[n->op].make(e, s, n);
    if (e->same_as[n->outputs[0]] == n->outputs[0]) e->n_steps++;
}

/* steps that nothing needs are left out */
static void keep_live(pt_export *e)
{
    const pn_graph *g = e->g;
    unsigned char *is_needed = pt_alloc(e, (size_t)g->n_values + 1, 1);
    int n = 0;
    if (e->is_failed) return;
    for (int i = 0; i < g->n_outputs; i++)
        is_needed[e->same_as[g->outputs[i]]] = 1;
    if (e->features != PN_NONE) is_needed[e->same_as[e->features]] = 1;
    for (int i = e->n_steps - 1; i >= 0; i--) {
        pt_step *s = &e->steps[i];
        bool is_live = false;
        for (int k = 0; k < s->n_outputs; k++)
            is_live |= is_needed[s->outputs[k]] != 0;
        for (int k = 0; is_live && k < s->n_inputs; k++)
            is_needed[s->inputs[k]] = 1;
        if (!is_live) s->n_outputs = 0;
    }
    for (int i = 0; i < e->n_steps; i++)
        if (e->steps[i].n_outputs) e->steps[n++] = e->steps[i];
    e->n_steps = n;
}

/* A product without a bias and the constant row behind it are one nn.Linear: as two, the
 * row would be no parameter and never be trained. */
static void join_bias(pt_export *e)
{
    int *n_reads = pt_alloc(e, (size_t)e->g->n_values + 1, sizeof(*n_reads)), n = 0;
    if (e->is_failed) return;
    for (int i = 0; i < e->g->n_outputs; i++)
        n_reads[e->same_as[e->g->outputs[i]]] = 2;
    if (e->features != PN_NONE) n_reads[e->same_as[e->features]] = 2;
    for (int i = 0; i < e->n_steps; i++)
        for (int k = 0; k < e->steps[i].n_inputs; k++)
            n_reads[e->steps[i].inputs[k]]++;
    for (int i = 0; i < e->n_steps; i++) {
        pt_step *s = &e->steps[i], *linear = n ? &e->steps[n - 1] : NULL;
        pt_member *m = linear && linear->n_members == 1 ? linear->members[0] : NULL;
        bool is_row = s->op == PN_OP_ADD && s->n_members == 1 && s->n_inputs == 1 && m &&
                      m->make && !strcmp(m->make, "nn.Linear") && m->n_tensors == 1 &&
                      !strcmp(linear->text, "@0($0)") &&
                      s->inputs[0] == linear->outputs[0] && n_reads[s->inputs[0]] == 1;
        const pt_tensor *row = is_row ? &s->members[0]->tensors[0] : NULL;
        if (is_row && row->shape.ndim == 1 &&
            row->shape.dim[0] == m->tensors[0].shape.dim[0]) {
            pt_add_tensor(e, m, "bias", row->value, &row->shape);
            m->args[2].text = "True";
            linear->outputs = s->outputs;
        } else {
            e->steps[n++] = *s;
        }
    }
    e->n_steps = n;
}

void pt_make_steps(pt_export *e)
{
    e->n_steps = 0;
    for (int i = 0; i < e->g->n_values; i++)
        e->same_as[i] = i;
    for (int i = 0; i < e->g->n_nodes && !e->is_failed; i++)
        make_step(e, &e->g->nodes[i]);
    keep_live(e);
    join_bias(e);
}
