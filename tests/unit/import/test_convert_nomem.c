/* A conversion, its export and its proof with every allocation failing once: PN_ENOMEM,
 * and nothing leaked (the sanitizer watches). */
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
#include "penult/parity.h"
#include "tests/support/alloc_fail.h"

static void say_nothing(void *cookie, pn_log_level level, const char *line)
{
    (void)cookie;
    (void)level;
    (void)line;
}

/* of the 0.8 kind, so that inputs are added; with a weight in half precision */
/* clang-format off */
#define NODE(op, name, inputs, attrs)                                                    \
    "{\"op\": \"" op "\", \"name\": \"" name "\", \"inputs\": [" inputs                  \
    "], \"param\": {" attrs "}}"
static const char symbol[] =
    "{\"nodes\": ["
    NODE("null", "data", "", "") ","
    NODE("null", "c_weight", "", "") ","
    NODE("Convolution", "c", "[0,0],[1,0]",
         "\"kernel\": \"(1,1)\", \"num_filter\": \"2\"") ","
    NODE("null", "g", "", "") ","
    NODE("null", "b", "", "") ","
    NODE("BatchNorm", "bn", "[2,0],[3,0],[4,0]", "") ","
    NODE("Pooling", "p", "[5,0]",
         "\"kernel\": \"(3,3)\", \"stride\": \"(3,3)\", \"pad\": \"(1,1)\", "
         "\"pool_type\": \"avg\", \"pooling_convention\": \"full\"") ","
    NODE("SliceChannel", "s", "[6,0]",
         "\"num_outputs\": \"2\", \"squeeze_axis\": \"1\"") ","
    NODE("ElementWiseSum", "a", "[7,0],[7,1]", "") ","
    NODE("FullyConnected", "f", "[8,0]",
         "\"num_hidden\": \"2\", \"flatten\": \"0\"") ","
    NODE("Softmax", "softmax", "[9,0]", "")
    "], \"heads\": [[10,0],[10,0]]}";
/* clang-format on */

static void every_failed_allocation_is_out_of_memory(void **state)
{
    (void)state;
    static const int64_t four[] = {2, 3, 1, 1}, two[] = {2}, matrix[] = {2, 4};
    static const char *const names[] = {
        "c_weight",      "c_bias",   "b",      "bn_moving_mean",
        "bn_moving_var", "f_weight", "f_bias", NULL};
    static const unsigned char data[32];
    bytes b = {0};
    put_list_head(&b, 7);
    put_array(&b, 2, 4, four, 2, data, 12);
    for (int i = 0; i < 4; i++)
        put_array(&b, 0, 1, two, 0, data, 8);
    put_array(&b, 1, 2, matrix, 0, data, 32);
    put_array(&b, 2, 1, two, 0, data, 8);
    put_names(&b, names);
    char *files[] = {write_temp(symbol, sizeof(symbol) - 1), write_temp(b.data, b.size),
                     write_temp("x\ny\n", 4)};
    const char *inputs[] = {files[0], files[1]};
    static const char *const shape[] = {"data=3,8,8"};
    pn_convert_opts o = {.inputs = inputs,
                         .n_inputs = 2,
                         .input_shapes = shape,
                         .n_input_shapes = 1,
                         .labels = NULL};
    pn_log_setup(PN_LOG_INFO, say_nothing, NULL);
    long n = 0;
    bool has_failed = true;
    for (; has_failed; n++) {
        pn_graph *g = NULL;
        pn_err err = {0};
        pn_alloc_fail_at(n);
        pn_status st = pn_convert(&g, &o, &err);
        has_failed =
            pn_alloc_has_failed(); /* a lookup that gives up is no failure of the whole */
        pn_alloc_fail_at(-1);
        if (st && st != PN_ENOMEM)
            fail_msg("allocation %ld: %s, \"%s\"", n, pn_status_name(st),
                     pn_err_text(&err));
        assert_true((st == PN_OK) == (g != NULL));
        pn_graph_free(&g);
        pn_err_clear(&err);
    }
    assert_true(n > 60);
    for (int i = 0; i < 3; i++) {
        unlink(files[i]);
        free(files[i]);
    }
    bytes_fini(&b);
}

/* a net that every format has words for */
static pn_graph *convert_golden(void)
{
#define GOLDEN PN_SOURCE_DIR "/tests/golden/mxnet/last-window/net"
    static const char *const inputs[] = {GOLDEN "-symbol.json", GOLDEN "-0000.params"};
    static const char *const shape[] = {"3,8,8"};
    const pn_convert_opts o = {
        .inputs = inputs, .n_inputs = 2, .input_shapes = shape, .n_input_shapes = 1};
    pn_graph *g = NULL;
    pn_log_setup(PN_LOG_INFO, say_nothing, NULL);
    assert_int_equal(pn_convert(&g, &o, NULL), PN_OK);
    return g;
}

static void every_failed_allocation_of_an_export_leaves_no_model(void **state)
{
    (void)state;
    static const char *const formats[][3] = {
        {"o.onnx"}, {"o.pb", "o.json", "o.npy"}, {"o.py", "o.safetensors", "o.pth"}};
    pn_graph *g = convert_golden();
    char folder[] = "/tmp/penult-nomem-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
        bool has_failed = true;
        long n = 0;
        for (; has_failed; n++) {
            pn_err err = {0};
            snprintf(path, sizeof(path), "%s/%s", folder, formats[f][0]);
            pn_alloc_fail_at(n);
            pn_status st = pn_export(g, path, &err);
            has_failed = pn_alloc_has_failed();
            pn_alloc_fail_at(-1);
            if (st && st != PN_ENOMEM)
                fail_msg("%s, allocation %ld: %s, \"%s\"", path, n, pn_status_name(st),
                         pn_err_text(&err));
            pn_err_clear(&err);
            for (int i = 0; i < 3 && formats[f][i]; i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, formats[f][i]);
                const bool stands = unlink(path) == 0;
                /* where the first stands, all do; the others may, each whole */
                if (i == 0) assert_int_equal(stands, st == PN_OK);
                if (st == PN_OK) assert_true(stands);
            }
        }
        assert_true(n > 20);
    }
    assert_int_equal(rmdir(folder), 0); /* nothing under another name either */
    pn_graph_free(&g);
}

static void every_failed_allocation_of_a_proof_is_out_of_memory(void **state)
{
    (void)state;
    pn_graph *g = convert_golden();
    const pn_parity_opts o = {.cpu = PN_CPU_C, .threads = 1};
    bool has_failed = true;
    long n = 0;
    for (; has_failed; n++) {
        pn_parity p = {0};
        pn_err err = {0};
        pn_alloc_fail_at(n);
        pn_status st = pn_parity_check(&p, g, &o, &err);
        has_failed = pn_alloc_has_failed();
        pn_alloc_fail_at(-1);
        if (st && st != PN_ENOMEM)
            fail_msg("allocation %ld: %s, \"%s\"", n, pn_status_name(st),
                     pn_err_text(&err));
        if (!st) assert_true(pn_parity_holds(&p));
        pn_parity_fini(&p);
        pn_err_clear(&err);
    }
    assert_true(n > 20);
    pn_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_is_out_of_memory),
        cmocka_unit_test(every_failed_allocation_of_an_export_leaves_no_model),
        cmocka_unit_test(every_failed_allocation_of_a_proof_is_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
