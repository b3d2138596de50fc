/* Columns stand under each other, whatever the names are made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/columns.h"
#include "tests/support/alloc_fail.h"

static pn_status print_table(char **out, const char *const *names, int n, size_t width)
{
    static const char *const heads[] = {"tensor", "n"};
    pn_columns *c = NULL;
    size_t size = 0;
    *out = NULL;
    FILE *to = open_memstream(out, &size);
    if (!to) return PN_ENOMEM;
    pn_status st = pn_columns_new(&c, "lr", heads);
    for (int i = 0; i < n && !st; i++) {
        const char *const cells[] = {names[i], i % 2 ? "1,000" : "7"};
        st = pn_columns_add(c, cells);
    }
    if (!st) st = pn_columns_print(c, to, width);
    pn_columns_free(&c);
    assert_null(c);
    return fclose(to) == 0 ? st : PN_ENOMEM;
}

static void expect_table(const char *const *names, int n, size_t width, const char *want)
{
    char *out;
    assert_int_equal(print_table(&out, names, n, width), PN_OK);
    assert_string_equal(out, want);
    free(out);
}

static void columns_are_as_wide_as_what_is_shown(void **state)
{
    (void)state;
    const char *const names[] = {"\xc3\xbc", "\xe5\xb1\x82", "x\n  y", "longer_name"};
    expect_table(names, 0, 0, "tensor  n\n");
    expect_table(names, 4, 0,
                 "tensor           n\n"
                 "\xc3\xbc                7\n"
                 "\xe5\xb1\x82           1,000\n"
                 "x\\x0a  y         7\n"
                 "longer_name  1,000\n");
}

static void a_narrow_terminal_shortens_the_text_columns(void **state)
{
    (void)state;
    const char *const names[] = {"stage3_unit36_conv1_output", "a"};
    expect_table(names, 2, 33,
                 "tensor                          n\n"
                 "stage3_unit36_conv1_output      7\n"
                 "a                           1,000\n");
    expect_table(names, 2, 24,
                 "tensor                 n\n"
                 "stage3_..1_output      7\n"
                 "a                  1,000\n");
}

static void every_failed_allocation_is_told(void **state)
{
    (void)state;
    const char *const names[] = {"stage3_unit36_conv1_output", "a"};
    long n = 0;
    for (;; n++) {
        char *out;
        pn_alloc_fail_at(n);
        pn_status st = print_table(&out, names, 2, 24);
        bool failed = pn_alloc_has_failed();
        pn_alloc_fail_at(-1);
        free(out);
        if (!failed) break;
        assert_int_equal(st, PN_ENOMEM);
    }
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_what_is_shown),
        cmocka_unit_test(a_narrow_terminal_shortens_the_text_columns),
        cmocka_unit_test(every_failed_allocation_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
