/* YAML records: what is taken, what is refused, and that every message has its place. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/yaml.h"
#include "tests/unit/base/sample.h"

typedef struct fixture {
    sample top, img;
    uint64_t given[2];
    pn_section sections[2];
} fixture;

/* the keys of a sample at the top, and again under `img` */
static pn_status fill(fixture *f, const char *text, size_t size, pn_err *err)
{
    pn_yaml *y = NULL;
    *f = (fixture){0};
    f->sections[0] = sample_section("", &f->top, &f->given[0]);
    f->sections[1] = sample_section("img", &f->img, &f->given[1]);
    pn_status st = pn_yaml_parse(&y, text, size, "t.yaml", "/base", err);
    if (!st) st = pn_yaml_fill(y, f->sections, 2, err);
    pn_yaml_close(&y);
    return st;
}

static void fixture_fini(fixture *f)
{
    for (int i = 0; i < 2; i++)
        pn_fields_fini(&f->sections[i]);
}

static void a_byte_order_mark_is_passed_over(void **state)
{
    (void)state;
    static const char text[] = "\xEF\xBB\xBFname: x\n";
    fixture f;
    assert_int_equal(fill(&f, text, strlen(text), NULL), PN_OK);
    assert_string_equal(f.top.name, "x");
    fixture_fini(&f);
}

static void values_land_in_their_sections(void **state)
{
    (void)state;
    static const char text[] = "# a comment\n"
                               "flag: false\n"
                               "name: 'quoted: text'\n"
                               "words: jpg, png # no brackets\n"
                               "img:\n"
                               "  size: [224, 192]\n"
                               "  mean:\n"
                               "    - 103.9\n"
                               "    - 116.8\n"
                               "    - 123.7\n"
                               "  words: [\"a, b\", c]\n"
                               "  path: sub/x.jpg\n"
                               "  colour: \"red\"\n"
                               "  threads: auto\n"
                               "  limit: 1%\n";
    fixture f;
    pn_err err = {0};
    pn_status st = fill(&f, text, strlen(text), &err);
    if (st) print_error("%s\n", pn_err_text(&err));
    assert_int_equal(st, PN_OK);
    assert_string_equal(f.top.name, "quoted: text");
    assert_string_equal(f.top.words[1], "png");
    assert_int_equal(f.img.size[1], 192);
    assert_true(f.img.mean[2] == 123.7);
    assert_string_equal(f.img.words[0], "a, b");
    assert_string_equal(f.img.path, "/base/sub/x.jpg");
    assert_true(f.img.limit.is_percent);
    assert_true(pn_field_given(&f.sections[1], "colour"));
    assert_false(pn_field_given(&f.sections[0], "colour"));
    fixture_fini(&f);
}

static void refusals_name_file_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"count: 5x\n", "t.yaml:1:8: count: \"5x\" is not a whole number from 1 to 10"},
        {"\n\nimg:\n  count:   010\n",
         "t.yaml:4:12: img.count: \"010\" is not a whole number from 1 to 10"},
        {"flag: maybe\n", "t.yaml:1:7: flag: \"maybe\" is not true or false"},
        {"flag: yes\n", "t.yaml:1:7: flag: \"yes\" is not true or false"},
        {"count: \"5\"\n", "t.yaml:1:8: count: no quotes round this kind of value"},
        {"flag: 'true'\n", "t.yaml:1:7: flag: no quotes round this kind of value"},
        {"mean: [1, 2, \"3\"]\n",
         "t.yaml:1:14: mean: no quotes round this kind of value"},
        {"count:\n", "t.yaml:1:7: count: there is no value"},
        {"name: ~\n", "t.yaml:1:7: name: there is no value"},
        {"name: null\n", "t.yaml:1:7: name: there is no value"},
        {"name: \"a\\0b\"\n", "t.yaml:1:7: name: a NUL byte is not allowed"},
        {"name: [a, b]\n", "t.yaml:1:7: name: one value is wanted, not a list"},
        {"name: {a: b}\n", "t.yaml:1:7: name: a plain value is wanted here"},
        {"mean: [1, [2], 3]\n", "t.yaml:1:11: mean: a plain value is wanted here"},
        {"mean: 1, 2, 3\n", "t.yaml:1:7: mean: 1 items where 3 are wanted"},
        {"words: []\n", "t.yaml:1:8: words: the list is empty"},
        {"img: 5\n", "t.yaml:1:6: img: keys are wanted under it"},
        {"img:\n", "t.yaml:1:5: img: keys are wanted under it"},
        {"img:\n  siez: [1, 2]\n",
         "t.yaml:2:3: unknown key img.siez; did you mean size?"},
        {"imgs: {}\n", "t.yaml:1:1: unknown key imgs; did you mean img?"},
        {"? [a]\n: 5\n", "t.yaml:1:3: a key must be a text"},
        {"count: 5\nflag: true\ncount: 6\n",
         "t.yaml:3:1: count is given twice; first at t.yaml:1:1"},
        {"img: {count: 5, count: 5}\n",
         "t.yaml:1:17: count is given twice; first at t.yaml:1:7"},
        {"img: {count: 5}\nimg: {flag: true}\n",
         "t.yaml:2:1: img is given twice; first at t.yaml:1:1"},
        {"name: &x a\n", "t.yaml:1:7: anchors are not allowed"},
        {"img: *x\n", "t.yaml:1:6: aliases are not allowed"},
        {"count: !!int 5\n", "t.yaml:1:8: tags are not allowed"},
        {"flag: true\n---\nflag: true\n", "t.yaml:2:1: a second document is not allowed"},
        {"", "t.yaml:1:1: the file is empty"},
        {"# nothing\n", "t.yaml:1:1: the file is empty"},
        {"- a\n", "t.yaml:1:1: a mapping (key: value) is wanted here"},
        {"just text\n", "t.yaml:1:1: a mapping (key: value) is wanted here"},
        {"a: b: c\n", "t.yaml:1:5: mapping values are not allowed in this context"},
        {"<<: {count: 5}\n", "t.yaml:1:1: unknown key <<; there are: flag, count, "
                             "threads, scale, mean, size, "
                             "name, path, words, colour, limit, img"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fixture f;
        pn_err err = {0};
        assert_int_equal(fill(&f, cases[i].text, strlen(cases[i].text), &err),
                         PN_ECONFIG);
        assert_string_equal(pn_err_text(&err), cases[i].message);
        pn_err_clear(&err);
        fixture_fini(&f);
    }
}

static void deep_nesting_is_refused_before_it_costs_anything(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *text = malloc(N);
    fixture f;
    pn_err err = {0};
    assert_non_null(text);
    memset(text, '[', N);
    assert_int_equal(fill(&f, text, N, &err), PN_ECONFIG);
    assert_string_equal(pn_err_text(&err),
                        "t.yaml:1:33: nested more than 32 levels deep");
    pn_err_clear(&err);
    fixture_fini(&f);
    free(text);
}

static void large_files_are_refused(void **state)
{
    (void)state;
    enum { N = (1 << 20) + 1 };
    char *text = malloc(N);
    fixture f;
    pn_err err = {0};
    assert_non_null(text);
    memset(text, '#', N);
    assert_int_equal(fill(&f, text, N, &err), PN_ECONFIG);
    assert_string_equal(pn_err_text(&err),
                        "t.yaml: 1048577 bytes: at most 1048576 are allowed");
    pn_err_clear(&err);
    assert_int_equal(fill(&f, text, N - 1, &err), PN_ECONFIG); /* read, and empty */
    assert_string_equal(pn_err_text(&err), "t.yaml:1:1: the file is empty");
    pn_err_clear(&err);
    fixture_fini(&f);
    free(text);
}

static void bytes_that_are_no_utf8_are_refused(void **state)
{
    (void)state;
    static const char text[] = "name: a\xff\n";
    fixture f;
    pn_err err = {0};
    assert_int_equal(fill(&f, text, strlen(text), &err), PN_ECONFIG);
    assert_non_null(strstr(pn_err_text(&err), "t.yaml: byte 7: "));
    pn_err_clear(&err);
    fixture_fini(&f);
}

static void a_damaged_text_never_crashes(void **state)
{
    (void)state;
    static const char good[] = "flag: false\nimg:\n  size: [224, 192]\n  name: \"a\\n\"\n"
                               "  words:\n    - b\n    - 'c'\nlimit: 1%\n";
    const size_t n = strlen(good);
    uint64_t seed = 88172645463325252u;
    for (int round = 0; round < 3000; round++) {
        char text[sizeof(good)];
        fixture f;
        memcpy(text, good, sizeof(good));
        for (int flips = round % 4; flips >= 0; flips--) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            text[seed % n] = (char)(seed >> 32);
        }
        pn_status st = fill(&f, text, round % 2 ? n : (size_t)round % n, NULL);
        assert_true(st == PN_OK || st == PN_ECONFIG);
        fixture_fini(&f);
    }
}

static void peek_finds_a_scalar_and_its_place(void **state)
{
    (void)state;
    static const char text[] = "input:\n  kind: lmdb\n  list: [a]\n";
    pn_yaml *y = NULL;
    char *where = NULL;
    assert_int_equal(pn_yaml_parse(&y, text, strlen(text), "t.yaml", NULL, NULL), PN_OK);
    assert_string_equal(pn_yaml_peek(y, "input", "kind", &where), "lmdb");
    assert_string_equal(where, "t.yaml:2:9");
    free(where);
    assert_null(pn_yaml_peek(y, "input", "list", NULL));
    assert_null(pn_yaml_peek(y, "input", "none", NULL));
    assert_null(pn_yaml_peek(y, "output", "kind", NULL));
    pn_yaml_close(&y);
}

static void load_reads_a_file_and_wants_what_is_required(void **state)
{
    (void)state;
    char path[] = "/tmp/penult-yaml-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "count: 4\n", 9), 9);
    sample v = {0};
    uint64_t given = 0;
    const pn_section s = sample_section("", &v, &given);
    pn_err err = {0};
    char message[128];
    assert_int_equal(pn_yaml_load(path, &s, 1, &err), PN_ECONFIG);
    snprintf(message, sizeof(message), "%s: size is missing: [height, width] in pixels",
             path);
    assert_string_equal(pn_err_text(&err), message);
    pn_err_clear(&err);
    assert_int_equal(write(fd, "size: [1, 2]\n", 13), 13);
    close(fd);
    assert_int_equal(pn_yaml_load(path, &s, 1, &err), PN_OK);
    assert_int_equal(v.count, 4);
    assert_int_equal(v.colour, 1);
    unlink(path);
    assert_int_equal(pn_yaml_load(path, &s, 1, &err), PN_ENOENT);
    pn_err_clear(&err);
    pn_fields_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_byte_order_mark_is_passed_over),
        cmocka_unit_test(values_land_in_their_sections),
        cmocka_unit_test(refusals_name_file_line_and_column),
        cmocka_unit_test(deep_nesting_is_refused_before_it_costs_anything),
        cmocka_unit_test(large_files_are_refused),
        cmocka_unit_test(bytes_that_are_no_utf8_are_refused),
        cmocka_unit_test(a_damaged_text_never_crashes),
        cmocka_unit_test(peek_finds_a_scalar_and_its_place),
        cmocka_unit_test(load_reads_a_file_and_wants_what_is_required),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
