/* Which array belongs to which tensor, and the run that makes the tensors. The engine is
 * run in batches that keep its memory bounded; of the arrays only pieces are converted.
 */
#include "cli/compare.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "penult/log.h"

enum { MAX_BATCH = 8, CHUNK = 4096, MAX_SIDE = 1 << 20 };
#define BATCH_BYTES (INT64_C(512) << 20) /* of the engine's memory, if one image fits */

/* the array that is fed */
typedef struct feed {
    pn_file *file;
    pn_npz *npz;
    pn_npy_array array;
    void *memory;
    int64_t image_floats;
    int height, width; /* to be asked of the engine; 0: as the model says */
} feed;

static pn_status out_of_memory(pn_err *err)
{
    return pn_fail(err, PN_ENOMEM, "compare: out of memory");
}

/* ---- what is fed ---- */

static void feed_fini(feed *f)
{
    free(f->memory);
    pn_npz_close(&f->npz);
    if (f->file) pn_file_close(&f->file);
}

/* the one array, or of several the one that is named as the input is */
static int entry_to_feed(const pn_npz *z, const char *input)
{
    const int n = pn_npz_count(z);
    for (int i = 0; i < n; i++)
        if (n == 1 || strcmp(pn_npz_name(z, i), input) == 0) return i;
    return PN_NONE;
}

/* The array is a batch of the model's input, or one image of it without the batch; height
 * and width of an image may be other ones than the model's. */
static pn_status fit_input(feed *f, int64_t *n_images, const pn_value *v,
                           const char *path, pn_err *err)
{
    const pn_shape *is = &f->array.shape, *want = &v->shape;
    const int lost = want->ndim - is->ndim;
    bool fits = (lost == 0 || lost == 1) && want->ndim > 1;
    *n_images = lost == 0 && fits ? is->dim[0] : 1;
    f->image_floats = 1;
    for (int d = 1; fits && d < want->ndim; d++) {
        const int64_t dim = is->dim[d - lost];
        const bool is_side = want->ndim == 4 && d > 1;
        if (dim != want->dim[d] && !(is_side && dim > 0 && dim <= MAX_SIDE)) fits = false;
        if (dim != want->dim[d] && fits) {
            f->height = (int)is->dim[2 - lost];
            f->width = (int)is->dim[3 - lost];
        }
        f->image_floats *= dim;
    }
    char a[PN_SHAPE_TEXT], b[PN_SHAPE_TEXT];
    if (!fits || *n_images < 1 || *n_images > INT_MAX || f->image_floats < 1)
        return pn_fail(
            err, PN_EMISMATCH, "%s is %s, but the model's input \"%s\" wants %s", path,
            pn_shape_text(is, a, sizeof(a)), v->name, pn_shape_text(want, b, sizeof(b)));
    if (f->height)
        pn_log(PN_LOG_WARN,
               "%s is %s, the model's input \"%s\" %s: it is run at that size", path,
               pn_shape_text(is, a, sizeof(a)), v->name,
               pn_shape_text(want, b, sizeof(b)));
    return PN_OK;
}

static pn_status open_input(feed *f, pn_compare *c, const char *path, pn_err *err)
{
    if (c->graph->n_inputs < 1)
        return pn_fail(err, PN_EUNSUPPORTED, "the model has no input");
    const pn_value *v = &c->graph->values[c->graph->inputs[0]];
    pn_status st = pn_file_open(&f->file, path, err);
    if (!st) st = pn_npz_open(&f->npz, f->file, err);
    if (st) return st;
    const int i = entry_to_feed(f->npz, v->name);
    if (i == PN_NONE)
        return pn_fail(err, PN_EINVAL,
                       "%s: holds %d arrays, none of them named as the model's input: "
                       "\"%s\"",
                       path, pn_npz_count(f->npz), v->name);
    st = pn_npz_read(f->npz, i, &f->array, &f->memory, err);
    return st ? st : fit_input(f, &c->n_images, v, path, err);
}

/* ---- what is expected ---- */

static pn_status open_expected(pn_compare *c, const pn_compare_opts *o, pn_err *err)
{
    c->files = calloc((size_t)o->n_expects + 1, sizeof(pn_file *));
    c->npz = calloc((size_t)o->n_expects + 1, sizeof(*c->npz));
    if (!c->files || !c->npz) return out_of_memory(err);
    int64_t arrays = 0;
    for (int i = 0; i < o->n_expects; i++) {
        c->n_files++;
        pn_status st = pn_file_open(&c->files[i], o->expects[i], err);
        if (!st) st = pn_npz_open(&c->npz[i], c->files[i], err);
        if (st) return st;
        arrays += pn_npz_count(c->npz[i]);
    }
    c->tensors = calloc((size_t)arrays + 1, sizeof(*c->tensors));
    c->skipped = calloc((size_t)arrays + 1, sizeof(*c->skipped));
    return c->tensors && c->skipped ? PN_OK : out_of_memory(err);
}

static bool is_computed(const pn_graph *g, int value)
{
    return value != PN_NONE && g->values[value].producer != PN_NONE &&
           g->values[value].has_shape;
}

static pn_status add_tensor(pn_compare *c, int file, int entry, int value, pn_err *err)
{
    pn_compared *t = &c->tensors[c->n_tensors];
    pn_status st = pn_npz_read(c->npz[file], entry, &t->want, &t->memory, err);
    if (st) return st;
    t->file = file;
    t->value = value;
    c->n_tensors++;
    return PN_OK;
}

static bool is_asked_for(const pn_compare *c, const pn_compare_opts *o, const char *name)
{
    for (int i = 0; i < o->n_tensors; i++)
        if (pn_graph_find(c->graph, o->tensors[i]) == pn_graph_find(c->graph, name))
            return true;
    return o->n_tensors == 0;
}

/* entries that are tensors of the model, and those that are not */
static pn_status pair_archive(pn_compare *c, const pn_compare_opts *o, int file,
                              pn_err *err)
{
    pn_status st = PN_OK;
    for (int i = 0; i < pn_npz_count(c->npz[file]) && !st; i++) {
        const char *name = pn_npz_name(c->npz[file], i);
        const int value = pn_graph_find(c->graph, name);
        if (!is_computed(c->graph, value))
            c->skipped[c->n_skipped++] = name;
        else if (is_asked_for(c, o, name))
            st = add_tensor(c, file, i, value, err);
    }
    return st;
}

/* the k-th .npy is the k-th --tensor; without any the choice waits for the shapes */
static pn_status pair_arrays(pn_compare *c, const pn_compare_opts *o, pn_err *err)
{
    if (o->n_tensors != o->n_expects && (o->n_tensors || o->n_expects > 1))
        return pn_fail(err, PN_EINVAL,
                       "compare: %d --tensor for %d --expect: each array wants its "
                       "tensor's name",
                       o->n_tensors, o->n_expects);
    pn_status st = PN_OK;
    for (int i = 0; i < o->n_expects && !st; i++)
        st = add_tensor(c, i, 0,
                        o->n_tensors ? pn_graph_find(c->graph, o->tensors[i]) : PN_NONE,
                        err);
    return st;
}

static pn_status fail_without_tensor(const pn_compare *c, const pn_compare_opts *o,
                                     pn_err *err)
{
    enum { SHOWN = 5 };
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to) return out_of_memory(err);
    for (int i = 0; i < c->n_skipped && i < SHOWN; i++)
        fprintf(to, "%s\"%.80s\"", i ? ", " : "; it has ", c->skipped[i]);
    if (c->n_skipped > SHOWN) fprintf(to, " and %d more", c->n_skipped - SHOWN);
    pn_status st = fclose(to) == 0 ? PN_EMISMATCH : out_of_memory(err);
    if (st == PN_EMISMATCH)
        pn_fail(err, st,
                "%s: no array in it is named as a computed tensor of the model is, such "
                "as the output \"%s\"%s",
                o->expects[0], c->graph->values[c->graph->outputs[0]].name, text);
    free(text);
    return st;
}

/* of what was asked for, all must be there */
static pn_status check_choice(const pn_compare *c, const pn_compare_opts *o, pn_err *err)
{
    for (int i = 0; i < o->n_tensors; i++) {
        const int value = pn_graph_find(c->graph, o->tensors[i]);
        int k = 0;
        while (k < c->n_tensors && c->tensors[k].value != value)
            k++;
        if (k == c->n_tensors)
            return pn_fail(err, PN_EINVAL,
                           "--tensor %s: %s has no array of a computed tensor of that "
                           "name",
                           o->tensors[i], o->expects[0]);
    }
    return PN_OK;
}

static pn_status pair(pn_compare *c, const pn_compare_opts *o, pn_err *err)
{
    int archives = 0;
    for (int i = 0; i < c->n_files; i++)
        archives += pn_npz_count(c->npz[i]) != 1 || *pn_npz_name(c->npz[i], 0);
    if (!archives) return pair_arrays(c, o, err);
    if (archives != c->n_files || (archives > 1 && o->n_tensors))
        return pn_fail(
            err, PN_EINVAL,
            "compare: --expect: an .npz names its arrays, an .npy has its name "
            "from --tensor: not both at once");
    pn_status st = PN_OK;
    for (int i = 0; i < c->n_files && !st; i++)
        st = pair_archive(c, o, i, err);
    if (!st) st = check_choice(c, o, err);
    return !st && c->n_tensors == 0 ? fail_without_tensor(c, o, err) : st;
}

/* ---- the model ---- */

static int by_place(const void *a, const void *b, void *graph)
{
    const pn_graph *g = graph;
    const int x = ((const pn_compared *)a)->value, y = ((const pn_compared *)b)->value;
    const int px = g->values[x].producer, py = g->values[y].producer;
    return px != py ? (px > py) - (px < py) : (x > y) - (x < y);
}

/* one array and not a word about what it is */
static bool is_without_name(const pn_compare *c, const pn_compare_opts *o)
{
    return o->n_tensors == 0 && c->tensors[0].value == PN_NONE;
}

/* A tensor a tap, in the graph's order; without names, the graph's outputs. A name that
 * is none is the engine's to refuse: it knows near ones. */
static pn_status compile(pn_compare *c, const pn_compare_opts *o, const feed *f,
                         pn_err *err)
{
    pn_model_opts m = {.cpu = o->cpu,
                       .exact = o->exact,
                       .height = f->height,
                       .width = f->width,
                       .threads = o->threads};
    const char **taps = calloc((size_t)c->n_tensors + 1, sizeof(*taps));
    if (!taps) return out_of_memory(err);
    bool is_known = true;
    for (int i = 0; i < c->n_tensors; i++)
        is_known = is_known && c->tensors[i].value != PN_NONE;
    if (is_known)
        qsort_r(c->tensors, (size_t)c->n_tensors, sizeof(*c->tensors), by_place,
                c->graph);
    for (int i = 0; i < c->n_tensors; i++) {
        taps[i] = is_known       ? c->graph->values[c->tensors[i].value].name
                  : o->n_tensors ? o->tensors[i]
                                 : NULL;
        c->tensors[i].tap = i;
    }
    if (!is_without_name(c, o)) {
        m.taps = taps;
        m.n_taps = c->n_tensors;
    }
    pn_status st = pn_model_compile(&c->model, c->graph, &m, err);
    free(taps);
    return st;
}

/* The array's shape is the tensor's for that many images, dimensions of 1 left out: a
 * dump may have lost its batch of one, a feature vector may be a map of one pixel. */
static bool shapes_fit(const pn_shape *is, const pn_shape *tap, int64_t n_images)
{
    int at = 0;
    for (int d = -1; d < tap->ndim; d++) {
        const int64_t dim = d < 0 ? n_images : tap->dim[d];
        if (dim == 1) continue;
        while (at < is->ndim && is->dim[at] == 1)
            at++;
        if (at == is->ndim || is->dim[at] != dim) return false;
        at++;
    }
    while (at < is->ndim && is->dim[at] == 1)
        at++;
    return at == is->ndim;
}

/* the only output that the array fits, else the first */
static void choose_output(pn_compare *c)
{
    int fitting = 0, tap = 0;
    for (int i = 0; i < c->graph->n_outputs; i++)
        if (shapes_fit(&c->tensors[0].want.shape, pn_model_tap_shape(c->model, i),
                       c->n_images) &&
            fitting++ == 0)
            tap = i;
    if (fitting != 1) tap = 0;
    c->tensors[0].tap = tap;
    c->tensors[0].value = c->graph->outputs[tap];
}

pn_shape pn_compared_shape(const pn_compare *c, const pn_compared *t)
{
    const pn_shape *tap = pn_model_tap_shape(c->model, t->tap);
    pn_shape s = {.ndim = tap->ndim + 1, .dim = {c->n_images}};
    for (int d = 0; d < tap->ndim; d++)
        s.dim[d + 1] = tap->dim[d];
    return s;
}

static pn_status check_shapes(const pn_compare *c, const pn_compare_opts *o, pn_err *err)
{
    char *text = NULL, a[PN_SHAPE_TEXT], b[PN_SHAPE_TEXT];
    size_t size = 0;
    int n = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to) return out_of_memory(err);
    for (int i = 0; i < c->n_tensors; i++) {
        const pn_compared *t = &c->tensors[i];
        const pn_shape *tap = pn_model_tap_shape(c->model, t->tap);
        if (shapes_fit(&t->want.shape, tap, c->n_images)) continue;
        const pn_shape whole = pn_compared_shape(c, t);
        fprintf(to, "%s%s: the array is %s, the tensor \"%s\" is %s", n++ ? "; " : "",
                o->expects[t->file], pn_shape_text(&t->want.shape, a, sizeof(a)),
                c->graph->values[t->value].name, pn_shape_text(&whole, b, sizeof(b)));
    }
    pn_status st = fclose(to) == 0 ? PN_OK : out_of_memory(err);
    if (!st && n) st = pn_fail(err, PN_EMISMATCH, "%s", text);
    free(text);
    return st;
}

/* ---- the run ---- */

static int batch_size(const pn_compare *c)
{
    pn_model_info info;
    pn_model_get_info(c->model, &info);
    int64_t n = info.image_bytes ? BATCH_BYTES / info.image_bytes : MAX_BATCH;
    if (n > MAX_BATCH) n = MAX_BATCH;
    if (n > c->n_images) n = c->n_images;
    return n < 1 ? 1 : (int)n;
}

static pn_status compare_image(pn_compared *t, const pn_compare *c, const float *got,
                               int64_t image)
{
    double want[CHUNK];
    const int64_t n = (int64_t)pn_model_tap_count(c->model, t->tap);
    pn_status st = PN_OK;
    for (int64_t i = 0, now; i < n && !st; i += now) {
        now = n - i < CHUNK ? n - i : CHUNK;
        st = pn_npy_to_f64(&t->want, image * n + i, now, want);
        if (!st) pn_difference_add(&t->diff, got + i, want, now, image * n + i);
    }
    return st;
}

static pn_status run_batch(pn_compare *c, const feed *f, pn_exec *x, float *image,
                           int64_t first, int n)
{
    pn_status st = PN_OK;
    for (int i = 0; i < n && !st; i++) {
        st = pn_npy_to_f32(&f->array, (first + i) * f->image_floats, f->image_floats,
                           image);
        if (!st) pn_exec_set_input_chw(x, i, image);
    }
    if (!st) st = pn_exec_run(x, n);
    for (int t = 0; t < c->n_tensors; t++)
        for (int i = 0; i < n && !st; i++)
            st = compare_image(&c->tensors[t], c, pn_exec_output(x, c->tensors[t].tap, i),
                               first + i);
    return st;
}

static pn_status run(pn_compare *c, const feed *f, int threads, pn_err *err)
{
    pn_exec *x = NULL;
    const int batch = batch_size(c);
    pn_status st = pn_exec_new(&x, c->model, batch, threads, err);
    if (st) return st;
    float *image = malloc((size_t)f->image_floats * sizeof(*image));
    if (!image) st = out_of_memory(err);
    for (int64_t i = 0; i < c->n_images && !st; i += batch)
        if ((st = run_batch(c, f, x, image, i,
                            (int)(c->n_images - i < batch ? c->n_images - i : batch))))
            pn_fail(err, st, "compare: %s", pn_status_name(st));
    free(image);
    pn_exec_free(&x);
    return st;
}

pn_status pn_compare_run(pn_compare *c, const pn_compare_opts *o, pn_err *err)
{
    feed f = {0};
    pn_status st = pn_cli_read_model(&c->graph, &o->model, err);
    if (!st) st = open_input(&f, c, o->input, err);
    if (!st) st = open_expected(c, o, err);
    if (!st) st = pair(c, o, err);
    if (!st) st = compile(c, o, &f, err);
    if (!st && is_without_name(c, o)) choose_output(c);
    if (!st) st = check_shapes(c, o, err);
    if (!st) st = run(c, &f, o->threads, err);
    feed_fini(&f);
    return st;
}

void pn_compare_fini(pn_compare *c)
{
    for (int i = 0; i < c->n_tensors; i++)
        free(c->tensors[i].memory);
    for (int i = 0; i < c->n_files; i++) {
        pn_npz_close(&c->npz[i]);
        if (c->files[i]) pn_file_close(&c->files[i]);
    }
    free(c->tensors);
    free(c->skipped);
    free(c->files);
    free(c->npz);
    pn_model_free(&c->model);
    pn_graph_free(&c->graph);
}
