/* What a terminal gets to see of foreign names. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

static void expect_line(const char *text, const char *want)
{
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    assert_non_null(f);
    pn_print_line(f, "<%s>", text);
    fclose(f);
    assert_string_equal(out, want);
    free(out);
}

static void printable_text_stays_as_it_is(void **state)
{
    (void)state;
    expect_line("", "<>\n");
    expect_line("conv0 \"\\ \xc3\xbc \xe2\x82\xac \xf0\x9f\x90\xb1",
                "<conv0 \"\\ \xc3\xbc \xe2\x82\xac \xf0\x9f\x90\xb1>\n");
}

static void what_a_terminal_may_obey_is_escaped(void **state)
{
    (void)state;
    expect_line("a\x1b[2J\a\x7f", "<a\\x1b[2J\\x07\\x7f>\n");
    expect_line("a\nb\r\t", "<a\\x0ab\\x0d\\x09>\n");
    expect_line("\xc2\x9b"
                "2J\xc2\xa0",
                "<\\xc2\\x9b"
                "2J\xc2\xa0>\n");
    expect_line("\xff\xed\xa0\x80\xc3", "<\\xff\\xed\\xa0\\x80\\xc3>\n");
}

static void an_items_line_break_stays_and_others_forge_no_line(void **state)
{
    (void)state;
    expect_line("missing:\n  w0\n  w1", "<missing:\n  w0\n  w1>\n");
    expect_line("a\npenult: b\n c", "<a\\x0apenult: b\\x0a c>\n");
}

static void long_text_comes_whole(void **state)
{
    (void)state;
    enum { LENGTH = 10000 };
    char text[LENGTH + 1], want[LENGTH + 4];
    for (int i = 0; i < LENGTH; i++)
        text[i] = (char)('a' + i % 26);
    text[LENGTH] = '\0';
    snprintf(want, sizeof(want), "<%s>\n", text);
    expect_line(text, want);
}

static void columns_are_those_a_terminal_gives(void **state)
{
    (void)state;
    assert_int_equal(pn_text_columns(""), 0);
    assert_int_equal(pn_text_columns("conv0"), 5);
    assert_int_equal(pn_text_columns("\xc3\xbc"
                                     "ber"),
                     4);                               /* umlaut */
    assert_int_equal(pn_text_columns("u\xcc\x88"), 1); /* the same, combined */
    assert_int_equal(pn_text_columns("\xe5\xb1\x82"
                                     "1"),
                     3); /* a Chinese character is wide */
    assert_int_equal(pn_text_columns("\xf0\x9f\x90\xb1"), 2);
    assert_int_equal(pn_text_columns("a\n\xff"), 9); /* \x0a, \xff */
}

static void expect_short(const char *text, size_t columns, const char *want)
{
    char *out = pn_text_shorten(text, columns);
    assert_non_null(out);
    assert_string_equal(out, want);
    assert_true(pn_text_columns(out) <= columns);
    free(out);
}

static void shortened_text_keeps_both_ends(void **state)
{
    (void)state;
    expect_short("stage1_unit1", 12, "stage1_unit1");
    expect_short("stage1_unit1", 11, "stag..unit1");
    expect_short("stage1_unit1", 8, "sta..it1");
    /* a wide character that does not fit is left out whole */
    expect_short("\xe5\xb1\x82\xe5\xb1\x82\xe5\xb1\x82\xe5\xb1\x82\xe5\xb1\x82", 9,
                 "\xe5\xb1\x82..\xe5\xb1\x82\xe5\xb1\x82");
    expect_short("a\n\n\n\n\nb", 12, "a\n..\nb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printable_text_stays_as_it_is),
        cmocka_unit_test(what_a_terminal_may_obey_is_escaped),
        cmocka_unit_test(an_items_line_break_stays_and_others_forge_no_line),
        cmocka_unit_test(long_text_comes_whole),
        cmocka_unit_test(columns_are_those_a_terminal_gives),
        cmocka_unit_test(shortened_text_keeps_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
