/* BatchNorm behind a convolution, and whatever else is one factor and one summand a
 * channel: folded in double, rounded once when the weights are packed. */
#include <stdlib.h>

#include "engine/passes/passes.h"

static pn_scale *scale_of(pn_layer *l)
{
    switch (l->kind) {
    case PN_LAYER_CONV:
    case PN_LAYER_DEPTHWISE:
    case PN_LAYER_CONV_TRANSPOSE:
        return &l->u.conv.folded;
    case PN_LAYER_FC:
        return &l->u.fc.folded;
    case PN_LAYER_AFFINE:
        return &l->u.affine.s;
    default:
        return NULL;
    }
}

pn_status pn_pass_fold_affine(struct pn_model *m)
{
    int *user = pn_net_sole_users(m);
    int *writer = pn_net_writers(m);
    const bool ok = user && writer;
    for (int i = 0; ok && i < m->n_layers; i++) {
        pn_layer *affine = &m->layers[i];
        if (affine->is_dead || affine->kind != PN_LAYER_AFFINE) continue;
        if (user[affine->in[0]] != i || writer[affine->in[0]] == PN_NONE) continue;
        pn_layer *before = &m->layers[writer[affine->in[0]]];
        pn_scale *to = scale_of(before);
        if (!to) continue;
        const pn_scale *s = &affine->u.affine.s;
        if (to->scale) {
            const int64_t channels = m->tensors[affine->out].shape.dim[0];
            for (int64_t c = 0; c < channels; c++) {
                to->scale[c] *= s->scale[c];
                to->shift[c] = to->shift[c] * s->scale[c] + s->shift[c];
            }
        } else {
            *to = *s;
        }
        writer[affine->out] = writer[affine->in[0]];
        before->out = affine->out;
        affine->is_dead = true;
    }
    free(writer);
    free(user);
    return ok ? PN_OK : PN_ENOMEM;
}
