/* Checkpoints from TensorFlow pad on one side only, with a layer of their own; the window
 * walks past the edge anyway, and what it misses there counts as zero. Not for pools: a
 * maximum or a clipped average takes padding for what it is. */
#include <stdlib.h>

#include "engine/passes/passes.h"

static bool is_zero_border(const pn_layer *l, const pn_tensor *x)
{
    return l->kind == PN_LAYER_PAD && l->u.pad.mode == 0 && l->u.pad.value == 0 &&
           pn_tensor_is_map(x) && l->u.pad.before[0] == 0 && l->u.pad.before[1] >= 0 &&
           l->u.pad.before[2] >= 0;
}

static void merge(struct pn_model *m, pn_layer *pad, pn_layer *conv)
{
    const pn_shape *x = &m->tensors[pad->in[0]].shape;
    const pn_shape *y = &m->tensors[pad->out].shape;
    const int64_t bottom = y->dim[1] - x->dim[1] - pad->u.pad.before[1];
    const int64_t right = y->dim[2] - x->dim[2] - pad->u.pad.before[2];
    if (y->dim[0] != x->dim[0] || bottom < 0 || right < 0) return;
    pn_window *w = &conv->u.conv.win;
    w->top += pad->u.pad.before[1];
    w->left += pad->u.pad.before[2];
    w->bottom += bottom;
    w->right += right;
    conv->in[0] = pad->in[0];
    pad->is_dead = true;
}

pn_status pn_pass_merge_pad(struct pn_model *m)
{
    int *user = pn_net_sole_users(m);
    if (!user) return PN_ENOMEM;
    for (int i = 0; i < m->n_layers; i++) {
        pn_layer *pad = &m->layers[i];
        if (pad->is_dead || !is_zero_border(pad, &m->tensors[pad->in[0]])) continue;
        if (user[pad->out] == PN_NONE) continue;
        pn_layer *conv = &m->layers[user[pad->out]];
        if (conv->kind == PN_LAYER_CONV || conv->kind == PN_LAYER_DEPTHWISE)
            merge(m, pad, conv);
    }
    free(user);
    return PN_OK;
}
