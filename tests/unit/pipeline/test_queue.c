/* The bounded hand-off. Batches here are bare: a queue only links them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "pipeline/queue.h"

static void queue_keeps_the_order(void **state)
{
    (void)state;
    pn_queue *q = NULL;
    pn_batch b[3] = {{.n = 0}}, *got;
    assert_int_equal(pn_queue_new(&q, 3), PN_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pn_queue_push(q, &b[i]), PN_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pn_queue_pop(q, &got), PN_OK);
        assert_ptr_equal(got, &b[i]);
    }
    pn_queue_free(&q);
    assert_null(q);
    pn_queue_free(&q);
}

static void queue_without_room_is_refused(void **state)
{
    (void)state;
    pn_queue *q = NULL;
    assert_int_equal(pn_queue_new(&q, 0), PN_EINVAL);
    assert_null(q);
}

static void closed_queue_takes_nothing_and_gives_what_it_has(void **state)
{
    (void)state;
    pn_queue *q = NULL;
    pn_batch b[2] = {{.n = 0}}, *got;
    assert_int_equal(pn_queue_new(&q, 2), PN_OK);
    assert_int_equal(pn_queue_push(q, &b[0]), PN_OK);
    pn_queue_close(q);
    pn_queue_close(q);
    assert_int_equal(pn_queue_push(q, &b[1]), PN_END);
    assert_int_equal(pn_queue_pop_within(q, &got, 10000), PN_OK);
    assert_ptr_equal(got, &b[0]);
    assert_int_equal(pn_queue_pop(q, &got), PN_END);
    assert_int_equal(pn_queue_pop_within(q, &got, 10000), PN_END);
    pn_queue_free(&q);
}

static void empty_queue_says_again_after_the_time(void **state)
{
    (void)state;
    pn_queue *q = NULL;
    pn_batch *got;
    assert_int_equal(pn_queue_new(&q, 1), PN_OK);
    assert_int_equal(pn_queue_pop_within(q, &got, 1), PN_AGAIN);
    assert_int_equal(pn_queue_pop_within(q, &got, 0), PN_AGAIN);
    pn_queue_free(&q);
}

#define N 2000
typedef struct traffic {
    pn_queue *q;
    pn_batch batches[N];
    int seen[N];
    pthread_mutex_t lock;
    pn_status last;
} traffic;

static void *push_all(void *arg)
{
    traffic *t = arg;
    for (int i = 0; i < N && !t->last; i++)
        t->last = pn_queue_push(t->q, &t->batches[i]);
    return NULL;
}

static void *pop_all(void *arg)
{
    traffic *t = arg;
    pn_batch *b;
    while (!pn_queue_pop(t->q, &b)) {
        pthread_mutex_lock(&t->lock);
        t->seen[b - t->batches]++;
        pthread_mutex_unlock(&t->lock);
    }
    return NULL;
}

static void every_batch_arrives_once_through_one_place(void **state)
{
    (void)state;
    static traffic t = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t pusher, poppers[3];
    assert_int_equal(pn_queue_new(&t.q, 1), PN_OK);
    for (int i = 0; i < 3; i++)
        pthread_create(&poppers[i], NULL, pop_all, &t);
    pthread_create(&pusher, NULL, push_all, &t);
    pthread_join(pusher, NULL);
    pn_queue_close(t.q);
    for (int i = 0; i < 3; i++)
        pthread_join(poppers[i], NULL);
    assert_int_equal(t.last, PN_OK);
    for (int i = 0; i < N; i++)
        assert_int_equal(t.seen[i], 1);
    pn_queue_free(&t.q);
}

static void closing_wakes_who_waits_for_room(void **state)
{
    (void)state;
    static traffic t = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t pusher;
    assert_int_equal(pn_queue_new(&t.q, 2), PN_OK);
    pthread_create(&pusher, NULL, push_all, &t);
    pn_queue_close(t.q); /* before or after it began to wait: both must end */
    pthread_join(pusher, NULL);
    assert_int_equal(t.last, PN_END);
    pn_queue_free(&t.q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_keeps_the_order),
        cmocka_unit_test(queue_without_room_is_refused),
        cmocka_unit_test(closed_queue_takes_nothing_and_gives_what_it_has),
        cmocka_unit_test(empty_queue_says_again_after_the_time),
        cmocka_unit_test(every_batch_arrives_once_through_one_place),
        cmocka_unit_test(closing_wakes_who_waits_for_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
