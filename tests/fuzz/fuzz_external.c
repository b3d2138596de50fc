/* An ONNX model whose weights lie beside it: in `w`, the one file that is there. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

enum { WEIGHT_BYTES = 4096 };
static char model[96], weights[96];

static void remove_files(void)
{
    unlink(model);
    unlink(weights);
}

static void put_file(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    PN_FUZZ_CHECK(f != NULL);
    PN_FUZZ_CHECK(fwrite(bytes, 1, size, f) == size);
    PN_FUZZ_CHECK(fclose(f) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char zeros[WEIGHT_BYTES];
    pn_graph *g = NULL;
    pn_err err = {0};
    if (!model[0]) {
        snprintf(model, sizeof(model), "%s/m.onnx", pn_fuzz_folder());
        snprintf(weights, sizeof(weights), "%s/w", pn_fuzz_folder());
        put_file(weights, zeros, sizeof(zeros));
        atexit(remove_files);
    }
    put_file(model, data, size);
    pn_status st = pn_graph_read_onnx(&g, model, &err);
    pn_fuzz_graph_read(st, &g, &err);
    return 0;
}
