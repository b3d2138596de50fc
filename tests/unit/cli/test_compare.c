/* A net of two nodes against an archive that numpy wrote, and with every allocation
 * failing once; and what makes two arrays differ. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/compare.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/model/onnx_cases.h"

typedef struct files {
    char folder[32], model[64], input[64], expect[64];
} files;

/* x = Relu(data), y = x + 1, of three numbers an image */
static void write_model(const char *path)
{
    static const float one[1] = {1};
    const pn_shape batch = {.ndim = 2, .dim = {PN_DIM_FREE, 3}},
                   scalar = {.ndim = 1, .dim = {1}};
    pn_graph *g;
    int data, x, y, c, node;
    assert_int_equal(pn_graph_new(&g, "t"), PN_OK);
    assert_int_equal(pn_graph_add_value(g, "data", PN_F32, &batch, &data, NULL), PN_OK);
    assert_int_equal(pn_graph_add_value(g, "x", PN_F32, NULL, &x, NULL), PN_OK);
    assert_int_equal(pn_graph_add_value(g, "y", PN_F32, NULL, &y, NULL), PN_OK);
    assert_int_equal(
        pn_graph_add_const(g, "one", PN_F32, &scalar, one, 4, false, &c, NULL), PN_OK);
    assert_int_equal(pn_graph_add_input(g, data), PN_OK);
    assert_int_equal(pn_graph_add_node(g, PN_OP_RELU, "r", &data, 1, &x, 1, &node, NULL),
                     PN_OK);
    assert_int_equal(
        pn_graph_add_node(g, PN_OP_ADD, "a", (int[]){x, c}, 2, &y, 1, &node, NULL),
        PN_OK);
    assert_int_equal(pn_graph_add_output(g, y), PN_OK);
    assert_int_equal(pn_graph_infer_shapes(g, NULL), PN_OK);
    assert_int_equal(pn_graph_write_onnx(g, path, NULL), PN_OK);
    pn_graph_free(&g);
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* The archive holds x = 0..5 as 2 x 3, and y = x + 1, deflated. The order of its entries
 * is the network's; --expect asks nothing of it. */
static void write_archive(const char *path)
{
    pn_file *f;
    onnx_case c = {0};
    size_t at = 0;
    bool found = false;
    assert_int_equal(
        pn_file_open(&f, PN_SOURCE_DIR "/tests/unit/model/npy_cases.bin", NULL), PN_OK);
    while (!found && case_next(f, &at, &c)) {
        found = strcmp(c.name, "zip64 end") == 0;
        if (found) write_file(path, c.model, c.model_size);
        case_fini(&c);
    }
    pn_file_close(&f);
    assert_true(found);
}

static void files_init(files *f)
{
    static const char header[] = "\x93NUMPY\1\0\x3a\0"
                                 "{'descr':'<f4','fortran_order':False,'shape':(2,3)}"
                                 "      \n";
    static const float values[6] = {0, 1, 2, 3, 4, 5};
    char bytes[sizeof(header) - 1 + sizeof(values)];
    memcpy(bytes, header, sizeof(header) - 1);
    memcpy(bytes + sizeof(header) - 1, values, sizeof(values));
    strcpy(f->folder, "/tmp/penult-compare-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->model, sizeof(f->model), "%s/m.onnx", f->folder);
    snprintf(f->input, sizeof(f->input), "%s/x.npy", f->folder);
    snprintf(f->expect, sizeof(f->expect), "%s/e.npz", f->folder);
    write_model(f->model);
    write_archive(f->expect);
    write_file(f->input, bytes, sizeof(bytes));
}

static void files_fini(const files *f)
{
    unlink(f->model);
    unlink(f->input);
    unlink(f->expect);
    rmdir(f->folder);
}

static void tensors_of_an_archive_are_found_and_agree(void **state)
{
    (void)state;
    files f;
    pn_compare c = {0};
    pn_err err = {0};
    files_init(&f);
    const char *expects[] = {f.expect}, *model[] = {f.model};
    const pn_compare_opts o = {.model = {.paths = model, .n_paths = 1},
                               .input = f.input,
                               .expects = expects,
                               .n_expects = 1,
                               .cpu = PN_CPU_C,
                               .threads = 1};
    pn_status st = pn_compare_run(&c, &o, &err);
    if (st) fail_msg("%s", pn_err_text(&err));
    assert_int_equal(c.n_images, 2);
    assert_int_equal(c.n_tensors, 2);
    assert_int_equal(c.n_skipped, 0);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(c.graph->values[c.tensors[i].value].name, i ? "y" : "x");
        assert_int_equal(c.tensors[i].diff.n, 6);
        assert_true(c.tensors[i].diff.max_abs == 0);
        assert_true(c.tensors[i].diff.max_want == (i ? 6 : 5));
    }
    pn_compare_fini(&c);
    files_fini(&f);
}

static void every_failed_allocation_is_out_of_memory(void **state)
{
    (void)state;
    files f;
    files_init(&f);
    const char *expects[] = {f.expect}, *tensors[] = {"y"}, *model[] = {f.model};
    pn_compare_opts o = {.model = {.paths = model, .n_paths = 1},
                         .input = f.input,
                         .expects = expects,
                         .n_expects = 1,
                         .tensors = tensors,
                         .cpu = PN_CPU_C,
                         .threads = 1};
    for (; o.n_tensors < 2; o.n_tensors++) {
        bool has_failed = true;
        long n = 0;
        for (; has_failed; n++) {
            pn_compare c = {0};
            pn_err err = {0};
            pn_alloc_fail_at(n);
            pn_status st = pn_compare_run(&c, &o, &err);
            has_failed = pn_alloc_has_failed();
            pn_alloc_fail_at(-1);
            /* an optional lookup that gives up is no failure of the whole */
            if (st && (st != PN_ENOMEM || !has_failed))
                fail_msg("allocation %ld: %s, \"%s\"", n, pn_status_name(st),
                         pn_err_text(&err));
            pn_compare_fini(&c);
            pn_err_clear(&err);
        }
        assert_true(n > 30);
    }
    files_fini(&f);
}

static void a_difference_is_what_is_said_of_it(void **state)
{
    (void)state;
    pn_difference d = {0};
    pn_difference_add(&d, (float[]){1, 2}, (double[]){1, -2}, 2, 4);
    pn_difference_add(&d, (float[]){3, 0, 5}, (double[]){7, 0, -8}, 3, 6);
    assert_int_equal(d.n, 5);
    assert_true(d.max_abs == 13 && d.max_want == 8);
    assert_int_equal(d.at, 8);
    assert_true(d.got == 5 && d.want == -8);
    assert_true(pn_difference_relative(&d) == 13.0 / 8);
    assert_true(fabs(pn_difference_rms(&d) - sqrt((16 + 16 + 169) / 5.0)) < 1e-15);
}

static void what_is_no_number_agrees_with_its_like_alone(void **state)
{
    (void)state;
    static const float f[] = {NAN, INFINITY, -INFINITY};
    static const double same[] = {NAN, INFINITY, -INFINITY};
    static const double others[][3] = {
        {0, INFINITY, -INFINITY}, {NAN, 3e38, -INFINITY}, {NAN, INFINITY, INFINITY}};
    pn_difference d = {0};
    pn_difference_add(&d, f, same, 3, 0);
    assert_true(d.max_abs == 0 && d.max_want == 0 && d.n_nan == 0);
    assert_true(pn_difference_relative(&d) == 0);
    for (int i = 0; i < 3; i++) {
        d = (pn_difference){0};
        pn_difference_add(&d, f, others[i], 3, 0);
        assert_true(isinf(d.max_abs) && isinf(pn_difference_relative(&d)));
        assert_int_equal(d.at, i);
        assert_int_equal(d.n_nan, i == 0);
    }
    d = (pn_difference){0};
    pn_difference_add(&d, (float[]){1e-30F}, (double[]){0}, 1, 0);
    assert_true(isinf(pn_difference_relative(&d)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_of_an_archive_are_found_and_agree),
        cmocka_unit_test(every_failed_allocation_is_out_of_memory),
        cmocka_unit_test(a_difference_is_what_is_said_of_it),
        cmocka_unit_test(what_is_no_number_agrees_with_its_like_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
