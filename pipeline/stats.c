/* Plain counters: they are added to once a batch or once a file, never once a pixel. */
#include "pipeline/stats.h"

#include <string.h>
#include <time.h>

uint64_t pn_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int add_stage(pn_stats *s, const char *name, int threads)
{
    s->stages[s->n_stages] = (pn_stage_stats){.name = name, .threads = threads};
    return s->n_stages++;
}

void pn_stats_init(pn_stats *s, const pn_run_plan *plan)
{
    memset(s, 0, sizeof(*s));
    s->source = add_stage(s, "source", 1);
    s->read = -1;
    if (plan->source->out == PN_TYPE_REFS)
        s->read = add_stage(s, "read", plan->in_flight);
    s->transform = s->n_stages;
    s->n_transforms = plan->n_transforms;
    for (int i = 0; i < plan->n_transforms; i++)
        add_stage(s, plan->transforms[i]->info.name, plan->workers);
    s->sink = add_stage(s, "sink", 1);
    s->begin_ns = pn_now_ns();
}

void pn_stats_add_busy(pn_stats *s, int stage, uint64_t ns)
{
    atomic_fetch_add_explicit(&s->stages[stage].busy_ns, ns, memory_order_relaxed);
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void pn_stats_count(pn_stats *s, const pn_batch *batch)
{
    uint64_t ok = 0;
    for (int i = 0; i < batch->n; i++) {
        pn_reason reason = batch->items[i].reason;
        add(&s->by_reason[(unsigned)reason < PN_N_REASONS ? reason : PN_REASON_RECORD],
            1);
        ok += reason == PN_REASON_NONE;
    }
    add(&s->ok, ok);
    add(&s->failed, (uint64_t)batch->n - ok);
    add(&s->seen, (uint64_t)batch->n);
}

void pn_stats_get_counts(pn_stats *s, pn_counts *out)
{
    out->seen = get(&s->seen);
    out->ok = get(&s->ok);
    out->failed = get(&s->failed);
    for (int i = 0; i < PN_N_REASONS; i++)
        out->by_reason[i] = get(&s->by_reason[i]);
}

void pn_stats_set_counts(pn_stats *s, const pn_counts *c)
{
    atomic_store_explicit(&s->seen, c->seen, memory_order_relaxed);
    atomic_store_explicit(&s->ok, c->ok, memory_order_relaxed);
    atomic_store_explicit(&s->failed, c->failed, memory_order_relaxed);
    for (int i = 0; i < PN_N_REASONS; i++)
        atomic_store_explicit(&s->by_reason[i], c->by_reason[i], memory_order_relaxed);
}

static double busy_share(pn_stats *s, int stage)
{
    return (double)get(&s->stages[stage].busy_ns) / s->stages[stage].threads;
}

const char *pn_stats_bottleneck(pn_stats *s)
{
    const char *name = "";
    double most = 0, workers = 0, longest = 0;
    const char *transform = "";
    for (int i = 0; i < s->n_transforms; i++) {
        double share = busy_share(s, s->transform + i);
        workers += share;
        if (share > longest) {
            longest = share;
            transform = s->stages[s->transform + i].name;
        }
    }
    const struct {
        double share;
        const char *name;
    } groups[] = {
        {busy_share(s, s->source), s->stages[s->source].name},
        {s->read < 0 ? 0 : busy_share(s, s->read), "read"},
        {workers, transform},
        {busy_share(s, s->sink), s->stages[s->sink].name},
    };
    for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
        if (groups[i].share <= most) continue;
        most = groups[i].share;
        name = groups[i].name;
    }
    return name;
}

bool pn_stats_over_budget(const pn_counts *c, const pn_limit *max_failures)
{
    double allowed = max_failures->value;
    if (max_failures->is_percent) allowed = allowed / 100 * (double)c->seen;
    return (double)c->failed > allowed;
}

void pn_stats_summary(pn_stats *s, const pn_limit *max_failures, pn_run_summary *out)
{
    pn_stats_get_counts(s, &out->counts);
    out->over_budget = pn_stats_over_budget(&out->counts, max_failures);
    out->elapsed_s = (double)(pn_now_ns() - s->begin_ns) / 1e9;
    out->n_stages = s->n_stages;
    for (int i = 0; i < s->n_stages; i++)
        out->stages[i] =
            (pn_stage_time){.name = s->stages[i].name,
                            .busy_s = (double)get(&s->stages[i].busy_ns) / 1e9,
                            .threads = s->stages[i].threads};
    out->bottleneck = pn_stats_bottleneck(s);
}
