/* Counts, shares of busy time, the failure budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "fakes.h"
#include "pipeline/stats.h"

#define S UINT64_C(1000000000)

static void init(pn_stats *s, bool refs)
{
    static fake_run f;
    fake_run_init(&f, 1);
    f.refs = refs;
    pn_run_plan plan;
    fake_plan(&plan, &f);
    pn_stats_init(s, &plan);
}

static void counts_follow_the_reasons(void **state)
{
    (void)state;
    pn_stats s;
    init(&s, false);
    pn_item items[4] = {{.reason = PN_REASON_NONE},
                        {.reason = PN_REASON_EMPTY},
                        {.reason = PN_REASON_EMPTY},
                        {.reason = PN_REASON_RECORD}};
    pn_batch b = {.items = items, .n = 4};
    pn_stats_count(&s, &b);
    pn_stats_count(&s, &b);
    pn_counts c;
    pn_stats_get_counts(&s, &c);
    assert_int_equal(c.seen, 8);
    assert_int_equal(c.ok, 2);
    assert_int_equal(c.failed, 6);
    assert_int_equal(c.by_reason[PN_REASON_NONE], 2);
    assert_int_equal(c.by_reason[PN_REASON_EMPTY], 4);
    assert_int_equal(c.by_reason[PN_REASON_RECORD], 2);
}

static void bottleneck_is_the_busiest_group_of_threads(void **state)
{
    (void)state;
    pn_stats s;
    init(&s, true);
    assert_string_equal(pn_stats_bottleneck(&s), "");
    pn_stats_add_busy(&s, s.source, 1 * S);
    assert_string_equal(pn_stats_bottleneck(&s), "source");
    pn_stats_add_busy(&s, s.read, 8 * S); /* over 4 reads in flight: 2 s each */
    assert_string_equal(pn_stats_bottleneck(&s), "read");
    /* 3 s + 2 s over 2 workers: 2.5 s, though neither alone is as much as the reads */
    pn_stats_add_busy(&s, s.transform, 2 * S);
    pn_stats_add_busy(&s, s.transform + 1, 3 * S);
    assert_string_equal(pn_stats_bottleneck(&s), "fake-second");
    pn_stats_add_busy(&s, s.sink, 3 * S);
    assert_string_equal(pn_stats_bottleneck(&s), "sink");
}

static void budget_counts_or_takes_a_share_of_what_was_seen(void **state)
{
    (void)state;
    static const struct {
        uint64_t seen, failed;
        pn_limit limit;
        bool over;
    } cases[] = {
        {0, 0, {0, false}, false},  {10, 0, {0, false}, false},
        {10, 1, {0, false}, true},  {10, 3, {3, false}, false},
        {10, 4, {3, false}, true},  {200, 2, {1, true}, false},
        {200, 3, {1, true}, true},  {0, 0, {0, true}, false},
        {5, 5, {100, true}, false}, {1000, 5, {0.5, true}, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pn_counts c = {.seen = cases[i].seen, .failed = cases[i].failed};
        assert_int_equal(pn_stats_over_budget(&c, &cases[i].limit), cases[i].over);
    }
}

static void summary_lists_the_stages_in_their_order(void **state)
{
    (void)state;
    pn_stats s;
    init(&s, true);
    pn_stats_add_busy(&s, s.read, 3 * S / 2);
    pn_run_summary sum;
    pn_stats_summary(&s, &(pn_limit){0}, &sum);
    static const char *const names[] = {"source", "read", "fake-first", "fake-second",
                                        "sink"};
    static const int threads[] = {1, 4, 2, 2, 1};
    assert_int_equal(sum.n_stages, 5);
    for (int i = 0; i < 5; i++) {
        assert_string_equal(sum.stages[i].name, names[i]);
        assert_int_equal(sum.stages[i].threads, threads[i]);
        assert_true(sum.stages[i].busy_s == (i == 1 ? 1.5 : 0));
    }
    init(&s, false);
    pn_stats_summary(&s, &(pn_limit){0}, &sum);
    assert_int_equal(sum.n_stages, 4);
    assert_string_equal(sum.stages[1].name, "fake-first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_follow_the_reasons),
        cmocka_unit_test(bottleneck_is_the_busiest_group_of_threads),
        cmocka_unit_test(budget_counts_or_takes_a_share_of_what_was_seen),
        cmocka_unit_test(summary_lists_the_stages_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
