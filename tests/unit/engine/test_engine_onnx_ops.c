/* Every small graph of tests/golden/onnx_ops, at each level, against ONNX Runtime. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net_builder.h"

#define BATCH 3
#define BOUND 1e-5 /* of the greatest expected value */

static float *expected(const pn_graph *g, const char *key, size_t *n)
{
    char name[96];
    snprintf(name, sizeof(name), "expected %s", key);
    const int v = pn_graph_find(g, name);
    if (v == PN_NONE) fail_msg("no constant \"%s\"", name);
    *n = (size_t)pn_shape_count(&g->values[v].shape);
    float *x = malloc(*n * sizeof(*x));
    assert_non_null(x);
    assert_int_equal(pn_value_to_f32(&g->values[v], 0, (int64_t)*n, x), PN_OK);
    return x;
}

static void compare_output(const char *file, const pn_graph *g, const pn_model *m,
                           const pn_exec *x, int tap)
{
    size_t n;
    float *want = expected(g, g->values[g->outputs[tap]].name, &n);
    const size_t count = pn_model_tap_count(m, tap);
    if (n != count * BATCH)
        fail_msg("%s: %zu floats, expected %zu", file, count * BATCH, n);
    double most = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        const float *got = pn_exec_output(x, tap, (int)(i / count));
        const double d = fabs((double)got[i % count] - (double)want[i]);
        if (!(d <= worst)) worst = d;
        most = fmax(most, fabs((double)want[i]));
    }
    if (!(worst <= BOUND * most))
        fail_msg("%s: output %d is %g off, greatest value %g", file, tap, worst, most);
    free(want);
}

static void run_case(const char *file, pn_cpu cpu, int threads)
{
    char path[512];
    pn_err err = {0};
    pn_graph *g = NULL;
    pn_model *m = NULL;
    pn_exec *x = NULL;
    snprintf(path, sizeof(path), "%s/onnx_ops/%s", PN_GOLDEN_DIR, file);
    const pn_model_opts opts = {.cpu = cpu};
    if (pn_graph_read_onnx(&g, path, &err) || pn_model_compile(&m, g, &opts, &err) ||
        pn_exec_new(&x, m, BATCH, threads, &err))
        fail_msg("%s: %s", file, pn_err_text(&err));
    size_t n;
    float *input = expected(g, "input", &n);
    for (int i = 0; i < BATCH; i++)
        pn_exec_set_input_chw(x, i, input + n / BATCH * (size_t)i);
    free(input);
    assert_int_equal(pn_exec_run(x, BATCH), PN_OK);
    for (int t = 0; t < g->n_outputs; t++)
        compare_output(file, g, m, x, t);
    pn_exec_free(&x);
    pn_model_free(&m);
    pn_graph_free(&g);
}

static void run_all(pn_cpu cpu, int threads)
{
    DIR *d = opendir(PN_GOLDEN_DIR "/onnx_ops");
    assert_non_null(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        const char *end = strrchr(e->d_name, '.');
        if (!end || strcmp(end, ".onnx") != 0) continue;
        run_case(e->d_name, cpu, threads);
        n++;
    }
    closedir(d);
    assert_true(n > 150);
}

static void c_level_agrees_with_onnx_runtime(void **state)
{
    (void)state;
    run_all(PN_CPU_C, 1);
}

static void auto_level_agrees_with_onnx_runtime(void **state)
{
    (void)state;
    run_all(PN_CPU_AUTO, 2);
}

static void openblas_level_agrees_with_onnx_runtime(void **state)
{
    (void)state;
    run_all(PN_CPU_OPENBLAS, 2);
}

/* Levels of this machine only; the others compile to a refusal. */
static bool is_here(pn_cpu cpu)
{
    net n = net_new(1, 2, 2);
    net_finish(&n, net_unary(&n, PN_OP_RELU, NULL, pn_graph_find(n.g, "x")));
    const pn_model_opts opts = {.cpu = cpu};
    pn_model *m = NULL;
    const pn_status st = pn_model_compile(&m, n.g, &opts, NULL);
    pn_model_free(&m);
    net_free(&n);
    return st == PN_OK;
}

static void own_kernels_agree_with_onnx_runtime(void **state)
{
    (void)state;
    for (int cpu = PN_CPU_AVX2; cpu <= PN_CPU_AVX512; cpu++)
        if (is_here((pn_cpu)cpu)) run_all((pn_cpu)cpu, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c_level_agrees_with_onnx_runtime),
        cmocka_unit_test(auto_level_agrees_with_onnx_runtime),
        cmocka_unit_test(openblas_level_agrees_with_onnx_runtime),
        cmocka_unit_test(own_kernels_agree_with_onnx_runtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
