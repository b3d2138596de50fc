/* Stages that do nothing but keep account. */
#include "fakes.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fake_shared {
    fake_run *f;
} fake_shared;

typedef struct fake_state {
    fake_run *f;
    int next;
} fake_state;

/* note the call; @return what it shall return */
static pn_status note(fake_run *f, fake_stage stage, fake_call call, pn_err *err)
{
    int nth = atomic_fetch_add(&f->calls[stage][call], 1) + 1;
    bool is_down = stage == FAKE_SOURCE || stage == FAKE_SINK;
    if (is_down && call >= FAKE_WORK && call <= FAKE_FINISH &&
        atomic_load(&f->failed[stage]))
        atomic_fetch_add(&f->work_after_failure, 1);
    if (call == FAKE_WORK && f->at_call != FAKE_START && f->workers &&
        atomic_load(&f->n_started) != 2 * f->workers + 2)
        atomic_fetch_add(&f->early_work, 1);
    if (stage != f->at_stage || call != f->at_call || nth < f->at_nth ||
        (nth > f->at_nth && !f->and_later))
        return PN_OK;
    if (f->signum) kill(getpid(), f->signum);
    if (!f->fail_with) return PN_OK;
    atomic_store(&f->failed[stage], true);
    return pn_fail(err, f->fail_with, "call %d told to fail", nth);
}

static fake_run *run_of(const void *opts)
{
    return ((const fake_run *)opts)->self;
}

#define LIFE(name, stage)                                                                \
    static pn_status name##_open(void *shared, const void *opts, pn_err *err)            \
    {                                                                                    \
        ((fake_shared *)shared)->f = run_of(opts);                                       \
        return note(run_of(opts), stage, FAKE_OPEN, err);                                \
    }                                                                                    \
    static pn_status name##_start(void *state, const void *shared, pn_err *err)          \
    {                                                                                    \
        fake_run *f = ((const fake_shared *)shared)->f;                                  \
        ((fake_state *)state)->f = f;                                                    \
        pn_status st = note(f, stage, FAKE_START, err);                                  \
        atomic_fetch_add(&f->n_started, 1);                                              \
        return st;                                                                       \
    }                                                                                    \
    static void name##_stop(void *state)                                                 \
    {                                                                                    \
        (void)note(((fake_state *)state)->f, stage, FAKE_STOP, NULL);                    \
    }                                                                                    \
    static void name##_close(void *shared)                                               \
    {                                                                                    \
        (void)note(((fake_shared *)shared)->f, stage, FAKE_CLOSE, NULL);                 \
    }
LIFE(source, FAKE_SOURCE)
LIFE(first, FAKE_FIRST)
LIFE(second, FAKE_SECOND)
LIFE(sink, FAKE_SINK)

#define INFO(name_, prefix)                                                              \
    {                                                                                    \
        .name = name_, .shared_size = sizeof(fake_shared),                               \
        .state_size = sizeof(fake_state), .open = prefix##_open,                         \
        .start = prefix##_start, .stop = prefix##_stop, .close = prefix##_close          \
    }

static pn_status fill(fake_run *f, pn_item *it, int i)
{
    char key[32];
    int n = snprintf(key, sizeof(key), "%d", i);
    pn_status st = pn_item_set_key(it, key, (size_t)n);
    if (!st && f->refs) return pn_item_set_path(it, f->path);
    return st ? st : pn_item_set_data(it, key, (size_t)n);
}

static pn_status source_pull(void *state, pn_batch *out, const atomic_bool *stop,
                             pn_err *err)
{
    fake_state *s = state;
    fake_run *f = s->f;
    pn_status st = note(f, FAKE_SOURCE, FAKE_WORK, err);
    if (!st && f->on_pull) st = f->on_pull(f, stop);
    int first = s->next;
    while (!st && s->next < f->n_items && out->n < out->shape.capacity) {
        st = fill(f, &out->items[out->n], s->next);
        if (st) break;
        out->n++;
        s->next++;
    }
    if (st) return st;
    if (s->next == first) return PN_END;
    atomic_fetch_add(&f->n_pulled, s->next - first);
    int out_there =
        atomic_fetch_add(&f->n_batches_pulled, 1) + 1 - atomic_load(&f->n_batches_pushed);
    if (out_there > atomic_load(&f->most_batches))
        atomic_store(&f->most_batches, out_there);
    return PN_OK;
}

static pn_status source_count(const void *shared, uint64_t *n, const atomic_bool *stop)
{
    (void)stop;
    *n = (uint64_t)((const fake_shared *)shared)->f->n_items;
    return PN_OK;
}

static int number_of(const pn_item *it)
{
    char key[32] = "";
    memcpy(key, it->key, it->key_size < 31 ? it->key_size : 31);
    return atoi(key);
}

/* what a transform that failed leaves behind must not reach the sink */
static pn_status spoil(pn_batch *b, pn_status st)
{
    for (int i = 0; st && i < b->n; i++)
        b->items[i].top[0].index = UINT32_MAX;
    return st;
}

static pn_status first_apply(void *state, pn_batch *b, pn_err *err)
{
    fake_run *f = ((fake_state *)state)->f;
    atomic_fetch_add(&f->n_begun, b->n);
    if (f->on_apply) f->on_apply(f, b);
    for (int i = 0; i < b->n; i++) {
        pn_item *it = &b->items[i];
        int k = number_of(it);
        if (it->reason == PN_REASON_NONE && !f->refs &&
            (it->data_size != it->key_size || memcmp(it->data, it->key, it->key_size)))
            atomic_fetch_add(&f->wrong_items, 1);
        if (f->every_bad && k % f->every_bad == 0)
            pn_item_fail(it, PN_REASON_DAMAGED, "item %d is bad", k);
        if (b->shape.top_k) it->top[0].index = (uint32_t)k;
    }
    return spoil(b, note(f, FAKE_FIRST, FAKE_WORK, err));
}

static pn_status second_apply(void *state, pn_batch *b, pn_err *err)
{
    return spoil(b, note(((fake_state *)state)->f, FAKE_SECOND, FAKE_WORK, err));
}

static pn_status sink_push(void *state, const pn_batch *b, pn_err *err)
{
    fake_run *f = ((fake_state *)state)->f;
    if (f->on_push) f->on_push(f, b);
    pn_status st = note(f, FAKE_SINK, FAKE_WORK, err);
    if (st) return st;
    for (int i = 0; i < b->n; i++) {
        const pn_item *it = &b->items[i];
        int k = number_of(it);
        bool keeps_file = f->refs && it->data_capacity > 16384; /* given back by now */
        if (k < 0 || k >= FAKE_MAX_ITEMS || keeps_file || it->seq != (uint64_t)k ||
            it->top[0].index != (uint32_t)k)
            atomic_fetch_add(&f->wrong_items, 1);
        else
            atomic_fetch_add(&f->pushed[k], 1);
    }
    atomic_fetch_add(&f->n_pushed, b->n);
    atomic_fetch_add(&f->n_batches_pushed, 1);
    return PN_OK;
}

static pn_status sink_idle(void *state, pn_err *err)
{
    return note(((fake_state *)state)->f, FAKE_SINK, FAKE_IDLE, err);
}

static pn_status sink_finish(void *state, const pn_counts *counts, bool complete,
                             pn_err *err)
{
    fake_run *f = ((fake_state *)state)->f;
    f->counts = *counts;
    f->complete = complete;
    return note(f, FAKE_SINK, FAKE_FINISH, err);
}

static const pn_source_ops refs_ops = {.info = INFO("fake-source", source),
                                       .out = PN_TYPE_REFS,
                                       .pull = source_pull,
                                       .count = source_count};
static const pn_source_ops bytes_ops = {.info = INFO("fake-source", source),
                                        .out = PN_TYPE_BYTES,
                                        .pull = source_pull,
                                        .count = source_count};
static const pn_transform_ops first_ops = {.info = INFO("fake-first", first),
                                           .in = PN_TYPE_BYTES,
                                           .out = PN_TYPE_PIXELS,
                                           .apply = first_apply};
static const pn_transform_ops second_ops = {.info = INFO("fake-second", second),
                                            .in = PN_TYPE_PIXELS,
                                            .out = PN_TYPE_RESULTS,
                                            .apply = second_apply};
static const pn_sink_ops sink_ops = {.info = INFO("fake-sink", sink),
                                     .in = PN_TYPE_RESULTS,
                                     .push = sink_push,
                                     .idle = sink_idle,
                                     .finish = sink_finish};

void fake_run_init(fake_run *f, int n_items)
{
    memset(f, 0, sizeof(*f));
    f->self = f;
    f->n_items = n_items;
}

void fake_plan(pn_run_plan *plan, fake_run *f)
{
    *plan = (pn_run_plan){.source = f->refs ? &refs_ops : &bytes_ops,
                          .source_opts = f,
                          .n_transforms = 2,
                          .transforms = {&first_ops, &second_ops},
                          .transform_opts = {f, f},
                          .sink = &sink_ops,
                          .sink_opts = f,
                          .shape = {.capacity = 3, .height = 2, .width = 2, .top_k = 1},
                          .workers = 2,
                          .in_flight = 4,
                          .max_file_bytes = 1 << 20,
                          /* so that every batch but the first has to wait for it */
                          .max_read_bytes = 1};
}

#define HOLDS(what)                                                                      \
    do {                                                                                 \
        if (!(what)) {                                                                   \
            fprintf(stderr, "does not hold: %s\n", #what);                               \
            return false;                                                                \
        }                                                                                \
    } while (0)

static bool ends_match(fake_run *f)
{
    for (int i = 0; i < FAKE_STAGES; i++) {
        HOLDS(f->calls[i][FAKE_OPEN] == f->calls[i][FAKE_CLOSE]);
        HOLDS(f->calls[i][FAKE_START] == f->calls[i][FAKE_STOP]);
        HOLDS(f->calls[i][FAKE_OPEN] <= 1);
    }
    return true;
}

static bool items_match(fake_run *f, pn_status st)
{
    int n = 0;
    for (int i = 0; i < FAKE_MAX_ITEMS; i++) {
        HOLDS(f->pushed[i] <= 1);
        n += f->pushed[i];
    }
    HOLDS(n == f->n_pushed);
    HOLDS(f->wrong_items == 0);
    HOLDS(f->n_pushed <= f->n_pulled);
    if (st == PN_OK) HOLDS(n == f->n_items);
    /* what was begun is done, unless something behind the source broke */
    if (st == PN_OK || st == PN_ESTOPPED) HOLDS(n == f->n_begun);
    if (f->failed[FAKE_SOURCE]) HOLDS(n == f->n_pulled || f->signum);
    return true;
}

bool fake_run_holds(fake_run *f, pn_status st, const pn_run_summary *s)
{
    uint64_t sum = 0;
    for (int i = 0; i < PN_N_REASONS; i++)
        sum += s->counts.by_reason[i];
    HOLDS(ends_match(f));
    HOLDS(items_match(f, st));
    HOLDS(s->counts.ok + s->counts.failed == s->counts.seen);
    HOLDS(sum == s->counts.seen);
    HOLDS(s->counts.by_reason[PN_REASON_NONE] == s->counts.ok);
    HOLDS(s->counts.seen == (uint64_t)f->n_pushed);
    HOLDS(s->complete == (st == PN_OK));
    HOLDS(f->work_after_failure == 0);
    HOLDS(f->early_work == 0);
    /* a sink that is fine is finished once, one that failed never */
    bool was_open = f->calls[FAKE_SINK][FAKE_START] == 1;
    bool failed_before = f->failed[FAKE_SINK] && !(f->at_call == FAKE_FINISH);
    HOLDS(f->calls[FAKE_SINK][FAKE_FINISH] == (was_open && !failed_before));
    if (f->calls[FAKE_SINK][FAKE_FINISH]) {
        bool finish_failed = f->failed[FAKE_SINK];
        HOLDS(f->complete ==
              (st == PN_OK || (finish_failed && f->n_pushed == f->n_items)));
        HOLDS(f->counts.seen == (uint64_t)f->n_pushed);
    }
    return true;
}
