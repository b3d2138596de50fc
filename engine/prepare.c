/* Packing the weights: layers are independent, so threads take them in turn. */
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
    atomic_int next;
    pthread_mutex_t lock;
    /* under the lock: the first layer that failed, in the network's order */
    int failed;
    pn_err err;
} packing;

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
    if (layer < p->failed) {
        pn_err_clear(&p->err);
        p->failed = layer;
        p->err = *err;
    } else {
        pn_err_clear(err);
    }
    pthread_mutex_unlock(&p->lock);
    /* all layers before this one have been taken: the first failure will be known */
    atomic_store(&p->next, p->m->n_layers);
}

static void *pack_layers(void *arg)
{
    packing *p = arg;
    for (int i; (i = atomic_fetch_add(&p->next, 1)) < p->m->n_layers;) {
        pn_err err = {0};
        if (pn_layer_prepare(p->m, p->g, &p->m->layers[i], &err))
            note_failure(p, i, &err);
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
    packing p = {.m = m, .g = g, .failed = m->n_layers};
    pthread_mutex_init(&p.lock, NULL);
    pack_all(&p, threads);
    pthread_mutex_destroy(&p.lock);
    pn_status st = p.err.status;
    if (st)
        pn_fail(err, st, "%s", pn_err_text(&p.err));
    else
        find_scratch(m);
    pn_err_clear(&p.err);
    return st;
}
