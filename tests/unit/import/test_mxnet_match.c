/* Weights whose names are not the symbol's: which array becomes which weight, and what is
 * refused rather than guessed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint.h"
#include "penult/log.h"
#include "tests/support/alloc_fail.h"

/* a convolution with its norm, a shortcut that is computed before the branch beside it,
 * and a classifier; %s is the kernel at the branch's end */
/* clang-format off */
#define VARIABLE(name) "{\"op\": \"null\", \"name\": \"net0_" name "\", \"inputs\": []}"
#define OP(op, name, inputs, attrs)                                                      \
    "{\"op\": \"" op "\", \"name\": \"net0_" name "\", \"inputs\": [" inputs             \
    "], \"attrs\": {" attrs "}}"
#define CONV(name, inputs, kernel)                                                       \
    OP("Convolution", name, inputs,                                                      \
       "\"kernel\": \"" kernel "\", \"num_filter\": \"4\", \"no_bias\": \"True\"")
static const char net[] =
    "{\"nodes\": ["
    "{\"op\": \"null\", \"name\": \"data\", \"inputs\": []},"
    VARIABLE("conv0_weight") "," CONV("conv0", "[0,0,0],[1,0,0]", "(1, 1)") ","
    VARIABLE("bn0_gamma") "," VARIABLE("bn0_beta") ","
    VARIABLE("bn0_mean") "," VARIABLE("bn0_var") ","
    OP("BatchNorm", "bn0", "[2,0,0],[3,0,0],[4,0,0],[5,0,0],[6,0,0]", "") ","
    VARIABLE("conv2_weight") "," CONV("conv2", "[7,0,0],[8,0,0]", "(1, 1)") ","
    VARIABLE("conv1_weight") "," CONV("conv1", "[7,0,0],[10,0,0]", "(1, 3)\", \"pad\": \"(0, 1)") ","
    VARIABLE("conv3_weight") "," CONV("conv3", "[11,0,0],[12,0,0]", "%s") ","
    OP("elemwise_add", "sum", "[9,0,0],[13,0,0]", "") ","
    VARIABLE("fc_weight") "," VARIABLE("fc_bias") ","
    OP("FullyConnected", "fc", "[14,0,0],[15,0,0],[16,0,0]", "\"num_hidden\": \"2\"")
    "], \"heads\": [[17,0,0]], \"attrs\": {\"mxnet_version\": [\"int\", 10901]}}";
/* clang-format on */

typedef struct array {
    const char *name;
    int ndim;
    int64_t dim[4];
} array;

typedef struct trial {
    pn_graph *g;
    unsigned char *copy;
    pn_err err;
    pn_status st;
} trial;

/* element k of array i is i + k / 1000 */
static void put_arrays(bytes *b, const array *a, int n, bool has_names)
{
    const char *names[32] = {NULL};
    put_list_head(b, (uint64_t)n);
    for (int i = 0; i < n; i++) {
        float data[256];
        size_t count = 1;
        for (int k = 0; k < a[i].ndim; k++)
            count *= (size_t)a[i].dim[k];
        assert_in_range(count, 1, 256);
        for (size_t k = 0; k < count; k++)
            data[k] = (float)i + (float)k / 1000;
        put_array(b, 2, a[i].ndim, a[i].dim, 0, data, count * sizeof(float));
        names[i] = a[i].name;
    }
    if (has_names)
        put_names(b, names);
    else
        put_u64(b, 0);
}

static trial import(const char *kernel, const bytes *b)
{
    trial t = {0};
    char *json;
    pn_mx_symbol *s = NULL;
    pn_mx_params *p = NULL;
    pn_mx_input_shape shape = {.shape = {.ndim = 3, .dim = {3, 1, 1}}};
    assert_true(asprintf(&json, net, kernel) > 0);
    t.st = pn_mx_symbol_read(&s, json, strlen(json), "t.json", &t.err);
    if (!t.st) t.st = read_params(&p, b, &t.copy, &t.err);
    if (!t.st) t.st = pn_mx_import_graph(&t.g, s, p, &shape, 1, &t.err);
    pn_mx_symbol_free(&s);
    pn_mx_params_free(&p);
    free(json);
    return t;
}

static trial import_arrays(const char *kernel, const array *a, int n, bool has_names)
{
    bytes b = {0};
    put_arrays(&b, a, n, has_names);
    trial t = import(kernel, &b);
    bytes_fini(&b);
    return t;
}

static void trial_fini(trial *t)
{
    pn_graph_free(&t->g);
    free(t->copy);
    pn_err_clear(&t->err);
}

static void expect_array(const trial *t, const char *name, int want)
{
    float first;
    if (t->st) fail_msg("%s", pn_err_text(&t->err));
    int id = pn_graph_find(t->g, name);
    if (id == PN_NONE) fail_msg("no value \"%s\"", name);
    assert_int_equal(pn_value_to_f32(&t->g->values[id], 0, 1, &first), PN_OK);
    if ((int)first != want) fail_msg("%s is array %d", name, (int)first);
}

static void expect_text(const trial *t, const char *part)
{
    if (t->st != PN_EFORMAT || !strstr(pn_err_text(&t->err), part))
        fail_msg("%s, \"%s\" without \"%s\"", pn_status_name(t->st), pn_err_text(&t->err),
                 part);
}

#define N_ARRAYS 10
#define FRONT(a, b, c, d, e)                                                             \
    {a, 4, {4, 3, 1, 1}}, {b, 1, {4}}, {c, 1, {4}}, {d, 1, {4}},                         \
    {                                                                                    \
        e, 1,                                                                            \
        {                                                                                \
            4                                                                            \
        }                                                                                \
    }
#define BACK(a, b)                                                                       \
    {a, 2, {2, 4}},                                                                      \
    {                                                                                    \
        b, 1,                                                                            \
        {                                                                                \
            2                                                                            \
        }                                                                                \
    }
#define FEATURES                                                                         \
    FRONT("features.0.weight", "features.1.gamma", "features.1.beta",                    \
          "features.1.running_mean", "features.1.running_var")
#define BRANCH(k)                                                                        \
    {"features.2.body.0.weight", 4, {4, 4, 1, 3}},                                       \
        {"features.2.body.1.weight", 4, {4, 4, k, 1}},                                   \
    {                                                                                    \
        "features.2.down.0.weight", 4,                                                   \
        {                                                                                \
            4, 4, 1, 1                                                                   \
        }                                                                                \
    }

static void structured_names_are_told_by_shape_and_order(void **state)
{
    (void)state;
    static const array file[N_ARRAYS] = {
        FEATURES,
        BRANCH(3),
        BACK("output.weight", "output.bias"),
    };
    trial t = import_arrays("(3, 1)\", \"pad\": \"(1, 0)", file, N_ARRAYS, true);
    expect_array(&t, "net0_conv0_weight", 0);
    expect_array(&t, "net0_bn0_beta", 2);
    expect_array(&t, "net0_bn0_mean", 3);
    expect_array(&t, "net0_bn0_var", 4);
    expect_array(&t, "net0_conv1_weight", 5);
    expect_array(&t, "net0_conv3_weight", 6);
    expect_array(&t, "net0_conv2_weight", 7);
    expect_array(&t, "net0_fc_weight", 8);
    expect_array(&t, "net0_fc_bias", 9);
    trial_fini(&t);
}

/* reading, surveying, matching and importing with the n-th allocation failing */
static void every_failed_allocation_is_out_of_memory(void **state)
{
    (void)state;
    static const array file[N_ARRAYS] = {
        FEATURES,
        BRANCH(1),
        BACK("output.weight", "output.bias"),
    };
    for (int has_names = 0; has_names < 2; has_names++) {
        bytes b = {0};
        unsigned char *copy;
        char *json;
        put_arrays(&b, file, N_ARRAYS, has_names);
        assert_true(asprintf(&json, net, "(1, 1)") > 0);
        bool has_failed = true;
        for (long n = 0; has_failed; n++) {
            pn_mx_input_shape shape = {.shape = {.ndim = 3, .dim = {3, 1, 1}}};
            pn_mx_symbol *s = NULL;
            pn_mx_params *p = NULL;
            pn_graph *g = NULL;
            assert_int_equal(read_params(&p, &b, &copy, NULL), PN_OK);
            assert_int_equal(pn_mx_symbol_read(&s, json, strlen(json), "t", NULL), PN_OK);
            pn_alloc_fail_at(n);
            pn_status st = pn_mx_import_graph(&g, s, p, &shape, 1, NULL);
            has_failed = pn_alloc_has_failed();
            pn_alloc_fail_at(-1);
            /* a lookup that gives up is no failure of the whole */
            if (st != PN_EFORMAT && (st != PN_ENOMEM || !has_failed))
                fail_msg("allocation %ld, names %d: %s", n, has_names,
                         pn_status_name(st));
            assert_null(g);
            pn_mx_symbol_free(&s);
            pn_mx_params_free(&p);
            free(copy);
        }
        free(json);
        bytes_fini(&b);
    }
}

static void equal_layers_in_another_order_are_not_guessed(void **state)
{
    (void)state;
    static const array file[N_ARRAYS] = {
        FEATURES,
        BRANCH(1),
        BACK("output.weight", "output.bias"),
    };
    trial t = import_arrays("(1, 1)", file, N_ARRAYS, true);
    expect_text(&t, "several layers (weight 4x4x1x1) could be each other");
    trial_fini(&t);
}

static void layers_of_one_side_alone_are_all_listed(void **state)
{
    (void)state;
    static const array file[] = {
        FRONT("0.weight", "1.gamma", "1.beta", "1.running_mean", "1.running_var"),
        {"2.weight", 4, {4, 4, 3, 5}},
        {"3.weight", 2, {2, 4}},
    };
    trial t = import_arrays("(1, 1)", file, 7, true);
    expect_text(&t, "weight 4x4x1x1: 2 in the symbol, 0 in the file");
    expect_text(&t, "weight 4x4x3x5: 0 in the symbol, 1 in the file");
    expect_text(&t, "weight 2x4 2: 1 in the symbol, 0 in the file");
    expect_text(&t, "weight 2x4: 0 in the symbol, 1 in the file");
    assert_null(strstr(pn_err_text(&t.err), "4x3x1x1"));
    trial_fini(&t);
}

static void names_out_of_order_or_of_another_kind_are_refused(void **state)
{
    (void)state;
    static const array shuffled[] = {
        {"features.3.weight", 4, {4, 4, 1, 1}},
        {"features.1.weight", 4, {4, 4, 1, 1}},
    };
    static const array odd[] = {{"features.3.kernel", 4, {4, 4, 1, 1}}};
    trial t = import_arrays("(1, 1)", shuffled, 2, true);
    expect_text(&t, "\"features.3.weight\" stands before \"features.1.weight\"");
    trial_fini(&t);
    t = import_arrays("(1, 1)", odd, 1, true);
    expect_text(&t, "\"features.3.kernel\"");
    trial_fini(&t);
}

static void another_front_is_exchanged(void **state)
{
    (void)state;
    static const array stripped[N_ARRAYS] = {
        FRONT("conv0_weight", "bn0_gamma", "bn0_beta", "bn0_mean", "bn0_var"),
        {"conv1_weight", 4, {4, 4, 1, 3}},
        {"conv3_weight", 4, {4, 4, 1, 1}},
        {"conv2_weight", 4, {4, 4, 1, 1}},
        BACK("fc_weight", "fc_bias"),
    };
    static const array anew[N_ARRAYS] = {
        FRONT("arg:net7_conv0_weight", "arg:net7_bn0_gamma", "arg:net7_bn0_beta",
              "aux:net7_bn0_mean", "aux:net7_bn0_var"),
        {"arg:net7_conv1_weight", 4, {4, 4, 1, 3}},
        {"arg:net7_conv3_weight", 4, {4, 4, 1, 1}},
        {"arg:net7_conv2_weight", 4, {4, 4, 1, 1}},
        BACK("arg:net7_fc_weight", "arg:net7_fc_bias"),
    };
    for (int i = 0; i < 2; i++) {
        trial t = import_arrays("(1, 1)", i ? anew : stripped, N_ARRAYS, true);
        expect_array(&t, "net0_conv1_weight", 5);
        expect_array(&t, "net0_conv3_weight", 6);
        expect_array(&t, "net0_conv2_weight", 7);
        expect_array(&t, "net0_fc_bias", 9);
        trial_fini(&t);
    }
}

static void files_without_names_go_by_arguments_then_auxiliary_states(void **state)
{
    (void)state;
    static const array file[N_ARRAYS] = {
        {NULL, 4, {4, 3, 1, 1}}, {NULL, 1, {4}},          {NULL, 1, {4}},
        {NULL, 4, {4, 4, 1, 1}}, {NULL, 4, {4, 4, 1, 3}}, {NULL, 4, {4, 4, 1, 1}},
        {NULL, 2, {2, 4}},       {NULL, 1, {2}},          {NULL, 1, {4}},
        {NULL, 1, {4}},
    };
    trial t = import_arrays("(1, 1)", file, N_ARRAYS, false);
    expect_array(&t, "net0_bn0_beta", 2);
    expect_array(&t, "net0_conv2_weight", 3);
    expect_array(&t, "net0_conv3_weight", 5);
    expect_array(&t, "net0_bn0_mean", 8);
    expect_array(&t, "net0_bn0_var", 9);
    trial_fini(&t);

    t = import_arrays("(1, 1)", file, 6, false);
    expect_text(&t, "array 6: missing, expected 2x4 (net0_fc_weight)");
    expect_text(&t, "array 9: missing, expected 4 (net0_bn0_var)");
    assert_null(strstr(pn_err_text(&t.err), "array 5"));
    trial_fini(&t);
    t = import_arrays("(1, 1)", file + 1, 9, false);
    expect_text(&t, "array 0: 4, expected 4x3x1x1 (net0_conv0_weight)");
    trial_fini(&t);
}

static void say_nothing(void *cookie, pn_log_level level, const char *line)
{
    (void)cookie;
    (void)level;
    (void)line;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structured_names_are_told_by_shape_and_order),
        cmocka_unit_test(every_failed_allocation_is_out_of_memory),
        cmocka_unit_test(equal_layers_in_another_order_are_not_guessed),
        cmocka_unit_test(layers_of_one_side_alone_are_all_listed),
        cmocka_unit_test(names_out_of_order_or_of_another_kind_are_refused),
        cmocka_unit_test(another_front_is_exchanged),
        cmocka_unit_test(files_without_names_go_by_arguments_then_auxiliary_states),
    };
    pn_log_setup(PN_LOG_ERROR, say_nothing, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
