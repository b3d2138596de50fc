/* Arrays as numpy writes them, and as nobody should: npy_cases.bin has both. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/import_mxnet.h"
#include "model/npy.h"
#include "onnx_cases.h"
#include "tests/support/alloc_fail.h"

enum { MAX_ELEMENTS = 200000 };

static char path[] = "t.npz";

static pn_file *open_cases(void)
{
    pn_file *f = NULL;
    assert_int_equal(
        pn_file_open(&f, PN_SOURCE_DIR "/tests/unit/model/npy_cases.bin", NULL), PN_OK);
    return f;
}

/* every element, in pieces that fall across the reader's own */
static void read_elements(const pn_npy_array *a, double *out)
{
    const int64_t n = pn_shape_count(&a->shape);
    float *f32 = malloc(((size_t)n + 1) * sizeof(*f32));
    assert_non_null(f32);
    for (int64_t i = 0, step = 1; i < n; i += step, step = 2 * step + 1) {
        const int64_t now = n - i < step ? n - i : step;
        assert_int_equal(pn_npy_to_f64(a, i, now, out + i), PN_OK);
        assert_int_equal(pn_npy_to_f32(a, i, now, f32 + i), PN_OK);
    }
    for (int64_t i = 0; i < n; i++) {
        const float want = (float)out[i]; /* long integers are rounded twice here */
        assert_true(f32[i] == want || (f32[i] != f32[i] && want != want) ||
                    fabsf(f32[i] - want) <= 0x1p-23F * fabsf(want));
    }
    assert_int_equal(pn_npy_to_f64(a, n, 0, out), PN_OK);
    assert_int_equal(pn_npy_to_f64(a, n, 1, out), PN_EINVAL);
    assert_int_equal(pn_npy_to_f64(a, -1, 1, out), PN_EINVAL);
    assert_int_equal(pn_npy_to_f32(a, 0, INT64_MAX, f32), PN_EINVAL);
    free(f32);
}

/* all elements of all arrays behind each other; *n counts them */
static pn_status read_all(const void *bytes, size_t size, double *out, int *arrays,
                          size_t *n, pn_err *err)
{
    const pn_file f = {.path = path, .data = bytes, .size = size};
    pn_npz *z = NULL;
    *arrays = 0;
    *n = 0;
    pn_status st = pn_npz_open(&z, &f, err);
    if (st) assert_null(z);
    for (int i = 0; !st && i < pn_npz_count(z); i++) {
        pn_npy_array a;
        void *memory;
        st = pn_npz_read(z, i, &a, &memory, err);
        if (st) break;
        const size_t count = (size_t)pn_shape_count(&a.shape);
        if (*n + count <= MAX_ELEMENTS) read_elements(&a, out + *n);
        *n += count;
        ++*arrays;
        free(memory);
    }
    pn_npz_close(&z);
    return st;
}

static void check_good(const onnx_case *c, int arrays, const double *got, size_t n)
{
    int want_arrays = 0;
    size_t want_n = 0;
    assert_int_equal(sscanf(c->verdict, "ok %d %zu", &want_arrays, &want_n), 2);
    assert_int_equal(arrays, want_arrays);
    assert_int_equal(n, want_n);
    for (size_t i = 0; i < n; i++) {
        double want;
        memcpy(&want, c->expected + i * sizeof(want), sizeof(want));
        if (got[i] != want && (got[i] == got[i] || want == want))
            fail_msg("%s: element %zu is %.17g, must be %.17g", c->name, i, got[i], want);
    }
}

static void check(const onnx_case *c, double *room)
{
    pn_err err = {0};
    int arrays;
    size_t n;
    const pn_status st = read_all(c->model, c->model_size, room, &arrays, &n, &err);
    const char *part = strchr(c->verdict, ' ') + 1;
    const pn_status want = strncmp(c->verdict, "ok ", 3) == 0       ? PN_OK
                           : strncmp(c->verdict, "format ", 7) == 0 ? PN_EFORMAT
                                                                    : PN_EUNSUPPORTED;
    if (st != want)
        fail_msg("%s: %s (%s), must be %s", c->name, pn_status_name(st),
                 pn_err_text(&err), c->verdict);
    if (st == PN_OK) {
        check_good(c, arrays, room, n);
    } else {
        assert_int_equal(strncmp(pn_err_text(&err), path, strlen(path)), 0);
        if (!strstr(pn_err_text(&err), part))
            fail_msg("%s: \"%s\" is not in \"%s\"", c->name, part, pn_err_text(&err));
    }
    pn_err_clear(&err);
}

static void for_each_case(void (*f)(const onnx_case *c, double *room))
{
    double *room = malloc(MAX_ELEMENTS * sizeof(*room));
    pn_file *file = open_cases();
    onnx_case c = {0};
    size_t at = 0;
    int n = 0;
    assert_non_null(room);
    for (; case_next(file, &at, &c); n++) {
        f(&c, room);
        case_fini(&c);
    }
    assert_true(n > 150);
    pn_file_close(&file);
    free(room);
}

static void arrays_are_what_numpy_wrote_and_lies_are_refused(void **state)
{
    (void)state;
    for_each_case(check);
}

static void truncate_everywhere(const onnx_case *c, double *room)
{
    if (c->model_size > 1500 || strncmp(c->verdict, "ok", 2) != 0) return;
    for (size_t size = 0; size < c->model_size; size++) {
        pn_err err = {0};
        int arrays;
        size_t n;
        char *copy = malloc(size + (size == 0));
        assert_non_null(copy);
        memcpy(copy, c->model, size);
        if (read_all(copy, size, room, &arrays, &n, &err) == PN_OK)
            fail_msg("%s: its first %zu bytes are taken for all", c->name, size);
        assert_non_null(err.text);
        pn_err_clear(&err);
        free(copy);
    }
}

static void every_truncation_is_an_error(void **state)
{
    (void)state;
    for_each_case(truncate_everywhere);
}

static void flip_everywhere(const onnx_case *c, double *room)
{
    uint32_t random = 1;
    if (c->model_size > 1000) return;
    for (size_t i = 0; i < c->model_size; i++)
        for (int k = 0; k < 4; k++) {
            const char old = c->model[i];
            int arrays;
            size_t n;
            random = random * 1664525 + 1013904223;
            c->model[i] = k == 0 ? '\xFF' : k == 1 ? '\x7F' : (char)(random >> 24);
            (void)!read_all(c->model, c->model_size, room, &arrays, &n, NULL);
            c->model[i] = old;
        }
}

static void no_flipped_byte_is_a_crash(void **state)
{
    (void)state;
    for_each_case(flip_everywhere);
}

static void fail_every_allocation(const onnx_case *c, double *room)
{
    pn_status st = PN_ENOMEM;
    if (strncmp(c->verdict, "ok", 2) != 0) return;
    pn_alloc_fail_at(-1);
    for (long i = 0; st == PN_ENOMEM; i++) {
        const pn_file f = {
            .path = path, .data = (const unsigned char *)c->model, .size = c->model_size};
        pn_npz *z = NULL;
        pn_err err = {0};
        pn_npy_array a;
        void *memory = NULL;
        pn_alloc_fail_at(i);
        st = pn_npz_open(&z, &f, &err);
        for (int k = 0; !st && k < pn_npz_count(z); k++) {
            st = pn_npz_read(z, k, &a, &memory, &err);
            free(memory);
            memory = NULL;
        }
        pn_alloc_fail_at(-1);
        if (st) assert_int_equal(err.status, PN_ENOMEM);
        pn_npz_close(&z);
        pn_err_clear(&err);
        assert_true(i < 1000);
    }
    assert_int_equal(st, PN_OK);
    (void)room;
}

static void every_failing_allocation_is_enomem(void **state)
{
    (void)state;
    for_each_case(fail_every_allocation);
}

/* the same bytes as a .params file */
static void fail_every_allocation_of_the_import(const onnx_case *c, double *room)
{
    (void)room;
    pn_status st = PN_ENOMEM;
    if (!strstr(c->name, "checkpoint")) return;
    for (long i = 0; st == PN_ENOMEM; i++) {
        const pn_file f = {
            .path = path, .data = (const unsigned char *)c->model, .size = c->model_size};
        pn_mx_params *p = NULL;
        pn_err err = {0};
        pn_alloc_fail_at(i);
        st = pn_mx_params_read(&p, &f, &err);
        pn_alloc_fail_at(-1);
        assert_true((st == PN_OK) == (p != NULL));
        pn_mx_params_free(&p);
        pn_err_clear(&err);
        assert_true(i < 1000);
    }
    assert_int_equal(st, PN_OK);
}

static void every_failing_allocation_of_the_import_is_enomem(void **state)
{
    (void)state;
    for_each_case(fail_every_allocation_of_the_import);
}

static void the_header_of_an_object_array_can_be_had(void **state)
{
    (void)state;
    static const char object[] =
        "\x93NUMPY\1\0\x3b\0"
        "{'descr': '|O', 'fortran_order': False, 'shape': (), }    "
        "\n\x80\3N.";
    pn_npy_array a;
    assert_int_equal(pn_npy_parse_header(&a, object, sizeof(object) - 1, "o", NULL),
                     PN_OK);
    assert_string_equal(a.descr, "|O");
    assert_false(a.has_dtype);
    assert_int_equal(a.shape.ndim, 0);
    assert_int_equal(a.size_bytes, 4);
    assert_memory_equal(a.data, "\x80\3N.", 4);
}

static void plain_elements_stay_where_they_are(void **state)
{
    (void)state;
    static const char array[] =
        "\x93NUMPY\1\0\x3a\0"
        "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), } \nABCD";
    pn_npy_array a;
    assert_int_equal(pn_npy_parse(&a, array, sizeof(array) - 1, "o", NULL), PN_OK);
    assert_true(pn_npy_is_plain(&a)); /* of one dimension there is one order */
    assert_ptr_equal(a.data, array + sizeof(array) - 5);
    assert_int_equal(a.size_bytes, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_what_numpy_wrote_and_lies_are_refused),
        cmocka_unit_test(every_truncation_is_an_error),
        cmocka_unit_test(no_flipped_byte_is_a_crash),
        cmocka_unit_test(every_failing_allocation_is_enomem),
        cmocka_unit_test(every_failing_allocation_of_the_import_is_enomem),
        cmocka_unit_test(the_header_of_an_object_array_can_be_had),
        cmocka_unit_test(plain_elements_stay_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
