/* A synset file, and the same lines out of a model's metadata. */
#include <stdlib.h>
#include <string.h>

#include "penult/convert.h"
#include "tests/fuzz/fuzz.h"

static void from_metadata(const pn_labels *l, const char *text)
{
    pn_graph *g = NULL;
    pn_labels again = {0};
    pn_err err = {0};
    PN_FUZZ_CHECK(!pn_graph_new(&g, "labels"));
    PN_FUZZ_CHECK(!pn_graph_set_meta(g, PN_META_LABELS, text));
    PN_FUZZ_CHECK(!pn_labels_of_graph(&again, g, &err));
    PN_FUZZ_CHECK(again.n == l->n);
    for (size_t i = 0; i < l->n; i++)
        PN_FUZZ_CHECK(!strcmp(again.lines[i], l->lines[i]));
    pn_labels_fini(&again);
    pn_graph_free(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_labels l = {0};
    pn_err err = {0};
    pn_status st = pn_labels_read(&l, pn_fuzz_path(data, size), &err);
    pn_fuzz_said_why(st, &err);
    if (st) return 0;
    pn_fuzz_n_accepted++;
    for (size_t i = 0; i < l.n; i++)
        PN_FUZZ_CHECK(l.lines[i][0] && !strchr(l.lines[i], '\n'));
    char *text = pn_fuzz_text(data, size);
    from_metadata(&l, text);
    free(text);
    pn_labels_fini(&l);
    return 0;
}
