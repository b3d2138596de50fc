/* Runs of blocks: found where they are, cut where a person would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/blocks.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/golden.h"

enum { MAX_LENGTH = 256 };

/* a chain of operators: 'c' convolution with weights, 'r' Relu, '+' adds what was behind
 * the last '('; a digit is the channels of the convolutions that follow */
typedef struct net {
    pn_graph *g;
    int at, skip, channels, n;
} net;

static int output(net *b)
{
    char name[32];
    const pn_shape shape = {4, {PN_DIM_FREE, b->channels, 8, 8}};
    int id;
    snprintf(name, sizeof(name), "v%d", b->n++);
    assert_int_equal(pn_graph_add_value(b->g, name, PN_F32, &shape, &id, NULL), PN_OK);
    return id;
}

static void put(net *b, char kind)
{
    static const float weights[9 * 9] = {0};
    char name[32];
    int in[2] = {b->at, b->skip}, n_in = kind == '+' ? 2 : 1;
    pn_op op = kind == '+' ? PN_OP_ADD : kind == 'c' ? PN_OP_CONV : PN_OP_RELU;
    snprintf(name, sizeof(name), "w%d", b->n++);
    if (kind == 'c') {
        const pn_shape shape = {4, {b->channels, b->channels, 1, 1}};
        size_t bytes = (size_t)(b->channels * b->channels) * sizeof(float);
        assert_int_equal(pn_graph_add_const(b->g, name, PN_F32, &shape, weights, bytes,
                                            true, &in[1], NULL),
                         PN_OK);
        n_in = 2;
    }
    b->at = output(b);
    assert_int_equal(pn_graph_add_node(b->g, op, name, in, n_in, &b->at, 1, NULL, NULL),
                     PN_OK);
}

static pn_graph *chain(const char *text)
{
    net b = {.channels = 1};
    assert_int_equal(pn_graph_new(&b.g, "chain"), PN_OK);
    b.at = b.skip = output(&b);
    assert_int_equal(pn_graph_add_input(b.g, b.at), PN_OK);
    for (; *text; text++) {
        if (*text >= '0' && *text <= '9')
            b.channels = *text - '0';
        else if (*text == '(')
            b.skip = b.at;
        else
            put(&b, *text);
    }
    assert_int_equal(pn_graph_add_output(b.g, b.at), PN_OK);
    return b.g;
}

static pn_status find(pn_block_runs *out, const pn_graph *g, pn_likeness likeness)
{
    int *kinds = NULL;
    pn_status st = pn_block_kinds(&kinds, g, likeness);
    if (!st) st = pn_block_runs_find(out, g, kinds, MAX_LENGTH);
    free(kinds);
    return st;
}

static void runs_are(const pn_graph *g, pn_likeness likeness, const char *expected)
{
    pn_block_runs r = {0};
    char text[512] = "";
    assert_int_equal(find(&r, g, likeness), PN_OK);
    for (int i = 0; i < r.n; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%d+%dx%d", i ? " " : "",
                 r.items[i].first, r.items[i].count, r.items[i].length);
    }
    assert_string_equal(text, expected);
    pn_block_runs_fini(&r);
}

static void runs_are_found_where_they_stand(void **state)
{
    (void)state;
    static const struct {
        const char *net, *equal, *kind;
    } cases[] = {
        {"", "", ""},
        {"c", "", ""},
        {"crc", "", ""},
        {"ccc", "0+3x1", "0+3x1"},
        {"crcrcr", "0+3x2", "0+3x2"},
        {"2cr3cr", "", "0+2x2"},
        /* not one unit from the middle of another: one value passes from each to the next
         */
        {"r(crc+(crc+(crc+r", "1+3x4", "1+3x4"},
        {"r(crc+r(crc+r(crc+r", "1+3x5", "1+3x5"},
        /* the run that saves most stands, the others get what it leaves */
        {"ccrcrcrcrr", "1+4x2", "1+4x2"},
        {"2(crc+(crc+3(crc+(crc+", "0+2x4 8+2x4", "0+4x4"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_graph *g = chain(cases[i].net);
        runs_are(g, PN_ALIKE_EQUAL, cases[i].equal);
        runs_are(g, PN_ALIKE_KIND, cases[i].kind);
        pn_graph_free(&g);
    }
}

static void a_node_that_reads_from_elsewhere_is_another_kind(void **state)
{
    (void)state;
    pn_graph *g = chain("(rr+rr+");
    runs_are(g, PN_ALIKE_EQUAL, "0+2x1 3+2x1");
    pn_graph_free(&g);
}

static pn_graph *checkpoint(const char *name)
{
    pn_graph *g = NULL;
    assert_int_equal(pn_golden_graph(&g, name, "3,16,16"), PN_OK);
    return g;
}

static void units_of_real_nets_are_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *net, *first_node;
        int length, count;
    } cases[] = {
        {"densenet", "bn0a", 7, 2}, /* bn relu conv bn relu conv concat */
        {"resnet-v2", "stage2_unit1_bn1", 11, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_graph *g = checkpoint(cases[i].net);
        pn_block_runs r = {0};
        int best = 0;
        assert_int_equal(find(&r, g, PN_ALIKE_KIND), PN_OK);
        assert_true(r.n > 0);
        for (int k = 1; k < r.n; k++)
            if (r.items[k].length > r.items[best].length) best = k;
        assert_string_equal(g->nodes[r.items[best].first].name, cases[i].first_node);
        assert_int_equal(r.items[best].length, cases[i].length);
        assert_int_equal(r.items[best].count, cases[i].count);
        pn_block_runs_fini(&r);
        pn_graph_free(&g);
    }
}

static void a_long_chain_is_one_run(void **state)
{
    (void)state;
    enum { N = 3 * 4000 };
    char *text = malloc(N + 1);
    assert_non_null(text);
    for (int i = 0; i < N; i++)
        text[i] = "crr"[i % 3];
    text[N] = '\0';
    pn_graph *g = chain(text);
    runs_are(g, PN_ALIKE_EQUAL, "0+4000x3");
    pn_graph_free(&g);
    free(text);
}

static void every_failing_allocation_is_enomem(void **state)
{
    (void)state;
    pn_graph *g = chain("r(crc+(crc+(crc+rcrcrc");
    pn_status st = PN_ENOMEM;
    for (long n = 0; st == PN_ENOMEM; n++) {
        pn_block_runs r = {0};
        pn_alloc_fail_at(n);
        st = find(&r, g, PN_ALIKE_KIND);
        pn_alloc_fail_at(-1);
        if (st) assert_null(r.items);
        pn_block_runs_fini(&r);
        assert_true(n < 100);
    }
    assert_int_equal(st, PN_OK);
    pn_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_found_where_they_stand),
        cmocka_unit_test(a_node_that_reads_from_elsewhere_is_another_kind),
        cmocka_unit_test(units_of_real_nets_are_blocks),
        cmocka_unit_test(a_long_chain_is_one_run),
        cmocka_unit_test(every_failing_allocation_is_enomem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
