/* What can be known before anything is computed: that the input is there, that the output
 * may be made, and how the cores are best kept busy. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "pipeline/cpu_budget.h"
#include "pipeline/run_parts.h"

enum { AUTO_BATCH = 8, COUNT_MS = 200 };

typedef struct counting {
    const pn_source_ops *source;
    const void *shared;
    uint64_t n;
    pn_status status;
    atomic_bool stop;
    sem_t done;
} counting;

static void *count_thread(void *arg)
{
    counting *c = arg;
    c->status = c->source->count(c->shared, &c->n, &c->stop);
    sem_post(&c->done);
    return NULL;
}

/* A small input is counted in no time; a large one does not matter, any batch keeps the
 * cores busy. So: give it a moment. */
static void count_items(const pn_source_ops *source, const void *shared,
                        pn_run_info *info)
{
    counting c = {.source = source, .shared = shared};
    pthread_t thread;
    struct timespec until;
    if (!source->count) return;
    sem_init(&c.done, 0, 0);
    if (pthread_create(&thread, NULL, count_thread, &c) != 0) return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += COUNT_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) until.tv_nsec -= 1000000000L, until.tv_sec++;
    sem_clockwait(&c.done, CLOCK_MONOTONIC, &until);
    atomic_store(&c.stop, true); /* late or not: a count that is done looks no more */
    pthread_join(thread, NULL);
    sem_destroy(&c.done);
    if (c.status) return; /* stopped, or a failure that the run itself will report */
    info->images = c.n;
    info->counted = true;
}

pn_status pn_run_look_at_input(const pn_config *c, pn_run_info *info, pn_err *err)
{
    const pn_stage_info *s = &c->source->info;
    void *shared = calloc(1, s->shared_size + 1);
    if (!shared) return pn_fail(err, PN_ENOMEM, "input: out of memory");
    pn_status st = s->open ? s->open(shared, c->source_opts, err) : PN_OK;
    if (!st) count_items(c->source, shared, info);
    if (s->close) s->close(shared);
    free(shared);
    return st;
}

/* A sink's open() looks, its start() makes. What it cannot do, the config should not have
 * asked for. */
pn_status pn_run_look_at_output(const pn_config *c, pn_err *err)
{
    const pn_stage_info *s = &c->sink->info;
    void *shared = calloc(1, s->shared_size + 1);
    if (!shared) return pn_fail(err, PN_ENOMEM, "output: out of memory");
    pn_status st = s->open ? s->open(shared, c->sink_opts, err) : PN_OK;
    if (s->close) s->close(shared);
    free(shared);
    return st == PN_EUNSUPPORTED ? PN_ECONFIG : st;
}

void pn_run_decide(const pn_config *c, pn_run_info *info)
{
    info->cores = pn_cpu_budget();
    info->threads = c->run.threads ? (int)c->run.threads : info->cores;
    if (c->run.batch) {
        info->batch = (int)c->run.batch;
        return;
    }
    info->batch = AUTO_BATCH;
    uint64_t threads = (uint64_t)info->threads;
    /* fewer images than full batches for all: smaller ones, so that every core has work
     */
    if (info->counted && info->images < threads * AUTO_BATCH)
        info->batch = info->images ? (int)((info->images + threads - 1) / threads) : 1;
}
