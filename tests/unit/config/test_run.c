/* A run put together over a network of four weights, whose answers are plain arithmetic.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "penult/log.h"
#include "pipeline/network.h"
#include "pipeline/run_parts.h"

static char folder[] = "/tmp/penult-run-XXXXXX";

static const char record[] = "{\"size\": [4, 4], \"geometry\": \"squash\", \"filter\": "
                             "\"pillow-nearest\", \"channels\": \"rgb\"}";

static void silence(void *cookie, pn_log_level level, const char *line)
{
    (void)cookie;
    (void)level;
    (void)line;
}

static int add(pn_graph *g, const char *name, const int64_t *dim, int n)
{
    pn_shape s = {.ndim = n};
    int id = -1;
    memcpy(s.dim, dim, (size_t)n * sizeof(*dim));
    assert_int_equal(pn_graph_add_value(g, name, PN_F32, &s, &id, NULL), PN_OK);
    return id;
}

/* GlobalAveragePool, Flatten, and as many classes as channels: Gemm with 2 on the
 * diagonal */
static void write_model(const char *name, const char *const (*meta)[2], int channels)
{
    char path[128];
    pn_graph *g = NULL;
    float w[16] = {0};
    const int64_t in[] = {PN_DIM_FREE, channels, 4, 4},
                  pooled[] = {PN_DIM_FREE, channels, 1, 1};
    const int64_t flat[] = {PN_DIM_FREE, channels};
    const pn_shape square = {.ndim = 2, .dim = {channels, channels}};
    int weight = -1;
    for (int i = 0; i < channels; i++)
        w[i * channels + i] = 2;
    assert_int_equal(pn_graph_new(&g, "tiny"), PN_OK);
    int x = add(g, "data", in, 4), p = add(g, "pool_output", pooled, 4);
    int f = add(g, "flat_output", flat, 2), y = add(g, "fc_output", flat, 2);
    assert_int_equal(pn_graph_add_const(g, "w", PN_F32, &square, w,
                                        sizeof(float) * (size_t)(channels * channels),
                                        false, &weight, NULL),
                     PN_OK);
    const int gemm[] = {f, weight};
    int node;
    assert_int_equal(pn_graph_add_node(g, PN_OP_GLOBAL_AVERAGE_POOL, "pool", &x, 1, &p, 1,
                                       &node, NULL),
                     PN_OK);
    assert_int_equal(
        pn_graph_add_node(g, PN_OP_FLATTEN, "flat", &p, 1, &f, 1, &node, NULL), PN_OK);
    assert_int_equal(pn_graph_add_node(g, PN_OP_GEMM, "fc", gemm, 2, &y, 1, &node, NULL),
                     PN_OK);
    assert_int_equal(pn_graph_add_input(g, x), PN_OK);
    assert_int_equal(pn_graph_add_output(g, y), PN_OK);
    for (; meta && (*meta)[0]; meta++)
        assert_int_equal(pn_graph_set_meta(g, (*meta)[0], (*meta)[1]), PN_OK);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(pn_graph_write_onnx(g, path, NULL), PN_OK);
    pn_graph_free(&g);
}

static void put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    static const char *const full[][2] = {{PN_META_PREPROCESS, record},
                                          {PN_META_LABELS, "red\ngreen\nblue"},
                                          {PN_META_FEATURES, "flat_output"},
                                          {PN_META_SCORES, "softmax"},
                                          {NULL, NULL}};
    static const char *const bare[][2] = {{PN_META_PREPROCESS, record}, {NULL, NULL}};
    static const char *const odd[][2] = {
        {PN_META_PREPROCESS, record}, {PN_META_LABELS, "a\nb"}, {NULL, NULL}};
    char path[128];
    pn_log_setup(PN_LOG_ERROR, silence, NULL);
    if (!mkdtemp(folder)) return -1;
    write_model("full.onnx", full, 3);
    write_model("bare.onnx", bare, 3);
    write_model("odd.onnx", odd, 3);
    write_model("none.onnx", NULL, 3);
    write_model("grey.onnx", bare, 1);
    snprintf(path, sizeof(path), "%s/photos", folder);
    if (mkdir(path, 0700) != 0) return -1;
    put("photos/a.jpg", "no image");
    put("photos/b.png", "");
    put("labels.txt", "x\ny\nz\n");
    put("two.txt", "x\ny\n");
    put("record.yaml",
        "size: [4, 4]\ngeometry: squash\nfilter: pillow-nearest\nchannels: bgr\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {
        "full.onnx",         "bare.onnx",  "odd.onnx",
        "none.onnx",         "grey.onnx",  "photos/a.jpg",
        "photos/b.png",      "labels.txt", "two.txt",
        "record.yaml",       "photos",     "out.lmdb/data.mdb",
        "out.lmdb/lock.mdb", "out.lmdb",   ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        remove(path);
    }
    return access(folder, F_OK) == 0 ? -1 : 0;
}

static pn_status open_network(pn_network **n, const char *model, pn_network_opts o,
                              pn_err *err)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, model);
    o.path = path;
    return pn_network_open(n, &o, err);
}

static void a_full_model_needs_nothing_else(void **state)
{
    (void)state;
    pn_network *n = NULL;
    pn_err err = {0};
    pn_status st =
        open_network(&n, "full.onnx", (pn_network_opts){.with_digest = true}, &err);
    if (st) print_error("%s\n", pn_err_text(&err));
    assert_int_equal(st, PN_OK);
    assert_int_equal(n->classes, 3);
    assert_int_equal(n->labels.n, 3);
    assert_string_equal(n->labels.lines[2], "blue");
    assert_int_equal(n->n_features, 3);
    assert_string_equal(n->features_name, "flat_output");
    assert_true(n->softmax);
    assert_int_equal(n->preprocess.channels, PN_CHANNELS_RGB);
    assert_int_equal(strlen(n->sha256), 64);
    pn_network_free(&n);
}

static void what_a_model_lacks_comes_from_outside(void **state)
{
    (void)state;
    char labels[128], preprocess[128];
    pn_network *n = NULL;
    snprintf(labels, sizeof(labels), "%s/labels.txt", folder);
    snprintf(preprocess, sizeof(preprocess), "%s/record.yaml", folder);
    const pn_network_opts o = {.labels = labels,
                               .preprocess = preprocess,
                               .features = "pool",
                               .scores = PN_SCORES_AS_IS};
    assert_int_equal(open_network(&n, "none.onnx", o, NULL), PN_OK);
    assert_string_equal(n->labels.lines[0], "x");
    assert_string_equal(n->features_name, "pool_output");
    assert_int_equal(n->preprocess.channels, PN_CHANNELS_BGR);
    assert_false(n->softmax);
    pn_network_free(&n);
    /* the last operator is no softmax, so without a word one is applied */
    assert_int_equal(
        open_network(&n, "bare.onnx", (pn_network_opts){.without_features = true}, NULL),
        PN_OK);
    assert_true(n->softmax);
    assert_int_equal(n->features_tap, -1);
    assert_int_equal(n->labels.n, 0);
    pn_network_free(&n);
}

static void misfits_are_refused_with_their_reason(void **state)
{
    (void)state;
    char two[128];
    snprintf(two, sizeof(two), "%s/two.txt", folder);
    const struct {
        const char *model;
        pn_network_opts o;
        pn_status st;
        const char *part;
    } cases[] = {
        {"none.onnx", {0}, PN_ECONFIG, "the model does not say what its network wants"},
        {"absent.onnx", {0}, PN_ENOENT, "absent.onnx"},
        {"bare.onnx", {0}, PN_ECONFIG, "the model names no feature tensor"},
        {"bare.onnx",
         {.features = "nowhere"},
         PN_ECONFIG,
         "there is no tensor \"nowhere\""},
        {"odd.onnx", {.without_features = true}, PN_EMISMATCH, "2 labels for 3 outputs"},
        {"full.onnx",
         {.labels = two},
         PN_EMISMATCH,
         "two.txt: 2 labels for 3 outputs of"},
        {"grey.onnx", {.without_features = true}, PN_EUNSUPPORTED, "wants 1 channels"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pn_network *n = NULL;
        pn_err err = {0};
        assert_int_equal(open_network(&n, cases[i].model, cases[i].o, &err), cases[i].st);
        if (!strstr(pn_err_text(&err), cases[i].part)) fail_msg("%s", pn_err_text(&err));
        assert_null(n);
        pn_err_clear(&err);
    }
}

static pn_status configure(pn_config **c, const char *const *sets, int n, pn_err *err)
{
    static const char text[] = "model: {path: full.onnx}\ninput: {path: photos}\n"
                               "output: {path: out.lmdb}\n";
    return pn_config_parse(c, text, strlen(text), "run.yaml", folder, sets, n, err);
}

static void small_inputs_get_batches_that_keep_every_thread_busy(void **state)
{
    (void)state;
    static const struct {
        int64_t threads, batch;
        bool counted;
        uint64_t images;
        int expected;
    } cases[] = {{4, 0, true, 1000, 8}, {4, 0, true, 32, 8}, {4, 0, true, 31, 8},
                 {4, 0, true, 6, 2},    {4, 0, true, 1, 1},  {4, 0, true, 0, 1},
                 {4, 0, false, 0, 8},   {4, 3, true, 1, 3},  {1, 0, true, 5, 5}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pn_config c = {.run = {.threads = cases[i].threads, .batch = cases[i].batch}};
        pn_run_info info = {.counted = cases[i].counted, .images = cases[i].images};
        pn_run_decide(&c, &info);
        assert_int_equal(info.threads, cases[i].threads);
        assert_int_equal(info.batch, cases[i].expected);
    }
}

static void a_plan_knows_the_input_and_writes_nothing(void **state)
{
    (void)state;
    static const char *const sets[] = {"run.threads=2", "model.top_k=9"};
    char out[128];
    pn_config *c = NULL;
    pn_run *r = NULL;
    pn_run_info info;
    assert_int_equal(configure(&c, sets, 2, NULL), PN_OK);
    assert_int_equal(pn_run_open(&r, c, NULL), PN_OK);
    pn_run_get_info(r, &info);
    assert_true(info.counted);
    assert_int_equal(info.images, 2);
    assert_int_equal(info.batch, 1);
    assert_int_equal(info.threads, 2);
    assert_int_equal(info.top_k, 3);
    assert_true(info.weight_bytes > 0 && info.working_bytes > 0 && info.batch_bytes > 0);
    pn_run_free(&r);
    snprintf(out, sizeof(out), "%s/out.lmdb", folder);
    assert_int_equal(access(out, F_OK), -1);
    pn_config_free(&c);
}

static void input_and_output_are_looked_at_first(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        pn_status st;
    } cases[] = {
        {"input.path=/nowhere/at/all", PN_ENOENT},
        {"output.path=/nowhere/at/all", PN_ECONFIG},
        {"output.path=/tmp", PN_EEXIST},
        {"output.on_exists=resume", PN_ECONFIG},
        {"model.path=/nowhere.onnx", PN_ENOENT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pn_config *c = NULL;
        pn_run *r = NULL;
        pn_err err = {0};
        assert_int_equal(configure(&c, &cases[i].set, 1, NULL), PN_OK);
        assert_int_equal(pn_run_open(&r, c, &err), cases[i].st);
        assert_non_null(err.text);
        assert_null(r);
        pn_err_clear(&err);
        pn_config_free(&c);
    }
}

static void a_run_counts_what_failed(void **state)
{
    (void)state;
    pn_config *c = NULL;
    pn_run *r = NULL;
    pn_run_summary s = {0};
    pn_runner_setup(4);
    assert_int_equal(configure(&c, NULL, 0, NULL), PN_OK);
    assert_int_equal(pn_run_open(&r, c, NULL), PN_OK);
    assert_int_equal(pn_run_execute(r, false, 0, &s, NULL), PN_OK);
    assert_int_equal(s.counts.seen, 2);
    assert_int_equal(s.counts.failed, 2);
    assert_int_equal(s.counts.by_reason[PN_REASON_NOT_IMAGE], 1);
    assert_int_equal(s.counts.by_reason[PN_REASON_EMPTY], 1);
    assert_true(s.complete && s.over_budget);
    free(s.output);
    pn_run_free(&r);
    pn_config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_model_needs_nothing_else),
        cmocka_unit_test(what_a_model_lacks_comes_from_outside),
        cmocka_unit_test(misfits_are_refused_with_their_reason),
        cmocka_unit_test(small_inputs_get_batches_that_keep_every_thread_busy),
        cmocka_unit_test(a_plan_knows_the_input_and_writes_nothing),
        cmocka_unit_test(input_and_output_are_looked_at_first),
        cmocka_unit_test(a_run_counts_what_failed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
