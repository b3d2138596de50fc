/* What penult's engine, and its walk in double precision, answer for some images, for the
 * table of accuracy:
 *
 *   run_accuracy MODEL.onnx INPUT IMAGES TENSOR OUTPUT
 *
 * INPUT is float32, IMAGES x C x H x W, no header. OUTPUT.f64 is the walk's tensor in
 * float64, OUTPUT.default and OUTPUT.exact are the engine's in float32; one image after
 * the other. */
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

static FILE *create(const char *output, const char *end)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s.%s", output, end);
    FILE *to = fopen(path, "wb");
    if (!to) fail(path, NULL);
    return to;
}

/* Whatever came before: the file is closed. */
static int finish(FILE *to, bool is_bad)
{
    if (to && fclose(to)) is_bad = true;
    return is_bad || !to ? fail("writing answers", NULL) : 0;
}

typedef struct images {
    float *x;
    size_t floats; /* of one */
    int n;
} images;

static int images_read(images *s, const pn_graph *g, const char *path, const char *count)
{
    s->n = atoi(count);
    s->floats = (size_t)pn_shape_count(&g->values[g->inputs[0]].shape);
    const size_t n = s->n > 0 ? (size_t)s->n * s->floats : 0;
    s->x = malloc(n * sizeof(*s->x));
    FILE *from = fopen(path, "rb");
    const bool is_whole = n && s->x && from && fread(s->x, sizeof(*s->x), n, from) == n;
    if (from) fclose(from);
    return is_whole ? 0 : fail(path, NULL);
}

static int walk_one(const pn_graph *g, const float *x, size_t n, int value, FILE *to)
{
    pn_err err = {0};
    pn_walk64 *w = NULL;
    int bad =
        pn_walk64_new(&w, g, &err) || pn_walk64_set_input(w, g->inputs[0], x, n, &err);
    if (!bad) pn_walk64_keep(w, value);
    bad = bad || pn_walk64_reach(w, value, &err);
    if (bad) fail("walk", &err);
    const size_t count = bad ? 0 : (size_t)w->values[value].n;
    bad = bad || fwrite(w->values[value].x, sizeof(double), count, to) != count;
    pn_walk64_free(&w);
    pn_err_clear(&err);
    return bad;
}

static int walk(const pn_graph *g, const images *s, int value, const char *output)
{
    FILE *to = create(output, "f64");
    int bad = !to;
    for (int i = 0; !bad && i < s->n; i++)
        bad = walk_one(g, s->x + (size_t)i * s->floats, s->floats, value, to);
    return finish(to, bad);
}

static int run(const pn_graph *g, const images *s, const char *tensor, bool exact,
               const char *output)
{
    pn_err err = {0};
    pn_model *m = NULL;
    pn_exec *e = NULL;
    FILE *to = create(output, exact ? "exact" : "default");
    const pn_model_opts o = {.taps = &tensor, .n_taps = 1, .exact = exact};
    int bad = !to || pn_model_compile(&m, g, &o, &err) || pn_exec_new(&e, m, 1, 1, &err);
    if (bad) fail("engine", &err);
    for (int i = 0; !bad && i < s->n; i++) {
        const size_t count = pn_model_tap_count(m, 0);
        pn_exec_set_input_chw(e, 0, s->x + (size_t)i * s->floats);
        bad = pn_exec_run(e, 1) != PN_OK ||
              fwrite(pn_exec_output(e, 0, 0), sizeof(float), count, to) != count;
    }
    pn_exec_free(&e);
    pn_model_free(&m);
    pn_err_clear(&err);
    return finish(to, bad);
}

int main(int argc, char **argv)
{
    enum { MODEL = 1, INPUT, IMAGES, TENSOR, OUTPUT, N_ARGS };
    pn_err err = {0};
    pn_graph *g = NULL;
    images s = {0};
    if (argc != N_ARGS) return fail("usage: MODEL INPUT IMAGES TENSOR OUTPUT", NULL);
    if (pn_graph_read_onnx(&g, argv[MODEL], &err)) return fail(argv[MODEL], &err);
    const int value = pn_graph_find(g, argv[TENSOR]);
    const int bad = value == PN_NONE
                        ? fail(argv[TENSOR], NULL)
                        : images_read(&s, g, argv[INPUT], argv[IMAGES]) ||
                              walk(g, &s, value, argv[OUTPUT]) ||
                              run(g, &s, argv[TENSOR], false, argv[OUTPUT]) ||
                              run(g, &s, argv[TENSOR], true, argv[OUTPUT]);
    free(s.x);
    pn_graph_free(&g);
    return bad;
}
