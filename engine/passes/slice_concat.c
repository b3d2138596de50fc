/* Concat along the channels was lowered to copies into slices of its output. Where the
 * copied tensor is made by a layer and is nobody's slice yet, it becomes the slice. A
 * concatenation of concatenations nests (a DenseNet block ends as one wide map). */
#include <stdlib.h>

#include "engine/passes/passes.h"

/* A copy of a whole tensor to a run of channels, all pixels. */
static bool is_slice_copy(const struct pn_model *m, const pn_layer *l)
{
    if (l->is_dead || l->kind != PN_LAYER_COPY) return false;
    const pn_tensor *x = &m->tensors[l->in[0]], *y = &m->tensors[l->out];
    if (x->shape.ndim != y->shape.ndim) return false;
    if (x->shape.ndim != 3 && x->shape.ndim != 1) return false;
    for (int i = 0; i < x->shape.ndim; i++) {
        if (l->u.copy.axis_of[i] != i || l->u.copy.x_begin[i] ||
            l->u.copy.x_step[i] != 1 || l->u.copy.dim[i] != x->shape.dim[i])
            return false;
        if (i > 0 && (l->u.copy.y_begin[i] || x->shape.dim[i] != y->shape.dim[i]))
            return false;
    }
    return true;
}

/* A slice's floats must not be read as one run, and a reshape of it is such a reader. */
static bool may_be_slice(const pn_tensor *x)
{
    return x->parent == PN_NONE && !x->is_dense;
}

pn_status pn_pass_slice_concat(struct pn_model *m)
{
    int *writer = pn_net_writers(m);
    bool *several = calloc((size_t)m->n_tensors + 1, sizeof(*several));
    const bool ok = writer && several;
    for (int i = 0; ok && i < m->n_layers; i++) {
        const pn_layer *l = &m->layers[i];
        if (writer[l->out] == PN_NONE && l->kind == PN_LAYER_COPY) several[l->out] = true;
    }
    for (int i = 0; ok && i < m->n_layers; i++) {
        pn_layer *l = &m->layers[i];
        if (!is_slice_copy(m, l)) continue;
        pn_tensor *x = &m->tensors[l->in[0]];
        const bool is_made = writer[l->in[0]] != PN_NONE || several[l->in[0]];
        if (!is_made || !may_be_slice(x) || l->in[0] == m->input) continue;
        x->parent = l->out;
        x->parent_offset = l->u.copy.y_begin[0];
        l->is_dead = true;
    }
    free(several);
    free(writer);
    return ok ? PN_OK : PN_ENOMEM;
}
