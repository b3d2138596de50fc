/* The runner over stages that keep account: a whole run, each way it can go wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fakes.h"
#include "penult/log.h"
#include "stages/sink/write_null.h"
#include "tree.h"

static pn_status run(fake_run *f, pn_run_plan *plan, pn_run_summary *s, char *text)
{
    pn_err err = {0};
    pn_status st = pn_runner_run(plan, s, &err);
    assert_int_equal(err.status, st);
    if (text) snprintf(text, 256, "%s", st ? pn_err_text(&err) : "");
    pn_err_clear(&err);
    assert_true(fake_run_holds(f, st, s));
    return st;
}

static void every_item_passes_once(void **state)
{
    (void)state;
    static fake_run f;
    static const int sizes[] = {0, 1, 3, 4, 100, 1000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        fake_run_init(&f, sizes[i]);
        pn_run_plan plan;
        pn_run_summary s;
        fake_plan(&plan, &f);
        f.workers = plan.workers;
        assert_int_equal(run(&f, &plan, &s, NULL), PN_OK);
        assert_true(s.complete);
        assert_int_equal(s.counts.ok, sizes[i]);
        assert_int_equal(f.calls[FAKE_FIRST][FAKE_START], 2);
        assert_int_equal(f.calls[FAKE_SINK][FAKE_START], 1);
        assert_int_equal(s.n_stages, 4);
    }
}

static void failed_items_are_counted_and_budgeted(void **state)
{
    (void)state;
    static fake_run f;
    fake_run_init(&f, 100);
    f.every_bad = 10;
    pn_run_plan plan;
    pn_run_summary s;
    fake_plan(&plan, &f);
    plan.max_failures = (pn_limit){.value = 9};
    assert_int_equal(run(&f, &plan, &s, NULL), PN_OK);
    assert_true(s.complete);
    assert_true(s.over_budget);
    assert_int_equal(s.counts.failed, 10);
    assert_int_equal(s.counts.by_reason[PN_REASON_DAMAGED], 10);

    fake_run_init(&f, 100);
    f.every_bad = 10;
    fake_plan(&plan, &f);
    plan.max_failures = (pn_limit){.value = 10, .is_percent = true};
    assert_int_equal(run(&f, &plan, &s, NULL), PN_OK);
    assert_false(s.over_budget);
}

static void references_become_bytes(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "x.jpg", 40000);
    static fake_run f;
    fake_run_init(&f, 200);
    f.refs = true;
    f.path = test_tree_path(t, "x.jpg");
    pn_run_plan plan;
    pn_run_summary s;
    fake_plan(&plan, &f);
    assert_int_equal(run(&f, &plan, &s, NULL), PN_OK);
    assert_int_equal(s.counts.ok, 200);
    assert_int_equal(s.n_stages, 5);
    assert_string_equal(s.stages[1].name, "read");
    assert_int_equal(s.stages[1].threads, 4);

    fake_run_init(&f, 50);
    f.refs = true;
    f.path = test_tree_path(t, "missing.jpg");
    fake_plan(&plan, &f);
    assert_int_equal(run(&f, &plan, &s, NULL), PN_OK);
    assert_int_equal(s.counts.by_reason[PN_REASON_READ], 50);
}

/* every call of every stage fails once, first, second and later ones */
static void any_failure_ends_the_run_and_names_its_stage(void **state)
{
    (void)state;
    static const char *const names[] = {"fake-source", "fake-first", "fake-second",
                                        "fake-sink"};
    static fake_run f;
    for (int refs = 0; refs < 2; refs++)
        for (int stage = 0; stage < FAKE_STAGES; stage++)
            for (int call = FAKE_OPEN; call <= FAKE_FINISH; call++)
                for (int nth = 1; nth <= 4; nth++) {
                    if (call == FAKE_IDLE) continue;
                    if (call == FAKE_FINISH && stage != FAKE_SINK) continue;
                    if (call != FAKE_WORK && nth > 2) continue;
                    fake_run_init(&f, 60);
                    f.refs = refs;
                    f.path = "/dev/null"; /* a failed item each: enough here */
                    f.at_stage = (fake_stage)stage;
                    f.at_call = (fake_call)call;
                    f.at_nth = nth;
                    f.fail_with = PN_EFORMAT;
                    pn_run_plan plan;
                    pn_run_summary s;
                    char text[256], want[64];
                    fake_plan(&plan, &f);
                    pn_status st = run(&f, &plan, &s, text);
                    if (!f.failed[stage]) {
                        assert_int_equal(st, PN_OK);
                        continue;
                    }
                    assert_int_equal(st, PN_EFORMAT);
                    snprintf(want, sizeof(want), "%s: call %d told to fail", names[stage],
                             nth);
                    assert_string_equal(text, want);
                }
}

static void meet_in_apply(fake_run *f, pn_batch *b)
{
    (void)b;
    pthread_barrier_wait(f->cookie);
}

/* both workers are in apply, both fail: one of the two texts stays, none leaks */
static void of_two_failures_one_is_told(void **state)
{
    (void)state;
    static fake_run f;
    pthread_barrier_t both;
    pthread_barrier_init(&both, NULL, 2);
    fake_run_init(&f, 60);
    f.cookie = &both;
    f.on_apply = meet_in_apply;
    f.at_stage = FAKE_FIRST;
    f.at_call = FAKE_WORK;
    f.at_nth = 1;
    f.and_later = true;
    f.fail_with = PN_EFORMAT;
    pn_run_plan plan;
    pn_run_summary s;
    char text[256];
    fake_plan(&plan, &f);
    assert_int_equal(run(&f, &plan, &s, text), PN_EFORMAT);
    assert_int_equal(f.calls[FAKE_FIRST][FAKE_WORK], 2);
    assert_true(!strcmp(text, "fake-first: call 1 told to fail") ||
                !strcmp(text, "fake-first: call 2 told to fail"));
    pthread_barrier_destroy(&both);
}

static void state_returned_as_failure_is_a_bug_of_the_stage(void **state)
{
    (void)state;
    static fake_run f;
    fake_run_init(&f, 60);
    f.at_stage = FAKE_FIRST;
    f.at_call = FAKE_WORK;
    f.at_nth = 3;
    f.fail_with = PN_AGAIN;
    pn_run_plan plan;
    pn_run_summary s;
    fake_plan(&plan, &f);
    assert_int_equal(run(&f, &plan, &s, NULL), PN_EINTERNAL);
}

/* From the fifth batch on workers wait until the source has ended; the fifth, once all
 * batches are out, asks for it. */
static void ask_to_stop_at_fifth(fake_run *f, pn_batch *b)
{
    const struct timespec ms = {.tv_nsec = 1000000};
    const int n_before = 4, fifth = n_before * 3, n_batches = 6;
    if (b->items[0].seq < (uint64_t)fifth) return;
    if (b->items[0].seq == (uint64_t)fifth) {
        for (int i = 0; i < 30000; i++) {
            /* those before must be back in the pool, or all six may be out too early */
            if (f->n_batches_pushed == n_before &&
                f->n_batches_pulled == n_before + n_batches)
                break;
            nanosleep(&ms, NULL);
        }
        kill(getpid(), *(const int *)f->cookie);
    }
    for (int i = 0; i < 30000 && !f->calls[FAKE_SOURCE][FAKE_STOP]; i++)
        nanosleep(&ms, NULL);
}

static void signal_ends_the_run_with_what_was_begun(void **state)
{
    (void)state;
    int signums[] = {SIGINT, SIGTERM, SIGHUP};
    static fake_run f;
    for (int i = 0; i < 3; i++) {
        fake_run_init(&f, FAKE_MAX_ITEMS);
        f.cookie = &signums[i];
        f.on_apply = ask_to_stop_at_fifth;
        pn_run_plan plan;
        pn_run_summary s;
        fake_plan(&plan, &f);
        plan.handle_signals = true;
        assert_int_equal(run(&f, &plan, &s, NULL), PN_ESTOPPED);
        assert_false(s.complete);
        assert_false(f.complete);
        /* the fifth, and the sixth where the other worker had begun it */
        assert_in_range(f.calls[FAKE_FIRST][FAKE_WORK], 5, 6);
        assert_in_range(f.n_pushed, 15, 18);
        assert_true(f.n_pulled > f.n_pushed);
    }
}

/* a source that is long about its second batch: it asks for the stop itself */
static pn_status pull_until_asked_to_stop(fake_run *f, const atomic_bool *stop)
{
    const struct timespec ms = {.tv_nsec = 1000000};
    if (f->calls[FAKE_SOURCE][FAKE_WORK] < 2) return PN_OK;
    kill(getpid(), SIGTERM);
    for (int i = 0; i < 30000 && !atomic_load(stop); i++)
        nanosleep(&ms, NULL);
    return atomic_load(stop) ? PN_ESTOPPED : PN_EIO;
}

static void signal_reaches_a_source_that_is_at_work(void **state)
{
    (void)state;
    static fake_run f;
    fake_run_init(&f, 60);
    f.on_pull = pull_until_asked_to_stop;
    pn_run_plan plan;
    pn_run_summary s;
    fake_plan(&plan, &f);
    plan.handle_signals = true;
    assert_int_equal(run(&f, &plan, &s, NULL), PN_ESTOPPED);
    assert_false(s.complete);
    assert_int_equal(f.n_pulled, 3);
}

/* a sink that is blocked for good: only the second signal helps. Two that are pending at
 * once count as one, hence again and again. */
static void block_for_ever(fake_run *f, const pn_batch *b)
{
    (void)f;
    (void)b;
    const struct timespec ms = {.tv_nsec = 1000000};
    for (;;) {
        kill(getpid(), SIGTERM);
        nanosleep(&ms, NULL);
    }
}

static void second_signal_leaves_at_once(void **state)
{
    (void)state;
    pid_t child = fork();
    if (!child) {
        static fake_run f;
        fake_run_init(&f, 100);
        f.on_push = block_for_ever;
        pn_run_plan plan;
        pn_run_summary s;
        fake_plan(&plan, &f);
        plan.handle_signals = true;
        alarm(60);
        _exit(pn_runner_run(&plan, &s, NULL) ? 1 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
}

/* -- waiting for each other, with a limit -- */

typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_open, was_late;
} gate;

static void gate_open(gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->is_open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void gate_pass(gate *g)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&g->lock);
    while (!g->is_open && !g->was_late)
        g->was_late = pthread_cond_timedwait(&g->changed, &g->lock, &until) != 0;
    pthread_mutex_unlock(&g->lock);
}

static void wait_until_all_batches_are_out(fake_run *f, const pn_batch *b)
{
    (void)b;
    int *n_batches = f->cookie;
    for (long i = 0; i < 30000 && f->n_batches_pulled < *n_batches && !f->n_pushed; i++) {
        struct timespec ms = {.tv_nsec = 1000000};
        nanosleep(&ms, NULL);
    }
}

static void slow_sink_holds_the_source_back(void **state)
{
    (void)state;
    static fake_run f;
    for (int refs = 0; refs < 2; refs++) {
        fake_run_init(&f, 600);
        f.refs = refs;
        f.path = "/dev/null";
        pn_run_plan plan;
        pn_run_summary s;
        fake_plan(&plan, &f);
        int n_batches = pn_runner_batches(&plan);
        /* 2 a worker and 2; 4 reads in flight need 2 batches of 3, and 1 more */
        assert_int_equal(n_batches, refs ? 9 : 6);
        f.cookie = &n_batches;
        f.on_push = wait_until_all_batches_are_out;
        assert_int_equal(run(&f, &plan, &s, NULL), PN_OK);
        assert_int_equal(f.most_batches, n_batches); /* reached, and never passed */
    }
}

/* the first batch waits in its worker until the sink has had another one */
static void hold_first_batch(fake_run *f, pn_batch *b)
{
    if (b->items[0].seq == 0) gate_pass(f->cookie);
}

static void open_at_another_batch(fake_run *f, const pn_batch *b)
{
    if (b->items[0].seq != 0) gate_open(f->cookie);
}

static void batches_may_overtake_each_other(void **state)
{
    (void)state;
    static fake_run f;
    gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    fake_run_init(&f, 60);
    f.cookie = &g;
    f.on_apply = hold_first_batch;
    f.on_push = open_at_another_batch;
    pn_run_plan plan;
    pn_run_summary s;
    fake_plan(&plan, &f);
    assert_int_equal(run(&f, &plan, &s, NULL), PN_OK);
    assert_false(g.was_late);
    assert_int_equal(s.counts.ok, 60);
}

/* no batch for more than a second: the sink hears of it */
static void hold_for_idle(fake_run *f, pn_batch *b)
{
    (void)b;
    for (int i = 0; i < 30000 && !f->calls[FAKE_SINK][FAKE_IDLE]; i++) {
        struct timespec ms = {.tv_nsec = 1000000};
        nanosleep(&ms, NULL);
    }
}

typedef struct quiet_run {
    fake_run f;
    pn_run_plan plan;
    pn_run_summary summary;
    pn_status st;
} quiet_run;

static void *run_quiet(void *arg)
{
    quiet_run *q = arg;
    q->st = pn_runner_run(&q->plan, &q->summary, NULL);
    return NULL;
}

/* two runs at once, since each has to wait its second; they share nothing */
static void quiet_sink_is_told_so_and_may_fail(void **state)
{
    (void)state;
    static const pn_status fail_with[2] = {PN_OK, PN_EFULL};
    static quiet_run q[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        fake_run_init(&q[i].f, 30);
        q[i].f.on_apply = hold_for_idle;
        q[i].f.at_stage = FAKE_SINK;
        q[i].f.at_call = FAKE_IDLE;
        q[i].f.at_nth = 1;
        q[i].f.fail_with = fail_with[i];
        fake_plan(&q[i].plan, &q[i].f);
        pthread_create(&threads[i], NULL, run_quiet, &q[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(q[i].st, fail_with[i]);
        assert_true(fake_run_holds(&q[i].f, q[i].st, &q[i].summary));
        assert_true(q[i].f.calls[FAKE_SINK][FAKE_IDLE] >= 1);
    }
}

static void plan_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static fake_run f;
    fake_run_init(&f, 3);
    pn_run_plan good, plan;
    pn_run_summary s;
    char text[256];
    fake_plan(&good, &f);

    plan = good;
    plan.n_transforms = 1;
    assert_int_equal(run(&f, &plan, &s, text), PN_EINVAL);
    assert_string_equal(text, "fake-sink does not take what fake-first makes");
    plan = good;
    plan.transforms[0] = good.transforms[1];
    assert_int_equal(run(&f, &plan, &s, text), PN_EINVAL);
    assert_string_equal(text, "fake-second does not take what fake-source makes");
    for (int i = 0; i < 5; i++) {
        plan = good;
        if (i == 0) plan.workers = 0;
        if (i == 1) plan.in_flight = 0;
        if (i == 2) plan.shape.capacity = 0;
        if (i == 3) plan.max_file_bytes = 0;
        if (i == 4) plan.n_transforms = PN_MAX_TRANSFORMS + 1;
        assert_int_equal(run(&f, &plan, &s, NULL), PN_EINVAL);
    }
}

static void null_sink_swallows_everything(void **state)
{
    (void)state;
    static fake_run f;
    fake_run_init(&f, 100);
    pn_run_plan plan;
    pn_run_summary s;
    fake_plan(&plan, &f);
    plan.sink = &pn_sink_write_null;
    assert_int_equal(pn_runner_run(&plan, &s, NULL), PN_OK);
    assert_int_equal(s.counts.ok, 100);
    assert_true(s.complete);
}

static void setup_sizes_the_pool_of_libuv(void **state)
{
    (void)state;
    pn_runner_setup(32);
    assert_string_equal(getenv("UV_THREADPOOL_SIZE"), "36");
    pn_runner_setup(4);
    assert_string_equal(getenv("UV_THREADPOOL_SIZE"), "8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setup_sizes_the_pool_of_libuv), /* before libuv reads it */
        cmocka_unit_test(second_signal_leaves_at_once),  /* forks: before any thread */
        cmocka_unit_test(every_item_passes_once),
        cmocka_unit_test(failed_items_are_counted_and_budgeted),
        IN_TREE(references_become_bytes),
        cmocka_unit_test(any_failure_ends_the_run_and_names_its_stage),
        cmocka_unit_test(of_two_failures_one_is_told),
        cmocka_unit_test(state_returned_as_failure_is_a_bug_of_the_stage),
        cmocka_unit_test(signal_ends_the_run_with_what_was_begun),
        cmocka_unit_test(signal_reaches_a_source_that_is_at_work),
        cmocka_unit_test(slow_sink_holds_the_source_back),
        cmocka_unit_test(batches_may_overtake_each_other),
        cmocka_unit_test(quiet_sink_is_told_so_and_may_fail),
        cmocka_unit_test(plan_that_does_not_fit_is_refused),
        cmocka_unit_test(null_sink_swallows_everything),
    };
    pn_log_setup(PN_LOG_ERROR, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
