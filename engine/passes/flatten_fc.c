/* Flattening a map of more than one pixel would turn every float over, as channels lie
 * innermost here and outermost there. The weights are turned over instead, once. */
#include <stdlib.h>

#include "engine/passes/passes.h"

/* Only the order of the floats differs between a map and its C-order row. */
static bool is_flatten(const struct pn_model *m, const pn_layer *l)
{
    const pn_tensor *x = &m->tensors[l->in[0]], *y = &m->tensors[l->out];
    return l->kind == PN_LAYER_RESHAPE && pn_tensor_is_map(x) && y->shape.ndim == 1;
}

pn_status pn_pass_flatten_fc(struct pn_model *m)
{
    int *writer = pn_net_writers(m);
    int *readers = calloc((size_t)m->n_tensors + 1, sizeof(*readers));
    const bool ok = writer && readers;
    for (int i = 0; ok && i < m->n_layers; i++)
        for (int k = 0; k < 2; k++)
            if (m->layers[i].in[k] != PN_NONE) readers[m->layers[i].in[k]]++;
    for (int t = 0; ok && t < m->n_tensors; t++)
        if (m->tensors[t].parent != PN_NONE) readers[m->tensors[t].parent]++;
    for (int i = 0; ok && i < m->n_layers; i++) {
        pn_layer *fc = &m->layers[i];
        if (fc->kind != PN_LAYER_FC || writer[fc->in[0]] == PN_NONE) continue;
        pn_layer *flatten = &m->layers[writer[fc->in[0]]];
        if (!is_flatten(m, flatten)) continue;
        const int flat = fc->in[0], map = flatten->in[0];
        fc->u.fc.map_c = m->tensors[map].shape.dim[0];
        fc->u.fc.map_pixels = m->tensors[map].shape.dim[1] * m->tensors[map].shape.dim[2];
        fc->in[0] = map;
        m->tensors[map].is_dense = true;
        if (--readers[flat] == 0 && !m->tensors[flat].is_pinned) flatten->is_dead = true;
    }
    free(readers);
    free(writer);
    return ok ? PN_OK : PN_ENOMEM;
}
