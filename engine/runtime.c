/* The working memory of one caller. pn_exec_new() takes all there ever will be:
 * max_batch * image_bytes + threads * thread_bytes, and one padding. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/ops/ops.h"
#include "engine/profile.h"

struct pn_exec {
    const pn_model *model;
    int max_batch, threads;
    float *arena;    /* tensors, then taps */
    float *scratch;  /* threads pieces; in the arena's block, behind it */
    double *layer_s; /* NULL: not profiled */
};

/* bytes of n pieces of `floats`; false: too many */
static bool times(size_t n, size_t floats, size_t *bytes)
{
    return !__builtin_mul_overflow(n, floats, bytes) &&
           !__builtin_mul_overflow(*bytes, sizeof(float), bytes);
}

/* What cannot be had is said now: memory is promised freely, and whoever then touches
 * more than there is gets killed without a word. */
static pn_status check_machine(size_t bytes, int max_batch, pn_err *err)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page <= 0 || bytes / (size_t)page < (size_t)pages) return PN_OK;
    return pn_fail(err, PN_ENOMEM,
                   "working memory for %d image%s: %zu MiB, more than this machine has "
                   "(%zu MiB)",
                   max_batch, max_batch == 1 ? "" : "s", bytes >> 20,
                   (size_t)pages * (size_t)page >> 20);
}

pn_status pn_exec_new(pn_exec **out, const pn_model *m, int max_batch, int threads,
                      pn_err *err)
{
    if (max_batch < 1 || threads < 1 || threads > 4096)
        return pn_fail(
            err, PN_EINVAL,
            "working memory for %d images and %d threads: both must be at least "
            "1",
            max_batch, threads);
    size_t images, scratch, all;
    if (!times((size_t)max_batch, (size_t)m->image_floats, &images) ||
        !times((size_t)threads, m->scratch_floats, &scratch) ||
        __builtin_add_overflow(images, scratch + 2 * (size_t)PN_PAD_BYTES, &all))
        return pn_fail(err, PN_ENOMEM, "working memory for %d images does not fit",
                       max_batch);
    pn_status st = check_machine(all, max_batch, err);
    if (st) return st;
    pn_exec *x = calloc(1, sizeof(*x));
    if (x) x->arena = aligned_alloc(PN_PAD_BYTES, all / PN_PAD_BYTES * PN_PAD_BYTES);
    if (!x || !x->arena) {
        free(x);
        return pn_fail(err, PN_ENOMEM,
                       "working memory for %d images: %zu bytes are not "
                       "to be had",
                       max_batch, all);
    }
    /* touched now: the first run is to be as fast as the others */
    memset(x->arena, 0, all / PN_PAD_BYTES * PN_PAD_BYTES);
    x->model = m;
    x->max_batch = max_batch;
    x->threads = threads;
    x->scratch = x->arena + images / sizeof(float);
    *out = x;
    return PN_OK;
}

void pn_exec_free(pn_exec **x)
{
    if (!*x) return;
    free((*x)->arena);
    free((*x)->layer_s);
    free(*x);
    *x = NULL;
}

static pn_run run_of(const pn_exec *x, int n)
{
    return (pn_run){.m = x->model,
                    .arena = x->arena,
                    .capacity = x->max_batch,
                    .n = n,
                    .threads = x->threads};
}

float *pn_exec_input(pn_exec *x, int slot)
{
    const pn_run r = run_of(x, 0);
    return pn_run_tensor(&r, x->model->input, slot);
}

void pn_exec_set_input_chw(pn_exec *x, int slot, const float *chw)
{
    const pn_tensor *t = &x->model->tensors[x->model->input];
    float *to = pn_exec_input(x, slot);
    const int64_t count = pn_shape_count(&t->shape);
    if (!pn_tensor_is_map(t)) {
        memcpy(to, chw, (size_t)count * sizeof(float));
        return;
    }
    const int64_t channels = t->shape.dim[0], pixels = count / channels;
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < channels; c++)
            to[p * channels + c] = chw[c * pixels + p];
}

/* A tap in C order of its own shape, wherever and however its floats lie. */
static void copy_tap(const pn_run *r, const pn_tap *tap, int image, float *to)
{
    const pn_tensor *t = &r->m->tensors[tap->tensor];
    const float *from = pn_run_tensor(r, tap->tensor, image);
    if (!pn_tensor_is_map(t)) {
        memcpy(to, from, tap->count * sizeof(float));
        return;
    }
    const int64_t pixels = t->shape.dim[1] * t->shape.dim[2];
    for (int64_t c = 0; c < t->shape.dim[0]; c++)
        for (int64_t p = 0; p < pixels; p++)
            *to++ = from[p * t->pixel_stride + c];
}

static float *tap_floats(const pn_exec *x, const pn_tap *tap, int slot)
{
    const int64_t stride =
        (int64_t)((tap->count + PN_PAD_BYTES / sizeof(float) - 1) /
                  (PN_PAD_BYTES / sizeof(float)) * (PN_PAD_BYTES / sizeof(float)));
    return x->arena + tap->out_offset * x->max_batch + slot * stride;
}

pn_status pn_exec_run(pn_exec *x, int n)
{
    if (n < 1 || n > x->max_batch) return PN_EINVAL;
    const pn_run r = run_of(x, n);
    pn_team_run(&r, x->threads, x->scratch, x->layer_s);
    for (int t = 0; t < x->model->n_taps; t++)
        for (int i = 0; i < n; i++)
            copy_tap(&r, &x->model->taps[t], i, tap_floats(x, &x->model->taps[t], i));
    return PN_OK;
}

const float *pn_exec_output(const pn_exec *x, int tap, int slot)
{
    return tap_floats(x, &x->model->taps[tap], slot);
}

pn_status pn_exec_profile(pn_exec *x)
{
    if (!x->layer_s) x->layer_s = calloc((size_t)x->model->n_layers + 1, sizeof(double));
    return x->layer_s ? PN_OK : PN_ENOMEM;
}

int pn_exec_layer_times(const pn_exec *x, int first, pn_layer_time *out, int n)
{
    const pn_model *m = x->model;
    for (int i = 0; i < n && first + i < m->n_layers; i++) {
        const pn_layer *l = &m->layers[first + i];
        out[i] = (pn_layer_time){.name = l->name,
                                 .op = pn_op_name(l->op),
                                 .node = l->node,
                                 .shape = m->tensors[l->out].shape,
                                 .busy_s = x->layer_s ? x->layer_s[first + i] : 0};
    }
    return m->n_layers;
}
