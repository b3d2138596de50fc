/* The runner when memory or threads run out: the nth allocation and the nth
 * pthread_create of our own objects fail, for every n there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fakes.h"
#include "penult/log.h"
#include "tests/support/alloc_fail.h"
#include "tree.h"

static atomic_int until_thread; /* calls; fails at 1; 0 or less: never */

int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *),
                          void *c);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *),
                          void *c);

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *),
                          void *c)
{
    return atomic_fetch_sub(&until_thread, 1) == 1 ? EAGAIN
                                                   : __real_pthread_create(t, a, f, c);
}

/* @return whether the failure came about */
static bool run_with(int memory, int thread, bool refs, const char *path, pn_status want)
{
    static fake_run f;
    fake_run_init(&f, 20);
    f.refs = refs;
    f.path = path;
    pn_run_plan plan;
    pn_run_summary s;
    fake_plan(&plan, &f);
    plan.progress = 2;
    pn_alloc_fail_at(memory - 1);
    atomic_store(&until_thread, thread);
    pn_status st = pn_runner_run(&plan, &s, NULL);
    bool came = memory ? pn_alloc_has_failed() : atomic_load(&until_thread) < 1;
    pn_alloc_fail_at(-1);
    atomic_store(&until_thread, 0);
    assert_int_equal(st, came ? want : PN_OK);
    /* the fakes know only of failures they made: what holds for all is checked here */
    for (int i = 0; i < FAKE_STAGES; i++) {
        assert_int_equal(f.calls[i][FAKE_OPEN], f.calls[i][FAKE_CLOSE]);
        assert_int_equal(f.calls[i][FAKE_START], f.calls[i][FAKE_STOP]);
    }
    assert_int_equal(s.counts.seen, f.n_pushed);
    assert_int_equal(s.counts.ok + s.counts.failed, s.counts.seen);
    assert_int_equal(s.complete, !came);
    return came;
}

static void run_survives_any_allocation_that_fails(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "x.jpg", 40000);
    char path[128];
    strcpy(path, test_tree_path(t, "x.jpg"));
    for (int refs = 0; refs < 2; refs++) {
        int n = 1;
        while (run_with(n, 0, refs, path, PN_ENOMEM))
            n++;
        assert_true(n > 20); /* the runner has more to allocate than that */
    }
}

static void run_survives_any_thread_that_cannot_start(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "x.jpg", 100);
    char path[128];
    strcpy(path, test_tree_path(t, "x.jpg"));
    for (int refs = 0; refs < 2; refs++) {
        int n = 1;
        while (run_with(0, n, refs, path, PN_EIO))
            n++;
        assert_int_equal(n, 6); /* source, two workers, sink and the one that counts */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_survives_any_allocation_that_fails),
        cmocka_unit_test(run_survives_any_thread_that_cannot_start),
    };
    pn_log_setup(PN_LOG_ERROR, NULL, NULL);
    return cmocka_run_group_tests(tests, test_tree_setup, test_tree_teardown);
}
