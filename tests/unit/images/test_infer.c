/*
 * The stage alone: the engine is played here. Its "model" gives, for the image in a slot,
 * three scores and two features that tell which pixels it saw, and notes what it was run
 * with.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <math.h>

#include "stages/transform/infer.h"

enum { SIDE = 2, PIXELS = SIDE * SIDE, SCORES = 3, FEATURES = 2, MAX_BATCH = 3 };

struct pn_model {
    pn_model_info info;
    pn_status run_status;
    int runs[8], n_runs;
};

/* the item whose answer is to be NaN, by its first float; 0: none */
static float sick;

struct pn_exec {
    struct pn_model *model;
    float input[MAX_BATCH][PIXELS * 3];
    float scores[MAX_BATCH][SCORES], features[MAX_BATCH][FEATURES];
};

static struct pn_model model;
static int live_execs;

void pn_model_get_info(const pn_model *m, pn_model_info *info)
{
    *info = m->info;
}

size_t pn_model_tap_count(const pn_model *m, int tap)
{
    (void)m;
    return tap == 0 ? SCORES : FEATURES;
}

pn_status pn_exec_new(pn_exec **out, const pn_model *m, int max_batch, int threads,
                      pn_err *err)
{
    (void)err;
    assert_ptr_equal(m, &model);
    assert_int_equal(max_batch, MAX_BATCH);
    assert_int_equal(threads, 2);
    *out = calloc(1, sizeof(**out));
    assert_non_null(*out);
    (*out)->model = &model;
    live_execs++;
    return PN_OK;
}

void pn_exec_free(pn_exec **x)
{
    if (*x) live_execs--;
    free(*x);
    *x = NULL;
}

float *pn_exec_input(pn_exec *x, int slot)
{
    assert_in_range(slot, 0, MAX_BATCH - 1);
    return x->input[slot];
}

/* scores 0, v, -v and features v, the last float of the input; v: the first float */
pn_status pn_exec_run(pn_exec *x, int n)
{
    x->model->runs[x->model->n_runs++] = n;
    for (int i = 0; i < n; i++) {
        float v = x->input[i][0];
        x->scores[i][0] = 0;
        x->scores[i][1] = v;
        x->scores[i][2] = -v;
        x->features[i][0] = v == sick && sick > 0 ? NAN : v;
        x->features[i][1] = x->input[i][PIXELS * 3 - 1];
    }
    return x->model->run_status;
}

const float *pn_exec_output(const pn_exec *x, int tap, int slot)
{
    return tap == 0 ? x->scores[slot] : x->features[slot];
}

/* marks what it was given, so that the stage's copy shows */
void pn_softmax(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += 1000;
}

void pn_top_k(const float *scores, size_t n, pn_score *out, size_t k)
{
    assert_true(k <= n && k == 1);
    out[0].index = scores[1] > scores[0] ? 1 : 0;
    out[0].probability = scores[out[0].index];
}

typedef struct rig {
    pn_preprocess preprocess;
    pn_infer_opts opts;
    void *shared, *state;
    pn_batch *batch;
} rig;

static void rig_init(rig *r)
{
    *r = (rig){.preprocess = {.height = SIDE,
                              .width = SIDE,
                              .channels = PN_CHANNELS_RGB,
                              .scale = 1,
                              .std = {1, 1, 1}}};
    model = (struct pn_model){
        .info = {.channels = 3, .height = SIDE, .width = SIDE, .n_taps = 2}};
    r->opts = (pn_infer_opts){.model = &model,
                              .preprocess = &r->preprocess,
                              .max_batch = MAX_BATCH,
                              .threads = 2,
                              .scores_tap = 0,
                              .features_tap = 1,
                              .top_k = 1};
    r->shared = calloc(1, pn_transform_infer.info.shared_size);
    r->state = calloc(1, pn_transform_infer.info.state_size);
    assert_true(r->shared && r->state);
    pn_batch_shape shape = {
        .capacity = 7, .height = SIDE, .width = SIDE, .top_k = 1, .n_features = FEATURES};
    assert_int_equal(pn_batch_new(&r->batch, &shape), PN_OK);
    pn_batch_reset(r->batch);
    r->batch->type = PN_TYPE_PIXELS;
}

static pn_status rig_open(rig *r, pn_err *err)
{
    return pn_transform_infer.info.open(r->shared, &r->opts, err);
}

static void rig_start(rig *r)
{
    assert_int_equal(rig_open(r, NULL), PN_OK);
    assert_int_equal(pn_transform_infer.info.start(r->state, r->shared, NULL), PN_OK);
}

static void rig_fini(rig *r)
{
    pn_transform_infer.info.stop(r->state);
    pn_transform_infer.info.close(r->shared);
    assert_int_equal(live_execs, 0);
    free(r->shared);
    free(r->state);
    pn_batch_free(&r->batch);
}

/* Items 0..n-1; item i's red is 10 + i in its first pixel, its blue 100 + i in its last.
 */
static void put_items(rig *r, int n)
{
    r->batch->n = n;
    for (int i = 0; i < n; i++) {
        uint8_t *p = r->batch->items[i].pixels;
        memset(p, 0, PIXELS * 3);
        p[2] = (uint8_t)(10 + i);
        p[PIXELS * 3 - 3] = (uint8_t)(100 + i);
    }
}

static void failed_items_take_no_slot_and_results_meet_their_items(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    rig_start(&r);
    put_items(&r, 7);
    pn_item_fail(&r.batch->items[0], PN_REASON_EMPTY, "x");
    pn_item_fail(&r.batch->items[3], PN_REASON_TRUNCATED, "x");
    r.batch->items[3].top->index = 77;
    assert_int_equal(pn_transform_infer.apply(r.state, r.batch, NULL), PN_OK);
    assert_int_equal(r.batch->type, PN_TYPE_RESULTS);
    assert_int_equal(model.n_runs, 2);
    assert_int_equal(model.runs[0], 3);
    assert_int_equal(model.runs[1], 2);
    for (int i = 0; i < 7; i++) {
        const pn_item *it = &r.batch->items[i];
        if (it->reason) continue;
        assert_int_equal(it->top[0].index, 1);
        assert_true(it->top[0].probability == (float)(10 + i));
        assert_true(it->features[0] == (float)(10 + i));
        assert_true(it->features[1] == (float)(100 + i));
    }
    assert_int_equal(r.batch->items[3].top->index, 77);
    rig_fini(&r);
}

static void an_answer_that_is_not_finite_is_a_failure_of_its_image(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    rig_start(&r);
    put_items(&r, 3);
    sick = 11;
    assert_int_equal(pn_transform_infer.apply(r.state, r.batch, NULL), PN_OK);
    sick = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(r.batch->items[i].reason,
                         i == 1 ? PN_REASON_NOT_FINITE : PN_REASON_NONE);
    assert_true(r.batch->items[2].features[0] == 12);
    rig_fini(&r);
}

static void softmax_works_on_a_copy(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    r.opts.softmax = true;
    r.opts.features_tap = 0;
    rig_start(&r);
    pn_batch_shape shape = r.batch->shape;
    shape.n_features = SCORES;
    pn_batch_free(&r.batch);
    assert_int_equal(pn_batch_new(&r.batch, &shape), PN_OK);
    pn_batch_reset(r.batch);
    put_items(&r, 1);
    assert_int_equal(pn_transform_infer.apply(r.state, r.batch, NULL), PN_OK);
    assert_true(r.batch->items[0].top[0].probability == 1010);
    assert_true(r.batch->items[0].features[1] == 10); /* as the model gave it */
    rig_fini(&r);
}

static void a_batch_of_failures_runs_nothing(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    rig_start(&r);
    put_items(&r, 2);
    pn_item_fail(&r.batch->items[0], PN_REASON_EMPTY, "x");
    pn_item_fail(&r.batch->items[1], PN_REASON_EMPTY, "x");
    assert_int_equal(pn_transform_infer.apply(r.state, r.batch, NULL), PN_OK);
    assert_int_equal(model.n_runs, 0);
    assert_int_equal(r.batch->type, PN_TYPE_RESULTS);
    rig_fini(&r);
}

static void a_model_that_fails_stops_the_run(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    rig_start(&r);
    put_items(&r, 1);
    model.run_status = PN_EINTERNAL;
    pn_err err = {0};
    assert_int_equal(pn_transform_infer.apply(r.state, r.batch, &err), PN_EINTERNAL);
    assert_int_equal(err.status, PN_EINTERNAL);
    pn_err_clear(&err);
    rig_fini(&r);
}

static void what_does_not_fit_the_model_is_refused(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    pn_err err = {0};
    r.opts.top_k = SCORES + 1;
    assert_int_equal(rig_open(&r, &err), PN_EINVAL);
    assert_non_null(strstr(pn_err_text(&err), "top_k is 4: the model has 3 classes"));
    pn_err_clear(&err);
    r.opts.top_k = 1;
    r.opts.scores_tap = 2;
    assert_int_equal(rig_open(&r, NULL), PN_EINVAL);
    r.opts.scores_tap = 0;
    r.preprocess.height = SIDE + 1;
    assert_int_equal(rig_open(&r, &err), PN_EMISMATCH);
    assert_non_null(strstr(pn_err_text(&err), "2x2"));
    pn_err_clear(&err);
    r.preprocess.height = SIDE;
    model.info.channels = 1;
    assert_int_equal(rig_open(&r, NULL), PN_EMISMATCH);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_items_take_no_slot_and_results_meet_their_items),
        cmocka_unit_test(an_answer_that_is_not_finite_is_a_failure_of_its_image),
        cmocka_unit_test(softmax_works_on_a_copy),
        cmocka_unit_test(a_batch_of_failures_runs_nothing),
        cmocka_unit_test(a_model_that_fails_stops_the_run),
        cmocka_unit_test(what_does_not_fit_the_model_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
