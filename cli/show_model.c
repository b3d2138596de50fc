/* A model, in the form that is asked for. */
#include "cli/show.h"

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
    pn_status st = pn_cli_read_model(&m.g, &o->files, err);
    if (!st) st = pn_layer_costs_init(&m.costs, m.g);
    if (!st) st = pn_fold_init(&m.fold, m.g, how);
    if (!st && o->memory) st = pn_run_memory_find(&m.run, m.g, o, err);
    if (!st && o->form == PN_SHOW_TEXT) st = pn_show_text(&m);
    if (!st && o->form == PN_SHOW_JSON) st = pn_show_json(&m);
    if (!st && is_picture) st = picture(&m, err);
    if (st == PN_ENOMEM) st = pn_fail(err, st, "show: out of memory");
    pn_fold_fini(&m.fold);
    pn_layer_costs_fini(&m.costs);
    pn_graph_free(&m.g);
    return st;
}
