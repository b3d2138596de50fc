/*
 * The ONNX reader on whatever bytes. In the suite main() replays onnx_corpus.bin, what
 * libFuzzer found (pack_corpus.py); to look for more, build it with clang,
 * -fsanitize=fuzzer,address,undefined and -DPN_FUZZER.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/onnx_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_graph *g = NULL;
    pn_err err = {0};
    pn_status st = pn_onnx_read_bytes(&g, data, size, &err);
    /* a failure says why, and leaves nothing behind */
    if (st && (g || err.status != st || !err.text)) abort();
    if (!st) {
        for (int i = 0; i < g->n_nodes; i++)
            (void)pn_node_macs(g, &g->nodes[i]);
    }
    pn_err_clear(&err);
    pn_graph_free(&g);
    return 0;
}

#ifndef PN_FUZZER
int main(int argc, char **argv)
{
    pn_file *f = NULL;
    uint32_t size;
    size_t n = 0;
    if (argc != 2 || pn_file_open(&f, argv[1], NULL)) return 1;
    for (size_t at = 0; at < f->size; at += size, n++) {
        if (f->size - at < sizeof(size)) return 1;
        memcpy(&size, f->data + at, sizeof(size));
        at += sizeof(size);
        if (f->size - at < size) return 1;
        /* a copy of exactly that size: a mapping would hide a read past the end */
        uint8_t *copy = malloc(size + !size);
        if (!copy) return 1;
        memcpy(copy, f->data + at, size);
        LLVMFuzzerTestOneInput(copy, size);
        free(copy);
    }
    pn_file_close(&f);
    return n == 0;
}
#endif
