/* An ONNX model, of whatever make. */
#include "model/onnx_read.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_graph *g = NULL;
    pn_err err = {0};
    pn_status st = pn_onnx_read_bytes(&g, data, size, &err);
    pn_fuzz_graph_read(st, &g, &err);
    return 0;
}
