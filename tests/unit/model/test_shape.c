/* Shapes beyond what ONNX Runtime was asked in test_onnx_read.c: pooling, what is
 * spelled out, work, and the texts of refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "penult/graph.h"

static pn_graph *with_input(const pn_shape *shape)
{
    pn_graph *g = NULL;
    int x;
    assert_int_equal(pn_graph_new(&g, "g"), PN_OK);
    assert_int_equal(pn_graph_add_value(g, "x", PN_F32, shape, &x, NULL), PN_OK);
    assert_int_equal(pn_graph_add_input(g, x), PN_OK);
    return g;
}

/* a node on top of value `in` with one more input (PN_NONE: without); makes NAME_output
 */
static int add(pn_graph *g, pn_op op, const char *name, int in, int more)
{
    char output[64];
    int out, node, inputs[] = {in, more};
    snprintf(output, sizeof(output), "%s_output", name);
    assert_int_equal(pn_graph_add_value(g, output, PN_F32, NULL, &out, NULL), PN_OK);
    assert_int_equal(pn_graph_add_node(g, op, name, inputs, more == PN_NONE ? 1 : 2, &out,
                                       1, &node, NULL),
                     PN_OK);
    return node;
}

static int zeros(pn_graph *g, const char *name, const pn_shape *shape)
{
    static const float nothing[65536];
    int id;
    size_t size = (size_t)pn_shape_count(shape) * sizeof(float);
    assert_true(size <= sizeof(nothing));
    assert_int_equal(
        pn_graph_add_const(g, name, PN_F32, shape, nothing, size, true, &id, NULL),
        PN_OK);
    return id;
}

static int ints(pn_graph *g, const char *name, const int64_t *v, int n)
{
    int id;
    const pn_shape shape = {1, {n}};
    assert_int_equal(pn_graph_add_const(g, name, PN_I64, &shape, v,
                                        (size_t)n * sizeof(*v), false, &id, NULL),
                     PN_OK);
    return id;
}

static void set(pn_graph *g, int node, const char *name, int64_t a, int64_t b)
{
    const int64_t v[] = {a, b};
    assert_int_equal(pn_graph_set_ints(g, node, name, v, 2), PN_OK);
}

static const pn_shape *out_shape(const pn_graph *g, int node)
{
    const pn_value *v = &g->values[g->nodes[node].outputs[0]];
    assert_true(v->has_shape);
    return &v->shape;
}

/* sizes by MXNet 1.9.1's infer_shape, pooling_convention full and valid; but a last
 * window that begins behind the image is none in ONNX (8, 3, 3, 1 and 9, 2, 3, 0), and
 * what MXNet does there the importer spells out */
static void pooling_sizes_leave_out_windows_of_padding_alone(void **state)
{
    (void)state;
    static const struct {
        int64_t size, kernel, stride, pad, full, valid;
    } cases[] = {
        {8, 3, 3, 1, 3, 3}, {112, 3, 2, 0, 56, 55}, {55, 3, 2, 0, 27, 27},
        {7, 2, 2, 0, 4, 3}, {12, 5, 4, 2, 4, 3},    {10, 4, 3, 1, 4, 3},
        {9, 2, 3, 0, 3, 3},
    };
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        bool full = i % 2;
        int64_t p = cases[i / 2].pad, k = cases[i / 2].kernel, s = cases[i / 2].stride;
        const pn_shape in = {4, {PN_DIM_FREE, 1, cases[i / 2].size, cases[i / 2].size}};
        const int64_t pads[] = {p, p, p, p};
        pn_graph *g = with_input(&in);
        int node =
            add(g, i % 4 < 2 ? PN_OP_MAX_POOL : PN_OP_AVERAGE_POOL, "p", 0, PN_NONE);
        set(g, node, "kernel_shape", k, k);
        set(g, node, "strides", s, s);
        assert_int_equal(pn_graph_set_ints(g, node, "pads", pads, 4), PN_OK);
        assert_int_equal(pn_graph_set_int(g, node, "ceil_mode", full), PN_OK);
        assert_int_equal(pn_graph_infer_shapes(g, NULL), PN_OK);
        int64_t wanted = full ? cases[i / 2].full : cases[i / 2].valid;
        const pn_shape out = {4, {PN_DIM_FREE, 1, wanted, wanted}};
        assert_true(pn_shape_equal(out_shape(g, node), &out));
        pn_graph_free(&g);
    }
}

static void auto_pad_is_spelled_out_and_follows_another_size(void **state)
{
    (void)state;
    const pn_shape in = {4, {PN_DIM_FREE, 1, 224, 225}}, w = {4, {1, 1, 3, 3}};
    pn_graph *g = with_input(&in);
    int node = add(g, PN_OP_CONV, "c", 0, zeros(g, "w", &w));
    set(g, node, "strides", 2, 2);
    assert_int_equal(pn_graph_set_string(g, node, "auto_pad", "SAME_UPPER"), PN_OK);
    for (int64_t size = 224; size <= 225; size++) {
        g->values[0].shape.dim[2] = size;
        assert_int_equal(pn_graph_infer_shapes(g, NULL), PN_OK);
        const int64_t *pads = pn_node_attr(&g->nodes[node], "pads")->ints;
        /* even: one row in all, at the end; odd: one on either side */
        assert_int_equal(pads[0], size == 224 ? 0 : 1);
        assert_int_equal(pads[1], 1);
        assert_int_equal(pads[2], 1);
        assert_int_equal(pads[3], 1);
        assert_int_equal(out_shape(g, node)->dim[2], size == 224 ? 112 : 113);
    }
    const pn_attr *kernel = pn_node_attr(&g->nodes[node], "kernel_shape");
    assert_true(kernel && kernel->n == 2 && kernel->ints[0] == 3);
    assert_non_null(pn_node_attr(&g->nodes[node], "dilations"));
    pn_graph_free(&g);
}

static void a_literal_batch_in_a_target_becomes_any_batch(void **state)
{
    (void)state;
    const pn_shape in = {4, {PN_DIM_FREE, 6, 4, 1}}, wanted = {3, {PN_DIM_FREE, 3, 8}};
    static const int64_t targets[][3] = {{1, 3, 8}, {1, -1, 8}, {-1, 3, 8},
                                         {0, 3, 8}, {5, 3, 8},  {0, -1, 8}};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        pn_graph *g = with_input(&in);
        int node = add(g, PN_OP_RESHAPE, "r", 0, ints(g, "t", targets[i], 3));
        for (int again = 0; again < 2; again++) { /* the second finds its own target */
            assert_int_equal(pn_graph_infer_shapes(g, NULL), PN_OK);
            assert_true(pn_shape_equal(out_shape(g, node), &wanted));
        }
        int64_t front;
        assert_int_equal(
            pn_value_to_i64(&g->values[g->nodes[node].inputs[1]], 0, 1, &front), PN_OK);
        assert_true(front < 1); /* 0 or -1: right for any batch */
        pn_graph_free(&g);
    }
}

static void work_is_counted_per_image(void **state)
{
    (void)state;
    /* the first convolution of ResNet: 112 x 112 x 64 outputs of 3 x 7 x 7 products */
    const pn_shape in = {4, {PN_DIM_FREE, 3, 224, 224}}, w = {4, {64, 3, 7, 7}};
    const int64_t pads[] = {3, 3, 3, 3};
    pn_graph *g = with_input(&in);
    int conv = add(g, PN_OP_CONV, "conv0", 0, zeros(g, "w", &w));
    set(g, conv, "strides", 2, 2);
    assert_int_equal(pn_graph_set_ints(g, conv, "pads", pads, 4), PN_OK);
    int pool =
        add(g, PN_OP_GLOBAL_AVERAGE_POOL, "pool", g->nodes[conv].outputs[0], PN_NONE);
    int flat = add(g, PN_OP_FLATTEN, "flat", g->nodes[pool].outputs[0], PN_NONE);
    const pn_shape fc_shape = {2, {10, 64}};
    int fc =
        add(g, PN_OP_GEMM, "fc", g->nodes[flat].outputs[0], zeros(g, "fcw", &fc_shape));
    assert_int_equal(pn_graph_set_int(g, fc, "transB", 1), PN_OK);
    assert_int_equal(pn_graph_infer_shapes(g, NULL), PN_OK);
    assert_int_equal(pn_node_macs(g, &g->nodes[conv]), 118013952);
    assert_int_equal(pn_node_macs(g, &g->nodes[pool]), 0);
    assert_int_equal(pn_node_macs(g, &g->nodes[fc]), 640);
    pn_graph_free(&g);
}

static void work_of_a_transposed_convolution_counts_its_inputs(void **state)
{
    (void)state;
    const pn_shape in = {4, {PN_DIM_FREE, 6, 5, 5}}, w = {4, {6, 2, 3, 3}};
    pn_graph *g = with_input(&in);
    int node = add(g, PN_OP_CONV_TRANSPOSE, "up", 0, zeros(g, "w", &w));
    assert_int_equal(pn_graph_set_int(g, node, "group", 2), PN_OK);
    assert_int_equal(pn_graph_infer_shapes(g, NULL), PN_OK);
    assert_int_equal(out_shape(g, node)->dim[1], 4);
    assert_int_equal(pn_node_macs(g, &g->nodes[node]), 6 * 5 * 5 * 2 * 3 * 3);
    pn_graph_free(&g);
}

/* one node on x of Nx3x9x12, with an attribute or a constant that breaks a rule */
static const struct broken {
    pn_op op;
    int64_t second[6]; /* of a second input; float weights for Conv, else int64 */
    int n_second;
    const char *attr;
    int64_t ints[5];
    int n_ints; /* 0: an integer, ints[0] */
    pn_status st;
    const char *text;
} broken[] = {
    {PN_OP_CONV, {2, 3, 3, 3}, 4, "strides", {1, 0}, 2, PN_EFORMAT, "strides is 0 at 1"},
    {PN_OP_CONV,
     {2, 3, 3, 3},
     4,
     "pads",
     {0, 0, -1, 0},
     4,
     PN_EFORMAT,
     "pads is -1 at 2"},
    {PN_OP_CONV, {2, 3, 3, 3}, 4, "pads", {1, 1}, 2, PN_EFORMAT, "must have 4"},
    {PN_OP_CONV, {2, 3, 3, 3}, 4, "kernel_shape", {3, 5}, 2, PN_EFORMAT, "kernel_shape"},
    {PN_OP_CONV, {2, 3, 3, 3}, 4, "group", {0}, 0, PN_EFORMAT, "group is 0"},
    {PN_OP_CONV, {2, 3, 3, 3}, 4, "group", {3}, 0, PN_EFORMAT, "channels"},
    {PN_OP_CONV, {2, 3, 10, 3}, 4, NULL, {0}, 0, PN_EFORMAT, "window takes 10"},
    {PN_OP_CONV, {2, 3, 3}, 3, NULL, {0}, 0, PN_EFORMAT, "weights have 3 dimensions"},
    {PN_OP_CONV, {2, 3, 3, 3}, 4, "dilations", {INT32_MAX, 1}, 2, PN_EFORMAT, "window"},
    {PN_OP_CONV, {2, 3, 3, 3}, 4, "alpha", {1}, 0, PN_EFORMAT, "no attribute \"alpha\""},
    {PN_OP_CONV, {2, 3, 3, 3}, 4, "strides", {1}, 0, PN_EFORMAT, "wrong kind"},
    {PN_OP_MAX_POOL, {0}, 0, NULL, {0}, 0, PN_EFORMAT, "kernel_shape is missing"},
    {PN_OP_MAX_POOL, {0}, 0, "kernel_shape", {10, 1}, 2, PN_EFORMAT, "window takes 10"},
    {PN_OP_CONCAT, {0}, 0, NULL, {0}, 0, PN_EFORMAT, "axis is missing"},
    {PN_OP_CONCAT, {0}, 0, "axis", {4}, 0, PN_EFORMAT, "axis 4 is not within -4..3"},
    {PN_OP_CONCAT, {0}, 0, "axis", {0}, 0, PN_EUNSUPPORTED, "joins batches"},
    {PN_OP_SOFTMAX, {0}, 0, "axis", {-4}, 0, PN_EUNSUPPORTED, "mixes the images"},
    {PN_OP_REDUCE_MEAN, {0}, 0, NULL, {0}, 0, PN_EUNSUPPORTED, "mixes the images"},
    {PN_OP_REDUCE_MEAN, {0}, 0, "axes", {1, -3}, 2, PN_EFORMAT, "axis 1 is named twice"},
    {PN_OP_TRANSPOSE, {0}, 0, "perm", {0, 1, 2}, 3, PN_EFORMAT, "perm has 3 elements"},
    {PN_OP_TRANSPOSE, {0}, 0, "perm", {0, 1, 1, 2}, 4, PN_EFORMAT, "named twice"},
    {PN_OP_FLATTEN, {0}, 0, "axis", {5}, 0, PN_EFORMAT, "axis 5"},
    {PN_OP_FLATTEN, {0}, 0, "axis", {2}, 0, PN_EUNSUPPORTED, "mixes the images"},
    {PN_OP_RESHAPE, {-1, -1}, 2, NULL, {0}, 0, PN_EFORMAT, "target is -1 at 1"},
    {PN_OP_RESHAPE, {0, 0, 0, 0, 0}, 5, NULL, {0}, 0, PN_EFORMAT, "target is 0 at 4"},
    {PN_OP_RESHAPE, {0, 323}, 2, NULL, {0}, 0, PN_EFORMAT, "cannot become Nx323"},
    {PN_OP_RESHAPE, {0, -1, 5}, 3, NULL, {0}, 0, PN_EFORMAT, "cannot become"},
    {PN_OP_RESHAPE, {324}, 1, NULL, {0}, 0, PN_EUNSUPPORTED, "mixes the images"},
    {PN_OP_RESHAPE,
     {0, INT32_MAX, INT32_MAX, INT32_MAX},
     4,
     NULL,
     {0},
     0,
     PN_EFORMAT,
     "does not fit 63 bits"},
    {PN_OP_SQUEEZE, {1}, 1, NULL, {0}, 0, PN_EFORMAT, "axis 1 has 3 elements"},
    {PN_OP_SQUEEZE, {0}, 1, NULL, {0}, 0, PN_EUNSUPPORTED, "removes the batch"},
    {PN_OP_UNSQUEEZE, {5, 5}, 2, NULL, {0}, 0, PN_EFORMAT, "named twice"},
    {PN_OP_UNSQUEEZE, {0, 1, 2, 3, 4}, 5, NULL, {0}, 0, PN_EFORMAT, "makes 9 dimensions"},
    {PN_OP_SPLIT, {9}, 1, "axis", {3}, 0, PN_EFORMAT, "does not add up to 12"},
    {PN_OP_SPLIT, {INT64_MAX}, 1, "axis", {3}, 0, PN_EFORMAT, "does not add up to 12"},
    {PN_OP_PAD, {0, 0, 0}, 3, NULL, {0}, 0, PN_EFORMAT, "must have 8"},
    {PN_OP_ADD, {0}, 0, NULL, {0}, 0, PN_EFORMAT, "has 1 inputs, takes 2..2"},
    {PN_OP_CAST, {0}, 0, "to", {8}, 0, PN_EUNSUPPORTED, "element type 8"},
    {PN_OP_LRN, {0}, 0, "size", {0}, 0, PN_EFORMAT, "size is 0"},
};

static void check_broken(const struct broken *b)
{
    const pn_shape in = {4, {PN_DIM_FREE, 3, 9, 12}};
    pn_graph *g = with_input(&in);
    int second = PN_NONE;
    if (b->n_second && b->op == PN_OP_CONV) {
        pn_shape w = {b->n_second, {0}};
        memcpy(w.dim, b->second, sizeof(b->second));
        second = zeros(g, "w", &w);
    } else if (b->n_second) {
        second = ints(g, "t", b->second, b->n_second);
    }
    int node = add(g, b->op, "odd", 0, second);
    if (b->attr && b->n_ints)
        assert_int_equal(pn_graph_set_ints(g, node, b->attr, b->ints, (size_t)b->n_ints),
                         PN_OK);
    else if (b->attr)
        assert_int_equal(pn_graph_set_int(g, node, b->attr, b->ints[0]), PN_OK);
    pn_err err = {0};
    pn_status st = pn_graph_infer_shapes(g, &err);
    if (st != b->st || !strstr(pn_err_text(&err), b->text) ||
        !strstr(pn_err_text(&err), "\"odd\""))
        fail_msg("%s: %d, \"%s\" has no \"%s\"", pn_op_name(b->op), (int)st,
                 pn_err_text(&err), b->text);
    pn_err_clear(&err);
    pn_graph_free(&g);
}

static void a_broken_rule_is_told_with_operator_node_and_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        check_broken(&broken[i]);
}

static void all_unsupported_nodes_are_told_at_once(void **state)
{
    (void)state;
    const pn_shape in = {4, {PN_DIM_FREE, 3, 9, 12}};
    pn_graph *g = with_input(&in);
    int a = add(g, PN_OP_REDUCE_MEAN, "first", 0, PN_NONE);
    add(g, PN_OP_RELU, "behind", g->nodes[a].outputs[0], PN_NONE);
    int b = add(g, PN_OP_FLATTEN, "second", 0, PN_NONE);
    assert_int_equal(pn_graph_set_int(g, b, "axis", 3), PN_OK);
    pn_err err = {0};
    assert_int_equal(pn_graph_infer_shapes(g, &err), PN_EUNSUPPORTED);
    assert_non_null(strstr(pn_err_text(&err), "2 nodes are not supported"));
    assert_non_null(strstr(pn_err_text(&err), "ReduceMean \"first\""));
    assert_non_null(strstr(pn_err_text(&err), "Flatten \"second\""));
    assert_null(strstr(pn_err_text(&err), "behind"));
    pn_err_clear(&err);
    pn_graph_free(&g);
}

static void types_must_agree_and_are_passed_on(void **state)
{
    (void)state;
    const pn_shape in = {2, {PN_DIM_FREE, 3}}, one = {1, {1}};
    pn_graph *g = with_input(&in);
    const double half = 0.5;
    int id;
    assert_int_equal(pn_graph_add_const(g, "d", PN_F64, &one, &half, 8, false, &id, NULL),
                     PN_OK);
    int cast = add(g, PN_OP_CAST, "cast", 0, PN_NONE);
    assert_int_equal(pn_graph_set_int(g, cast, "to", PN_F64), PN_OK);
    int sum = add(g, PN_OP_ADD, "sum", g->nodes[cast].outputs[0], id);
    assert_int_equal(pn_graph_infer_shapes(g, NULL), PN_OK);
    assert_int_equal(g->values[g->nodes[sum].outputs[0]].dtype, PN_F64);
    add(g, PN_OP_ADD, "wrong", 0, id);
    pn_err err = {0};
    assert_int_equal(pn_graph_infer_shapes(g, &err), PN_EFORMAT);
    assert_non_null(strstr(pn_err_text(&err), "types must be the same"));
    pn_err_clear(&err);
    pn_graph_free(&g);
}

static void a_value_that_nothing_makes_is_refused(void **state)
{
    (void)state;
    const pn_shape in = {2, {PN_DIM_FREE, 3}};
    pn_graph *g = with_input(&in);
    int loose;
    assert_int_equal(pn_graph_add_value(g, "loose", PN_F32, &in, &loose, NULL), PN_OK);
    add(g, PN_OP_RELU, "r", loose, PN_NONE);
    pn_err err = {0};
    assert_int_equal(pn_graph_infer_shapes(g, &err), PN_EFORMAT);
    assert_non_null(strstr(pn_err_text(&err), "nothing before it makes its input"));
    pn_err_clear(&err);
    pn_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooling_sizes_leave_out_windows_of_padding_alone),
        cmocka_unit_test(auto_pad_is_spelled_out_and_follows_another_size),
        cmocka_unit_test(a_literal_batch_in_a_target_becomes_any_batch),
        cmocka_unit_test(work_is_counted_per_image),
        cmocka_unit_test(work_of_a_transposed_convolution_counts_its_inputs),
        cmocka_unit_test(a_broken_rule_is_told_with_operator_node_and_rule),
        cmocka_unit_test(all_unsupported_nodes_are_told_at_once),
        cmocka_unit_test(types_must_agree_and_are_passed_on),
        cmocka_unit_test(a_value_that_nothing_makes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
