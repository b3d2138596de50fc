/*
 * One net, many ways: its features and probabilities have the same bits in every batch,
 * slot, team and company, and at every level of our own.
 *
 * usage: test_same_bits FOLDER | MODEL.onnx   a folder with golden.json and its
 * checkpoint
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels/kernels.h"
#include "penult/convert.h"
#include "tests/support/golden.h"

enum { IMAGES = 3, MAX_TAPS = 10 };
#define SMALL_INPUT (3 * 50 * 50) /* floats: a batch of 32 of those is quick */

typedef struct subject {
    pn_graph *g;
    json_t *json; /* lends the names */
    const char *taps[MAX_TAPS];
    int n_taps; /* 0: the graph's outputs */
    size_t input_floats;
    float *images; /* IMAGES of them */
} subject;

#define ok(call, err)                                                                    \
    do {                                                                                 \
        if (call) fail_msg("%s: %s", #call, pn_err_text(err));                           \
    } while (0)

static void read_golden(subject *s, const char *folder)
{
    char paths[2][2048], shape[64];
    const char *inputs[] = {paths[0], paths[1]}, *shapes[] = {shape};
    pn_err err = {0};
    snprintf(paths[0], sizeof(paths[0]), "%s/golden.json", folder);
    s->json = json_load_file(paths[0], 0, NULL);
    assert_non_null(s->json);
    for (size_t i = 0; i < 2; i++)
        snprintf(
            paths[i], sizeof(paths[i]), "%s/%s", folder,
            json_string_value(json_array_get(json_object_get(s->json, "checkpoint"), i)));
    const json_t *dims = json_object_get(s->json, "input_shape");
    snprintf(shape, sizeof(shape), "%d,%d,%d",
             (int)json_integer_value(json_array_get(dims, 0)),
             (int)json_integer_value(json_array_get(dims, 1)),
             (int)json_integer_value(json_array_get(dims, 2)));
    const pn_convert_opts opts = {
        .inputs = inputs, .n_inputs = 2, .input_shapes = shapes, .n_input_shapes = 1};
    ok(pn_convert(&s->g, &opts, &err), &err);
    const json_t *tensors = json_object_get(s->json, "tensors");
    s->n_taps = (int)json_array_size(tensors);
    assert_in_range(s->n_taps, 1, MAX_TAPS);
    for (int i = 0; i < s->n_taps; i++)
        s->taps[i] = json_string_value(
            json_object_get(json_array_get(tensors, (size_t)i), "name"));
}

static int setup(void **state)
{
    subject *s = calloc(1, sizeof(*s));
    const char *path = *state, *end = strrchr(path, '.');
    double shift = 127.5, scale = 1 / 64.0;
    uint64_t seed = 1;
    pn_err err = {0};
    assert_non_null(s);
    if (end && strcmp(end, ".onnx") == 0) {
        ok(pn_graph_read_onnx(&s->g, path, &err), &err);
    } else {
        read_golden(s, path);
        shift = json_number_value(json_object_get(s->json, "shift"));
        scale = json_number_value(json_object_get(s->json, "scale"));
        seed = (uint64_t)json_integer_value(json_object_get(s->json, "seed"));
    }
    s->input_floats = (size_t)pn_shape_count(&s->g->values[s->g->inputs[0]].shape);
    s->images = malloc(IMAGES * s->input_floats * sizeof(*s->images));
    assert_non_null(s->images);
    pn_golden_input(s->images, IMAGES * s->input_floats, seed, shift, scale);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    subject *s = *state;
    pn_graph_free(&s->g);
    json_decref(s->json);
    free(s->images);
    free(s);
    return 0;
}

static pn_model *compile(const subject *s, pn_cpu level)
{
    const pn_model_opts opts = {
        .cpu = level, .taps = s->n_taps ? s->taps : NULL, .n_taps = s->n_taps};
    pn_model *m = NULL;
    pn_err err = {0};
    ok(pn_model_compile(&m, s->g, &opts, &err), &err);
    return m;
}

typedef struct answer {
    float *tap[MAX_TAPS];
} answer;

static void answers_free(answer *a)
{
    for (int i = 0; i < IMAGES; i++)
        for (int t = 0; t < MAX_TAPS; t++)
            free(a[i].tap[t]);
}

static int n_taps(const pn_model *m)
{
    pn_model_info info;
    pn_model_get_info(m, &info);
    return info.n_taps;
}

/* Each image by itself, on one thread. */
static void answer_alone(const subject *s, const pn_model *m, answer *a)
{
    pn_exec *x = NULL;
    memset(a, 0, IMAGES * sizeof(*a));
    assert_int_equal(pn_exec_new(&x, m, 1, 1, NULL), PN_OK);
    for (size_t i = 0; i < IMAGES; i++) {
        pn_exec_set_input_chw(x, 0, s->images + i * s->input_floats);
        assert_int_equal(pn_exec_run(x, 1), PN_OK);
        for (int t = 0; t < n_taps(m); t++) {
            const size_t size = pn_model_tap_count(m, t) * sizeof(float);
            a[i].tap[t] = malloc(size);
            assert_non_null(a[i].tap[t]);
            memcpy(a[i].tap[t], pn_exec_output(x, t, 0), size);
        }
    }
    pn_exec_free(&x);
}

typedef struct way {
    int batch, threads;
} way;

/* Which image a slot holds: other neighbours in every batch. */
static size_t image_of(const way *w, int slot)
{
    return (size_t)(slot * (1 + w->batch % 2) + w->threads) % IMAGES;
}

static void check_way(const subject *s, const pn_model *m, pn_cpu level,
                      const answer *want, const way *w)
{
    pn_exec *x = NULL;
    assert_int_equal(pn_exec_new(&x, m, w->batch, w->threads, NULL), PN_OK);
    for (int slot = 0; slot < w->batch; slot++)
        pn_exec_set_input_chw(x, slot, s->images + image_of(w, slot) * s->input_floats);
    assert_int_equal(pn_exec_run(x, w->batch), PN_OK);
    for (int slot = 0; slot < w->batch; slot++)
        for (int t = 0; t < n_taps(m); t++)
            if (memcmp(pn_exec_output(x, t, slot), want[image_of(w, slot)].tap[t],
                       pn_model_tap_count(m, t) * sizeof(float)) != 0)
                fail_msg("tap %d of slot %d differs: %s, batch %d, %d threads", t, slot,
                         pn_cpu_name(level), w->batch, w->threads);
    pn_exec_free(&x);
}

/* The references are slow, and so are nets of large inputs: those go fewer ways, and in
 * the largest batch at one level only. */
static void check_level(const subject *s, pn_cpu level, const answer *want)
{
    static const way many[] = {{1, 2}, {1, 4}, {2, 1}, {2, 3}, {5, 2},
                               {5, 3}, {8, 1}, {8, 4}, {32, 2}};
    static const way few[] = {{1, 4}, {2, 1}, {5, 3}, {8, 2}, {32, 3}},
                     fewest[] = {{2, 3}};
    const bool is_small = s->input_floats <= SMALL_INPUT;
    const way *w = level == PN_CPU_C ? fewest : is_small ? many : few;
    pn_cpu best;
    assert_int_equal(pn_cpu_resolve(&best, PN_CPU_AUTO, NULL), PN_OK);
    const size_t n = level == PN_CPU_C ? 1 : is_small ? 9 : level == best ? 5 : 4;
    pn_model *m = compile(s, level);
    for (size_t i = 0; i < n; i++)
        check_way(s, m, level, want, &w[i]);
    pn_model_free(&m);
}

/* The levels' order: the reference first. */
static void bits_hang_on_nothing_but_the_image(void **state)
{
    const subject *s = *state;
    static const pn_cpu own[] = {PN_CPU_C, PN_CPU_AVX2, PN_CPU_AVX512};
    answer want[IMAGES], got[IMAGES];
    pn_model *m = compile(s, PN_CPU_C);
    answer_alone(s, m, want);
    for (size_t l = 0; l < sizeof(own) / sizeof(*own); l++) {
        pn_cpu level;
        if (pn_cpu_resolve(&level, own[l], NULL) == PN_OK) check_level(s, level, want);
    }
    pn_model_free(&m);
    answers_free(want);
    m = compile(s, PN_CPU_OPENBLAS); /* has bits of its own */
    answer_alone(s, m, got);
    check_level(s, PN_CPU_OPENBLAS, got);
    pn_model_free(&m);
    answers_free(got);
}

/* Nothing compared with nothing would be the same too: a net so narrow that no image gets
 * past one of its ReLUs gives one answer for all. */
static void different_images_have_different_bits(void **state)
{
    const subject *s = *state;
    answer a[IMAGES];
    pn_model *m = compile(s, PN_CPU_AUTO);
    answer_alone(s, m, a);
    bool differ = false;
    for (int t = 0; t < n_taps(m); t++)
        for (int i = 1; i < IMAGES; i++)
            differ |= memcmp(a[0].tap[t], a[i].tap[t],
                             pn_model_tap_count(m, t) * sizeof(float)) != 0;
    assert_true(differ);
    pn_model_free(&m);
    answers_free(a);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(bits_hang_on_nothing_but_the_image,
                                                 setup, teardown, argv[1]),
        cmocka_unit_test_prestate_setup_teardown(different_images_have_different_bits,
                                                 setup, teardown, argv[1]),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: test_same_bits FOLDER | MODEL.onnx\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
