/* Batches lent and brought back, first in, first out.
 *
 * A stack would keep caches warmer, but then the last batch is touched for the first time
 * whenever the pipeline happens to be fullest, and memory creeps up with the length of a
 * run. In a ring all batches are in use after the first few hundred images. */
#include "pipeline/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct pn_pool {
    int n;          /* fixed after new */
    pn_batch **all; /* fixed after new: for free, wherever the batches are */
    pthread_mutex_t lock;
    pthread_cond_t came_back;
    pn_batch *head, *tail; /* guarded by lock, as what follows */
    bool is_closed;
};

pn_status pn_pool_new(pn_pool **out, int n, const pn_batch_shape *shape)
{
    if (n < 1) return PN_EINVAL;
    pn_pool *p = calloc(1, sizeof(*p));
    if (!p) return PN_ENOMEM;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->came_back, NULL);
    pn_status st = PN_ENOMEM;
    p->all = calloc((size_t)n, sizeof(pn_batch *));
    if (!p->all) goto fail;
    for (p->n = 0; p->n < n; p->n++) {
        st = pn_batch_new(&p->all[p->n], shape);
        if (st) goto fail;
        pn_pool_put(p, p->all[p->n]);
    }
    *out = p;
    return PN_OK;
fail:
    pn_pool_free(&p);
    return st;
}

pn_status pn_pool_get(pn_pool *p, pn_batch **out)
{
    pthread_mutex_lock(&p->lock);
    while (!p->head && !p->is_closed)
        pthread_cond_wait(&p->came_back, &p->lock);
    pn_batch *b = p->is_closed ? NULL : p->head;
    if (b) {
        p->head = b->next;
        if (!p->head) p->tail = NULL;
        b->next = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    if (!b) return PN_END;
    *out = b;
    return PN_OK;
}

void pn_pool_put(pn_pool *p, pn_batch *batch)
{
    pn_batch_reset(batch);
    pthread_mutex_lock(&p->lock);
    if (p->tail)
        p->tail->next = batch;
    else
        p->head = batch;
    p->tail = batch;
    pthread_cond_signal(&p->came_back);
    pthread_mutex_unlock(&p->lock);
}

void pn_pool_close(pn_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->is_closed = true;
    pthread_cond_broadcast(&p->came_back);
    pthread_mutex_unlock(&p->lock);
}

void pn_pool_free(pn_pool **p)
{
    if (!p || !*p) return;
    for (int i = 0; i < (*p)->n; i++)
        pn_batch_free(&(*p)->all[i]);
    free((*p)->all);
    pthread_cond_destroy(&(*p)->came_back);
    pthread_mutex_destroy(&(*p)->lock);
    free(*p);
    *p = NULL;
}
