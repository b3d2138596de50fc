/* The parity report goes layer by layer, which a run does not: here one image goes
 * through a segment as in a run, its local tensors where a run has them. */
#include "engine/segment_proof.h"

#include <string.h>

#include "engine/judge.h"

static float *floats_at(const pn_run *r, int tensor, int64_t slot)
{
    pn_run other = *r;
    other.first = 0;
    return pn_run_tensor(&other, tensor, slot);
}

void pn_segment_copy(const pn_run *r, pn_segment s, int64_t from)
{
    const struct pn_model *m = r->m;
    if (s.end - s.first == 1) return;
    for (int t = 0; t < m->n_tensors; t++) {
        const pn_tensor *x = &m->tensors[t];
        if (x->root != t || x->is_local || x->first >= s.first || x->last < s.first)
            continue;
        memcpy(floats_at(r, t, r->first), floats_at(r, t, from),
               (size_t)x->image_stride * sizeof(float));
    }
}

int pn_segment_run(const pn_run *r, pn_segment s, int64_t like, float *scratch)
{
    struct pn_model part = *r->m;
    pn_run run = *r;
    if (s.end - s.first == 1) return PN_NONE;
    part.segments = &s;
    part.n_segments = 1;
    run.m = &part;
    pn_team_run(&run, 1, scratch, NULL);
    for (int i = s.first; i < s.end; i++) {
        const pn_layer *l = &part.layers[i];
        const pn_tensor *y = &part.tensors[l->out];
        if (part.tensors[y->root].last >= s.end &&
            !pn_judge_same(l, y, floats_at(r, l->out, r->first),
                           floats_at(r, l->out, like)))
            return i;
    }
    return PN_NONE;
}
