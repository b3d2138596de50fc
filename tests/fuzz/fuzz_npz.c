/* Arrays of numpy's: an .npz (a zip archive) or an .npy, told apart by content. */
#include <stdlib.h>

#include "model/npy.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_ELEMENTS = 1 << 16 };

static void use(const pn_npy_array *a)
{
    const int64_t n = pn_shape_count(&a->shape);
    if (n < 0 || n > MAX_ELEMENTS) return;
    float *f = malloc((size_t)n * sizeof(*f) + 1);
    double *d = malloc((size_t)n * sizeof(*d) + 1);
    PN_FUZZ_CHECK(f && d);
    PN_FUZZ_CHECK(!pn_npy_to_f32(a, 0, n, f));
    PN_FUZZ_CHECK(!pn_npy_to_f64(a, 0, n, d));
    PN_FUZZ_CHECK(pn_npy_to_f32(a, n, 1, f) == PN_EINVAL);
    free(f);
    free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[] = "t.npz";
    const pn_file f = {.path = name, .data = data, .size = size};
    pn_npz *z = NULL;
    pn_err err = {0};
    pn_status st = pn_npz_open(&z, &f, &err);
    PN_FUZZ_CHECK((st == PN_OK) == (z != NULL));
    pn_fuzz_said_why(st, &err);
    for (int i = 0; z && i < pn_npz_count(z); i++) {
        pn_npy_array a;
        void *memory = NULL;
        st = pn_npz_read(z, i, &a, &memory, &err);
        pn_fuzz_said_why(st, &err);
        if (st) continue;
        pn_fuzz_n_accepted++;
        use(&a);
        free(memory);
    }
    pn_npz_close(&z);
    return 0;
}
