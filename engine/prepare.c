/* Packing the weights: layers are independent, so threads take them in turn, the heaviest
 * first: it would be packed alone at the end, when the others have nothing left to do. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/compile.h"
#include "engine/ops/ops.h"
#include "engine/plan.h"

enum { MAX_THREADS = 64 }; /* memory, not cores, bounds packing well before that */

typedef struct packing {
    pn_model *m;
    const pn_graph *g;
    const int *order; /* layers, as they are taken */
    atomic_int next;  /* of those */
    pthread_mutex_t lock;
    /* written under the lock: the first layer that failed, in the network's order */
    atomic_int failed;
    pn_err err;
} packing;

/* ---- the order ---- */

typedef struct load {
    int layer;
    int64_t weights;
} load;

static int value_of_weights(const pn_layer *l)
{
    switch (l->kind) {
    case PN_LAYER_CONV:
    case PN_LAYER_CONV_WINO:
    case PN_LAYER_DEPTHWISE:
    case PN_LAYER_CONV_TRANSPOSE:
        return l->u.conv.weight;
    case PN_LAYER_FC:
        return l->u.fc.weight;
    default:
        return PN_NONE;
    }
}

static int by_weights(const void *a, const void *b)
{
    const load *x = a, *y = b;
    if (x->weights != y->weights) return x->weights < y->weights ? 1 : -1;
    return x->layer < y->layer ? -1 : 1;
}

/* malloc'd; NULL without memory */
static int *find_order(const pn_model *m, const pn_graph *g)
{
    load *loads = calloc((size_t)m->n_layers + 1, sizeof(*loads));
    int *order = calloc((size_t)m->n_layers + 1, sizeof(*order));
    if (!loads || !order) {
        free(loads);
        free(order);
        return NULL;
    }
    for (int i = 0; i < m->n_layers; i++) {
        const int v = value_of_weights(&m->layers[i]);
        loads[i] = (load){i, v == PN_NONE ? 0 : pn_shape_count(&g->values[v].shape)};
    }
    qsort(loads, (size_t)m->n_layers, sizeof(*loads), by_weights);
    for (int i = 0; i < m->n_layers; i++)
        order[i] = loads[i].layer;
    free(loads);
    return order;
}

/* ---- packing ---- */

pn_status pn_layer_prepare(pn_model *m, const pn_graph *g, pn_layer *l, pn_err *err)
{
    pn_status st = pn_ops_of(l->kind)->prepare(m, g, l);
    if (st)
        pn_fail(err, st, "%s \"%s\": %s", pn_op_name(l->op), l->name,
                st == PN_EUNSUPPORTED ? "operands of these shapes"
                : st == PN_EFORMAT    ? "its weights have too few elements"
                                      : pn_status_name(st));
    return st;
}

static void note_failure(packing *p, int layer, pn_err *err)
{
    pthread_mutex_lock(&p->lock);
    if (layer < atomic_load(&p->failed)) {
        pn_err_clear(&p->err);
        atomic_store(&p->failed, layer);
        p->err = *err;
    } else {
        pn_err_clear(err);
    }
    pthread_mutex_unlock(&p->lock);
}

static void *pack_layers(void *arg)
{
    packing *p = arg;
    for (int i; (i = atomic_fetch_add(&p->next, 1)) < p->m->n_layers;) {
        pn_err err = {0};
        const int layer = p->order[i];
        if (layer > atomic_load(&p->failed)) continue; /* its failure would not be told */
        if (pn_layer_prepare(p->m, p->g, &p->m->layers[layer], &err))
            note_failure(p, layer, &err);
    }
    return NULL;
}

static void pack_all(packing *p, int threads)
{
    pthread_t others[MAX_THREADS];
    int n = 0;
    /* a thread that cannot be had is one that does not help */
    while (n < threads - 1 && n < MAX_THREADS &&
           pthread_create(&others[n], NULL, pack_layers, p) == 0)
        n++;
    pack_layers(p);
    while (n > 0)
        pthread_join(others[--n], NULL);
}

static void find_scratch(pn_model *m)
{
    for (int i = 0; i < m->n_layers; i++)
        if (m->layers[i].scratch_floats > m->scratch_floats)
            m->scratch_floats = m->layers[i].scratch_floats;
    /* whole cache lines, and padding, between one thread's and the next */
    m->scratch_floats =
        (m->scratch_floats + 2 * PN_ALIGN_FLOATS - 1) / PN_ALIGN_FLOATS * PN_ALIGN_FLOATS;
}

pn_status pn_layers_prepare(pn_model *m, const pn_graph *g, int threads, pn_err *err)
{
    int *order = find_order(m, g);
    if (!order) return pn_fail(err, PN_ENOMEM, "compile: out of memory");
    packing p = {.m = m, .g = g, .order = order, .failed = m->n_layers};
    pthread_mutex_init(&p.lock, NULL);
    pack_all(&p, threads);
    pthread_mutex_destroy(&p.lock);
    free(order);
    pn_status st = p.err.status;
    if (st)
        pn_fail(err, st, "%s", pn_err_text(&p.err));
    else
        find_scratch(m);
    pn_err_clear(&p.err);
    return st;
}
