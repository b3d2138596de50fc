/* Runs a model file in penult's engine on an input from a file, for the table of
 * families:
 *
 *   run_engine MODEL.onnx INPUT BATCH OUTPUT TENSOR...
 *
 * INPUT and OUTPUT are float32, C order, no header; OUTPUT holds the tensors one after
 * the other, each for the whole batch. */
#include <stdio.h>
#include <stdlib.h>

#include "penult/graph.h"
#include "penult/model.h"

static int fail(const char *what, const pn_err *err)
{
    fprintf(stderr, "run_engine: %s: %s\n", what, err ? pn_err_text(err) : "failed");
    return 1;
}

static int feed(pn_exec *x, const pn_model *m, const char *path, int batch)
{
    pn_model_info info;
    pn_model_get_info(m, &info);
    size_t n = (size_t)info.channels * (size_t)info.height * (size_t)info.width;
    float *image = malloc(n * sizeof(*image));
    FILE *from = fopen(path, "rb");
    bool is_whole = image && from;
    for (int slot = 0; slot < batch && is_whole; slot++) {
        is_whole = fread(image, sizeof(*image), n, from) == n;
        if (is_whole) pn_exec_set_input_chw(x, slot, image);
    }
    if (from) fclose(from);
    free(image);
    return is_whole ? 0 : fail(path, NULL);
}

static int keep(const pn_exec *x, const pn_model *m, const char *path, int batch,
                int n_taps)
{
    FILE *to = fopen(path, "wb");
    bool is_whole = to != NULL;
    for (int tap = 0; tap < n_taps && is_whole; tap++)
        for (int slot = 0; slot < batch && is_whole; slot++) {
            size_t n = pn_model_tap_count(m, tap);
            is_whole = fwrite(pn_exec_output(x, tap, slot), sizeof(float), n, to) == n;
        }
    if (to && fclose(to)) is_whole = false;
    return is_whole ? 0 : fail(path, NULL);
}

int main(int argc, char **argv)
{
    enum { MODEL = 1, INPUT, BATCH, OUTPUT, FIRST_TENSOR };
    pn_err err = {0};
    pn_graph *g = NULL;
    pn_model *m = NULL;
    pn_exec *x = NULL;
    if (argc <= FIRST_TENSOR)
        return fail("usage: MODEL INPUT BATCH OUTPUT TENSOR...", NULL);
    int batch = atoi(argv[BATCH]), n_taps = argc - FIRST_TENSOR;
    pn_model_opts opts = {.taps = (const char *const *)argv + FIRST_TENSOR,
                          .n_taps = n_taps};
    int bad = pn_graph_read_onnx(&g, argv[MODEL], &err) ||
              pn_model_compile(&m, g, &opts, &err) || pn_exec_new(&x, m, batch, 1, &err);
    if (bad) fail(argv[MODEL], &err);
    if (!bad) bad = feed(x, m, argv[INPUT], batch);
    if (!bad && pn_exec_run(x, batch)) bad = fail("run", NULL);
    if (!bad) bad = keep(x, m, argv[OUTPUT], batch, n_taps);
    pn_exec_free(&x);
    pn_model_free(&m);
    pn_graph_free(&g);
    return bad;
}
