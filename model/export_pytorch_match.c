/* Which stretches of steps do the same with other numbers. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/export_pytorch.h"

static bool members_alike(const pt_member *a, const pt_member *b)
{
    if (!a->make != !b->make || (a->make && strcmp(a->make, b->make) != 0) ||
        a->n_args != b->n_args || a->n_tensors != b->n_tensors)
        return false;
    for (int i = 0; i < a->n_args; i++)
        if (strcmp(a->args[i].key, b->args[i].key) != 0) return false;
    for (int i = 0; i < a->n_tensors; i++)
        if (strcmp(a->tensors[i].key, b->tensors[i].key) != 0) return false;
    return true;
}

static bool steps_alike(const pt_step *a, const pt_step *b)
{
    if (a->is_alone || b->is_alone || a->op != b->op || a->n_inputs != b->n_inputs ||
        a->n_outputs != b->n_outputs || a->n_members != b->n_members ||
        strcmp(a->text, b->text) != 0)
        return false;
    for (int i = 0; i < a->n_members; i++)
        if (!members_alike(a->members[i], b->members[i])) return false;
    return true;
}

static size_t hash_step(const pt_step *s)
{
    size_t h = 5381;
    for (const char *p = s->text; *p; p++)
        h = h * 33 ^ (unsigned char)*p;
    for (int i = 0; i < s->n_members; i++)
        for (const char *p = s->members[i]->make ? s->members[i]->make : "="; *p; p++)
            h = h * 33 ^ (unsigned char)*p;
    return h ^ h >> 17;
}

static bool number_kinds(pt_matcher *m)
{
    const pt_export *e = m->e;
    size_t slots = 16;
    while (slots < (size_t)e->n_steps * 2)
        slots *= 2;
    int *table = malloc(slots * sizeof(*table));
    if (!table) return false;
    memset(table, 0xff, slots * sizeof(*table));
    for (int i = 0; i < e->n_steps; i++) {
        size_t at = hash_step(&e->steps[i]) & (slots - 1);
        bool is_known = false;
        /* bounded, as in blocks.c */
        for (int tries = 0; table[at] != -1 && tries < 256; tries++) {
            is_known = steps_alike(&e->steps[table[at]], &e->steps[i]);
            if (is_known) break;
            at = (at + 1) & (slots - 1);
        }
        m->kinds[i] = is_known ? table[at] : i;
        if (table[at] == -1) table[at] = i;
    }
    free(table);
    return true;
}

bool pt_matcher_init(pt_matcher *m, pt_export *e)
{
    size_t n_steps = (size_t)e->n_steps + 1, n_values = (size_t)e->g->n_values + 1;
    *m = (pt_matcher){.e = e};
    m->kinds = calloc(n_steps, sizeof(*m->kinds));
    m->is_taken = calloc(n_steps, sizeof(*m->is_taken));
    m->maker = malloc(n_values * sizeof(*m->maker));
    m->last_use = malloc(n_values * sizeof(*m->last_use));
    if (!m->kinds || !m->is_taken || !m->maker || !m->last_use || !number_kinds(m)) {
        e->is_failed = true;
        return false;
    }
    memset(m->maker, 0xff, n_values * sizeof(*m->maker));
    memset(m->last_use, 0xff, n_values * sizeof(*m->last_use));
    for (int i = 0; i < e->n_steps; i++) {
        const pt_step *s = &e->steps[i];
        for (int k = 0; k < s->n_inputs; k++)
            m->last_use[s->inputs[k]] = i;
        for (int k = 0; k < s->n_outputs; k++)
            m->maker[s->outputs[k]] = i;
    }
    for (int i = 0; i < e->g->n_outputs; i++)
        m->last_use[e->same_as[e->g->outputs[i]]] = e->n_steps;
    if (e->features != PN_NONE) m->last_use[e->same_as[e->features]] = e->n_steps;
    return true;
}

void pt_matcher_fini(pt_matcher *m)
{
    free(m->kinds);
    free(m->is_taken);
    free(m->maker);
    free(m->last_use);
}

bool pt_is_closed(const pt_matcher *m, int first, int length, int *input)
{
    int from = PN_NONE, last = first + length - 1;
    for (int i = first; i <= last; i++) {
        const pt_step *s = &m->e->steps[i];
        if (s->is_alone || m->is_taken[i]) return false;
        for (int k = 0; k < s->n_inputs; k++) {
            if (m->maker[s->inputs[k]] >= first) continue;
            if (from != PN_NONE && s->inputs[k] != from) return false;
            from = s->inputs[k];
        }
        for (int k = 0; i < last && k < s->n_outputs; k++)
            if (m->last_use[s->outputs[k]] > last) return false;
    }
    *input = from;
    return from != PN_NONE && m->e->steps[last].n_outputs == 1;
}

static int slot_of(const pt_step *s, int value)
{
    int k = 0;
    while (k < s->n_outputs && s->outputs[k] != value)
        k++;
    return k;
}

/* What step i of the pattern and step k of the stretch read is the same, but for
 * `join_input`. shift_of: offset in the pattern of a step of the stretch, -1: extra. */
typedef struct alignment {
    const pt_matcher *m;
    int first, at, length;      /* pattern; stretch */
    int n_extra, extra_at;      /* offset in the stretch */
    int input_a, input_b;       /* what they read from outside */
    int join, join_input, from; /* who reads the extras; value that the extras read */
} alignment;

static bool inputs_match(alignment *a, int i, int k)
{
    const pt_step *x = &a->m->e->steps[a->first + i], *y = &a->m->e->steps[a->at + k];
    for (int n = 0; n < x->n_inputs; n++) {
        int made_x = a->m->maker[x->inputs[n]] - a->first;
        int made_y = a->m->maker[y->inputs[n]] - a->at;
        if (made_y >= a->extra_at + a->n_extra)
            made_y -= a->n_extra;
        else if (a->n_extra && made_y >= a->extra_at) {
            if (a->join != PN_NONE || made_y != a->extra_at + a->n_extra - 1)
                return false;
            a->join = i;
            a->join_input = n;
            continue;
        }
        if (made_x < 0 && made_y < 0) continue; /* the one input each of them has */
        if (made_x != made_y ||
            slot_of(&a->m->e->steps[a->first + made_x], x->inputs[n]) !=
                slot_of(&a->m->e->steps[a->m->maker[y->inputs[n]]], y->inputs[n]))
            return false;
    }
    return true;
}

bool pt_match(const pt_matcher *m, int first, int length, int at, pt_place *out)
{
    alignment a = {.m = m, .first = first, .at = at, .join = PN_NONE};
    a.extra_at = length;
    if (at + length > m->e->n_steps || m->kinds[first] != m->kinds[at]) return false;
    for (int i = 0; i < length; i++)
        if (m->kinds[first + i] != m->kinds[at + i]) return false;
    if (!pt_is_closed(m, at, length, &a.input_b)) return false;
    for (int i = 0; i < length; i++)
        if (!inputs_match(&a, i, i)) return false;
    *out = (pt_place){.first = at, .length = length, .extra_from = -1, .join = PN_NONE};
    return true;
}

/* the extras are modules, one behind the other, and nobody else reads them */
static bool is_chain(const pt_matcher *m, int first, int n)
{
    for (int i = first; i < first + n; i++) {
        const pt_step *s = &m->e->steps[i];
        if (s->n_members != 1 || s->n_outputs != 1 || s->n_inputs != 1 ||
            !s->members[0]->make || strcmp(s->text, "@0($0)") != 0)
            return false;
        if (i > first && s->inputs[0] != m->e->steps[i - 1].outputs[0]) return false;
        if (i < first + n - 1 && m->last_use[s->outputs[0]] != i + 1) return false;
    }
    return true;
}

bool pt_match_extra(const pt_matcher *m, int first, int length, int at, int n_extra,
                    pt_place *out)
{
    alignment a = {.m = m, .first = first, .at = at, .n_extra = n_extra, .join = PN_NONE};
    int k = 0;
    if (at + length + n_extra > m->e->n_steps || m->kinds[first] != m->kinds[at])
        return false;
    while (k < length && m->kinds[first + k] == m->kinds[at + k])
        k++;
    /* a step that could be either is the pattern's, and then the extras stand earlier */
    for (; k > 0; k--) {
        int i = k;
        while (i < length && m->kinds[first + i] == m->kinds[at + n_extra + i])
            i++;
        if (i < length) return false;
        a.extra_at = k;
        a.join = PN_NONE;
        if (is_chain(m, at + k, n_extra)) break;
    }
    if (k == 0 || !pt_is_closed(m, at, length + n_extra, &a.input_b)) return false;
    for (int i = 0; i < length; i++)
        if (!inputs_match(&a, i, i < k ? i : i + n_extra)) return false;
    /* what one step alone would read: another operator in the chain, no branch */
    if (a.join == PN_NONE || m->e->steps[first + a.join].n_inputs < 2 ||
        m->last_use[m->e->steps[at + k + n_extra - 1].outputs[0]] !=
            at + n_extra + a.join)
        return false;
    int made = m->maker[m->e->steps[at + k].inputs[0]] - at;
    if (made >= 0 && m->e->steps[at + made].n_outputs != 1) return false;
    *out = (pt_place){.first = at,
                      .length = length + n_extra,
                      .n_extra = n_extra,
                      .extra_at = k,
                      .extra_from = made < 0 ? -1 : made,
                      .join = a.join,
                      .join_input = a.join_input};
    return true;
}

size_t pt_common_prefix(const pt_step *steps, int n)
{
    const char *name = NULL;
    size_t length = 0;
    for (int i = 0; i < n; i++) {
        if (!steps[i].n_members || !steps[i].members[0]->make) continue;
        const char *other = steps[i].name;
        if (!name) {
            name = other;
            length = strlen(name);
        }
        size_t k = 0;
        while (k < length && name[k] == other[k])
            k++;
        length = k;
    }
    while (length && isalnum((unsigned char)name[length - 1]))
        length--;
    return length;
}
