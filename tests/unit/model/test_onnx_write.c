/* Writing ONNX: what is read back is what was written, and failures leave no file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/onnx_read.h"
#include "onnx_cases.h"

static char folder[64], file[96];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/penult-onnx-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(file, sizeof(file), "%s/model.onnx", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(folder);
}

static void same_attrs(const pn_node *a, const pn_node *b)
{
    assert_int_equal(a->n_attrs,
                     b->n_attrs); /* the reader's inference makes pads again */
    for (int i = 0; i < a->n_attrs; i++) {
        const pn_attr *x = &a->attrs[i], *y = pn_node_attr(b, x->name);
        assert_non_null(y);
        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->i, y->i);
        assert_true(x->f == y->f);
        assert_int_equal(x->n, y->n);
        if (x->s) assert_string_equal(x->s, y->s);
        if (x->n && x->kind == PN_ATTR_INTS)
            assert_memory_equal(x->ints, y->ints, x->n * sizeof(*x->ints));
        if (x->n && x->kind == PN_ATTR_FLOATS)
            assert_memory_equal(x->floats, y->floats, x->n * sizeof(*x->floats));
    }
}

static void same_value(const pn_graph *a, int i, const pn_graph *b, int k)
{
    assert_int_equal(i == PN_NONE, k == PN_NONE);
    if (i == PN_NONE) return;
    const pn_value *x = &a->values[i], *y = &b->values[k];
    assert_string_equal(x->name, y->name);
    assert_int_equal(x->dtype, y->dtype);
    assert_int_equal(x->has_shape, y->has_shape);
    assert_true(pn_shape_equal(&x->shape, &y->shape));
    assert_int_equal(x->producer, y->producer);
    assert_int_equal(!x->data, !y->data);
    assert_int_equal(x->size_bytes, y->size_bytes);
    if (x->size_bytes) assert_memory_equal(x->data, y->data, x->size_bytes);
}

static void same_graph(const pn_graph *a, const pn_graph *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->n_nodes, b->n_nodes);
    assert_int_equal(a->n_inputs, b->n_inputs);
    assert_int_equal(a->n_outputs, b->n_outputs);
    assert_int_equal(a->n_meta, b->n_meta);
    for (int i = 0; i < a->n_nodes; i++) {
        const pn_node *x = &a->nodes[i], *y = &b->nodes[i];
        assert_int_equal(x->op, y->op);
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->n_inputs, y->n_inputs);
        assert_int_equal(x->n_outputs, y->n_outputs);
        for (int k = 0; k < x->n_inputs; k++)
            same_value(a, x->inputs[k], b, y->inputs[k]);
        for (int k = 0; k < x->n_outputs; k++)
            same_value(a, x->outputs[k], b, y->outputs[k]);
        same_attrs(x, y);
    }
    for (int i = 0; i < a->n_inputs; i++)
        same_value(a, a->inputs[i], b, b->inputs[i]);
    for (int i = 0; i < a->n_outputs; i++)
        same_value(a, a->outputs[i], b, b->outputs[i]);
    for (int i = 0; i < a->n_meta; i++) {
        assert_string_equal(a->meta_keys[i], b->meta_keys[i]);
        assert_string_equal(a->meta_values[i], b->meta_values[i]);
    }
}

static void what_is_written_reads_back_equal(void **state)
{
    (void)state;
    pn_file *f = cases_open();
    onnx_case c;
    size_t at = 0;
    int n = 0;
    /* a place to keep the written files for other programs to look at */
    const char *keep = getenv("PENULT_KEEP_ONNX");
    while (case_next(f, &at, &c)) {
        pn_graph *a = NULL, *b = NULL;
        pn_err err = {0};
        char path[512];
        snprintf(path, sizeof(path), "%s/%s.onnx", keep ? keep : "", c.name);
        if (pn_onnx_read_bytes(&a, c.model, c.model_size, NULL) == PN_OK) {
            const char *to = keep ? path : file;
            pn_status st = pn_graph_write_onnx(a, to, &err);
            if (!st) st = pn_graph_read_onnx(&b, to, &err);
            if (st) fail_msg("%s: %s", c.name, pn_err_text(&err));
            same_graph(a, b);
            n++;
        }
        pn_graph_free(&a);
        pn_graph_free(&b);
        case_fini(&c);
    }
    pn_file_close(&f);
    assert_true(n > 70);
}

static pn_graph *relu_of(const char *graph_name)
{
    pn_graph *g = NULL;
    int x, y;
    const pn_shape shape = {4, {PN_DIM_FREE, 3, 4, 5}};
    assert_int_equal(pn_graph_new(&g, graph_name), PN_OK);
    assert_int_equal(pn_graph_add_value(g, "x", PN_F32, &shape, &x, NULL), PN_OK);
    assert_int_equal(pn_graph_add_value(g, "y", PN_F32, NULL, &y, NULL), PN_OK);
    assert_int_equal(pn_graph_add_node(g, PN_OP_RELU, "r", &x, 1, &y, 1, NULL, NULL),
                     PN_OK);
    assert_int_equal(pn_graph_add_input(g, x), PN_OK);
    assert_int_equal(pn_graph_add_output(g, y), PN_OK);
    assert_int_equal(pn_graph_infer_shapes(g, NULL), PN_OK);
    return g;
}

/* of the file just written: fields of the model, and whether its graph holds `bytes` */
static void check_head(int64_t opset, const char *bytes, size_t size)
{
    pn_file *f = NULL;
    pn_wire w, import;
    pn_wire_field field, version;
    int n_seen = 0;
    assert_int_equal(pn_file_open(&f, file, NULL), PN_OK);
    pn_wire_init(&w, f->data, f->size);
    while (pn_wire_next(&w, &field, NULL) == PN_OK) {
        if (field.number == 1) assert_int_equal(field.value, 7);
        if (field.number == 2) assert_memory_equal(field.bytes.at, "penult", 6);
        if (field.number == 7)
            assert_non_null(memmem(field.bytes.at, field.bytes.size, bytes, size));
        if (field.number == 8) {
            assert_int_equal(pn_wire_enter(&import, &w, &field, "opset", NULL), PN_OK);
            while (pn_wire_next(&import, &version, NULL) == PN_OK)
                if (version.number == 2) assert_int_equal(version.value, opset);
        }
        n_seen |= 1 << field.number;
    }
    assert_int_equal(n_seen, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 7 | 1 << 8);
    pn_file_close(&f);
}

static void the_file_is_opset_13_with_batch_n_and_14_only_for_hard_swish(void **state)
{
    (void)state;
    /* TensorShapeProto of Nx3x4x5 as protobuf's encoding has it, by hand */
    static const char shape[] = "\x0a\x03\x12\x01N\x0a\x02\x08\x03\x0a\x02\x08\x04"
                                "\x0a\x02\x08\x05";
    pn_graph *g = relu_of("g");
    assert_int_equal(pn_graph_write_onnx(g, file, NULL), PN_OK);
    check_head(13, shape, sizeof(shape) - 1);
    g->nodes[0].op = PN_OP_HARD_SWISH;
    assert_int_equal(pn_graph_write_onnx(g, file, NULL), PN_OK);
    check_head(14, shape, sizeof(shape) - 1);
    pn_graph_free(&g);
}

static void constants_nobody_reads_are_not_written(void **state)
{
    (void)state;
    pn_graph *g = relu_of("g"), *back = NULL;
    const pn_shape shape = {1, {4}};
    assert_int_equal(
        pn_graph_add_const(g, "left", PN_I8, &shape, "abc", 4, false, NULL, NULL), PN_OK);
    assert_int_equal(pn_graph_write_onnx(g, file, NULL), PN_OK);
    assert_int_equal(pn_graph_read_onnx(&back, file, NULL), PN_OK);
    assert_int_equal(pn_graph_find(back, "left"), PN_NONE);
    pn_graph_free(&g);
    pn_graph_free(&back);
}

static void a_graph_over_2_gib_is_refused_and_writes_nothing(void **state)
{
    (void)state;
    pn_graph *g = relu_of("g");
    pn_err err = {0};
    int big, y2;
    const pn_shape shape = {1, {INT32_MAX - 64}};
    char byte = 0; /* never read: the size alone decides */
    unlink(file);
    assert_int_equal(pn_graph_add_const(g, "big", PN_U8, &shape, &byte, INT32_MAX - 64,
                                        true, &big, NULL),
                     PN_OK);
    assert_int_equal(pn_graph_add_value(g, "y2", PN_U8, &shape, &y2, NULL), PN_OK);
    assert_int_equal(
        pn_graph_add_node(g, PN_OP_IDENTITY, "", &big, 1, &y2, 1, NULL, NULL), PN_OK);
    assert_int_equal(pn_graph_write_onnx(g, file, &err), PN_EUNSUPPORTED);
    assert_non_null(strstr(pn_err_text(&err), "an ONNX file can have"));
    assert_int_not_equal(access(file, F_OK), 0);
    pn_err_clear(&err);
    pn_graph_free(&g);
}

static void a_folder_that_is_not_there_is_eio(void **state)
{
    (void)state;
    pn_graph *g = relu_of("");
    pn_err err = {0};
    assert_int_equal(pn_graph_write_onnx(g, "/nonexistent/m.onnx", &err), PN_EIO);
    pn_err_clear(&err);
    pn_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back_equal),
        cmocka_unit_test(the_file_is_opset_13_with_batch_n_and_14_only_for_hard_swish),
        cmocka_unit_test(constants_nobody_reads_are_not_written),
        cmocka_unit_test(a_graph_over_2_gib_is_refused_and_writes_nothing),
        cmocka_unit_test(a_folder_that_is_not_there_is_eio),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
