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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printable_text_stays_as_it_is),
        cmocka_unit_test(what_a_terminal_may_obey_is_escaped),
        cmocka_unit_test(an_items_line_break_stays_and_others_forge_no_line),
        cmocka_unit_test(long_text_comes_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
