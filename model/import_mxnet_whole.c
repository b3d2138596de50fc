/* The weights as a whole, against all that the symbol takes: by another walk through it,
 * which tells what that is, before the real one or behind it. */
#include <stdlib.h>
#include <string.h>

#include "model/import_mxnet_match.h"
#include "model/import_mxnet_ops.h"

void pn_mx_list_surplus(pn_mx_import *im, pn_mx_list *to)
{
    for (int i = 0; i < im->params->n_arrays; i++) {
        const pn_mx_array *a = &im->params->arrays[i];
        char text[PN_SHAPE_TEXT];
        if (im->is_used[i] || !a->name) continue;
        pn_mx_list_add(im, to, "\n  %s: %s, but nothing in the symbol takes it", a->name,
                       a->is_none ? "empty"
                                  : pn_shape_text(&a->shape, text, sizeof(text)));
    }
}

/* Names that are none of the symbol's: a walk without weights tells what the symbol
 * takes, then the arrays are told by their places. Where that walk fails, so will the
 * real one, which says why. */
pn_status pn_mx_match_by_place(pn_mx_import *im)
{
    pn_mx_import survey = {.sym = im->sym,
                           .params = im->params,
                           .shapes = im->shapes,
                           .n_shapes = im->n_shapes,
                           .is_survey = true};
    int *matched = NULL;
    pn_status st = pn_mx_walk(&survey), out = PN_OK;
    for (int i = 0; i < im->n_shapes; i++)
        im->shapes[i].is_used = false;
    if (!st && !survey.refused.n && survey.n_wants) {
        matched = pn_arena_alloc(&im->arena, (size_t)im->sym->n_nodes * sizeof(int));
        pn_mx_match m = {.sym = im->sym,
                         .params = im->params,
                         .wants = survey.wants,
                         .n_wants = survey.n_wants,
                         .matched = matched,
                         .err = im->err};
        out = matched ? pn_mx_match_weights(&m)
                      : pn_fail(im->err, PN_ENOMEM, "import: out of memory");
    }
    if (st == PN_ENOMEM) out = pn_fail(im->err, st, "import: out of memory");
    im->matched = matched;
    pn_graph_free(&survey.g);
    pn_mx_import_fini(&survey);
    return out;
}

/* An input's size is not known. That is not to hide that the weights are another
 * symbol's: the same walk with a stand-in tells which names have no partner. */
void pn_mx_tell_missing(pn_mx_import *im)
{
    const size_t n = (size_t)im->n_shapes;
    pn_mx_input_shape *shapes = pn_arena_alloc(&im->arena, (n + 1) * sizeof(*im->shapes));
    pn_err ignored = {0};
    if (!shapes || !im->err) return;
    if (n) memcpy(shapes, im->shapes, n * sizeof(*shapes));
    for (size_t i = 0; i < n; i++)
        shapes[i].is_used = false;
    shapes[n] = (pn_mx_input_shape){.is_fallback = true,
                                    .shape = {.ndim = 3, .dim = {3, 224, 224}}};
    pn_mx_import probe = {.sym = im->sym,
                          .params = im->params,
                          .shapes = shapes,
                          .n_shapes = im->n_shapes + 1,
                          .matched = im->matched,
                          .err = &ignored};
    pn_mx_list *missing = &probe.missing;
    pn_status st = pn_mx_walk(&probe);
    if (!st && missing->n) pn_mx_list_surplus(&probe, missing);
    char *said = !st && missing->n && missing->text ? strdup(pn_err_text(im->err)) : NULL;
    if (said) {
        pn_err_clear(im->err);
        pn_fail(im->err, im->status, "%s; and the weights do not fit the symbol:%s", said,
                missing->text);
    }
    free(said);
    pn_err_clear(&ignored);
    pn_graph_free(&probe.g);
    pn_mx_import_fini(&probe);
}
