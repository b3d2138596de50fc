/* A walk is one operator after the other, and most of its time goes into a few large
 * ones: those are cut up. The cuts depend on shapes alone, so the numbers do not depend
 * on who does what. */
#include "engine/oracle/share.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct pn_share {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* all guarded by lock */
    pn_share_task *f; /* NULL: nothing to do at present */
    void *arg;
    int64_t next, n;
    int under_way;
    pn_status st;
    bool is_walking;
};

pn_share *pn_share_new(void)
{
    pn_share *s = calloc(1, sizeof(*s));
    if (!s) return NULL;
    if (pthread_mutex_init(&s->lock, NULL) == 0) {
        if (pthread_cond_init(&s->changed, NULL) == 0) return s;
        pthread_mutex_destroy(&s->lock);
    }
    free(s);
    return NULL;
}

void pn_share_free(pn_share **s)
{
    if (!*s) return;
    pthread_cond_destroy(&(*s)->changed);
    pthread_mutex_destroy(&(*s)->lock);
    free(*s);
    *s = NULL;
}

static bool has_task(const pn_share *s)
{
    return s->f && s->next < s->n && !s->st;
}

/* One task, by a caller who holds the lock. */
static void do_task(pn_share *s)
{
    pn_share_task *f = s->f;
    void *arg = s->arg;
    const int64_t task = s->next++;
    s->under_way++;
    pthread_mutex_unlock(&s->lock);
    const pn_status st = f(arg, task);
    pthread_mutex_lock(&s->lock);
    if (st) s->st = st;
    if (--s->under_way == 0) pthread_cond_broadcast(&s->changed);
}

static pn_status run_alone(pn_share_task *f, void *arg, int64_t n)
{
    pn_status st = PN_OK;
    for (int64_t i = 0; i < n && !st; i++)
        st = f(arg, i);
    return st;
}

pn_status pn_share_run(pn_share *s, pn_share_task *f, void *arg, int64_t n)
{
    if (!s || n < 2) return run_alone(f, arg, n);
    pthread_mutex_lock(&s->lock);
    s->f = f;
    s->arg = arg;
    s->next = 0;
    s->n = n;
    s->st = PN_OK;
    pthread_cond_broadcast(&s->changed);
    while (has_task(s))
        do_task(s);
    while (s->under_way)
        pthread_cond_wait(&s->changed, &s->lock);
    s->f = NULL;
    const pn_status st = s->st;
    pthread_mutex_unlock(&s->lock);
    return st;
}

static void set_walking(pn_share *s, bool is_walking)
{
    pthread_mutex_lock(&s->lock);
    s->is_walking = is_walking;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void pn_share_begin(pn_share *s)
{
    set_walking(s, true);
}

void pn_share_end(pn_share *s)
{
    set_walking(s, false);
}

void pn_share_help(pn_share *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->is_walking)
        if (has_task(s))
            do_task(s);
        else
            pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}
