/* While the engine works on one layer, another thread walks to the values of the next;
 * when the engine has judged its own it helps there. */
#include "engine/walk_ahead.h"

#include "engine/ops/ops.h"

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

int pn_ahead_value(const struct pn_model *m, int tensor)
{
    return tensor == PN_NONE ? PN_NONE : m->tensors[tensor].value;
}

/* The values a layer needs of the walk: its inputs, then its output. */
static void values_of(const struct pn_model *m, const pn_layer *l, int values[4])
{
    values[0] = pn_ahead_value(m, l->in[0]);
    values[1] = pn_ahead_value(m, l->in[1]);
    values[2] = pn_ahead_value(m, l->residual);
    values[3] = pn_ahead_value(m, l->out);
}

void pn_ahead_tell(const struct pn_model *m, pn_walk64 *w)
{
    w->has_bounds = true;
    for (int i = 0; i < m->n_layers; i++) {
        const pn_layer *l = &m->layers[i];
        int values[4];
        values_of(m, l, values);
        for (int k = 0; k < 4; k++)
            if (values[k] != PN_NONE) pn_walk64_keep(w, values[k]);
        if (values[3] != PN_NONE) w->values[values[3]].is_layer = true;
        if (l->node != PN_NONE) w->sums[l->node] = sum_of(m, l);
    }
}

void pn_ahead_drop(const struct pn_model *m, pn_walk64 *w, int layer)
{
    int values[4];
    values_of(m, &m->layers[layer], values);
    for (int k = 0; k < 4; k++)
        if (values[k] != PN_NONE) pn_walk64_drop(w, values[k]);
}

/* ---- the steps ---- */

static void *reach_layer(void *arg)
{
    pn_ahead *a = arg;
    int values[4];
    values_of(a->m, a->layer, values);
    for (int k = 0; k < 4 && !a->st; k++)
        if (values[k] != PN_NONE) a->st = pn_walk64_reach(a->w, values[k], &a->err);
    return NULL;
}

static void *reach_alone(void *arg)
{
    const pn_ahead *a = arg;
    const int before = pn_team_alone(); /* this thread's own setting */
    reach_layer(arg);
    pn_team_restore(before);
    pn_share_end(a->w->share);
    return NULL;
}

void pn_ahead_begin(pn_ahead *a, int layer)
{
    if (layer >= a->m->n_layers) return;
    a->layer = &a->m->layers[layer];
    if (a->w->share) {
        pn_share_begin(a->w->share);
        a->is_running = pthread_create(&a->thread, NULL, reach_alone, a) == 0;
    }
    if (!a->is_running) reach_layer(a);
}

static void wait_for_walk(pn_ahead *a)
{
    if (!a->is_running) return;
    pn_share_help(a->w->share);
    pthread_join(a->thread, NULL);
    a->is_running = false;
}

pn_status pn_ahead_end(pn_ahead *a, pn_err *err)
{
    wait_for_walk(a);
    if (a->st) return pn_fail(err, a->st, "%s", pn_err_text(&a->err));
    return a->w->not_finite != PN_NONE ? PN_END : PN_OK;
}

void pn_ahead_fini(pn_ahead *a)
{
    wait_for_walk(a);
    pn_err_clear(&a->err);
}
