/* A class out of stretches that are alike: what is the same in all of them stands in it
 * as a number, what differs becomes a parameter of __init__. */
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

/* what the extras of place p are in the class: None without `projection` */
static pt_member *make_projection(template *t, const pt_place *p)
{
    const pt_step *first = &t->m->e->steps[p->first], *extra = first + p->extra_at;
    pt_member *m = pt_alloc(t->e, 1, sizeof(*m));
    pt_member **items = pt_alloc(t->e, (size_t)p->n_extra, sizeof(*items));
    int *at = pt_alloc(t->e, (size_t)t->n_places, sizeof(*at));
    if (t->e->is_failed) return m;
    for (int i = 0; i < p->n_extra; i++) {
        for (int k = 0; k < t->n_places; k++)
            at[k] = t->places[k].n_extra ? t->places[k].extra_at + i : -1;
        pt_step one = extra[i];
        generalise_step(t, &one, at);
        items[i] = one.members[0];
    }
    if (p->n_extra == 1)
        *m = *items[0];
    else
        *m = (pt_member){.make = "nn.Sequential", .items = items, .n_items = p->n_extra};
    m->only_if = "projection";
    m->name = p->n_extra > 1 ? "shortcut"
                             : pt_trimmed(extra->name, pt_first_name(first, p->length),
                                          pt_common_prefix(first, p->length));
    return m;
}

/* a step of the body, behind those that make what it reads */
static void insert_step(pt_class *c, const pt_step *s)
{
    int place = 0;
    for (int i = 0; i < c->n_steps; i++)
        for (int k = 0; k < c->steps[i].n_outputs; k++)
            for (int n = 0; n < s->n_inputs; n++)
                if (c->steps[i].outputs[k] == s->inputs[n] && i + 1 > place)
                    place = i + 1;
    memmove(&c->steps[place + 1], &c->steps[place],
            (size_t)(c->n_steps - place) * sizeof(*c->steps));
    c->steps[place] = *s;
    c->n_steps++;
}

/* "x if self.sc is None else self.sc(y)", as early as both are known; its value has the
 * number of what the extras make at place p */
static void add_select(template *t, const pt_place *p)
{
    const pt_step *last = &t->m->e->steps[p->first + p->extra_at + p->n_extra - 1];
    pt_step *join = &t->c->steps[p->join], select = {.op = PN_N_OPS, .is_infix = true};
    int *inputs = pt_alloc(t->e, (size_t)join->n_inputs, sizeof(*inputs));
    select.members[0] = make_projection(t, p);
    select.inputs = pt_alloc(t->e, 2, sizeof(*select.inputs));
    if (t->e->is_failed) return;
    /* what the extras read, as the first instance has it */
    int from = p->extra_from < 0
                   ? t->c->input
                   : t->m->e->steps[t->places[0].first + p->extra_from].outputs[0];
    select.name = select.members[0]->name;
    select.n_members = select.n_outputs = 1;
    select.outputs = last->outputs;
    select.inputs[0] = join->inputs[p->join_input];
    select.inputs[1] = from;
    select.n_inputs = from == select.inputs[0] ? 1 : 2;
    select.text = select.n_inputs == 1 ? "$0 if @0 is None else @0($0)"
                                       : "$0 if @0 is None else @0($1)";
    memcpy(inputs, join->inputs, (size_t)join->n_inputs * sizeof(*inputs));
    inputs[p->join_input] = last->outputs[0];
    join->inputs = inputs;
    insert_step(t->c, &select);
}

static void make_body(template *t)
{
    const pt_place *base = &t->places[0], *variant = NULL;
    int *offsets = pt_alloc(t->e, (size_t)t->n_places, sizeof(*offsets));
    const pt_step *from = &t->m->e->steps[base->first];
    size_t prefix = pt_common_prefix(from, base->length);
    const char *of = pt_first_name(from, base->length);
    if (t->e->is_failed) return;
    for (int i = 0; i < base->length && !t->e->is_failed; i++) {
        for (int k = 0; k < t->n_places; k++)
            offsets[k] = offset_in(&t->places[k], i);
        t->c->steps[i] = from[i];
        generalise_step(t, &t->c->steps[i], offsets);
        pt_trim_names(&t->c->steps[i], of, prefix);
        /* layers have no names of their own in all nets */
        if (pt_is_layer(from, base->length))
            for (int k = 0; k < t->c->steps[i].n_members; k++)
                t->c->steps[i].members[k]->name = pt_layer_member(&from[i]);
        t->c->n_steps++;
    }
    for (int k = 0; k < t->n_places && !variant; k++)
        if (t->places[k].n_extra) variant = &t->places[k];
    if (variant && !t->e->is_failed) add_select(t, variant);
    if (!t->e->is_failed) pt_renumber(t->e, t->c);
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

static void make_instance(template *t, int index, pt_step *out)
{
    const pt_place *p = &t->places[index];
    const pt_step *from = &t->m->e->steps[p->first];
    size_t n_tensors = 0;
    pt_member *m = pt_alloc(t->e, 1, sizeof(*m));
    *out = (pt_step){.name = pt_instance_name(t->e, from, p->length),
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
    c->name =
        pt_unique(e, &e->class_names,
                  pt_class_name(e, &m->e->steps[places[0].first], places[0].length));
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
