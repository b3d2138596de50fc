/* What repeats becomes a class. Patterns come from three places: stretches that follow
 * each other (blocks.h), and wherever they stand those that a sum or a Concat closes, and
 * the chains between such. Those that save most lines are taken first. */
#include <stdlib.h>
#include <string.h>

#include "model/blocks.h"
#include "model/export_pytorch.h"

enum {
    MAX_LENGTH = 256,  /* of a pattern, in steps */
    MAX_PATTERNS = 64, /* tried, of those that promise most */
    MAX_EXTRA = 3,     /* steps of a projection */
    MIN_LAYERS = 4,    /* instances of a class of one layer */
};

typedef struct pattern {
    int first, length;
    uint64_t hash; /* of the kinds */
    int64_t saves; /* steps; twice where branches meet in it, for that makes a unit */
} pattern;

typedef struct folder {
    pt_export *e;
    pt_matcher m;
    pattern *items;
    int n, capacity;
    pt_place *places;   /* room for one a step */
    pt_step **instance; /* by step: what stands for the stretch that begins there */
    int *skip;          /* by step: length of that stretch */
} folder;

/* branches meet in the stretch */
static bool has_join(const folder *f, int first, int length)
{
    for (int i = first; i < first + length; i++)
        for (int k = 1; k < f->e->steps[i].n_inputs; k++)
            if (f->e->steps[i].inputs[k] != f->e->steps[i].inputs[0]) return true;
    return false;
}

static void add_pattern(folder *f, int first, int length)
{
    int input;
    if (!pt_is_closed(&f->m, first, length, &input)) return;
    if (f->n == f->capacity) {
        int capacity = f->capacity ? f->capacity * 2 : 64;
        pattern *more = realloc(f->items, (size_t)capacity * sizeof(*more));
        if (!more) {
            f->e->is_failed = true;
            return;
        }
        f->items = more;
        f->capacity = capacity;
    }
    pattern p = {.first = first, .length = length, .hash = 5381};
    for (int i = first; i < first + length; i++)
        p.hash = (p.hash ^ (uint64_t)f->m.kinds[i]) * 1099511628211U;
    f->items[f->n++] = p;
}

/* kinds that tell also how far away is what they read: those of blocks.h */
static int *kinds_in_place(const folder *f)
{
    int n = f->e->n_steps;
    size_t slots = 16;
    while (slots < (size_t)n * 2)
        slots *= 2;
    int *out = calloc((size_t)n + 1, sizeof(*out)),
        *table = malloc(slots * sizeof(*table));
    if (out && table) memset(table, 0xff, slots * sizeof(*table));
    for (int i = 0; out && table && i < n; i++) {
        const pt_step *s = &f->e->steps[i];
        uint64_t h = (uint64_t)f->m.kinds[i] * 1099511628211U;
        size_t at = 0;
        for (int k = 0; k < s->n_inputs; k++)
            h = (h ^ (uint64_t)(i - f->m.maker[s->inputs[k]])) * 1099511628211U;
        at = (h ^ h >> 31) & (slots - 1);
        bool is_known = false;
        for (int tries = 0; table[at] != -1 && tries < 256; tries++) {
            const pt_step *t = &f->e->steps[table[at]];
            is_known = f->m.kinds[table[at]] == f->m.kinds[i];
            for (int k = 0; is_known && k < s->n_inputs; k++)
                is_known =
                    i - f->m.maker[s->inputs[k]] == table[at] - f->m.maker[t->inputs[k]];
            if (is_known) break;
            at = (at + 1) & (slots - 1);
        }
        out[i] = is_known ? table[at] : i;
        if (table[at] == -1) table[at] = i;
    }
    if (!table) {
        free(out);
        out = NULL;
    }
    free(table);
    return out;
}

static void add_runs(folder *f)
{
    size_t n = (size_t)f->e->n_steps + 1;
    int *kinds = kinds_in_place(f), *last = calloc(n, sizeof(*last));
    const char **names = calloc(n, sizeof(*names));
    pn_block_runs runs = {0};
    for (int i = 0; last && names && i < f->e->n_steps; i++) {
        const pt_step *s = &f->e->steps[i];
        names[i] = s->n_members ? s->name : NULL;
        for (int k = 0; k < s->n_outputs; k++)
            if (f->m.last_use[s->outputs[k]] > last[i])
                last[i] = f->m.last_use[s->outputs[k]];
    }
    const pn_sequence s = {f->e->n_steps, kinds, last, names};
    if (!kinds || !last || !names || pn_sequence_runs(&runs, &s, MAX_LENGTH))
        f->e->is_failed = true;
    for (int i = 0; i < runs.n; i++) {
        const pn_block_run *r = &runs.items[i];
        /* A single layer is pt_fold_layers' affair; and a chain that nothing holds
         * together, neither branches nor a name, would be cut anywhere. */
        bool is_layer =
            !has_join(f, r->first, r->length) &&
            (r->length <= 3 || !pt_common_prefix(&f->e->steps[r->first], r->length) ||
             !pt_common_prefix(&f->e->steps[r->first + r->length], r->length));
        for (int k = 0; !is_layer && k < r->count; k++)
            add_pattern(f, r->first + k * r->length, r->length);
    }
    pn_block_runs_fini(&runs);
    free(kinds);
    free(last);
    free(names);
}

/* the shortest closed stretch that ends in a step of several inputs */
static void add_joined(folder *f)
{
    for (int i = 0; i < f->e->n_steps; i++) {
        const pt_step *s = &f->e->steps[i];
        int begin = i;
        for (int k = 1; k < s->n_inputs; k++)
            if (s->inputs[k] != s->inputs[0]) begin = i - 1;
        if (begin == i) continue;
        for (int input; begin >= 0 && i - begin < MAX_LENGTH; begin--)
            if (pt_is_closed(&f->m, begin, i - begin + 1, &input)) {
                add_pattern(f, begin, i - begin + 1);
                break;
            }
    }
}

/* what stands between two steps that join or part branches, and has a name in common */
static void add_chains(folder *f)
{
    for (int i = 0, end; i < f->e->n_steps; i = end) {
        for (end = i + 1; end < f->e->n_steps; end++) {
            const pt_step *s = &f->e->steps[end], *before = s - 1;
            if (s->n_inputs != 1 || before->n_outputs != 1 || s->is_alone ||
                s->inputs[0] != before->outputs[0] ||
                f->m.last_use[before->outputs[0]] != end)
                break;
        }
        int first =
            i + (f->e->steps[i].n_inputs > 1); /* a join belongs to what it ends */
        if (end - first > 3 && end - first <= MAX_LENGTH &&
            pt_common_prefix(&f->e->steps[first], end - first))
            add_pattern(f, first, end - first);
    }
}

/* all places of a pattern that are still free, from left to right */
static int find_places(folder *f, const pattern *p)
{
    int n = 0, extra = 0;
    for (int at = 0; at < f->e->n_steps;) {
        pt_place place;
        bool is_found = pt_match(&f->m, p->first, p->length, at, &place);
        for (int k = 1; !is_found && k <= MAX_EXTRA; k++) {
            if (extra && k != extra) continue; /* one kind of extras a class */
            is_found = pt_match_extra(&f->m, p->first, p->length, at, k, &place);
        }
        if (is_found && place.n_extra) {
            for (int i = 0; i < n && is_found; i++) {
                if (!f->places[i].n_extra) continue;
                const pt_place *other = &f->places[i];
                is_found = other->join == place.join &&
                           other->join_input == place.join_input &&
                           other->extra_at == place.extra_at &&
                           other->extra_from == place.extra_from;
                for (int k = 0; is_found && k < place.n_extra; k++)
                    is_found = f->m.kinds[other->first + other->extra_at + k] ==
                               f->m.kinds[place.first + place.extra_at + k];
                break;
            }
        }
        if (is_found) {
            if (place.n_extra) extra = place.n_extra;
            f->places[n++] = place;
            at += place.length;
        } else {
            at++;
        }
    }
    return n;
}

static int by_hash(const void *a, const void *b)
{
    const pattern *x = a, *y = b;
    if (x->length != y->length) return x->length - y->length;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->first - y->first;
}

static int by_savings(const void *a, const void *b)
{
    const pattern *x = a, *y = b;
    if (x->saves != y->saves) return x->saves > y->saves ? -1 : 1;
    return x->first != y->first ? x->first - y->first : y->length - x->length;
}

/* one of each pattern, those that promise most in front */
static void rank_patterns(folder *f)
{
    int n = 0;
    if (!f->n) return;
    qsort(f->items, (size_t)f->n, sizeof(*f->items), by_hash);
    for (int i = 0, k; i < f->n; i = k) {
        for (k = i; k < f->n && f->items[k].hash == f->items[i].hash &&
                    f->items[k].length == f->items[i].length;)
            k++;
        f->items[i].saves = (int64_t)(k - i) * f->items[i].length;
        if (has_join(f, f->items[i].first, f->items[i].length)) f->items[i].saves *= 2;
        f->items[n++] = f->items[i];
    }
    qsort(f->items, (size_t)n, sizeof(*f->items), by_savings);
    f->n = n < MAX_PATTERNS ? n : MAX_PATTERNS;
    for (int i = 0; i < f->n; i++) {
        pattern *p = &f->items[i];
        int n_places = find_places(f, p);
        p->saves = -(int64_t)p->length;
        for (int k = 0; k < n_places; k++)
            p->saves += f->places[k].length;
        if (has_join(f, p->first, p->length)) p->saves *= 2;
    }
    qsort(f->items, (size_t)f->n, sizeof(*f->items), by_savings);
}

static bool has_members(const folder *f, const pattern *p)
{
    for (int i = p->first; i < p->first + p->length; i++)
        for (int k = 0; k < f->e->steps[i].n_members; k++)
            if (f->e->steps[i].members[k]->make) return true;
    return false;
}

static void take(folder *f, const pattern *p, int least)
{
    int n = find_places(f, p);
    if (n < least || !has_members(f, p)) return;
    pt_step *instances = pt_alloc(f->e, (size_t)n, sizeof(*instances));
    /* the pattern in front: without extras, and what the class is written after */
    int plain = 0;
    while (plain < n && f->places[plain].n_extra)
        plain++;
    if (f->e->is_failed || plain == n) return;
    pt_place first = f->places[plain];
    memmove(f->places + 1, f->places, (size_t)plain * sizeof(first));
    f->places[0] = first;
    pt_make_class(f->e, &f->m, f->places, n, instances);
    for (int i = 0; i < n; i++) {
        const pt_place *at = &f->places[i];
        f->instance[at->first] = &instances[i];
        f->skip[at->first] = at->length;
        memset(f->m.is_taken + at->first, 1, (size_t)at->length);
    }
}

static void replace(folder *f)
{
    int n = 0;
    for (int i = 0; i < f->e->n_steps;) {
        int length = f->instance[i] ? f->skip[i] : 1;
        f->e->steps[n++] = f->instance[i] ? *f->instance[i] : f->e->steps[i];
        i += length;
    }
    f->e->n_steps = n;
}

static void fold(pt_export *e, bool is_layers)
{
    folder f = {.e = e};
    size_t n = (size_t)e->n_steps + 1;
    f.places = calloc(n, sizeof(*f.places));
    f.instance = calloc(n, sizeof(*f.instance));
    f.skip = calloc(n, sizeof(*f.skip));
    if (!f.places || !f.instance || !f.skip) e->is_failed = true;
    if (!e->is_failed && pt_matcher_init(&f.m, e)) {
        for (int i = 0; is_layers && i + 1 < e->n_steps; i++) {
            const pt_step *s = &e->steps[i];
            if (s->op != PN_OP_CONV || s[1].op != PN_OP_BATCH_NORM) continue;
            bool has_act = i + 2 < e->n_steps && s[2].n_inputs == 1 &&
                           s[2].op != PN_N_OPS &&
                           (s[2].op == PN_OP_RELU || s[2].op == PN_OP_CLIP ||
                            s[2].op == PN_OP_PRELU || s[2].op == PN_OP_LEAKY_RELU);
            if (has_act) add_pattern(&f, i, 3);
            add_pattern(&f, i, 2);
        }
        if (!is_layers) {
            add_runs(&f);
            add_joined(&f);
            add_chains(&f);
        }
        rank_patterns(&f);
        for (int i = 0; i < f.n && !e->is_failed; i++)
            take(&f, &f.items[i], is_layers ? MIN_LAYERS : 2);
        if (!e->is_failed) replace(&f);
    }
    pt_matcher_fini(&f.m);
    free(f.items);
    free(f.places);
    free(f.instance);
    free(f.skip);
}

void pt_fold_layers(pt_export *e)
{
    fold(e, true);
}

void pt_fold_repeats(pt_export *e)
{
    fold(e, false);
}

static int count_in(const pt_step *steps, int n)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += steps[i].n_members;
    return count;
}

int pt_count_members(const pt_export *e)
{
    int count = count_in(e->steps, e->n_steps);
    for (const pt_class *c = e->classes; c; c = c->next)
        count += count_in(c->steps, c->n_steps);
    return count;
}
