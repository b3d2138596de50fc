/* A whole conversion: which files, which choices, what goes into the metadata. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "checkpoint.h"
#include "penult/convert.h"
#include "penult/export.h"
#include "penult/log.h"

static char *said; /* every line that was logged */

static void keep(void *cookie, pn_log_level level, const char *line)
{
    (void)cookie;
    (void)level;
    char *more;
    if (asprintf(&more, "%s%s\n", said ? said : "", line) < 0) abort();
    free(said);
    said = more;
}

static void forget(void)
{
    free(said);
    said = NULL;
}

static int setup(void **state)
{
    (void)state;
    pn_log_setup(PN_LOG_INFO, keep, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    forget();
    return 0;
}

#define NODE(op, name, inputs, attrs)                                                    \
    "{\"op\": \"" op "\", \"name\": \"" name "\", \"inputs\": [" inputs                  \
    "], \"attrs\": {" attrs "}}"

/* data -> pooled -> fc (4 classes), a softmax or not */
static const char with_softmax[] =
    "{\"nodes\": [" NODE("null", "data", "", "") "," NODE("null", "w", "", "") "," NODE("null", "b", "", "") "," NODE(
        "Pooling", "pool", "[0,0,0]",
        "\"global_pool\": \"True\"") "," NODE("FullyConnected", "fc",
                                              "[3,0,0], [1,0,0], "
                                              "[2,0,0]",
                                              "\"num_hidden\": "
                                              "\"4\"") "," NODE("nul"
                                                                "l",
                                                                "sof"
                                                                "tma"
                                                                "x_"
                                                                "lab"
                                                                "el",
                                                                "",
                                                                "") "," NODE("SoftmaxOutp"
                                                                             "ut",
                                                                             "softmax",
                                                                             "[4,0,0], "
                                                                             "[5,0,0]",
                                                                             "") "], "
                                                                                 "\"heads"
                                                                                 "\": "
                                                                                 "[[6,0,"
                                                                                 "0]], "
                                                                                 "\"attrs"
                                                                                 "\": "
                                                                                 "{\"mxne"
                                                                                 "t_"
                                                                                 "version"
                                                                                 "\": "
                                                                                 "[\"int"
                                                                                 "\", "
                                                                                 "10901]}"
                                                                                 "}";
static const weight weights[] = {{"arg:w", 2, {4, 3}}, {"arg:b", 1, {4}}, {NULL, 0, {0}}};

typedef struct files {
    char *symbol, *params, *labels;
    const char *inputs[2];
} files;

static files make_files(const char *json, const char *labels)
{
    files f = {0};
    bytes b = {0};
    put_weights(&b, weights);
    f.symbol = write_temp(json, strlen(json));
    f.params = write_temp(b.data, b.size);
    f.labels = write_temp(labels, strlen(labels));
    f.inputs[0] = f.params; /* the order does not matter */
    f.inputs[1] = f.symbol;
    bytes_fini(&b);
    return f;
}

static void drop_files(files *f)
{
    char *all[] = {f->symbol, f->params, f->labels};
    for (int i = 0; i < 3; i++) {
        unlink(all[i]);
        free(all[i]);
    }
}

static const char *const tiny_shape[] = {"3,8,8"};

static pn_convert_opts options(const files *f)
{
    pn_convert_opts o = {.inputs = f->inputs,
                         .n_inputs = 2,
                         .input_shapes = tiny_shape,
                         .n_input_shapes = 1};
    return o;
}

static void everything_goes_into_the_metadata(void **state)
{
    (void)state;
    files f = make_files(with_softmax, "n1 a\nn2 b\nn3 c\nn4 d\n");
    pn_convert_opts o = options(&f);
    pn_graph *g;
    pn_err err = {0};
    o.labels = f.labels;
    o.preset = "tutorial";
    o.n_input_shapes = 0; /* the record's size */
    if (pn_convert(&g, &o, &err)) fail_msg("%s", pn_err_text(&err));
    assert_int_equal(g->values[g->inputs[0]].shape.dim[2], 224);
    assert_string_equal(pn_graph_meta(g, PN_META_LABELS), "n1 a\nn2 b\nn3 c\nn4 d");
    assert_string_equal(pn_graph_meta(g, PN_META_FEATURES), "pool_output");
    assert_string_equal(pn_graph_meta(g, PN_META_SCORES), "as-is");
    assert_non_null(strstr(pn_graph_meta(g, PN_META_PREPROCESS), "\"pillow-nearest\""));
    const char *source = pn_graph_meta(g, PN_META_SOURCE);
    assert_non_null(strstr(source, strrchr(f.symbol, '/') + 1));
    assert_null(strstr(source, "/tmp/"));
    char size[64];
    snprintf(size, sizeof(size), "\"bytes\": %zu}, {\"file\"", strlen(with_softmax));
    assert_non_null(strstr(source, size));
    assert_int_equal(g->n_outputs, 2);
    assert_string_equal(g->values[g->outputs[0]].name, "softmax_output");
    assert_string_equal(g->values[g->outputs[1]].name, "pool_output");
    pn_graph_free(&g);
    drop_files(&f);
}

static void the_graph_outlives_everything_it_was_made_from(void **state)
{
    (void)state;
    files f = make_files(with_softmax, "x");
    pn_convert_opts o = options(&f);
    pn_graph *g;
    assert_int_equal(pn_convert(&g, &o, NULL), PN_OK);
    drop_files(&f);
    float w[12];
    const pn_value *v = &g->values[pn_graph_find(g, "w")];
    assert_int_equal(pn_value_to_f32(v, 0, 12, w), PN_OK);
    assert_true(w[11] == 0.5F);
    pn_graph_free(&g);
}

static void a_digest_that_is_left_over_is_the_same_once_made(void **state)
{
    (void)state;
    files f = make_files(with_softmax, "x");
    pn_digest digest = {0};
    pn_convert_opts o = options(&f);
    pn_graph *whole, *g;
    assert_int_equal(pn_convert(&whole, &o, NULL), PN_OK);
    o.digest = &digest;
    assert_int_equal(pn_convert(&g, &o, NULL), PN_OK);
    drop_files(&f);
    const char *source = pn_graph_meta(g, PN_META_SOURCE);
    assert_non_null(strstr(source, "\"sha256\": \"0000000000"));
    pn_digest_make(&digest);
    assert_string_equal(source, pn_graph_meta(whole, PN_META_SOURCE));
    pn_graph_free(&whole);
    pn_graph_free(&g);
}

/* w inflated, b of the other endianness: neither can stay where it was unpacked to */
static void the_graph_outlives_an_archive_that_is_unpacked(void **state)
{
    (void)state;
    static const float b_is[] = {0.5F, 1.5F, -2, 3};
    files f = make_files(with_softmax, "x");
    bytes npz = numpys_file("classifier");
    char *archive = write_temp(npz.data, npz.size);
    pn_convert_opts o = options(&f);
    pn_graph *g;
    pn_err err = {0};
    f.inputs[0] = archive;
    if (pn_convert(&g, &o, &err)) fail_msg("%s", pn_err_text(&err));
    float w[12], b[4];
    const pn_value *v = &g->values[pn_graph_find(g, "w")];
    assert_int_equal(pn_value_to_f32(v, 0, 12, w), PN_OK);
    for (int i = 0; i < 12; i++)
        assert_true(w[i] == (float)i);
    v = &g->values[pn_graph_find(g, "b")];
    assert_int_equal(pn_value_to_f32(v, 0, 4, b), PN_OK);
    assert_memory_equal(b, b_is, sizeof(b));
    pn_graph_free(&g);
    unlink(archive);
    free(archive);
    bytes_fini(&npz);
    drop_files(&f);
}

static void no_record_is_said_aloud(void **state)
{
    (void)state;
    files f = make_files(with_softmax, "x");
    pn_convert_opts o = options(&f);
    pn_graph *g;
    forget();
    assert_int_equal(pn_convert(&g, &o, NULL), PN_OK);
    assert_null(pn_graph_meta(g, PN_META_PREPROCESS));
    assert_null(pn_graph_meta(g, PN_META_LABELS));
    assert_non_null(strstr(said, "no preprocessing record"));
    assert_non_null(strstr(said, "features: pool_output"));
    pn_graph_free(&g);
    drop_files(&f);
}

static void logits_get_a_softmax_and_that_is_said(void **state)
{
    (void)state;
    char json[sizeof(with_softmax)];
    strcpy(json, with_softmax);
    memcpy(strstr(json, "[[6,0,0]]"), "[[4,0,0]]", 9);
    files f = make_files(json, "x");
    pn_convert_opts o = options(&f);
    pn_graph *g;
    forget();
    assert_int_equal(pn_convert(&g, &o, NULL), PN_OK);
    assert_string_equal(pn_graph_meta(g, PN_META_SCORES), "softmax");
    assert_non_null(strstr(said, "fc_output is no softmax"));
    pn_graph_free(&g);
    o.scores = "as-is";
    assert_int_equal(pn_convert(&g, &o, NULL), PN_OK);
    assert_string_equal(pn_graph_meta(g, PN_META_SCORES), "as-is");
    pn_graph_free(&g);
    drop_files(&f);
}

static void labels_must_be_as_many_as_classes(void **state)
{
    (void)state;
    files f = make_files(with_softmax, "n1 a\nn2 b\nn3 c\n");
    pn_convert_opts o = options(&f);
    pn_graph *g = NULL;
    pn_err err = {0};
    o.labels = f.labels;
    assert_int_equal(pn_convert(&g, &o, &err), PN_EMISMATCH);
    assert_non_null(strstr(pn_err_text(&err), "3 labels"));
    assert_non_null(strstr(pn_err_text(&err), "4 classes"));
    assert_null(g);
    pn_err_clear(&err);
    drop_files(&f);
}

static void features_are_chosen_by_name_or_not_at_all(void **state)
{
    (void)state;
    files f = make_files(with_softmax, "x");
    pn_convert_opts o = options(&f);
    pn_graph *g;
    pn_err err = {0};
    o.features = "fc";
    assert_int_equal(pn_convert(&g, &o, NULL), PN_OK);
    assert_string_equal(pn_graph_meta(g, PN_META_FEATURES), "fc_output");
    assert_int_equal(g->n_outputs, 2);
    pn_graph_free(&g);
    o.features = "softmax"; /* an output already */
    assert_int_equal(pn_convert(&g, &o, NULL), PN_OK);
    assert_int_equal(g->n_outputs, 1);
    pn_graph_free(&g);
    o.features = "none";
    assert_int_equal(pn_convert(&g, &o, NULL), PN_OK);
    assert_null(pn_graph_meta(g, PN_META_FEATURES));
    assert_int_equal(g->n_outputs, 1);
    pn_graph_free(&g);
    o.features = "pol_output";
    assert_int_equal(pn_convert(&g, &o, &err), PN_EINVAL);
    assert_non_null(strstr(pn_err_text(&err), "did you mean pool_output?"));
    pn_err_clear(&err);
    o.features = "w"; /* a weight */
    assert_int_equal(pn_convert(&g, &o, NULL), PN_EINVAL);
    drop_files(&f);
}

static void flags_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const shapes[] = {"",
                                         "x",
                                         "3,8,8,",
                                         "3,,8",
                                         "3,0,8",
                                         "-3,8,8",
                                         "other=3,8,8",
                                         "=3,8,8",
                                         "3 8 8",
                                         "3,8,8,8,8,8,8,8",
                                         "3,8,99999999",
                                         "3,9460,9460",
                                         "1000000,1000000,1000000,1000000"};
    files f = make_files(with_softmax, "x");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        pn_convert_opts o = options(&f);
        pn_graph *g = NULL;
        pn_err err = {0};
        o.input_shapes = &shapes[i];
        pn_status st = pn_convert(&g, &o, &err);
        if (st != PN_EINVAL)
            fail_msg("%s: %s, \"%s\"", shapes[i], pn_status_name(st), pn_err_text(&err));
        pn_graph_free(&g);
        pn_err_clear(&err);
    }
    pn_convert_opts o = options(&f);
    pn_graph *g = NULL;
    o.n_inputs = 1; /* weights alone */
    assert_int_equal(pn_convert(&g, &o, NULL), PN_EINVAL);
    o.n_inputs = 0;
    assert_int_equal(pn_convert(&g, &o, NULL), PN_EINVAL);
    o = options(&f);
    o.preset = "tutorial";
    o.preprocess = "x.yaml";
    assert_int_equal(pn_convert(&g, &o, NULL), PN_EINVAL);
    o.preprocess = NULL; /* 224x224 against --input-shape 3,8,8 */
    assert_int_equal(pn_convert(&g, &o, NULL), PN_EMISMATCH);
    o = options(&f);
    o.scores = "maybe";
    assert_int_equal(pn_convert(&g, &o, NULL), PN_EINVAL);
    const char *twice[] = {f.symbol, f.symbol};
    o = options(&f);
    o.inputs = twice;
    assert_int_equal(pn_convert(&g, &o, NULL), PN_EINVAL);
    const char *odd[] = {f.symbol, f.labels};
    o.inputs = odd;
    assert_int_equal(pn_convert(&g, &o, NULL), PN_EFORMAT);
    const char *gone[] = {f.symbol, "/no/such/file"};
    o.inputs = gone;
    assert_int_equal(pn_convert(&g, &o, NULL), PN_ENOENT);
    assert_null(g);
    drop_files(&f);
}

static void an_onnx_file_is_dressed_and_keeps_what_it_says(void **state)
{
    (void)state;
    files f = make_files(with_softmax, "n1 a\nn2 b\nn3 c\nn4 d\n");
    pn_convert_opts o = options(&f);
    pn_graph *g;
    pn_err err = {0};
    char *path = write_temp("", 0);
    o.features = "fc";
    o.scores = "softmax";
    assert_int_equal(pn_convert(&g, &o, NULL), PN_OK);
    assert_int_equal(pn_graph_write_onnx(g, path, NULL), PN_OK);
    pn_graph_free(&g);

    const char *inputs[] = {path};
    pn_convert_opts again = {.inputs = inputs, .n_inputs = 1, .labels = f.labels};
    if (pn_convert(&g, &again, &err)) fail_msg("%s", pn_err_text(&err));
    assert_string_equal(pn_graph_meta(g, PN_META_FEATURES), "fc_output");
    assert_string_equal(pn_graph_meta(g, PN_META_SCORES), "softmax");
    assert_string_equal(pn_graph_meta(g, PN_META_LABELS), "n1 a\nn2 b\nn3 c\nn4 d");
    assert_int_equal(g->n_outputs, 2);
    /* where it came from, not what it was in between */
    assert_non_null(strstr(pn_graph_meta(g, PN_META_SOURCE), strrchr(f.symbol, '/') + 1));
    assert_null(strstr(pn_graph_meta(g, PN_META_SOURCE), strrchr(path, '/') + 1));
    pn_graph_free(&g);
    static const char *const other[] = {"data=3,9,9"};
    again.input_shapes = other;
    again.n_input_shapes = 1;
    assert_int_equal(pn_convert(&g, &again, NULL), PN_EINVAL);
    again.input_shapes = tiny_shape;
    assert_int_equal(pn_convert(&g, &again, NULL), PN_OK);
    pn_graph_free(&g);
    unlink(path);
    free(path);
    drop_files(&f);
}

static void all_metadata_survives_mmdnns_ir(void **state)
{
    (void)state;
    static const char *const ends[] = {"pb", "json", "npy"};
    files f = make_files(with_softmax, "n1 a\nn2 b\nn3 c\nn4 d\n");
    pn_convert_opts o = options(&f);
    pn_digest digest = {0};
    pn_graph *g, *again;
    pn_err err = {0};
    char folder[] = "/tmp/pn-convert-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/ir.pb", folder);
    o.labels = f.labels;
    o.preset = "tutorial";
    o.n_input_shapes = 0;
    assert_int_equal(pn_convert(&g, &o, NULL), PN_OK);
    assert_int_equal(pn_export(g, path, NULL), PN_OK);
    const char *const input = path;
    const pn_convert_opts back = {.inputs = &input, .n_inputs = 1, .digest = &digest};
    if (pn_convert(&again, &back, &err)) fail_msg("%s", pn_err_text(&err));
    pn_digest_make(&digest); /* none is left over */
    assert_int_equal(again->n_meta, g->n_meta);
    for (int i = 0; i < g->n_meta; i++)
        assert_string_equal(pn_graph_meta(again, g->meta_keys[i]), g->meta_values[i]);
    pn_graph_free(&again);
    pn_graph_free(&g);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        snprintf(path, sizeof(path), "%s/ir.%s", folder, ends[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
    drop_files(&f);
}

static void expect_words(pn_status st, pn_err *err, const char *const *words)
{
    assert_int_not_equal(st, PN_OK);
    for (; *words; words++)
        if (!strstr(pn_err_text(err), *words))
            fail_msg("\"%s\" is not in: %s", *words, pn_err_text(err));
    pn_err_clear(err);
}

/* The net of *f with those weights and no size of its input is refused in these words. */
static void expect_misfit(files *f, pn_convert_opts *o, const weight *given,
                          const char *const *words)
{
    bytes b = {0};
    pn_graph *g = NULL;
    pn_err err = {0};
    put_weights(&b, given);
    char *path = write_temp(b.data, b.size);
    f->inputs[0] = path;
    o->n_input_shapes = 0;
    expect_words(pn_convert(&g, o, &err), &err, words);
    f->inputs[0] = f->params;
    unlink(path);
    free(path);
    bytes_fini(&b);
}

static void a_size_that_is_not_known_hides_no_missing_weights(void **state)
{
    (void)state;
    static const weight others[] = {
        {"arg:w", 2, {4, 3}}, {"arg:fc1_bias", 1, {4}}, {NULL, 0, {0}}};
    static const char *const words[] = {
        "its size is not known", "\n  b: missing\n",
        "\n  fc1_bias: 4, but nothing in the symbol takes it", NULL};
    files f = make_files(with_softmax, "x");
    pn_convert_opts o = options(&f);
    pn_graph *g = NULL;
    pn_err err = {0};
    expect_misfit(&f, &o, others, words);
    assert_int_equal(pn_convert(&g, &o, &err), PN_EINVAL);
    assert_null(strstr(pn_err_text(&err), "weights do not fit"));
    pn_err_clear(&err);
    drop_files(&f);
}

static void a_misfit_names_the_preset_that_made_the_size(void **state)
{
    (void)state;
    static const weight others[] = {
        {"arg:w", 2, {4, 5}}, {"arg:b", 1, {4}}, {NULL, 0, {0}}};
    static const char *const words[] = {
        "for images of 224x224 as --preset tutorial makes", "w: 4x5, expected 4x3", NULL};
    files f = make_files(with_softmax, "x");
    pn_convert_opts o = options(&f);
    o.preset = "tutorial";
    expect_misfit(&f, &o, others, words);
    drop_files(&f);
}

/* a file that is none of what convert reads is called what it is */
static void other_weights_are_called_by_their_names(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        pn_status status;
        const char *says;
    } cases[] = {
        {"\x93NUMPY\1\0", 8, PN_EINVAL, "(an .npy array)"},
        {"PK\3\4\0\0\0\0", 8, PN_EINVAL, "(an .npz archive)"},
        {"\x12\1\0\0\0\0\0\0", 8, PN_EINVAL, "(a .params file)"},
        {"PK\3\4ssssssssssssssssssssss\x0c\0nnnet/data.pkl", 42, PN_EUNSUPPORTED,
         "is a .pth of PyTorch"},
        {"PK\3\4ssssssssssssssssssssss\xff\xffnnnet/data.pkl", 42, PN_EINVAL, "an .npz"},
        {"\4\0\0\0\0\0\0\0{\"a\"", 12, PN_EUNSUPPORTED, "is a .safetensors of PyTorch"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *path = write_temp(cases[i].bytes, cases[i].size);
        const char *const input = path;
        const pn_convert_opts o = {.inputs = &input, .n_inputs = 1};
        pn_graph *g = NULL;
        pn_err err = {0};
        assert_int_equal(pn_convert(&g, &o, &err), cases[i].status);
        if (!strstr(pn_err_text(&err), cases[i].says) || !strstr(pn_err_text(&err), path))
            fail_msg("\"%s\" is not in: %s", cases[i].says, pn_err_text(&err));
        pn_err_clear(&err);
        unlink(path);
        free(path);
    }
}

static void real_checkpoints_convert(void **state)
{
    (void)state;
    static const struct {
        const char *symbol, *params, *shape, *labels, *features;
        struct {
            const char *name, *shape;
        } outputs[4];
    } cases[] = {
        {"efficientnet-lite0/efficientnet-lite0-symbol.json",
         "efficientnet-lite0/efficientnet-lite0-0000.params",
         "3,224,224",
         "efficientnet-lite0/synset.txt",
         "flatten0_output",
         {{"softmax_output", "Nx1000"}, {"flatten0_output", "Nx1280"}}},
        {"squeezenet-v1.0/squeezenet_v1.0-symbol.json",
         "squeezenet-v1.0/squeezenet_v1.0-0000.params",
         "3,227,227",
         "squeezenet-v1.0/synset.txt",
         NULL,
         {{"softmax_output", "Nx1000"}}},
        {"mobilefacenet/model-symbol.json",
         "mobilefacenet/model-0000.params",
         "3,112,112",
         NULL,
         "conv_6dw7_7_batchnorm_output",
         {{"fc1_output", "Nx128"}, {"conv_6dw7_7_batchnorm_output", "Nx512x1x1"}}},
        {"mtcnn/det1-symbol.json",
         "mtcnn/det1-0001.params",
         "3,12,12",
         NULL,
         "prelu3_output",
         {{"conv4_2_output", "Nx4x1x1"},
          {"prob1_output", "Nx2x1x1"},
          {"prelu3_output", "Nx32x1x1"}}},
        {"mtcnn/det1-symbol.json",
         "mtcnn/det1-0001.params",
         "3,61,83",
         NULL,
         NULL,
         {{"conv4_2_output", "Nx4x26x37"}, {"prob1_output", "Nx2x26x37"}}},
        {"mtcnn/det2-symbol.json",
         "mtcnn/det2-0001.params",
         "3,24,24",
         NULL,
         "prelu4_output",
         {{"conv5_2_output", "Nx4"},
          {"prob1_output", "Nx2"},
          {"prelu4_output", "Nx128"}}},
        {"mtcnn/det3-symbol.json",
         "mtcnn/det3-0001.params",
         "3,48,48",
         NULL,
         "prelu5_output",
         {{"conv6_3_output", "Nx10"},
          {"conv6_2_output", "Nx4"},
          {"prob1_output", "Nx2"},
          {"prelu5_output", "Nx256"}}},
    };
    int n_seen = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *symbol = shared_file(cases[i].symbol),
             *params = shared_file(cases[i].params);
        char *labels = cases[i].labels ? shared_file(cases[i].labels) : NULL;
        if (symbol && params) {
            const char *inputs[] = {symbol, params};
            pn_convert_opts o = {.inputs = inputs,
                                 .n_inputs = 2,
                                 .labels = labels,
                                 .input_shapes = &cases[i].shape,
                                 .n_input_shapes = 1};
            pn_graph *g;
            pn_err err = {0};
            if (pn_convert(&g, &o, &err)) fail_msg("%s: %s", symbol, pn_err_text(&err));
            int n = 0;
            for (; n < 4 && cases[i].outputs[n].name; n++) {
                const pn_value *v = &g->values[g->outputs[n]];
                char text[PN_SHAPE_TEXT];
                assert_string_equal(v->name, cases[i].outputs[n].name);
                assert_string_equal(pn_shape_text(&v->shape, text, sizeof(text)),
                                    cases[i].outputs[n].shape);
            }
            assert_int_equal(g->n_outputs, n);
            const char *features = pn_graph_meta(g, PN_META_FEATURES);
            assert_string_equal(features ? features : "none",
                                cases[i].features ? cases[i].features : "none");
            pn_graph_free(&g);
            n_seen++;
        }
        free(symbol);
        free(params);
        free(labels);
    }
    if (!n_seen) skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_goes_into_the_metadata),
        cmocka_unit_test(the_graph_outlives_everything_it_was_made_from),
        cmocka_unit_test(a_digest_that_is_left_over_is_the_same_once_made),
        cmocka_unit_test(the_graph_outlives_an_archive_that_is_unpacked),
        cmocka_unit_test(no_record_is_said_aloud),
        cmocka_unit_test(logits_get_a_softmax_and_that_is_said),
        cmocka_unit_test(labels_must_be_as_many_as_classes),
        cmocka_unit_test(features_are_chosen_by_name_or_not_at_all),
        cmocka_unit_test(flags_that_make_no_sense_are_refused),
        cmocka_unit_test(an_onnx_file_is_dressed_and_keeps_what_it_says),
        cmocka_unit_test(all_metadata_survives_mmdnns_ir),
        cmocka_unit_test(a_size_that_is_not_known_hides_no_missing_weights),
        cmocka_unit_test(a_misfit_names_the_preset_that_made_the_size),
        cmocka_unit_test(other_weights_are_called_by_their_names),
        cmocka_unit_test(real_checkpoints_convert),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
