/* The translation: names, shapes, and what is said when it cannot be done. Shapes and the
 * constants expected here are MXNet 1.9.1's own answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint.h"
#include "penult/log.h"

static char *last_warning;

static void keep_warning(void *cookie, pn_log_level level, const char *line)
{
    (void)cookie;
    if (level != PN_LOG_WARN) return;
    free(last_warning);
    last_warning = strdup(line);
}

static int setup(void **state)
{
    (void)state;
    pn_log_setup(PN_LOG_INFO, keep_warning, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(last_warning);
    return 0;
}

/* import a symbol with weights; the bytes live until *copy is freed, after the graph */
typedef struct checkpoint {
    pn_graph *g;
    unsigned char *copy;
    pn_err err;
    pn_status st;
} checkpoint;

static checkpoint import_shaped(const char *json, const weight *w,
                                pn_mx_input_shape *shapes, int n_shapes)
{
    checkpoint c = {0};
    bytes b = {0};
    pn_mx_symbol *s = NULL;
    pn_mx_params *p = NULL;
    put_weights(&b, w);
    c.st = pn_mx_symbol_read(&s, json, strlen(json), "t.json", &c.err);
    if (!c.st) c.st = read_params(&p, &b, &c.copy, &c.err);
    if (!c.st) c.st = pn_mx_import_graph(&c.g, s, p, shapes, n_shapes, &c.err);
    pn_mx_symbol_free(&s);
    pn_mx_params_free(&p);
    bytes_fini(&b);
    return c;
}

static checkpoint import(const char *json, const weight *w, int64_t h, int64_t wide)
{
    pn_mx_input_shape shape = {.shape = {.ndim = 3, .dim = {3, h, wide}}};
    return import_shaped(json, w, &shape, 1);
}

static void checkpoint_fini(checkpoint *c)
{
    pn_graph_free(&c->g);
    free(c->copy);
    pn_err_clear(&c->err);
}

static void expect_ok(const checkpoint *c)
{
    if (c->st) fail_msg("%s: %s", pn_status_name(c->st), pn_err_text(&c->err));
}

static void expect_text(const checkpoint *c, pn_status st, const char *part)
{
    if (c->st != st || !strstr(pn_err_text(&c->err), part))
        fail_msg("%s, \"%s\" without \"%s\"", pn_status_name(c->st), pn_err_text(&c->err),
                 part);
}

static void expect_shape(const pn_graph *g, const char *name, const char *want)
{
    char text[PN_SHAPE_TEXT];
    int id = pn_graph_find(g, name);
    if (id == PN_NONE) fail_msg("no value \"%s\"", name);
    assert_string_equal(pn_shape_text(&g->values[id].shape, text, sizeof(text)), want);
}

#define VARIABLE(name) "{\"op\": \"null\", \"name\": \"" name "\", \"inputs\": []}"
#define OP(op, name, inputs, attrs)                                                      \
    ", {\"op\": \"" op "\", \"name\": \"" name "\", \"inputs\": [" inputs                \
    "], \"attrs\": {" attrs "}}"
#define SYMBOL(nodes, heads)                                                             \
    "{\"nodes\": [" nodes "], \"heads\": [" heads "], \"attrs\": {\"mxnet_version\": "   \
    "[\"int\", 10901]}}"

static const char small_net[] = SYMBOL(
    VARIABLE("data") ", " VARIABLE("w0") ", " VARIABLE("g") ", " VARIABLE(
        "b") ", " VARIABLE("m") ", " VARIABLE("v") ", " VARIABLE("fc_w") ", " VARIABLE("f"
                                                                                       "c"
                                                                                       "_"
                                                                                       "b") ", " VARIABLE("softmax_label")
        OP("Convolution", "conv0", "[0,0,0], [1,0,0]",
           "\"kernel\": \"(3, 3)\", \"num_filter\": \"4\", \"no_bias\": \"True\", "
           "\"pad\": \"(1, 1)\"") OP("BatchNorm", "bn0",
                                     "[9,0,0], [2,0,0], [3,0,0], [4,0,1], [5,0,1]",
                                     "\"eps\": \"2e-05\"")
            OP("Activation", "relu0", "[10,0,0]", "\"act_type\": \"relu\"") OP(
                "Pooling", "pool0", "[11,0,0]",
                "\"kernel\": \"(3, 3)\", \"stride\": \"(2, 2)\", \"pool_type\": \"max\", "
                "\"pooling_convention\": \"full\"")
                OP("Flatten", "flatten0", "[12,0,0]", "")
                    OP("Dropout", "drop0", "[13,0,0]", "\"p\": \"0.5\"")
                        OP("FullyConnected", "fc", "[14,0,0], [6,0,0], [7,0,0]",
                           "\"num_hidden\": \"5\"")
                            OP("SoftmaxOutput", "softmax", "[15,0,0], [8,0,0]", ""),
    "[16, 0, 0]");

static const weight small_weights[] = {
    {"arg:w0", 4, {4, 3, 3, 3}}, {"arg:g", 1, {4}}, {"arg:b", 1, {4}},
    {"aux:m", 1, {4}},           {"aux:v", 1, {4}}, {"arg:fc_w", 2, {5, 64}},
    {"arg:fc_b", 2, {5, 1}},     {NULL, 0, {0}},
};

static void values_keep_mxnets_names_and_labels_are_dropped(void **state)
{
    (void)state;
    checkpoint c = import(small_net, small_weights, 8, 9);
    expect_ok(&c);
    expect_shape(c.g, "data", "Nx3x8x9");
    expect_shape(c.g, "conv0_output", "Nx4x8x9");
    expect_shape(c.g, "relu0_output", "Nx4x8x9");
    expect_shape(c.g, "pool0_output", "Nx4x4x4");
    expect_shape(c.g, "flatten0", "Nx64");
    expect_shape(c.g, "softmax_output", "Nx5");
    expect_shape(c.g, "w0", "4x3x3x3");
    expect_shape(c.g, "fc_b", "5");
    assert_int_equal(c.g->n_inputs, 1);
    assert_int_equal(pn_graph_find(c.g, "softmax_label"), PN_NONE);
    assert_int_equal(c.g->n_outputs, 1);
    assert_string_equal(c.g->values[c.g->outputs[0]].name, "softmax_output");
    checkpoint_fini(&c);
}

static void weights_stay_where_the_file_has_them(void **state)
{
    (void)state;
    checkpoint c = import(small_net, small_weights, 8, 9);
    expect_ok(&c);
    const pn_value *v = &c.g->values[pn_graph_find(c.g, "w0")];
    uintptr_t at = (uintptr_t)v->data, from = (uintptr_t)c.copy;
    assert_true(at > from && at < from + 4096);
    checkpoint_fini(&c);
}

static void fix_gamma_means_ones_whatever_the_file_holds(void **state)
{
    (void)state;
    checkpoint c = import(small_net, small_weights, 8, 9);
    expect_ok(&c);
    bool seen = false;
    for (int i = 0; i < c.g->n_nodes; i++) {
        const pn_node *n = &c.g->nodes[i];
        if (n->op != PN_OP_BATCH_NORM) continue;
        float scale[4], beta[4];
        seen = true;
        assert_int_equal(pn_value_to_f32(&c.g->values[n->inputs[1]], 0, 4, scale), PN_OK);
        assert_int_equal(pn_value_to_f32(&c.g->values[n->inputs[2]], 0, 4, beta), PN_OK);
        for (int k = 0; k < 4; k++) {
            assert_true(scale[k] == 1);
            assert_true(beta[k] == 0.5F);
        }
        assert_true(pn_node_float(n, "epsilon", 0) == 2e-05F);
    }
    assert_true(seen);
    checkpoint_fini(&c);
}

static void missing_misshapen_and_surplus_weights_are_listed_at_once(void **state)
{
    (void)state;
    static const weight wrong[] = {
        {"arg:w0", 4, {4, 3, 5, 5}}, {"arg:b", 1, {4}},   {"aux:m", 1, {4}},
        {"arg:fc_w", 2, {5, 63}},    {"arg:odd", 1, {7}}, {NULL, 0, {0}},
    };
    checkpoint c = import(small_net, wrong, 8, 9);
    expect_text(&c, PN_EFORMAT, "w0: 4x3x5x5, expected 4x3x3x3 (Convolution \"conv0\")");
    expect_text(&c, PN_EFORMAT, "v: missing, expected 4 (BatchNorm \"bn0\")");
    expect_text(&c, PN_EFORMAT, "fc_w: 5x63, expected 5x64");
    expect_text(&c, PN_EFORMAT, "fc_b: missing, expected 5 (FullyConnected \"fc\")");
    expect_text(&c, PN_EFORMAT, "odd: 7, but nothing in the symbol takes it");
    assert_null(strstr(pn_err_text(&c.err), "\n  g:")); /* fix_gamma: not needed */
    checkpoint_fini(&c);
}

static void surplus_weights_alone_are_a_warning(void **state)
{
    (void)state;
    static const weight more[] = {
        {"arg:w0", 4, {4, 3, 3, 3}}, {"arg:g", 1, {4}},   {"arg:b", 1, {4}},
        {"aux:m", 1, {4}},           {"aux:v", 1, {4}},   {"arg:fc_w", 2, {5, 64}},
        {"arg:fc_b", 1, {5}},        {"arg:odd", 1, {7}}, {NULL, 0, {0}},
    };
    checkpoint c = import(small_net, more, 8, 9);
    expect_ok(&c);
    assert_non_null(last_warning);
    assert_non_null(strstr(last_warning, "odd: 7"));
    checkpoint_fini(&c);
}

static void all_operators_without_translation_are_listed_with_their_nodes(void **state)
{
    (void)state;
    static const char json[] = SYMBOL(
        VARIABLE("data") OP("RNN", "lstm0", "[0,0,0]", "")
            OP("Activation", "mish0", "[1,0,0]", "\"act_type\": \"mish\"")
                OP("Embedding", "emb", "[2,0,0]", "") OP("Pooling", "fractal", "[3,0,0]",
                                                         "\"pool_type\": \"fractal\"")
                    OP("Convolution", "nhwc", "[4,0,0], [0,0,0]", "\"layout\": \"NHWC\"")
                        OP("Cast", "flag", "[5,0,0]", "\"dtype\": \"bool\"")
                            OP("Dropout", "mc", "[6,0,0]", "\"mode\": \"always\"")
                                OP("relu", "fine", "[7,0,0]", ""),
        "[8,0,0]");
    static const weight none[] = {{NULL, 0, {0}}};
    checkpoint c = import(json, none, 8, 8);
    static const char *const parts[] = {
        "7 operators",
        "RNN \"lstm0\"",
        "Activation \"mish0\": act_type=\"mish\"",
        "Embedding \"emb\"",
        "Pooling \"fractal\"",
        "Convolution \"nhwc\": layout=\"NHWC\"",
        "Cast \"flag\": dtype=\"bool\"",
        "Dropout \"mc\": mode=\"always\"",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        expect_text(&c, PN_EUNSUPPORTED, parts[i]);
    assert_null(strstr(pn_err_text(&c.err), "fine"));
    checkpoint_fini(&c);
}

static void integers_are_not_divided_nor_mixed_with_floats(void **state)
{
    (void)state;
    static const char json[] = SYMBOL(
        VARIABLE("data") OP("Cast", "whole", "[0,0,0]", "\"dtype\": \"int32\"")
            OP("_div_scalar", "half", "[1,0,0]", "\"scalar\": \"2\"")
                OP("elemwise_add", "mixed", "[1,0,0], [0,0,0]", "")
                    OP("Cast", "short", "[1,0,0]", "\"dtype\": \"uint8\"")
                        OP("elemwise_add", "sum", "[4,0,0], [4,0,0]", "")
                            OP("elemwise_add", "fine", "[1,0,0], [1,0,0]", "")
                                OP("Concat", "all", "[2,0,0], [3,0,0], [5,0,0], [6,0,0]",
                                   "\"num_args\": \"4\""),
        "[7,0,0]");
    static const weight none[] = {{NULL, 0, {0}}};
    checkpoint c = import(json, none, 8, 8);
    static const char *const parts[] = {
        "3 operators", "_div_scalar \"half\": of int32",
        "elemwise_add \"mixed\": takes int32 and float32 at once",
        "elemwise_add \"sum\": of uint8"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        expect_text(&c, PN_EUNSUPPORTED, parts[i]);
    checkpoint_fini(&c);
}

static void nodes_that_no_output_needs_are_left_out(void **state)
{
    (void)state;
    static const char json[] =
        SYMBOL(VARIABLE("data") ", " VARIABLE("unseen") OP("RNN", "lstm0", "[1,0,0]", "")
                   OP("relu", "r", "[0,0,0]", ""),
               "[3,0,0]");
    static const weight none[] = {{NULL, 0, {0}}};
    checkpoint c = import(json, none, 8, 8);
    expect_ok(&c);
    assert_int_equal(c.g->n_nodes, 1);
    checkpoint_fini(&c);
}

static void an_inputs_size_comes_from_flag_record_or_symbol(void **state)
{
    (void)state;
    static const char plain[] =
        SYMBOL(VARIABLE("data") OP("relu", "r", "[0,0,0]", ""), "[1,0,0]");
    static const char shaped[] =
        SYMBOL("{\"op\": \"null\", \"name\": \"data\", \"inputs\": [], \"attrs\": "
               "{\"__shape__\": "
               "\"(0, 3, 5, 6)\"}}" OP("relu", "r", "[0,0,0]", ""),
               "[1,0,0]");
    static const weight none[] = {{NULL, 0, {0}}};
    checkpoint c = import_shaped(plain, none, NULL, 0);
    expect_text(&c, PN_EINVAL, "--input-shape data=C,H,W");
    checkpoint_fini(&c);

    c = import_shaped(shaped, none, NULL, 0);
    expect_ok(&c);
    expect_shape(c.g, "r_output", "Nx3x5x6");
    checkpoint_fini(&c);

    pn_mx_input_shape shapes[] = {
        {.is_fallback = true, .shape = {.ndim = 3, .dim = {3, 7, 7}}},
        {.name = "other", .shape = {.ndim = 1, .dim = {9}}},
        {.name = "data", .shape = {.ndim = 3, .dim = {1, 2, 3}}},
    };
    c = import_shaped(shaped, none, shapes, 3);
    expect_ok(&c);
    expect_shape(c.g, "r_output", "Nx1x2x3");
    assert_true(shapes[2].is_used && !shapes[1].is_used && !shapes[0].is_used);
    checkpoint_fini(&c);

    c = import_shaped(shaped, none, shapes, 2);
    expect_ok(&c);
    expect_shape(c.g, "r_output", "Nx3x7x7");
    checkpoint_fini(&c);
}

static void weights_are_taken_through_the_edge_and_may_be_shared(void **state)
{
    (void)state;
    static const char json[] = SYMBOL(
        VARIABLE("data") ", " VARIABLE("odd_name") ", " VARIABLE("conv0_weight")
            OP("_copy", "id", "[1,0,0]", "") OP(
                "Convolution", "conv0", "[0,0,0], [1,0,0]",
                "\"kernel\": \"(1,1)\", \"num_filter\": \"3\", \"no_bias\": \"True\"")
                OP("Convolution", "conv1", "[4,0,0], [3,0,0]",
                   "\"kernel\": \"(1,1)\", \"num_filter\": \"3\", \"no_bias\": \"1\""),
        "[5,0,0]");
    static const weight w[] = {{"odd_name", 4, {3, 3, 1, 1}}, {NULL, 0, {0}}};
    checkpoint c = import(json, w, 4, 4);
    expect_ok(&c);
    assert_int_equal(c.g->n_nodes, 2);
    assert_int_equal(c.g->nodes[0].inputs[1], c.g->nodes[1].inputs[1]);
    assert_string_equal(c.g->values[c.g->nodes[0].inputs[1]].name, "odd_name");
    checkpoint_fini(&c);
}

static void names_that_stand_twice_become_different(void **state)
{
    (void)state;
    static const char json[] =
        SYMBOL(VARIABLE("data") OP("relu", "r", "[0,0,0]", "")
                   OP("relu", "r", "[1,0,0]", "") OP("relu", "data", "[2,0,0]", ""),
               "[3,0,0], [1,0,0], [3,0,0], [0,0,0]");
    static const weight none[] = {{NULL, 0, {0}}};
    checkpoint c = import(json, none, 4, 4);
    expect_ok(&c);
    assert_int_equal(c.g->n_outputs, 4);
    for (int i = 0; i < c.g->n_values; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(c.g->values[i].name, c.g->values[k].name);
    checkpoint_fini(&c);
}

static void outputs_that_inference_does_not_make_are_refused(void **state)
{
    (void)state;
    static const char json[] = SYMBOL(VARIABLE("data") OP("Dropout", "d", "[0,0,0]", "")
                                          OP("relu", "r", "[1,1,0]", ""),
                                      "[2,0,0]");
    static const weight none[] = {{NULL, 0, {0}}};
    checkpoint c = import(json, none, 4, 4);
    expect_text(&c, PN_EUNSUPPORTED, "relu \"r\": takes output 1 of Dropout \"d\"");
    checkpoint_fini(&c);
}

/* one operator on data of N x shape; attributes as MXNet writes them */
typedef struct op_case {
    const char *op, *attrs;
    int ndim;
    int64_t in[4];
    const char *want; /* the output's shape, or a part of the message */
} op_case;

static checkpoint import_op(const op_case *o)
{
    static const weight none[] = {{NULL, 0, {0}}};
    char json[1000];
    pn_mx_input_shape shape = {.shape = {.ndim = o->ndim}};
    memcpy(shape.shape.dim, o->in, sizeof(o->in));
    snprintf(json, sizeof(json),
             SYMBOL(VARIABLE("data") ", {\"op\": \"%s\", \"name\": \"n\", \"inputs\": "
                                     "[[0,0,0]], \"attrs\": {%s}}",
                    "[1,0,0]"),
             o->op, o->attrs);
    return import_shaped(json, none, &shape, 1);
}

#define A(key, value) "\"" key "\": \"" value "\""

static void shapes_are_mxnets(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Pooling",
         A("kernel", "(3, 3)") ", " A("stride", "(2, 2)"),
         3,
         {3, 8, 9},
         "Nx3x3x4"},
        {"Pooling",
         A("kernel", "(3, 3)") ", " A("stride", "(2, 2)") ", " A("pooling_convention",
                                                                 "full"),
         3,
         {3, 8, 9},
         "Nx3x4x4"},
        {"Pooling",
         A("kernel", "(3, 3)") ", " A("stride", "(3, 3)") ", " A("pad", "(1, 1)") ", " A(
             "pooling_convention", "full"),
         3,
         {3, 8, 8},
         "Nx3x4x4"},
        {"Pooling",
         A("kernel", "(3, 3)") ", " A("stride", "(3, 3)") ", " A("pad", "(1, 1)") ", " A(
             "pooling_convention", "full") ", " A("pool_type", "avg"),
         3,
         {3, 8, 8},
         "Nx3x4x4"},
        {"Pooling",
         A("global_pool", "True") ", " A("pool_type", "sum"),
         3,
         {3, 8, 9},
         "Nx3x1x1"},
        {"Flatten", "", 3, {3, 8, 9}, "Nx216"},
        {"Reshape", A("shape", "(0, -1)"), 3, {6, 9, 8}, "Nx432"},
        {"Reshape", A("shape", "(-1, 432)"), 3, {6, 9, 8}, "Nx432"},
        {"Reshape", A("shape", "(1, 432)"), 3, {6, 9, 8}, "Nx432"},
        {"Reshape", A("shape", "(0, -4, 2, -1, -2)"), 3, {6, 9, 8}, "Nx2x3x9x8"},
        {"Reshape", A("shape", "(0, -3, -2)"), 3, {6, 9, 8}, "Nx54x8"},
        {"Reshape", A("shape", "(0, 0, -4, -1, 3, 0)"), 3, {6, 9, 8}, "Nx6x3x3x8"},
        {"Reshape", A("shape", "(0, 3, -1, 0)"), 3, {6, 9, 8}, "Nx3x18x8"},
        {"Reshape",
         A("shape", "(0, 2, -1, -4, 0)") ", " A("reverse", "True"),
         2,
         {8, 6},
         "Nx2x4x6"},
        {"transpose", A("axes", "(0, 2, 3, 1)"), 3, {6, 9, 8}, "Nx9x8x6"},
        {"SwapAxis", A("dim1", "1") ", " A("dim2", "3"), 3, {6, 9, 8}, "Nx8x9x6"},
        {"expand_dims", A("axis", "-1"), 3, {6, 9, 8}, "Nx6x9x8x1"},
        {"squeeze", "", 4, {3, 1, 4, 1}, "Nx3x4"},
        {"slice_axis",
         A("axis", "1") ", " A("begin", "1") ", " A("end", "-2"),
         3,
         {6, 9, 8},
         "Nx3x9x8"},
        {"slice_axis",
         A("axis", "2") ", " A("begin", "-3") ", " A("end", "None"),
         3,
         {6, 9, 8},
         "Nx6x3x8"},
        {"slice",
         A("begin", "(None, 1, None, -1)") ", " A("end", "(None, None, -1, None)") ", " A(
             "step", "(None, 2, 3, -2)"),
         3,
         {6, 9, 8},
         "Nx3x3x4"},
        {"Crop", A("offset", "(1, 2)") ", " A("h_w", "(3, 4)"), 3, {6, 9, 8}, "Nx6x3x4"},
        {"Pad",
         A("mode", "edge") ", " A("pad_width", "(0, 0, 0, 0, 1, 2, 3, 4)"),
         3,
         {6, 9, 8},
         "Nx6x12x15"},
        {"UpSampling",
         A("scale", "3") ", " A("sample_type", "nearest"),
         3,
         {6, 9, 8},
         "Nx6x27x24"},
        {"mean", A("axis", "(2, 3)") ", " A("keepdims", "True"), 3, {6, 9, 8}, "Nx6x1x1"},
        {"sum", A("axis", "(0, 1)") ", " A("exclude", "True"), 3, {6, 9, 8}, "Nx6"},
        {"max", A("axis", "-1"), 3, {6, 9, 8}, "Nx6x9"},
        {"_contrib_AdaptiveAvgPooling2D",
         A("output_size", "(3, 4)"),
         3,
         {6, 9, 8},
         "Nx6x3x4"},
        {"L2Normalization", "", 1, {7}, "Nx7"},
        {"SoftmaxOutput", "", 3, {6, 9, 8}, "Nx6x9x8"},
        {"LeakyReLU", A("act_type", "gelu"), 3, {6, 9, 8}, "Nx6x9x8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        checkpoint c = import_op(&cases[i]);
        if (c.st) fail_msg("%s %s: %s", cases[i].op, cases[i].attrs, pn_err_text(&c.err));
        expect_shape(c.g, "n_output", cases[i].want);
        checkpoint_fini(&c);
    }
}

static void what_breaks_an_operators_rules_is_said(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Pooling", A("kernel", "(3, 3)"), 3, {3, 2, 9}, "a kernel of 3 on 2"},
        {"Pooling", A("kernel", "(3, x)"), 3, {3, 8, 9}, "kernel=\"(3, x)\""},
        {"Pooling", "", 3, {3, 8, 9}, "kernel"},
        {"Pooling",
         A("kernel", "(3, 3)") ", " A("stride", "(0, 1)"),
         3,
         {3, 8, 9},
         "stride"},
        {"Pooling", A("kernel", "(2147483648, 1)"), 3, {3, 8, 9}, "kernel"},
        {"Pooling", A("kernel", "(2, 2)") ", " A("pad", "(-1, 0)"), 3, {3, 8, 9}, "pad"},
        {"clip", A("a_min", "0"), 3, {3, 8, 9}, "a_max"},
        {"clip", A("a_min", "0") ", " A("a_max", "x"), 3, {3, 8, 9}, "a_max=\"x\""},
        {"Activation", "", 3, {3, 8, 9}, "act_type"},
        {"transpose", A("axes", "(0, 1, 1, 2)"), 3, {3, 8, 9}, "twice"},
        {"transpose", A("axes", "(0, 1)"), 3, {3, 8, 9}, "2 axes"},
        {"SwapAxis", A("dim1", "4"), 3, {3, 8, 9}, "axis 4"},
        {"squeeze", A("axis", "1"), 3, {3, 8, 9}, "dimension 1"},
        {"slice_axis", A("axis", "1") ", " A("begin", "3"), 3, {3, 8, 9}, "nothing"},
        {"Crop", A("h_w", "(9, 1)"), 3, {3, 8, 9}, "of 8"},
        {"Pad",
         A("mode", "reflect") ", " A("pad_width", "(0,0,0,0,8,0,0,0)"),
         3,
         {3, 8, 9},
         "reflects"},
        {"Pad",
         A("mode", "edge") ", " A("pad_width", "(0,0,1,0,0,0,0,0)"),
         3,
         {3, 8, 9},
         "channels"},
        {"Pad",
         A("mode", "edge") ", " A("pad_width", "(0,0)"),
         3,
         {3, 8, 9},
         "pad_width"},
        {"SliceChannel", A("num_outputs", "2"), 3, {3, 8, 9}, "3 elements into 2"},
        {"UpSampling",
         A("scale", "65536") ", " A("sample_type", "nearest"),
         3,
         {3, 65535, 9},
         "n_output"},
        {"LRN", A("nsize", "4"), 3, {3, 8, 9}, "odd"},
        {"softmax", A("axis", "4"), 3, {3, 8, 9}, "axis 4"},
        {"_plus_scalar", "", 3, {3, 8, 9}, "scalar"},
        {"elemwise_add", "", 3, {3, 8, 9}, "has 1 inputs"},
        {"BatchNorm", "", 3, {3, 8, 9}, "has 1 inputs"},
        {"expand_dims", "", 3, {3, 8, 9}, "axis"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        checkpoint c = import_op(&cases[i]);
        const char *text = pn_err_text(&c.err);
        if (c.st != PN_EFORMAT || !strstr(text, cases[i].want))
            fail_msg("%s %s: %s, \"%s\"", cases[i].op, cases[i].attrs,
                     pn_status_name(c.st), text);
        checkpoint_fini(&c);
    }
}

static void what_mixes_images_of_a_batch_is_refused(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Reshape", A("shape", "(-1, 7)"), 1, {14}, "Reshape \"n\""},
        {"Reshape", A("shape", "(-3, 0)"), 2, {8, 6}, "Reshape \"n\""},
        {"sum", A("axis", "0"), 1, {14}, "sum \"n\""},
        {"sum", "", 1, {14}, "sum \"n\""},
        {"slice_axis", A("axis", "0") ", " A("begin", "1"), 1, {14}, "slice_axis \"n\""},
        {"SliceChannel",
         A("axis", "0") ", " A("num_outputs", "2"),
         1,
         {14},
         "SliceChannel"},
        {"softmax", A("axis", "0"), 1, {14}, "softmax \"n\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        checkpoint c = import_op(&cases[i]);
        if (c.st != PN_EUNSUPPORTED || !strstr(pn_err_text(&c.err), cases[i].want))
            fail_msg("%s %s: %s", cases[i].op, cases[i].attrs, pn_err_text(&c.err));
        checkpoint_fini(&c);
    }
}

/* every operator with every attribute it knows set to every odd value: an error or a
 * graph */
static void no_attribute_is_a_crash(void **state)
{
    (void)state;
    static const char *const ops[] = {
        "Convolution",
        "Deconvolution",
        "Pooling",
        "FullyConnected",
        "UpSampling",
        "BatchNorm",
        "LRN",
        "L2Normalization",
        "Reshape",
        "transpose",
        "SwapAxis",
        "expand_dims",
        "squeeze",
        "Concat",
        "slice",
        "slice_axis",
        "Crop",
        "Pad",
        "SliceChannel",
        "mean",
        "softmax",
        "SoftmaxOutput",
        "SoftmaxActivation",
        "LayerNorm",
        "InstanceNorm",
        "LeakyReLU",
        "_contrib_AdaptiveAvgPooling2D",
        "clip",
        "_mul_scalar",
        "slice_like",
    };
    static const char *const keys[] = {
        "kernel",    "stride",      "pad",   "dilate", "num_filter",
        "num_group", "num_hidden",  "shape", "axes",   "axis",
        "begin",     "end",         "step",  "offset", "h_w",
        "pad_width", "num_outputs", "scale", "nsize",  "target_shape",
        "adj",       "output_size", "dim",   "dim1",   "scalar",
    };
    static const char *const values[] = {
        "0",
        "-1",
        "1073741824",
        "(1073741824, 1073741824)",
        "(-1073741824, -1)",
        "(0, 0)",
        "()",
        "None",
        "(None, None, None)",
        "(1, 2, 3, 4)",
        "(-4, 0, 0, 0)",
        "(2, -2)",
        "(-1, -1)",
        "9223372036854775807",
        "1e308",
        "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)",
        "x",
    };
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
            for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
                char attrs[600];
                snprintf(attrs, sizeof(attrs), "\"%s\": \"%s\"%s%s%s%s", keys[k],
                         values[v],
                         strcmp(keys[k], "kernel") ? ", \"kernel\": \"(2, 2)\"" : "",
                         strcmp(keys[k], "num_filter") ? ", \"num_filter\": \"3\"" : "",
                         strcmp(keys[k], "num_hidden") ? ", \"num_hidden\": \"3\"" : "",
                         strcmp(ops[i], "Pad") ? "" : ", \"mode\": \"reflect\"");
                op_case o = {ops[i], attrs, 3, {3, 8, 9}, ""};
                checkpoint c = import_op(&o);
                assert_true(c.st != PN_EINTERNAL);
                assert_true(c.st == PN_OK || c.err.text);
                checkpoint_fini(&c);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_keep_mxnets_names_and_labels_are_dropped),
        cmocka_unit_test(weights_stay_where_the_file_has_them),
        cmocka_unit_test(fix_gamma_means_ones_whatever_the_file_holds),
        cmocka_unit_test(missing_misshapen_and_surplus_weights_are_listed_at_once),
        cmocka_unit_test(surplus_weights_alone_are_a_warning),
        cmocka_unit_test(all_operators_without_translation_are_listed_with_their_nodes),
        cmocka_unit_test(integers_are_not_divided_nor_mixed_with_floats),
        cmocka_unit_test(nodes_that_no_output_needs_are_left_out),
        cmocka_unit_test(an_inputs_size_comes_from_flag_record_or_symbol),
        cmocka_unit_test(weights_are_taken_through_the_edge_and_may_be_shared),
        cmocka_unit_test(names_that_stand_twice_become_different),
        cmocka_unit_test(outputs_that_inference_does_not_make_are_refused),
        cmocka_unit_test(shapes_are_mxnets),
        cmocka_unit_test(what_breaks_an_operators_rules_is_said),
        cmocka_unit_test(what_mixes_images_of_a_batch_is_refused),
        cmocka_unit_test(no_attribute_is_a_crash),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
