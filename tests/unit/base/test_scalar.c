/* One spelling a value: what is taken, and what is not. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/scalar.h"

static void ints_are_plain_decimal(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"7", 7},
                {"-12", -12},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        int64_t v = 99;
        assert_true(pn_scalar_int(good[i].text, &v));
        assert_true(v == good[i].value);
    }
    static const char *const bad[] = {"",
                                      "5x",
                                      "010",
                                      "+5",
                                      "-0",
                                      " 5",
                                      "5 ",
                                      "0x10",
                                      "1e3",
                                      "1.0",
                                      "--5",
                                      "1_0",
                                      "1e99",
                                      "five",
                                      "00",
                                      "-",
                                      "9223372036854775808",
                                      "-9223372036854775809"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int64_t v = 99;
        assert_false(pn_scalar_int(bad[i], &v));
        assert_int_equal(v, 99);
    }
}

static void reals_are_as_json_writes_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},       {"-1.5", -1.5},           {"2e3", 2000},
                {"1E-2", 0.01}, {"0.0078125", 1.0 / 128}, {"1e+2", 100}};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        double v = 99;
        assert_true(pn_scalar_real(good[i].text, &v));
        assert_true(v == good[i].value);
    }
    static const char *const bad[] = {"",     ".5",  "5.",    "1e",  "1e999",
                                      "inf",  "nan", "0x1p3", "+1",  "01.5",
                                      "1.5f", "1,5", "-",     "1.e3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        double v = 99;
        assert_false(pn_scalar_real(bad[i], &v));
        assert_true(v == 99);
    }
}

static void bools_are_two_words(void **state)
{
    (void)state;
    bool v = false;
    assert_true(pn_scalar_bool("true", &v) && v);
    assert_true(pn_scalar_bool("false", &v) && !v);
    static const char *const bad[] = {"yes", "no", "on",    "True", "TRUE",
                                      "1",   "0",  "maybe", "",     "true "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(pn_scalar_bool(bad[i], &v));
}

static void limits_are_counts_or_percentages(void **state)
{
    (void)state;
    pn_limit l;
    assert_true(pn_scalar_limit("0", &l) && l.value == 0 && !l.is_percent);
    assert_true(pn_scalar_limit("25", &l) && l.value == 25 && !l.is_percent);
    assert_true(pn_scalar_limit("0.5%", &l) && l.value == 0.5 && l.is_percent);
    assert_true(pn_scalar_limit("100%", &l) && l.value == 100 && l.is_percent);
    static const char *const bad[] = {"-1",  "1.5", "101%", "-1%",    "%",
                                      "5%%", "5 %", "",     "1e9999%"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(pn_scalar_limit(bad[i], &l));
}

static void real_text_is_short_and_reads_back(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0.1, "0.1"},      {127, "127"}, {0.0078125, "0.0078125"},
                 {1e300, "1e+300"}, {0.0, "0"},   {-0.0, "-0.0"}};
    char buf[PN_REAL_TEXT];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pn_real_text(cases[i].v, buf);
        assert_string_equal(buf, cases[i].text);
    }
    pn_real_text(-1.0 / 3, buf);
    assert_true(strtod(buf, NULL) == -1.0 / 3);
    pn_real_text(nextafter(1, 2), buf);
    assert_true(strtod(buf, NULL) == nextafter(1, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ints_are_plain_decimal),
        cmocka_unit_test(reals_are_as_json_writes_them),
        cmocka_unit_test(bools_are_two_words),
        cmocka_unit_test(limits_are_counts_or_percentages),
        cmocka_unit_test(real_text_is_short_and_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
