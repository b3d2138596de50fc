/* A model's forms on a net of ResNet-152's shape (units 3, 8, 36 and 3, names as MXNet's
 * example gives them), a few channels wide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/show.h"
#include "tests/support/alloc_fail.h"

enum { STEM_NODES = 5, END_NODES = 5, CHANNELS = 2 };

static const float zeros[64];

typedef struct net {
    pn_graph *g;
    int at, size; /* the last value, and its height and width */
    int n_consts;
} net;

static int constant(net *b, pn_shape shape)
{
    char name[32];
    int id;
    snprintf(name, sizeof(name), "w%d", b->n_consts++);
    assert_int_equal(pn_graph_add_const(b->g, name, PN_F32, &shape, zeros,
                                        (size_t)pn_shape_count(&shape) * sizeof(float),
                                        true, &id, NULL),
                     PN_OK);
    return id;
}

static int put(net *b, pn_op op, const char *name, const int *from, int n_in)
{
    int in[5];
    char output[96];
    const pn_shape shape = {4, {PN_DIM_FREE, CHANNELS, b->size, b->size}};
    int node;
    memcpy(in, from, (size_t)n_in * sizeof(*in)); /* perhaps b->at, which moves on */
    snprintf(output, sizeof(output), "%s_output", name);
    assert_int_equal(pn_graph_add_value(b->g, output, PN_F32, &shape, &b->at, NULL),
                     PN_OK);
    assert_int_equal(pn_graph_add_node(b->g, op, name, in, n_in, &b->at, 1, &node, NULL),
                     PN_OK);
    return node;
}

static void norm_relu(net *b, const char *scope, int n)
{
    const pn_shape c = {1, {CHANNELS}};
    char name[64];
    const int in[] = {b->at, constant(b, c), constant(b, c), constant(b, c),
                      constant(b, c)};
    snprintf(name, sizeof(name), "%sbn%d", scope, n);
    put(b, PN_OP_BATCH_NORM, name, in, 5);
    snprintf(name, sizeof(name), "%srelu%d", scope, n);
    put(b, PN_OP_RELU, name, &b->at, 1);
}

static void conv(net *b, const char *scope, const char *end, int kernel, int stride)
{
    char name[64];
    const int64_t strides[] = {stride, stride};
    const int in[] = {b->at,
                      constant(b, (pn_shape){4, {CHANNELS, CHANNELS, kernel, kernel}})};
    snprintf(name, sizeof(name), "%s%s", scope, end);
    b->size /= stride;
    int node = put(b, PN_OP_CONV, name, in, 2);
    assert_int_equal(pn_graph_set_ints(b->g, node, "strides", strides, 2), PN_OK);
}

static void unit(net *b, const char *scope, int stride, bool projects, int n)
{
    char name[32];
    int start = b->at, first;
    norm_relu(b, scope, 1);
    first = b->at;
    conv(b, scope, "conv1", 1, 1);
    norm_relu(b, scope, 2);
    conv(b, scope, "conv2", 3, stride);
    norm_relu(b, scope, 3);
    conv(b, scope, "conv3", 1, 1);
    int sum[] = {b->at, start};
    if (projects) {
        b->at = first;
        b->size *= stride;
        conv(b, scope, "sc", 1, stride);
        sum[1] = b->at;
    }
    snprintf(name, sizeof(name), "_plus%d", n);
    put(b, PN_OP_ADD, name, sum, 2);
}

static pn_graph *resnet152(void)
{
    static const int units[] = {3, 8, 36, 3};
    net b = {.size = 64};
    int n = 0;
    assert_int_equal(pn_graph_new(&b.g, "resnet"), PN_OK);
    const pn_shape input = {4, {PN_DIM_FREE, CHANNELS, b.size, b.size}};
    assert_int_equal(pn_graph_add_value(b.g, "data", PN_F32, &input, &b.at, NULL), PN_OK);
    assert_int_equal(pn_graph_add_input(b.g, b.at), PN_OK);
    norm_relu(&b, "data_", 0);
    conv(&b, "", "conv0", 3, 2);
    norm_relu(&b, "", 0);
    for (int stage = 0; stage < 4; stage++)
        for (int u = 0; u < units[stage]; u++) {
            char scope[32];
            snprintf(scope, sizeof(scope), "stage%d_unit%d_", stage + 1, u + 1);
            unit(&b, scope, u == 0 && stage > 0 ? 2 : 1, u == 0, n++);
        }
    norm_relu(&b, "", 1);
    put(&b, PN_OP_GLOBAL_AVERAGE_POOL, "pool1", &b.at, 1);
    put(&b, PN_OP_TANH, "tanh", &b.at, 1);
    put(&b, PN_OP_SOFTMAX, "softmax", &b.at, 1);
    assert_int_equal(pn_graph_add_output(b.g, b.at), PN_OK);
    return b.g;
}

static char *dot_of(const pn_graph *g, pn_fold_how how, pn_status *st)
{
    static const char *const path[] = {"models/a\"]; b [label=\"c\\"};
    const pn_show_opts o = {.files = {.paths = path, .n_paths = 1}};
    pn_shown_model m = {.o = &o};
    char *text = NULL;
    size_t size = 0;
    memcpy(&m.g, &g, sizeof(g));
    FILE *to = open_memstream(&text, &size);
    *st = to ? pn_layer_costs_init(&m.costs, g) : PN_ENOMEM;
    if (!*st) *st = pn_fold_init(&m.fold, g, how);
    if (!*st) *st = pn_show_dot(&m, to);
    if (to && fclose(to) != 0) *st = PN_ENOMEM;
    pn_fold_fini(&m.fold);
    pn_layer_costs_fini(&m.costs);
    return text;
}

static int count(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        n++;
    return n;
}

static void resnet152_fits_a_screen(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int length, count;
    } blocks[] = {
        {"stage1_unit1", 11, 1}, {"stage1_unit2 .. stage1_unit3", 10, 2},
        {"stage2_unit1", 11, 1}, {"stage2_unit2 .. stage2_unit8", 10, 7},
        {"stage3_unit1", 11, 1}, {"stage3_unit2 .. stage3_unit36", 10, 35},
        {"stage4_unit1", 11, 1}, {"stage4_unit2 .. stage4_unit3", 10, 2},
    };
    pn_graph *g = resnet152();
    pn_fold f = {0};
    int n = 0;
    assert_int_equal(pn_fold_init(&f, g, PN_FOLD_TABLE), PN_OK);
    assert_int_equal(f.n, STEM_NODES + 8 + END_NODES);
    for (int i = 0; i < f.n; i++) {
        if (f.rows[i].kind != PN_FOLD_BLOCK) continue;
        char *name = pn_fold_name(g, &f.rows[i]);
        assert_string_equal(name, blocks[n].name);
        assert_int_equal(f.rows[i].length, blocks[n].length);
        assert_int_equal(f.rows[i].count, blocks[n].count);
        free(name);
        n++;
    }
    assert_int_equal(n, 8);
    pn_fold_fini(&f);
    pn_graph_free(&g);
}

static void every_layer_is_in_one_row_however_it_is_folded(void **state)
{
    (void)state;
    pn_graph *g = resnet152();
    pn_layer_costs c;
    assert_int_equal(pn_layer_costs_init(&c, g), PN_OK);
    for (int how = PN_FOLD_NOTHING; how <= PN_FOLD_PICTURE; how++) {
        pn_fold f = {0};
        int64_t parameters = 0, bytes = 0;
        int next = 0;
        assert_int_equal(pn_fold_init(&f, g, (pn_fold_how)how), PN_OK);
        for (int i = 0; i < f.n; i++) {
            const pn_fold_row *r = &f.rows[i];
            const int n = r->length * r->count;
            const pn_layer_cost sum = pn_layer_costs_sum(&c, r->first, n);
            assert_int_equal(r->first, next);
            next += n;
            parameters += sum.parameters;
            bytes += sum.output_bytes;
        }
        assert_int_equal(next, g->n_nodes);
        assert_int_equal(parameters, c.total.parameters);
        assert_int_equal(bytes, c.total.output_bytes);
        assert_true(how == PN_FOLD_NOTHING ? f.n == g->n_nodes : f.n <= PN_SCREEN_ROWS);
        pn_fold_fini(&f);
    }
    pn_layer_costs_fini(&c);
    pn_graph_free(&g);
}

static void a_block_says_only_what_is_true_of_all(void **state)
{
    (void)state;
    pn_graph *g = resnet152();
    pn_fold f = {0};
    char op[PN_OPERATOR_TEXT];
    pn_fold_row lone[2];
    assert_int_equal(pn_fold_init(&f, g, PN_FOLD_TABLE), PN_OK);
    lone[0] = f.rows[STEM_NODES];     /* stage1_unit1, stride 1 */
    lone[1] = f.rows[STEM_NODES + 2]; /* stage2_unit1, stride 2 */
    assert_string_equal(pn_fold_operator(g, &lone[1], 1, 5, op), "Conv 3x3/2");
    assert_string_equal(pn_fold_operator(g, lone, 2, 5, op), "Conv 3x3");
    assert_string_equal(pn_fold_operator(g, lone, 2, 1, op), "Relu");
    pn_fold_fini(&f);
    pn_graph_free(&g);
}

static void a_tensor_that_others_read_stays_visible(void **state)
{
    (void)state;
    net b = {.size = 4};
    pn_fold f = {0};
    assert_int_equal(pn_graph_new(&b.g, ""), PN_OK);
    const pn_shape shape = {4, {PN_DIM_FREE, CHANNELS, 4, 4}};
    assert_int_equal(pn_graph_add_value(b.g, "data", PN_F32, &shape, &b.at, NULL), PN_OK);
    assert_int_equal(pn_graph_add_input(b.g, b.at), PN_OK);
    conv(&b, "", "conv0", 1, 1);
    const int read_twice = b.at;
    put(&b, PN_OP_RELU, "relu0", &b.at, 1);
    const int sum[] = {read_twice, b.at};
    put(&b, PN_OP_ADD, "add0", sum, 2);
    put(&b, PN_OP_RELU, "relu1", &b.at, 1);
    assert_int_equal(pn_graph_add_output(b.g, b.at), PN_OK);
    put(&b, PN_OP_TANH, "tanh0", &b.at, 1);
    assert_int_equal(pn_graph_add_output(b.g, b.at), PN_OK);
    assert_int_equal(pn_fold_init(&f, b.g, PN_FOLD_PICTURE), PN_OK);
    /* conv0 | relu0 | add0 relu1, an output | tanh0 */
    assert_int_equal(f.n, 4);
    assert_int_equal(f.rows[2].length, 2);
    pn_fold_fini(&f);
    pn_graph_free(&b.g);
}

static void a_long_chain_of_one_operator_is_one_row(void **state)
{
    (void)state;
    net b = {.size = 4};
    pn_fold f = {0};
    pn_status st;
    assert_int_equal(pn_graph_new(&b.g, ""), PN_OK);
    const pn_shape shape = {4, {PN_DIM_FREE, CHANNELS, 4, 4}};
    assert_int_equal(pn_graph_add_value(b.g, "data", PN_F32, &shape, &b.at, NULL), PN_OK);
    assert_int_equal(pn_graph_add_input(b.g, b.at), PN_OK);
    for (int i = 0; i < 5000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "r%d", i);
        put(&b, PN_OP_RELU, name, &b.at, 1);
    }
    assert_int_equal(pn_graph_add_output(b.g, b.at), PN_OK);
    assert_int_equal(pn_fold_init(&f, b.g, PN_FOLD_TABLE), PN_OK);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.rows[0].count * f.rows[0].length, 5000);
    pn_fold_fini(&f);
    /* Graphviz reads no string of more than 16 KiB */
    char *text = dot_of(b.g, PN_FOLD_PICTURE, &st);
    assert_int_equal(st, PN_OK);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") < 1024);
    free(text);
    pn_graph_free(&b.g);
}

static void a_picture_has_an_edge_a_tensor_between_boxes(void **state)
{
    (void)state;
    pn_graph *g = resnet152();
    pn_status st;
    char *text = dot_of(g, PN_FOLD_NOTHING, &st);
    assert_int_equal(st, PN_OK);
    int edges = 1; /* to the output */
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_inputs; k++)
            edges += !g->values[g->nodes[i].inputs[k]].data;
    assert_int_equal(count(text, " -> "), edges);
    assert_int_equal(count(text, "fillcolor="), g->n_nodes + 2);
    free(text);
    pn_graph_free(&g);
}

static void names_cannot_leave_their_label(void **state)
{
    (void)state;
    pn_graph *g = NULL;
    pn_status st;
    const pn_shape shape = {2, {PN_DIM_FREE, 2}};
    int id[2];
    assert_int_equal(pn_graph_new(&g, ""), PN_OK);
    assert_int_equal(
        pn_graph_add_value(g, "{x|\xc3\xbc\n\\N\xff&lt;}", PN_F32, &shape, &id[0], NULL),
        PN_OK);
    assert_int_equal(pn_graph_add_value(g, "y\\", PN_F32, &shape, &id[1], NULL), PN_OK);
    assert_int_equal(pn_graph_add_input(g, id[0]), PN_OK);
    assert_int_equal(
        pn_graph_add_node(g, PN_OP_RELU, "", &id[0], 1, &id[1], 1, NULL, NULL), PN_OK);
    assert_int_equal(pn_graph_add_output(g, id[1]), PN_OK);
    char *text = dot_of(g, PN_FOLD_PICTURE, &st);
    assert_int_equal(st, PN_OK);
    assert_non_null(strstr(text, "label=\"a\\\"]; b [label=\\\"c\\\\\\n \""));
    assert_non_null(strstr(text, "input {x|\xc3\xbc\\\\x0a\\\\N\\\\xff&amp;lt;}\""));
    assert_non_null(strstr(text, "output y\\\\\""));
    free(text);
    pn_graph_free(&g);
}

/* what is printed meanwhile is nobody's */
static pn_status show_text(const pn_graph *g)
{
    static const char *const path[] = {"net.onnx"};
    const pn_show_opts o = {.files = {.paths = path, .n_paths = 1}};
    pn_shown_model m = {.o = &o};
    memcpy(&m.g, &g, sizeof(g));
    pn_status st = pn_layer_costs_init(&m.costs, g);
    if (!st) st = pn_fold_init(&m.fold, g, PN_FOLD_TABLE);
    if (!st) st = pn_show_text(&m);
    pn_fold_fini(&m.fold);
    pn_layer_costs_fini(&m.costs);
    return st;
}

static void every_failed_allocation_is_told(void **state)
{
    (void)state;
    pn_graph *g = resnet152();
    for (int form = 0; form < 2; form++) {
        int own = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        long n = 0;
        bool failed = true, told = true;
        fflush(stdout);
        dup2(nowhere, STDOUT_FILENO);
        for (; failed && told; n++) {
            pn_status st;
            pn_alloc_fail_at(n);
            if (form)
                free(dot_of(g, PN_FOLD_PICTURE, &st));
            else
                st = show_text(g);
            failed = pn_alloc_has_failed();
            pn_alloc_fail_at(-1);
            told = st == (failed ? PN_ENOMEM : PN_OK);
        }
        fflush(stdout);
        dup2(own, STDOUT_FILENO);
        close(own);
        close(nowhere);
        assert_true(told);
        assert_true(n > 20);
    }
    pn_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resnet152_fits_a_screen),
        cmocka_unit_test(every_layer_is_in_one_row_however_it_is_folded),
        cmocka_unit_test(a_block_says_only_what_is_true_of_all),
        cmocka_unit_test(a_tensor_that_others_read_stays_visible),
        cmocka_unit_test(a_long_chain_of_one_operator_is_one_row),
        cmocka_unit_test(a_picture_has_an_edge_a_tensor_between_boxes),
        cmocka_unit_test(names_cannot_leave_their_label),
        cmocka_unit_test(every_failed_allocation_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
