/* MMdnn's IR: the length of the graph (u32), the graph, and behind it the weights. */
#include <string.h>

#include "base/bytes.h"
#include "model/import_mmdnn.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char names[2][8] = {"t.pb", "t.npy"};
    pn_graph *g = NULL;
    pn_err err = {0};
    if (size < 4) return 0;
    size_t n = pn_get_u32(data);
    if (n > size - 4) n = size - 4;
    const pn_file graph = {.path = names[0], .data = data + 4, .size = n};
    const pn_file weights = {
        .path = names[1], .data = data + 4 + n, .size = size - 4 - n};
    (void)(pn_mmdnn_is_graph(&graph) || pn_mmdnn_is_weights(&weights));
    pn_status st = pn_mmdnn_import(&g, &graph, &weights, &err);
    pn_fuzz_graph_read(st, &g, &err);
    return 0;
}
