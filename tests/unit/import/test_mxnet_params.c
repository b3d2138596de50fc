/* .params files of every version, by hand, and every way of lying in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint.h"

static const int64_t two_by_three[] = {2, 3};
static const float six[] = {1, -2, 3, -4, 5, -6};

/* the array as float32, in memory of its own */
static float *floats_of(const pn_mx_array *a, pn_graph *g, size_t *n)
{
    size_t size;
    const void *data = pn_mx_array_f32(a, g, &size);
    assert_non_null(data);
    float *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    *n = size / sizeof(float);
    return copy;
}

static void expect_floats(const pn_mx_array *a, const float *want, size_t n_want)
{
    pn_graph *g;
    size_t n;
    assert_non_null(a);
    assert_int_equal(pn_graph_new(&g, "t"), PN_OK);
    float *got = floats_of(a, g, &n);
    assert_int_equal(n, n_want);
    for (size_t i = 0; i < n; i++)
        assert_true(got[i] == want[i]);
    free(got);
    pn_graph_free(&g);
}

static void every_version_holds_the_same_array(void **state)
{
    (void)state;
    static const char *const names[] = {"arg:conv0_weight", NULL};
    for (int version = 0; version <= 3; version++) {
        bytes b = {0};
        unsigned char *copy;
        pn_mx_params *p;
        pn_err err = {0};
        put_list_head(&b, 1);
        put_array(&b, version, 2, two_by_three, 0, six, sizeof(six));
        put_names(&b, names);
        assert_int_equal(read_params(&p, &b, &copy, &err), PN_OK);
        assert_int_equal(p->n_arrays, 1);
        assert_true(p->has_names);
        const pn_mx_array *a = pn_mx_params_find(p, "conv0_weight");
        assert_non_null(a);
        assert_int_equal(a->shape.ndim, 2);
        assert_int_equal(a->shape.dim[0], 2);
        assert_int_equal(a->shape.dim[1], 3);
        assert_ptr_equal(a->data >= copy && a->data < copy + b.size ? copy : NULL, copy);
        expect_floats(a, six, 6);
        assert_null(pn_mx_params_find(p, "arg:conv0_weight"));
        pn_mx_params_free(&p);
        free(copy);
        bytes_fini(&b);
    }
}

static void every_element_type_becomes_float(void **state)
{
    (void)state;
    static const struct {
        int type_flag;
        pn_dtype dtype;
        unsigned char bytes[16];
        size_t size;
        float want[2];
    } cases[] = {
        {1,
         PN_F64,
         {0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 0, 0, 0, 0, 0, 0, 0, 0xC0},
         16,
         {1.5F, -2}},
        {2, PN_F16, {0x00, 0x3C, 0x01, 0x00}, 4, {1, 0x1p-24F}},
        {3, PN_U8, {7, 255}, 2, {7, 255}},
        {4, PN_I32, {0xFE, 0xFF, 0xFF, 0xFF, 9, 0, 0, 0}, 8, {-2, 9}},
        {5, PN_I8, {0x80, 0x7F}, 2, {-128, 127}},
        {6,
         PN_I64,
         {1, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
         16,
         {1, -1}},
        {7, PN_BOOL, {0, 1}, 2, {0, 1}},
        {8, PN_I16, {0xFF, 0xFF, 2, 1}, 4, {-1, 258}},
        {9, PN_U16, {0xFF, 0xFF, 2, 1}, 4, {65535, 258}},
        {10, PN_U32, {3, 0, 0, 0, 4, 0, 0, 0}, 8, {3, 4}},
        {11, PN_U64, {3, 0, 0, 0, 0, 0, 0, 0, 4}, 16, {3, 4}},
        {12, PN_BF16, {0xC0, 0x3F, 0x00, 0xC0}, 4, {1.5F, -2}},
    };
    static const int64_t two[] = {2};
    static const char *const names[] = {"w", NULL};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bytes b = {0};
        unsigned char *copy;
        pn_mx_params *p;
        put_list_head(&b, 1);
        put_array(&b, 2, 1, two, cases[i].type_flag, cases[i].bytes, cases[i].size);
        put_names(&b, names);
        assert_int_equal(read_params(&p, &b, &copy, NULL), PN_OK);
        assert_int_equal(p->arrays[0].dtype, cases[i].dtype);
        expect_floats(&p->arrays[0], cases[i].want, 2);
        pn_mx_params_free(&p);
        free(copy);
        bytes_fini(&b);
    }
}

static void names_are_optional_and_foreign_sections_are_skipped(void **state)
{
    (void)state;
    static const char *const names[] = {"aux:a", "b", "opt:c", "arg:d:e", NULL};
    bytes b = {0};
    unsigned char *copy;
    pn_mx_params *p;
    put_list_head(&b, 4);
    for (int i = 0; i < 4; i++)
        put_array(&b, i, 2, two_by_three, 0, six, sizeof(six));
    size_t end = b.size;
    put_names(&b, names);
    assert_int_equal(read_params(&p, &b, &copy, NULL), PN_OK);
    assert_ptr_equal(pn_mx_params_find(p, "a"), &p->arrays[0]);
    assert_ptr_equal(pn_mx_params_find(p, "b"), &p->arrays[1]);
    assert_null(pn_mx_params_find(p, "c"));
    assert_ptr_equal(pn_mx_params_find(p, "d:e"), &p->arrays[3]);
    pn_mx_params_free(&p);
    free(copy);

    b.size = end;
    put_u64(&b, 0);
    assert_int_equal(read_params(&p, &b, &copy, NULL), PN_OK);
    assert_int_equal(p->n_arrays, 4);
    assert_false(p->has_names);
    assert_null(pn_mx_params_find(p, "a"));
    pn_mx_params_free(&p);
    free(copy);
    bytes_fini(&b);
}

static void empty_arrays_end_after_their_shape_and_v3_has_scalars(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e", NULL};
    static const int64_t unknown[] = {3, -1}, nothing[] = {0, 4};
    static const float pi = 3.25F;
    bytes b = {0};
    unsigned char *copy;
    pn_mx_params *p;
    put_list_head(&b, 5);
    put_array(&b, 0, 0, NULL, 0, NULL, 0);
    put_array(&b, 2, 0, NULL, 0, NULL, 0);
    put_array(&b, 3, 0, NULL, 0, &pi, sizeof(pi));
    put_u32(&b, 0xF993FACA); /* V3, dense, of unknown shape */
    put_u32(&b, 0);
    put_u32(&b, 2);
    put(&b, unknown, sizeof(unknown));
    put_array(&b, 1, 2, nothing, 0, NULL, 0);
    put_names(&b, names);
    assert_int_equal(read_params(&p, &b, &copy, NULL), PN_OK);
    assert_true(pn_mx_params_find(p, "a")->is_none);
    assert_true(pn_mx_params_find(p, "b")->is_none);
    assert_false(pn_mx_params_find(p, "c")->is_none);
    expect_floats(pn_mx_params_find(p, "c"), &pi, 1);
    assert_true(pn_mx_params_find(p, "d")->is_none);
    assert_int_equal(pn_mx_params_find(p, "e")->size_bytes, 0);
    pn_mx_params_free(&p);
    free(copy);
    bytes_fini(&b);
}

/* storage, stored shape, shape, device, type; then what the caller adds */
static void put_sparse_head(bytes *b, uint32_t storage, int stored_ndim,
                            const int64_t *stored, int64_t rows, int64_t columns)
{
    put_u32(b, 0xF993FAC9);
    put_u32(b, storage);
    put_u32(b, (uint32_t)stored_ndim);
    put(b, stored, (size_t)stored_ndim * 8);
    put_u32(b, 2);
    put_u64(b, (uint64_t)rows);
    put_u64(b, (uint64_t)columns);
    put_u32(b, 1);
    put_u32(b, 0);
    put_u32(b, 0);
}

static void put_index_head(bytes *b, int64_t n)
{
    put_u32(b, 6);
    put_u32(b, 1);
    put_u64(b, (uint64_t)n);
}

static void put_row_sparse(bytes *b, int64_t rows, const int64_t index[2])
{
    static const int64_t stored[] = {2, 2};
    static const float data[] = {1, 2, 3, 4};
    put_sparse_head(b, 1, 2, stored, rows, 2);
    put_index_head(b, 2);
    put(b, data, sizeof(data));
    put(b, index, 16);
}

static void put_csr(bytes *b, const int64_t starts[4], const int64_t columns[2])
{
    static const int64_t stored[] = {2};
    static const float data[] = {7, 8};
    put_sparse_head(b, 2, 1, stored, 3, 2);
    put_index_head(b, 4);
    put_index_head(b, 2);
    put(b, data, sizeof(data));
    put(b, starts, 32);
    put(b, columns, 16);
}

static void sparse_arrays_are_made_dense(void **state)
{
    (void)state;
    static const int64_t rows[] = {1, 3}, starts[] = {0, 1, 1, 2}, columns[] = {1, 0};
    static const float by_row[] = {0, 0, 1, 2, 0, 0, 3, 4}, csr[] = {0, 7, 0, 0, 8, 0};
    static const char *const names[] = {"r", "c", NULL};
    bytes b = {0};
    unsigned char *copy;
    pn_mx_params *p;
    put_list_head(&b, 2);
    put_row_sparse(&b, 4, rows);
    put_csr(&b, starts, columns);
    put_names(&b, names);
    assert_int_equal(read_params(&p, &b, &copy, NULL), PN_OK);
    expect_floats(pn_mx_params_find(p, "r"), by_row, 8);
    expect_floats(pn_mx_params_find(p, "c"), csr, 6);
    pn_mx_params_free(&p);
    free(copy);
    bytes_fini(&b);
}

static void expect_refusal(const bytes *b, pn_status want, const char *part)
{
    unsigned char *copy;
    pn_mx_params *p = NULL;
    pn_err err = {0};
    assert_int_equal(read_params(&p, b, &copy, &err), want);
    assert_null(p);
    assert_int_equal(strncmp(pn_err_text(&err), "t.params", 8), 0);
    if (!strstr(pn_err_text(&err), part))
        fail_msg("\"%s\" is not in \"%s\"", part, pn_err_text(&err));
    pn_err_clear(&err);
    free(copy);
}

static void lying_sparse_arrays_are_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t rows, index[2];
        const char *part;
    } by_row[] = {
        {4, {3, 1}, "row index 1"},
        {4, {1, 1}, "row index 1"},
        {4, {-1, 1}, "row index -1"},
        {4, {1, 4}, "row index 4"},
        {INT64_C(1) << 40, {1, 4}, "when dense"},
        {-1, {1, 4}, "dimension 0"},
    };
    static const struct {
        int64_t starts[4], columns[2];
        const char *part;
    } csr[] = {
        {{0, 1, 1, 3}, {1, 0}, "row 3"},    {{1, 1, 1, 2}, {1, 0}, "row 0"},
        {{0, 2, 1, 2}, {1, 0}, "row 2"},    {{0, 1, 1, 1}, {1, 0}, "row 3"},
        {{0, 1, 1, 2}, {2, 0}, "column 2"}, {{0, 1, 1, 2}, {1, -1}, "column -1"},
    };
    for (size_t i = 0; i < sizeof(by_row) / sizeof(by_row[0]); i++) {
        bytes b = {0};
        put_list_head(&b, 1);
        put_row_sparse(&b, by_row[i].rows, by_row[i].index);
        put_u64(&b, 0);
        expect_refusal(&b, PN_EFORMAT, by_row[i].part);
        bytes_fini(&b);
    }
    for (size_t i = 0; i < sizeof(csr) / sizeof(csr[0]); i++) {
        bytes b = {0};
        put_list_head(&b, 1);
        put_csr(&b, csr[i].starts, csr[i].columns);
        put_u64(&b, 0);
        expect_refusal(&b, PN_EFORMAT, csr[i].part);
        bytes_fini(&b);
    }
}

static void lying_heads_are_refused_by_name_and_place(void **state)
{
    (void)state;
    static const int64_t one[] = {1}, huge[] = {INT64_C(1) << 62, 8}, minus[] = {2, -3};
    static const struct {
        int version, ndim;
        const int64_t *dim;
        int type_flag;
        pn_status want;
        const char *part;
    } cases[] = {
        {2, 2, huge, 0, PN_EFORMAT,
         "array 0 at byte 24: 4611686018427387904x8 of float32"},
        {2, 2, minus, 0, PN_EFORMAT, "dimension 1 is -3"},
        {2, 1, one, 13, PN_EFORMAT, "unknown element type 13"},
        {2, 1, one, -1, PN_EFORMAT, "unknown element type -1"},
        {2, 33, one, 0, PN_EFORMAT, "33 dimensions"},
        {2, -1, one, 0, PN_EFORMAT, "-1 dimensions"},
        {0, 33, one, 0, PN_EFORMAT, "0x00000021"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t dim[40] = {0};
        bytes b = {0};
        int ndim = cases[i].ndim;
        memcpy(dim, cases[i].dim, ndim == 2 ? 16 : 8);
        put_list_head(&b, 1);
        if (ndim < 0) {
            put_u32(&b, 0xF993FAC9);
            put_u32(&b, 0);
            put_u32(&b, (uint32_t)ndim);
        } else {
            put_array(&b, cases[i].version, ndim, dim, cases[i].type_flag, six, 24);
        }
        put_u64(&b, 0);
        expect_refusal(&b, cases[i].want, cases[i].part);
        bytes_fini(&b);
    }
}

static void counts_are_held_against_the_bytes_left(void **state)
{
    (void)state;
    bytes b = {0};
    put_list_head(&b, UINT64_C(1) << 60);
    put_u64(&b, 0);
    expect_refusal(&b, PN_EFORMAT, "claims 1152921504606846976 arrays");
    bytes_fini(&b);

    put_list_head(&b, 1);
    put_array(&b, 2, 2, two_by_three, 0, six, sizeof(six));
    size_t end = b.size;
    put_u64(&b, 2);
    put_u64(&b, 0);
    put_u64(&b, 0);
    expect_refusal(&b, PN_EFORMAT, "claims 2 names for 1 arrays");
    b.size = end;
    put_u64(&b, 1);
    put_u64(&b, UINT64_MAX);
    expect_refusal(&b, PN_EFORMAT, "name 0");
    b.size = end;
    put_u64(&b, 0);
    put_u32(&b, 0);
    expect_refusal(&b, PN_EFORMAT, "4 bytes behind the end");
    bytes_fini(&b);
}

static void names_must_be_text_and_differ(void **state)
{
    (void)state;
    static const char *const twice[] = {"arg:a", "aux:a", NULL};
    static const char *const not_utf8[] = {"arg:a", "arg:\xC0\xAF", NULL};
    bytes b = {0};
    put_list_head(&b, 2);
    put_array(&b, 2, 2, two_by_three, 0, six, sizeof(six));
    put_array(&b, 2, 2, two_by_three, 0, six, sizeof(six));
    size_t end = b.size;
    put_names(&b, twice);
    expect_refusal(&b, PN_EFORMAT, "two arrays are named \"a\"");
    b.size = end;
    put_names(&b, not_utf8);
    expect_refusal(&b, PN_EFORMAT, "name 1");
    bytes_fini(&b);
}

static void foreign_files_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        unsigned char bytes[24];
        pn_status want;
        const char *part;
    } cases[] = {
        {{0, 0, 0, 0, 0, 0, 1, 0x12}, PN_EUNSUPPORTED, "big-endian"},
        {{'P', 'K', 3, 4}, PN_EFORMAT, "without its directory"},
        {{0x93, 'N', 'U', 'M', 'P', 'Y'}, PN_EUNSUPPORTED, "version 0.0"},
        {{0x13, 1}, PN_EFORMAT, "not a .params file"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bytes b = {0};
        put(&b, cases[i].bytes, 24);
        expect_refusal(&b, cases[i].want, cases[i].part);
        bytes_fini(&b);
    }
    bytes future = {0};
    put_list_head(&future, 1);
    put_u32(&future, 0xF993FACB);
    put_u64(&future, 0);
    expect_refusal(&future, PN_EFORMAT, "0xF993FACB");
    bytes_fini(&future);
}

static void put_zoo(bytes *b)
{
    static const int64_t rows[] = {1, 3}, starts[] = {0, 1, 1, 2}, columns[] = {1, 0};
    static const char *const names[] = {"arg:a", "arg:b", "arg:c", "aux:d",
                                        "e",     "f",     NULL};
    put_list_head(b, 6);
    for (int version = 0; version <= 3; version++)
        put_array(b, version, 2, two_by_three, 0, six, sizeof(six));
    put_row_sparse(b, 4, rows);
    put_csr(b, starts, columns);
    put_names(b, names);
}

static void every_truncation_is_an_error(void **state)
{
    (void)state;
    bytes b = {0};
    put_zoo(&b);
    size_t whole = b.size;
    for (b.size = 0; b.size < whole; b.size++) {
        unsigned char *copy;
        pn_mx_params *p = NULL;
        pn_err err = {0};
        assert_int_equal(read_params(&p, &b, &copy, &err), PN_EFORMAT);
        assert_non_null(err.text);
        pn_err_clear(&err);
        free(copy);
    }
    bytes_fini(&b);
}

static void no_flipped_byte_is_a_crash(void **state)
{
    (void)state;
    bytes b = {0};
    put_zoo(&b);
    uint32_t random = 1;
    for (size_t at = 0; at < b.size; at++)
        for (int k = 0; k < 6; k++) {
            unsigned char old = b.data[at], *copy;
            pn_mx_params *p = NULL;
            random = random * 1664525 + 1013904223;
            b.data[at] = k == 0 ? 0xFF : k == 1 ? 0x7F : (unsigned char)(random >> 24);
            if (!read_params(&p, &b, &copy, NULL)) {
                for (int i = 0; i < p->n_arrays; i++) {
                    pn_graph *g;
                    size_t size;
                    assert_int_equal(pn_graph_new(&g, "t"), PN_OK);
                    if (!p->arrays[i].is_none) pn_mx_array_f32(&p->arrays[i], g, &size);
                    pn_graph_free(&g);
                }
                pn_mx_params_free(&p);
            }
            free(copy);
            b.data[at] = old;
        }
    bytes_fini(&b);
}

static void mxnets_own_v0_file_is_read(void **state)
{
    (void)state;
    char *path = shared_file("legacy/legacy_ndarray.v0");
    if (!path) skip();
    pn_file *f;
    pn_mx_params *p;
    assert_int_equal(pn_file_open(&f, path, NULL), PN_OK);
    assert_int_equal(pn_mx_params_read(&p, f, NULL), PN_OK);
    assert_int_equal(p->n_arrays, 6);
    assert_false(p->has_names);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(p->arrays[i].shape.ndim, 1);
        assert_int_equal(p->arrays[i].shape.dim[0], 128);
    }
    pn_mx_params_free(&p);
    pn_file_close(&f);
    free(path);
}

static void an_npz_holds_what_a_params_file_holds(void **state)
{
    (void)state;
    static const float want[] = {1, -2, 3, -4, 5, -6};
    bytes b = numpys_file("checkpoint");
    unsigned char *copy;
    pn_mx_params *p;
    pn_err err = {0};
    assert_int_equal(read_params(&p, &b, &copy, &err), PN_OK);
    assert_int_equal(p->n_arrays, 4);
    assert_int_equal(p->n_named, 3);
    expect_floats(pn_mx_params_find(p, "plain"), want, 6);
    expect_floats(pn_mx_params_find(p, "big"), want, 6);
    expect_floats(pn_mx_params_find(p, "turned"), want, 6);
    assert_null(pn_mx_params_find(p, "none"));
    const unsigned char *plain = pn_mx_params_find(p, "plain")->data;
    assert_true(plain > copy && plain < copy + b.size); /* mapped, not copied */
    pn_mx_params_free(&p);
    free(copy);
    bytes_fini(&b);

    b = numpys_file("compressed checkpoint");
    assert_int_equal(read_params(&p, &b, &copy, &err), PN_OK);
    expect_floats(pn_mx_params_find(p, "half"), want, 6);
    pn_mx_params_free(&p);
    free(copy);
    bytes_fini(&b);

    b = numpys_file("checkpoint of one");
    assert_int_equal(read_params(&p, &b, &copy, &err), PN_OK);
    assert_int_equal(p->n_arrays, 1);
    assert_false(p->has_names);
    expect_floats(&p->arrays[0], want, 6);
    pn_mx_params_free(&p);
    free(copy);
    bytes_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_holds_the_same_array),
        cmocka_unit_test(every_element_type_becomes_float),
        cmocka_unit_test(names_are_optional_and_foreign_sections_are_skipped),
        cmocka_unit_test(empty_arrays_end_after_their_shape_and_v3_has_scalars),
        cmocka_unit_test(sparse_arrays_are_made_dense),
        cmocka_unit_test(lying_sparse_arrays_are_refused),
        cmocka_unit_test(lying_heads_are_refused_by_name_and_place),
        cmocka_unit_test(counts_are_held_against_the_bytes_left),
        cmocka_unit_test(names_must_be_text_and_differ),
        cmocka_unit_test(foreign_files_are_told_apart),
        cmocka_unit_test(every_truncation_is_an_error),
        cmocka_unit_test(no_flipped_byte_is_a_crash),
        cmocka_unit_test(mxnets_own_v0_file_is_read),
        cmocka_unit_test(an_npz_holds_what_a_params_file_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
