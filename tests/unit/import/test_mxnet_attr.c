/* Attribute values as Python 2, Python 3 and C++ wrote them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "model/import_mxnet.h"

static void tuples_are_read_in_every_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int n;
        int64_t v[4];
    } cases[] = {
        {"(3, 3)", 2, {3, 3}}, {"(3,3)", 2, {3, 3}},
        {"[3,3]", 2, {3, 3}},  {"(3L, 3L)", 2, {3, 3}},
        {"(3,)", 1, {3}},      {"(3L,)", 1, {3}},
        {"3", 1, {3}},         {" ( -1 , 0 ) ", 2, {-1, 0}},
        {"()", 0, {0}},        {"[]", 0, {0}},
        {"None", 0, {0}},      {"(0,-4,2,-1)", 4, {0, -4, 2, -1}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_mx_tuple t;
        assert_true(pn_mx_parse_tuple(cases[i].text, &t));
        assert_int_equal(t.n, cases[i].n);
        for (int k = 0; k < t.n; k++) {
            assert_int_equal(t.v[k], cases[i].v[k]);
            assert_false(t.is_none[k]);
        }
    }
}

static void none_may_stand_in_a_tuple(void **state)
{
    (void)state;
    pn_mx_tuple t;
    assert_true(pn_mx_parse_tuple("(None, 2, None)", &t));
    assert_int_equal(t.n, 3);
    assert_true(t.is_none[0] && !t.is_none[1] && t.is_none[2]);
    assert_int_equal(t.v[1], 2);
}

static void what_is_no_tuple_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",       "(",
        ")",      "(3",
        "3)",     "(3]",
        "(3 3)",  "(,)",
        "(3,,3)", "(3.5)",
        "(x)",    "3,3",
        "(3) 4",  "(3x)",
        "(--3)",  "(99999999999999999999)",
        "Nonex",  "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)",
    };
    pn_mx_tuple t;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(pn_mx_parse_tuple(bad[i], &t));
}

static void scalars_are_read_and_nothing_else(void **state)
{
    (void)state;
    int64_t i;
    double r;
    bool b;
    assert_true(pn_mx_parse_int("64", &i) && i == 64);
    assert_true(pn_mx_parse_int("-1L", &i) && i == -1);
    assert_false(pn_mx_parse_int("6.0", &i));
    assert_false(pn_mx_parse_int("", &i));
    assert_false(pn_mx_parse_int("64 x", &i));
    assert_true(pn_mx_parse_real("2e-05", &r) && r == 2e-05);
    assert_true(pn_mx_parse_real("-3", &r) && r == -3);
    assert_false(pn_mx_parse_real("nan", &r));
    assert_false(pn_mx_parse_real("inf", &r));
    assert_false(pn_mx_parse_real("1.5f", &r));
    assert_true(pn_mx_parse_bool("True", &b) && b);
    assert_true(pn_mx_parse_bool("false", &b) && !b);
    assert_true(pn_mx_parse_bool("1", &b) && b);
    assert_true(pn_mx_parse_bool("0", &b) && !b);
    assert_false(pn_mx_parse_bool("yes", &b));
    assert_false(pn_mx_parse_bool("", &b));
    assert_true(pn_mx_parse_none(" None "));
    assert_false(pn_mx_parse_none("none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tuples_are_read_in_every_spelling),
        cmocka_unit_test(none_may_stand_in_a_tuple),
        cmocka_unit_test(what_is_no_tuple_is_refused),
        cmocka_unit_test(scalars_are_read_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
