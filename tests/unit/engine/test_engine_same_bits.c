/* The same image gives the same bits in any batch, slot, team and thread. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/net.h"
#include "net_builder.h"

#define SIDE 25 /* more pixels than one tile of a convolution takes */
#define IMAGES 3
#define SLOTS 5

/* A little of everything that cuts its work into tasks. */
static net make_net(void)
{
    net n = net_new(3, SIDE, SIDE);
    int x = net_conv(&n, NULL, pn_graph_find(n.g, "x"), 3, 32, 7, 1, 1);
    x = net_unary(&n, PN_OP_RELU, NULL, net_norm(&n, NULL, x, 32));
    int y = net_conv(&n, NULL, x, 32, 32, 3, 1, 1); /* Winograd, with a residual */
    y = net_norm(&n, NULL, y, 32);
    x = net_unary(&n, PN_OP_RELU, NULL, net_binary(&n, PN_OP_ADD, NULL, x, y));
    x = net_pool(&n, PN_OP_MAX_POOL, NULL, x, 3, 2);
    y = net_conv(&n, NULL, x, 32, 32, 3, 1, 32);
    x = net_concat(&n, NULL, x, net_unary(&n, PN_OP_SIGMOID, NULL, y));
    x = net_conv(&n, NULL, x, 64, 64, 3, 1, 1); /* and without */
    x = net_conv(&n, NULL, x, 64, 288, 1, 1, 1);
    y = net_conv(&n, NULL, x, 288, 64, 3, 2, 4);
    y = net_pool(&n, PN_OP_AVERAGE_POOL, "pool", y, 2, 2);
    x = net_fc(&n, "fc", y, 64 * 9, 200);
    net_finish(&n, net_unary(&n, PN_OP_SOFTMAX, NULL, x));
    return n;
}

static const char *const taps[] = {"fc", "pool", NULL};
static float images[IMAGES][3 * SIDE * SIDE];

static void fill_images(void)
{
    for (int i = 0; i < IMAGES; i++)
        net_random(images[i], 3 * SIDE * SIDE, 100 + (uint64_t)i);
}

/* Whether an image goes through several layers alone, so that what is below shows it. */
static bool has_long_segment(const struct pn_model *m)
{
    for (int i = 0; i < m->n_segments; i++)
        if (m->segments[i].end - m->segments[i].first > 1) return true;
    return false;
}

/* Both taps of image `image`, run alone by one thread. */
typedef struct answer {
    float *tap[2];
} answer;

static void answer_free(answer *a)
{
    for (int t = 0; t < 2; t++)
        free(a->tap[t]);
}

static answer answer_alone(const pn_model *m, int image)
{
    answer a;
    pn_exec *x = NULL;
    assert_int_equal(pn_exec_new(&x, m, 1, 1, NULL), PN_OK);
    pn_exec_set_input_chw(x, 0, images[image]);
    assert_int_equal(pn_exec_run(x, 1), PN_OK);
    for (int t = 0; t < 2; t++) {
        const size_t size = pn_model_tap_count(m, t) * sizeof(float);
        a.tap[t] = malloc(size);
        assert_non_null(a.tap[t]);
        memcpy(a.tap[t], pn_exec_output(x, t, 0), size);
    }
    pn_exec_free(&x);
    return a;
}

static bool same(const pn_model *m, const pn_exec *x, int slot, const answer *a)
{
    for (int t = 0; t < 2; t++)
        if (memcmp(pn_exec_output(x, t, slot), a->tap[t],
                   pn_model_tap_count(m, t) * sizeof(float)) != 0)
            return false;
    return true;
}

static void check_level(pn_cpu cpu)
{
    net n = make_net();
    pn_model *m = net_compile(&n, cpu, taps);
    answer a[IMAGES];
    for (int i = 0; i < IMAGES; i++)
        a[i] = answer_alone(m, i);
    assert_true(has_long_segment(m));
    for (int threads = 1; threads <= 3; threads++) {
        pn_exec *x = NULL;
        assert_int_equal(pn_exec_new(&x, m, SLOTS, threads, NULL), PN_OK);
        /* by teams of 2 and 3 the last images of SLOTS are shared layer by layer */
        for (int used = IMAGES; used <= SLOTS; used += SLOTS - IMAGES)
            for (int shift = 0; shift < 2; shift++) {
                for (int i = 0; i < used; i++)
                    pn_exec_set_input_chw(x, i, images[(i + shift) % IMAGES]);
                assert_int_equal(pn_exec_run(x, used), PN_OK);
                for (int i = 0; i < used; i++)
                    assert_true(same(m, x, i, &a[(i + shift) % IMAGES]));
            }
        /* fewer images than before, and the input stays as it was put */
        assert_int_equal(pn_exec_run(x, 2), PN_OK);
        assert_true(same(m, x, 1, &a[2]));
        pn_exec_free(&x);
    }
    for (int i = 0; i < IMAGES; i++)
        answer_free(&a[i]);
    pn_model_free(&m);
    net_free(&n);
}

static void bits_hang_on_neither_batch_slot_nor_team(void **state)
{
    (void)state;
    check_level(PN_CPU_OPENBLAS);
    check_level(PN_CPU_C);
    for (pn_cpu level = PN_CPU_AVX2, l; level <= PN_CPU_AVX512; level++)
        if (pn_cpu_resolve(&l, level, NULL) == PN_OK) check_level(level);
}

/* Whole networks: what the kernels' own checks cannot see is which algorithm a level
 * takes for a layer. */
static void levels_of_our_own_agree_to_the_bit(void **state)
{
    (void)state;
    net n = make_net();
    pn_model *c = net_compile(&n, PN_CPU_C, taps);
    for (pn_cpu level = PN_CPU_AVX2, l; level <= PN_CPU_AVX512; level++) {
        if (pn_cpu_resolve(&l, level, NULL)) continue;
        pn_model *m = net_compile(&n, level, taps);
        for (int i = 0; i < IMAGES; i++) {
            answer want = answer_alone(c, i), got = answer_alone(m, i);
            for (int t = 0; t < 2; t++)
                assert_memory_equal(got.tap[t], want.tap[t],
                                    pn_model_tap_count(m, t) * sizeof(float));
            answer_free(&want);
            answer_free(&got);
        }
        pn_model_free(&m);
    }
    pn_model_free(&c);
    net_free(&n);
}

typedef struct job {
    const pn_model *m;
    int image;
    const answer *want;
    bool ok;
} job;

static void *run_job(void *arg)
{
    job *j = arg;
    pn_exec *x = NULL;
    if (pn_exec_new(&x, j->m, 2, 1, NULL)) return NULL;
    pn_exec_set_input_chw(x, 1, images[j->image]);
    j->ok = true;
    for (int k = 0; k < 3; k++)
        j->ok = j->ok && !pn_exec_run(x, 2) && same(j->m, x, 1, j->want);
    pn_exec_free(&x);
    return NULL;
}

static void many_threads_run_one_model_at_once(void **state)
{
    (void)state;
    net n = make_net();
    pn_model *m = net_compile(&n, PN_CPU_OPENBLAS, taps);
    answer a[IMAGES];
    job jobs[IMAGES];
    pthread_t threads[IMAGES];
    for (int i = 0; i < IMAGES; i++)
        a[i] = answer_alone(m, i);
    for (int i = 0; i < IMAGES; i++) {
        jobs[i] = (job){m, i, &a[i], false};
        assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    }
    for (int i = 0; i < IMAGES; i++) {
        pthread_join(threads[i], NULL);
        assert_true(jobs[i].ok);
    }
    for (int i = 0; i < IMAGES; i++)
        answer_free(&a[i]);
    pn_model_free(&m);
    net_free(&n);
}

int main(void)
{
    fill_images();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_hang_on_neither_batch_slot_nor_team),
        cmocka_unit_test(levels_of_our_own_agree_to_the_bit),
        cmocka_unit_test(many_threads_run_one_model_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
