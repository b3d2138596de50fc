/* The parity report: nets as they are hold at every level, and whatever is wrong with an
 * engine, here one that runs another graph than the walk, is missed by a bound. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/judge.h"
#include "net_builder.h"
#include "tests/support/alloc_fail.h"

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

/* ---- an engine that is wrong ---- */

/* A bit of everything; what breaks it is done to a second one. */
static net build(void)
{
    net n = net_new(16, 14, 14);
    const int64_t channels = 16;
    int x = net_conv(&n, "wino", pn_graph_find(n.g, "x"), 16, 16, 3, 1, 1);
    const int norm[] = {x, net_const(&n, 1, &channels), net_const(&n, 1, &channels),
                        net_const(&n, 1, &channels), net_const(&n, 1, &channels)};
    x = net_node(&n, PN_OP_BATCH_NORM, "norm", 5, norm);
    const int trunk = net_unary(&n, PN_OP_RELU, "relu", x);
    x = net_conv(&n, "point", trunk, 16, 16, 1, 1, 1);
    x = net_binary(&n, PN_OP_ADD, "sum", x, trunk);
    x = net_unary(&n, PN_OP_LEAKY_RELU, "leaky", x);
    x = net_conv(&n, "depthwise", x, 16, 16, 3, 1, 16);
    const int left = net_conv(&n, "strided", x, 16, 8, 5, 2, 1);
    const int right = net_pool(&n, PN_OP_AVERAGE_POOL, "average", x, 2, 2);
    x = net_concat(&n, "join", left, right);
    x = net_unary(&n, PN_OP_SIGMOID, "gate", x);
    x = net_fc(&n, "scores", x, 24 * 49, 10);
    net_finish(&n, net_unary(&n, PN_OP_SOFTMAX, "softmax", x));
    /* variances as trained nets have them */
    float *variance = pn_graph_alloc(n.g, 16 * sizeof(*variance));
    assert_non_null(variance);
    for (int c = 0; c < 16; c++)
        variance[c] = 0.2F + (float)c / 8;
    n.g->values[norm[4]].data = variance;
    return n;
}

static pn_node *node_of(net *n, const char *name)
{
    const int v = pn_graph_find(n->g, name);
    assert_int_not_equal(v, PN_NONE);
    return &n->g->nodes[n->g->values[v].producer];
}

/* Input i of a node, a copy that may be written. */
static float *weights_of(net *n, const char *name, int i)
{
    pn_value *v = &n->g->values[node_of(n, name)->inputs[i]];
    float *copy = pn_graph_alloc(n->g, v->size_bytes);
    assert_non_null(copy);
    memcpy(copy, v->data, v->size_bytes);
    v->data = copy;
    return copy;
}

static void swap(float *a, float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

static void set_pads(net *n, const char *name, int64_t before, int64_t after)
{
    const int64_t pads[] = {before, before, after, after};
    const int node = (int)(node_of(n, name) - n->g->nodes);
    assert_int_equal(pn_graph_set_ints(n->g, node, "pads", pads, 4), PN_OK);
}

static void wrong_weight(net *n)
{
    float *w = weights_of(n, "wino", 1);
    w[1234] = -w[1234];
}

static void swapped_filters(net *n)
{
    float *w = weights_of(n, "point", 1);
    swap(w + 3 * 16, w + 9 * 16, 16);
}

static void swapped_inputs(net *n)
{
    float *w = weights_of(n, "strided", 1);
    swap(w + 5 * 25, w + 6 * 25, 25);
}

static void kernel_off_by_one(net *n)
{
    float *w = weights_of(n, "depthwise", 1);
    memmove(w + 9 * 7, w + 9 * 7 + 1, 8 * sizeof(*w));
}

static void moved_padding(net *n)
{
    set_pads(n, "wino", 2, 0);
}

static void moved_padding_of_depthwise(net *n)
{
    set_pads(n, "depthwise", 0, 2);
}

static void other_epsilon(net *n)
{
    const int node = (int)(node_of(n, "norm") - n->g->nodes);
    assert_int_equal(pn_graph_set_float(n->g, node, "epsilon", 1e-3F), PN_OK);
}

static void other_slope(net *n)
{
    const int node = (int)(node_of(n, "leaky") - n->g->nodes);
    assert_int_equal(pn_graph_set_float(n->g, node, "alpha", 0.0101F), PN_OK);
}

static void wrong_bias(net *n)
{
    float *b = weights_of(n, "strided", 2);
    b[3] = 0;
}

static void turned_concat(net *n)
{
    float *w = weights_of(n, "scores", 1);
    swap(w, w + 8 * 49, 8 * 49);
}

static void wrong_class(net *n)
{
    float *w = weights_of(n, "scores", 1);
    w[5 * 24 * 49 + 100] *= 1.1F;
}

typedef struct broken_case {
    void (*breaks)(net *n);
    const char *layer; /* what its layer writes */
} broken_case;

static const broken_case broken[] = {
    {wrong_weight, "relu"},      {swapped_filters, "leaky"},
    {swapped_inputs, "strided"}, {kernel_off_by_one, "depthwise"},
    {moved_padding, "relu"},     {moved_padding_of_depthwise, "depthwise"},
    {other_epsilon, "relu"},     {other_slope, "leaky"},
    {wrong_bias, "strided"},     {turned_concat, "scores"},
    {wrong_class, "scores"},
};

static void check_broken(size_t k, pn_cpu cpu)
{
    net good = build(), bad = build();
    pn_parity p = {0};
    pn_err err = {0};
    float sample[16 * 14 * 14];
    const size_t size = sizeof(sample) / sizeof(*sample);
    net_random(sample, size, 3);
    const pn_parity_opts o = {
        .sample = sample, .n_sample = size, .cpu = cpu, .threads = 1};
    broken[k].breaks(&bad);
    if (pn_parity_between(&p, good.g, bad.g, &o, &err)) fail_msg("%s", pn_err_text(&err));
    assert_null(p.unproved);
    assert_null(p.not_finite);
    if (p.n_missed != 1 || strcmp(p.layers[p.worst].name, broken[k].layer) != 0)
        fail_msg("case %zu at %s: %d missed, the worst is \"%s\", %g of its bound", k,
                 pn_cpu_name(cpu), p.n_missed, p.layers[p.worst].name,
                 p.layers[p.worst].used);
    assert_false(pn_parity_holds(&p));
    pn_parity_fini(&p);
    net_free(&good);
    net_free(&bad);
}

static void a_wrong_layer_misses_its_bound_and_no_other_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
        for (size_t k = 0; is_here(levels[i]) && k < sizeof(broken) / sizeof(*broken);
             k++)
            check_broken(k, levels[i]);
}

/* A convolution whose sum|w||x| is beyond float's range, though no sum of it is. */
static net build_large(float first_weight)
{
    net n = net_new(32, 2, 2);
    net_finish(&n, net_conv(&n, "large", pn_graph_find(n.g, "x"), 32, 4, 1, 1, 1));
    float *w = weights_of(&n, "large", 1);
    memset(weights_of(&n, "large", 2), 0, 4 * sizeof(float));
    for (int i = 0; i < 4 * 32; i++)
        w[i] = i % 2 ? -1 : 1;
    w[0] = first_weight;
    return n;
}

static void magnitudes_beyond_float_still_bound(void **state)
{
    (void)state;
    net good = build_large(1), bad = build_large(1.001F);
    float sample[32 * 4];
    for (int i = 0; i < 32 * 4; i++)
        sample[i] = 3e37F;
    const pn_parity_opts o = {
        .sample = sample, .n_sample = 32 * 4, .cpu = PN_CPU_C, .threads = 1};
    for (int is_bad = 0; is_bad < 2; is_bad++) {
        pn_parity p = {0};
        const pn_graph *run = is_bad ? bad.g : good.g;
        assert_int_equal(pn_parity_between(&p, good.g, run, &o, NULL), PN_OK);
        assert_null(p.not_finite);
        assert_int_equal(p.n_missed, is_bad);
        pn_parity_fini(&p);
    }
    net_free(&good);
    net_free(&bad);
}

static pn_parity checked(const net *n)
{
    pn_parity p = {0};
    pn_err err = {0};
    const pn_parity_opts o = {.seed = 1, .cpu = PN_CPU_AUTO, .threads = 2};
    if (pn_parity_check(&p, n->g, &o, &err)) fail_msg("%s", pn_err_text(&err));
    return p;
}

static void the_answer_is_that_of_a_run(void **state)
{
    (void)state;
    net n = build();
    pn_model *m = net_compile(&n, PN_CPU_AUTO, NULL);
    pn_exec *x = NULL;
    assert_int_equal(pn_exec_new(&x, m, 1, 1, NULL), PN_OK);
    float sample[16 * 14 * 14];
    net_random(sample, sizeof(sample) / sizeof(*sample), 3);
    pn_exec_set_input_chw(x, 0, sample);
    assert_int_equal(pn_exec_run(x, 1), PN_OK);
    pn_walk64 *w = NULL;
    assert_int_equal(pn_walk64_new(&w, n.g, NULL), PN_OK);
    assert_int_equal(pn_walk64_set_input(w, n.g->inputs[0], sample,
                                         sizeof(sample) / sizeof(*sample), NULL),
                     PN_OK);
    assert_int_equal(pn_walk64_reach(w, n.g->outputs[0], NULL), PN_OK);
    double far = 0, top = 0;
    for (int i = 0; i < 10; i++) {
        const double want = w->values[n.g->outputs[0]].x[i];
        far = fmax(far, fabs((double)pn_exec_output(x, 0, 0)[i] - want));
        top = fmax(top, fabs(want));
    }
    pn_parity p = {0};
    const pn_parity_opts o = {.sample = sample,
                              .n_sample = sizeof(sample) / sizeof(*sample),
                              .cpu = PN_CPU_AUTO,
                              .threads = 1};
    assert_int_equal(pn_parity_check(&p, n.g, &o, NULL), PN_OK);
    assert_int_equal(p.n_outputs, 1);
    assert_true(p.outputs[0].greatest == far / top);
    assert_int_equal(p.outputs[0].k, 5);
    assert_int_equal(p.outputs[0].agree, 5);
    assert_true(p.outputs[0].first_agrees);
    pn_parity_fini(&p);
    pn_walk64_free(&w);
    pn_exec_free(&x);
    pn_model_free(&m);
    net_free(&n);
}

static void a_graph_beyond_the_engine_is_walked_and_told(void **state)
{
    (void)state;
    net n = net_new(2, 4, 4);
    net_finish(&n, net_binary(&n, PN_OP_MATMUL, "vector", pn_graph_find(n.g, "x"),
                              net_const(&n, 1, (const int64_t[]){4})));
    pn_parity p = checked(&n);
    assert_non_null(p.unproved);
    assert_true(p.is_engines_gap);
    assert_non_null(strstr(p.unproved, "MatMul \"vector\""));
    assert_null(p.not_finite);
    assert_true(pn_parity_holds(&p));
    assert_int_equal(p.n_layers, 0);
    pn_parity_fini(&p);
    net_free(&n);
}

static void what_is_too_large_for_the_proof_is_told(void **state)
{
    (void)state;
    net n = net_new(1, 400, 400);
    net_finish(&n, net_conv(&n, "wide", pn_graph_find(n.g, "x"), 1, 1, 3, 1, 1));
    set_pads(&n, "wide", 50000, 50000);
    assert_int_equal(pn_graph_infer_shapes(n.g, NULL), PN_OK);
    pn_parity p = checked(&n);
    assert_string_equal(p.unproved,
                        "Conv \"wide\": its output is too large for the proof");
    assert_true(pn_parity_holds(&p));
    pn_parity_fini(&p);
    net_free(&n);
}

static void broken_weights_name_the_first_tensor_that_is_not_finite(void **state)
{
    (void)state;
    net n = build();
    weights_of(&n, "point", 1)[5] = NAN;
    pn_parity p = checked(&n);
    assert_string_equal(p.not_finite, "point");
    assert_false(pn_parity_holds(&p));
    pn_parity_fini(&p);
    net_free(&n);
}

static void numbers_beyond_float_are_tried_with_a_smaller_input(void **state)
{
    (void)state;
    net n = net_new(1, 4, 4);
    net_finish(&n, net_unary(&n, PN_OP_EXP, "exp", pn_graph_find(n.g, "x")));
    pn_parity p = checked(&n);
    assert_null(p.not_finite);
    assert_true(p.is_0_to_1);
    assert_true(pn_parity_holds(&p));
    assert_int_equal(p.n_layers, 1);
    pn_parity_fini(&p);
    net_free(&n);
}

/* More than the walk takes at a time, and not gathered first. */
static void a_wide_pointwise_layer_is_walked_in_parts(void **state)
{
    (void)state;
    net n = net_new(400, 53, 53);
    net_finish(&n, net_conv(&n, "y", pn_graph_find(n.g, "x"), 400, 16, 1, 1, 1));
    pn_parity p = checked(&n);
    assert_null(p.unproved);
    assert_int_equal(p.n_layers, 1);
    assert_true(pn_parity_holds(&p));
    pn_parity_fini(&p);
    net_free(&n);
}

static void a_sample_of_another_size_is_refused(void **state)
{
    (void)state;
    net n = net_new(1, 4, 4);
    net_finish(&n, net_unary(&n, PN_OP_RELU, "y", pn_graph_find(n.g, "x")));
    const float sample[15] = {0};
    pn_parity p = {0};
    pn_err err = {0};
    const pn_parity_opts o = {.sample = sample, .n_sample = 15, .threads = 1};
    assert_int_equal(pn_parity_check(&p, n.g, &o, &err), PN_EINVAL);
    assert_string_equal(err.text, "input \"x\" wants 16 numbers, not 15");
    pn_err_clear(&err);
    net_free(&n);
}

typedef struct patience {
    int left, asked;
} patience;

static bool has_ended(void *arg)
{
    patience *p = arg;
    p->asked++;
    return p->left-- <= 0;
}

/* At each node in turn, with the engine and without. */
static void end_at_each_node(const net *n, int threads)
{
    pn_status st = PN_ESTOPPED;
    int left = 0;
    for (; st; left++) {
        patience p = {.left = left};
        pn_parity out = {0};
        const pn_parity_opts o = {
            .cpu = PN_CPU_C, .threads = threads, .is_unwanted = has_ended, .arg = &p};
        st = pn_parity_check(&out, n->g, &o, NULL);
        assert_int_equal(st, p.asked > left ? PN_ESTOPPED : PN_OK);
        assert_int_equal(p.asked, st ? left + 1 : n->g->n_nodes);
        pn_parity_fini(&out);
    }
    assert_int_equal(left, n->g->n_nodes + 1);
}

static void a_proof_that_nobody_wants_ends_at_the_next_node(void **state)
{
    (void)state;
    net n = build(), beyond = net_new(2, 4, 4);
    const int x = net_unary(&beyond, PN_OP_RELU, "relu", pn_graph_find(beyond.g, "x"));
    net_finish(&beyond, net_binary(&beyond, PN_OP_MATMUL, "vector", x,
                                   net_const(&beyond, 1, (const int64_t[]){4})));
    for (int threads = 1; threads <= 2; threads++) {
        end_at_each_node(&n, threads);
        end_at_each_node(&beyond, threads);
    }
    net_free(&n);
    net_free(&beyond);
}

static long threads_left = LONG_MAX; /* that the system gives */
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *),
                          void *arg);

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *),
                          void *arg)
{
    return threads_left-- > 0 ? __real_pthread_create(t, a, f, arg) : EAGAIN;
}

static void without_a_thread_to_walk_ahead_the_report_is_the_same(void **state)
{
    (void)state;
    net n = build();
    pn_parity want = checked(&n);
    for (long left = 0; left < 3; left++) {
        threads_left = left;
        pn_parity got = checked(&n);
        assert_true(threads_left < 0);
        threads_left = LONG_MAX;
        assert_int_equal(got.n_layers, want.n_layers);
        for (int i = 0; i < got.n_layers; i++)
            assert_true(got.layers[i].used == want.layers[i].used);
        pn_parity_fini(&got);
    }
    pn_parity_fini(&want);
    net_free(&n);
}

/* Each allocation in turn, of the threads together. */
static void fail_each_allocation(int threads)
{
    net n = build();
    const pn_parity_opts o = {.seed = 1, .cpu = PN_CPU_C, .threads = threads};
    bool failed = true;
    for (long k = 0; failed; k++) {
        pn_parity p = {0};
        pn_err err = {0};
        pn_alloc_fail_at(k);
        const pn_status st = pn_parity_check(&p, n.g, &o, &err);
        failed = pn_alloc_has_failed();
        pn_alloc_fail_at(-1);
        assert_int_equal(st, failed ? PN_ENOMEM : PN_OK);
        pn_err_clear(&err);
        pn_parity_fini(&p);
    }
    net_free(&n);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    fail_each_allocation(1);
    fail_each_allocation(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_agrees_with_onnx_runtime),
        cmocka_unit_test(every_operator_holds_at_every_level),
        cmocka_unit_test(a_wrong_layer_misses_its_bound_and_no_other_does),
        cmocka_unit_test(magnitudes_beyond_float_still_bound),
        cmocka_unit_test(the_answer_is_that_of_a_run),
        cmocka_unit_test(a_graph_beyond_the_engine_is_walked_and_told),
        cmocka_unit_test(what_is_too_large_for_the_proof_is_told),
        cmocka_unit_test(broken_weights_name_the_first_tensor_that_is_not_finite),
        cmocka_unit_test(numbers_beyond_float_are_tried_with_a_smaller_input),
        cmocka_unit_test(a_wide_pointwise_layer_is_walked_in_parts),
        cmocka_unit_test(a_sample_of_another_size_is_refused),
        cmocka_unit_test(a_proof_that_nobody_wants_ends_at_the_next_node),
        cmocka_unit_test(without_a_thread_to_walk_ahead_the_report_is_the_same),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
