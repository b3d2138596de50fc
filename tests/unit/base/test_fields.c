/* The table: defaults, setting, messages, printing and reading back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/base/sample.h"

static void set_ok(const pn_section *s, const char *key, const char *text)
{
    pn_err err = {0};
    pn_status st = pn_fields_set_named(s, 1, key, text, "--set", "/base", &err);
    if (st) print_error("%s\n", pn_err_text(&err));
    assert_int_equal(st, PN_OK);
}

static void set_fails(const pn_section *s, const char *key, const char *text,
                      const char *message)
{
    pn_err err = {0};
    assert_int_equal(pn_fields_set_named(s, 1, key, text, "--set", "/base", &err),
                     PN_ECONFIG);
    assert_string_equal(pn_err_text(&err), message);
    pn_err_clear(&err);
}

static void defaults_fill_every_field(void **state)
{
    (void)state;
    sample v = {0};
    const pn_section s = sample_section("", &v, NULL);
    assert_int_equal(pn_fields_defaults(&s, NULL), PN_OK);
    assert_true(v.flag);
    assert_int_equal(v.count, 3);
    assert_int_equal(v.threads, 0);
    assert_true(v.scale == 1);
    assert_null(v.name);
    assert_string_equal(v.words[0], "jpg");
    assert_string_equal(v.words[1], "png");
    assert_null(v.words[2]);
    assert_int_equal(v.colour, 1);
    set_ok(&s, "name", "x");
    assert_int_equal(pn_fields_defaults(&s, NULL), PN_OK); /* nothing leaks, name goes */
    assert_null(v.name);
    pn_fields_fini(&s);
    assert_null(v.words);
    assert_int_equal(v.count, 0);
}

static void texts_set_every_kind(void **state)
{
    (void)state;
    sample v = {0};
    const pn_section s = sample_section("a", &v, NULL);
    set_ok(&s, "a.flag", "false");
    set_ok(&s, "a.count", "10");
    set_ok(&s, "a.threads", "64");
    set_ok(&s, "a.scale", "0.5");
    set_ok(&s, "a.mean", "1, 2.5 ,-3");
    set_ok(&s, "a.size", "[224, 192]");
    set_ok(&s, "a.name", "some text, even with commas");
    set_ok(&s, "a.path", "x/y");
    set_ok(&s, "a.words", "[one]");
    set_ok(&s, "a.colour", "red");
    set_ok(&s, "a.limit", "2.5%");
    assert_false(v.flag);
    assert_int_equal(v.count, 10);
    assert_int_equal(v.threads, 64);
    assert_true(v.scale == 0.5);
    assert_true(v.mean[0] == 1 && v.mean[1] == 2.5 && v.mean[2] == -3);
    assert_int_equal(v.size[0], 224);
    assert_int_equal(v.size[1], 192);
    assert_string_equal(v.name, "some text, even with commas");
    assert_string_equal(v.path, "/base/x/y");
    assert_string_equal(v.words[0], "one");
    assert_null(v.words[1]);
    assert_int_equal(v.colour, 0);
    assert_true(v.limit.value == 2.5 && v.limit.is_percent);
    set_ok(&s, "a.threads", "auto");
    assert_int_equal(v.threads, 0);
    pn_fields_fini(&s);
}

static void bad_texts_say_what_was_wanted_and_change_nothing(void **state)
{
    (void)state;
    sample v = {.count = 3, .mean = {1, 2, 3}};
    const pn_section s = sample_section("a", &v, NULL);
    static const struct {
        const char *key, *text, *message;
    } cases[] = {
        {"a.count", "5x", "--set: a.count: \"5x\" is not a whole number from 1 to 10"},
        {"a.count", "010", "--set: a.count: \"010\" is not a whole number from 1 to 10"},
        {"a.count", "0", "--set: a.count: \"0\" is not a whole number from 1 to 10"},
        {"a.count", "11", "--set: a.count: \"11\" is not a whole number from 1 to 10"},
        {"a.count", "1e99",
         "--set: a.count: \"1e99\" is not a whole number from 1 to 10"},
        {"a.threads", "Auto",
         "--set: a.threads: \"Auto\" is not auto or a whole number from 1 to 64"},
        {"a.threads", "0",
         "--set: a.threads: \"0\" is not auto or a whole number from 1 to 64"},
        {"a.flag", "maybe", "--set: a.flag: \"maybe\" is not true or false"},
        {"a.flag", "yes", "--set: a.flag: \"yes\" is not true or false"},
        {"a.scale", "1e999", "--set: a.scale: \"1e999\" is not a number"},
        {"a.mean", "9, 8", "--set: a.mean: 2 items where 3 are wanted"},
        {"a.mean", "9, 8, x", "--set: a.mean: \"x\" is not a list of 3 numbers"},
        {"a.mean", "9,, 8", "--set: a.mean: \"\" is not a list of 3 numbers"},
        {"a.size", "224, 0",
         "--set: a.size: \"0\" is not a list of 2 whole numbers from 1 to 8192"},
        {"a.words", "", "--set: a.words: the list is empty"},
        {"a.words", "a,,b", "--set: a.words: \"\" is not a text"},
        {"a.path", "", "--set: a.path: \"\" is not a path"},
        {"a.colour", "blue", "--set: a.colour: \"blue\" is not one of red, green"},
        {"a.limit", "101%",
         "--set: a.limit: \"101%\" is not a count such as 10 or a percentage such as "
         "0.5%"},
        {"a.cuont", "3", "--set: unknown key a.cuont; did you mean count?"},
        {"a.zzz", "3",
         "--set: unknown key a.zzz; there are: flag, count, threads, scale, mean, size, "
         "name, "
         "path, words, colour, limit"},
        {"b.count", "3", "--set: unknown key b; there are: a"},
        {"a.flag", "a\033[31m\nb", "--set: a.flag: \"a?[31m?b\" is not true or false"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        set_fails(&s, cases[i].key, cases[i].text, cases[i].message);
    assert_int_equal(v.count, 3);
    assert_true(v.mean[0] == 1 && v.mean[1] == 2 && v.mean[2] == 3);
    pn_fields_fini(&s);
}

static void long_values_are_cut_in_messages(void **state)
{
    (void)state;
    sample v = {0};
    const pn_section s = sample_section("", &v, NULL);
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = '\0';
    pn_err err = {0};
    assert_int_equal(pn_fields_set_named(&s, 1, "count", text, "w", NULL, &err),
                     PN_ECONFIG);
    assert_true(strlen(pn_err_text(&err)) < 200);
    pn_err_clear(&err);
}

static void given_and_required_follow_the_texts(void **state)
{
    (void)state;
    sample v = {0};
    uint64_t given = 0;
    const pn_section s = sample_section("img", &v, &given);
    pn_err err = {0};
    assert_int_equal(pn_fields_defaults(&s, NULL), PN_OK);
    assert_false(pn_field_given(&s, "count")); /* a default is nobody's text */
    assert_int_equal(pn_fields_required(&s, 1, "run.yaml", &err), PN_ECONFIG);
    assert_string_equal(pn_err_text(&err),
                        "run.yaml: img.size is missing: [height, width] in pixels");
    pn_err_clear(&err);
    set_ok(&s, "img.size", "1, 2");
    assert_true(pn_field_given(&s, "size"));
    assert_false(pn_field_given(&s, "nothing"));
    assert_int_equal(pn_fields_required(&s, 1, "run.yaml", NULL), PN_OK);
    pn_fields_fini(&s);
}

static void print_shows_defaults_and_quotes_what_needs_it(void **state)
{
    (void)state;
    sample v = {0};
    const pn_section s = sample_section("a", &v, NULL);
    char *text = NULL;
    assert_int_equal(pn_fields_defaults(&s, NULL), PN_OK);
    set_ok(&s, "a.size", "4, 5");
    set_ok(&s, "a.name", "yes");
    set_ok(&s, "a.words", "\"q\", \xc3\xa9");
    set_ok(&s, "a.limit", "1%");
    assert_int_equal(pn_fields_print(&s, &text), PN_OK);
    assert_string_equal(text, "  flag: true\n  count: 3\n  threads: auto\n  scale: 1\n"
                              "  mean: [0, 0, 0]\n  size: [4, 5]\n  name: \"yes\"\n"
                              "  words: [\"\\\"q\\\"\", \"\xc3\xa9\"]\n  colour: green\n"
                              "  limit: 1%\n");
    free(text);
    text = NULL;
    assert_int_equal(pn_fields_print_json(&s, &text), PN_OK);
    assert_string_equal(
        text, "{\"flag\": true, \"count\": 3, \"threads\": \"auto\", \"scale\": 1, "
              "\"mean\": [0, 0, 0], \"size\": [4, 5], \"name\": \"yes\", "
              "\"words\": [\"\\\"q\\\"\", \"\xc3\xa9\"], \"colour\": \"green\", "
              "\"limit\": \"1%\"}");
    free(text);
    pn_fields_fini(&s);
}

static void print_makes_valid_text_of_any_bytes(void **state)
{
    (void)state;
    sample v = {0};
    const pn_section s = sample_section("", &v, NULL);
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"a\xff"
         "b",
         "name: \"a\\ufffdb\"\n"},
        {"\xc0\x80", "name: \"\\ufffd\\ufffd\"\n"},            /* overlong */
        {"\xed\xa0\x80", "name: \"\\ufffd\\ufffd\\ufffd\"\n"}, /* a surrogate */
        {"\xf0\x9f\x90\x88", "name: \"\xf0\x9f\x90\x88\"\n"},
        {"a\tb\nc\001\x7f", "name: \"a\\tb\\nc\\u0001\\u007f\"\n"},
        {"", "name: \"\"\n"},
        {"null", "name: \"null\"\n"},
        {"5", "name: \"5\"\n"},
        {"fc1_output", "name: fc1_output\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *text = NULL;
        set_ok(&s, "name", cases[i].in);
        assert_int_equal(pn_fields_print(&s, &text), PN_OK);
        assert_non_null(strstr(text, cases[i].out));
        free(text);
    }
    pn_fields_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_every_field),
        cmocka_unit_test(texts_set_every_kind),
        cmocka_unit_test(bad_texts_say_what_was_wanted_and_change_nothing),
        cmocka_unit_test(long_values_are_cut_in_messages),
        cmocka_unit_test(given_and_required_follow_the_texts),
        cmocka_unit_test(print_shows_defaults_and_quotes_what_needs_it),
        cmocka_unit_test(print_makes_valid_text_of_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
