/* A model, in the form that is asked for. */
#include <string.h>

#include "cli/show.h"
#include "penult/convert.h"

/* A single file that does not end like a part of a checkpoint is ONNX, and shown as it
 * is: convert would choose a feature tensor for it. */
static bool is_checkpoint(const pn_show_opts *o)
{
    static const char *const endings[] = {".json", ".params", ".pb"};
    size_t size = strlen(o->paths[0]);
    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
        size_t n = strlen(endings[i]);
        if (size >= n && strcmp(o->paths[0] + size - n, endings[i]) == 0) return true;
    }
    return o->n_paths > 1 || o->n_shapes > 0;
}

static pn_status read_model(pn_graph **g, const pn_show_opts *o, pn_err *err)
{
    const pn_convert_opts c = {.inputs = o->paths,
                               .n_inputs = o->n_paths,
                               .input_shapes = o->shapes,
                               .n_input_shapes = o->n_shapes};
    return is_checkpoint(o) ? pn_convert(g, &c, err)
                            : pn_graph_read_onnx(g, o->paths[0], err);
}

static pn_status picture(const pn_shown_model *m, pn_err *err)
{
    if (m->o->form == PN_SHOW_SVG || m->o->output) return pn_show_picture(m, err);
    return pn_show_dot(m, stdout);
}

pn_status pn_show_model(const pn_show_opts *o, pn_err *err)
{
    pn_shown_model m = {.o = o};
    bool is_picture = o->form == PN_SHOW_DOT || o->form == PN_SHOW_SVG;
    pn_fold_how how = o->all       ? PN_FOLD_NOTHING
                      : is_picture ? PN_FOLD_PICTURE
                                   : PN_FOLD_TABLE;
    pn_status st = read_model(&m.g, o, err);
    if (!st) st = pn_layer_costs_init(&m.costs, m.g);
    if (!st) st = pn_fold_init(&m.fold, m.g, how);
    if (!st && o->memory) st = pn_run_memory_find(&m.run, m.g, o->batch, o->threads, err);
    if (!st && o->form == PN_SHOW_TEXT) st = pn_show_text(&m);
    if (!st && o->form == PN_SHOW_JSON) st = pn_show_json(&m);
    if (!st && is_picture) st = picture(&m, err);
    if (st == PN_ENOMEM) st = pn_fail(err, st, "show: out of memory");
    pn_fold_fini(&m.fold);
    pn_layer_costs_fini(&m.costs);
    pn_graph_free(&m.g);
    return st;
}
