/* Symbol JSON of every age, and JSON that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint.h"

static pn_status read_text(pn_mx_symbol **out, const char *text, pn_err *err)
{
    return pn_mx_symbol_read(out, text, strlen(text), "t.json", err);
}

/* conv and batch norm, as each age wrote them */
static const char v08[] =
    "{\"nodes\": ["
    "{\"op\": \"null\", \"param\": {}, \"name\": \"data\", \"inputs\": [], "
    "\"backward_source_id\": -1, \"attr\": {\"lr_mult\": \"0.2\"}},"
    "{\"op\": \"null\", \"param\": {}, \"name\": \"w\", \"inputs\": [], "
    "\"backward_source_id\": -1},"
    "{\"op\": \"Convolution\", \"param\": {\"kernel\": \"(3,3)\", \"num_filter\": \"4\", "
    "\"no_bias\": \"True\"}, \"name\": \"conv\", \"inputs\": [[0, 0], [1, 0]], "
    "\"backward_source_id\": -1, \"attr\": {\"ctx_group\": \"stage1\", \"kernel\": "
    "\"x\"}},"
    "{\"op\": \"null\", \"param\": {}, \"name\": \"g\", \"inputs\": [], "
    "\"backward_source_id\": -1},"
    "{\"op\": \"null\", \"param\": {}, \"name\": \"b\", \"inputs\": [], "
    "\"backward_source_id\": -1},"
    "{\"op\": \"BatchNorm\", \"param\": {\"eps\": \"0.001\"}, \"name\": \"bn\", "
    "\"inputs\": [[2, 0], [3, 0], [4, 0]], \"backward_source_id\": -1}],"
    "\"arg_nodes\": [0, 1, 3, 4], \"heads\": [[5, 0]]}";

static void age_0_8_has_param_short_entries_and_no_auxiliary_inputs(void **state)
{
    (void)state;
    pn_mx_symbol *s;
    assert_int_equal(read_text(&s, v08, NULL), PN_OK);
    assert_int_equal(s->version, 800);
    assert_int_equal(s->n_nodes, 8); /* two were added */
    const pn_mx_node *conv = &s->nodes[2], *bn = &s->nodes[5];
    assert_null(s->nodes[0].op);
    assert_string_equal(conv->op, "Convolution");
    assert_string_equal(pn_mx_attr_text(conv, "kernel"), "(3,3)"); /* param wins */
    assert_string_equal(pn_mx_attr_text(conv, "ctx_group"), "stage1");
    assert_null(pn_mx_attr_text(conv, "stride"));
    assert_int_equal(conv->n_inputs, 2); /* no_bias: nothing is missing */
    assert_int_equal(bn->n_inputs, 5);
    assert_string_equal(s->nodes[bn->inputs[3].node].name, "bn_moving_mean");
    assert_string_equal(s->nodes[bn->inputs[4].node].name, "bn_moving_var");
    assert_int_equal(s->n_heads, 1);
    assert_int_equal(s->heads[0].node, 5);
    pn_mx_symbol_free(&s);
}

static void later_ages_have_attr_or_attrs_and_three_numbers(void **state)
{
    (void)state;
    static const char *const keys[] = {"attr", "attrs"};
    for (int i = 0; i < 2; i++) {
        char text[600];
        snprintf(
            text, sizeof(text),
            "{\"nodes\": [{\"op\": \"null\", \"name\": \"data\", \"%s\": {\"__shape__\": "
            "\"(0, 3, 8, 8)\"}, \"inputs\": []}, {\"op\": \"Activation\", \"name\": "
            "\"a\","
            " \"%s\": {\"act_type\": \"relu\"}, \"inputs\": [[0, 0, 1]]}], \"heads\": "
            "[[1, 0, 0]], \"node_row_ptr\": [0, 1, 2], \"attrs\": {\"mxnet_version\": "
            "[\"int\", 10901]}}",
            keys[i], keys[i]);
        pn_mx_symbol *s;
        assert_int_equal(read_text(&s, text, NULL), PN_OK);
        assert_int_equal(s->version, 10901);
        assert_string_equal(pn_mx_attr_text(&s->nodes[1], "act_type"), "relu");
        assert_string_equal(pn_mx_attr_text(&s->nodes[0], "__shape__"), "(0, 3, 8, 8)");
        assert_int_equal(s->nodes[1].inputs[0].node, 0);
        assert_int_equal(s->nodes[1].inputs[0].index, 0);
        pn_mx_symbol_free(&s);
    }
}

static void operators_go_by_todays_names(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"_Plus", "elemwise_add"},
        {"_plus", "elemwise_add"},
        {"_MulScalar", "_mul_scalar"},
        {"ElementWiseSum", "add_n"},
        {"Softmax", "SoftmaxOutput"},
        {"softmax", "softmax"},
        {"crop", "slice"},
        {"Crop", "Crop"},
        {"concat", "Concat"},
        {"identity", "_copy"},
        {"stop_gradient", "BlockGrad"},
        {"sum_axis", "sum"},
        {"split", "SliceChannel"},
        {"NoSuchThing", "NoSuchThing"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[300];
        snprintf(
            text, sizeof(text),
            "{\"nodes\": [{\"op\": \"null\", \"name\": \"d\", \"inputs\": []}, {\"op\": "
            "\"%s\", \"name\": \"n\", \"inputs\": [[0,0,0]]}], \"heads\": [[1,0,0]], "
            "\"attrs\": {\"mxnet_version\": [\"int\", 1100]}}",
            cases[i][0]);
        pn_mx_symbol *s;
        assert_int_equal(read_text(&s, text, NULL), PN_OK);
        assert_string_equal(s->nodes[1].op, cases[i][1]);
        pn_mx_symbol_free(&s);
    }
}

#define NODE0 "{\"op\": \"null\", \"name\": \"d\", \"inputs\": []}"
#define NODE1(inputs) "{\"op\": \"relu\", \"name\": \"n\", \"inputs\": " inputs "}"
#define GRAPH(nodes, heads) "{\"nodes\": [" nodes "], \"heads\": " heads "}"

static void lies_are_refused_with_the_node_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        pn_status want;
        const char *part;
    } cases[] = {
        {"", PN_EFORMAT, "t.json"},
        {"[]", PN_EFORMAT, "not a symbol"},
        {"{}", PN_EFORMAT, "not a symbol"},
        {"{\"nodes\": 3, \"heads\": []}", PN_EFORMAT, "not a symbol"},
        {"{\"nodes\": [], \"heads\": []}", PN_EFORMAT, "not a symbol"},
        {"{\"nodes\": [], \"nodes\": []}", PN_EFORMAT, "nodes"},
        {GRAPH("7", "[[0,0]]"), PN_EFORMAT, "node 0"},
        {GRAPH("{\"op\": 3, \"name\": \"n\", \"inputs\": []}", "[[0,0]]"), PN_EFORMAT,
         "node 0"},
        {GRAPH("{\"op\": \"null\", \"name\": \"\", \"inputs\": []}", "[[0,0]]"),
         PN_EFORMAT, "node 0"},
        {GRAPH("{\"op\": \"null\", \"name\": \"n\"}", "[[0,0]]"), PN_EFORMAT,
         "inputs must be a list"},
        {GRAPH(NODE0 "," NODE1("[[1,0]]"), "[[1,0]]"), PN_EFORMAT, "input 0"},
        {GRAPH(NODE0 "," NODE1("[[2,0]]"), "[[1,0]]"), PN_EFORMAT, "input 0"},
        {GRAPH(NODE0 "," NODE1("[[-1,0]]"), "[[1,0]]"), PN_EFORMAT, "input 0"},
        {GRAPH(NODE0 "," NODE1("[[0,-1]]"), "[[1,0]]"), PN_EFORMAT, "input 0"},
        {GRAPH(NODE0 "," NODE1("[[0,99999999999]]"), "[[1,0]]"), PN_EFORMAT, "input 0"},
        {GRAPH(NODE0 "," NODE1("[[9223372036854775807,0]]"), "[[1,0]]"), PN_EFORMAT,
         "input 0"},
        {GRAPH(NODE0 "," NODE1("[[0]]"), "[[1,0]]"), PN_EFORMAT, "input 0"},
        {GRAPH(NODE0 "," NODE1("[[0,0,0,0]]"), "[[1,0]]"), PN_EFORMAT, "input 0"},
        {GRAPH(NODE0 "," NODE1("[[\"0\",0]]"), "[[1,0]]"), PN_EFORMAT, "input 0"},
        {GRAPH(NODE0 "," NODE1("[0]"), "[[1,0]]"), PN_EFORMAT, "input 0"},
        {GRAPH(NODE0, "[[1,0]]"), PN_EFORMAT, "head 0"},
        {GRAPH(NODE0, "[[0]]"), PN_EFORMAT, "head 0"},
        {GRAPH(NODE0, "[]"), PN_EFORMAT, "heads"},
        {GRAPH(NODE0, "{}"), PN_EFORMAT, "heads"},
        {GRAPH(
             "{\"op\": \"null\", \"name\": \"n\", \"inputs\": [], \"attrs\": {\"a\": 3}}",
             "[[0,0]]"),
         PN_EFORMAT, "attribute \"a\""},
        {GRAPH("{\"op\": \"null\", \"name\": \"n\", \"inputs\": [], \"attrs\": []}",
               "[[0,0]]"),
         PN_EFORMAT, "\"attrs\" must be an object"},
        {GRAPH("{\"op\": \"null\", \"name\": \"n\", \"inputs\": [], "
               "\"backward_source_id\": 3}",
               "[[0,0]]"),
         PN_EUNSUPPORTED, "gradient"},
        {GRAPH("{\"op\": \"_foreach\", \"name\": \"n\", \"inputs\": [], \"subgraphs\": "
               "[{}]}",
               "[[0,0]]"),
         PN_EUNSUPPORTED, "subgraphs"},
        {GRAPH(NODE0 ",{\"op\": \"null\", \"name\": \"n\", \"inputs\": [[0,0]]}",
               "[[1,0]]"),
         PN_EFORMAT, "variable with inputs"},
        {"{\"nodes\": [" NODE0
         "], \"heads\": [[0,0]], \"attrs\": {\"mxnet_version\": 3}}",
         PN_EFORMAT, "mxnet_version"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_mx_symbol *s = NULL;
        pn_err err = {0};
        pn_status st = read_text(&s, cases[i].text, &err);
        if (st != cases[i].want || !strstr(pn_err_text(&err), cases[i].part) ||
            strncmp(pn_err_text(&err), "t.json", 6) != 0)
            fail_msg("%s: %s, \"%s\"", cases[i].text, pn_status_name(st),
                     pn_err_text(&err));
        assert_null(s);
        pn_err_clear(&err);
    }
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    char *text = malloc(DEPTH);
    pn_mx_symbol *s = NULL;
    memset(text, '[', DEPTH);
    assert_int_equal(pn_mx_symbol_read(&s, text, DEPTH, "t.json", NULL), PN_EFORMAT);
    free(text);
}

static void every_truncation_is_an_error(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(v08) - 1; size++) {
        char *copy = malloc(size ? size : 1);
        pn_mx_symbol *s = NULL;
        memcpy(copy, v08, size);
        assert_int_equal(pn_mx_symbol_read(&s, copy, size, "t.json", NULL), PN_EFORMAT);
        free(copy);
    }
}

static void mxnets_own_old_file_is_read(void **state)
{
    (void)state;
    char *path = shared_file("legacy/save_000800.json");
    if (!path) skip();
    pn_file *f;
    pn_mx_symbol *s;
    assert_int_equal(pn_file_open(&f, path, NULL), PN_OK);
    assert_int_equal(pn_mx_symbol_read(&s, f->data, f->size, path, NULL), PN_OK);
    assert_int_equal(s->version, 800);
    assert_int_equal(s->n_nodes, 19); /* 17, and the batch norm's two */
    assert_string_equal(s->nodes[s->heads[0].node].op, "SoftmaxOutput");
    pn_mx_symbol_free(&s);
    pn_file_close(&f);
    free(path);
}

/* n items `before` K `after`, K from 0, commas between */
static char *repeated(const char *head, const char *before, const char *after, int n,
                      const char *tail)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    fputs(head, to);
    for (int i = 0; i < n; i++)
        fprintf(to, "%s%s%d%s", i ? "," : "", before, i, after);
    fputs(tail, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void what_would_take_quadratic_time_is_bounded(void **state)
{
    (void)state;
    const struct {
        char *text;
        const char *part;
    } cases[] = {
        {repeated("{\"nodes\": [" NODE0 "], \"heads\": [", "[0,", "]", 100000, "]}"),
         "1 to 16384"},
        {repeated("{\"nodes\": [{\"op\": \"null\", \"name\": \"n\", \"inputs\": [], "
                  "\"attrs\": {",
                  "\"k", "\": \"v\"", 100000, "}}], \"heads\": [[0,0]]}"),
         "100000 attributes, at most 1024"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_mx_symbol *s = NULL;
        pn_err err = {0};
        assert_int_equal(read_text(&s, cases[i].text, &err), PN_EFORMAT);
        if (!strstr(pn_err_text(&err), cases[i].part)) fail_msg("%s", pn_err_text(&err));
        pn_err_clear(&err);
        free(cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(age_0_8_has_param_short_entries_and_no_auxiliary_inputs),
        cmocka_unit_test(later_ages_have_attr_or_attrs_and_three_numbers),
        cmocka_unit_test(operators_go_by_todays_names),
        cmocka_unit_test(lies_are_refused_with_the_node_named),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(what_would_take_quadratic_time_is_bounded),
        cmocka_unit_test(every_truncation_is_an_error),
        cmocka_unit_test(mxnets_own_old_file_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
