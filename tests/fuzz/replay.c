/* replay CORPUS LEAST: every input of a packed corpus (corpus.py) once, without
 * libFuzzer. At least LEAST of them must be no error, or the target has lost its way to
 * what it is to test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"

int main(int argc, char **argv)
{
    pn_file *f = NULL;
    uint32_t size;
    size_t n = 0;
    LLVMFuzzerInitialize(&argc, &argv);
    if (argc != 3 || pn_file_open(&f, argv[1], NULL)) return 1;
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
    const size_t least = strtoul(argv[2], NULL, 10);
    printf("%zu inputs, %zu accepted, at least %zu wanted\n", n, pn_fuzz_n_accepted,
           least);
    return n == 0 || pn_fuzz_n_accepted < least;
}
