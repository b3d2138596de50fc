/* A whole checkpoint: the symbol's JSON, and behind a NUL the .params file (or .npz).
 * Weights that are missing or misshapen are made to fit, by what the import itself says
 * it expected: so an input that changes a kernel's size reaches the operator behind it.
 */
#include <stdlib.h>
#include <string.h>

#include "model/import_mxnet.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_FITTED = 256, MAX_ELEMENTS = 1 << 16, MAX_ROUNDS = 3, MAX_NAME = 256 };

/* what fitted weights hold; positive, since some are variances */
static float numbers[MAX_ELEMENTS];

typedef struct fitted {
    pn_mx_params params;
    pn_mx_array arrays[MAX_FITTED];
    int by_name[MAX_FITTED];
    char names[MAX_FITTED][MAX_NAME];
} fitted;

static int compare_names(const void *a, const void *b, void *arrays)
{
    const pn_mx_array *all = arrays;
    return strcmp(all[*(const int *)a].name, all[*(const int *)b].name);
}

static void add(fitted *f, const pn_mx_array *a, const char *name)
{
    const pn_mx_array *old = pn_mx_params_find(&f->params, name);
    int i = old ? (int)(old - f->arrays) : f->params.n_arrays;
    if (i == MAX_FITTED || strlen(name) >= MAX_NAME) return;
    f->arrays[i] = *a;
    if (old) {
        f->arrays[i].name = f->names[i];
        return;
    }
    f->arrays[i].name = strcpy(f->names[i], name);
    f->by_name[i] = i;
    f->params.n_named = ++f->params.n_arrays;
    qsort_r(f->by_name, (size_t)f->params.n_named, sizeof(int), compare_names, f->arrays);
}

/* "2x3x1x1 (Convolution "c")": false where it is none, or too big for numbers[] */
static bool parse_shape(const char *at, pn_shape *s)
{
    s->ndim = 0;
    for (;;) {
        char *end;
        if (s->ndim == PN_MAX_DIMS || *at < '0' || *at > '9') return false;
        s->dim[s->ndim++] = strtol(at, &end, 10);
        at = end;
        if (*at != 'x') break;
        at++;
    }
    const int64_t n = pn_shape_count(s);
    return *at == ' ' && n > 0 && n <= MAX_ELEMENTS;
}

/* lines "  NAME: WHAT, expected SHAPE (...)"; whether there was one */
static bool fit(fitted *f, const char *text)
{
    static const char word[] = ", expected ";
    bool any = false;
    for (const char *line = strstr(text, "\n  "); line; line = strstr(line + 1, "\n  ")) {
        const char *colon = strstr(line, ": "), *end = strchr(line + 1, '\n');
        const char *expected = strstr(line, word);
        char name[MAX_NAME];
        pn_mx_array a = {.dtype = PN_F32, .data = (const unsigned char *)numbers};
        size_t size = colon ? (size_t)(colon - line - 3) : MAX_NAME;
        if (!expected || (end && expected > end) || size >= MAX_NAME ||
            !parse_shape(expected + sizeof(word) - 1, &a.shape))
            continue;
        memcpy(name, line + 3, size);
        name[size] = '\0';
        a.size_bytes = (size_t)pn_shape_count(&a.shape) * sizeof(float);
        add(f, &a, name);
        any = true;
    }
    return any;
}

static pn_status import(pn_graph **g, const pn_mx_symbol *s, fitted *f, pn_err *err)
{
    for (int round = 0;; round++) {
        pn_mx_input_shape shape = {.is_fallback = true,
                                   .shape = {.ndim = 3, .dim = {3, 17, 17}}};
        pn_status st = pn_mx_import_graph(g, s, &f->params, &shape, 1, err);
        if (st != PN_EFORMAT || round == MAX_ROUNDS || !fit(f, pn_err_text(err)))
            return st;
        pn_err_clear(err);
    }
}

/* as pn_convert(): symbol and parameters are gone when the graph is used, the bytes of
 * their file are not */
static void import_and_use(pn_mx_symbol *s, pn_mx_params *given)
{
    pn_graph *g = NULL;
    pn_err err = {0};
    fitted *f = calloc(1, sizeof(*f));
    PN_FUZZ_CHECK(f != NULL);
    f->params.arrays = f->arrays;
    f->params.by_name = f->by_name;
    f->params.has_names = true;
    if (given) {
        f->params.bytes = given->bytes;
        f->params.size = given->size;
    }
    for (int i = 0; given && i < given->n_arrays; i++)
        if (given->arrays[i].name) add(f, &given->arrays[i], given->arrays[i].name);
    for (int i = 0; i < MAX_ELEMENTS; i++)
        numbers[i] = (float)(1 + i % 7) / 8;
    pn_status st = import(&g, s, f, &err);
    free(f);
    pn_mx_params_free(&given);
    pn_mx_symbol_free(&s);
    pn_fuzz_graph_read(st, &g, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    const size_t text_size = nul ? (size_t)(nul - data) : size;
    char name[] = "t.params";
    pn_mx_symbol *s = NULL;
    pn_mx_params *p = NULL;
    pn_err err = {0};
    pn_status st = pn_mx_symbol_read(&s, data, text_size, "t.json", &err);
    pn_fuzz_said_why(st, &err);
    if (st) return 0;
    if (nul) {
        const pn_file f = {.path = name, .data = nul + 1, .size = size - text_size - 1};
        st = pn_mx_params_read(&p, &f, &err);
        pn_fuzz_said_why(st, &err);
    }
    import_and_use(s, p);
    return 0;
}
