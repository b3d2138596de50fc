/* More members than any machine's cores, so that they wait in both ways. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ops/gate.h"

enum { MEMBERS = 16, PHASES = 300, TASKS = 24 };

typedef struct club {
    pn_gate gate;
    int done[PHASES][TASKS]; /* plain: the gate alone orders what members write */
    int too_early[MEMBERS];  /* tasks of the phase before that were not done yet */
    atomic_int next_number;
} club;

static void *member(void *arg)
{
    club *c = arg;
    const int me = atomic_fetch_add(&c->next_number, 1);
    for (int phase = 0; phase < PHASES; phase++) {
        /* some phases have fewer tasks than members */
        const int n = phase % 3 ? TASKS : 5;
        for (int64_t t; (t = pn_gate_take(&c->gate)) < n;)
            c->done[phase][t]++;
        pn_gate_pass(&c->gate);
        for (int t = 0; t < n; t++)
            c->too_early[me] += c->done[phase][t] != 1;
    }
    return NULL;
}

static void every_task_is_done_once_and_before_anyone_passes(void **state)
{
    (void)state;
    club *c = aligned_alloc(64, sizeof(*c));
    assert_non_null(c);
    memset(c, 0, sizeof(*c));
    pthread_t threads[MEMBERS];
    pn_gate_init(&c->gate, MEMBERS);
    for (int i = 0; i < MEMBERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, member, c), 0);
    for (int i = 0; i < MEMBERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < MEMBERS; i++)
        assert_int_equal(c->too_early[i], 0);
    for (int phase = 0; phase < PHASES; phase++)
        for (int t = 0; t < TASKS; t++)
            assert_int_equal(c->done[phase][t], phase % 3 || t < 5);
    assert_int_equal(atomic_load(&c->gate.n_asleep), 0);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_is_done_once_and_before_anyone_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
