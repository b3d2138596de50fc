/* Instances of classes that feed each other become one nn.Sequential: a stage. Where one
 * ends is told by the names, stage1_unit3 and stage2_unit1 are of two. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/export_pytorch.h"

static bool is_link(const pt_matcher *m, int i)
{
    const pt_step *s = &m->e->steps[i], *next = s + 1;
    return i + 1 < m->e->n_steps && s->is_sequential && next->is_sequential &&
           next->inputs[0] == s->outputs[0] && m->last_use[s->outputs[0]] == i + 1;
}

/* the name without its last word */
static const char *parent_of(pt_export *e, const char *name)
{
    size_t n = strlen(name);
    while (n && isalnum((unsigned char)name[n - 1]))
        n--;
    while (n && !isalnum((unsigned char)name[n - 1]))
        n--;
    return pt_format(e, "%.*s", (int)n, name);
}

static const char *stage_of(pt_export *e, const pt_step *s, bool has_twins)
{
    return has_twins ? s->name : parent_of(e, s->name);
}

static void make_sequential(pt_export *e, const pt_step *from, int n, const char *name,
                            pt_step *out)
{
    pt_member *m = pt_alloc(e, 1, sizeof(*m));
    pt_member **items = pt_alloc(e, (size_t)n, sizeof(*items));
    size_t n_tensors = 0;
    for (int i = 0; i < n; i++)
        n_tensors += (size_t)from[i].members[0]->n_tensors;
    pt_tensor *tensors = pt_alloc(e, n_tensors + 1, sizeof(*tensors));
    if (e->is_failed) return;
    *m = (pt_member){.name = name,
                     .make = "nn.Sequential",
                     .items = items,
                     .n_items = n,
                     .tensors = tensors};
    for (int i = 0; i < n; i++) {
        items[i] = from[i].members[0];
        for (int k = 0; k < items[i]->n_tensors; k++) {
            tensors[m->n_tensors] = items[i]->tensors[k];
            tensors[m->n_tensors++].key =
                pt_format(e, "%d.%s", i, items[i]->tensors[k].key);
        }
    }
    *out = from[0];
    out->name = name;
    out->outputs = from[n - 1].outputs;
    out->members[0] = m;
}

/* one stretch of links into its stages. @return how many steps they became */
static int fold_stretch(pt_export *e, int first, int n, pt_step *to)
{
    int n_out = 0;
    bool has_twins = false;
    for (int i = first; i + 1 < first + n; i++)
        has_twins |= strcmp(e->steps[i].name, e->steps[i + 1].name) == 0;
    for (int i = first, end; i < first + n; i = end) {
        const char *stage = stage_of(e, &e->steps[i], has_twins);
        for (end = i + 1; end < first + n; end++)
            if (strcmp(stage, stage_of(e, &e->steps[end], has_twins)) != 0) break;
        if (end - i > 1)
            make_sequential(e, &e->steps[i], end - i, *stage ? stage : "blocks",
                            &to[n_out]);
        else
            to[n_out] = e->steps[i];
        n_out++;
    }
    return n_out;
}

void pt_fold_chains(pt_export *e)
{
    pt_matcher m = {0};
    pt_step *out = pt_alloc(e, (size_t)e->n_steps + 1, sizeof(*out));
    int n_out = 0;
    if (!e->is_failed && pt_matcher_init(&m, e)) {
        for (int i = 0, n; i < e->n_steps && !e->is_failed; i += n) {
            for (n = 1; is_link(&m, i + n - 1); n++) {
            }
            n_out += n > 1 ? fold_stretch(e, i, n, &out[n_out]) : 1;
            if (n == 1) out[n_out - 1] = e->steps[i];
        }
        e->steps = out;
        e->n_steps = n_out;
    }
    pt_matcher_fini(&m);
}
