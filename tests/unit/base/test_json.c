/* JSON records: the same table, the same strictness. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/unit/base/sample.h"

static pn_status fill(sample *v, const char *text, pn_err *err)
{
    const pn_section s = sample_section("", v, NULL);
    json_t *j = NULL;
    pn_status st = pn_json_parse(&j, text, strlen(text), 1 << 20, "m.onnx", err);
    if (!st) st = pn_json_fill(j, &s, "m.onnx", "/base", err);
    json_decref(j);
    return st;
}

static void members_land_in_the_struct(void **state)
{
    (void)state;
    sample v = {0};
    const pn_section s = sample_section("", &v, NULL);
    assert_int_equal(
        fill(&v,
             "{\"flag\": true, \"count\": 7, \"threads\": \"auto\", \"scale\": "
             "0.1, \"mean\": [1, 2.5, -3], \"size\": [3, 4], \"name\": \"x\", "
             "\"path\": \"p\", \"words\": [\"a, b\"], \"colour\": \"red\", "
             "\"limit\": \"3%\"}",
             NULL),
        PN_OK);
    assert_true(v.flag);
    assert_int_equal(v.count, 7);
    assert_true(v.scale == 0.1);
    assert_true(v.mean[1] == 2.5);
    assert_string_equal(v.words[0], "a, b");
    assert_string_equal(v.path, "/base/p");
    assert_true(v.limit.is_percent);
    pn_fields_fini(&s);
}

static void what_is_printed_reads_back_the_same(void **state)
{
    (void)state;
    sample a = {0}, b = {0};
    const pn_section sa = sample_section("", &a, NULL), sb = sample_section("", &b, NULL);
    char *first = NULL, *second = NULL;
    assert_int_equal(fill(&a,
                          "{\"scale\": 0.017124753831663668, \"mean\": [0.1, 1e-300, 3], "
                          "\"size\": [9, 8], \"words\": [\"\\u00e9\\\"\"]}",
                          NULL),
                     PN_OK);
    a.count = 2;
    assert_int_equal(pn_fields_print_json(&sa, &first), PN_OK);
    assert_int_equal(fill(&b, first, NULL), PN_OK);
    assert_int_equal(pn_fields_print_json(&sb, &second), PN_OK);
    assert_string_equal(first, second);
    assert_true(a.scale == b.scale && a.mean[1] == b.mean[1]);
    free(first);
    free(second);
    pn_fields_fini(&sa);
    pn_fields_fini(&sb);
}

static void refusals_name_the_key_and_the_rule(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        pn_status st;
        const char *message;
    } cases[] = {
        {"{\"count\": \"5\"}", PN_ECONFIG, "m.onnx: count: a value of the wrong type"},
        {"{\"count\": 5.0}", PN_ECONFIG, "m.onnx: count: a value of the wrong type"},
        {"{\"count\": 50}", PN_ECONFIG,
         "m.onnx: count: \"50\" is not a whole number from 1 to 10"},
        {"{\"flag\": 1}", PN_ECONFIG, "m.onnx: flag: a value of the wrong type"},
        {"{\"name\": null}", PN_ECONFIG, "m.onnx: name: a value of the wrong type"},
        {"{\"name\": 5}", PN_ECONFIG, "m.onnx: name: a value of the wrong type"},
        {"{\"name\": [\"a\", \"b\"]}", PN_ECONFIG,
         "m.onnx: name: one value is wanted, not a list"},
        {"{\"mean\": [1, 2]}", PN_ECONFIG, "m.onnx: mean: 2 items where 3 are wanted"},
        {"{\"mean\": [1, 2, []]}", PN_ECONFIG, "m.onnx: mean: a value of the wrong type"},
        {"{\"mean\": {}}", PN_ECONFIG, "m.onnx: mean: a value of the wrong type"},
        {"{\"colour\": \"blue\"}", PN_ECONFIG,
         "m.onnx: colour: \"blue\" is not one of red, green"},
        {"{\"cuont\": 5}", PN_ECONFIG, "m.onnx: unknown key cuont; did you mean count?"},
        {"[]", PN_ECONFIG, "m.onnx: a JSON object is wanted"},
        {"{\"count\": 5, \"count\": 5}", PN_EFORMAT,
         "m.onnx:1:20: duplicate object key near '\"count\"'"},
        {"{\"name\": \"a\\u0000b\"}", PN_EFORMAT,
         "m.onnx:1:19: \\u0000 is not allowed without JSON_ALLOW_NUL near "
         "'\"a\\u0000b\"'"},
        {"{\"scale\": 1e999}", PN_EFORMAT,
         "m.onnx:1:15: real number overflow near '1e999'"},
        {"{", PN_EFORMAT, "m.onnx:1:1: string or '}' expected near end of file"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        sample v = {0};
        const pn_section s = sample_section("", &v, NULL);
        pn_err err = {0};
        assert_int_equal(fill(&v, cases[i].text, &err), cases[i].st);
        assert_string_equal(pn_err_text(&err), cases[i].message);
        pn_err_clear(&err);
        pn_fields_fini(&s);
    }
}

static void depth_and_size_are_bounded(void **state)
{
    (void)state;
    enum { N = 1000 };
    char text[N];
    json_t *j = NULL;
    pn_err err = {0};
    memset(text, '[', N);
    assert_int_equal(pn_json_parse(&j, text, N, N, "x", &err), PN_EFORMAT);
    assert_string_equal(pn_err_text(&err), "x: JSON nested more than 64 levels deep");
    pn_err_clear(&err);
    assert_int_equal(pn_json_parse(&j, text, N, N - 1, "x", &err), PN_EFORMAT);
    assert_string_equal(pn_err_text(&err),
                        "x: 1000 bytes of JSON: at most 999 are allowed");
    pn_err_clear(&err);
    /* brackets inside a text do not count */
    text[0] = '"';
    text[N - 1] = '"';
    assert_int_equal(pn_json_parse(&j, text, N, N, "x", &err), PN_OK);
    assert_int_equal(json_string_length(j), N - 2);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_land_in_the_struct),
        cmocka_unit_test(what_is_printed_reads_back_the_same),
        cmocka_unit_test(refusals_name_the_key_and_the_rule),
        cmocka_unit_test(depth_and_size_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
