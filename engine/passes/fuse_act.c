/* Relu, Clip, PRelu and the like cost nothing where the layer before has its result in
 * the cache. */
#include <stdlib.h>

#include "engine/passes/passes.h"

static bool can_activate(const pn_layer *l)
{
    switch (l->kind) {
    case PN_LAYER_CONV:
    case PN_LAYER_DEPTHWISE:
    case PN_LAYER_CONV_TRANSPOSE:
    case PN_LAYER_FC:
    case PN_LAYER_AFFINE:
        return pn_act_is_none(&l->act);
    case PN_LAYER_BINARY:
        /* its walk does not know the channel that a slope belongs to */
        return pn_act_is_none(&l->act);
    default:
        return false;
    }
}

pn_status pn_pass_fuse_act(struct pn_model *m)
{
    int *user = pn_net_sole_users(m);
    int *writer = pn_net_writers(m);
    const bool ok = user && writer;
    for (int i = 0; ok && i < m->n_layers; i++) {
        pn_layer *act = &m->layers[i];
        if (act->is_dead || act->kind != PN_LAYER_UNARY) continue;
        if (user[act->in[0]] != i || writer[act->in[0]] == PN_NONE) continue;
        pn_layer *before = &m->layers[writer[act->in[0]]];
        if (!can_activate(before)) continue;
        if (before->kind == PN_LAYER_BINARY && act->act.kind == PN_ACT_PRELU) continue;
        before->act = act->act;
        before->slope = act->slope;
        writer[act->out] = writer[act->in[0]];
        before->out = act->out;
        act->is_dead = true;
    }
    free(writer);
    free(user);
    return ok ? PN_OK : PN_ENOMEM;
}
