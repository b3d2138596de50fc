/* Damaged, lying and enormous files: an error or a graph, never a crash (the sanitizers
 * watch), and no memory by a header's claim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/onnx_read.h"
#include "onnx_cases.h"

/* from a copy of exactly that size, so that a read past the end is seen */
static pn_status try_bytes(const unsigned char *bytes, size_t size)
{
    unsigned char *copy = malloc(size + !size);
    assert_non_null(copy);
    if (size) memcpy(copy, bytes, size);
    pn_graph *g = NULL;
    pn_err err = {0};
    pn_status st = pn_onnx_read_bytes(&g, copy, size, &err);
    if (st) {
        assert_null(g);
        assert_int_equal(err.status, st);
        assert_true(st == PN_EFORMAT || st == PN_EUNSUPPORTED);
        assert_true(strlen(pn_err_text(&err)) > 8);
    }
    pn_err_clear(&err);
    pn_graph_free(&g);
    free(copy);
    return st;
}

static void every_truncation_is_an_error_or_a_graph(void **state)
{
    (void)state;
    pn_file *f = cases_open();
    onnx_case c;
    size_t at = 0, n_errors = 0;
    while (case_next(f, &at, &c)) {
        bool tried = c.model_size < 1000;
        for (size_t size = 0; tried && size < c.model_size; size++)
            n_errors += try_bytes((unsigned char *)c.model, size) != PN_OK;
        case_fini(&c);
    }
    pn_file_close(&f);
    assert_true(n_errors > 10000);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static void flipped_bytes_are_an_error_or_a_graph(void **state)
{
    (void)state;
    pn_file *f = cases_open();
    onnx_case c;
    size_t at = 0;
    uint32_t seed = 1;
    while (case_next(f, &at, &c)) {
        unsigned char *bytes = (unsigned char *)c.model;
        /* where structure is dense; weights would only change numbers */
        size_t span = c.model_size < 600 ? c.model_size : 600;
        for (int i = 0; i < 60; i++) {
            unsigned char old[3];
            size_t place[3];
            int n_flips = 1 + (int)(next_random(&seed) % 3);
            for (int k = 0; k < n_flips; k++) {
                place[k] = next_random(&seed) % span;
                if (i % 2) place[k] = c.model_size - 1 - place[k];
                old[k] = bytes[place[k]];
                bytes[place[k]] = (unsigned char)next_random(&seed);
            }
            (void)try_bytes(bytes, c.model_size);
            for (int k = n_flips; k-- > 0;)
                bytes[place[k]] = old[k];
        }
        case_fini(&c);
    }
    pn_file_close(&f);
}

/* `body` as a graph in a model of opset 13 */
static pn_status try_graph(const pn_wire_out *body)
{
    pn_wire_out model = {0}, part = {0};
    pn_wire_put_int(&model, 1, 7);
    pn_wire_put_int(&part, 2, 13);
    pn_wire_put_message(&model, 8, &part);
    pn_wire_put_bytes(&model, 7, body->bytes, body->size);
    assert_false(model.failed);
    pn_status st = try_bytes(model.bytes, model.size);
    pn_wire_out_fini(&model);
    pn_wire_out_fini(&part);
    return st;
}

static void a_tensor_that_claims_terabytes_is_an_error(void **state)
{
    (void)state;
    static const int64_t dims[][4] = {{1 << 20, 1 << 20, 1, 1},
                                      {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX},
                                      {INT64_MAX, 2, 1, 1},
                                      {-1, 4, 1, 1},
                                      {2, 0, 3, 1}};
    for (size_t i = 0; i < sizeof(dims) / sizeof(dims[0]); i++)
        for (uint32_t field = 4; field <= 9; field += 5) { /* float_data, raw_data */
            pn_wire_out t = {0}, graph = {0};
            for (int k = 0; k < 4; k++)
                pn_wire_put_int(&t, 1, dims[i][k]);
            pn_wire_put_int(&t, 2, PN_F32);
            pn_wire_put_text(&t, 8, "w");
            pn_wire_put_bytes(&t, field, "abcd", 4);
            pn_wire_put_message(&graph, 5, &t);
            assert_int_equal(try_graph(&graph), PN_EFORMAT);
            pn_wire_out_fini(&t);
            pn_wire_out_fini(&graph);
        }
}

static void many_empty_nodes_are_an_error_and_little_memory(void **state)
{
    (void)state;
    pn_wire_out graph = {0};
    for (int i = 0; i < 1500000; i++)
        pn_wire_put_bytes(&graph, 1, "", 0);
    pn_wire_put_bytes(&graph, 12, "", 0);
    assert_int_equal(try_graph(&graph), PN_EFORMAT);
    pn_wire_out_fini(&graph);
}

static void deep_nesting_where_no_message_is_expected_is_skipped(void **state)
{
    (void)state;
    /* graph attributes within graph attributes, each a byte string in the next */
    pn_wire_out inner = {0}, outer = {0};
    for (int i = 0; i < 2000; i++) {
        pn_wire_put_bytes(&outer, 6, inner.bytes, inner.size);
        pn_wire_out swap = inner;
        inner = outer;
        outer = swap;
        outer.size = 0;
    }
    pn_wire_out graph = {0}, node = {0};
    pn_wire_put_text(&node, 2, "y");
    pn_wire_put_text(&node, 4, "Loop");
    pn_wire_put_message(&node, 5, &inner);
    pn_wire_put_message(&graph, 1, &node);
    assert_int_equal(try_graph(&graph), PN_EFORMAT);
    pn_wire_out_fini(&inner);
    pn_wire_out_fini(&outer);
    pn_wire_out_fini(&graph);
    pn_wire_out_fini(&node);
}

static void put_input(pn_wire_out *graph, const char *name)
{
    /* float, shape Nx4 */
    static const unsigned char type[] = {0x0a, 0x0e, 0x08, 0x01, 0x12, 0x0a, 0x0a, 0x03,
                                         0x12, 0x01, 'N',  0x0a, 0x03, 0x08, 0x84, 0x00};
    pn_wire_out v = {0};
    pn_wire_put_text(&v, 1, name);
    pn_wire_put_bytes(&v, 2, type, sizeof(type));
    pn_wire_put_message(graph, 11, &v);
    pn_wire_out_fini(&v);
}

static void a_long_chain_written_backwards_is_sorted(void **state)
{
    (void)state;
    enum { LENGTH = 20000 };
    pn_wire_out graph = {0}, node = {0}, out = {0};
    char name[16];
    for (int i = LENGTH; i-- > 0;) {
        snprintf(name, sizeof(name), "v%d", i);
        pn_wire_put_text(&node, 1, name);
        snprintf(name, sizeof(name), "v%d", i + 1);
        pn_wire_put_text(&node, 2, name);
        pn_wire_put_text(&node, 4, "Relu");
        pn_wire_put_message(&graph, 1, &node);
    }
    put_input(&graph, "v0");
    pn_wire_put_text(&out, 1, name); /* v1 */
    pn_wire_put_message(&graph, 12, &out);
    assert_int_equal(try_graph(&graph), PN_OK);
    pn_wire_out_fini(&graph);
    pn_wire_out_fini(&node);
    pn_wire_out_fini(&out);
}

/* f0 calls f1 twice, that calls f2 twice ... the last has `n_last` nodes */
static pn_status try_doubling(int n_last)
{
    enum { FUNCTIONS = 40 };
    pn_wire_out model = {0}, f = {0}, node = {0}, graph = {0};
    char name[16];
    pn_wire_put_int(&model, 1, 9);
    for (int i = 0; i < FUNCTIONS; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        pn_wire_put_text(&f, 1, name);
        pn_wire_put_text(&f, 10, "own");
        snprintf(name, sizeof(name), "f%d", i + 1);
        for (int k = 0; k < (i == FUNCTIONS - 1 ? n_last : 2); k++) {
            pn_wire_put_text(&node, 2, k ? "a" : "b");
            pn_wire_put_text(&node, 4, i == FUNCTIONS - 1 ? "Relu" : name);
            pn_wire_put_text(&node, 7, i == FUNCTIONS - 1 ? "" : "own");
            pn_wire_put_message(&f, 7, &node);
        }
        pn_wire_put_message(&model, 25, &f);
    }
    pn_wire_put_text(&node, 2, "y");
    pn_wire_put_text(&node, 4, "f0");
    pn_wire_put_text(&node, 7, "own");
    pn_wire_put_message(&graph, 1, &node);
    pn_wire_put_bytes(&graph, 12, "", 0);
    pn_wire_put_message(&model, 7, &graph);
    pn_wire_put_int(&f, 2, 13);
    pn_wire_put_message(&model, 8, &f);
    assert_false(model.failed);
    pn_status st = try_bytes(model.bytes, model.size);
    pn_wire_out_fini(&model);
    pn_wire_out_fini(&f);
    pn_wire_out_fini(&node);
    pn_wire_out_fini(&graph);
    return st;
}

static void functions_that_double_are_refused_before_they_are_many(void **state)
{
    (void)state;
    assert_int_equal(try_doubling(0), PN_EUNSUPPORTED);
    assert_int_equal(try_doubling(1), PN_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_is_an_error_or_a_graph),
        cmocka_unit_test(flipped_bytes_are_an_error_or_a_graph),
        cmocka_unit_test(a_tensor_that_claims_terabytes_is_an_error),
        cmocka_unit_test(many_empty_nodes_are_an_error_and_little_memory),
        cmocka_unit_test(deep_nesting_where_no_message_is_expected_is_skipped),
        cmocka_unit_test(functions_that_double_are_refused_before_they_are_many),
        cmocka_unit_test(a_long_chain_written_backwards_is_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
