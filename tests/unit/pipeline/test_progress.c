/* The status line's text and its rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "pipeline/progress.h"

static void text_shows_what_is_known(void **state)
{
    (void)state;
    static const struct {
        uint64_t seen, total, failed;
        double rate;
        const char *bottleneck, *want;
    } cases[] = {
        {0, 0, 0, 0, "", "0 done, 0.0 img/s, 0 failed"},
        {12, 0, 1, 3.25, "read", "12 done, 3.2 img/s, 1 failed, limited by read"},
        {50, 200, 0, 10, "infer",
         "50/200, 10 img/s, ETA 0:00:15, 0 failed, limited by infer"},
        {200, 200, 0, 10, "", "200/200, 10 img/s, 0 failed"},
        {201, 200, 0, 10, "",
         "201/200, 10 img/s, 0 failed"}, /* files came up meanwhile */
        {0, 36610, 0, 10, "", "0/36610, 10 img/s, ETA 1:01:01, 0 failed"},
        {0, 10 * 90061, 7, 10, "", "0/900610, 10 img/s, ETA 1 d 01:01, 7 failed"},
        {0, UINT64_MAX, 0, 0.5, "",
         "0/18446744073709551615, 0.5 img/s, ETA over 99 d, 0 failed"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char buf[256];
        assert_string_equal(pn_progress_text(buf, sizeof(buf), cases[i].seen,
                                             cases[i].total, cases[i].failed,
                                             cases[i].rate, cases[i].bottleneck),
                            cases[i].want);
    }
    char cut[6];
    assert_string_equal(pn_progress_text(cut, sizeof(cut), 123456, 0, 0, 0, ""), "12345");
}

static void rate_follows_the_last_seconds(void **state)
{
    (void)state;
    assert_true(pn_progress_rate(0, 50, 0.5) == 100.0);
    assert_true(pn_progress_rate(7, 50, 0) == 7.0);
    double rate = 100;
    for (int i = 0; i < 200; i++)
        rate = pn_progress_rate(rate, 5, 0.5);
    assert_true(fabs(rate - 10) < 0.1); /* 100 s later the old 100 img/s are forgotten */
    rate = pn_progress_rate(100, 0, 0.5);
    assert_true(rate > 90 && rate < 100); /* one gap is no standstill */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_shows_what_is_known),
        cmocka_unit_test(rate_follows_the_last_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
