#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <math.h>

#include "penult/model.h"

static void check_order(const float *scores, size_t n, const uint32_t *want, size_t k)
{
    pn_score top[16];
    pn_top_k(scores, n, top, k);
    for (size_t i = 0; i < k; i++) {
        assert_int_equal(top[i].index, want[i]);
        const float s = scores[want[i]];
        assert_true(isnan(s) ? isnan(top[i].probability) : top[i].probability == s);
    }
}

static void top_k_is_descending_with_ties_by_lower_index(void **state)
{
    (void)state;
    const float scores[] = {1, 3, 2, 3, -1, 3, 0};
    check_order(scores, 7, (const uint32_t[]){1, 3, 5, 2, 0, 6, 4}, 7);
    check_order(scores, 7, (const uint32_t[]){1, 3}, 2);
    check_order(scores, 7, (const uint32_t[]){1}, 1);
}

static void top_k_puts_nan_last(void **state)
{
    (void)state;
    const float scores[] = {NAN, -INFINITY, NAN, 5, INFINITY};
    check_order(scores, 5, (const uint32_t[]){4, 3, 1, 0, 2}, 5);
    check_order(scores, 5, (const uint32_t[]){4, 3}, 2);
}

static void top_k_agrees_with_selection_on_many_scores(void **state)
{
    (void)state;
    enum { N = 500, K = 16 };
    float scores[N];
    uint64_t seed = 7;
    for (int i = 0; i < N; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        scores[i] = (float)(seed >> 56); /* 256 values: many ties */
    }
    pn_score top[K];
    pn_top_k(scores, N, top, K);
    bool taken[N] = {false};
    for (int k = 0; k < K; k++) {
        int best = -1;
        for (int i = 0; i < N; i++)
            if (!taken[i] && (best < 0 || scores[i] > scores[best])) best = i;
        taken[best] = true;
        assert_int_equal(top[k].index, best);
    }
}

static void softmax_of_known_numbers(void **state)
{
    (void)state;
    float x[] = {1, 2, 3};
    pn_softmax(x, 3);
    assert_float_equal(x[0], 0.09003057, 1e-7);
    assert_float_equal(x[1], 0.24472847, 1e-7);
    assert_float_equal(x[2], 0.66524096, 1e-7);
}

static void softmax_of_large_numbers_does_not_overflow(void **state)
{
    (void)state;
    float x[] = {1000, 1000, -1000};
    pn_softmax(x, 3);
    assert_true(x[0] == 0.5F && x[1] == 0.5F && x[2] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(top_k_is_descending_with_ties_by_lower_index),
        cmocka_unit_test(top_k_puts_nan_last),
        cmocka_unit_test(top_k_agrees_with_selection_on_many_scores),
        cmocka_unit_test(softmax_of_known_numbers),
        cmocka_unit_test(softmax_of_large_numbers_does_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
