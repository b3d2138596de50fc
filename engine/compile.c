/* Graph in, model out: copy or resize, lower, passes, plan, pack. */
#include <stdlib.h>
#include <string.h>

#include "engine/compile.h"
#include "engine/lower.h"
#include "engine/ops/ops.h"
#include "engine/passes/passes.h"
#include "engine/plan.h"
#include "engine/resize_input.h"
#include "engine/segments.h"
#include "engine/tap_names.h"

static void choose_kinds(struct pn_model *m)
{
    for (int i = 0; i < m->n_layers; i++) {
        pn_layer *l = &m->layers[i];
        if (l->kind != PN_LAYER_CONV || !pn_conv_suits_winograd(&l->u.conv, &m->kernels))
            continue;
        l->kind = PN_LAYER_CONV_WINO;
        l->u.conv.wino = pn_conv_wino_size(&m->tensors[l->out].shape);
    }
}

static pn_status set_taps(struct pn_model *m, const pn_graph *g, const int *values,
                          const int *tensors, int n, pn_err *err)
{
    m->taps = pn_arena_alloc(&m->arena, ((size_t)n + 1) * sizeof(*m->taps));
    if (!m->taps) return pn_fail(err, PN_ENOMEM, "compile: out of memory");
    m->n_taps = n;
    for (int i = 0; i < n; i++) {
        pn_tap *t = &m->taps[i];
        const pn_shape *s = &g->values[values[i]].shape;
        t->tensor = tensors[i];
        t->shape.ndim = s->ndim - 1;
        for (int d = 0; d < t->shape.ndim; d++)
            t->shape.dim[d] = s->dim[d + 1];
        t->count = (size_t)pn_shape_count(&t->shape);
        t->out_offset = m->image_floats;
        m->image_floats += (int64_t)((t->count + PN_ALIGN_FLOATS - 1) / PN_ALIGN_FLOATS *
                                     PN_ALIGN_FLOATS);
    }
    return PN_OK;
}

static pn_status outline(struct pn_model *m, const pn_graph *g, const int *taps, int n,
                         pn_err *err)
{
    int *tensors = malloc(((size_t)n + 1) * sizeof(*tensors));
    if (!tensors) return pn_fail(err, PN_ENOMEM, "compile: out of memory");
    pn_status st = pn_lower_graph(m, g, taps, n, tensors, err);
    if (!st && (st = pn_passes_run(m)))
        pn_fail(err, st, "compile: %s", pn_status_name(st));
    if (!st && (st = pn_segments_find(m)))
        pn_fail(err, st, "compile: %s", pn_status_name(st));
    if (!st) st = pn_plan_tensors(m, err);
    if (!st) st = set_taps(m, g, taps, tensors, n, err);
    if (!st) choose_kinds(m);
    free(tensors);
    return st;
}

pn_status pn_model_outline(pn_model **out, const pn_graph *g, const pn_model_opts *opts,
                           pn_err *err)
{
    int *taps = NULL, n_taps = 0;
    pn_model *m = calloc(1, sizeof(*m));
    if (!m) return pn_fail(err, PN_ENOMEM, "compile: out of memory");
    pn_status st = pn_cpu_resolve(&m->cpu, opts->cpu, err);
    if (!st && m->cpu != PN_CPU_C) st = pn_team_check(err);
    if (!st) {
        pn_kernels_init(&m->kernels, m->cpu);
        m->exact = opts->exact;
        if (m->exact) memset(m->kernels.wino, 0, sizeof(m->kernels.wino));
        st = pn_tap_names_find(&taps, &n_taps, g, opts, err);
    }
    if (!st) st = outline(m, g, taps, n_taps, err);
    free(taps);
    if (st)
        pn_model_free(&m);
    else
        *out = m;
    return st;
}

pn_status pn_model_compile(pn_model **out, const pn_graph *g, const pn_model_opts *opts,
                           pn_err *err)
{
    static const pn_model_opts defaults = {.cpu = PN_CPU_AUTO};
    if (!opts) opts = &defaults;
    pn_graph *resized = NULL;
    pn_model *m = NULL;
    pn_status st = PN_OK;
    if (opts->height || opts->width)
        st = pn_resize_input(&resized, g, opts->height, opts->width, err);
    if (resized) g = resized;
    if (!st) st = pn_model_outline(&m, g, opts, err);
    if (!st) st = pn_layers_prepare(m, g, opts->threads, err);
    pn_graph_free(&resized);
    if (st)
        pn_model_free(&m);
    else
        *out = m;
    return st;
}

void pn_model_free(pn_model **m)
{
    if (!*m) return;
    pn_net_free(*m);
    free(*m);
    *m = NULL;
}

void pn_model_get_info(const pn_model *m, pn_model_info *info)
{
    const pn_shape *s = &m->tensors[m->input].shape;
    memset(info, 0, sizeof(*info));
    info->cpu = m->cpu;
    info->exact = m->exact;
    info->channels = (int)s->dim[0];
    const bool is_image = s->ndim == 3;
    info->height = is_image ? (int)s->dim[1] : s->ndim == 1;
    info->width = is_image ? (int)s->dim[2] : s->ndim == 1;
    info->weight_bytes = m->weight_bytes;
    info->image_bytes = m->image_floats * (int64_t)sizeof(float);
    info->thread_bytes = (int64_t)(m->scratch_floats * sizeof(float));
    info->n_taps = m->n_taps;
}

size_t pn_model_tap_count(const pn_model *m, int tap)
{
    return m->taps[tap].count;
}

const pn_shape *pn_model_tap_shape(const pn_model *m, int tap)
{
    return &m->taps[tap].shape;
}
