/* What compiling refuses, in which words, and what its numbers say. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "engine/net.h"
#include "net_builder.h"

static net small_net(void)
{
    net n = net_new(3, 8, 8);
    int x = net_conv(&n, "stage1_conv_output", pn_graph_find(n.g, "x"), 3, 4, 3, 1, 1);
    net_finish(&n, net_unary(&n, PN_OP_GLOBAL_AVERAGE_POOL, "pool_output", x));
    return n;
}

static void check_refused(const net *n, const pn_model_opts *opts, pn_status want,
                          const char *const *words)
{
    pn_err err = {0};
    pn_model *m = NULL;
    assert_int_equal(pn_model_compile(&m, n->g, opts, &err), want);
    assert_null(m);
    for (; *words; words++)
        if (!strstr(pn_err_text(&err), *words))
            fail_msg("\"%s\" does not say \"%s\"", pn_err_text(&err), *words);
    pn_err_clear(&err);
}

static void unknown_tap_names_its_neighbours(void **state)
{
    (void)state;
    net n = small_net();
    const char *tap = "stage1_cnv";
    const pn_model_opts opts = {.taps = &tap, .n_taps = 1};
    check_refused(&n, &opts, PN_EINVAL,
                  (const char *const[]){"stage1_cnv", "stage1_conv_output", NULL});
    net_free(&n);
}

static void node_name_alone_finds_its_output(void **state)
{
    (void)state;
    net n = small_net();
    pn_model *m = net_compile(&n, PN_CPU_C, (const char *const[]){"stage1_conv", NULL});
    assert_int_equal(pn_model_tap_count(m, 0), 4 * 8 * 8);
    pn_model_free(&m);
    net_free(&n);
}

static void all_nodes_it_cannot_run_are_listed(void **state)
{
    (void)state;
    net n = net_new(3, 8, 8);
    const int64_t scalar[] = {1};
    int a = net_unary(&n, PN_OP_EXP, "bad_exp", net_const(&n, 1, scalar));
    int b = net_unary(&n, PN_OP_ERF, "bad_erf", net_const(&n, 1, scalar));
    int x = net_binary(&n, PN_OP_ADD, "c", pn_graph_find(n.g, "x"), a);
    net_finish(&n, net_binary(&n, PN_OP_ADD, "d", x, b));
    check_refused(&n, NULL, PN_EUNSUPPORTED,
                  (const char *const[]){"2 nodes", "bad_exp", "bad_erf", NULL});
    net_free(&n);
}

/* N x 1 x D x H x W through a window whose pads are alike before and behind. */
typedef struct box_case {
    pn_op op;
    int64_t size[3], kernel[3], pads[3];
    const char *says;
} box_case;

static net build_box(const box_case *c)
{
    net n = net_new(1, 1, 1);
    const int x = pn_graph_find(n.g, "x");
    const int64_t w[] = {1, 1, c->kernel[0], c->kernel[1], c->kernel[2]};
    pn_shape *s = &n.g->values[x].shape;
    *s = (pn_shape){5, {PN_DIM_FREE, 1, c->size[0], c->size[1], c->size[2]}};
    const int y = c->op == PN_OP_CONV ? net_binary(&n, c->op, "y", x, net_const(&n, 5, w))
                                      : net_unary(&n, c->op, "y", x);
    const int64_t pads[] = {c->pads[0], c->pads[1], c->pads[2],
                            c->pads[0], c->pads[1], c->pads[2]};
    assert_int_equal(pn_graph_set_ints(n.g, 0, "kernel_shape", c->kernel, 3), PN_OK);
    assert_int_equal(pn_graph_set_ints(n.g, 0, "pads", pads, 6), PN_OK);
    net_finish(&n, y);
    return n;
}

static void sizes_beyond_all_bounds_are_told_from_memory_and_from_the_batch(void **state)
{
    (void)state;
    static const box_case cases[] = {
        {PN_OP_CONV,
         {2, 4, 4},
         {3, 3, 3},
         {1, 1048576, 1048576},
         "\"y\": its output is Nx1x2x2097154x2097154: an image must have fewer than "
         "2^40"},
        {PN_OP_CONV,
         {4, 400, 400},
         {3, 3, 3},
         {20000, 20000, 0},
         "\"y\": it takes a map of 1x3x40002x40400x400: an image must have fewer"},
        {PN_OP_MAX_POOL,
         {8, 8, 8},
         {8, 500000, 500000},
         {0, 499999, 499999},
         "\"y\": it takes a map of 8x500007x500007: an image must have fewer"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        net n = build_box(&cases[i]);
        check_refused(&n, NULL, PN_EUNSUPPORTED,
                      (const char *const[]){cases[i].says, NULL});
        net_free(&n);
    }
}

static bool machine_has(pn_cpu level)
{
#if defined(__x86_64__)
    if (level == PN_CPU_AVX512 && !__builtin_cpu_supports("avx512f")) return false;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    (void)level;
    return false;
#endif
}

static void levels_the_machine_lacks_are_refused_by_name(void **state)
{
    (void)state;
    net n = small_net();
    for (pn_cpu level = PN_CPU_AVX2; level <= PN_CPU_AVX512; level++) {
        const pn_model_opts opts = {.cpu = level};
        if (machine_has(level)) {
            pn_model *m = net_compile(&n, level, NULL);
            pn_model_info info;
            pn_model_get_info(m, &info);
            assert_int_equal(info.cpu, level);
            pn_model_free(&m);
        } else {
            check_refused(&n, &opts, PN_EUNSUPPORTED,
                          (const char *const[]){pn_cpu_name(level), NULL});
        }
    }
    net_free(&n);
}

static int count_winograd(const struct pn_model *m)
{
    int n = 0;
    for (int i = 0; i < m->n_layers; i++)
        n += m->layers[i].kind == PN_LAYER_CONV_WINO;
    return n;
}

static void exact_does_without_winograd(void **state)
{
    (void)state;
    net n = net_new(16, 8, 8);
    net_finish(&n, net_conv(&n, "y", pn_graph_find(n.g, "x"), 16, 16, 3, 1, 1));
    for (int exact = 0; exact < 2; exact++) {
        const pn_model_opts opts = {.cpu = PN_CPU_C, .exact = exact};
        pn_model *m = NULL;
        pn_model_info info;
        assert_int_equal(pn_model_compile(&m, n.g, &opts, NULL), PN_OK);
        pn_model_get_info(m, &info);
        assert_int_equal(info.exact, exact);
        assert_int_equal(count_winograd(m), !exact);
        pn_model_free(&m);
    }
    net_free(&n);
}

static void levels_have_names_and_unknown_ones_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"auto", "c", "openblas", "avx2", "avx512"};
    pn_err err = {0};
    pn_cpu cpu;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pn_cpu_parse(&cpu, names[i], &err), PN_OK);
        assert_int_equal(cpu, i);
        assert_string_equal(pn_cpu_name(cpu), names[i]);
    }
    assert_int_equal(pn_cpu_parse(&cpu, "sse9", &err), PN_EINVAL);
    assert_non_null(strstr(pn_err_text(&err), "openblas"));
    pn_err_clear(&err);
    net n = small_net();
    const pn_model_opts opts = {.cpu = (pn_cpu)99};
    check_refused(&n, &opts, PN_EINVAL, (const char *const[]){"99", NULL});
    net_free(&n);
}

static void a_second_input_is_refused(void **state)
{
    (void)state;
    net n = net_new(3, 8, 8);
    const pn_shape s = {4, {PN_DIM_FREE, 3, 8, 8}};
    int other;
    assert_int_equal(pn_graph_add_value(n.g, "other", PN_F32, &s, &other, NULL), PN_OK);
    assert_int_equal(pn_graph_add_input(n.g, other), PN_OK);
    net_finish(&n, net_binary(&n, PN_OP_ADD, "y", pn_graph_find(n.g, "x"), other));
    check_refused(&n, NULL, PN_EUNSUPPORTED,
                  (const char *const[]){"\"x\"", "\"other\"", NULL});
    net_free(&n);
}

static void another_input_size_gives_other_shapes(void **state)
{
    (void)state;
    net n = small_net();
    const char *tap = "stage1_conv";
    const pn_model_opts opts = {.taps = &tap, .n_taps = 1, .height = 12, .width = 10};
    pn_model *m = NULL;
    assert_int_equal(pn_model_compile(&m, n.g, &opts, NULL), PN_OK);
    net_free(&n); /* what the model needs was copied */
    pn_model_info info;
    pn_model_get_info(m, &info);
    assert_int_equal(info.channels, 3);
    assert_int_equal(info.height, 12);
    assert_int_equal(info.width, 10);
    assert_int_equal(info.n_taps, 1);
    const pn_shape *s = pn_model_tap_shape(m, 0);
    assert_int_equal(s->ndim, 3);
    assert_int_equal(s->dim[1], 12);
    assert_int_equal(s->dim[2], 10);
    pn_exec *x = NULL;
    assert_int_equal(pn_exec_new(&x, m, 2, 1, NULL), PN_OK);
    assert_int_equal(pn_exec_run(x, 2), PN_OK);
    assert_int_equal(pn_exec_run(x, 3), PN_EINVAL);
    assert_int_equal(pn_exec_run(x, 0), PN_EINVAL);
    pn_exec_free(&x);
    pn_model_free(&m);
}

static void a_size_that_the_weights_do_not_fit_is_refused(void **state)
{
    (void)state;
    net n = net_new(3, 8, 8);
    net_finish(&n, net_fc(&n, "fc", pn_graph_find(n.g, "x"), 192, 10));
    const pn_model_opts opts = {.height = 9, .width = 9};
    pn_err err = {0};
    pn_model *m = NULL;
    assert_int_not_equal(pn_model_compile(&m, n.g, &opts, &err), PN_OK);
    assert_null(m);
    assert_non_null(strstr(pn_err_text(&err), "fc"));
    pn_err_clear(&err);
    net_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_tap_names_its_neighbours),
        cmocka_unit_test(node_name_alone_finds_its_output),
        cmocka_unit_test(all_nodes_it_cannot_run_are_listed),
        cmocka_unit_test(sizes_beyond_all_bounds_are_told_from_memory_and_from_the_batch),
        cmocka_unit_test(levels_the_machine_lacks_are_refused_by_name),
        cmocka_unit_test(exact_does_without_winograd),
        cmocka_unit_test(levels_have_names_and_unknown_ones_are_refused),
        cmocka_unit_test(a_second_input_is_refused),
        cmocka_unit_test(another_input_size_gives_other_shapes),
        cmocka_unit_test(a_size_that_the_weights_do_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
