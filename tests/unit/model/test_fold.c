/* Arithmetic on shapes where it is not what exporters write: too large, out of range,
 * hanging on the batch. What it comes to when it is sound, ONNX Runtime says
 * (tests/golden/onnx_ops). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "penult/graph.h"

typedef struct fold {
    pn_graph *g;
    int x; /* the input, N x 6 x 4 */
} fold;

static fold fold_new(void)
{
    const pn_shape in = {3, {PN_DIM_FREE, 6, 4}};
    fold f = {0};
    assert_int_equal(pn_graph_new(&f.g, "fold"), PN_OK);
    assert_int_equal(pn_graph_add_value(f.g, "x", PN_F32, &in, &f.x, NULL), PN_OK);
    assert_int_equal(pn_graph_add_input(f.g, f.x), PN_OK);
    return f;
}

static int ints(fold *f, const char *name, int n, const int64_t *v)
{
    const pn_shape s = {1, {n}};
    int id;
    assert_int_equal(pn_graph_add_const(f->g, name, PN_I64, &s, v, (size_t)n * sizeof(*v),
                                        false, &id, NULL),
                     PN_OK);
    return id;
}

/* a node with one output of the same name */
static int op(fold *f, pn_op kind, const char *name, int a, int b)
{
    const int in[2] = {a, b};
    int out, node;
    assert_int_equal(pn_graph_add_value(f->g, name, PN_I64, NULL, &out, NULL), PN_OK);
    assert_int_equal(pn_graph_add_node(f->g, kind, name, in, b == PN_NONE ? 1 : 2, &out,
                                       1, &node, NULL),
                     PN_OK);
    if (kind == PN_OP_GATHER || kind == PN_OP_CONCAT)
        assert_int_equal(pn_graph_set_int(f->g, node, "axis", 0), PN_OK);
    return out;
}

/* `list` is the target of a Reshape of x that is the graph's output */
static pn_status reshape_by(fold *f, int list, pn_err *err)
{
    int y = op(f, PN_OP_RESHAPE, "y", f->x, list);
    f->g->values[y].dtype = PN_F32;
    assert_int_equal(pn_graph_add_output(f->g, y), PN_OK);
    return pn_graph_infer_shapes(f->g, err);
}

static void expect(fold *f, pn_status got, pn_status want, const pn_err *err,
                   const char *text)
{
    if (got != want || !strstr(pn_err_text(err), text))
        fail_msg("%d, \"%s\" has no \"%s\"", (int)got, pn_err_text(err), text);
    pn_graph_free(&f->g);
}

static void a_computed_batch_is_any_batch(void **state)
{
    (void)state;
    fold f = fold_new();
    int shape = op(&f, PN_OP_SHAPE, "shape", f.x, PN_NONE);
    int first = op(&f, PN_OP_GATHER, "first", shape, ints(&f, "zero", 1, (int64_t[]){0}));
    int rest = ints(&f, "rest", 1, (int64_t[]){24});
    assert_int_equal(reshape_by(&f, op(&f, PN_OP_CONCAT, "target", first, rest), NULL),
                     PN_OK);
    const pn_value *y = &f.g->values[f.g->outputs[0]];
    assert_true(pn_shape_equal(&y->shape, &(pn_shape){2, {PN_DIM_FREE, 24}}));
    /* only the Reshape is left, and it has a constant that fits every batch */
    assert_int_equal(f.g->n_nodes, 1);
    int64_t target[2];
    const pn_value *t = &f.g->values[f.g->nodes[0].inputs[1]];
    assert_int_equal(pn_value_to_i64(t, 0, 2, target), PN_OK);
    assert_true(target[0] == -1 && target[1] == 24);
    assert_int_equal(y->producer, 0);
    pn_graph_free(&f.g);
}

static void part_of_a_batch_is_refused(void **state)
{
    (void)state;
    static const struct {
        pn_op op;
        int64_t by;
    } parts[] = {{PN_OP_DIV, 2}, {PN_OP_MUL, 2}, {PN_OP_ADD, 1}, {PN_OP_MOD, 2}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        fold f = fold_new();
        pn_err err = {0};
        int shape = op(&f, PN_OP_SHAPE, "shape", f.x, PN_NONE);
        int part = op(&f, parts[i].op, "part", shape, ints(&f, "by", 1, &parts[i].by));
        pn_status st = reshape_by(&f, part, &err);
        expect(&f, st, PN_EUNSUPPORTED, &err, "Reshape \"y\"");
        pn_err_clear(&err);
    }
}

static void what_has_no_result_is_refused(void **state)
{
    (void)state;
    static const struct {
        pn_op op;
        int64_t a, b;
    } cases[] = {{PN_OP_DIV, 24, 0},        {PN_OP_DIV, INT64_MIN, -1},
                 {PN_OP_MOD, 24, 0},        {PN_OP_MUL, INT64_MAX, 2},
                 {PN_OP_ADD, INT64_MAX, 1}, {PN_OP_SUB, INT64_MIN, 1},
                 {PN_OP_GATHER, 24, 1},     {PN_OP_GATHER, 24, INT64_MIN}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fold f = fold_new();
        pn_err err = {0};
        int a = ints(&f, "a", 1, &cases[i].a), b = ints(&f, "b", 1, &cases[i].b);
        pn_status st = reshape_by(&f, op(&f, cases[i].op, "odd", a, b), &err);
        expect(&f, st, PN_EUNSUPPORTED, &err, "is computed, not a constant");
        pn_err_clear(&err);
    }
}

static void a_small_file_cannot_ask_for_much_memory(void **state)
{
    (void)state;
    fold f = fold_new();
    pn_err err = {0};
    int one = ints(&f, "one", 1, (int64_t[]){1});
    int huge = ints(&f, "huge", 2, (int64_t[]){1 << 20, 1 << 20});
    pn_status st = reshape_by(&f, op(&f, PN_OP_EXPAND, "wide", one, huge), &err);
    expect(&f, st, PN_EUNSUPPORTED, &err, "Expand \"wide\" (what it makes");
    pn_err_clear(&err);
    /* nor by many steps of which each is modest */
    f = fold_new();
    int mib = ints(&f, "mib", 1, (int64_t[]){1 << 20});
    int big = op(&f, PN_OP_EXPAND, "big", ints(&f, "two", 1, (int64_t[]){2}), mib);
    char name[16];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "sum%d", i);
        big = op(&f, PN_OP_ADD, name, big, big);
    }
    st = reshape_by(&f, big, &err);
    expect(&f, st, PN_EUNSUPPORTED, &err, "is too large");
    pn_err_clear(&err);
}

static void a_node_that_no_output_needs_is_no_reason_to_refuse(void **state)
{
    (void)state;
    fold f = fold_new();
    op(&f, PN_OP_SHAPE, "shape", f.x, PN_NONE);
    op(&f, PN_OP_FLOOR, "unused", f.x, PN_NONE);
    op(&f, PN_OP_EQUAL, "unused too", f.x, f.x);
    assert_int_equal(reshape_by(&f, ints(&f, "t", 2, (int64_t[]){-1, 24}), NULL), PN_OK);
    assert_int_equal(f.g->n_nodes, 1);
    pn_graph_free(&f.g);
}

static void arithmetic_on_data_is_refused_with_every_node(void **state)
{
    (void)state;
    fold f = fold_new();
    pn_err err = {0};
    int a = op(&f, PN_OP_FLOOR, "down", f.x, PN_NONE);
    int b = op(&f, PN_OP_CEIL, "up", a, PN_NONE);
    f.g->values[a].dtype = f.g->values[b].dtype = PN_F32;
    assert_int_equal(pn_graph_add_output(f.g, b), PN_OK);
    pn_status st = pn_graph_infer_shapes(f.g, &err);
    assert_non_null(strstr(pn_err_text(&err), "Floor \"down\""));
    expect(&f, st, PN_EUNSUPPORTED, &err, "Ceil \"up\"");
    pn_err_clear(&err);
}

static void the_size_of_the_batch_is_no_result(void **state)
{
    (void)state;
    fold f = fold_new();
    pn_err err = {0};
    int shape = op(&f, PN_OP_SHAPE, "shape", f.x, PN_NONE);
    assert_int_equal(pn_graph_add_output(f.g, shape), PN_OK);
    pn_status st = pn_graph_infer_shapes(f.g, &err);
    expect(&f, st, PN_EUNSUPPORTED, &err, "output \"shape\" is the size of the batch");
    pn_err_clear(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_computed_batch_is_any_batch),
        cmocka_unit_test(part_of_a_batch_is_refused),
        cmocka_unit_test(what_has_no_result_is_refused),
        cmocka_unit_test(a_small_file_cannot_ask_for_much_memory),
        cmocka_unit_test(a_node_that_no_output_needs_is_no_reason_to_refuse),
        cmocka_unit_test(arithmetic_on_data_is_refused_with_every_node),
        cmocka_unit_test(the_size_of_the_batch_is_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
