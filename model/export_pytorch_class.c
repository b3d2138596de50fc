/* Members and classes as Python. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/export_pytorch.h"

/* a name for a member whose source has none: what it is */
static const char *fallback_name(pt_export *e, const pt_member *m)
{
    if (!m->make) return "constant";
    if (!strncmp(m->make, "Conv", 4)) return "conv"; /* a class of one layer */
    const char *dot = strchr(m->make, '.'), *from = dot ? dot + 1 : m->make;
    size_t n = strcspn(from, "0123456789");
    char *text = pt_alloc(e, n + 1, 1);
    for (size_t i = 0; i < n && !e->is_failed; i++)
        text[i] = (char)tolower((unsigned char)from[i]);
    return text;
}

void pt_name_members(pt_export *e, pt_step *steps, int n_steps)
{
    pt_names names = {0};
    for (int i = 0; i < n_steps; i++)
        for (int k = 0; k < steps[i].n_members && !e->is_failed; k++) {
            pt_member *m = steps[i].members[k];
            const char *name =
                pt_identifier(e, m->name, strlen(m->name), fallback_name(e, m));
            m->name = pt_unique(e, &names, name);
        }
}

static const char *list_item(pt_export *e, const char *list, const char *item)
{
    return pt_format(e, "%s%s%s", list, *list ? ", " : "", item);
}

static bool is_number(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n < 10 && strspn(text, "0123456789") == n;
}

/* the argument in which two instances differ; -1: none, -2: more than one, or by no
 * number */
static int differs_in(const pt_member *a, const pt_member *b)
{
    int at = -1;
    if (a->n_items || b->n_items || strcmp(a->make, b->make) != 0 ||
        a->n_args != b->n_args)
        return -2;
    for (int i = 0; i < a->n_args; i++) {
        if (strcmp(a->args[i].text, b->args[i].text) == 0) continue;
        if (at >= 0 || !is_number(a->args[i].text) || !is_number(b->args[i].text))
            return -2;
        at = i;
    }
    return at;
}

/* how many items from `first` on differ by a step in one number only, which is at *arg */
static int count_series(const pt_member *m, int first, int *arg, long *step)
{
    int n = 1;
    *arg = -1;
    for (; first + n < m->n_items; n++) {
        const pt_member *a = m->items[first + n - 1], *b = m->items[first + n];
        int at = differs_in(a, b);
        if (at == -2 || (n > 1 && at != *arg)) break;
        long by = at < 0 ? 0 : atol(b->args[at].text) - atol(a->args[at].text);
        if (n > 1 && by != *step) break;
        *arg = at;
        *step = by;
    }
    return n;
}

/* some items of a Sequential as one text: what is the same, or grows by a step, as a
 * loop.
 * @return how many */
static int item_text(pt_export *e, const pt_member *m, int first, const char **text)
{
    long step = 0;
    int arg, n = count_series(m, first, &arg, &step);
    pt_member *item = m->items[first];
    if (n > 1 && arg < 0) {
        *text = pt_format(e, "*[%s for _ in range(%d)]", pt_make_text(e, item), n);
        return n;
    }
    if (n < 3 || step <= 0) {
        *text = pt_make_text(e, item);
        return 1;
    }
    const char *from = item->args[arg].text;
    item->args[arg].text = "n";
    const char *call = pt_make_text(e, item);
    item->args[arg].text = from;
    *text = pt_format(e, "*[%s for n in range(%s, %ld, %ld)]", call, from,
                      atol(from) + n * step, step);
    return n;
}

/* the items of a Sequential */
static const char *item_list(pt_export *e, const pt_member *m)
{
    const char *list = "", *text;
    for (int i = 0; i < m->n_items && !e->is_failed;) {
        i += item_text(e, m, i, &text);
        list = list_item(e, list, text);
    }
    return list;
}

const char *pt_make_text(pt_export *e, const pt_member *m)
{
    const char *list = m->n_items ? item_list(e, m) : "";
    for (int i = 0; i < m->n_args; i++) {
        const pt_arg *a = &m->args[i];
        if (!a->usual)
            list = list_item(e, list, a->text);
        else if (strcmp(a->text, a->usual) != 0)
            list = list_item(e, list, pt_format(e, "%s=%s", a->key, a->text));
    }
    return pt_format(e, "%s(%s)", m->make, list);
}

static void put_member(pt_export *e, FILE *to, const pt_member *m)
{
    const char *line;
    if (!m->make)
        line = pt_format(e, "self.register_buffer(\"%s\", torch.zeros(%s))", m->name,
                         m->args[0].text);
    else if (m->only_if)
        line = pt_format(e, "self.%s = %s if %s else None", m->name, pt_make_text(e, m),
                         m->only_if);
    else
        line = pt_format(e, "self.%s = %s", m->name, pt_make_text(e, m));
    if (m->n_items > 1 && !m->only_if) { /* one a line, as stages are read */
        fprintf(to, "        self.%s = nn.Sequential(\n", m->name);
        for (int i = 0; i < m->n_items && !e->is_failed;) {
            const char *text;
            i += item_text(e, m, i, &text);
            pt_put_line(e, to, 12, pt_format(e, "%s,", text));
        }
        fprintf(to, "        )\n");
        return;
    }
    pt_put_line(e, to, 8, line);
}

static void put_members(pt_export *e, FILE *to, const pt_step *steps, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < steps[i].n_members && !e->is_failed; k++)
            put_member(e, to, steps[i].members[k]);
}

void pt_put_class(pt_export *e, FILE *to, const pt_class *c)
{
    static const char *const x = "x";
    const char *params = "self";
    for (int i = 0; i < c->n_params; i++) {
        const pt_param *p = &c->params[i];
        params = list_item(e, params,
                           p->usual ? pt_format(e, "%s=%s", p->name, p->usual) : p->name);
    }
    fprintf(to, "class %s(nn.Module):\n", c->name);
    pt_put_line(e, to, 4, pt_format(e, "def __init__(%s):", params));
    fprintf(to, "        super().__init__()\n");
    put_members(e, to, c->steps, c->n_steps);
    fprintf(to, "\n    def forward(self, x):\n");
    const pt_scope s = {c->steps, c->n_steps, &c->input, &x, 1, &c->output, 1};
    pt_put_forward(e, to, &s);
    fprintf(to, "\n\n");
}

/* the functions of the network's class: what makes the features, and what comes behind */
typedef struct halves {
    pt_step *features, *rest;
    int n_features, n_rest;
    bool is_cut; /* the rest reads nothing of the first half but the features */
} halves;

static void cut(pt_export *e, halves *h)
{
    unsigned char *is_before = pt_alloc(e, (size_t)e->g->n_values + 1, 1);
    h->features = pt_alloc(e, (size_t)e->n_steps + 1, sizeof(*h->features));
    h->rest = pt_alloc(e, (size_t)e->n_steps + 1, sizeof(*h->rest));
    if (e->is_failed) return;
    int value = e->same_as[e->features];
    /* 1: needed for the features; 2: made for them */
    is_before[value] = 1;
    for (int i = e->n_steps - 1; i >= 0; i--) {
        const pt_step *s = &e->steps[i];
        bool is_needed = false;
        for (int k = 0; k < s->n_outputs; k++)
            is_needed |= is_before[s->outputs[k]] != 0;
        for (int k = 0; is_needed && k < s->n_inputs; k++)
            is_before[s->inputs[k]] = 1;
        for (int k = 0; is_needed && k < s->n_outputs; k++)
            is_before[s->outputs[k]] = 2;
    }
    h->is_cut = true;
    for (int i = 0; i < e->n_steps; i++) {
        const pt_step *s = &e->steps[i];
        bool is_first = s->n_outputs && is_before[s->outputs[0]] == 2;
        if (is_first)
            h->features[h->n_features++] = *s;
        else
            h->rest[h->n_rest++] = *s;
        for (int k = 0; !is_first && k < s->n_inputs; k++)
            if (s->inputs[k] != value && is_before[s->inputs[k]]) h->is_cut = false;
    }
    for (int i = 0; i < e->n_results; i++) {
        int out = e->same_as[e->g->outputs[i]];
        if (out != value && is_before[out]) h->is_cut = false;
    }
    for (int i = 0; i < e->g->n_inputs; i++) /* a second input is the rest's alone? */
        if (e->g->n_inputs > 1) h->is_cut = false;
}

static int *result_values(pt_export *e, int extra)
{
    int *values = pt_alloc(e, (size_t)e->n_results + 1, sizeof(*values));
    if (e->is_failed) return values;
    for (int i = 0; i < e->n_results; i++)
        values[i] = e->same_as[e->g->outputs[i]];
    values[e->n_results] = extra;
    return values;
}

static void put_function(pt_export *e, FILE *to, const char *name, const char *about,
                         const pt_scope *s)
{
    const char *params = "self";
    for (int i = 0; i < s->n_inputs; i++)
        params = list_item(e, params, s->input_names[i]);
    fprintf(to, "\n");
    pt_put_line(e, to, 4, pt_format(e, "def %s(%s):", name, params));
    if (*about) fprintf(to, "        \"\"\"%s\"\"\"\n", about);
    pt_put_forward(e, to, s);
}

static void put_forwards(pt_export *e, FILE *to, const char *const *names)
{
    const pn_graph *g = e->g;
    int *results = result_values(e, PN_NONE), feature = PN_NONE;
    halves h = {0};
    pt_scope s = {e->steps,    e->n_steps, g->inputs,   names,
                  g->n_inputs, results,    e->n_results};
    if (e->is_failed) return;
    if (e->features == PN_NONE) {
        put_function(e, to, "forward", "", &s);
        return;
    }
    cut(e, &h);
    if (e->is_failed) return;
    feature = e->same_as[e->features];
    const char *width = "";
    for (int i = 1; i < g->values[feature].shape.ndim; i++)
        width = pt_format(e, "%s%s%lld", width, i > 1 ? " x " : "",
                          (long long)g->values[feature].shape.dim[i]);
    const char *about = pt_format(e, "The feature tensor: %s numbers an image.", width);
    if (h.is_cut) {
        static const char *const x = "x";
        const pt_scope first = {h.features, h.n_features, g->inputs, names,
                                1,          &feature,     1};
        put_function(e, to, "forward_features", about, &first);
        fprintf(to,
                "\n    def forward(self, x):\n        x = self.forward_features(x)\n");
        const pt_scope rest = {h.rest, h.n_rest, &feature, &x, 1, results, e->n_results};
        pt_put_forward(e, to, &rest);
        return;
    }
    results[e->n_results] = feature;
    s.n_outputs = e->n_results + 1;
    put_function(e, to, "_forward", "", &s);
    const char *list = "";
    for (int i = 0; i < g->n_inputs; i++)
        list = list_item(e, list, names[i]);
    fprintf(to, "\n    def forward_features(self, %s):\n        \"\"\"%s\"\"\"\n", list,
            about);
    fprintf(to, "        return self._forward(%s)[-1]\n", list);
    fprintf(to, "\n    def forward(self, %s):\n        return self._forward(%s)[%s]\n",
            list, list, e->n_results == 1 ? "0" : ":-1");
}

static const char *const *input_names(pt_export *e)
{
    const pn_graph *g = e->g;
    const char **names = pt_alloc(e, (size_t)g->n_inputs + 1, sizeof(*names));
    pt_names taken = {0};
    for (int i = 0; i < g->n_inputs && !e->is_failed; i++) {
        const char *name = g->values[g->inputs[i]].name;
        names[i] =
            g->n_inputs == 1
                ? "x"
                : pt_unique(e, &taken, pt_identifier(e, name, strlen(name), "data"));
    }
    return names;
}

void pt_put_module(pt_export *e, FILE *to)
{
    const char *const *names = input_names(e);
    for (const pt_class *c = e->classes; c && !e->is_failed; c = c->next)
        pt_put_class(e, to, c);
    if (e->is_failed) return;
    fprintf(to, "class %s(nn.Module):\n", e->class_name);
    if (e->classifier)
        fprintf(to, "    def __init__(self, num_classes=%lld):\n",
                (long long)e->n_classes);
    else
        fprintf(to, "    def __init__(self):\n");
    fprintf(to, "        super().__init__()\n");
    put_members(e, to, e->steps, e->n_steps);
    put_forwards(e, to, names);
}
