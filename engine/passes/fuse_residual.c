/* The sum at the end of a residual unit: the later of its two convolutions adds the other
 * operand while its own result is still in the cache. */
#include <stdlib.h>

#include "engine/passes/passes.h"

static bool is_plain_sum(const struct pn_model *m, const pn_layer *l)
{
    return l->kind == PN_LAYER_BINARY && l->u.binary.f == PN_BINARY_ADD &&
           l->in[0] != PN_NONE && l->in[1] != PN_NONE && l->in[0] != l->in[1] &&
           pn_shape_equal(&m->tensors[l->in[0]].shape, &m->tensors[l->in[1]].shape);
}

pn_status pn_pass_fuse_residual(struct pn_model *m)
{
    int *user = pn_net_sole_users(m);
    int *writer = pn_net_writers(m);
    const bool ok = user && writer;
    for (int i = 0; ok && i < m->n_layers; i++) {
        pn_layer *sum = &m->layers[i];
        if (sum->is_dead || !is_plain_sum(m, sum)) continue;
        int best = PN_NONE, side = 0;
        for (int k = 0; k < 2; k++) {
            int w = writer[sum->in[k]];
            if (w == PN_NONE || user[sum->in[k]] != i || w <= best) continue;
            if (m->layers[w].kind != PN_LAYER_CONV || m->layers[w].residual != PN_NONE)
                continue;
            best = w;
            side = k;
        }
        if (best == PN_NONE) continue;
        /* in the sum's place: only there both operands are sure to be ready */
        pn_layer fused = m->layers[best];
        fused.residual = sum->in[1 - side];
        fused.out = sum->out;
        m->layers[best].is_dead = true;
        *sum = fused;
        if (user[fused.in[0]] == best) user[fused.in[0]] = i;
        writer[fused.out] = i;
    }
    free(writer);
    free(user);
    return ok ? PN_OK : PN_ENOMEM;
}
