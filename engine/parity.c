/* Runs the engine a layer at a time beside the double-precision walk. Two images: in slot
 * 0 each layer's inputs are put right before it runs, slot 1 goes its own way from the
 * input on. The same image gives the same bits in any slot, so that is what a run
 * answers; where a run takes an image through several layers alone, slot 2 goes that way
 * and must end with the bits of slot 1. */
#include "penult/parity.h"

#include <stdlib.h>
#include <string.h>

#include "engine/compile.h"
#include "engine/judge.h"
#include "engine/ops/ops.h"
#include "engine/parity_input.h"
#include "engine/plan.h"
#include "engine/segment_proof.h"
#include "engine/walk_ahead.h"

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
    const int v = pn_ahead_value(c->m, tensor);
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
    const int v = pn_ahead_value(c->m, l->out);
    if (!st && v != PN_NONE) note_layer(c, l, v);
    return st;
}

/* Packing needs nothing of the walk: it is done while that goes on. */
static pn_status prepare_layer(check *c, int layer, pn_err *err)
{
    if (layer >= c->m->n_layers) return PN_OK;
    return pn_layer_prepare(c->m, c->run, &c->m->layers[layer], err);
}

static pn_status check_each(check *c, pn_err *err)
{
    pn_ahead a = {.m = c->m, .w = c->w};
    pn_ahead_begin(&a, 0);
    pn_status st = prepare_layer(c, 0, err);
    for (int i = 0; !st && i < c->m->n_layers; i++) {
        st = pn_ahead_end(&a, err);
        if (i) pn_ahead_drop(c->m, c->w, i - 1);
        if (st) break;
        pn_ahead_begin(&a, i + 1);
        enter_segment(c, i);
        st = check_layer(c, &c->m->layers[i], err);
        if (!st) leave_segment(c, i);
        if (!st) st = prepare_layer(c, i + 1, err);
    }
    pn_ahead_fini(&a);
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
    if (!out->not_finite || out->is_0_to_1 || o->sample || pn_parity_has_image(g))
        return false;
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
    if (!st && c->m) pn_ahead_tell(c->m, c->w);
    if (st) return st;
    st = pn_parity_set_inputs(c->w, o, c->out->is_0_to_1, &own);
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
