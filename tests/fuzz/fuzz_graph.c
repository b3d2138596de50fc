/* What follows once a reader has let a graph in. The rules it must then keep are held
 * here, and two that only a comparison can find: what we write we read as a graph that
 * computes the same, and the levels of the engine agree to the bit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "penult/export.h"
#include "penult/model.h"
#include "penult/parity.h"
#include "tests/fuzz/fuzz.h"

/* an input is to take some milliseconds, under the sanitizers too */
enum { MAX_NODES = 500, FEW_NODES = 20, MAX_ELEMENTS = 1 << 17, MAX_WORK = 1 << 20 };

static int64_t capped(int64_t n)
{
    return n < 0 || n > MAX_WORK ? MAX_WORK + 1 : n;
}

static int64_t elements(const pn_value *v)
{
    return v->has_shape ? capped(pn_shape_count(&v->shape)) : 1;
}

/* multiply-adds, and as many again for what windows read */
static int64_t work_of(const pn_graph *g, const pn_node *n)
{
    int64_t work = capped(pn_node_macs(g, n)), window = 1;
    for (int i = 0; i < n->n_attrs; i++)
        if (!strcmp(n->attrs[i].name, "kernel_shape"))
            for (size_t k = 0; k < n->attrs[i].n && n->attrs[i].ints; k++)
                window = capped(window * capped(n->attrs[i].ints[k]));
    for (int i = 0; i < n->n_outputs; i++)
        work = capped(work + capped(window * elements(&g->values[n->outputs[i]])));
    return work;
}

static bool is_small(const pn_graph *g)
{
    int64_t work = 0, all = 0;
    if (g->n_nodes > MAX_NODES) return false;
    for (int i = 0; i < g->n_values; i++) {
        all += elements(&g->values[i]);
        if (all > MAX_ELEMENTS) return false;
    }
    for (int i = 0; i < g->n_nodes; i++)
        work = capped(work + work_of(g, &g->nodes[i]));
    return work <= MAX_WORK;
}

static void check_rules(const pn_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const pn_node *n = &g->nodes[i];
        for (int k = 0; k < n->n_inputs; k++) {
            if (n->inputs[k] == PN_NONE) continue;
            PN_FUZZ_CHECK(n->inputs[k] >= 0 && n->inputs[k] < g->n_values);
            PN_FUZZ_CHECK(g->values[n->inputs[k]].producer < i);
        }
        for (int k = 0; k < n->n_outputs; k++) {
            PN_FUZZ_CHECK(n->outputs[k] >= 0 && n->outputs[k] < g->n_values);
            PN_FUZZ_CHECK(g->values[n->outputs[k]].producer == i);
        }
    }
    for (int i = 0; i < g->n_values; i++) {
        const pn_value *v = &g->values[i];
        PN_FUZZ_CHECK(v->name && v->name[0]);
        if (v->data)
            PN_FUZZ_CHECK((size_t)pn_shape_count(&v->shape) * pn_dtype_size(v->dtype) ==
                          v->size_bytes);
    }
}

static bool is_first(const pn_graph *g, int output)
{
    for (int i = 0; i < output; i++)
        if (g->outputs[i] == g->outputs[output]) return false;
    return true;
}

/* nodes may differ: what is constant is folded on reading */
static void check_same(const pn_graph *a, const pn_graph *b)
{
    PN_FUZZ_CHECK(a->n_inputs == b->n_inputs);
    int k = 0; /* in a file an output is listed once */
    for (int i = 0; i < a->n_outputs; i++) {
        if (!is_first(a, i)) continue;
        PN_FUZZ_CHECK(k < b->n_outputs);
        const pn_value *x = &a->values[a->outputs[i]], *y = &b->values[b->outputs[k++]];
        PN_FUZZ_CHECK(!strcmp(x->name, y->name));
        PN_FUZZ_CHECK(x->has_shape == y->has_shape &&
                      (!x->has_shape || pn_shape_equal(&x->shape, &y->shape)));
    }
    PN_FUZZ_CHECK(k == b->n_outputs);
}

static pn_graph *write_and_read(const pn_graph *g)
{
    char path[96];
    pn_graph *again = NULL;
    pn_err err = {0};
    snprintf(path, sizeof(path), "%s/g.onnx", pn_fuzz_folder());
    pn_status st = pn_export(g, path, &err);
    if (st) pn_fuzz_broken(pn_err_text(&err));
    st = pn_graph_read_onnx(&again, path, &err);
    if (st) pn_fuzz_broken(pn_err_text(&err));
    check_same(g, again);
    unlink(path);
    return again;
}

/* Formats that have no words for every graph: whole, or refused with the reason. */
static void write_others(const pn_graph *g)
{
    static const char *const endings[][3] = {{".pb", ".json", ".npy"},
                                             {".py", ".safetensors", ".pth"}};
    char path[96];
    pn_err err = {0};
    if (g->n_nodes > FEW_NODES) return;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        snprintf(path, sizeof(path), "%s/g%s", pn_fuzz_folder(), endings[i][0]);
        pn_status st = pn_export(g, path, &err);
        PN_FUZZ_CHECK(!st || st == PN_EUNSUPPORTED);
        pn_fuzz_said_why(st, &err);
        for (int k = 0; k < 3; k++) {
            snprintf(path, sizeof(path), "%s/g%s", pn_fuzz_folder(), endings[i][k]);
            PN_FUZZ_CHECK((unlink(path) == 0) == (st == PN_OK));
        }
    }
}

/* The outputs of one image, one behind the other; NULL where the engine cannot run it.
 * counts: of each output, or NULL. */
static float *run(const pn_graph *g, const pn_model_opts *opts, size_t *counts,
                  size_t *count)
{
    pn_model *m = NULL;
    pn_exec *x = NULL;
    pn_err err = {0};
    pn_status st = pn_model_compile(&m, g, opts, &err);
    pn_fuzz_said_why(st, &err);
    if (st) return NULL;
    pn_model_info info;
    pn_model_get_info(m, &info);
    PN_FUZZ_CHECK(!pn_exec_new(&x, m, 1, 1, &err));
    const size_t inputs =
        (size_t)info.channels * (size_t)info.height * (size_t)info.width;
    for (size_t i = 0; i < inputs; i++)
        pn_exec_input(x, 0)[i] = (float)((i * 37 + 11) % 64) / 16 - 2;
    PN_FUZZ_CHECK(!pn_exec_run(x, 1));
    *count = 0;
    for (int i = 0; i < info.n_taps; i++) {
        *count += pn_model_tap_count(m, i);
        if (counts) counts[i] = pn_model_tap_count(m, i);
    }
    float *all = malloc((*count + 1) * sizeof(*all)), *to = all;
    PN_FUZZ_CHECK(all != NULL);
    for (int i = 0; i < info.n_taps; to += pn_model_tap_count(m, i++))
        memcpy(to, pn_exec_output(x, i, 0), pn_model_tap_count(m, i) * sizeof(*to));
    pn_exec_free(&x);
    pn_model_free(&m);
    return all;
}

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

/* which of several NaNs survives a sum is no business of ours */
static void check_equal(const float *a, size_t n, const float *b, size_t m)
{
    PN_FUZZ_CHECK(n == m);
    if (all_finite(a, n)) PN_FUZZ_CHECK(!memcmp(a, b, n * sizeof(*a)));
}

static float greatest(const float *x, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) <= most)) most = fabsf(x[i]); /* a NaN stays */
    return most;
}

/* Whether each tensor on the way, and its square, stays in a float's range: what leaves
 * it inside a layer, at either end, is the model's own fault, as between layers. */
static bool is_tame(const pn_graph *g)
{
    const char **taps = calloc((size_t)g->n_values + 1, sizeof(*taps));
    size_t *counts = calloc((size_t)g->n_values + 1, sizeof(*counts)), n = 0;
    pn_model_opts opts = {.cpu = PN_CPU_C, .taps = taps};
    PN_FUZZ_CHECK(taps && counts);
    for (int i = 0; i < g->n_values; i++)
        if (g->values[i].producer != PN_NONE && g->values[i].dtype == PN_F32)
            taps[opts.n_taps++] = g->values[i].name;
    float *all = run(g, &opts, counts, &n);
    bool is_tame = true; /* without an answer too: then someone has to look */
    for (size_t i = 0, at = 0; all && at < n; at += counts[i++]) {
        const float most = greatest(all + at, counts[i]);
        is_tame = is_tame && (most == 0 || (most > 1e-15F && most < 1e15F));
    }
    free(all);
    free(counts);
    free(taps);
    return is_tame;
}

static void prove(const pn_graph *g)
{
    const pn_parity_opts opts = {.cpu = PN_CPU_C, .threads = 1};
    pn_parity p = {0};
    pn_err err = {0};
    pn_status st = pn_parity_check(&p, g, &opts, &err);
    pn_fuzz_said_why(st, &err);
    PN_FUZZ_CHECK(!st);
    if (!p.not_finite && !pn_parity_holds(&p) && is_tame(g)) {
        const pn_parity_layer *l = &p.layers[p.worst];
        fprintf(stderr, "%s \"%s\": %g relative, %g times its bound\n", l->op, l->name,
                l->relative, l->used);
        pn_fuzz_broken("no layer is off by more than its bound");
    }
    pn_parity_fini(&p);
}

void pn_fuzz_graph(const pn_graph *g)
{
    size_t n = 0, m = 0, k = 0;
    check_rules(g);
    if (!is_small(g)) return;
    pn_graph *again = write_and_read(g);
    write_others(g);
    const pn_model_opts c = {.cpu = PN_CPU_C}, avx2 = {.cpu = PN_CPU_AVX2};
    float *here = run(g, &c, NULL, &n), *there = run(again, &c, NULL, &m);
    float *simd = here ? run(g, &avx2, NULL, &k) : NULL;
    if (here && there && again->n_outputs == g->n_outputs) check_equal(here, n, there, m);
    if (here && simd) check_equal(here, n, simd, k);
    if (here) prove(g);
    free(here);
    free(there);
    free(simd);
    pn_graph_free(&again);
}

void pn_fuzz_graph_read(pn_status st, pn_graph **g, pn_err *err)
{
    PN_FUZZ_CHECK((st == PN_OK) == (*g != NULL));
    pn_fuzz_said_why(st, err);
    if (*g) {
        pn_fuzz_n_accepted++;
        pn_fuzz_graph(*g);
    }
    pn_graph_free(g);
}
