/* Which layers are left, and that a tap keeps its own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <math.h>

#include "engine/net.h"
#include "net_builder.h"

static int layers_of(const net *n, const char *const *taps)
{
    pn_model *m = net_compile(n, PN_CPU_C, taps);
    const int layers = m->n_layers;
    pn_model_free(&m);
    return layers;
}

static void conv_norm_relu_is_one_layer(void **state)
{
    (void)state;
    net n = net_new(3, 8, 8);
    int c = net_conv(&n, "conv", pn_graph_find(n.g, "x"), 3, 4, 3, 1, 1);
    net_finish(&n, net_unary(&n, PN_OP_RELU, "relu", net_norm(&n, "norm", c, 4)));
    assert_int_equal(layers_of(&n, NULL), 1);
    assert_int_equal(layers_of(&n, (const char *const[]){"norm", "relu", NULL}), 2);
    assert_int_equal(layers_of(&n, (const char *const[]){"conv", "relu", NULL}), 2);
    assert_int_equal(layers_of(&n, (const char *const[]){"conv", "norm", "relu", NULL}),
                     3);
    assert_int_equal(layers_of(&n, (const char *const[]){"conv", NULL}), 1);
    net_free(&n);
}

static void residual_sum_and_relu_go_into_the_later_conv(void **state)
{
    (void)state;
    net n = net_new(4, 8, 8);
    const int x = pn_graph_find(n.g, "x");
    int a = net_conv(&n, "a", x, 4, 4, 3, 1, 1), b = net_conv(&n, "b", x, 4, 4, 1, 1, 1);
    net_finish(&n, net_unary(&n, PN_OP_RELU, "y", net_binary(&n, PN_OP_ADD, "s", a, b)));
    assert_int_equal(layers_of(&n, NULL), 2);
    assert_int_equal(layers_of(&n, (const char *const[]){"b", "y", NULL}), 2);
    assert_int_equal(layers_of(&n, (const char *const[]){"a", "b", "y", NULL}), 3);
    assert_int_equal(layers_of(&n, (const char *const[]){"s", "y", NULL}), 3);
    net_free(&n);
}

static void concat_of_convs_costs_no_copy(void **state)
{
    (void)state;
    net n = net_new(4, 8, 8);
    const int x = pn_graph_find(n.g, "x");
    int a = net_conv(&n, "a", x, 4, 5, 3, 1, 1), b = net_conv(&n, "b", x, 4, 6, 1, 1, 1);
    int c = net_concat(&n, "c", net_unary(&n, PN_OP_RELU, NULL, a), b);
    net_finish(&n, net_concat(&n, "d", c, net_conv(&n, "e", c, 11, 3, 1, 1, 1)));
    assert_int_equal(layers_of(&n, NULL), 3);
    net_free(&n);
}

static void flatten_before_fc_costs_no_copy(void **state)
{
    (void)state;
    net n = net_new(4, 3, 3);
    int x = net_conv(&n, "a", pn_graph_find(n.g, "x"), 4, 5, 3, 1, 1);
    net_finish(&n, net_fc(&n, "fc", x, 45, 10));
    assert_int_equal(layers_of(&n, NULL), 2);
    net_free(&n);
}

static void what_no_tap_needs_is_not_computed(void **state)
{
    (void)state;
    net n = net_new(4, 3, 3);
    int x = net_conv(&n, "a", pn_graph_find(n.g, "x"), 4, 5, 3, 1, 1);
    net_finish(&n, net_fc(&n, "fc", net_unary(&n, PN_OP_EXP, "b", x), 45, 10));
    assert_int_equal(layers_of(&n, (const char *const[]){"a", NULL}), 1);
    net_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_norm_relu_is_one_layer),
        cmocka_unit_test(residual_sum_and_relu_go_into_the_later_conv),
        cmocka_unit_test(concat_of_convs_costs_no_copy),
        cmocka_unit_test(flatten_before_fc_costs_no_copy),
        cmocka_unit_test(what_no_tap_needs_is_not_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
