/* Tasks that the walker and a helper share; by two real threads, and by one of them alone
 * when the other is late or missing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <pthread.h>

#include "engine/oracle/share.h"

enum { TASKS = 12, ROUNDS = 200 };

typedef struct work {
    pn_share *share; /* NULL: the walker is alone */
    int64_t n;
    int done[TASKS]; /* plain: the share alone orders who writes and who reads */
    pthread_t by[TASKS];
    pthread_barrier_t *both; /* the first two tasks wait for each other here */
    int64_t fails_at;        /* -1: none does */
    pthread_t walker;
    pn_status st;
} work;

static pn_status task(void *arg, int64_t i)
{
    work *w = arg;
    w->done[i]++;
    w->by[i] = pthread_self();
    if (w->both && i < 2) pthread_barrier_wait(w->both);
    return i == w->fails_at ? PN_EFORMAT : PN_OK;
}

static void *walk(void *arg)
{
    work *w = arg;
    w->walker = pthread_self();
    w->st = pn_share_run(w->share, task, w, w->n);
    if (w->share) pn_share_end(w->share);
    return NULL;
}

/* This thread helps, another walks. */
static void walk_and_help(work *w)
{
    pthread_t walker;
    pn_share_begin(w->share);
    assert_int_equal(pthread_create(&walker, NULL, walk, w), 0);
    pn_share_help(w->share);
    pthread_join(walker, NULL);
}

static work work_of(int64_t n)
{
    work w = {.share = pn_share_new(), .n = n, .fails_at = -1};
    assert_non_null(w.share);
    return w;
}

static void each_task_is_done_once_and_by_both(void **state)
{
    (void)state;
    pthread_barrier_t both;
    pthread_barrier_init(&both, NULL, 2);
    for (int round = 0; round < ROUNDS; round++) {
        work w = work_of(TASKS);
        w.both = &both; /* so that neither does the first two alone */
        walk_and_help(&w);
        assert_int_equal(w.st, PN_OK);
        for (int i = 0; i < TASKS; i++)
            assert_int_equal(w.done[i], 1);
        assert_false(pthread_equal(w.by[0], w.by[1]));
        pn_share_free(&w.share);
        assert_null(w.share);
    }
    pthread_barrier_destroy(&both);
}

/* Both are at work, so one of the two failures is the helper's; which, is chance. */
static void a_task_that_fails_in_the_helper_is_the_walkers_failure(void **state)
{
    (void)state;
    pthread_barrier_t both;
    pthread_barrier_init(&both, NULL, 2);
    int by_helper = 0;
    for (int round = 0; round < ROUNDS || !by_helper; round++) {
        work w = work_of(TASKS);
        w.both = &both;
        w.fails_at = round % 2;
        walk_and_help(&w);
        assert_int_equal(w.st, PN_EFORMAT);
        assert_int_equal(w.done[0] + w.done[1], 2);
        by_helper += !pthread_equal(w.by[w.fails_at], w.walker);
        pn_share_free(&w.share);
    }
    pthread_barrier_destroy(&both);
}

static void behind_a_failure_no_task_is_begun(void **state)
{
    (void)state;
    for (int is_shared = 0; is_shared < 2; is_shared++) {
        work w = work_of(TASKS);
        pn_share *share = is_shared ? w.share : NULL;
        w.fails_at = 3;
        /* nobody helps: the order is that of the tasks */
        assert_int_equal(pn_share_run(share, task, &w, TASKS), PN_EFORMAT);
        for (int i = 0; i < TASKS; i++)
            assert_int_equal(w.done[i], i <= 3);
        /* and the failure is not that of the next tasks */
        w.fails_at = -1;
        assert_int_equal(pn_share_run(share, task, &w, TASKS), PN_OK);
        pn_share_free(&w.share);
    }
}

/* What a walk without its helper's thread does, and what is too little to share. */
static void alone_the_walker_does_all(void **state)
{
    (void)state;
    for (int64_t n = 0; n <= TASKS; n++)
        for (int is_shared = 0; is_shared < 2; is_shared++) {
            work w = work_of(n);
            assert_int_equal(pn_share_run(is_shared ? w.share : NULL, task, &w, n),
                             PN_OK);
            for (int i = 0; i < TASKS; i++)
                assert_int_equal(w.done[i], i < n);
            pn_share_free(&w.share);
        }
}

static void a_helper_that_comes_after_the_end_goes_at_once(void **state)
{
    (void)state;
    work w = work_of(TASKS);
    pthread_t walker;
    for (int round = 0; round < 3; round++) {
        pn_share_begin(w.share);
        assert_int_equal(pthread_create(&walker, NULL, walk, &w), 0);
        pthread_join(walker, NULL);
        pn_share_help(w.share);
        assert_int_equal(w.done[TASKS - 1], round + 1);
    }
    pn_share_free(&w.share);
    pn_share_free(&w.share); /* NULL by now */
}

static void *walk_often(void *arg)
{
    work *w = arg;
    for (int round = 0; round < ROUNDS && !w->st; round++)
        w->st = pn_share_run(w->share, task, w, w->n);
    pn_share_end(w->share);
    return NULL;
}

static void one_helper_serves_run_after_run(void **state)
{
    (void)state;
    work w = work_of(TASKS);
    pthread_t walker;
    pn_share_begin(w.share);
    assert_int_equal(pthread_create(&walker, NULL, walk_often, &w), 0);
    pn_share_help(w.share);
    pthread_join(walker, NULL);
    assert_int_equal(w.st, PN_OK);
    for (int i = 0; i < TASKS; i++)
        assert_int_equal(w.done[i], ROUNDS);
    pn_share_free(&w.share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_is_done_once_and_by_both),
        cmocka_unit_test(a_task_that_fails_in_the_helper_is_the_walkers_failure),
        cmocka_unit_test(behind_a_failure_no_task_is_begun),
        cmocka_unit_test(alone_the_walker_does_all),
        cmocka_unit_test(a_helper_that_comes_after_the_end_goes_at_once),
        cmocka_unit_test(one_helper_serves_run_after_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
