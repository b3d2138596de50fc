/* test_parity.c  A checkpoint, through every step a user's goes through, against what
 * MXNet (and ONNX Runtime, on the file we wrote) answered for it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "penult/convert.h"
#include "penult/export.h"
#include "penult/graph.h"
#include "penult/model.h"
#include "penult/parity.h"

#include "engine/oracle/walk64.h"
#include "tests/support/golden.h"
#include "tests/support/npy.h"

#define BOUND 1e-4
#define WALK_BOUND                                                                       \
    1e-7 /* epsilons and slopes are float in ONNX, not in MXNet's double                 \
          */
#define BATCH 2
#define MAX_TENSORS 10

/* The plain C references are for the narrow nets: they are slow. */
typedef struct golden_case {
    const char *name;
    bool narrow;
    bool beyond_mmdnn; /* its IR has no words for some node of it */
} golden_case;

typedef struct golden {
    const golden_case *about;
    char folder[1024];
    json_t *json;
    char files[2][2048];
    char shape[64];
    int n_tensors;
    const char *names[MAX_TENSORS];
} golden;

/* The checkpoint lies beside its golden, among the examples, or in a folder of further
 * checkpoints. */
static bool find_file(const golden *g, const char *name, char *path, size_t size)
{
    const char *roots[] = {g->folder, PN_SOURCE_DIR "/examples", PN_TEST_DATA};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        snprintf(path, size, "%s%s%s", *name == '/' ? "" : roots[i], "/", name);
        if (access(path, R_OK) == 0) return true;
    }
    return false;
}

static void golden_open(golden *g, const golden_case *c)
{
    char path[1100];
    memset(g, 0, sizeof *g);
    g->about = c;
    snprintf(g->folder, sizeof g->folder, "%s%s",
             *c->name == '/' ? "" : PN_SOURCE_DIR "/tests/golden/", c->name);
    snprintf(path, sizeof path, "%s/golden.json", g->folder);
    g->json = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(g->json);

    json_t *shape = json_object_get(g->json, "input_shape");
    snprintf(g->shape, sizeof g->shape, "%d,%d,%d",
             (int)json_integer_value(json_array_get(shape, 0)),
             (int)json_integer_value(json_array_get(shape, 1)),
             (int)json_integer_value(json_array_get(shape, 2)));
    json_t *tensors = json_object_get(g->json, "tensors");
    g->n_tensors = (int)json_array_size(tensors);
    assert_in_range(g->n_tensors, 1, MAX_TENSORS);
    for (int i = 0; i < g->n_tensors; i++)
        g->names[i] = json_string_value(
            json_object_get(json_array_get(tensors, (size_t)i), "name"));

    json_t *files = json_object_get(g->json, "checkpoint");
    for (size_t i = 0; i < 2; i++) {
        const char *name = json_string_value(json_array_get(files, i));
        if (find_file(g, name, g->files[i], sizeof g->files[i])) continue;
        print_message("%s is not on this machine\n", name);
        json_decref(g->json);
        skip();
    }
}

#define ok(call, err)                                                                    \
    do {                                                                                 \
        pn_status st_ = (call);                                                          \
        if (st_ != PN_OK)                                                                \
            fail_msg("%s: %s: %s", #call, pn_status_name(st_), pn_err_text(err));        \
    } while (0)

/* Convert, write, and read what was written: the graph a run would see. */
static pn_graph *through_a_file(const golden *g)
{
    pn_err err = {0};
    const char *inputs[] = {g->files[0], g->files[1]};
    const char *shapes[] = {g->shape};
    pn_convert_opts opts = {
        .inputs = inputs, .n_inputs = 2, .input_shapes = shapes, .n_input_shapes = 1};
    pn_graph *made = NULL, *read = NULL;
    ok(pn_convert(&made, &opts, &err), &err);

    const char *want = json_string_value(json_object_get(g->json, "default_features"));
    const char *got = pn_graph_meta(made, PN_META_FEATURES);
    if (want) {
        assert_non_null(got);
        assert_string_equal(got, want);
    } else {
        assert_null(got);
    }

    char path[] = "/tmp/penult-parity-XXXXXX.onnx";
    int fd = mkstemps(path, 5);
    assert_int_not_equal(fd, -1);
    close(fd);
    ok(pn_graph_write_onnx(made, path, &err), &err);
    pn_graph_free(&made);
    ok(pn_graph_read_onnx(&read, path, &err), &err);
    unlink(path); /* constants stay mapped */
    return read;
}

static void same_metadata(const pn_graph *a, const pn_graph *b)
{
    static const char *const keys[] = {PN_META_FEATURES, PN_META_SCORES, PN_META_LABELS,
                                       PN_META_PREPROCESS};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *want = pn_graph_meta(a, keys[i]), *got = pn_graph_meta(b, keys[i]);
        assert_int_equal(want != NULL, got != NULL);
        if (want) assert_string_equal(got, want);
    }
    assert_int_equal(a->n_outputs, b->n_outputs);
    for (int i = 0; i < a->n_outputs; i++)
        assert_string_equal(a->values[a->outputs[i]].name, b->values[b->outputs[i]].name);
}

/* As MMdnn's IR and back; NULL if a node has no word there. */
static pn_graph *through_mmdnn(const pn_graph *graph)
{
    static const char *const ends[] = {".pb", ".json", ".npy"};
    char folder[] = "/tmp/penult-parity-XXXXXX", path[64];
    pn_err err = {0};
    pn_graph *again = NULL;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/ir.pb", folder);
    pn_status st = pn_export(graph, path, &err);
    if (st != PN_EUNSUPPORTED) {
        const char *inputs[] = {path};
        pn_convert_opts opts = {.inputs = inputs, .n_inputs = 1};
        ok(st, &err);
        ok(pn_convert(&again, &opts, &err), &err);
        same_metadata(graph, again);
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(path, sizeof path, "%s/ir%s", folder, ends[i]);
        assert_int_equal(unlink(path), again ? 0 : -1);
    }
    assert_int_equal(rmdir(folder), 0);
    pn_err_clear(&err);
    return again;
}

static void compare(const golden *g, const pn_exec *x, const pn_model *m, int tap,
                    const char *which)
{
    json_t *tensor = json_array_get(json_object_get(g->json, "tensors"), (size_t)tap);
    const char *file = json_string_value(json_object_get(tensor, which));
    if (!file) return;
    char path[1200];
    pn_npy want = {0};
    pn_err err = {0};
    snprintf(path, sizeof path, "%s/%s", g->folder, file);
    ok(pn_npy_read(&want, path, &err), &err);

    size_t n = pn_model_tap_count(m, tap);
    assert_int_equal(want.n, n * BATCH);
    float *got = malloc(want.n * sizeof *got);
    assert_non_null(got);
    for (int slot = 0; slot < BATCH; slot++)
        memcpy(got + (size_t)slot * n, pn_exec_output(x, tap, slot), n * sizeof *got);
    double off = pn_golden_distance(got, want.data, want.n);
    free(got);
    pn_npy_fini(&want);
    if (!(off <= BOUND))
        fail_msg("%s: %s is off %s by %.3g of its maximum", g->about->name, g->names[tap],
                 which, off);
}

/* BATCH images of *n floats */
static float *input_of(const golden *g, const pn_graph *graph, size_t *n)
{
    *n = (size_t)pn_shape_count(&graph->values[graph->inputs[0]].shape);
    float *in = malloc(*n * BATCH * sizeof *in);
    assert_non_null(in);
    pn_golden_input(in, *n * BATCH,
                    (uint64_t)json_integer_value(json_object_get(g->json, "seed")),
                    json_number_value(json_object_get(g->json, "shift")),
                    json_number_value(json_object_get(g->json, "scale")));
    return in;
}

/* A tensor of the walk against MXNet's own answer in double precision. */
static void compare_walk(const golden *g, const pn_array64 *got, int tap, size_t image)
{
    json_t *tensor = json_array_get(json_object_get(g->json, "tensors"), (size_t)tap);
    const char *file = json_string_value(json_object_get(tensor, "float64"));
    if (!file) return;
    char path[1200];
    pn_npy want = {0};
    pn_err err = {0};
    snprintf(path, sizeof path, "%s/%s", g->folder, file);
    ok(pn_npy_read(&want, path, &err), &err);
    const size_t n = (size_t)got->n;
    assert_int_equal(want.n, n * BATCH);
    double off = 0, top = 0;
    for (size_t i = 0; i < n; i++) {
        off = fmax(off, fabs(got->x[i] - want.data[image * n + i]));
        top = fmax(top, fabs(want.data[image * n + i]));
    }
    pn_npy_fini(&want);
    if (!(off <= WALK_BOUND * top))
        fail_msg("%s: the walk is off %s by %.3g of its maximum", g->about->name,
                 g->names[tap], off / top);
}

static void walk_and_compare(const golden *g, const pn_graph *graph)
{
    pn_err err = {0};
    size_t n;
    float *in = input_of(g, graph, &n);
    for (size_t image = 0; image < BATCH; image++) {
        pn_walk64 *w = NULL;
        ok(pn_walk64_new(&w, graph, &err), &err);
        ok(pn_walk64_set_input(w, graph->inputs[0], in + image * n, n, &err), &err);
        int values[MAX_TENSORS];
        for (int tap = 0; tap < g->n_tensors; tap++) {
            values[tap] = pn_graph_find(graph, g->names[tap]);
            assert_int_not_equal(values[tap], PN_NONE);
            pn_walk64_keep(w, values[tap]);
        }
        for (int tap = 0; tap < g->n_tensors; tap++) {
            ok(pn_walk64_reach(w, values[tap], &err), &err);
            compare_walk(g, &w->values[values[tap]], tap, image);
        }
        pn_walk64_free(&w);
    }
    free(in);
}

/* Every layer within its bound, on an input that the net was made for. */
static void prove(const golden *g, const pn_graph *graph, pn_cpu cpu)
{
    pn_err err = {0};
    pn_parity p = {0};
    size_t n;
    float *in = input_of(g, graph, &n);
    const pn_parity_opts o = {.sample = in, .n_sample = n, .cpu = cpu, .threads = 1};
    ok(pn_parity_check(&p, graph, &o, &err), &err);
    assert_null(p.unproved);
    assert_null(p.not_finite);
    if (p.n_missed)
        fail_msg("%s: %s \"%s\" is %g of its bound", g->about->name, p.layers[p.worst].op,
                 p.layers[p.worst].name, p.layers[p.worst].used);
    assert_true(p.n_layers > 0);
    pn_parity_fini(&p);
    free(in);
}

static void run_and_compare(const golden *g, const pn_graph *graph, pn_cpu cpu)
{
    pn_err err = {0};
    pn_model *m = NULL;
    pn_exec *x = NULL;
    pn_model_opts opts = {.cpu = cpu, .taps = g->names, .n_taps = g->n_tensors};
    ok(pn_model_compile(&m, graph, &opts, &err), &err);
    ok(pn_exec_new(&x, m, BATCH, 1, &err), &err);

    size_t n;
    float *in = input_of(g, graph, &n);
    for (int slot = 0; slot < BATCH; slot++)
        pn_exec_set_input_chw(x, slot, in + (size_t)slot * n);
    free(in);
    assert_int_equal(pn_exec_run(x, BATCH), PN_OK);
    for (int tap = 0; tap < g->n_tensors; tap++) {
        compare(g, x, m, tap, "float32");
        compare(g, x, m, tap, "float64");
        compare(g, x, m, tap, "onnxruntime");
    }
    pn_exec_free(&x);
    pn_model_free(&m);
}

static void answers_as_mxnet_does(void **state)
{
    const golden_case *c = *state;
    golden g;
    golden_open(&g, c);
    pn_graph *graph = through_a_file(&g);
    run_and_compare(&g, graph, PN_CPU_AUTO);
    run_and_compare(&g, graph, PN_CPU_OPENBLAS);
    if (c->narrow) run_and_compare(&g, graph, PN_CPU_C);
    pn_graph *again = through_mmdnn(graph);
    assert_int_equal(again == NULL, c->beyond_mmdnn);
    if (again) run_and_compare(&g, again, PN_CPU_AUTO);
    pn_graph_free(&again);
    walk_and_compare(&g, graph);
    prove(&g, graph, PN_CPU_AUTO);
    prove(&g, graph, PN_CPU_OPENBLAS);
    if (c->narrow) prove(&g, graph, PN_CPU_C);
    pn_graph_free(&graph);
    json_decref(g.json);
}

/* top bytes of the first numbers that splitmix64 gives for seed 1 */
static void inputs_are_those_of_the_script(void **state)
{
    (void)state;
    float x[4];
    const uint8_t top[4] = {145, 190, 248, 113};
    pn_golden_input(x, 4, 1, 100, 0.5);
    for (int i = 0; i < 4; i++)
        assert_true(x[i] == ((float)top[i] - 100.0f) * 0.5f);
}

static void distance_sees_what_is_wrong(void **state)
{
    (void)state;
    const double want[] = {1, -4, 0};
    assert_true(pn_golden_distance((float[]){1, -4, 0}, want, 3) == 0);
    assert_true(pn_golden_distance((float[]){1.5f, -4, 0}, want, 3) == 0.125);
    assert_true(pn_golden_distance((float[]){1, (float)(0.0 / 0.0), 0}, want, 3) > 1e300);
    assert_true(pn_golden_distance((float[]){1}, (double[]){0}, 1) > 1e300);
}

static const golden_case cases[] = {
    {"mxnet/resnet-v2", true, false},
    {"mxnet/inception", true, false},
    {"mxnet/alexnet", true, false},
    {"mxnet/heads", true, false},
    {"mxnet/mobilenet", true, false},
    {"mxnet/mobilenet-half", true, false},
    {"mxnet/squeeze-excite", true, true},
    {"mxnet/densenet", true, false},
    {"mxnet/last-window", true, false},
    {"resnet152-11k-small", false, false},
    {"mxnet/efficientnet-lite0", false, false},
    {"mxnet/squeezenet-v1.0", false, false},
    {"mxnet/mobilefacenet", false, false},
    {"mxnet/det1-12x12", true, false},
    {"mxnet/det1-37x50", true, false},
    {"mxnet/det2", true, false},
    {"mxnet/det3", true, false},
    {"mmdnn/vgg", true, false},
    {"mmdnn/squeezenet", true, false},
    {"mmdnn/mobilenet", true, false},
    {"mmdnn/resnet-v2", true, false},
    {"mmdnn/densenet", true, false},
    {"mxnet/families/gluon-alexnet", false, false},
    {"mxnet/families/gluon-densenet121", false, false},
    {"mxnet/families/gluon-inceptionv3", false, false},
    {"mxnet/families/gluon-mobilenet", false, false},
    {"mxnet/families/gluon-mobilenetv2", false, false},
    {"mxnet/families/gluon-resnet18-v1", false, false},
    {"mxnet/families/gluon-resnet50-v1", false, false},
    {"mxnet/families/gluon-resnet18-v2", false, false},
    {"mxnet/families/gluon-resnet50-v2", false, false},
    {"mxnet/families/gluon-squeezenet", false, false},
    {"mxnet/families/gluon-vgg11", false, false},
    {"mxnet/families/gluon-vgg11-bn", false, false},
    {"mxnet/families/mlp", false, false},
    {"mxnet/families/lenet", false, false},
    {"mxnet/families/vgg-symbol", false, false},
    {"mxnet/families/squeezenet-symbol", false, false},
    {"mxnet/families/googlenet", false, false},
    {"mxnet/families/inception-bn", false, false},
    {"mxnet/families/inception-v3", false, false},
    {"mxnet/families/inception-v4", false, false},
    {"mxnet/families/inception-resnet-v2", false, false},
    {"mxnet/families/resnet-v1", false, false},
    {"mxnet/families/resnet-v2-basic", false, false},
    {"mxnet/families/resnext", false, false},
    {"mxnet/families/se-resnet", false, false},
    {"mxnet/families/se-resnext", false, false},
    {"mxnet/families/resnet-c", false, false},
    {"mxnet/families/resnet-d", false, false},
    {"mxnet/families/dpn", false, false},
    {"mxnet/families/mobilenet-v1", false, false},
    {"mxnet/families/mobilenet-v2", false, false},
    {"mxnet/families/mobilenet-v3", false, false},
    {"mxnet/families/mobilenet-v3-hard", false, false},
    {"mxnet/families/shufflenet-v1", false, true},
    {"mxnet/families/shufflenet-v2", false, true},
    {"mxnet/families/shufflenet-v2-split", false, true},
    {"mxnet/families/xception", false, false},
    {"mxnet/families/lresnet-e-ir", false, false},
    {"mxnet/families/se-lresnet-e-ir", false, false},
    {"mxnet/families/mobilefacenet-narrow", false, false},
    {"mxnet/families/age-gender", false, false},
    {"mxnet/families/retinaface-mnet", false, true},
    {"mxnet/families/retinaface-r50", false, true},
};
#define N_CASES (sizeof cases / sizeof *cases)

static struct CMUnitTest test_of(const golden_case *c)
{
    return (struct CMUnitTest){.name = c->name,
                               .test_func = answers_as_mxnet_does,
                               .initial_state = (void *)(uintptr_t)c};
}

/* An argument is the absolute path of one more golden, for checkpoints too large to keep:
 * make.py's `full` makes them. */
int main(int argc, char **argv)
{
    if (argc > 1) {
        golden_case more = {argv[1], false, false};
        struct CMUnitTest one[] = {test_of(&more)};
        return cmocka_run_group_tests(one, NULL, NULL);
    }
    struct CMUnitTest tests[N_CASES + 2] = {
        cmocka_unit_test(inputs_are_those_of_the_script),
        cmocka_unit_test(distance_sees_what_is_wrong),
    };
    for (size_t i = 0; i < N_CASES; i++)
        tests[i + 2] = test_of(&cases[i]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
