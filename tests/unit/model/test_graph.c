/* The builder: names, constants, nodes, attributes, metadata, order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/graph_order.h"
#include "penult/graph.h"

static pn_graph *new_graph(void)
{
    pn_graph *g = NULL;
    assert_int_equal(pn_graph_new(&g, "g"), PN_OK);
    return g;
}

static int value(pn_graph *g, const char *name)
{
    int id = -7;
    assert_int_equal(pn_graph_add_value(g, name, PN_F32, NULL, &id, NULL), PN_OK);
    return id;
}

static void every_operator_is_found_by_its_name_and_no_other(void **state)
{
    (void)state;
    for (int op = 0; op < PN_N_OPS; op++)
        assert_int_equal(pn_op_find(pn_op_name((pn_op)op)), op);
    assert_int_equal(pn_op_find("relu"), PN_N_OPS);
    assert_int_equal(pn_op_find(""), PN_N_OPS);
    assert_int_equal(pn_op_find("TopK"), PN_N_OPS);
    assert_string_equal(pn_op_name(PN_OP_LRN), "LRN");
    assert_string_equal(pn_op_name(PN_N_OPS), "?");
}

static void a_node_name_finds_its_output_unless_a_value_has_that_name(void **state)
{
    (void)state;
    pn_graph *g = new_graph();
    int out = value(g, "flatten0_output");
    assert_int_equal(pn_graph_find(g, "flatten0"), out);
    assert_int_equal(pn_graph_find(g, "flatten0_output"), out);
    assert_int_equal(pn_graph_find(g, "flatten"), PN_NONE);
    int exact = value(g, "flatten0");
    assert_int_equal(pn_graph_find(g, "flatten0"), exact);
    pn_graph_free(&g);
    assert_null(g);
    pn_graph_free(&g);
}

static void names_must_be_new_and_not_empty(void **state)
{
    (void)state;
    static char longest[PN_MAX_NAME_BYTES + 2];
    pn_graph *g = new_graph();
    pn_err err = {0};
    value(g, "a");
    assert_int_equal(pn_graph_add_value(g, "a", PN_F32, NULL, NULL, &err), PN_EINVAL);
    assert_string_equal(pn_err_text(&err), "value \"a\": the name is taken");
    pn_err_clear(&err);
    assert_int_equal(pn_graph_add_value(g, "", PN_F32, NULL, NULL, NULL), PN_EINVAL);
    memset(longest, 'x', PN_MAX_NAME_BYTES + 1);
    assert_int_equal(pn_graph_add_value(g, longest, PN_F32, NULL, NULL, NULL), PN_EINVAL);
    assert_int_equal(pn_graph_find(g, longest), PN_NONE);
    longest[PN_MAX_NAME_BYTES] = '\0';
    assert_int_equal(pn_graph_add_value(g, longest, PN_F32, NULL, NULL, NULL), PN_OK);
    assert_int_equal(pn_graph_find(g, longest), 1);
    assert_int_equal(g->n_values, 2);
    pn_graph_free(&g);
}

static void a_constant_is_as_long_as_its_shape_says(void **state)
{
    (void)state;
    pn_graph *g = new_graph();
    float data[] = {1, 2, 3, 4, 5, 6};
    const pn_shape six = {2, {2, 3}}, open = {2, {PN_DIM_FREE, 3}}, none = {1, {0}};
    int id, lent;
    assert_int_equal(pn_graph_add_const(g, "a", PN_F32, &six, data, 20, false, &id, NULL),
                     PN_EINVAL);
    assert_int_equal(
        pn_graph_add_const(g, "a", PN_F32, &open, data, 12, false, &id, NULL), PN_EINVAL);
    assert_int_equal(pn_graph_add_const(g, "a", PN_F32, &six, data, 24, false, &id, NULL),
                     PN_OK);
    assert_int_equal(
        pn_graph_add_const(g, "b", PN_F32, &six, data, 24, true, &lent, NULL), PN_OK);
    data[0] = 9;
    assert_true(*(const float *)g->values[id].data == 1);
    assert_ptr_equal(g->values[lent].data, data);
    assert_int_equal(pn_graph_add_const(g, "c", PN_F32, &none, NULL, 0, true, &id, NULL),
                     PN_OK);
    assert_non_null(g->values[id].data); /* so that it counts as a constant */
    pn_graph_free(&g);
}

static void a_value_is_made_once(void **state)
{
    (void)state;
    pn_graph *g = new_graph();
    int a = value(g, "a"), b = value(g, "b"), node, far = 99, none = PN_NONE;
    assert_int_equal(pn_graph_add_node(g, PN_OP_RELU, "n", &a, 1, &b, 1, &node, NULL),
                     PN_OK);
    assert_int_equal(g->values[b].producer, node);
    assert_int_equal(pn_graph_add_node(g, PN_OP_RELU, "m", &a, 1, &b, 1, NULL, NULL),
                     PN_EINVAL);
    assert_int_equal(pn_graph_add_node(g, PN_OP_RELU, "m", &far, 1, &a, 1, NULL, NULL),
                     PN_EINVAL);
    assert_int_equal(pn_graph_add_node(g, PN_OP_RELU, "m", &a, 1, &none, 1, NULL, NULL),
                     PN_EINVAL);
    assert_int_equal(g->n_nodes, 1);
    assert_int_equal(pn_graph_add_output(g, 99), PN_EINVAL);
    assert_int_equal(pn_graph_add_input(g, -1), PN_EINVAL);
    pn_graph_free(&g);
}

static void attributes_are_kept_copied_and_replaced(void **state)
{
    (void)state;
    pn_graph *g = new_graph();
    int out = value(g, "y"), node;
    int64_t ints[] = {1, 2, 3};
    char name[16], text[] = "SAME";
    assert_int_equal(
        pn_graph_add_node(g, PN_OP_RELU, NULL, NULL, 0, &out, 1, &node, NULL), PN_OK);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "a%d", i);
        assert_int_equal(pn_graph_set_int(g, node, name, i), PN_OK);
    }
    assert_int_equal(pn_graph_set_ints(g, node, "a3", ints, 3), PN_OK);
    assert_int_equal(pn_graph_set_string(g, node, "a4", text), PN_OK);
    assert_int_equal(pn_graph_set_float(g, node, "a5", 0.5F), PN_OK);
    ints[0] = 8;
    text[0] = 'X';
    const pn_node *n = &g->nodes[node];
    assert_int_equal(n->n_attrs, 40);
    assert_int_equal(pn_node_int(n, "a39", -1), 39);
    assert_int_equal(pn_node_int(n, "a40", -1), -1);
    assert_int_equal(pn_node_int(n, "a5", -1), -1); /* of another kind now */
    assert_true(pn_node_float(n, "a5", 0) == 0.5F);
    assert_string_equal(pn_node_string(n, "a4", ""), "SAME");
    assert_int_equal(pn_node_attr(n, "a3")->ints[0], 1);
    assert_int_equal(pn_node_attr(n, "a3")->n, 3);
    pn_graph_free(&g);
}

static void metadata_is_replaced_by_key(void **state)
{
    (void)state;
    pn_graph *g = new_graph();
    assert_null(pn_graph_meta(g, "k"));
    assert_int_equal(pn_graph_set_meta(g, "k", "1"), PN_OK);
    assert_int_equal(pn_graph_set_meta(g, "l", "2"), PN_OK);
    assert_int_equal(pn_graph_set_meta(g, "k", "3"), PN_OK);
    assert_int_equal(g->n_meta, 2);
    assert_string_equal(pn_graph_meta(g, "k"), "3");
    pn_graph_free(&g);
}

/* node i reads value from[i], makes value i + 1 */
static pn_graph *chain(const int *from, int n)
{
    pn_graph *g = new_graph();
    char name[16];
    for (int i = 0; i <= n; i++) {
        snprintf(name, sizeof(name), "v%d", i);
        value(g, name);
    }
    for (int i = 0; i < n; i++) {
        int out = i + 1;
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(
            pn_graph_add_node(g, PN_OP_RELU, name, &from[i], 1, &out, 1, NULL, NULL),
            PN_OK);
    }
    return g;
}

static void sorting_keeps_every_edge_forward(void **state)
{
    (void)state;
    const int from[] = {3, 0, 2, 1, 4}; /* 0 -> 2 -> 3 -> 1 -> 4, and 5 behind 4 */
    pn_graph *g = chain(from, 5);
    assert_int_equal(pn_graph_sort(g, NULL), PN_OK);
    for (int i = 0; i < g->n_nodes; i++) {
        assert_true(g->values[g->nodes[i].inputs[0]].producer < i);
        assert_int_equal(g->values[g->nodes[i].outputs[0]].producer, i);
    }
    pn_graph_free(&g);
}

static void a_cycle_is_refused_by_name(void **state)
{
    (void)state;
    const int from[] = {0, 3, 2}; /* n1 and n2 feed each other */
    pn_graph *g = chain(from, 3);
    pn_err err = {0};
    assert_int_equal(pn_graph_sort(g, &err), PN_EFORMAT);
    assert_non_null(strstr(pn_err_text(&err), "\"n1\""));
    assert_non_null(strstr(pn_err_text(&err), "cycle of 2 nodes"));
    pn_err_clear(&err);
    pn_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_is_found_by_its_name_and_no_other),
        cmocka_unit_test(a_node_name_finds_its_output_unless_a_value_has_that_name),
        cmocka_unit_test(names_must_be_new_and_not_empty),
        cmocka_unit_test(a_constant_is_as_long_as_its_shape_says),
        cmocka_unit_test(a_value_is_made_once),
        cmocka_unit_test(attributes_are_kept_copied_and_replaced),
        cmocka_unit_test(metadata_is_replaced_by_key),
        cmocka_unit_test(sorting_keeps_every_edge_forward),
        cmocka_unit_test(a_cycle_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
