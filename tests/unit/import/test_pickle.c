/* test_pickle.c  Arrays that numpy pickled under four protocols, and programs that would
 * do more than that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "model/pickle.h"

/* a copy of exactly that size, so that reading past its end is seen */
static pn_status run(const void *program, size_t size, pn_err *err)
{
    pn_pickle *p = NULL;
    unsigned char *copy = malloc(size + !size);
    assert_non_null(copy);
    memcpy(copy, program, size);
    pn_status st = pn_pickle_read(&p, copy, size, "t", err);
    assert_int_equal(st == PN_OK, p != NULL);
    pn_pickle_free(&p);
    free(copy);
    return st;
}

static pn_file *golden(const char *name, pn_npy_array *header)
{
    char path[1024];
    pn_file *f = NULL;
    snprintf(path, sizeof(path), PN_SOURCE_DIR "/tests/golden/mmdnn/%s", name);
    assert_int_equal(pn_file_open(&f, path, NULL), PN_OK);
    assert_int_equal(pn_npy_parse_header(header, f->data, f->size, name, NULL), PN_OK);
    assert_string_equal(header->descr, "|O");
    return f;
}

static const pn_pickle_item *find(const pn_pickle_item *dict, const char *key)
{
    assert_int_equal(dict->kind, PN_PICKLE_DICT);
    for (size_t i = 0; i + 1 < dict->n; i += 2)
        if (dict->items[i]->text.size == strlen(key) &&
            !memcmp(dict->items[i]->text.at, key, strlen(key)))
            return dict->items[i + 1];
    fail_msg("no key %s", key);
    return NULL;
}

static void same_numbers(const pn_pickle_item *layer, const char *key, const float *want,
                         int64_t n)
{
    const pn_pickle_item *item = find(layer, key);
    float got[8] = {0};
    assert_int_equal(item->kind, PN_PICKLE_ARRAY);
    assert_non_null(item->array);
    assert_int_equal(pn_shape_count(&item->array->shape), n);
    assert_int_equal(pn_npy_to_f32(item->array, 0, n, got), PN_OK);
    assert_memory_equal(got, want, (size_t)n * sizeof(float));
}

static void numpys_own_pickles_are_read(void **state)
{
    (void)state;
    static const char *const names[] = {"pickles/protocol2.npy", "pickles/protocol3.npy",
                                        "pickles/protocol4.npy", "pickles/protocol5.npy"};
    static const char *const six[] = {"plain", "fortran", "big", "half", "double"};
    const float count[] = {0, 1, 2, 3, 4, 5}, one[] = {1.5F}, two[] = {200, -200};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        pn_npy_array header;
        pn_pickle *p = NULL;
        pn_err err = {0};
        pn_file *f = golden(names[i], &header);
        pn_status st = pn_pickle_read(&p, header.data, header.size_bytes, names[i], &err);
        if (st) fail_msg("%s: %s", names[i], pn_err_text(&err));
        const pn_pickle_item *root = pn_pickle_root(p);
        assert_int_equal(root->kind, PN_PICKLE_ARRAY);
        assert_int_equal(root->n, 1);
        const pn_pickle_item *conv = find(root->items[0], "conv"),
                             *fc = find(root->items[0], "fc");
        for (size_t k = 0; k < sizeof(six) / sizeof(*six); k++)
            same_numbers(conv, six[k], count, 6);
        assert_true(find(conv, "fortran")->array->is_fortran);
        assert_true(find(conv, "big")->array->is_big_endian);
        same_numbers(fc, "scalar", one, 1);
        same_numbers(fc, "vector", two, 2);
        pn_pickle_free(&p);
        pn_file_close(&f);
    }
}

/* ---- programs that nobody's weights need ---- */

static void other_instructions_are_refused(void **state)
{
    (void)state;
    static const char known[] = "NJKMGXBTCU(0)]}tldasueqrhjcRb.\x80\x85\x86\x87\x88\x89"
                                "\x8a\x8c\x8d\x8e\x93\x94\x95\x96";
    int n_refused = 0;
    for (int op = 0; op < 256; op++) {
        if (op && strchr(known, op)) continue;
        pn_err err = {0};
        char program[] = {(char)op, 0, 0, 0, 0, 0, 0, 0, 0, '.'}, place[64];
        assert_int_equal(run(program, sizeof(program), &err), PN_EUNSUPPORTED);
        snprintf(place, sizeof(place), "t: byte 0 of the pickle: instruction 0x%02x", op);
        assert_non_null(strstr(pn_err_text(&err), place));
        pn_err_clear(&err);
        n_refused++;
    }
    assert_int_equal(n_refused, 256 - (int)strlen(known));
}

typedef struct hostile {
    const char *bytes;
    size_t size;
    pn_status status;
    const char *says;
} hostile;
#define PROGRAM(bytes, status, says)                                                     \
    {                                                                                    \
        bytes, sizeof(bytes) - 1, status, says                                           \
    }
#define NDARRAY "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR"
#define F4 "cnumpy\ndtype\n(X\2\0\0\0f4\x89\x88tR(K\3U\1<NNNtb"

static const hostile programs[] = {
    PROGRAM("cos\nsystem\n(U\4true\x85R.", PN_EUNSUPPORTED, "os.system"),
    PROGRAM("\x80\4\x8c\10builtins\x8c\4"
            "eval\x93\x8c\1"
            "1\x85R.",
            PN_EUNSUPPORTED, "builtins.eval"),
    PROGRAM("cnumpy\nload\n.", PN_EUNSUPPORTED, "numpy.load"),
    PROGRAM("cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(K\0tU\1btR.",
            PN_EUNSUPPORTED, "a call that numpy does not make"),
    PROGRAM("c_codecs\nencode\n(U\1xU\4utf8tR.", PN_EUNSUPPORTED, "latin1"),
    PROGRAM("ccollections\nOrderedDict\n(]tR.", PN_EUNSUPPORTED, "a call that"),
    PROGRAM("(U\1a)R.", PN_EFORMAT, "calls what is no function"),
    PROGRAM("}(]Nub.", PN_EFORMAT, "the stack is empty"),
    PROGRAM("}(K\1u.", PN_EFORMAT, "adds to what is no dict"),
    PROGRAM("]K\1.a", PN_OK, ""),
    PROGRAM("K\1K\1a.", PN_EFORMAT, "no list"),
    PROGRAM("]}b.", PN_EFORMAT, "sets the state of what has none"),
    PROGRAM("", PN_EFORMAT, "ends before the program"),
    PROGRAM(".", PN_EFORMAT, "not there"),
    PROGRAM("(.", PN_EFORMAT, "not there"),
    PROGRAM("t.", PN_EFORMAT, "no mark"),
    PROGRAM("N\x87.", PN_EFORMAT, "not there"),
    PROGRAM("(N\x87.", PN_EFORMAT, "not there"),
    PROGRAM("\x80\6N.", PN_EUNSUPPORTED, "protocol 6"),
    PROGRAM("B\377\377\377\377x.", PN_EFORMAT, "4294967295 bytes are said, 2 are left"),
    PROGRAM("\x8e\377\377\377\377\377\377\377\377x.", PN_EFORMAT, "are left"),
    PROGRAM("X\2\0\0\0\xC3(.", PN_EFORMAT, "no UTF-8"),
    PROGRAM("\x8a\11\0\0\0\0\0\0\0\0\0.", PN_EUNSUPPORTED, "a number of 9 bytes"),
    PROGRAM("cnumpy", PN_EFORMAT, "a name without an end"),
    PROGRAM("h\0.", PN_EFORMAT, "memo 0 is empty"),
    PROGRAM("q\0.", PN_EFORMAT, "not there"),
    PROGRAM("Nr\377\377\377\377.", PN_EUNSUPPORTED, "memo 4294967295"),
    PROGRAM("Nr\377\377\17\0j\376\377\17\0.", PN_EFORMAT, "memo 1048574 is empty"),
    PROGRAM(NDARRAY "(K\1(K\1t" F4 "\x89U\4\0\0\0\0tb.", PN_OK, ""),
    PROGRAM(NDARRAY "(K\1(K\2t" F4 "\x89U\4\0\0\0\0tb.", PN_EFORMAT,
            "2 elements of <f4 has 4 bytes"),
    PROGRAM(NDARRAY "(K\1(J\377\377\377\377t" F4 "\x89U\4\0\0\0\0tb.", PN_EFORMAT,
            "no whole number"),
    PROGRAM(NDARRAY "(K\1(J\377\377\377\177J\377\377\377\177J\377\377\377\177t" F4
                    "\x89U\4\0\0\0\0tb.",
            PN_EFORMAT, "an array of -1 elements"),
    PROGRAM(NDARRAY "(K\1(K\1K\1K\1K\1K\1K\1K\1K\1K\1t" F4 "\x89U\4\0\0\0\0tb.",
            PN_EUNSUPPORTED, "9 dimensions"),
    PROGRAM(NDARRAY "(K\1(K\1tcnumpy\ndtype\n(X\2\0\0\0U1tR\x89U\4\0\0\0\0tb.",
            PN_EUNSUPPORTED, "type =U1"),
    PROGRAM(NDARRAY "(K\1(K\1tcnumpy\ndtype\n(X\2\0\0\0V4tR(K\3U\1|N))tb",
            PN_EUNSUPPORTED, "fields"),
    PROGRAM(NDARRAY "(K\1(K\1t" F4 "\x89U\4\0\0\0\0tb(K\1(K\1t" F4 "\x89U\4\0\0\0\0tb.",
            PN_EFORMAT, "state is none"),
    PROGRAM(NDARRAY "(K\1)N\x89U\0tb.", PN_EFORMAT, "state is none"),
};

static void hostile_programs_say_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
        pn_err err = {0};
        pn_status st = run(programs[i].bytes, programs[i].size, &err);
        const char *text = pn_err_text(&err);
        if (st != programs[i].status || (st && !strstr(text, programs[i].says)))
            fail_msg("program %zu: %s: %s", i, pn_status_name(st), text);
        pn_err_clear(&err);
    }
}

/* n copies of a stretch between a head and a tail */
static pn_status run_many(const char *head, const char *middle, size_t middle_size,
                          size_t n, const char *tail, pn_err *err)
{
    size_t size = strlen(head) + n * middle_size + strlen(tail);
    char *all = malloc(size + 1), *at = all;
    assert_non_null(all);
    at = stpcpy(at, head);
    for (size_t i = 0; i < n; i++, at += middle_size)
        memcpy(at, middle, middle_size);
    strcpy(at, tail);
    pn_status st = run(all, size, err);
    free(all);
    return st;
}

static void depth_is_no_recursion_and_length_is_bounded(void **state)
{
    (void)state;
    pn_err err = {0};
    assert_int_equal(run_many("N", "\x85", 1, 300000, ".", &err), PN_OK);
    assert_int_equal(run_many("", "(", 1, 300000, "N.", &err), PN_OK);
    assert_int_equal(run_many("N", "N0", 2, PN_PICKLE_MAX_OPS / 2, ".", &err),
                     PN_EUNSUPPORTED);
    assert_non_null(strstr(pn_err_text(&err), "instructions"));
    pn_err_clear(&err);
}

static void containers_may_hold_themselves(void **state)
{
    (void)state;
    pn_pickle *p = NULL;
    const char program[] = "]q\1h\1a.";
    assert_int_equal(pn_pickle_read(&p, program, sizeof(program) - 1, "t", NULL), PN_OK);
    assert_ptr_equal(pn_pickle_root(p)->items[0], pn_pickle_root(p));
    pn_pickle_free(&p);
}

/* the same text decoded again and again: less of it than of the file */
static void decoding_is_bounded_by_the_file(void **state)
{
    (void)state;
    pn_err err = {0};
    unsigned char program[16384];
    size_t size = 0;
    static const unsigned char text[] = {'X', 0xE8, 3, 0, 0};
    memcpy(program, text, sizeof(text));
    memset(program + 5, 'x', 1000);
    size = 1005;
    memcpy(program + size, "q\0000", 3);
    size += 3;
    for (int i = 0; i < 200; i++) {
        static const char again[] = "c_codecs\nencode\n(h\0U\6latin1tR0";
        memcpy(program + size, again, sizeof(again) - 1);
        size += sizeof(again) - 1;
    }
    assert_int_equal(run(program, size, &err), PN_EUNSUPPORTED);
    assert_non_null(strstr(pn_err_text(&err), "again and again"));
    pn_err_clear(&err);
}

/* ---- damage ---- */

static void every_prefix_of_a_file_is_refused(void **state)
{
    (void)state;
    pn_npy_array header;
    pn_file *f = golden("pickles/protocol4.npy", &header);
    for (size_t n = 0; n < header.size_bytes; n++) {
        pn_err err = {0};
        assert_int_equal(run(header.data, n, &err), PN_EFORMAT);
        assert_non_null(strstr(pn_err_text(&err), "t: byte "));
        pn_err_clear(&err);
    }
    pn_file_close(&f);
}

static void every_damaged_byte_is_survived(void **state)
{
    (void)state;
    static const unsigned char values[] = {0, 0xFF, '.', '(', 'R', 'b', 0x95};
    pn_npy_array header;
    pn_file *f = golden("pickles/protocol2.npy", &header);
    unsigned char *copy = malloc(header.size_bytes);
    assert_non_null(copy);
    for (size_t i = 0; i < header.size_bytes; i++)
        for (size_t k = 0; k < sizeof(values); k++) {
            pn_err err = {0};
            memcpy(copy, header.data, header.size_bytes);
            copy[i] = values[k];
            pn_status st = run(copy, header.size_bytes, &err);
            assert_int_equal(st != PN_OK, err.status != PN_OK);
            pn_err_clear(&err);
        }
    free(copy);
    pn_file_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numpys_own_pickles_are_read),
        cmocka_unit_test(other_instructions_are_refused),
        cmocka_unit_test(hostile_programs_say_what_is_wrong),
        cmocka_unit_test(depth_is_no_recursion_and_length_is_bounded),
        cmocka_unit_test(containers_may_hold_themselves),
        cmocka_unit_test(decoding_is_bounded_by_the_file),
        cmocka_unit_test(every_prefix_of_a_file_is_refused),
        cmocka_unit_test(every_damaged_byte_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
