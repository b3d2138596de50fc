/* What a proof looks at, where no sample is given: bytes as a photo has them. */
#include "engine/parity_input.h"

#include <limits.h>
#include <stdlib.h>

#include "penult/preprocess.h"

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool has_record(const pn_graph *g, const pn_shape *s, pn_preprocess *p)
{
    const char *json = pn_graph_meta(g, PN_META_PREPROCESS);
    return json && s->ndim == 4 && s->dim[1] == 3 &&
           pn_preprocess_from_json(p, json, "", NULL) == PN_OK;
}

bool pn_parity_has_image(const pn_graph *g)
{
    pn_preprocess p;
    for (int i = 0; i < g->n_inputs; i++)
        if (has_record(g, &g->values[g->inputs[i]].shape, &p)) return true;
    return false;
}

static void fill_seeded(const pn_graph *g, const pn_shape *s, double scale,
                        uint64_t *state, float *x, size_t n)
{
    pn_preprocess p;
    const bool is_image = has_record(g, s, &p);
    for (size_t i = 0; i < n; i++) {
        const double byte = (double)(splitmix64(state) >> 56);
        const size_t k = is_image ? i / (n / 3) : 0;
        x[i] = (float)(is_image ? (byte * p.scale - p.mean[k]) / p.std[k] : byte * scale);
    }
}

pn_status pn_parity_set_inputs(pn_walk64 *w, const pn_parity_opts *o, bool is_0_to_1,
                               pn_err *err)
{
    uint64_t state = o->seed;
    for (int i = 0; i < w->g->n_inputs; i++) {
        const int v = w->g->inputs[i];
        const pn_shape *s = &w->g->values[v].shape;
        if (o->sample && w->g->n_inputs == 1)
            return pn_walk64_set_input(w, v, o->sample, o->n_sample, err);
        const int64_t n = pn_shape_count(s);
        if (n < 1 || n > INT_MAX)
            return pn_fail(err, PN_EUNSUPPORTED,
                           "input \"%s\" is too large for the proof",
                           w->g->values[v].name);
        float *x = calloc((size_t)n, sizeof(*x));
        if (!x) return pn_fail(err, PN_ENOMEM, "parity: out of memory");
        fill_seeded(w->g, s, is_0_to_1 ? 1.0 / 255 : 1, &state, x, (size_t)n);
        pn_status st = pn_walk64_set_input(w, v, x, (size_t)n, err);
        free(x);
        if (st) return st;
    }
    return PN_OK;
}
