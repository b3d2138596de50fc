/* The reader of symbol JSON, all ages in one: 0.7 and 0.8 keep parameters under "param",
 * 0.9 to 0.12 under "attr", later ones under "attrs"; entries have two numbers or three.
 * What MXNet does to old files on loading is done here, so that the translators see one
 * dialect: operators by today's names, and inputs that were left out put back. */
#include "model/import_mxnet.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum {
    MAX_JSON_BYTES = 32 << 20, /* the 1000-layer nets have some 2 MB */
    MAX_NODES = 1 << 20,
    MAX_HEADS = 1 << 14,  /* each is compared with the others; a net's internals fit */
    MAX_ATTRS = 1 << 10,  /* of a node, likewise; operators have some 20 */
    OLDEST_VERSION = 800, /* files of that age and older do not name theirs */
    FIRST_WITH_ALL_INPUTS = 900,
};

typedef struct reader {
    pn_mx_symbol *s;
    const char *where;
    pn_err *err;
    size_t capacity; /* of s->nodes */
} reader;

/* today's name <- names it had, or has in the numpy dialect with the same meaning */
static const char *const aliases[][2] = {
    {"_Plus", "elemwise_add"},
    {"_plus", "elemwise_add"},
    {"_add", "elemwise_add"},
    {"_Minus", "elemwise_sub"},
    {"_minus", "elemwise_sub"},
    {"_sub", "elemwise_sub"},
    {"_Mul", "elemwise_mul"},
    {"_mul", "elemwise_mul"},
    {"_Div", "elemwise_div"},
    {"_div", "elemwise_div"},
    {"_Maximum", "_maximum"},
    {"_Minimum", "_minimum"},
    {"_Power", "_power"},
    {"broadcast_plus", "broadcast_add"},
    {"broadcast_minus", "broadcast_sub"},
    {"ElementWiseSum", "add_n"},
    {"_PlusScalar", "_plus_scalar"},
    {"_MinusScalar", "_minus_scalar"},
    {"_RMinusScalar", "_rminus_scalar"},
    {"_MulScalar", "_mul_scalar"},
    {"_DivScalar", "_div_scalar"},
    {"_RDivScalar", "_rdiv_scalar"},
    {"_MaximumScalar", "_maximum_scalar"},
    {"_MinimumScalar", "_minimum_scalar"},
    {"_PowerScalar", "_power_scalar"},
    {"_RPowerScalar", "_rpower_scalar"},
    {"concat", "Concat"},
    {"reshape", "Reshape"},
    {"flatten", "Flatten"},
    {"split", "SliceChannel"},
    {"swapaxes", "SwapAxis"},
    {"pad", "Pad"},
    {"cast", "Cast"},
    {"crop", "slice"},
    {"Softmax", "SoftmaxOutput"},
    {"identity", "_copy"},
    {"stop_gradient", "BlockGrad"},
    {"sum_axis", "sum"},
    {"max_axis", "max"},
    {"min_axis", "min"},
    {"Convolution_v1", "Convolution"},
    {"Pooling_v1", "Pooling"},
    {"BatchNorm_v1", "BatchNorm"},
    {"_npx_convolution", "Convolution"},
    {"_npx_deconvolution", "Deconvolution"},
    {"_npx_batch_norm", "BatchNorm"},
    {"_npx_pooling", "Pooling"},
    {"_npx_activation", "Activation"},
    {"_npx_leaky_relu", "LeakyReLU"},
    {"_npx_fully_connected", "FullyConnected"},
    {"_npx_dropout", "Dropout"},
    {"_npx_relu", "relu"},
    {"_npx_sigmoid", "sigmoid"},
    {"_npx_softmax", "softmax"},
    {"_npx_log_softmax", "log_softmax"},
    {"_npx_batch_flatten", "Flatten"},
    {"_np_copy", "_copy"},
    {"_npi_add", "broadcast_add"},
    {"_npi_subtract", "broadcast_sub"},
    {"_npi_multiply", "broadcast_mul"},
    {"_npi_true_divide", "broadcast_div"},
    {"_npi_add_scalar", "_plus_scalar"},
    {"_npi_subtract_scalar", "_minus_scalar"},
    {"_npi_rsubtract_scalar", "_rminus_scalar"},
    {"_npi_multiply_scalar", "_mul_scalar"},
    {"_npi_true_divide_scalar", "_div_scalar"},
    {"_npi_rtrue_divide_scalar", "_rdiv_scalar"},
};

static const char *canonical_op(const char *op)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (!strcmp(op, aliases[i][0])) return aliases[i][1];
    return op;
}

static pn_status out_of_memory(const reader *r)
{
    return pn_fail(r->err, PN_ENOMEM, "%s: out of memory", r->where);
}

static pn_status add_node(reader *r, pn_mx_node **out)
{
    pn_mx_symbol *s = r->s;
    if ((size_t)s->n_nodes == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 64;
        void *more = reallocarray(s->node_block, capacity, sizeof(pn_mx_node));
        if (!more) return out_of_memory(r);
        s->node_block = s->nodes = more;
        r->capacity = capacity;
    }
    *out = &s->nodes[s->n_nodes++];
    memset(*out, 0, sizeof(**out));
    return PN_OK;
}

static bool is_integer(const json_t *j, json_int_t least, json_int_t most)
{
    return json_is_integer(j) && json_integer_value(j) >= least &&
           json_integer_value(j) <= most;
}

/* [node, output] or [node, output, version]; `limit`: only nodes before that one */
static bool read_entry(const json_t *j, int limit, pn_mx_entry *out)
{
    size_t n = json_array_size(j); /* 0 if it is no array */
    const json_t *node = json_array_get(j, 0), *index = json_array_get(j, 1);
    if (n < 2 || n > 3 || !is_integer(node, 0, limit - 1) ||
        !is_integer(index, 0, MAX_NODES) ||
        (n == 3 && !json_is_integer(json_array_get(j, 2))))
        return false;
    out->node = (int)json_integer_value(node);
    out->index = (int)json_integer_value(index);
    return true;
}

static pn_status read_inputs(reader *r, const json_t *list, int self, pn_mx_node *n)
{
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > MAX_NODES)
        return pn_fail(r->err, PN_EFORMAT, "%s: node %d \"%s\": inputs must be a list",
                       r->where, self, n->name);
    n->inputs = pn_arena_alloc(&r->s->arena, (count + 1) * sizeof(*n->inputs));
    if (!n->inputs) return out_of_memory(r);
    for (size_t i = 0; i < count; i++) {
        if (!read_entry(json_array_get(list, i), self, &n->inputs[i]))
            return pn_fail(
                r->err, PN_EFORMAT,
                "%s: node %d \"%s\": input %zu must be [node, output] with a node "
                "before this one",
                r->where, self, n->name, i);
        n->n_inputs++;
    }
    return PN_OK;
}

/* keys that came earlier win: parameters come before users' attributes */
static pn_status read_attrs(reader *r, json_t *object, const char *group, pn_mx_node *n)
{
    json_t *dict = json_object_get(object, group), *value;
    const char *key;
    if (!dict || json_is_null(dict)) return PN_OK;
    if (!json_is_object(dict))
        return pn_fail(r->err, PN_EFORMAT, "%s: node \"%s\": \"%s\" must be an object",
                       r->where, n->name, group);
    size_t total = (size_t)n->n_attrs + json_object_size(dict);
    if (total > MAX_ATTRS)
        return pn_fail(r->err, PN_EFORMAT, "%s: node \"%s\": %zu attributes, at most %d",
                       r->where, n->name, total, MAX_ATTRS);
    pn_mx_attr *all = pn_arena_alloc(&r->s->arena, (total + 1) * sizeof(*all));
    if (!all) return out_of_memory(r);
    if (n->n_attrs) memcpy(all, n->attrs, (size_t)n->n_attrs * sizeof(*all));
    n->attrs = all;
    json_object_foreach(dict, key, value)
    {
        if (!json_is_string(value))
            return pn_fail(r->err, PN_EFORMAT,
                           "%s: node \"%s\": attribute \"%s\" must be a string", r->where,
                           n->name, key);
        if (pn_mx_attr_text(n, key)) continue;
        pn_mx_attr *a = &all[n->n_attrs];
        a->key = pn_arena_strdup(&r->s->arena, key);
        a->value = pn_arena_strdup(&r->s->arena, json_string_value(value));
        if (!a->key || !a->value) return out_of_memory(r);
        n->n_attrs++;
    }
    return PN_OK;
}

static bool is_nonempty_array(const json_t *j)
{
    return json_array_size(j) > 0;
}

static pn_status read_node(reader *r, json_t *j, int self)
{
    static const char *const groups[] = {"param", "attrs", "attr"};
    const char *op = json_string_value(json_object_get(j, "op"));
    const char *name = json_string_value(json_object_get(j, "name"));
    const json_t *backward = json_object_get(j, "backward_source_id");
    pn_mx_node *n;
    if (!op || !*op || !name || !*name)
        return pn_fail(r->err, PN_EFORMAT,
                       "%s: node %d: \"op\" and \"name\" must be strings", r->where,
                       self);
    if (backward && !is_integer(backward, -1, -1))
        return pn_fail(r->err, PN_EUNSUPPORTED, "%s: node %d \"%s\" is a gradient node",
                       r->where, self, name);
    if (is_nonempty_array(json_object_get(j, "subgraphs")) ||
        is_nonempty_array(json_object_get(j, "control_deps")))
        return pn_fail(r->err, PN_EUNSUPPORTED,
                       "%s: node %d \"%s\" (%s) has subgraphs or control dependencies",
                       r->where, self, name, op);
    pn_status st = add_node(r, &n);
    if (st) return st;
    n->name = pn_arena_strdup(&r->s->arena, name);
    if (!n->name) return out_of_memory(r);
    if (strcmp(op, "null") != 0) {
        n->op = pn_arena_strdup(&r->s->arena, canonical_op(op));
        if (!n->op) return out_of_memory(r);
    }
    st = read_inputs(r, json_object_get(j, "inputs"), self, n);
    if (!st && !n->op && n->n_inputs)
        st = pn_fail(r->err, PN_EFORMAT, "%s: node %d \"%s\": a variable with inputs",
                     r->where, self, name);
    for (int i = 0; i < 3 && !st; i++)
        st = read_attrs(r, j, groups[i], n);
    return st;
}

static pn_status read_version(reader *r, json_t *root)
{
    json_t *attrs = json_object_get(root, "attrs");
    json_t *pair = json_object_get(attrs, "mxnet_version");
    r->s->version = OLDEST_VERSION;
    if (!pair) return PN_OK;
    if (json_array_size(pair) != 2 || !is_integer(json_array_get(pair, 1), 0, 1 << 30))
        return pn_fail(r->err, PN_EFORMAT,
                       "%s: \"mxnet_version\" must be [\"int\", number]", r->where);
    r->s->version = (int)json_integer_value(json_array_get(pair, 1));
    return PN_OK;
}

static pn_status read_heads(reader *r, json_t *list)
{
    size_t n = json_array_size(list);
    if (n == 0 || n > MAX_HEADS)
        return pn_fail(r->err, PN_EFORMAT, "%s: \"heads\" must list the outputs, 1 to %d",
                       r->where, MAX_HEADS);
    r->s->heads = pn_arena_alloc(&r->s->arena, n * sizeof(pn_mx_entry));
    if (!r->s->heads) return out_of_memory(r);
    for (size_t i = 0; i < n; i++) {
        if (!read_entry(json_array_get(list, i), r->s->n_nodes, &r->s->heads[i]))
            return pn_fail(r->err, PN_EFORMAT,
                           "%s: head %zu must be [node, output] with a node of the graph",
                           r->where, i);
        r->s->n_heads++;
    }
    return PN_OK;
}

static bool attr_is(const pn_mx_node *n, const char *key, const char *value)
{
    const char *text = pn_mx_attr_text(n, key);
    return text && !strcmp(text, value);
}

/* the arguments of operators that have more than data, in order, NULL at the end */
static const char *const *arguments(const pn_mx_node *n)
{
    static const char *const weighted[] = {"data", "weight", "bias", NULL};
    static const char *const unbiased[] = {"data", "weight", NULL};
    static const char *const batch_norm[] = {"data",        "gamma",      "beta",
                                             "moving_mean", "moving_var", NULL};
    static const char *const norm[] = {"data", "gamma", "beta", NULL};
    static const char *const prelu[] = {"data", "gamma", NULL};
    static const char *const output[] = {"data", "label", NULL};
    bool no_bias = !strcmp(n->op, "Deconvolution");
    const char *text = pn_mx_attr_text(n, "no_bias");
    if (text && !pn_mx_parse_bool(text, &no_bias)) return NULL;

    if (!strcmp(n->op, "Convolution") || !strcmp(n->op, "Deconvolution") ||
        !strcmp(n->op, "FullyConnected"))
        return no_bias ? unbiased : weighted;
    if (!strcmp(n->op, "BatchNorm")) return batch_norm;
    if (!strcmp(n->op, "InstanceNorm") || !strcmp(n->op, "LayerNorm")) return norm;
    if (!strcmp(n->op, "LeakyReLU") && attr_is(n, "act_type", "prelu")) return prelu;
    if (!strcmp(n->op, "UpSampling") && attr_is(n, "sample_type", "bilinear"))
        return unbiased;
    if (!strcmp(n->op, "SoftmaxOutput") || !strcmp(n->op, "LinearRegressionOutput") ||
        !strcmp(n->op, "LogisticRegressionOutput") ||
        !strcmp(n->op, "MAERegressionOutput") || !strcmp(n->op, "SVMOutput"))
        return output;
    return NULL;
}

/* files before 0.9 leave out auxiliary inputs, and what the user did not pass; MXNet adds
 * variables NODE_ARGUMENT for them, and so the weights are named */
static pn_status add_missing_inputs(reader *r, int node)
{
    const char *const *args = r->s->nodes[node].op ? arguments(&r->s->nodes[node]) : NULL;
    int want = 0;
    while (args && args[want])
        want++;
    int have = r->s->nodes[node].n_inputs;
    if (have == 0 || have >= want) return PN_OK;
    pn_mx_entry *all = pn_arena_alloc(&r->s->arena, (size_t)want * sizeof(*all));
    if (!all) return out_of_memory(r);
    memcpy(all, r->s->nodes[node].inputs, (size_t)have * sizeof(*all));
    for (int i = have; i < want; i++) {
        const char *owner = r->s->nodes[node].name;
        size_t size = strlen(owner) + strlen(args[i]) + 2;
        char *name = pn_arena_alloc(&r->s->arena, size);
        pn_mx_node *variable;
        if (!name) return out_of_memory(r);
        stpcpy(stpcpy(stpcpy(name, owner), "_"), args[i]);
        pn_status st = add_node(r, &variable);
        if (st) return st;
        variable->name = name;
        all[i].node = r->s->n_nodes - 1;
    }
    r->s->nodes[node].inputs = all;
    r->s->nodes[node].n_inputs = want;
    return PN_OK;
}

static pn_status read_symbol(reader *r, json_t *root)
{
    json_t *list = json_object_get(root, "nodes");
    size_t n = json_array_size(list);
    if (!json_is_object(root) || n == 0 || n > MAX_NODES)
        return pn_fail(r->err, PN_EFORMAT,
                       "%s: not a symbol: \"nodes\" must list 1 to %d nodes", r->where,
                       MAX_NODES);
    pn_status st = read_version(r, root);
    for (size_t i = 0; i < n && !st; i++)
        st = read_node(r, json_array_get(list, i), (int)i);
    if (!st) st = read_heads(r, json_object_get(root, "heads"));
    if (r->s->version < FIRST_WITH_ALL_INPUTS)
        for (size_t i = 0; i < n && !st; i++)
            st = add_missing_inputs(r, (int)i);
    return st;
}

pn_status pn_mx_symbol_read(pn_mx_symbol **out, const void *text, size_t size,
                            const char *where, pn_err *err)
{
    json_t *root;
    pn_status st = pn_json_parse(&root, text, size, MAX_JSON_BYTES, where, err);
    if (st) return st;
    reader r = {.s = calloc(1, sizeof(pn_mx_symbol)), .where = where, .err = err};
    st = r.s ? read_symbol(&r, root) : out_of_memory(&r);
    json_decref(root);
    if (st)
        pn_mx_symbol_free(&r.s);
    else
        *out = r.s;
    return st;
}

void pn_mx_symbol_free(pn_mx_symbol **symbol)
{
    pn_mx_symbol *s = *symbol;
    if (!s) return;
    pn_arena_fini(&s->arena);
    free(s->node_block);
    free(s);
    *symbol = NULL;
}

const char *pn_mx_attr_text(const pn_mx_node *n, const char *key)
{
    for (int i = 0; i < n->n_attrs; i++)
        if (!strcmp(n->attrs[i].key, key)) return n->attrs[i].value;
    return NULL;
}
