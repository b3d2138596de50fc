/* Nodes of MMdnn's IR and their names. A name becomes a variable and an attribute of a
 * module in the code that MMdnn emits, as it stands: it must be legal there and shadow
 * nothing. */
#include "model/export_mmdnn.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { MAX_STEM = 200 };

/* ---- names ---- */

/* Python's keywords, what the emitted file uses, and attributes of nn.Module, which a
 * layer of that name would hide */
static const char *const reserved[] = {"False",
                                       "None",
                                       "True",
                                       "and",
                                       "as",
                                       "assert",
                                       "async",
                                       "await",
                                       "break",
                                       "class",
                                       "continue",
                                       "def",
                                       "del",
                                       "elif",
                                       "else",
                                       "except",
                                       "finally",
                                       "for",
                                       "from",
                                       "global",
                                       "if",
                                       "import",
                                       "in",
                                       "is",
                                       "lambda",
                                       "nonlocal",
                                       "not",
                                       "or",
                                       "pass",
                                       "raise",
                                       "return",
                                       "try",
                                       "while",
                                       "with",
                                       "yield",
                                       "x",
                                       "self",
                                       "np",
                                       "torch",
                                       "nn",
                                       "F",
                                       "math",
                                       "load_weights",
                                       "KitModel",
                                       "tuple",
                                       "list",
                                       "super",
                                       "T_destination",
                                       "add_module",
                                       "apply",
                                       "bfloat16",
                                       "buffers",
                                       "call_super_init",
                                       "children",
                                       "compile",
                                       "cpu",
                                       "cuda",
                                       "double",
                                       "dump_patches",
                                       "eval",
                                       "extra_repr",
                                       "float",
                                       "forward",
                                       "get_buffer",
                                       "get_extra_state",
                                       "get_parameter",
                                       "get_submodule",
                                       "half",
                                       "ipu",
                                       "load_state_dict",
                                       "modules",
                                       "mtia",
                                       "named_buffers",
                                       "named_children",
                                       "named_modules",
                                       "named_parameters",
                                       "parameters",
                                       "register_backward_hook",
                                       "register_buffer",
                                       "register_forward_hook",
                                       "register_forward_pre_hook",
                                       "register_full_backward_hook",
                                       "register_full_backward_pre_hook",
                                       "register_load_state_dict_post_hook",
                                       "register_load_state_dict_pre_hook",
                                       "register_module",
                                       "register_parameter",
                                       "register_state_dict_post_hook",
                                       "register_state_dict_pre_hook",
                                       "requires_grad_",
                                       "set_extra_state",
                                       "set_submodule",
                                       "share_memory",
                                       "state_dict",
                                       "to",
                                       "to_empty",
                                       "train",
                                       "training",
                                       "type",
                                       "xpu",
                                       "zero_grad"};

static bool take(pn_ir *w, const char *name)
{
    pn_status st = pn_graph_add_value(w->names, name, PN_F32, NULL, NULL, NULL);
    w->has_failed |= st == PN_ENOMEM;
    return !st;
}

void pn_ir_reserve_words(pn_ir *w)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
        take(w, reserved[i]);
}

/* letters, digits and underscores, beginning with a letter: MMdnn strips underscores */
static void make_legal(char *out, const char *stem)
{
    size_t n = 0;
    while (*stem == '_')
        stem++;
    if (!isalpha((unsigned char)*stem)) out[n++] = 'n';
    for (; *stem && n < MAX_STEM; stem++) {
        unsigned char c = (unsigned char)*stem;
        out[n++] = c < 0x80 && isalnum(c) ? (char)c : '_';
    }
    out[n] = '\0';
}

/* NAME_pad and NAME_idx are variables of the emitter's own: no node ends so */
static bool ends_as_shadow(const char *name, size_t n)
{
    return n >= 4 && (!strcmp(name + n - 4, "_pad") || !strcmp(name + n - 4, "_idx"));
}

const char *pn_ir_name(pn_ir *w, const char *stem, const char *suffix)
{
    char legal[MAX_STEM + 2], name[MAX_STEM + 64];
    make_legal(legal, stem);
    size_t n = (size_t)snprintf(name, sizeof(name), "%s%s", legal, suffix);
    if (ends_as_shadow(name, n)) snprintf(name + n, sizeof(name) - n, "_");
    while (!w->has_failed && !take(w, name))
        snprintf(name, sizeof(name), "%s%s_%d", legal, suffix, ++w->n_clashes);
    char *copy = w->has_failed ? NULL : pn_arena_strdup(&w->arena, name);
    if (copy) return copy;
    w->has_failed = true;
    return "";
}

/* MXNet's values are called NODE_output: MMdnn's nodes bear the node's name */
static void stem_of(char *out, const char *value_name)
{
    size_t n = pn_text_before(value_name, "_output");
    if (!n) n = strlen(value_name);
    if (n > MAX_STEM) n = MAX_STEM;
    memcpy(out, value_name, n);
    out[n] = '\0';
}

const char *pn_ir_name_output(pn_ir *w, int i)
{
    char stem[MAX_STEM + 1];
    pn_ir_value *v = &w->values[w->node->outputs[i]];
    stem_of(stem, w->g->values[w->node->outputs[i]].name);
    v->name = pn_ir_name(w, stem, "");
    w->made = w->node->outputs[i];
    return v->name;
}

/* ---- attributes ---- */

/* entry: key, value */
static void put_attr(pn_ir *w, const char *key)
{
    pn_wire_put_text(&w->entry, 1, key);
    pn_wire_put_message(&w->entry, 2, &w->attr);
    pn_wire_put_message(&w->def, 4, &w->entry);
}

void pn_ir_set_int(pn_ir *w, const char *key, int64_t v)
{
    pn_wire_put_int(&w->attr, 3, v);
    put_attr(w, key);
}

void pn_ir_set_bool(pn_ir *w, const char *key, bool v)
{
    pn_wire_put_int(&w->attr, 5, v);
    put_attr(w, key);
}

void pn_ir_set_float(pn_ir *w, const char *key, float v)
{
    pn_wire_put_float(&w->attr, 4, v);
    put_attr(w, key);
}

void pn_ir_set_string(pn_ir *w, const char *key, const char *v)
{
    pn_wire_put_text(&w->attr, 2, v);
    put_attr(w, key);
}

/* packed, as proto3 has it */
static void put_list(pn_ir *w, const char *key, const int64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pn_wire_put_varint(&w->dim, (uint64_t)v[i]);
    pn_wire_put_message(&w->list, 3, &w->dim);
    pn_wire_put_message(&w->attr, 1, &w->list);
    put_attr(w, key);
}

void pn_ir_set_ints(pn_ir *w, const char *key, const int64_t *v, size_t n)
{
    put_list(w, key, v, n);
}

void pn_ir_set_window(pn_ir *w, const char *key, int64_t outer, const int64_t *v, int n)
{
    int64_t all[PN_MAX_DIMS + 2] = {0};
    for (int i = 0; i < n; i++)
        all[i + 1] = v[i];
    all[0] = all[n + 1] = outer;
    put_list(w, key, all, (size_t)n + 2);
}

void pn_ir_set_pads(pn_ir *w, const int64_t *pads, int n)
{
    int64_t all[2 * PN_MAX_DIMS] = {0};
    for (int i = 0; i < n; i++) {
        all[1 + i] = pads[i];
        all[n + 3 + i] = pads[n + i];
    }
    put_list(w, "pads", all, 2 * (size_t)(n + 2));
}

static void put_dim(pn_ir *w, int64_t size, int64_t batch)
{
    pn_wire_put_int(&w->dim, 1, size == PN_DIM_FREE ? batch : size);
    pn_wire_put_message(&w->shape, 2, &w->dim);
}

/* as a TensorShape in w->shape */
static void build_shape(pn_ir *w, const pn_shape *s, int64_t batch)
{
    bool is_image = s->ndim > 2;
    for (int i = 0; i < s->ndim; i++)
        if (!is_image || i != 1) put_dim(w, s->dim[i], batch);
    if (is_image) put_dim(w, s->dim[1], batch);
}

void pn_ir_set_shape(pn_ir *w, const char *key, const pn_shape *s, int64_t batch)
{
    build_shape(w, s, batch);
    pn_wire_put_message(&w->attr, 7, &w->shape);
    put_attr(w, key);
}

/* ---- nodes ---- */

/* the name that a reader would give the value is right as a rule */
static void note_value_name(pn_ir *w, const char *name)
{
    if (w->made == PN_NONE || w->values[w->made].name != name) return;
    const char *is = w->g->values[w->made].name;
    size_t n = strlen(name);
    bool is_guessed = !strncmp(is, name, n) && !strcmp(is + n, "_output");
    w->made = PN_NONE;
    if (!is_guessed) pn_ir_set_string(w, PN_IR_VALUE_NAME, is);
}

static void begin(pn_ir *w, const char *op, const char *name, const char *const *inputs,
                  int n_inputs)
{
    pn_wire_put_text(&w->def, 1, name);
    pn_wire_put_text(&w->def, 2, op);
    for (int i = 0; i < n_inputs; i++)
        pn_wire_put_text(&w->def, 3, inputs[i]);
}

static const pn_shape *shape_of(const pn_ir *w, const char *name)
{
    for (int i = 0; i < w->node->n_inputs; i++)
        if (w->node->inputs[i] != PN_NONE && w->values[w->node->inputs[i]].name == name)
            return pn_ir_in_shape(w, i);
    return pn_ir_out_shape(w, 0);
}

void pn_ir_begin(pn_ir *w, const char *op, const char *name, const char *const *inputs,
                 int n_inputs)
{
    const char **once = pn_arena_alloc(&w->arena, ((size_t)n_inputs + 1) * sizeof(*once));
    if (!once) {
        w->has_failed = true;
        return;
    }
    for (int i = 0; i < n_inputs; i++) {
        once[i] = inputs[i];
        for (int k = 0; k < i && once[i] == inputs[i]; k++)
            if (inputs[k] == inputs[i])
                once[i] = pn_ir_copy(w, inputs[i], shape_of(w, inputs[i]));
    }
    begin(w, op, name, once, n_inputs);
    note_value_name(w, name);
}

void pn_ir_end(pn_ir *w, const pn_shape *out)
{
    build_shape(w, out, 1);
    pn_wire_put_message(&w->list, 7, &w->shape);
    pn_wire_put_message(&w->attr, 1, &w->list);
    put_attr(w, "_output_shapes");
    pn_wire_put_message(&w->body, 1, &w->def);
}

void pn_ir_plain(pn_ir *w, const char *op, const char *name, const char *const *inputs,
                 int n_inputs, const pn_shape *out)
{
    pn_ir_begin(w, op, name, inputs, n_inputs);
    pn_ir_end(w, out);
}

const char *pn_ir_copy(pn_ir *w, const char *x, const pn_shape *shape)
{
    if (!w->one) w->one = pn_ir_scalar(w, "one", 1);
    const char *name = pn_ir_name(w, x, "_copy"), *inputs[] = {x, w->one};
    begin(w, "Mul", name, inputs, 2);
    pn_ir_set_bool(w, PN_IR_COPY, true);
    pn_ir_end(w, shape);
    return name;
}

void pn_ir_alias(pn_ir *w)
{
    int from = w->node->inputs[0], to = w->node->outputs[0];
    const char *x = pn_ir_input(w, 0);
    if (w->values[to].is_output) {
        const char *inputs[] = {x, pn_ir_scalar(w, x, 1)};
        pn_ir_plain(w, "Mul", pn_ir_name_output(w, 0), inputs, 2, pn_ir_out_shape(w, 0));
        return;
    }
    w->values[to].name = x;
    w->values[to].is_view = w->values[from].is_view;
    w->values[to].flat_rows = w->values[from].flat_rows;
    w->values[to].flat_columns = w->values[from].flat_columns;
}

/* ---- constants ---- */

static const char *constant_node(pn_ir *w, const char *name, const pn_shape *shape)
{
    begin(w, "Constant", name, NULL, 0);
    pn_ir_set_string(w, "data_format", "NCHW");
    pn_ir_end(w, shape);
    return name;
}

pn_ir_array *pn_ir_add_array(pn_ir *w, const char *layer, const char *key, int value)
{
    static pn_ir_array none;
    if (w->n_arrays == w->arrays_capacity) {
        size_t more = w->arrays_capacity ? 2 * w->arrays_capacity : 64;
        pn_ir_array *bigger = reallocarray(w->arrays, more, sizeof(*bigger));
        if (!bigger) {
            w->has_failed = true;
            return &none;
        }
        w->arrays = bigger;
        w->arrays_capacity = more;
    }
    pn_ir_array *a = &w->arrays[w->n_arrays++];
    *a = (pn_ir_array){.layer = layer, .key = key, .value = value, .unit = 1};
    if (value == PN_NONE) return a;
    const pn_shape *s = &w->g->values[value].shape;
    a->ndim = s->ndim ? s->ndim : 1;
    a->dim[0] = 1;
    for (int i = 0; i < s->ndim; i++)
        a->dim[i] = s->dim[i];
    a->n = (size_t)pn_shape_count(s);
    return a;
}

const char *pn_ir_constant(pn_ir *w, const char *stem, const pn_shape *shape,
                           const float *floats)
{
    size_t n = (size_t)pn_shape_count(shape);
    const char *name = pn_ir_name(w, stem, "_second");
    float *own = pn_arena_alloc(&w->arena, n * sizeof(*own));
    if (!own) {
        w->has_failed = true;
        return name;
    }
    memcpy(own, floats, n * sizeof(*own));
    pn_ir_array *a = pn_ir_add_array(w, name, "value", PN_NONE);
    a->own = own;
    a->n = n;
    a->ndim = shape->ndim;
    for (int i = 0; i < shape->ndim; i++)
        a->dim[i] = shape->dim[i];
    return constant_node(w, name, shape);
}

const char *pn_ir_scalar(pn_ir *w, const char *stem, float v)
{
    pn_shape one = {.ndim = 1, .dim = {1}};
    return pn_ir_constant(w, stem, &one, &v);
}

const char *pn_ir_input(pn_ir *w, int i)
{
    int id = i < w->node->n_inputs ? w->node->inputs[i] : PN_NONE;
    if (id == PN_NONE) return "";
    pn_ir_value *v = &w->values[id];
    const pn_value *is = &w->g->values[id];
    if (v->name) return v->name;
    v->name = pn_ir_name(w, is->name, "");
    pn_ir_add_array(w, v->name, "value", id);
    pn_shape shape = is->shape;
    if (!shape.ndim) shape = (pn_shape){.ndim = 1, .dim = {1}};
    return constant_node(w, v->name, &shape);
}

bool pn_ir_is_const(const pn_ir *w, int i)
{
    return i < w->node->n_inputs && w->node->inputs[i] != PN_NONE &&
           w->g->values[w->node->inputs[i]].data;
}

bool pn_ir_const_scalar(const pn_ir *w, int i, float *out)
{
    if (!pn_ir_is_const(w, i)) return false;
    const pn_value *v = &w->g->values[w->node->inputs[i]];
    return pn_shape_count(&v->shape) == 1 && !pn_value_to_f32(v, 0, 1, out);
}

const pn_shape *pn_ir_in_shape(const pn_ir *w, int i)
{
    return &w->g->values[w->node->inputs[i]].shape;
}

const pn_shape *pn_ir_out_shape(const pn_ir *w, int i)
{
    return &w->g->values[w->node->outputs[i]].shape;
}

int64_t pn_ir_int_at(const pn_ir *w, const char *attr, int i, int64_t fallback)
{
    const pn_attr *a = pn_node_attr(w->node, attr);
    return a && (size_t)i < a->n ? a->ints[i] : fallback;
}

int64_t pn_ir_axis(int64_t axis, int ndim)
{
    if (axis < 0) axis += ndim;
    return axis == 0 ? 0 : axis == 1 ? ndim - 1 : axis - 1;
}

void pn_ir_refuse(pn_ir *w, const char *fmt, ...)
{
    va_list args;
    const char *name =
        w->node->name[0] ? w->node->name : w->g->values[w->node->outputs[0]].name;
    fprintf(w->refused, "%s%s \"%s\" (", w->n_refused++ ? ", " : "",
            pn_op_name(w->node->op), name);
    va_start(args, fmt);
    vfprintf(w->refused, fmt, args);
    va_end(args);
    fputc(')', w->refused);
    for (int i = 0; i < w->node->n_outputs; i++) /* so that the next can be looked at */
        if (!w->values[w->node->outputs[i]].name)
            w->values[w->node->outputs[i]].name = "?";
}
