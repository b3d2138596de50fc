/* A pickled program of numpy's or PyTorch's. */
#include "model/pickle.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_DEPTH = 6, MAX_ITEMS = 64 };

/* a sum over all there is, so that every byte is read; containers may hold themselves */
static unsigned add_up(const pn_pickle_item *item, int depth)
{
    unsigned sum = (unsigned)item->kind;
    if (item->kind == PN_PICKLE_TEXT || item->kind == PN_PICKLE_DTYPE)
        for (size_t i = 0; i < item->text.size; i++)
            sum += item->text.at[i];
    if (item->kind == PN_PICKLE_ARRAY && item->array)
        for (size_t i = 0; i < item->array->size_bytes; i++)
            sum += item->array->data[i];
    for (size_t i = 0; depth < MAX_DEPTH && i < item->n && i < MAX_ITEMS; i++)
        sum += add_up(item->items[i], depth + 1);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static volatile unsigned result;
    pn_pickle *p = NULL;
    pn_err err = {0};
    pn_status st = pn_pickle_read(&p, data, size, "t.npy", &err);
    PN_FUZZ_CHECK((st == PN_OK) == (p != NULL));
    pn_fuzz_said_why(st, &err);
    if (p) {
        pn_fuzz_n_accepted++;
        result = add_up(pn_pickle_root(p), 0);
        (void)result;
    }
    pn_pickle_free(&p);
    return 0;
}
