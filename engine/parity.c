/* Runs the engine a layer at a time beside the double-precision walk. Two images: in slot
 * 0 each layer's inputs are put right before it runs, slot 1 goes its own way from the
 * input on. The same image gives the same bits in any slot, so that is what a run
 * answers; where a run takes an image through several layers alone, slot 2 goes that way
 * and must end with the bits of slot 1. */
#include "penult/parity.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/compile.h"
#include "engine/judge.h"
#include "engine/ops/ops.h"
#include "engine/plan.h"
#include "engine/segments.h"
#include "penult/preprocess.h"

enum { JUDGED, FREE, ALONE, SLOTS };

typedef struct check {
    pn_parity *out;
    const pn_graph *g, *run;
    pn_walk64 *w;
    pn_model *m;
    void *block; /* the arena's */
    float *arena, *scratch;
    size_t scratch_floats;
    int segment;     /* that the next layer is of */
    int threads;     /* of the engine */
    pn_share *share; /* NULL: nobody walks ahead */
} check;

static pn_status no_memory(pn_err *err)
{
    return pn_fail(err, PN_ENOMEM, "parity: out of memory");
}

/* ---- the input ---- */

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool has_record(const pn_graph *g, const pn_shape *s, pn_preprocess *p)
{
    const char *json = pn_graph_meta(g, PN_META_PREPROCESS);
    return json && s->ndim == 4 && s->dim[1] == 3 &&
           pn_preprocess_from_json(p, json, "", NULL) == PN_OK;
}

static void fill_seeded(const check *c, const pn_shape *s, uint64_t *state, float *x,
                        size_t n)
{
    pn_preprocess p;
    const bool is_image = has_record(c->g, s, &p);
    const double scale = c->out->is_0_to_1 ? 1.0 / 255 : 1;
    for (size_t i = 0; i < n; i++) {
        const double byte = (double)(splitmix64(state) >> 56);
        const size_t k = is_image ? i / (n / 3) : 0;
        x[i] = (float)(is_image ? (byte * p.scale - p.mean[k]) / p.std[k] : byte * scale);
    }
}

static pn_status set_inputs(check *c, const pn_parity_opts *o, pn_err *err)
{
    uint64_t state = o->seed;
    for (int i = 0; i < c->g->n_inputs; i++) {
        const int v = c->g->inputs[i];
        const pn_shape *s = &c->g->values[v].shape;
        if (o->sample && c->g->n_inputs == 1)
            return pn_walk64_set_input(c->w, v, o->sample, o->n_sample, err);
        const int64_t n = pn_shape_count(s);
        if (n < 1 || n > INT_MAX)
            return pn_fail(err, PN_EUNSUPPORTED,
                           "input \"%s\" is too large for the proof",
                           c->g->values[v].name);
        float *x = calloc((size_t)n, sizeof(*x));
        if (!x) return no_memory(err);
        fill_seeded(c, s, &state, x, (size_t)n);
        pn_status st = pn_walk64_set_input(c->w, v, x, (size_t)n, err);
        free(x);
        if (st) return st;
    }
    return PN_OK;
}

/* ---- what the bounds need to know of the engine ---- */

/* OpenBLAS cuts k at GEMM_Q of its kernel, at most 1024 for float on any machine it
 * knows, and never below 64; its sgemv has no such cut, but several chains side by side.
 */
static int64_t roundings_of(const pn_model *m, int64_t k, int64_t block)
{
    if (!m->kernels.gemm_is_chained) return k < 1024 ? k : 1024 + k / 64;
    return (k < block ? k : block) + pn_ceil_div(k, block) - 1;
}

static int64_t taps_of(const pn_conv *c)
{
    return c->win.kh * c->win.kw;
}

static pn_sum sum_of(const pn_model *m, const pn_layer *l)
{
    const pn_conv *c = &l->u.conv;
    switch (l->kind) {
    case PN_LAYER_CONV:
        return (pn_sum){PN_SUM_CHAIN,
                        roundings_of(m, c->cin / c->group * taps_of(c), PN_K_BLOCK)};
    case PN_LAYER_CONV_WINO:
        return (pn_sum){
            c->wino == PN_WINO_5 ? PN_SUM_WINOGRAD_5 : PN_SUM_WINOGRAD_4,
            roundings_of(m, c->cin, (int64_t)m->kernels.wino[c->wino].k_block)};
    case PN_LAYER_DEPTHWISE:
        return (pn_sum){PN_SUM_CHAIN, taps_of(c)};
    case PN_LAYER_CONV_TRANSPOSE: /* product and sum are two roundings */
        return (pn_sum){PN_SUM_CHAIN, c->cin / c->group * taps_of(c) + 1};
    case PN_LAYER_FC:
        return (pn_sum){PN_SUM_CHAIN, roundings_of(m, l->u.fc.k, PN_K_BLOCK)};
    default:
        return (pn_sum){PN_SUM_CHAIN, 1}; /* sums in double */
    }
}

static int value_of(const check *c, int tensor)
{
    return tensor == PN_NONE ? PN_NONE : c->m->tensors[tensor].value;
}

/* The values a layer needs of the walk: its inputs, then its output. */
static void values_of(const check *c, const pn_layer *l, int values[4])
{
    values[0] = value_of(c, l->in[0]);
    values[1] = value_of(c, l->in[1]);
    values[2] = value_of(c, l->residual);
    values[3] = value_of(c, l->out);
}

static void tell_walk(check *c)
{
    c->w->has_bounds = true;
    for (int i = 0; i < c->m->n_layers; i++) {
        const pn_layer *l = &c->m->layers[i];
        int values[4];
        values_of(c, l, values);
        for (int k = 0; k < 4; k++)
            if (values[k] != PN_NONE) pn_walk64_keep(c->w, values[k]);
        if (values[3] != PN_NONE) c->w->values[values[3]].is_layer = true;
        if (l->node != PN_NONE) c->w->sums[l->node] = sum_of(c->m, l);
    }
}

/* ---- one layer ---- */

static float *floats_of(const check *c, int tensor, int slot)
{
    const pn_run r = {.m = c->m, .arena = c->arena, .capacity = SLOTS, .n = SLOTS};
    return pn_run_tensor(&r, tensor, slot);
}

static pn_run image_alone(const check *c)
{
    return (pn_run){.m = c->m,
                    .arena = c->arena,
                    .capacity = SLOTS,
                    .first = ALONE,
                    .n = 1,
                    .threads = 1};
}

/* Before layer `layer` */
static void enter_segment(const check *c, int layer)
{
    const pn_run r = image_alone(c);
    if (layer == c->m->segments[c->segment].first)
        pn_segment_copy(&r, c->m->segments[c->segment], FREE);
}

/* Behind it: the weights of a segment are kept to its end. */
static void leave_segment(check *c, int layer)
{
    const pn_run r = image_alone(c);
    const pn_segment s = c->m->segments[c->segment];
    if (layer + 1 < s.end) return;
    const int other = pn_segment_run(&r, s, FREE, c->scratch);
    if (other != PN_NONE && !c->out->strayed) {
        const int v = c->m->tensors[c->m->layers[other].out].value;
        c->out->strayed = v == PN_NONE ? "" : c->g->values[v].name;
    }
    pn_net_free_weights(c->m);
    c->segment++;
}

static void set_tensor(const check *c, int tensor, int slot)
{
    const int v = value_of(c, tensor);
    if (v == PN_NONE) return;
    pn_judge_set(&c->m->tensors[tensor], floats_of(c, tensor, slot), c->w->values[v].x);
}

static pn_status make_scratch(check *c, const pn_layer *l, pn_err *err)
{
    const size_t each =
        (l->scratch_floats + 2 * PN_ALIGN_FLOATS - 1) / PN_ALIGN_FLOATS * PN_ALIGN_FLOATS;
    c->m->scratch_floats = each;
    if (each * (size_t)c->threads <= c->scratch_floats) return PN_OK;
    free(c->scratch);
    c->scratch_floats = each * (size_t)c->threads;
    c->scratch = aligned_alloc(PN_PAD_BYTES, c->scratch_floats * sizeof(float));
    return c->scratch ? PN_OK : no_memory(err);
}

/* It is prepared. */
static pn_status run_layer(check *c, pn_layer *l, pn_err *err)
{
    pn_status st = make_scratch(c, l, err);
    if (!st) {
        struct pn_model alone = *c->m;
        pn_segment all = {0, 1};
        alone.layers = l;
        alone.n_layers = alone.n_segments = 1;
        alone.segments = &all;
        const pn_run r = {.m = &alone,
                          .arena = c->arena,
                          .capacity = SLOTS,
                          .n = ALONE,
                          .threads = c->threads};
        pn_team_run(&r, c->threads, c->scratch, NULL);
    }
    return st;
}

static void note_layer(check *c, const pn_layer *l, int v)
{
    pn_parity *p = c->out;
    pn_parity_layer *found = &p->layers[p->n_layers];
    *found = (pn_parity_layer){.op = pn_op_name(l->op), .name = c->g->values[v].name};
    pn_judge_layer(l, &c->m->tensors[l->out], floats_of(c, l->out, JUDGED),
                   &c->w->values[v], found);
    if (!(found->used <= 1)) p->n_missed++;
    if (p->worst < 0 || found->used > p->layers[p->worst].used) p->worst = p->n_layers;
    p->n_layers++;
}

/* A layer without a value of its own (the first sums of a Sum of many) keeps what slot 0
 * holds, and is judged with the one that reads it. */
static pn_status check_layer(check *c, pn_layer *l, pn_err *err)
{
    set_tensor(c, l->in[0], JUDGED);
    set_tensor(c, l->in[1], JUDGED);
    set_tensor(c, l->residual, JUDGED);
    pn_status st = run_layer(c, l, err);
    const int v = value_of(c, l->out);
    if (!st && v != PN_NONE) note_layer(c, l, v);
    return st;
}

static void drop_values(check *c, const pn_layer *l)
{
    int values[4];
    values_of(c, l, values);
    for (int k = 0; k < 4; k++)
        if (values[k] != PN_NONE) pn_walk64_drop(c->w, values[k]);
}

/* ---- the walk, a layer ahead ---- */

/* While the engine works on one layer, another thread walks to the values of the next;
 * when it has judged its own it helps there. Between begin_step() and end_step() the walk
 * is that thread's, but for values that earlier layers keep. */
typedef struct steps {
    check *c;
    const pn_layer *layer;
    pthread_t thread;
    bool is_running;
    pn_status st;
    pn_err err;
} steps;

static void *reach_layer(void *arg)
{
    steps *s = arg;
    int values[4];
    values_of(s->c, s->layer, values);
    for (int k = 0; k < 4 && !s->st; k++)
        if (values[k] != PN_NONE) s->st = pn_walk64_reach(s->c->w, values[k], &s->err);
    return NULL;
}

static void *reach_alone(void *arg)
{
    const steps *s = arg;
    const int before = pn_team_alone(); /* this thread's own setting */
    reach_layer(arg);
    pn_team_restore(before);
    pn_share_end(s->c->w->share);
    return NULL;
}

static void begin_step(steps *s, int layer)
{
    if (layer >= s->c->m->n_layers) return;
    s->layer = &s->c->m->layers[layer];
    if (s->c->w->share) {
        pn_share_begin(s->c->w->share);
        s->is_running = pthread_create(&s->thread, NULL, reach_alone, s) == 0;
    }
    if (!s->is_running) reach_layer(s);
}

static void wait_for_walk(steps *s)
{
    if (!s->is_running) return;
    pn_share_help(s->c->w->share);
    pthread_join(s->thread, NULL);
    s->is_running = false;
}

/* @return PN_END where the numbers have left float's range */
static pn_status end_step(steps *s, pn_err *err)
{
    wait_for_walk(s);
    if (s->st) return pn_fail(err, s->st, "%s", pn_err_text(&s->err));
    return s->c->w->not_finite != PN_NONE ? PN_END : PN_OK;
}

/* Packing needs nothing of the walk: it is done while that goes on. */
static pn_status prepare_layer(check *c, int layer, pn_err *err)
{
    if (layer >= c->m->n_layers) return PN_OK;
    return pn_layer_prepare(c->m, c->run, &c->m->layers[layer], err);
}

static pn_status check_each(check *c, pn_err *err)
{
    steps s = {.c = c};
    begin_step(&s, 0);
    pn_status st = prepare_layer(c, 0, err);
    for (int i = 0; !st && i < c->m->n_layers; i++) {
        st = end_step(&s, err);
        if (i) drop_values(c, &c->m->layers[i - 1]);
        if (st) break;
        begin_step(&s, i + 1);
        enter_segment(c, i);
        st = check_layer(c, &c->m->layers[i], err);
        if (!st) leave_segment(c, i);
        if (!st) st = prepare_layer(c, i + 1, err);
    }
    wait_for_walk(&s);
    pn_err_clear(&s.err);
    return st == PN_END ? PN_OK : st;
}

/* ---- the whole ---- */

/* The walk would say so, too, but only when there is an arena. */
static pn_status check_sizes(const check *c, pn_err *err)
{
    for (int i = 0; i < c->m->n_layers; i++) {
        const pn_layer *l = &c->m->layers[i];
        const pn_tensor *y = &c->m->tensors[l->out];
        if (pn_shape_count(&y->shape) > PN_WALK64_MAX)
            return pn_fail(err, PN_EUNSUPPORTED, "%s \"%s\": %s too large for the proof",
                           pn_op_name(l->op), l->name,
                           y->value == PN_NONE ? "a tensor on the way to its output is"
                                               : "its output is");
    }
    return PN_OK;
}

/* Zeroed pages come when they are first touched. */
static pn_status make_room(check *c, pn_err *err)
{
    size_t bytes;
    if (__builtin_mul_overflow((size_t)c->m->image_floats, SLOTS * sizeof(float),
                               &bytes) ||
        bytes > SIZE_MAX / 2)
        return no_memory(err);
    c->block = calloc(1, bytes + 2 * (size_t)PN_PAD_BYTES);
    c->out->layers = calloc((size_t)c->m->n_layers + 1, sizeof(*c->out->layers));
    c->out->outputs = calloc((size_t)c->m->n_taps + 1, sizeof(*c->out->outputs));
    if (!c->block || !c->out->layers || !c->out->outputs) return no_memory(err);
    c->arena = (float *)(void *)((char *)c->block + PN_PAD_BYTES -
                                 (uintptr_t)c->block % PN_PAD_BYTES);
    return PN_OK;
}

static pn_status finish_walk(check *c, pn_err *err)
{
    pn_status st = PN_OK;
    for (int i = 0; !st && i < c->g->n_outputs; i++)
        st = pn_walk64_reach(c->w, c->g->outputs[i], err);
    if (c->w->not_finite != PN_NONE)
        c->out->not_finite = c->g->values[c->g->nodes[c->w->not_finite].outputs[0]].name;
    return st;
}

static pn_status check_outputs(check *c, pn_err *err)
{
    for (int i = 0; i < c->m->n_taps; i++) {
        const int tensor = c->m->taps[i].tensor;
        const pn_array64 *want = &c->w->values[c->g->outputs[i]];
        pn_parity_output *o = &c->out->outputs[i];
        o->name = c->g->values[c->g->outputs[i]].name;
        if (pn_judge_output(&c->m->tensors[tensor], floats_of(c, tensor, FREE), want, o))
            return no_memory(err);
        c->out->n_outputs++;
    }
    return PN_OK;
}

static pn_status check_layers(check *c, pn_err *err)
{
    pn_status st = check_sizes(c, err);
    if (!st) st = make_room(c, err);
    if (st) return st;
    set_tensor(c, c->m->input, FREE);
    st = check_each(c, err);
    if (!st) st = finish_walk(c, err);
    if (!st && !c->out->not_finite) st = check_outputs(c, err);
    return st;
}

/* What engine or walk have no code for is found, not a failure of the check. */
static pn_status unless_unsupported(check *c, pn_status st, pn_err *own, pn_err *err)
{
    if (c->out->unproved && st == PN_EUNSUPPORTED) st = PN_OK;
    if (st == PN_EUNSUPPORTED || st == PN_EMISMATCH) {
        c->out->n_layers = c->out->n_missed = c->out->n_outputs = 0;
        c->out->worst = -1;
        c->out->unproved = strdup(pn_err_text(own));
        st = c->out->unproved ? PN_OK : no_memory(err);
    } else if (st) {
        pn_fail(err, st, "%s", pn_err_text(own));
    }
    pn_err_clear(own);
    return st;
}

/* Whether numbers that left float's range may be our input's fault. */
static bool try_smaller(pn_parity *out, const pn_graph *g, const pn_parity_opts *o)
{
    pn_preprocess p;
    if (!out->not_finite || out->is_0_to_1 || o->sample) return false;
    for (int i = 0; i < g->n_inputs; i++)
        if (has_record(g, &g->values[g->inputs[i]].shape, &p)) return false;
    pn_parity_fini(out);
    out->is_0_to_1 = true;
    return true;
}

static pn_status check_once(check *c, const pn_parity_opts *o, pn_err *err)
{
    const pn_model_opts mo = {.cpu = o->cpu, .exact = o->exact};
    pn_err own = {0};
    pn_status st = pn_walk64_new(&c->w, c->g, err);
    if (st) return st;
    c->w->share = c->share;
    c->w->is_unwanted = o->is_unwanted;
    c->w->arg = o->arg;
    st = pn_model_outline(&c->m, c->run, &mo, &own);
    c->out->is_engines_gap = st != PN_OK;
    st = unless_unsupported(c, st, &own, err);
    if (!st && c->m) tell_walk(c);
    if (st) return st;
    st = set_inputs(c, o, &own);
    if (!st) st = c->m ? check_layers(c, &own) : finish_walk(c, &own);
    return unless_unsupported(c, st, &own, err);
}

static void check_fini(check *c)
{
    free(c->block);
    free(c->scratch);
    pn_model_free(&c->m);
    pn_walk64_free(&c->w);
    pn_share_free(&c->share);
}

pn_status pn_parity_between(pn_parity *out, const pn_graph *g, const pn_graph *run,
                            const pn_parity_opts *o, pn_err *err)
{
    const int before = pn_team_alone();
    pn_status st = PN_OK;
    do {
        check c = {.out = out, .g = g, .run = run, .threads = o->threads};
        if (o->threads > 1) {
            c.threads--;
            c.share = pn_share_new();
        }
        out->worst = -1;
        st = c.share || o->threads == 1 ? check_once(&c, o, err) : no_memory(err);
        check_fini(&c);
    } while (!st && try_smaller(out, g, o));
    pn_team_restore(before);
    if (st) pn_parity_fini(out);
    return st;
}

pn_status pn_parity_check(pn_parity *out, const pn_graph *g, const pn_parity_opts *opts,
                          pn_err *err)
{
    return pn_parity_between(out, g, g, opts, err);
}

bool pn_parity_holds(const pn_parity *p)
{
    return !p->n_missed && !p->not_finite && !p->strayed;
}

void pn_parity_fini(pn_parity *p)
{
    free(p->layers);
    free(p->outputs);
    free(p->unproved);
    memset(p, 0, sizeof(*p));
    p->worst = -1;
}
