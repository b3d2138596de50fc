/* What penult's engine, and its walk in double precision, answer for one image, for the
 * table of accuracy:
 *
 *   run_accuracy MODEL.onnx INPUT TENSOR OUTPUT
 *
 * INPUT is float32, C x H x W, no header. OUTPUT.f64 is the walk's tensor in float64,
 * OUTPUT.default and OUTPUT.exact are the engine's in float32. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/oracle/walk64.h"
#include "penult/graph.h"
#include "penult/model.h"

static int fail(const char *what, const pn_err *err)
{
    fprintf(stderr, "run_accuracy: %s: %s\n", what, err ? pn_err_text(err) : "failed");
    return 1;
}

static int keep(const char *folder, const char *end, const void *x, size_t size, size_t n)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s.%s", folder, end);
    FILE *to = fopen(path, "wb");
    bool is_whole = to && fwrite(x, size, n, to) == n;
    if (to && fclose(to)) is_whole = false;
    return is_whole ? 0 : fail(path, NULL);
}

static float *image_of(const pn_graph *g, const char *path, size_t *n)
{
    *n = (size_t)pn_shape_count(&g->values[g->inputs[0]].shape);
    float *x = malloc(*n * sizeof(*x));
    FILE *from = fopen(path, "rb");
    const bool is_whole = x && from && fread(x, sizeof(*x), *n, from) == *n;
    if (from) fclose(from);
    if (is_whole) return x;
    free(x);
    fail(path, NULL);
    return NULL;
}

static int walk(const pn_graph *g, const float *x, size_t n, int value,
                const char *output)
{
    pn_err err = {0};
    pn_walk64 *w = NULL;
    int bad =
        pn_walk64_new(&w, g, &err) || pn_walk64_set_input(w, g->inputs[0], x, n, &err);
    if (!bad) pn_walk64_keep(w, value);
    bad = bad || pn_walk64_reach(w, value, &err);
    if (bad) fail("walk", &err);
    if (!bad)
        bad = keep(output, "f64", w->values[value].x, sizeof(double),
                   (size_t)w->values[value].n);
    pn_walk64_free(&w);
    pn_err_clear(&err);
    return bad;
}

static int run(const pn_graph *g, const float *x, const char *tensor, bool exact,
               const char *output)
{
    pn_err err = {0};
    pn_model *m = NULL;
    pn_exec *e = NULL;
    const pn_model_opts o = {.taps = &tensor, .n_taps = 1, .exact = exact};
    int bad = pn_model_compile(&m, g, &o, &err) || pn_exec_new(&e, m, 1, 1, &err);
    if (!bad) {
        pn_exec_set_input_chw(e, 0, x);
        bad = pn_exec_run(e, 1) != PN_OK;
    }
    if (bad) fail("engine", &err);
    if (!bad)
        bad = keep(output, exact ? "exact" : "default", pn_exec_output(e, 0, 0),
                   sizeof(float), pn_model_tap_count(m, 0));
    pn_exec_free(&e);
    pn_model_free(&m);
    pn_err_clear(&err);
    return bad;
}

int main(int argc, char **argv)
{
    enum { MODEL = 1, INPUT, TENSOR, OUTPUT, N_ARGS };
    pn_err err = {0};
    pn_graph *g = NULL;
    size_t n = 0;
    if (argc != N_ARGS) return fail("usage: MODEL INPUT TENSOR OUTPUT", NULL);
    if (pn_graph_read_onnx(&g, argv[MODEL], &err)) return fail(argv[MODEL], &err);
    const int value = pn_graph_find(g, argv[TENSOR]);
    float *x = value == PN_NONE ? NULL : image_of(g, argv[INPUT], &n);
    const int bad = !x || walk(g, x, n, value, argv[OUTPUT]) ||
                    run(g, x, argv[TENSOR], false, argv[OUTPUT]) ||
                    run(g, x, argv[TENSOR], true, argv[OUTPUT]);
    free(x);
    pn_graph_free(&g);
    return bad;
}
