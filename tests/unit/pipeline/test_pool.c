/* Batches in circulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "pipeline/pool.h"

static const pn_batch_shape shape = {.capacity = 2, .height = 1, .width = 1, .top_k = 1};

static void pool_lends_each_batch_once_and_the_oldest_first(void **state)
{
    (void)state;
    pn_pool *p = NULL;
    pn_batch *b[3], *again;
    assert_int_equal(pn_pool_new(&p, 3, &shape), PN_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pn_pool_get(p, &b[i]), PN_OK);
    assert_ptr_not_equal(b[0], b[1]);
    assert_ptr_not_equal(b[1], b[2]);
    assert_ptr_not_equal(b[0], b[2]);
    b[2]->n = 2;
    pn_pool_put(p, b[2]);
    pn_pool_put(p, b[0]);
    assert_int_equal(pn_pool_get(p, &again), PN_OK);
    assert_ptr_equal(again, b[2]);
    assert_int_equal(again->n, 0);
    pn_pool_free(&p); /* frees the lent ones too: the leak checker looks */
    assert_null(p);
    pn_pool_free(&p);
}

static void impossible_pool_is_refused(void **state)
{
    (void)state;
    pn_pool *p = NULL;
    pn_batch_shape huge = {.capacity = 8, .n_features = SIZE_MAX / 8};
    assert_int_equal(pn_pool_new(&p, 0, &shape), PN_EINVAL);
    assert_int_equal(pn_pool_new(&p, 2, &huge), PN_ENOMEM);
    assert_null(p);
}

static void *get_until_end(void *arg)
{
    pn_batch *b;
    while (!pn_pool_get(arg, &b)) {
    }
    return NULL;
}

static void closing_wakes_who_waits_for_a_batch(void **state)
{
    (void)state;
    pn_pool *p = NULL;
    pthread_t waiter;
    pn_batch *b;
    assert_int_equal(pn_pool_new(&p, 2, &shape), PN_OK);
    pthread_create(&waiter, NULL, get_until_end, p);
    pn_pool_close(p);
    pthread_join(waiter, NULL);
    assert_int_equal(pn_pool_get(p, &b), PN_END);
    pn_pool_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_lends_each_batch_once_and_the_oldest_first),
        cmocka_unit_test(impossible_pool_is_refused),
        cmocka_unit_test(closing_wakes_who_waits_for_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
