/* An ONNX model, of whatever make. */
#include "model/onnx_read.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_graph *g = NULL;
    pn_err err = {0};
    pn_status st = pn_onnx_read_bytes(&g, data, size, &err);
    PN_FUZZ_CHECK((st == PN_OK) == (g != NULL));
    pn_fuzz_said_why(st, &err);
    if (g) {
        pn_fuzz_n_accepted++;
        pn_fuzz_graph(g);
    }
    pn_graph_free(&g);
    return 0;
}
