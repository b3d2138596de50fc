/* Layer after layer over a whole batch reads weights once and sends every map through
 * memory; image after image reads the weights once an image and keeps the maps in the
 * cache. The second is better as long as a layer's maps outweigh its weights. */
#include "engine/segments.h"

#include "engine/ops/ops.h"

/* a Winograd layer of fewer tiles waits for its weights, 36 or 49 planes of them */
#define TILES_MIN 48

static int64_t floats_of(const struct pn_model *m, int tensor)
{
    return tensor == PN_NONE ? 0 : pn_shape_count(&m->tensors[tensor].shape);
}

static bool is_light(const struct pn_model *m, const pn_layer *l)
{
    const pn_shape *y = &m->tensors[l->out].shape;
    int64_t weights = 0;
    if (l->kind == PN_LAYER_FC || l->kind == PN_LAYER_MATMUL) return false;
    if (l->kind == PN_LAYER_CONV || l->kind == PN_LAYER_CONV_TRANSPOSE) {
        const pn_conv *c = &l->u.conv;
        weights = c->cout * (c->cin / c->group) * c->win.kh * c->win.kw;
    }
    if (l->kind == PN_LAYER_CONV && pn_conv_suits_winograd(&l->u.conv, &m->kernels)) {
        const pn_wino *w = &m->kernels.wino[pn_conv_wino_size(y)];
        weights = weights / 9 * w->in * w->in;
        if (pn_ceil_div(y->dim[1], w->out) * pn_ceil_div(y->dim[2], w->out) < TILES_MIN)
            return false;
    }
    return weights <= floats_of(m, l->in[0]) + floats_of(m, l->in[1]) +
                          floats_of(m, l->residual) + floats_of(m, l->out);
}

pn_status pn_segments_find(struct pn_model *m)
{
    m->segments =
        pn_arena_alloc(&m->arena, ((size_t)m->n_layers + 1) * sizeof(*m->segments));
    if (!m->segments) return PN_ENOMEM;
    bool was_light = false;
    for (int i = 0; i < m->n_layers; i++) {
        const bool light = is_light(m, &m->layers[i]);
        if (light && was_light)
            m->segments[m->n_segments - 1].end = i + 1;
        else
            m->segments[m->n_segments++] = (pn_segment){i, i + 1};
        was_light = light;
    }
    return PN_OK;
}
