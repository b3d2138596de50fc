/* The parity report: nets as they are hold at every level, and whatever is wrong with an
 * engine, here one that runs another graph than the walk, is missed by a bound. */
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

#include "engine/judge.h"
#include "net_builder.h"

static const pn_cpu levels[] = {PN_CPU_C, PN_CPU_OPENBLAS, PN_CPU_AVX2, PN_CPU_AVX512};

static bool is_here(pn_cpu cpu)
{
    pn_cpu got;
    return pn_cpu_resolve(&got, cpu, NULL) == PN_OK;
}

static pn_graph *read_case(const char *file)
{
    char path[512];
    pn_err err = {0};
    pn_graph *g = NULL;
    snprintf(path, sizeof(path), "%s/onnx_ops/%s", PN_GOLDEN_DIR, file);
    if (pn_graph_read_onnx(&g, path, &err)) fail_msg("%s: %s", file, pn_err_text(&err));
    return g;
}

/* Call f for every small graph of ONNX Runtime's answers. */
static void each_case(void (*f)(const char *file, const pn_graph *g))
{
    DIR *d = opendir(PN_GOLDEN_DIR "/onnx_ops");
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        const char *end = strrchr(e->d_name, '.');
        if (!end || strcmp(end, ".onnx") != 0) continue;
        pn_graph *g = read_case(e->d_name);
        f(e->d_name, g);
        pn_graph_free(&g);
        n++;
    }
    closedir(d);
    assert_true(n > 150);
}

/* ---- the walk ---- */

static const void *constant(const pn_graph *g, const char *what, const char *key,
                            size_t *n, const char *file)
{
    char name[96];
    snprintf(name, sizeof(name), "%s %s", what, key);
    const int v = pn_graph_find(g, name);
    if (v == PN_NONE) fail_msg("%s: no constant \"%s\"", file, name);
    *n = (size_t)pn_shape_count(&g->values[v].shape);
    return g->values[v].data;
}

/* Image `i` of the input that the file's answers belong to. */
static void walk_one(const char *file, const pn_graph *g, size_t image, size_t batch)
{
    size_t n;
    pn_err err = {0};
    pn_walk64 *w = NULL;
    const char *input = constant(g, "expected", "input", &n, file);
    float *x = malloc(n / batch * sizeof(*x));
    assert_non_null(x);
    memcpy(x, input + n / batch * image * sizeof(*x), n / batch * sizeof(*x));
    if (pn_walk64_new(&w, g, &err) ||
        pn_walk64_set_input(w, g->inputs[0], x, n / batch, &err))
        fail_msg("%s: %s", file, pn_err_text(&err));
    for (int t = 0; t < g->n_outputs; t++) {
        const pn_value *v = &g->values[g->outputs[t]];
        if (pn_walk64_reach(w, g->outputs[t], &err))
            fail_msg("%s: %s", file, pn_err_text(&err));
        const pn_array64 *got = &w->values[g->outputs[t]];
        const char *want = constant(g, "expected", v->name, &n, file);
        assert_int_equal((size_t)got->n * batch, n);
        double off = 0, top = 0;
        for (int64_t i = 0; i < got->n; i++) {
            float y;
            memcpy(&y, want + ((size_t)got->n * image + (size_t)i) * sizeof(y),
                   sizeof(y));
            off = fmax(off, fabs(got->x[i] - (double)y));
            top = fmax(top, fabs((double)y));
        }
        if (!(off <= 2e-6 * top))
            fail_msg("%s: \"%s\" is %g off, greatest value %g", file, v->name, off, top);
    }
    pn_walk64_free(&w);
    free(x);
}

static void walk_case(const char *file, const pn_graph *g)
{
    for (size_t image = 0; image < 3; image++)
        walk_one(file, g, image, 3);
}

static void walk_agrees_with_onnx_runtime(void **state)
{
    (void)state;
    each_case(walk_case);
}

/* ---- nets as they are ---- */

static void hold(const char *file, const pn_graph *g, pn_cpu cpu, int threads)
{
    pn_parity p = {0};
    pn_err err = {0};
    size_t n;
    const void *x = constant(g, "expected", "input", &n, file);
    float *sample = malloc(n / 3 * sizeof(*sample));
    assert_non_null(sample);
    memcpy(sample, x, n / 3 * sizeof(*sample));
    const pn_parity_opts o = {
        .sample = sample, .n_sample = n / 3, .cpu = cpu, .threads = threads};
    if (pn_parity_check(&p, g, &o, &err)) fail_msg("%s: %s", file, pn_err_text(&err));
    if (p.unproved) fail_msg("%s: %s", file, p.unproved);
    if (p.not_finite) fail_msg("%s: %s is not finite", file, p.not_finite);
    if (p.n_missed)
        fail_msg("%s at %s: %s \"%s\" is %g times its bound", file, pn_cpu_name(cpu),
                 p.layers[p.worst].op, p.layers[p.worst].name, p.layers[p.worst].used);
    assert_int_equal(p.n_outputs, g->n_outputs);
    pn_parity_fini(&p);
    free(sample);
}

static void hold_case(const char *file, const pn_graph *g)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
        if (is_here(levels[i])) hold(file, g, levels[i], 1 + (int)i % 2);
}

static void every_operator_holds_at_every_level(void **state)
{
    (void)state;
    each_case(hold_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_agrees_with_onnx_runtime),
        cmocka_unit_test(every_operator_holds_at_every_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
