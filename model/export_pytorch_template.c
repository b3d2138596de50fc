/* A class out of stretches that are alike: what is the same in all of them stands in it
 * as a number, what differs becomes a parameter of __init__. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "model/export_pytorch.h"

enum { MAX_PARAMS = 40 };

typedef struct template
{
    pt_export *e;
    const pt_matcher *m;
    const pt_place *places;
    int n_places;
    pt_class *c;
    const char ***texts; /* by parameter and place; NULL: that place has no such step */
    pt_names names;      /* of the parameters */
}
template;

/* offset in place p of the pattern's step i */
static int offset_in(const pt_place *p, int i)
{
    return p->n_extra && i >= p->extra_at ? i + p->n_extra : i;
}

static bool is_channels(const char *key)
{
    return strstr(key, "channels") || strstr(key, "features") || !strcmp(key, "groups") ||
           !strcmp(key, "num_parameters");
}

static const char *channels_of(pt_export *e, int value)
{
    const pn_shape *s = &e->g->values[value].shape;
    return s->ndim > 1 ? pt_format(e, "%lld", (long long)s->dim[1]) : "";
}

/* whether at each place the text is the number of channels of its input (or output) */
static bool are_channels(const template *t, const char *const *texts, bool of_input)
{
    for (int i = 0; i < t->n_places; i++) {
        const pt_place *p = &t->places[i];
        int value = t->m->e->steps[p->first + p->length - 1].outputs[0];
        if (of_input) pt_is_closed(t->m, p->first, p->length, &value);
        if (texts[i] && strcmp(texts[i], channels_of(t->e, value)) != 0) return false;
    }
    return true;
}

static const char *param_name(template *t, const pt_arg *arg, const char *const *texts)
{
    const char *name = arg->key;
    if (is_channels(name) && strcmp(name, "groups") != 0) {
        bool in = are_channels(t, texts, true), out = are_channels(t, texts, false);
        name = in && out ? "channels"
               : in      ? "in_channels"
               : out     ? "out_channels"
                         : "mid_channels";
    }
    return pt_unique(t->e, &t->names, name);
}

static bool go_together(const template *t, const char *const *a, const char *const *b)
{
    for (int i = 0; i < t->n_places; i++)
        if (a[i] && b[i] && strcmp(a[i], b[i]) != 0) return false;
    return true;
}

/* the parameter whose values these are; a new one if there is none yet */
static const char *param_for(template *t, const pt_arg *arg, const char **texts)
{
    pt_class *c = t->c;
    for (int i = 0; i < c->n_params; i++) {
        bool is_kin = strcmp(arg->key, c->params[i].key) == 0 ||
                      (is_channels(arg->key) && is_channels(c->params[i].key));
        if (!is_kin || !go_together(t, t->texts[i], texts)) continue;
        for (int k = 0; k < t->n_places; k++)
            if (!t->texts[i][k]) t->texts[i][k] = texts[k];
        return c->params[i].name;
    }
    if (c->n_params == MAX_PARAMS) {
        t->e->is_failed = true;
        return "";
    }
    bool is_partial = false;
    for (int i = 0; i < t->n_places; i++)
        is_partial |= texts[i] == NULL;
    const char *usual = arg->usual;
    c->params[c->n_params] = (pt_param){.name = param_name(t, arg, texts),
                                        .key = arg->key,
                                        .usual = is_partial && !usual ? "None" : usual};
    t->texts[c->n_params] = texts;
    return c->params[c->n_params++].name;
}

/* one argument of a member that stands at `offsets[i]` of place i (-1: not there) */
static void generalise(template *t, pt_member *body, const int *offsets, int member,
                       int k)
{
    const char **texts = pt_alloc(t->e, (size_t)t->n_places, sizeof(*texts)),
               *same = NULL;
    bool is_same = true;
    if (t->e->is_failed) return;
    for (int i = 0; i < t->n_places; i++) {
        if (offsets[i] < 0) continue;
        const pt_step *s = &t->m->e->steps[t->places[i].first + offsets[i]];
        texts[i] = s->members[member]->args[k].text;
        if (!same) same = texts[i];
        is_same = is_same && strcmp(same, texts[i]) == 0;
    }
    body->args[k].text = is_same ? same : param_for(t, &body->args[k], texts);
}

static pt_member *copy_member(template *t, const pt_member *m)
{
    pt_member *copy = pt_alloc(t->e, 1, sizeof(*copy));
    pt_arg *args = pt_alloc(t->e, (size_t)m->n_args + 1, sizeof(*args));
    if (t->e->is_failed) return copy;
    *copy = *m;
    copy->args = args;
    if (m->n_args) memcpy(args, m->args, (size_t)m->n_args * sizeof(*args));
    return copy;
}

/* members of the step at offsets, as the class has them */
static void generalise_step(template *t, pt_step *body, const int *offsets)
{
    for (int k = 0; k < body->n_members && !t->e->is_failed; k++) {
        body->members[k] = copy_member(t, body->members[k]);
        for (int a = 0; a < body->members[k]->n_args; a++)
            generalise(t, body->members[k], offsets, k, a);
    }
}

static const char *trimmed(const char *name, const char *of, size_t prefix)
{
    return strlen(name) > prefix && strncmp(name, of, prefix) == 0 ? name + prefix : name;
}

static void trim_names(pt_step *s, const char *of, size_t prefix)
{
    s->name = trimmed(s->name, of, prefix);
    for (int k = 0; k < s->n_members; k++)
        s->members[k]->name = trimmed(s->members[k]->name, of, prefix);
}

static const char *first_name(const pt_step *steps, int n)
{
    for (int i = 0; i < n; i++)
        if (steps[i].n_members && steps[i].members[0]->make) return steps[i].name;
    return "";
}

/* "x if self.sc is None else self.sc(y)", in the body where both are known */
static void add_select(template *t, const pt_place *p, int select_value)
{
    pt_class *c = t->c;
    pt_step *select = &c->steps[c->n_steps];
    const pt_step *extra = &t->m->e->steps[p->first + p->extra_at];
    pt_member *m = pt_alloc(t->e, 1, sizeof(*m));
    pt_member **items = pt_alloc(t->e, (size_t)p->n_extra, sizeof(*items));
    int *at = pt_alloc(t->e, (size_t)t->n_places, sizeof(*at));
    select->inputs = pt_alloc(t->e, 2, sizeof(*select->inputs));
    select->outputs = pt_alloc(t->e, 1, sizeof(*select->outputs));
    if (t->e->is_failed) return;
    for (int i = 0; i < p->n_extra; i++) {
        for (int k = 0; k < t->n_places; k++)
            at[k] = t->places[k].n_extra ? t->places[k].extra_at + i : -1;
        pt_step one = extra[i];
        generalise_step(t, &one, at);
        items[i] = one.members[0];
    }
    size_t prefix = pt_common_prefix(&t->m->e->steps[p->first], p->length);
    const char *of = first_name(&t->m->e->steps[p->first], p->length);
    const char *name = p->n_extra > 1 ? "shortcut" : trimmed(extra->name, of, prefix);
    if (p->n_extra == 1)
        *m = *items[0];
    else
        *m = (pt_member){.make = "nn.Sequential", .items = items, .n_items = p->n_extra};
    m->only_if = "projection";
    m->name = name;
    /* what the extras read, as the first instance has it */
    int from = extra->inputs[0], made = t->m->maker[from] - p->first;
    int base = t->places[0].first;
    if (made < 0) {
        from = c->input;
    } else {
        int back = made > p->extra_at ? made - p->n_extra : made;
        from = t->m->e->steps[base + back].outputs[0];
    }
    pt_step *join = &c->steps[p->join];
    select->name = name;
    select->op = PN_N_OPS;
    select->n_members = 1;
    select->members[0] = m;
    select->is_infix = true;
    select->n_inputs = from == join->inputs[p->join_input] ? 1 : 2;
    select->inputs[0] = join->inputs[p->join_input];
    select->inputs[1] = from;
    select->text = select->n_inputs == 1 ? "$0 if @0 is None else @0($0)"
                                         : "$0 if @0 is None else @0($1)";
    select->n_outputs = 1;
    select->outputs[0] = select_value;
    int *inputs = pt_alloc(t->e, (size_t)join->n_inputs, sizeof(*inputs));
    if (t->e->is_failed) return;
    memcpy(inputs, join->inputs, (size_t)join->n_inputs * sizeof(*inputs));
    inputs[p->join_input] = select_value;
    join->inputs = inputs;
    /* as early as it can stand */
    int place = 0;
    for (int i = 0; i < c->n_steps; i++)
        for (int k = 0; k < c->steps[i].n_outputs; k++)
            for (int n = 0; n < select->n_inputs; n++)
                if (c->steps[i].outputs[k] == select->inputs[n] && i + 1 > place)
                    place = i + 1;
    pt_step moved = *select;
    memmove(&c->steps[place + 1], &c->steps[place],
            (size_t)(c->n_steps - place) * sizeof(moved));
    c->steps[place] = moved;
    c->n_steps++;
}

/* a value that only the variant has: the output of its extras */
static int value_of_extras(const template *t, const pt_place *p)
{
    return t->m->e->steps[p->first + p->extra_at + p->n_extra - 1].outputs[0];
}

/* a convolution with what follows it, not a unit */
static bool is_layer(const pt_step *from, int length)
{
    return length <= 3 && from[0].op == PN_OP_CONV;
}

/* the number at the end of a name, which has letters before it; -1: none */
static int number_of(const char *name)
{
    size_t n = strlen(name), at = n;
    while (at && isdigit((unsigned char)name[at - 1]))
        at--;
    return at && at < n && n - at < 6 ? atoi(name + at) : -1;
}

/* conv4, bn4, conv5 ... of a class are conv1, bn1, conv2: nets that number their layers
 * from end to end do not do so for its sake */
static void renumber(template *t)
{
    int least = INT_MAX;
    for (int i = 0; i < t->c->n_steps; i++)
        for (int k = 0; k < t->c->steps[i].n_members; k++) {
            const pt_member *m = t->c->steps[i].members[k];
            if (m->only_if || !m->make) continue;
            int number = number_of(m->name);
            if (number < 0) return;
            if (number < least) least = number;
        }
    if (least < 2 || least == INT_MAX) return;
    for (int i = 0; i < t->c->n_steps; i++)
        for (int k = 0; k < t->c->steps[i].n_members; k++) {
            pt_member *m = t->c->steps[i].members[k];
            if (m->only_if || !m->make) continue;
            size_t n = strlen(m->name);
            while (isdigit((unsigned char)m->name[n - 1]))
                n--;
            m->name = pt_format(t->e, "%.*s%d", (int)n, m->name,
                                number_of(m->name) - least + 1);
        }
}

static const char *layer_member(const pt_step *s)
{
    return s->op == PN_OP_CONV ? "conv" : s->op == PN_OP_BATCH_NORM ? "bn" : "act";
}

static void make_body(template *t)
{
    const pt_place *base = &t->places[0], *variant = NULL;
    int *offsets = pt_alloc(t->e, (size_t)t->n_places, sizeof(*offsets));
    const pt_step *from = &t->m->e->steps[base->first];
    size_t prefix = pt_common_prefix(from, base->length);
    const char *of = first_name(from, base->length);
    if (t->e->is_failed) return;
    for (int i = 0; i < base->length && !t->e->is_failed; i++) {
        for (int k = 0; k < t->n_places; k++)
            offsets[k] = offset_in(&t->places[k], i);
        t->c->steps[i] = from[i];
        generalise_step(t, &t->c->steps[i], offsets);
        trim_names(&t->c->steps[i], of, prefix);
        if (is_layer(from,
                     base->length)) /* they have no names of their own in all nets */
            for (int k = 0; k < t->c->steps[i].n_members; k++)
                t->c->steps[i].members[k]->name = layer_member(&from[i]);
        t->c->n_steps++;
    }
    for (int k = 0; k < t->n_places && !variant; k++)
        if (t->places[k].n_extra) variant = &t->places[k];
    if (variant && !t->e->is_failed) add_select(t, variant, value_of_extras(t, variant));
    if (!t->e->is_failed) renumber(t);
    pt_name_members(t->e, t->c->steps, t->c->n_steps);
}

/* tensors of a member as the whole instance has them */
static void lift_tensors(pt_export *e, pt_member *to, const char *name,
                         const pt_member *m)
{
    for (int i = 0; i < m->n_tensors && !e->is_failed; i++) {
        to->tensors[to->n_tensors] = m->tensors[i];
        to->tensors[to->n_tensors++].key =
            m->make ? pt_format(e, "%s.%s", name, m->tensors[i].key) : name;
    }
}

/* the class's members in order, with what they are at place p */
static void fill_instance(template *t, pt_member *instance, const pt_place *p)
{
    int i = 0; /* of the pattern */
    for (int b = 0; b < t->c->n_steps; b++) {
        const pt_step *body = &t->c->steps[b];
        bool is_select = body->n_members == 1 && body->members[0]->only_if;
        if (is_select && !p->n_extra) continue;
        for (int k = 0; is_select && k < p->n_extra; k++) {
            const pt_step *s = &t->m->e->steps[p->first + p->extra_at + k];
            const char *name = body->members[0]->name;
            if (p->n_extra > 1) name = pt_format(t->e, "%s.%d", name, k);
            lift_tensors(t->e, instance, name, s->members[0]);
        }
        if (is_select) continue;
        const pt_step *s = &t->m->e->steps[p->first + offset_in(p, i++)];
        for (int k = 0; k < body->n_members; k++)
            lift_tensors(t->e, instance, body->members[k]->name, s->members[k]);
    }
}

/* what a layer is called anywhere, so that it tells nothing about a unit */
static bool is_generic(const char *word, size_t n)
{
    static const char *const words[] = {"conv", "bn",     "batchnorm", "layer", "layers",
                                        "relu", "conv2d", "norm",      "dense", "fc"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == n && !strncmp(word, words[i], n)) return true;
    return false;
}

/* length of the name of a stretch: the beginning that its layers share */
static size_t shared_name(const pt_step *from, int length)
{
    size_t n = pt_common_prefix(from, length);
    const char *name = first_name(from, length);
    for (;;) {
        while (n && !isalnum((unsigned char)name[n - 1]))
            n--;
        size_t begin = n;
        while (begin && isalpha((unsigned char)name[begin - 1]))
            begin--;
        if (begin == 0 || !is_generic(name + begin, n - begin)) return n;
        n = begin;
    }
}

/* conv_1 for conv_1_conv2d, conv_1_batchnorm ...; unit1_conv1 for that, unit1_bn2 ... */
static const char *instance_name(pt_export *e, const pt_step *from, int length)
{
    size_t prefix = pt_common_prefix(from, length), n;
    const char *name = first_name(from, length);
    bool is_said = !strncmp(name + prefix, "conv", 4) &&
                   isalpha((unsigned char)name[strlen(name) - 1]);
    if (is_layer(from, length) && !is_said) return name;
    n = shared_name(from, length);
    if (!n && !is_layer(from, length)) return ""; /* named after its class */
    return n ? pt_format(e, "%.*s", (int)n, name) : name;
}

static void make_instance(template *t, int index, pt_step *out)
{
    const pt_place *p = &t->places[index];
    const pt_step *from = &t->m->e->steps[p->first];
    size_t n_tensors = 0;
    pt_member *m = pt_alloc(t->e, 1, sizeof(*m));
    *out = (pt_step){.name = instance_name(t->e, from, p->length),
                     .op = PN_N_OPS,
                     .text = "@0($0)",
                     .n_inputs = 1,
                     .n_outputs = 1,
                     .n_members = 1,
                     .is_sequential = true};
    for (int i = 0; i < p->length; i++)
        for (int k = 0; k < from[i].n_members; k++)
            n_tensors += (size_t)from[i].members[k]->n_tensors;
    out->inputs = pt_alloc(t->e, 1, sizeof(int));
    out->outputs = pt_alloc(t->e, 1, sizeof(int));
    pt_tensor *tensors = pt_alloc(t->e, n_tensors + 1, sizeof(*tensors));
    pt_arg *args = pt_alloc(t->e, (size_t)t->c->n_params + 2, sizeof(*args));
    if (t->e->is_failed) return;
    pt_is_closed(t->m, p->first, p->length, &out->inputs[0]);
    out->outputs[0] = from[p->length - 1].outputs[0];
    *m = (pt_member){
        .name = out->name, .make = t->c->name, .args = args, .tensors = tensors};
    for (int i = 0; i < t->c->n_params; i++) {
        const pt_param *param = &t->c->params[i];
        const char *text =
            t->texts[i] && t->texts[i][index] ? t->texts[i][index] : param->usual;
        if (!strcmp(param->name, "projection")) text = p->n_extra ? "True" : "False";
        m->args[m->n_args++] = (pt_arg){param->name, text ? text : "None", param->usual};
    }
    out->members[0] = m;
    fill_instance(t, m, p);
}

/* by position first, then what has a default */
static void order_params(template *t)
{
    pt_class *c = t->c;
    for (int i = 1; i < c->n_params; i++)
        for (int k = i; k > 0 && !c->params[k].usual && c->params[k - 1].usual; k--) {
            pt_param param = c->params[k];
            const char **texts = t->texts[k];
            c->params[k] = c->params[k - 1];
            t->texts[k] = t->texts[k - 1];
            c->params[k - 1] = param;
            t->texts[k - 1] = texts;
        }
}

static const char *layer_word(pt_export *e, const pt_step *s)
{
    switch (s->op) {
    case PN_OP_CONV:
        return "Conv";
    case PN_OP_BATCH_NORM:
        return "BN";
    case PN_OP_RELU:
        return "ReLU";
    case PN_OP_CLIP:
        return strcmp(s->text, "F.relu6($0)") ? "Clip" : "ReLU6";
    case PN_OP_PRELU:
        return "PReLU";
    case PN_OP_LEAKY_RELU:
        return "LeakyReLU";
    default:
        return s->op < PN_N_OPS ? pt_format(e, "%s", pn_op_name((pn_op)s->op)) : "Block";
    }
}

/* ConvBNReLU for a layer; for a unit the last word of its own name, without its number */
static const char *class_name_of(template *t)
{
    const pt_step *from = &t->m->e->steps[t->places[0].first];
    int length = t->places[0].length;
    const char *name = first_name(from, length), *text = "";
    if (is_layer(from, length)) {
        for (int i = 0; i < length; i++)
            text = pt_format(t->e, "%s%s", text, layer_word(t->e, &from[i]));
        return text;
    }
    size_t end = shared_name(from, length), begin;
    while (end && !isalpha((unsigned char)name[end - 1]))
        end--;
    for (begin = end; begin && isalpha((unsigned char)name[begin - 1]);)
        begin--;
    bool is_word = end - begin >= 4 && end - begin <= 20;
    if (is_word && strncmp(name + begin, "stage", 5) != 0 &&
        strncmp(name + begin, "layer", 5) != 0 &&
        strncmp(name + begin, "features", 8) != 0)
        return pt_camel_case(
            t->e, pt_format(t->e, "%.*s", (int)(end - begin), name + begin), "Block");
    const pt_step *last = &from[length - 1];
    for (int i = 0; i < length; i++)
        if (from[i].op == PN_OP_ADD) return "ResidualBlock";
    return last->op == PN_OP_CONCAT ? "ConcatBlock" : "Block";
}

void pt_make_class(pt_export *e, const pt_matcher *m, const pt_place *places, int n,
                   pt_step *instances)
{
    template t = {.e = e, .m = m, .places = places, .n_places = n};
    pt_class *c = pt_alloc(e, 1, sizeof(*c));
    pt_step *steps = pt_alloc(e, (size_t)places[0].length + 1, sizeof(*steps));
    pt_param *params = pt_alloc(e, MAX_PARAMS + 1, sizeof(*params));
    t.texts = pt_alloc(e, MAX_PARAMS + 1, sizeof(*t.texts));
    if (e->is_failed) return;
    *c = (pt_class){.steps = steps, .params = params};
    t.c = c;
    c->name = pt_unique(e, &e->class_names, class_name_of(&t));
    pt_is_closed(m, places[0].first, places[0].length, &c->input);
    c->output = m->e->steps[places[0].first + places[0].length - 1].outputs[0];
    make_body(&t);
    bool has_variant = false;
    for (int i = 0; i < n; i++)
        has_variant |= places[i].n_extra != 0;
    order_params(&t);
    if (has_variant)
        c->params[c->n_params++] =
            (pt_param){.name = "projection", .key = "projection", .usual = "False"};
    for (int i = 0; i < n && !e->is_failed; i++)
        make_instance(&t, i, &instances[i]);
    pt_class **end = &e->classes;
    while (*end)
        end = &(*end)->next;
    *end = c;
}
