/* A list of batches under one lock: a hand-off happens once a batch, some milliseconds of
 * work apart, so nothing cleverer would be measurable. */
#include "pipeline/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct pn_queue {
    size_t capacity; /* fixed after new */
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    pn_batch *head, *tail; /* guarded by lock, as what follows */
    size_t n;
    bool is_closed;
};

pn_status pn_queue_new(pn_queue **out, size_t capacity)
{
    if (!capacity) return PN_EINVAL;
    pn_queue *q = calloc(1, sizeof(*q));
    if (!q) return PN_ENOMEM;
    q->capacity = capacity;
    pthread_condattr_t monotonic; /* a clock set back must not stretch a timeout */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->not_empty, &monotonic);
    pthread_cond_init(&q->not_full, NULL);
    pthread_condattr_destroy(&monotonic);
    *out = q;
    return PN_OK;
}

pn_status pn_queue_push(pn_queue *q, pn_batch *batch)
{
    pthread_mutex_lock(&q->lock);
    while (q->n == q->capacity && !q->is_closed)
        pthread_cond_wait(&q->not_full, &q->lock);
    bool is_open = !q->is_closed;
    if (is_open) {
        batch->next = NULL;
        if (q->tail)
            q->tail->next = batch;
        else
            q->head = batch;
        q->tail = batch;
        q->n++;
        pthread_cond_signal(&q->not_empty);
    }
    pthread_mutex_unlock(&q->lock);
    return is_open ? PN_OK : PN_END;
}

/* until: NULL waits for ever */
static pn_status pop_until(pn_queue *q, pn_batch **out, const struct timespec *until)
{
    pthread_mutex_lock(&q->lock);
    int waited = 0;
    while (!q->n && !q->is_closed && waited != ETIMEDOUT)
        waited = until ? pthread_cond_timedwait(&q->not_empty, &q->lock, until)
                       : pthread_cond_wait(&q->not_empty, &q->lock);
    pn_status st = q->n ? PN_OK : q->is_closed ? PN_END : PN_AGAIN;
    if (!st) {
        pn_batch *b = q->head;
        q->head = b->next;
        if (!q->head) q->tail = NULL;
        b->next = NULL;
        q->n--;
        pthread_cond_signal(&q->not_full);
        *out = b;
    }
    pthread_mutex_unlock(&q->lock);
    return st;
}

pn_status pn_queue_pop(pn_queue *q, pn_batch **out)
{
    return pop_until(q, out, NULL);
}

pn_status pn_queue_pop_within(pn_queue *q, pn_batch **out, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pop_until(q, out, &until);
}

void pn_queue_close(pn_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->is_closed = true;
    pthread_cond_broadcast(&q->not_empty);
    pthread_cond_broadcast(&q->not_full);
    pthread_mutex_unlock(&q->lock);
}

void pn_queue_free(pn_queue **q)
{
    if (!q || !*q) return;
    pthread_cond_destroy(&(*q)->not_empty);
    pthread_cond_destroy(&(*q)->not_full);
    pthread_mutex_destroy(&(*q)->lock);
    free(*q);
    *q = NULL;
}
