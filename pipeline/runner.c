/* Start, run, drain, stop. The only file that spells out the order of a shutdown:
 * the intake ends, each thread ends when the one before it has, the sink ends the loop;
 * then threads are joined, handles closed, the loop run dry, and stages closed backwards.
 */
#include "pipeline/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "penult/log.h"
#include "pipeline/threads.h"

/* -- what any thread may say -- */

void pn_runner_stop_intake(pn_runner *r)
{
    atomic_store(&r->intake_closed, true);
    pn_pool_close(r->pool);
}

bool pn_runner_has_failed(pn_runner *r)
{
    pthread_mutex_lock(&r->lock);
    bool failed = r->error.status != PN_OK;
    pthread_mutex_unlock(&r->lock);
    return failed;
}

bool pn_runner_is_complete(pn_runner *r)
{
    return atomic_load(&r->source_done) && !atomic_load(&r->has_dropped) &&
           !pn_runner_has_failed(r);
}

void pn_runner_fail(pn_runner *r, pn_fault where, const char *stage, pn_status st,
                    pn_err *err)
{
    /* a state is no failure: who returns one here breaks the stages' contract */
    if (st == PN_AGAIN || st == PN_END) {
        pn_err_clear(err);
        st = pn_fail(err, PN_EINTERNAL, "returned a state (%s)", pn_status_name(st));
    }
    if (!err->status) pn_fail(err, st, "%s", pn_status_name(st));
    pthread_mutex_lock(&r->lock);
    if (!r->error.status) {
        r->error = *err;
        r->error.status = st;
        memset(err, 0, sizeof(*err));
        pn_err_prefix(&r->error, "%s", stage);
    }
    pthread_mutex_unlock(&r->lock);
    pn_err_clear(err);

    if (where == PN_FAULT_SINK) atomic_store(&r->sink_failed, true);
    if (where != PN_FAULT_SOURCE) {
        atomic_store(&r->drop_work, true);
        pn_loop_skip(r->loop);
    }
    pn_runner_stop_intake(r);
}

void pn_runner_ready(pn_runner *r, int n, bool wait)
{
    pthread_mutex_lock(&r->lock);
    r->n_ready += n;
    if (r->n_ready >= r->n_threads) pthread_cond_broadcast(&r->all_ready);
    while (wait && r->n_ready < r->n_threads)
        pthread_cond_wait(&r->all_ready, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

/* -- what the loop says -- */

static void on_read(void *cookie, pn_batch *batch)
{
    pn_runner *r = cookie;
    if (pn_queue_push(r->work, batch)) pn_pool_put(r->pool, batch);
}

static void on_end(void *cookie)
{
    pn_runner *r = cookie;
    pn_queue_close(r->work);
}

static void on_busy(void *cookie, uint64_t ns)
{
    pn_runner *r = cookie;
    pn_stats_add_busy(&r->stats, r->stats.read, ns);
}

static void on_error(void *cookie, pn_status st, const char *text)
{
    pn_err err = {0};
    pn_fail(&err, st, "%s", text);
    pn_runner_fail(cookie, PN_FAULT_WORK, "read", st, &err);
}

static void on_signal(void *cookie, int signum)
{
    pn_runner *r = cookie;
    if (atomic_exchange(&r->stop_asked, true)) _exit(128 + signum);
    pn_log(PN_LOG_WARN, "%s: finishing what was begun; once more to quit at once",
           signum == SIGINT ? "interrupted" : "asked to stop");
    pn_loop_skip(r->loop);
    pn_runner_stop_intake(r);
}

/* -- stages opened and closed -- */

static pn_status check_plan(const pn_run_plan *p, pn_err *err)
{
    if (!p->source || !p->sink || p->n_transforms < 0 ||
        p->n_transforms > PN_MAX_TRANSFORMS)
        return pn_fail(err, PN_EINVAL,
                       "a run needs a source, a sink and 0 to %d transforms",
                       PN_MAX_TRANSFORMS);
    if (p->workers < 1 || p->workers > 4096 || p->in_flight < 1 || p->in_flight > 65536 ||
        p->shape.capacity < 1 || p->shape.capacity > 65536)
        return pn_fail(err, PN_EINVAL,
                       "workers, reads in flight and items of a batch: each at least 1, "
                       "at most 4096, 65536, 65536");
    pn_type type = p->source->out == PN_TYPE_REFS ? PN_TYPE_BYTES : p->source->out;
    const char *from = p->source->info.name;
    for (int i = 0; i < p->n_transforms; i++) {
        const pn_transform_ops *t = p->transforms[i];
        if (t->in != type)
            return pn_fail(err, PN_EINVAL, "%s does not take what %s makes", t->info.name,
                           from);
        type = t->out;
        from = t->info.name;
    }
    if (p->sink->in != type)
        return pn_fail(err, PN_EINVAL, "%s does not take what %s makes",
                       p->sink->info.name, from);
    return PN_OK;
}

int pn_runner_batches(const pn_run_plan *p)
{
    int n = 2 * p->workers + 2;
    if (p->source->out == PN_TYPE_REFS)
        n += (p->in_flight + p->shape.capacity - 1) / p->shape.capacity + 1;
    return n;
}

int64_t pn_runner_encoded_bytes(const pn_run_plan *p)
{
    int64_t all = p->max_file_bytes * p->shape.capacity * pn_runner_batches(p);
    int64_t most =
        p->source->out == PN_TYPE_REFS
            ? p->max_read_bytes + p->max_file_bytes * (p->in_flight + p->shape.capacity)
            : (PN_FULL_BATCH_BYTES + p->max_file_bytes) * pn_runner_batches(p);
    return all < most ? all : most;
}

static pn_status open_stage(void **shared, const pn_stage_info *info, const void *opts,
                            pn_err *err)
{
    *shared = calloc(1, info->shared_size ? info->shared_size : 1);
    if (!*shared) return pn_fail(err, PN_ENOMEM, "%s: out of memory", info->name);
    if (!info->open) return PN_OK;
    pn_err own = {0};
    pn_status st = info->open(*shared, opts, &own);
    if (st == PN_AGAIN || st == PN_END) st = PN_EINTERNAL;
    if (st)
        pn_fail(err, st, "%s: %s", info->name, own.text ? own.text : pn_status_name(st));
    pn_err_clear(&own);
    return st;
}

static void close_stage(void **shared, const pn_stage_info *info)
{
    if (*shared && info->close) info->close(*shared);
    free(*shared);
    *shared = NULL;
}

static pn_status open_all(pn_runner *r, pn_err *err)
{
    const pn_run_plan *p = r->plan;
    pn_status st = open_stage(&r->source_shared, &p->source->info, p->source_opts, err);
    for (int i = 0; !st && i < p->n_transforms; i++)
        st = open_stage(&r->transform_shared[i], &p->transforms[i]->info,
                        p->transform_opts[i], err);
    /* the sink last: it may create its output, which a failure above should not */
    if (!st) st = open_stage(&r->sink_shared, &p->sink->info, p->sink_opts, err);
    return st;
}

static void close_all(pn_runner *r)
{
    const pn_run_plan *p = r->plan;
    close_stage(&r->sink_shared, &p->sink->info);
    for (int i = p->n_transforms; i-- > 0;)
        close_stage(&r->transform_shared[i], &p->transforms[i]->info);
    close_stage(&r->source_shared, &p->source->info);
}

static pn_status make_parts(pn_runner *r, pn_err *err)
{
    const pn_run_plan *p = r->plan;
    int n = pn_runner_batches(p);
    pn_status st = pn_pool_new(&r->pool, n, &p->shape);
    if (!st) st = pn_queue_new(&r->work, (size_t)n);
    if (!st) st = pn_queue_new(&r->done, (size_t)n);
    if (st) return pn_fail(err, st, "%d batches: %s", n, pn_status_name(st));
    pn_loop_opts opts = {.in_flight = p->in_flight,
                         .max_file_bytes = p->max_file_bytes,
                         .max_bytes = p->max_read_bytes,
                         .max_batches = n,
                         .handle_signals = p->handle_signals,
                         .cookie = r,
                         .on_read = on_read,
                         .on_end = on_end,
                         .on_signal = on_signal,
                         .on_error = on_error,
                         .on_busy = on_busy};
    return pn_loop_new(&r->loop, &opts, err);
}

static void free_parts(pn_runner *r)
{
    pn_loop_free(&r->loop);
    pn_queue_free(&r->done);
    pn_queue_free(&r->work);
    pn_pool_free(&r->pool);
}

/* -- threads -- */

typedef struct crew {
    pthread_t sink, source, count;
    pthread_t *workers;
    bool has_sink, has_source, has_count;
    int n_workers;
} crew;

static bool spawn(pn_runner *r, pthread_t *out, void *(*body)(void *), const char *name)
{
    pthread_t t;
    int error = pthread_create(&t, NULL, body, r);
    if (error) {
        pn_err err = {0};
        pn_fail(&err, PN_EIO, "cannot start its thread: %s", strerror(error));
        pn_runner_fail(r, PN_FAULT_WORK, name, PN_EIO, &err);
        return false;
    }
    pthread_setname_np(t, name);
    *out = t;
    return true;
}

/* From the end to the front, so that whoever is there has someone to tell its end to. A
 * thread that could not be made is replaced by what its end would have meant. */
static void spawn_all(pn_runner *r, crew *c)
{
    int workers = r->plan->workers;
    c->has_sink = spawn(r, &c->sink, pn_sink_thread, "pn-sink");
    if (!c->has_sink) {
        pn_loop_finish(r->loop);
        return;
    }
    for (; c->n_workers < workers; c->n_workers++) {
        char name[24]; /* at most 4096 workers: 15 are enough for the system */
        snprintf(name, sizeof(name), "pn-work-%d", c->n_workers);
        if (!spawn(r, &c->workers[c->n_workers], pn_worker_thread, name)) break;
    }
    if (c->n_workers < workers) {
        pn_runner_ready(r, workers - c->n_workers, false);
        pn_workers_ended(r, workers - c->n_workers);
    }
    c->has_source = spawn(r, &c->source, pn_source_thread, "pn-source");
    if (!c->has_source) {
        pn_runner_ready(r, 1, false);
        pn_source_ended(r);
    }
    if (r->plan->progress != PN_PROGRESS_NONE && r->plan->source->count)
        c->has_count = spawn(r, &c->count, pn_count_thread, "pn-count");
}

static void join_all(pn_runner *r, crew *c)
{
    atomic_store(&r->stop_count, true);
    if (c->has_count) pthread_join(c->count, NULL);
    if (c->has_source) pthread_join(c->source, NULL);
    for (int i = 0; i < c->n_workers; i++)
        pthread_join(c->workers[i], NULL);
    if (c->has_sink) pthread_join(c->sink, NULL);
}

static pn_status run_threads(pn_runner *r, pn_err *err)
{
    crew c = {0};
    c.workers = calloc((size_t)r->plan->workers, sizeof(*c.workers));
    if (!c.workers) return pn_fail(err, PN_ENOMEM, "threads: out of memory");
    atomic_store(&r->workers_left, r->plan->workers);
    r->n_threads = r->plan->workers + 2;
    pn_stats_init(&r->stats, r->plan);
    pn_status st = pn_progress_start(&r->progress, pn_loop_uv(r->loop),
                                     (pn_progress_mode)r->plan->progress, &r->stats);
    if (st) {
        pn_fail(err, st, "progress timer: %s", pn_status_name(st));
        goto out;
    }
    /* threads inherit the mask: signals come to the loop's thread alone */
    sigset_t ours, before;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ours, &before);
    spawn_all(r, &c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pn_loop_run(r->loop);
    join_all(r, &c);
out:
    pn_progress_stop(&r->progress);
    free(c.workers);
    return st;
}

/* -- the whole -- */

static pn_status outcome(pn_runner *r, pn_run_summary *summary, pn_err *err)
{
    pn_stats_summary(&r->stats, &r->plan->max_failures, summary);
    summary->complete = pn_runner_is_complete(r);
    summary->output = r->output;
    r->output = NULL;
    if (r->error.status) {
        pn_status st = r->error.status;
        pn_fail(err, st, "%s", pn_err_text(&r->error));
        return st;
    }
    if (!summary->complete)
        return pn_fail(err, PN_ESTOPPED, "stopped by a signal before the end");
    return PN_OK;
}

pn_status pn_runner_run(const pn_run_plan *plan, pn_run_summary *summary, pn_err *err)
{
    memset(summary, 0, sizeof(*summary));
    summary->bottleneck = "";
    pn_status st = check_plan(plan, err);
    if (st) return st;
    pn_runner *r = calloc(1, sizeof(*r));
    if (!r) return pn_fail(err, PN_ENOMEM, "run: out of memory");
    r->plan = plan;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->all_ready, NULL);
    st = open_all(r, err);
    if (!st) st = make_parts(r, err);
    if (!st) st = run_threads(r, err);
    if (!st) st = outcome(r, summary, err);
    /* signals stay ours until here: a sink must not be killed while it closes */
    close_all(r);
    free_parts(r);
    pn_err_clear(&r->error);
    free(r->output);
    pthread_cond_destroy(&r->all_ready);
    pthread_mutex_destroy(&r->lock);
    free(r);
    return st;
}

void pn_runner_setup(int in_flight)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", (in_flight > 0 ? in_flight : 1) + 4);
    setenv("UV_THREADPOOL_SIZE", text, 1);
}
