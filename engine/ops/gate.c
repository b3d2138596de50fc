#include "engine/ops/gate.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* some 50 microseconds: a layer's last tasks are done in less, and to fall asleep and
 * wake up takes about as long */
enum { SPINS = 1500 };

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void pn_gate_init(pn_gate *g, int n_members)
{
    atomic_init(&g->next, 0);
    atomic_init(&g->phase, 0);
    atomic_init(&g->n_waiting, 0);
    atomic_init(&g->n_asleep, 0);
    g->n_members = n_members;
}

int64_t pn_gate_take(pn_gate *g)
{
    return atomic_fetch_add_explicit(&g->next, 1, memory_order_relaxed);
}

static void open_gate(pn_gate *g)
{
    atomic_store(&g->next, 0);
    atomic_store(&g->n_waiting, 0);
    atomic_fetch_add(&g->phase, 1);
    if (atomic_load(&g->n_asleep))
        syscall(SYS_futex, &g->phase, FUTEX_WAKE_PRIVATE, g->n_members, NULL, NULL, 0);
}

void pn_gate_pass(pn_gate *g)
{
    const unsigned phase = atomic_load(&g->phase);
    if (atomic_fetch_add(&g->n_waiting, 1) + 1 == g->n_members) {
        open_gate(g);
        return;
    }
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&g->phase, memory_order_acquire) != phase) return;
        pause_briefly();
    }
    /* n_asleep is raised before the kernel compares the phase, and the opener looks at it
     * after the change: one of the two sees the other */
    atomic_fetch_add(&g->n_asleep, 1);
    while (atomic_load(&g->phase) == phase)
        syscall(SYS_futex, &g->phase, FUTEX_WAIT_PRIVATE, phase, NULL, NULL, 0);
    atomic_fetch_sub(&g->n_asleep, 1);
}
