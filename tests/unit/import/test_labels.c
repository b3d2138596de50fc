/* Class names: line ends, encodings, and where a file is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "checkpoint.h"
#include "penult/convert.h"

static pn_status read_text(pn_labels *l, const char *text, size_t size, pn_err *err)
{
    char *path = write_temp(text, size);
    pn_status st = pn_labels_read(l, path, err);
    unlink(path);
    free(path);
    return st;
}

static void lines_end_in_any_way(void **state)
{
    (void)state;
    static const char *const texts[] = {"n1 a\nn2 \xC3\xA9\n", "n1 a\nn2 \xC3\xA9",
                                        "n1 a\r\nn2 \xC3\xA9\r\n",
                                        "\xEF\xBB\xBFn1 a\nn2 \xC3\xA9\n\n\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        pn_labels l = {0};
        assert_int_equal(read_text(&l, texts[i], strlen(texts[i]), NULL), PN_OK);
        assert_int_equal(l.n, 2);
        assert_string_equal(l.lines[0], "n1 a");
        assert_string_equal(l.lines[1], "n2 \xC3\xA9");
        pn_labels_fini(&l);
        assert_null(l.lines);
    }
}

static void wrong_lines_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *part;
    } cases[] = {
        {"a\n\nb\n", 5, ":2: empty line"},
        {"a\n \t\nb", 6, ":2: empty line"},
        {"a\nb\xFF\nc", 6, ":2: must be UTF-8"},
        {"a\nb\0c\n", 6, ":2: a NUL"},
        {"", 0, "empty"},
        {"\n\n", 2, "empty"},
        {"a\n\xED\xA0\x80", 5, ":2: must be UTF-8"},
        {"\xC0\x80", 2, ":1: must be UTF-8"},
        {"\xF4\x90\x80\x80", 4, ":1: must be UTF-8"},
        {"\xE2\x82", 2, ":1: must be UTF-8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_labels l = {0};
        pn_err err = {0};
        assert_int_equal(read_text(&l, cases[i].text, cases[i].size, &err), PN_EFORMAT);
        if (!strstr(pn_err_text(&err), cases[i].part))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].part, pn_err_text(&err));
        assert_null(l.lines);
        pn_err_clear(&err);
    }
}

static void a_missing_file_is_missing(void **state)
{
    (void)state;
    pn_labels l = {0};
    assert_int_equal(pn_labels_read(&l, "/no/such/file", NULL), PN_ENOENT);
}

static void a_model_lends_its_labels(void **state)
{
    (void)state;
    pn_graph *g;
    pn_labels l = {0};
    assert_int_equal(pn_graph_new(&g, "t"), PN_OK);
    assert_int_equal(pn_labels_of_graph(&l, g, NULL), PN_OK);
    assert_int_equal(l.n, 0);
    assert_int_equal(pn_graph_set_meta(g, PN_META_LABELS, "x y\nz"), PN_OK);
    assert_int_equal(pn_labels_of_graph(&l, g, NULL), PN_OK);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.lines[0], "x y");
    assert_string_equal(l.lines[1], "z");
    pn_labels_fini(&l);
    pn_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_in_any_way),
        cmocka_unit_test(wrong_lines_are_named),
        cmocka_unit_test(a_missing_file_is_missing),
        cmocka_unit_test(a_model_lends_its_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
