/* test_mmdnn.c  MMdnn's IR: what cannot be said or understood is listed whole, names and
 * repeated operands survive, and every allocation may fail. The numbers are compared in
 * tests/golden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "checkpoint.h"
#include "model/wire.h"
#include "penult/convert.h"
#include "penult/export.h"
#include "penult/log.h"
#include "tests/support/alloc_fail.h"

#define GOLDEN PN_SOURCE_DIR "/tests/golden/mmdnn/"

static void say_nothing(void *cookie, pn_log_level level, const char *line)
{
    (void)cookie;
    (void)level;
    (void)line;
}

static pn_status convert(pn_graph **g, const char *a, const char *b, pn_err *err)
{
    const char *inputs[] = {a, b};
    pn_convert_opts o = {.inputs = inputs, .n_inputs = b ? 2 : 1};
    return pn_convert(g, &o, err);
}

static void expect_failure(pn_status st, pn_status want, pn_err *err,
                           const char *const *words)
{
    if (st != want) fail_msg("%s: %s", pn_status_name(st), pn_err_text(err));
    for (; *words; words++)
        if (!strstr(pn_err_text(err), *words))
            fail_msg("\"%s\" is not in: %s", *words, pn_err_text(err));
    pn_err_clear(err);
}

/* ---- reading ---- */

static void put_node(pn_wire_out *graph, const char *name, const char *op,
                     const char *input)
{
    pn_wire_out node = {0};
    pn_wire_put_text(&node, 1, name);
    pn_wire_put_text(&node, 2, op);
    if (input) pn_wire_put_text(&node, 3, input);
    pn_wire_put_message(graph, 1, &node);
    pn_wire_out_fini(&node);
}

static void read_graph(const pn_wire_out *w, pn_status want, const char *const *words)
{
    pn_graph *g = NULL;
    pn_err err = {0};
    char *path = write_temp(w->bytes, w->size);
    pn_status st = convert(&g, path, GOLDEN "vgg/ir.npy", &err);
    expect_failure(st, want, &err, words);
    assert_null(g);
    unlink(path);
    free(path);
}

static void unknown_operators_are_listed_whole(void **state)
{
    (void)state;
    pn_wire_out w = {0};
    put_node(&w, "data", "DataInput", NULL);
    put_node(&w, "one", "LSTM", "data");
    put_node(&w, "two", "Unpool", "one");
    static const char *const words[] = {"2 nodes", "LSTM \"one\"", "Unpool \"two\"",
                                        NULL};
    read_graph(&w, PN_EUNSUPPORTED, words);
    pn_wire_out_fini(&w);
}

static void a_graph_that_is_none_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *names[3], *inputs[3];
        pn_status status;
        const char *words[4];
    } cases[] = {
        {{"a", "a", "b"}, {NULL, "a", "a"}, PN_EFORMAT, {"two nodes are called \"a\""}},
        {{"", "b", "c"}, {NULL, "b", "b"}, PN_EFORMAT, {"without a name"}},
        {{"a", "b", "c"},
         {NULL, "c", "b"},
         PN_EUNSUPPORTED,
         {"3 nodes", "\"a\" (its shape", "\"c\" (it has no _output_shapes)"}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pn_wire_out w = {0};
        for (int k = 0; k < 3; k++)
            put_node(&w, cases[i].names[k], k ? "Dropout" : "DataInput",
                     cases[i].inputs[k]);
        read_graph(&w, cases[i].status, cases[i].words);
        pn_wire_out_fini(&w);
    }
}

static void weights_that_do_not_fit_are_listed_whole(void **state)
{
    (void)state;
    pn_graph *g = NULL;
    pn_err err = {0};
    static const char *const words[] = {"weights do not fit", "Conv \"conv2\"",
                                        "FullyConnected \"fc6\"",
                                        "FullyConnected \"fc8\"", NULL};
    pn_status st = convert(&g, GOLDEN "vgg/ir.pb", GOLDEN "squeezenet/ir.npy", &err);
    expect_failure(st, PN_EMISMATCH, &err, words);
}

/* an object array whose pickle is `program` */
static pn_status read_weights(const char *program, size_t size, pn_err *err)
{
    static const char header[] = "\x93NUMPY\1\0\x36\0"
                                 "{'descr': '|O', 'fortran_order': False, 'shape': ()}  ";
    pn_graph *g = NULL;
    bytes npy = {0};
    put(&npy, header, 10 + 0x36);
    put(&npy, program, size);
    char *path = write_temp(npy.data, npy.size);
    pn_status st = convert(&g, GOLDEN "vgg/ir.pb", path, err);
    assert_null(g);
    unlink(path);
    free(path);
    bytes_fini(&npy);
    return st;
}

static void weights_that_stand_twice_or_are_none_are_listed_whole(void **state)
{
    (void)state;
    static const char program[] =
        "}(U\1a}(U\1wK\1U\1vNU\1wK\2uU\1a}K\1}U\1bK\3U\1c}K\0NsU\1a}u.";
    static const char *const words[] = {
        "5 entries of ",
        " are none, or stand there twice: ",
        "layer: the name of entry 2 is no text",
        "layer \"b\" is no dict",
        "layer \"a\" is there 3 times",
        "layer \"a\": array \"w\" is there 2 times",
        "layer \"c\": array: the name of entry 0 is no text",
        NULL};
    pn_err err = {0};
    pn_status st = read_weights(program, sizeof(program) - 1, &err);
    expect_failure(st, PN_EFORMAT, &err, words);
}

/* 2^14 layers, all of them one dict of 2^14 entries: 2^28 names to look at */
static void a_dict_that_stands_for_many_layers_is_no_trap(void **state)
{
    (void)state;
    static const char *const words[] = {"share too large a dict", NULL};
    enum { MANY = 1 << 14 };
    static char program[2 * MANY * 8 + 16];
    pn_err err = {0};
    size_t n = 2;
    memcpy(program, "}(", n);
    for (int dict = 0; dict < 2; dict++) {
        if (dict) memcpy(program + n, "uq\0000}(", 6), n += 6;
        for (int i = 0; i < MANY; i++) {
            program[n++] = 'U';
            program[n++] = 2;
            program[n++] = (char)('0' + i / 128 % 128);
            program[n++] = (char)('0' + i % 128);
            program[n++] = dict ? 'h' : 'N';
            if (dict) program[n++] = 0;
        }
    }
    memcpy(program + n, "u.", 2);
    expect_failure(read_weights(program, n + 2, &err), PN_EFORMAT, &err, words);
}

static void the_weights_lie_beside_or_are_missed(void **state)
{
    (void)state;
    pn_graph *g = NULL;
    pn_err err = {0};
    pn_file *f = NULL;
    assert_int_equal(convert(&g, GOLDEN "vgg/ir.pb", NULL, &err), PN_OK);
    pn_graph_free(&g);
    assert_int_equal(pn_file_open(&f, GOLDEN "vgg/ir.pb", NULL), PN_OK);
    char *path = write_temp(f->data, f->size);
    static const char *const words[] = {"the weights of ", ".npy", NULL};
    pn_status st = convert(&g, path, NULL, &err);
    expect_failure(st, PN_ENOENT, &err, words);
    unlink(path);
    free(path);
    pn_file_close(&f);
}

/* protocol 2 has no instruction for bytes: they are unpacked from text */
static void the_graph_outlives_a_pickle_that_is_unpacked(void **state)
{
    (void)state;
    pn_graph *g, *h;
    pn_err err = {0};
    int n = 0;
    assert_int_equal(convert(&g, GOLDEN "squeezenet/ir.pb", NULL, &err), PN_OK);
    pn_status st =
        convert(&h, GOLDEN "squeezenet/ir.pb", GOLDEN "squeezenet/protocol2.npy", &err);
    if (st) fail_msg("%s", pn_err_text(&err));
    assert_int_equal(g->n_values, h->n_values);
    for (int i = 0; i < g->n_values; i++) {
        const pn_value *a = &g->values[i], *b = &h->values[i];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->size_bytes, b->size_bytes);
        /* AddressSanitizer sees memcmp(), but not into cmocka */
        if (a->data) assert_int_equal(memcmp(a->data, b->data, a->size_bytes), 0);
        n += a->data != NULL;
    }
    assert_true(n > 8);
    pn_graph_free(&g);
    pn_graph_free(&h);
}

static void text_forms_are_named(void **state)
{
    (void)state;
    static const char *const forms[] = {"{\n  \"node\": []\n}\n", "node {\n}\n"};
    static const char *const words[] = {"name the binary .pb", NULL};
    for (size_t i = 0; i < 2; i++) {
        pn_graph *g = NULL;
        pn_err err = {0};
        char *path = write_temp(forms[i], strlen(forms[i]));
        pn_status st = convert(&g, path, NULL, &err);
        expect_failure(st, PN_EUNSUPPORTED, &err, words);
        unlink(path);
        free(path);
    }
}

/* ---- writing ---- */

static int add_value(pn_graph *g, const char *name, int64_t channels)
{
    const pn_shape s = {.ndim = 4, .dim = {PN_DIM_FREE, channels, 5, 5}};
    int id;
    assert_int_equal(pn_graph_add_value(g, name, PN_F32, &s, &id, NULL), PN_OK);
    return id;
}

static int add_node(pn_graph *g, pn_op op, const char *name, const int *inputs, int n)
{
    int node, out = add_value(g, name, 2);
    assert_int_equal(pn_graph_add_node(g, op, name, inputs, n, &out, 1, &node, NULL),
                     PN_OK);
    return out;
}

static int add_kernel(pn_graph *g, const char *name)
{
    static const float weights[36];
    const pn_shape s = {.ndim = 4, .dim = {2, 2, 3, 3}};
    int id;
    assert_int_equal(pn_graph_add_const(g, name, PN_F32, &s, weights, sizeof(weights),
                                        true, &id, NULL),
                     PN_OK);
    return id;
}

typedef struct scratch {
    char folder[32], pb[64];
} scratch;

static void scratch_new(scratch *s)
{
    strcpy(s->folder, "/tmp/penult-mmdnn-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->pb, sizeof(s->pb), "%s/ir.pb", s->folder);
}

/* how many of the three files there were; none is left */
static int scratch_clear(const scratch *s)
{
    static const char *const ends[] = {"pb", "json", "npy"};
    int n = 0;
    for (int i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s/ir.%s", s->folder, ends[i]);
        n += unlink(path) == 0;
    }
    return n;
}

static void what_the_emitter_gets_wrong_is_listed_whole(void **state)
{
    (void)state;
    static const int64_t two[] = {2, 2}, pads[] = {2, 2, 2, 2};
    static const char *const words[] = {"2 nodes", "Conv \"c\"", "ignores dilation",
                                        "Elu \"e\"", NULL};
    pn_graph *g = NULL;
    pn_err err = {0};
    scratch s;
    scratch_new(&s);
    assert_int_equal(pn_graph_new(&g, "t"), PN_OK);
    int x = add_value(g, "data", 2);
    assert_int_equal(pn_graph_add_input(g, x), PN_OK);
    int c = add_node(g, PN_OP_CONV, "c", (int[]){x, add_kernel(g, "w")}, 2);
    assert_int_equal(pn_graph_set_ints(g, 0, "dilations", two, 2), PN_OK);
    assert_int_equal(pn_graph_set_ints(g, 0, "pads", pads, 4), PN_OK);
    int e = add_node(g, PN_OP_ELU, "e", &c, 1);
    assert_int_equal(pn_graph_add_output(g, e), PN_OK);
    assert_int_equal(pn_graph_infer_shapes(g, NULL), PN_OK);
    pn_status st = pn_export(g, s.pb, &err);
    expect_failure(st, PN_EUNSUPPORTED, &err, words);
    assert_int_equal(scratch_clear(&s), 0);
    rmdir(s.folder);
    pn_graph_free(&g);
}

/* names that Python cannot have, that shadow something, or that fall together */
static void names_and_repeated_operands_survive(void **state)
{
    (void)state;
    static const char *const names[] = {"1/a-b.c",  "1/a_b.c",  "class", "training",
                                        "a b",      "conv_pad", "x",     "_x_output",
                                        "\xC3\xA4", "__"};
    enum { N = sizeof(names) / sizeof(*names) };
    pn_graph *g = NULL, *again = NULL;
    pn_err err = {0};
    scratch s;
    scratch_new(&s);
    assert_int_equal(pn_graph_new(&g, "t"), PN_OK);
    int x = add_value(g, "forward", 2);
    assert_int_equal(pn_graph_add_input(g, x), PN_OK);
    for (int i = 0; i < N; i++)
        x = add_node(g, PN_OP_ADD, names[i], (int[]){x, x}, 2);
    assert_int_equal(pn_graph_add_output(g, x), PN_OK);
    assert_int_equal(pn_graph_infer_shapes(g, NULL), PN_OK);
    assert_int_equal(pn_export(g, s.pb, &err), PN_OK);
    pn_status st = convert(&again, s.pb, NULL, &err);
    if (st) fail_msg("%s", pn_err_text(&err));
    assert_int_equal(again->n_nodes, N);
    for (int i = 0; i < N; i++) {
        const pn_node *n = &again->nodes[i];
        assert_int_equal(n->op, PN_OP_ADD);
        assert_int_equal(n->inputs[0], n->inputs[1]);
        assert_string_equal(again->values[n->outputs[0]].name, names[i]);
    }
    assert_string_equal(again->values[again->inputs[0]].name, "forward");
    assert_int_equal(scratch_clear(&s), 3);
    rmdir(s.folder);
    pn_graph_free(&again);
    pn_graph_free(&g);
}

/* ---- memory ---- */

static void every_failed_allocation_is_out_of_memory(void **state)
{
    (void)state;
    scratch s;
    scratch_new(&s);
    long n = 0;
    bool has_failed = true;
    for (; has_failed; n++) {
        pn_graph *g = NULL;
        pn_err err = {0};
        pn_alloc_fail_at(n);
        pn_status st = convert(&g, GOLDEN "squeezenet/ir.pb", NULL, &err);
        assert_true((st == PN_OK) == (g != NULL));
        if (!st) st = pn_export(g, s.pb, &err);
        has_failed = pn_alloc_has_failed();
        pn_alloc_fail_at(-1);
        if (st && st != PN_ENOMEM)
            fail_msg("allocation %ld: %s, \"%s\"", n, pn_status_name(st),
                     pn_err_text(&err));
        assert_int_equal(scratch_clear(&s), st ? 0 : 3);
        pn_graph_free(&g);
        pn_err_clear(&err);
    }
    assert_true(n > 40);
    rmdir(s.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_operators_are_listed_whole),
        cmocka_unit_test(a_graph_that_is_none_is_refused),
        cmocka_unit_test(weights_that_do_not_fit_are_listed_whole),
        cmocka_unit_test(weights_that_stand_twice_or_are_none_are_listed_whole),
        cmocka_unit_test(a_dict_that_stands_for_many_layers_is_no_trap),
        cmocka_unit_test(the_weights_lie_beside_or_are_missed),
        cmocka_unit_test(the_graph_outlives_a_pickle_that_is_unpacked),
        cmocka_unit_test(text_forms_are_named),
        cmocka_unit_test(what_the_emitter_gets_wrong_is_listed_whole),
        cmocka_unit_test(names_and_repeated_operands_survive),
        cmocka_unit_test(every_failed_allocation_is_out_of_memory),
    };
    pn_log_setup(PN_LOG_ERROR, say_nothing, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
