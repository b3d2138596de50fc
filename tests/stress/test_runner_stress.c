/* The runner started and stopped a thousand times, with a failure or a signal at a random
 * call of a random stage. What it is for: no order of events may hang, leak, lose an item
 * or pass one twice. The one that the thread sanitizer runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fakes.h"
#include "penult/log.h"
#include "tree.h"

static uint64_t next_random(uint64_t *s)
{
    *s += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = (*s ^ (*s >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    return (z ^ (z >> 27)) >> 16;
}

static int below(uint64_t *s, int n)
{
    return (int)(next_random(s) % (uint64_t)n);
}

static void yield_now_and_then(fake_run *f, pn_batch *b)
{
    (void)f;
    for (uint64_t i = 0; i < b->items[0].seq % 5; i++)
        sched_yield();
}

static void yield_in_sink(fake_run *f, const pn_batch *b)
{
    (void)f;
    for (uint64_t i = 0; i < b->items[0].seq % 7; i++)
        sched_yield();
}

static void choose(fake_run *f, pn_run_plan *plan, uint64_t *s, const char *path)
{
    fake_run_init(f, below(s, 4) ? below(s, 120) : below(s, 4));
    f->refs = below(s, 2);
    f->path = below(s, 8) ? path : "/nonexistent/x.jpg";
    f->every_bad = below(s, 3) ? 0 : 7;
    f->on_apply = below(s, 2) ? yield_now_and_then : NULL;
    f->on_push = below(s, 2) ? yield_in_sink : NULL;
    static const fake_call calls[] = {FAKE_OPEN, FAKE_START, FAKE_WORK,
                                      FAKE_WORK, FAKE_WORK,  FAKE_FINISH};
    f->at_stage = (fake_stage)below(s, FAKE_STAGES);
    f->at_call = calls[below(s, 6)];
    f->at_nth = 1 + below(s, f->at_call == FAKE_WORK ? 30 : 3);
    int what = below(s, 3);
    f->fail_with = what == 1 ? PN_EIO : PN_OK;
    /* before the loop runs and after it ended, a signal is not ours to catch */
    bool catches = f->at_call == FAKE_WORK || f->at_call == FAKE_START;
    f->signum = what == 2 && catches ? (below(s, 2) ? SIGINT : SIGTERM) : 0;
    fake_plan(plan, f);
    plan->handle_signals = true;
    f->workers = plan->workers = 1 + below(s, 4);
    plan->shape.capacity = 1 + below(s, 5);
    plan->in_flight = 1 + below(s, 6);
    plan->progress = below(s, 4) ? 0 : 2;
}

static bool is_expected(const fake_run *f, pn_status st)
{
    bool failed = false;
    for (int i = 0; i < FAKE_STAGES; i++)
        failed |= f->failed[i];
    if (failed) return st == PN_EIO;
    return st == PN_OK || (f->signum && st == PN_ESTOPPED);
}

static void thousand_runs_end_as_they_should(void **state)
{
    (void)state;
    test_tree t;
    test_tree_make(&t);
    test_tree_file(&t, "x.jpg", 20000);
    char path[128];
    snprintf(path, sizeof(path), "%s", test_tree_path(&t, "x.jpg"));
    static fake_run f;
    int n_failed = 0, n_stopped = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t s = i;
        pn_run_plan plan;
        pn_run_summary summary;
        pn_err err = {0};
        choose(&f, &plan, &s, path);
        pn_status st = pn_runner_run(&plan, &summary, &err);
        if (!is_expected(&f, st) || !fake_run_holds(&f, st, &summary))
            fail_msg("run %d: status %d (%s)", (int)i, st, pn_err_text(&err));
        n_failed += st == PN_EIO;
        n_stopped += st == PN_ESTOPPED;
        pn_err_clear(&err);
    }
    test_tree_remove(&t);
    assert_true(n_failed > 50 && n_stopped > 20); /* the dice did not miss all the time */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousand_runs_end_as_they_should),
    };
    pn_log_setup(PN_LOG_ERROR, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
