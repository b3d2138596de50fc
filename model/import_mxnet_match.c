/* Which array is which weight, where no name of the file is a name of the symbol. */
#include "model/import_mxnet_match.h"

#include <stdlib.h>
#include <string.h>

#include "penult/log.h"

bool pn_mx_names_meet(const pn_mx_symbol *s, const pn_mx_params *p)
{
    for (int i = 0; i < s->n_nodes; i++)
        if (!s->nodes[i].op && pn_mx_params_find(p, s->nodes[i].name)) return true;
    return false;
}

static const char *want_name(const pn_mx_match *m, int i)
{
    return m->sym->nodes[m->wants[i].variable].name;
}

/* ---- names that differ in front ---- */

/* how much of both is the same, up to the last '_' of it */
static size_t common_front(const char *a, const char *b, size_t most)
{
    size_t front = 0;
    for (size_t n = 0; n < most && a[n] && a[n] == b[n]; n++)
        if (a[n] == '_') front = n + 1;
    return front;
}

/* every weight is found by its name, once the fronts are exchanged */
static pn_status match_fronts(const pn_mx_match *m, bool *is_found)
{
    const pn_mx_params *p = m->params;
    const char *ours = want_name(m, 0), *theirs = p->arrays[p->by_name[0]].name;
    size_t front = strlen(ours), other = strlen(theirs);
    for (int i = 0; i < m->n_wants; i++)
        front = common_front(ours, want_name(m, i), front);
    for (int i = 0; i < p->n_named; i++)
        other = common_front(theirs, p->arrays[p->by_name[i]].name, other);
    *is_found = false;
    for (int i = 0; i < m->n_wants; i++) {
        char *name;
        if (asprintf(&name, "%.*s%s", (int)other, theirs, want_name(m, i) + front) < 0)
            return pn_fail(m->err, PN_ENOMEM, "import: out of memory");
        const pn_mx_array *a = pn_mx_params_find(p, name);
        free(name);
        if (!a) return PN_OK;
        m->matched[m->wants[i].variable] = (int)(a - p->arrays);
    }
    *is_found = true;
    pn_log(PN_LOG_INFO, "weights: the file says \"%.*s\" where the symbol says \"%.*s\"",
           (int)other, theirs, (int)front, ours);
    return PN_OK;
}

/* ---- files without names ---- */

typedef struct place {
    bool is_aux;
    int variable, want;
} place;

static int compare_places(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->is_aux != y->is_aux) return x->is_aux ? 1 : -1;
    return x->variable < y->variable ? -1 : x->variable > y->variable;
}

/* moving averages: what list_arguments() leaves to list_auxiliary_states() */
static bool is_auxiliary(const pn_mx_match *m, const pn_mx_want *w)
{
    return w->slot > 2 && !strcmp(m->sym->nodes[w->node].op, "BatchNorm");
}

static void list_misfit(FILE *to, const pn_mx_match *m, const place *at, int k)
{
    char want[PN_SHAPE_TEXT], is[PN_SHAPE_TEXT];
    const pn_mx_params *p = m->params;
    const pn_mx_array *a = k < p->n_arrays ? &p->arrays[k] : NULL;
    fprintf(to, "\n  array %d: %s", k,
            !a           ? "missing"
            : a->is_none ? "empty"
                         : pn_shape_text(&a->shape, is, sizeof(is)));
    if (at)
        fprintf(to, ", expected %s (%s)",
                pn_shape_text(&m->wants[at->want].shape, want, sizeof(want)),
                want_name(m, at->want));
    else
        fprintf(to, ", but the symbol takes no more");
}

static pn_status match_order(const pn_mx_match *m, const place *places)
{
    char *text = NULL;
    size_t size = 0;
    int n_bad = 0,
        n = m->params->n_arrays > m->n_wants ? m->params->n_arrays : m->n_wants;
    FILE *to = open_memstream(&text, &size);
    for (int k = 0; k < n && to; k++) {
        const place *at = k < m->n_wants ? &places[k] : NULL;
        const pn_mx_array *a = k < m->params->n_arrays ? &m->params->arrays[k] : NULL;
        if (at && a && !a->is_none &&
            pn_shape_equal(&a->shape, &m->wants[at->want].shape)) {
            m->matched[at->variable] = k;
        } else {
            list_misfit(to, m, at, k);
            n_bad++;
        }
    }
    bool is_whole = to && fclose(to) == 0;
    pn_status st = PN_OK;
    if (!is_whole)
        st = pn_fail(m->err, PN_ENOMEM, "import: out of memory");
    else if (n_bad)
        st = pn_fail(m->err, PN_EFORMAT,
                     "the .params file carries no names, and its arrays do not fit the "
                     "symbol's arguments and auxiliary states in their order:%s",
                     text);
    free(text);
    return st;
}

static pn_status match_nameless(const pn_mx_match *m)
{
    place *places = calloc((size_t)m->n_wants, sizeof(*places));
    if (!places) return pn_fail(m->err, PN_ENOMEM, "import: out of memory");
    for (int i = 0; i < m->n_wants; i++)
        places[i] = (place){is_auxiliary(m, &m->wants[i]), m->wants[i].variable, i};
    qsort(places, (size_t)m->n_wants, sizeof(*places), compare_places);
    pn_status st = match_order(m, places);
    free(places);
    if (!st)
        pn_log(PN_LOG_WARN, "weights: the .params file carries no names: taken in the "
                            "order of the symbol's arguments and auxiliary states");
    return st;
}

/* ---- which of them ---- */

static bool has_structured_names(const pn_mx_params *p)
{
    for (int i = 0; i < p->n_named; i++)
        if (!strchr(p->arrays[p->by_name[i]].name, '.')) return false;
    return p->n_named > 0;
}

static void forget(const pn_mx_match *m)
{
    for (int i = 0; i < m->sym->n_nodes; i++)
        m->matched[i] = -1;
}

pn_status pn_mx_match_weights(const pn_mx_match *m)
{
    bool is_found = false;
    forget(m);
    if (!m->params->has_names) return match_nameless(m);
    if (m->params->n_named == 0) return PN_OK;
    pn_status st = match_fronts(m, &is_found);
    if (st || is_found) return st;
    forget(m);
    return has_structured_names(m->params) ? pn_mx_match_layers(m) : PN_OK;
}
