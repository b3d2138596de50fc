/* Memory: the nth allocation failing, the documented sizes, and none at all in a run;
 * weights packed by several threads. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "net_builder.h"
#include "tests/support/alloc_fail.h"

static net make_net(void)
{
    net n = net_new(3, 9, 9);
    int x = net_conv(&n, "conv", pn_graph_find(n.g, "x"), 3, 8, 3, 1, 1);
    int y = net_conv(&n, "dw", x, 8, 8, 3, 1, 8);
    x = net_concat(&n, NULL, net_norm(&n, NULL, x, 8), y);
    x = net_unary(&n, PN_OP_RELU, NULL, net_norm(&n, NULL, x, 16));
    net_finish(&n, net_fc(&n, "fc", x, 16 * 81, 70));
    return n;
}

static void survive_failing_allocations(int threads)
{
    net n = make_net();
    const pn_model_opts opts = {
        .cpu = PN_CPU_C, .height = 9, .width = 9, .threads = threads};
    bool done = false;
    for (long k = 0; !done; k++) {
        pn_model *m = NULL;
        pn_exec *x = NULL;
        pn_alloc_fail_at(k);
        pn_status st = pn_model_compile(&m, n.g, &opts, NULL);
        if (!st) st = pn_exec_new(&x, m, 2, 1, NULL);
        done = !pn_alloc_has_failed();
        pn_alloc_fail_at(-1);
        assert_int_equal(st, done ? PN_OK : PN_ENOMEM);
        if (x) pn_exec_free(&x);
        if (m) pn_model_free(&m);
        assert_true(k < 10000);
    }
    net_free(&n);
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    survive_failing_allocations(1);
    survive_failing_allocations(3);
}

/* Of a run over fixed pixels; *weight_bytes is the packed weights'. */
static void answer(const net *n, int threads, int64_t *weight_bytes, float out[70])
{
    const pn_model_opts opts = {.cpu = PN_CPU_AUTO, .threads = threads};
    pn_model *m = NULL;
    pn_exec *x = NULL;
    pn_model_info info;
    assert_int_equal(pn_model_compile(&m, n->g, &opts, NULL), PN_OK);
    assert_int_equal(pn_exec_new(&x, m, 1, 1, NULL), PN_OK);
    for (int i = 0; i < 9 * 9 * 3; i++)
        pn_exec_input(x, 0)[i] = (float)(i % 13) - 6;
    assert_int_equal(pn_exec_run(x, 1), PN_OK);
    memcpy(out, pn_exec_output(x, 0, 0), 70 * sizeof(float));
    pn_model_get_info(m, &info);
    *weight_bytes = info.weight_bytes;
    pn_exec_free(&x);
    pn_model_free(&m);
}

static void weights_do_not_depend_on_how_many_threads_packed_them(void **state)
{
    (void)state;
    net n = make_net();
    float alone[70], team[70];
    int64_t bytes, team_bytes;
    answer(&n, 1, &bytes, alone);
    for (int threads = 2; threads < 100; threads += 45) {
        answer(&n, threads, &team_bytes, team);
        assert_int_equal(team_bytes, bytes);
        assert_memory_equal(team, alone, sizeof(alone));
    }
    net_free(&n);
}

/* Leaves a node one element of its weights. */
static void starve(net *n, const char *name)
{
    for (int i = 0; i < n->g->n_nodes; i++)
        if (!strcmp(n->g->nodes[i].name, name))
            n->g->values[n->g->nodes[i].inputs[1]].size_bytes = 4;
}

/* By any number of threads, though the last of them, the heaviest, is packed first. */
static void of_several_layers_that_fail_the_first_is_named(void **state)
{
    (void)state;
    net n = make_net();
    starve(&n, "fc");
    starve(&n, "dw");
    for (int k = 0; k < 20; k++) {
        const pn_model_opts opts = {.cpu = PN_CPU_C, .threads = 1 + k % 4};
        pn_model *m = NULL;
        pn_err err = {0};
        assert_int_equal(pn_model_compile(&m, n.g, &opts, &err), PN_EFORMAT);
        assert_null(m);
        assert_non_null(strstr(pn_err_text(&err), "\"dw\": its weights have too few"));
        pn_err_clear(&err);
    }
    net_free(&n);
}

static void the_heaviest_layer_is_packed_first(void **state)
{
    (void)state;
    net n = make_net();
    const pn_model_opts opts = {.cpu = PN_CPU_C, .threads = 1};
    bool is_packing = false;
    for (long k = 0; !is_packing; k++) {
        pn_model *m = NULL;
        pn_err err = {0};
        pn_alloc_fail_at(k);
        const pn_status st = pn_model_compile(&m, n.g, &opts, &err);
        pn_alloc_fail_at(-1);
        assert_int_equal(st, PN_ENOMEM);
        is_packing = strchr(pn_err_text(&err), '"') != NULL;
        if (is_packing && !strstr(pn_err_text(&err), "\"fc\""))
            fail_msg("%s", pn_err_text(&err));
        pn_err_clear(&err);
    }
    net_free(&n);
}

static void a_run_allocates_nothing(void **state)
{
    (void)state;
    net n = make_net();
    pn_model *m = net_compile(&n, PN_CPU_OPENBLAS, NULL);
    pn_exec *x = NULL;
    assert_int_equal(pn_exec_new(&x, m, 3, 2, NULL), PN_OK);
    pn_alloc_fail_at(-1);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(pn_exec_run(x, i), PN_OK);
    assert_int_equal(pn_alloc_count(), 0);
    pn_exec_free(&x);
    pn_model_free(&m);
    net_free(&n);
}

static void sizes_are_as_documented(void **state)
{
    (void)state;
    net n = make_net();
    pn_alloc_fail_at(-1);
    pn_model *m = net_compile(&n, PN_CPU_OPENBLAS, NULL);
    pn_model_info info;
    pn_model_get_info(m, &info);
    assert_int_equal(info.weight_bytes, pn_alloc_aligned_bytes());
    for (int images = 1; images <= 4; images++) {
        pn_exec *x = NULL;
        pn_alloc_fail_at(-1);
        assert_int_equal(pn_exec_new(&x, m, images, 3, NULL), PN_OK);
        assert_int_equal(pn_alloc_aligned_bytes(),
                         images * info.image_bytes + 3 * info.thread_bytes + 128);
        pn_exec_free(&x);
    }
    pn_model_free(&m);
    net_free(&n);
}

static void memory_that_no_machine_has_is_refused_with_both_numbers(void **state)
{
    (void)state;
    net n = make_net();
    pn_model *m = net_compile(&n, PN_CPU_C, NULL);
    pn_exec *x = NULL;
    pn_err err = {0};
    assert_int_equal(pn_exec_new(&x, m, 1 << 30, 1, &err), PN_ENOMEM);
    assert_null(x);
    assert_non_null(strstr(pn_err_text(&err), "MiB, more than this machine has"));
    pn_err_clear(&err);
    pn_model_free(&m);
    net_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_is_survived),
        cmocka_unit_test(a_run_allocates_nothing),
        cmocka_unit_test(weights_do_not_depend_on_how_many_threads_packed_them),
        cmocka_unit_test(of_several_layers_that_fail_the_first_is_named),
        cmocka_unit_test(the_heaviest_layer_is_packed_first),
        cmocka_unit_test(memory_that_no_machine_has_is_refused_with_both_numbers),
        cmocka_unit_test(sizes_are_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
