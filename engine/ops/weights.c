/* Constants of the graph as the kernels want them: float32, denormals gone (they cost a
 * hundred times a normal number and carry nothing), scales applied in double. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "engine/ops/ops.h"

static float flush(float x)
{
    return fabsf(x) < FLT_MIN ? 0 : x;
}

pn_status pn_weights_read(const pn_graph *g, int value, int64_t first, int64_t n,
                          double scale, float *out)
{
    pn_status st = pn_value_to_f32(&g->values[value], first, n, out);
    if (st) return PN_EFORMAT;
    for (int64_t i = 0; i < n; i++)
        out[i] = flush(scale == 1 ? out[i] : (float)((double)out[i] * scale));
    return PN_OK;
}

const float *pn_weights_copy(struct pn_model *m, const pn_graph *g, int value, int64_t n)
{
    float *to = pn_net_alloc_weights(m, (size_t)n);
    if (!to || pn_weights_read(g, value, 0, n, 1, to)) return NULL;
    return to;
}

pn_status pn_weights_bias(struct pn_model *m, const pn_graph *g, int bias, double beta,
                          const pn_scale *s, int64_t n, const float **out)
{
    *out = NULL;
    if (bias == PN_NONE && !s->shift) return PN_OK;
    float *to = pn_net_alloc_weights(m, (size_t)n);
    if (!to) return PN_ENOMEM;
    const int64_t given = bias == PN_NONE ? 0 : pn_shape_count(&g->values[bias].shape);
    for (int64_t i = 0; i < n; i++) {
        float b = 0;
        if (given && pn_value_to_f32(&g->values[bias], given == 1 ? 0 : i, 1, &b))
            return PN_EFORMAT;
        double v = (double)b * beta;
        if (s->shift) v = v * s->scale[i] + s->shift[i];
        to[i] = flush((float)v);
    }
    *out = to;
    return PN_OK;
}

pn_status pn_weights_slope(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    if (l->slope == PN_NONE) return PN_OK;
    l->act.slope = pn_weights_copy(m, g, l->slope, m->tensors[l->out].shape.dim[0]);
    return l->act.slope ? PN_OK : PN_ENOMEM;
}
