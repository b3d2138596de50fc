/* An MXNet .params file: its arrays, and each as dense floats. */
#include "model/import_mxnet.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_DENSE_BYTES = 16 << 20 };

static void make_dense(const pn_mx_params *p)
{
    size_t left = MAX_DENSE_BYTES;
    pn_graph *g = NULL;
    PN_FUZZ_CHECK(!pn_graph_new(&g, "dense"));
    for (int i = 0; i < p->n_arrays; i++) {
        const pn_mx_array *a = &p->arrays[i];
        const int64_t n = pn_shape_count(&a->shape);
        size_t size;
        if (a->name) PN_FUZZ_CHECK(pn_mx_params_find(p, a->name) == a);
        if (a->is_none || n < 0 || (uint64_t)n > left / sizeof(float)) continue;
        const void *dense = pn_mx_array_f32(a, g, &size);
        PN_FUZZ_CHECK(dense && size == (size_t)n * sizeof(float));
        left -= size;
    }
    pn_graph_free(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[] = "t.params";
    const pn_file f = {.path = name, .data = data, .size = size};
    pn_mx_params *p = NULL;
    pn_err err = {0};
    pn_status st = pn_mx_params_read(&p, &f, &err);
    PN_FUZZ_CHECK((st == PN_OK) == (p != NULL));
    pn_fuzz_said_why(st, &err);
    if (p) {
        pn_fuzz_n_accepted++;
        make_dense(p);
    }
    pn_mx_params_free(&p);
    return 0;
}
