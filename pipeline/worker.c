/* The bodies of the threads: source, workers, sink, and the one that counts ahead. */
#include "pipeline/threads.h"

#include <stdlib.h>
#include <string.h>

#define IDLE_MS 1000

/* one cache line at least, so that two workers' states never share one */
static void *state_new(const pn_stage_info *info)
{
    size_t size = (info->state_size + 64) / 64 * 64;
    void *state = aligned_alloc(64, size);
    if (state) memset(state, 0, size);
    return state;
}

static pn_status state_start(void **state, const pn_stage_info *info, const void *shared,
                             pn_err *err)
{
    *state = state_new(info);
    if (!*state) return pn_fail(err, PN_ENOMEM, "out of memory");
    return info->start ? info->start(*state, shared, err) : PN_OK;
}

static void state_stop(void **state, const pn_stage_info *info)
{
    if (*state && info->stop) info->stop(*state);
    free(*state);
    *state = NULL;
}

static bool drops(atomic_bool *flag)
{
    return atomic_load_explicit(flag, memory_order_acquire);
}

/* -- source -- */

void pn_source_ended(pn_runner *r)
{
    if (r->plan->source->out == PN_TYPE_REFS)
        pn_loop_end(r->loop);
    else
        pn_queue_close(r->work);
}

/* @return PN_OK: go on, PN_END: it is over, either way */
static pn_status pull_one(pn_runner *r, void *state, uint64_t *seq, pn_err *err)
{
    const pn_source_ops *ops = r->plan->source;
    pn_batch *b;
    if (pn_pool_get(r->pool, &b)) return PN_END;
    b->type = ops->out;
    uint64_t begin = pn_now_ns();
    pn_status st = ops->pull(state, b, &r->intake_closed, err);
    pn_stats_add_busy(&r->stats, r->stats.source, pn_now_ns() - begin);
    if (!st && (b->n < 1 || b->n > b->shape.capacity))
        st = pn_fail(err, PN_EINTERNAL, "made a batch of %d items, room is for 1 to %d",
                     b->n, b->shape.capacity);
    if (st) {
        pn_pool_put(r->pool, b);
        if (st == PN_END)
            atomic_store(&r->source_done, true);
        else if (st != PN_ESTOPPED || !atomic_load(&r->intake_closed))
            pn_runner_fail(r, PN_FAULT_SOURCE, ops->info.name, st, err);
        return PN_END;
    }
    for (int i = 0; i < b->n; i++)
        b->items[i].seq = (*seq)++;
    if (ops->out == PN_TYPE_REFS)
        pn_loop_read(r->loop, b);
    else if (pn_queue_push(r->work, b))
        pn_pool_put(r->pool, b);
    return PN_OK;
}

void *pn_source_thread(void *runner)
{
    pn_runner *r = runner;
    const pn_stage_info *info = &r->plan->source->info;
    void *state = NULL;
    pn_err err = {0};
    uint64_t seq = 0;
    pn_status st = state_start(&state, info, r->source_shared, &err);
    if (st) pn_runner_fail(r, PN_FAULT_SOURCE, info->name, st, &err);
    pn_runner_ready(r, 1, true);
    if (!st)
        while (!pull_one(r, state, &seq, &err)) {
        }
    pn_source_ended(r);
    state_stop(&state, info);
    pn_err_clear(&err);
    return NULL;
}

/* -- workers -- */

void pn_workers_ended(pn_runner *r, int n)
{
    if (atomic_fetch_sub(&r->workers_left, n) == n) pn_queue_close(r->done);
}

/* every transform on one batch; @return false: it must not go to the sink */
static bool work(pn_runner *r, void **states, pn_batch *b, pn_err *err)
{
    for (int i = 0; i < r->plan->n_transforms; i++) {
        const pn_transform_ops *ops = r->plan->transforms[i];
        uint64_t begin = pn_now_ns();
        pn_status st = ops->apply(states[i], b, err);
        pn_stats_add_busy(&r->stats, r->stats.transform + i, pn_now_ns() - begin);
        if (st) {
            pn_runner_fail(r, PN_FAULT_WORK, ops->info.name, st, err);
            return false;
        }
        b->type = ops->out;
        /* the encoded bytes end here: kept until the batch is back in the pool, they
         * would be the greatest part of the pipeline's memory */
        if (ops->in == PN_TYPE_BYTES && ops->out != PN_TYPE_BYTES)
            for (int k = 0; k < b->n; k++)
                pn_item_drop_data(&b->items[k]);
    }
    return true;
}

void *pn_worker_thread(void *runner)
{
    pn_runner *r = runner;
    const pn_run_plan *plan = r->plan;
    void *states[PN_MAX_TRANSFORMS] = {NULL};
    pn_err err = {0};
    for (int i = 0; i < plan->n_transforms; i++) {
        const pn_stage_info *info = &plan->transforms[i]->info;
        pn_status st = state_start(&states[i], info, r->transform_shared[i], &err);
        if (st) {
            pn_runner_fail(r, PN_FAULT_WORK, info->name, st, &err);
            break;
        }
    }
    pn_runner_ready(r, 1, true);
    pn_batch *b;
    while (!pn_queue_pop(r->work, &b)) {
        /* what was read ahead is minutes of work for a large network: once a stop is
         * asked for, only what was begun is brought to its end */
        bool drop = drops(&r->drop_work) || drops(&r->stop_asked);
        int64_t n_bytes = pn_batch_data_bytes(b);
        if (drop || !work(r, states, b, &err) || pn_queue_push(r->done, b)) {
            atomic_store(&r->has_dropped, true);
            pn_pool_put(r->pool, b);
        }
        if (plan->source->out == PN_TYPE_REFS) pn_loop_give_back(r->loop, n_bytes);
    }
    pn_workers_ended(r, 1);
    for (int i = plan->n_transforms; i-- > 0;)
        state_stop(&states[i], &plan->transforms[i]->info);
    pn_err_clear(&err);
    return NULL;
}

/* -- sink -- */

static pn_status sink_push(pn_runner *r, void *state, const pn_batch *b, pn_err *err)
{
    uint64_t begin = pn_now_ns();
    pn_status st = r->plan->sink->push(state, b, err);
    pn_stats_add_busy(&r->stats, r->stats.sink, pn_now_ns() - begin);
    if (!st) pn_stats_count(&r->stats, b);
    return st;
}

static pn_status sink_idle(pn_runner *r, void *state, pn_err *err)
{
    if (!r->plan->sink->idle) return PN_OK;
    uint64_t begin = pn_now_ns();
    pn_status st = r->plan->sink->idle(state, err);
    pn_stats_add_busy(&r->stats, r->stats.sink, pn_now_ns() - begin);
    return st;
}

static pn_status sink_finish(pn_runner *r, void *state, pn_err *err)
{
    if (!r->plan->sink->finish) return PN_OK;
    pn_counts counts;
    pn_stats_get_counts(&r->stats, &counts);
    uint64_t begin = pn_now_ns();
    pn_status st = r->plan->sink->finish(state, &counts, pn_runner_is_complete(r), err);
    pn_stats_add_busy(&r->stats, r->stats.sink, pn_now_ns() - begin);
    return st;
}

static void sink_settle(pn_runner *r, void *state)
{
    if (!state || !r->plan->sink->settle) return;
    pn_left left = {0};
    r->plan->sink->settle(state, &left);
    pn_stats_set_counts(&r->stats, &left.counts);
    r->output = left.path;
}

void *pn_sink_thread(void *runner)
{
    pn_runner *r = runner;
    const pn_stage_info *info = &r->plan->sink->info;
    void *state = NULL;
    pn_batch *b = NULL;
    pn_err err = {0};
    pn_status got, st = state_start(&state, info, r->sink_shared, &err);
    if (st) pn_runner_fail(r, PN_FAULT_SINK, info->name, st, &err);
    pn_runner_ready(r, 1, true);
    while ((got = pn_queue_pop_within(r->done, &b, IDLE_MS)) != PN_END) {
        if (!st) {
            st = got == PN_AGAIN ? sink_idle(r, state, &err)
                                 : sink_push(r, state, b, &err);
            if (st) pn_runner_fail(r, PN_FAULT_SINK, info->name, st, &err);
        }
        if (got == PN_OK) pn_pool_put(r->pool, b);
    }
    if (!st) {
        st = sink_finish(r, state, &err);
        if (st) pn_runner_fail(r, PN_FAULT_SINK, info->name, st, &err);
    }
    sink_settle(r, state);
    state_stop(&state, info);
    pn_err_clear(&err);
    pn_loop_finish(r->loop);
    return NULL;
}

/* -- counting ahead, for the progress line -- */

void *pn_count_thread(void *runner)
{
    pn_runner *r = runner;
    uint64_t n = 0;
    if (r->plan->source->count(r->source_shared, &n, &r->stop_count) == PN_OK)
        atomic_store_explicit(&r->progress.total, n, memory_order_relaxed);
    return NULL;
}
