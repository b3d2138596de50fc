/* Values by the names people know them by, and what they may have meant. */
#include "engine/tap_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR_NAMES 5

/* What a name and the wanted one have in common: a beginning, or one holds the other. */
static size_t likeness(const char *name, const char *wanted)
{
    size_t n = 0;
    while (name[n] && name[n] == wanted[n])
        n++;
    if (strstr(name, wanted)) n += strlen(wanted);
    return n;
}

static bool is_tappable(const pn_value *v)
{
    return !v->data && v->has_shape;
}

static pn_status fail_unknown(const pn_graph *g, const char *wanted, pn_err *err)
{
    int best[NEAR_NAMES];
    size_t score[NEAR_NAMES] = {0};
    int n = 0;
    for (int i = 0; i < g->n_values; i++) {
        if (!is_tappable(&g->values[i])) continue;
        const size_t s = likeness(g->values[i].name, wanted);
        if (s < 2 || (n == NEAR_NAMES && s <= score[n - 1])) continue;
        int k = n < NEAR_NAMES ? n++ : n - 1;
        for (; k > 0 && score[k - 1] < s; k--) {
            score[k] = score[k - 1];
            best[k] = best[k - 1];
        }
        score[k] = s;
        best[k] = i;
    }
    char text[NEAR_NAMES * 100] = "";
    size_t used = 0;
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\"%.80s\"",
                                 i ? ", " : "", g->values[best[i]].name);
    return pn_fail(err, PN_EINVAL, "\"%s\" is no computed value of the model%s%s", wanted,
                   n ? "; near names: " : "", text);
}

static pn_status find_one(const pn_graph *g, const char *name, int *out, pn_err *err)
{
    const int v = pn_graph_find(g, name);
    if (v == PN_NONE || !is_tappable(&g->values[v])) return fail_unknown(g, name, err);
    *out = v;
    return PN_OK;
}

pn_status pn_tap_names_find(int **values, int *n, const pn_graph *g,
                            const pn_model_opts *opts, pn_err *err)
{
    const int wanted = opts->taps ? opts->n_taps : g->n_outputs;
    if (wanted < 1) return pn_fail(err, PN_EINVAL, "the model has no output to compute");
    int *v = malloc((size_t)wanted * sizeof(*v));
    if (!v) return pn_fail(err, PN_ENOMEM, "compile: out of memory");
    for (int i = 0; i < wanted; i++) {
        pn_status st = PN_OK;
        if (opts->taps) {
            st = find_one(g, opts->taps[i], &v[i], err);
        } else {
            v[i] = g->outputs[i];
            if (!is_tappable(&g->values[v[i]]))
                st = pn_fail(err, PN_EUNSUPPORTED,
                             "output \"%s\" is a constant or has no shape",
                             g->values[v[i]].name);
        }
        if (st) {
            free(v);
            return st;
        }
    }
    *values = v;
    *n = wanted;
    return PN_OK;
}
