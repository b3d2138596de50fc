/* One small net an operator: what comes out of the engine against what MXNet 1.9.1
 * answered. make_mxnet_ops.py made the answers and says how they lie in the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint.h"
#include "penult/log.h"
#include "penult/model.h"
#include "tests/support/golden.h"

#define BOUND 1e-5 /* a few operators deep, sums of a few dozen: float32 leaves 1e-6 */
enum { MAX_CASES = 1000, MAX_NAME = 200, INPUT_SEED = 7 };

typedef struct op_case {
    char name[MAX_NAME];
    bytes params;
    const char *symbol;
    size_t symbol_size, n_answer;
    pn_shape shape; /* without the batch, which is 1 */
    double *answer;
} op_case;

typedef struct reader {
    const unsigned char *at, *end;
} reader;

static const void *take(reader *r, size_t size)
{
    const unsigned char *p = r->at;
    assert_true(size <= (size_t)(r->end - r->at));
    r->at += size;
    return p;
}

static uint32_t take_u32(reader *r)
{
    uint32_t v;
    memcpy(&v, take(r, sizeof(v)), sizeof(v));
    return v;
}

static void read_case(reader *r, op_case *c)
{
    memset(c, 0, sizeof(*c));
    uint32_t name_size = take_u32(r), symbol_size = take_u32(r),
             params_size = take_u32(r);
    c->shape.ndim = (int)take_u32(r) - 1;
    assert_in_range(c->shape.ndim, 1, PN_MAX_DIMS - 1);
    assert_int_equal(take_u32(r), 1);
    for (int i = 0; i < c->shape.ndim; i++)
        c->shape.dim[i] = take_u32(r);
    c->n_answer = take_u32(r);
    assert_in_range(name_size, 1, MAX_NAME - 1);
    memcpy(c->name, take(r, name_size), name_size);
    c->symbol = take(r, symbol_size);
    c->symbol_size = symbol_size;
    put(&c->params, take(r, params_size), params_size);
    c->answer = calloc(c->n_answer, sizeof(double));
    assert_non_null(c->answer);
    for (size_t i = 0; i < c->n_answer; i++) {
        float f;
        memcpy(&f, take(r, sizeof(f)), sizeof(f));
        c->answer[i] = (double)f;
    }
}

static pn_graph *import(const op_case *c, unsigned char **copy)
{
    pn_graph *g = NULL;
    pn_mx_symbol *s = NULL;
    pn_mx_params *p = NULL;
    pn_err err = {0};
    pn_mx_input_shape shape = {.shape = c->shape};
    pn_status st = pn_mx_symbol_read(&s, c->symbol, c->symbol_size, c->name, &err);
    if (!st) st = read_params(&p, &c->params, copy, &err);
    if (!st) st = pn_mx_import_graph(&g, s, p, &shape, 1, &err);
    if (st) fail_msg("%s: %s", c->name, pn_err_text(&err));
    pn_mx_symbol_free(&s);
    pn_mx_params_free(&p);
    return g;
}

/* all outputs one after the other, as the answers are */
static float *run(const op_case *c, const pn_graph *g, pn_cpu cpu)
{
    pn_model_opts opts = {.cpu = cpu};
    pn_model_info info;
    pn_model *m = NULL;
    pn_exec *x = NULL;
    pn_err err = {0};
    size_t n_input = (size_t)pn_shape_count(&c->shape), at = 0;
    float *input = malloc(n_input * sizeof(float));
    float *output = calloc(c->n_answer, sizeof(float));
    assert_true(input && output);
    pn_golden_input(input, n_input, INPUT_SEED, c->name[0] == '+' ? -0.5 : 128, 1.0 / 64);
    if (pn_model_compile(&m, g, &opts, &err) || pn_exec_new(&x, m, 1, 1, &err))
        fail_msg("%s: %s", c->name, pn_err_text(&err));
    pn_exec_set_input_chw(x, 0, input);
    assert_int_equal(pn_exec_run(x, 1), PN_OK);
    pn_model_get_info(m, &info);
    for (int tap = 0; tap < info.n_taps; tap++) {
        size_t n = pn_model_tap_count(m, tap);
        if (n > c->n_answer - at)
            fail_msg("%s: more than MXNet's %zu floats", c->name, c->n_answer);
        memcpy(output + at, pn_exec_output(x, tap, 0), n * sizeof(float));
        at += n;
    }
    if (at != c->n_answer)
        fail_msg("%s: %zu floats, MXNet %zu", c->name, at, c->n_answer);
    pn_exec_free(&x);
    pn_model_free(&m);
    free(input);
    return output;
}

static void every_operator_answers_as_mxnet(void **state)
{
    (void)state;
    static const pn_cpu levels[] = {PN_CPU_C, PN_CPU_OPENBLAS};
    pn_file *f;
    int n = 0;
    assert_int_equal(
        pn_file_open(&f, PN_SOURCE_DIR "/tests/unit/import/mxnet_ops.bin", NULL), PN_OK);
    reader r = {f->data, f->data + f->size};
    for (; r.at < r.end; n++) {
        op_case c;
        unsigned char *copy;
        read_case(&r, &c);
        pn_graph *g = import(&c, &copy);
        for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
            float *output = run(&c, g, levels[i]);
            double distance = pn_golden_distance(output, c.answer, c.n_answer);
            if (!(distance <= BOUND))
                fail_msg("%s (%s): %g of the largest", c.name, pn_cpu_name(levels[i]),
                         distance);
            free(output);
        }
        pn_graph_free(&g);
        free(copy);
        free(c.answer);
        bytes_fini(&c.params);
    }
    assert_in_range(n, 200, MAX_CASES);
    pn_file_close(&f);
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
        cmocka_unit_test(every_operator_answers_as_mxnet),
    };
    pn_log_setup(PN_LOG_ERROR, say_nothing, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
