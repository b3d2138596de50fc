/* Reading ONNX: every case's shapes against ONNX Runtime's, every refusal by its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/onnx_read.h"
#include "onnx_cases.h"

/* "NAME SHAPE\n" of every output */
static char *outputs_text(const pn_graph *g)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (int i = 0; i < g->n_outputs; i++) {
        const pn_value *v = &g->values[g->outputs[i]];
        char shape[PN_SHAPE_TEXT];
        assert_true(v->has_shape);
        fprintf(f, "%s %s\n", v->name, pn_shape_text(&v->shape, shape, sizeof(shape)));
    }
    fclose(f);
    return text;
}

static void check_case(const onnx_case *c)
{
    pn_graph *g = NULL;
    pn_err err = {0};
    pn_status st = pn_onnx_read_bytes(&g, c->model, c->model_size, &err);
    const char *wanted = strchr(c->verdict, ' ');
    if (!wanted) {
        if (st) fail_msg("%s: %s", c->name, pn_err_text(&err));
        char *got = outputs_text(g);
        if (strcmp(got, c->expected) != 0)
            fail_msg("%s: made %s, runs as %s", c->name, got, c->expected);
        free(got);
    } else {
        pn_status expected =
            strncmp(c->verdict, "format ", 7) == 0 ? PN_EFORMAT : PN_EUNSUPPORTED;
        if (st != expected || !strstr(pn_err_text(&err), wanted + 1))
            fail_msg("%s: %d, \"%s\" has no \"%s\"", c->name, (int)st, pn_err_text(&err),
                     wanted + 1);
        assert_null(g);
    }
    pn_err_clear(&err);
    pn_graph_free(&g);
}

static void shapes_are_those_of_onnx_runtime_and_refusals_say_why(void **state)
{
    (void)state;
    pn_file *f = cases_open();
    onnx_case c;
    size_t at = 0;
    int n = 0;
    while (case_next(f, &at, &c)) {
        check_case(&c);
        case_fini(&c);
        n++;
    }
    assert_true(n > 90);
    pn_file_close(&f);
}

/* the case of that name, read; *c must be freed after the graph */
static pn_graph *read_case(const char *name, onnx_case *c)
{
    pn_file *f = cases_open();
    size_t at = 0;
    pn_graph *g = NULL;
    while (!g && case_next(f, &at, c)) {
        if (strcmp(c->name, name) == 0) {
            assert_int_equal(pn_onnx_read_bytes(&g, c->model, c->model_size, NULL),
                             PN_OK);
            break;
        }
        case_fini(c);
    }
    pn_file_close(&f);
    assert_non_null(g);
    return g;
}

static void raw_weights_stay_in_the_file(void **state)
{
    (void)state;
    onnx_case c;
    pn_graph *g = read_case("conv", &c);
    const pn_value *w = &g->values[pn_graph_find(g, "w")];
    assert_int_equal(w->size_bytes, 5 * 3 * 3 * 2 * sizeof(float));
    assert_true((const char *)w->data > c.model &&
                (const char *)w->data + w->size_bytes < c.model + c.model_size);
    assert_int_equal(g->n_inputs, 1);
    pn_graph_free(&g);
    case_fini(&c);
}

static void typed_data_is_the_numbers_it_was_made_of(void **state)
{
    (void)state;
    onnx_case c;
    float x[3];
    int64_t t[2];
    pn_graph *g = read_case("float_data", &c);
    assert_int_equal(pn_value_to_f32(&g->values[pn_graph_find(g, "c")], 0, 3, x), PN_OK);
    assert_true(x[0] == 1 && x[1] == 2 && x[2] == 3);
    pn_graph_free(&g);
    case_fini(&c);
    g = read_case("half_data", &c);
    assert_int_equal(pn_value_to_f32(&g->values[pn_graph_find(g, "c")], 0, 2, x), PN_OK);
    assert_true(x[0] == 1.5F && x[1] == -65504.0F);
    pn_graph_free(&g);
    case_fini(&c);
    g = read_case("double_data", &c);
    assert_int_equal(pn_value_to_f32(&g->values[pn_graph_find(g, "c")], 0, 1, x), PN_OK);
    assert_true(x[0] == 0.1F);
    pn_graph_free(&g);
    case_fini(&c);
    g = read_case("int64_data", &c);
    assert_int_equal(pn_value_to_i64(&g->values[pn_graph_find(g, "t")], 0, 2, t), PN_OK);
    assert_true(t[0] == -1 && t[1] == 324);
    pn_graph_free(&g);
    case_fini(&c);
}

static void an_initializer_among_the_inputs_is_a_constant(void **state)
{
    (void)state;
    onnx_case c;
    pn_graph *g = read_case("initializer_is_input", &c);
    assert_int_equal(g->n_inputs, 1);
    assert_non_null(g->values[pn_graph_find(g, "c")].data);
    pn_graph_free(&g);
    case_fini(&c);
}

static void an_identity_of_a_weight_is_the_weight(void **state)
{
    (void)state;
    onnx_case c;
    pn_graph *g = read_case("identity_weight", &c);
    assert_int_equal(g->n_nodes, 1);
    assert_non_null(g->values[g->nodes[0].inputs[1]].data);
    pn_graph_free(&g);
    case_fini(&c);
}

static void nodes_come_out_sorted(void **state)
{
    (void)state;
    onnx_case c;
    pn_graph *g = read_case("unsorted", &c);
    assert_int_equal(g->nodes[0].op, PN_OP_TANH);
    assert_int_equal(g->nodes[1].op, PN_OP_RELU);
    assert_int_equal(g->values[g->outputs[0]].producer, 1);
    pn_graph_free(&g);
    case_fini(&c);
}

static void metadata_is_kept(void **state)
{
    (void)state;
    onnx_case c;
    pn_graph *g = read_case("metadata", &c);
    assert_string_equal(pn_graph_meta(g, PN_META_LABELS), "n01 gull\nn02 caf\xc3\xa9");
    assert_string_equal(pn_graph_meta(g, "other"), "");
    assert_null(pn_graph_meta(g, "nothing"));
    pn_graph_free(&g);
    case_fini(&c);
}

static void clip_of_opset_9_has_its_bounds_as_inputs(void **state)
{
    (void)state;
    onnx_case c;
    float bound[2];
    pn_graph *g = read_case("clip_opset9", &c);
    const pn_node *n = &g->nodes[0];
    assert_int_equal(n->n_inputs, 3);
    assert_int_equal(n->n_attrs, 0);
    assert_int_equal(pn_value_to_f32(&g->values[n->inputs[1]], 0, 1, bound), PN_OK);
    assert_int_equal(pn_value_to_f32(&g->values[n->inputs[2]], 0, 1, bound + 1), PN_OK);
    assert_true(bound[0] == 0 && bound[1] == 6);
    pn_graph_free(&g);
    case_fini(&c);
}

static void a_missing_file_is_enoent_and_another_kind_of_file_eformat(void **state)
{
    (void)state;
    pn_graph *g = NULL;
    pn_err err = {0};
    assert_int_equal(pn_graph_read_onnx(&g, "/nonexistent.onnx", &err), PN_ENOENT);
    pn_err_clear(&err);
    const char *path = PN_SOURCE_DIR "/tests/unit/model/CMakeLists.txt";
    assert_int_equal(pn_graph_read_onnx(&g, path, &err), PN_EFORMAT);
    assert_non_null(strstr(pn_err_text(&err), "CMakeLists.txt: byte"));
    pn_err_clear(&err);
    assert_int_equal(pn_onnx_read_bytes(&g, "", 0, &err), PN_EFORMAT);
    assert_non_null(strstr(pn_err_text(&err), "not an ONNX model"));
    pn_err_clear(&err);
    assert_null(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_those_of_onnx_runtime_and_refusals_say_why),
        cmocka_unit_test(raw_weights_stay_in_the_file),
        cmocka_unit_test(typed_data_is_the_numbers_it_was_made_of),
        cmocka_unit_test(an_initializer_among_the_inputs_is_a_constant),
        cmocka_unit_test(an_identity_of_a_weight_is_the_weight),
        cmocka_unit_test(nodes_come_out_sorted),
        cmocka_unit_test(metadata_is_kept),
        cmocka_unit_test(clip_of_opset_9_has_its_bounds_as_inputs),
        cmocka_unit_test(a_missing_file_is_enoent_and_another_kind_of_file_eformat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
