/* Blocks of elements, and outputs in the place of inputs: half of what a walk reads and
 * writes belongs to operators that do little with it. */
#include "engine/oracle/block64.h"

#include <stdlib.h>
#include <string.h>

int64_t pn_block_load(const pn_array64 *x, int64_t first, int64_t end, bool bounds,
                      pn_block64 *b)
{
    b->n = end - first < PN_BLOCK64 ? end - first : PN_BLOCK64;
    const size_t size = (size_t)b->n * sizeof(double);
    memcpy(b->x, x->x + first, size);
    if (bounds && x->most && !x->is_layer) {
        memcpy(b->off[0], x->most + first, size);
        memcpy(b->off[1], x->usual + first, size);
    } else if (bounds) {
        for (int64_t i = 0; i < b->n; i++)
            b->off[0][i] = b->off[1][i] = PN_U * pn_mag(b->x[i]);
    }
    return first + b->n;
}

/* Long enough that a part is no matter of waking up, short enough for a cache. */
enum { PART = 64 * PN_BLOCK64 };

typedef struct parts {
    pn_blocks_fn *f;
    const void *arg;
    int64_t n;
} parts;

static pn_status do_part(void *arg, int64_t task)
{
    const parts *p = arg;
    const int64_t first = task * PART;
    p->f(p->arg, first, p->n - first < PART ? p->n : first + PART);
    return PN_OK;
}

pn_status pn_blocks_run(const pn_walk64 *w, pn_blocks_fn *f, const void *arg, int64_t n)
{
    parts p = {f, arg, n};
    return pn_share_run(w->share, do_part, &p, (n + PART - 1) / PART);
}

pn_array64 *pn_oracle_out_over(pn_walk64 *w, const pn_node *n, const pn_array64 *x)
{
    const int in = n->inputs[0];
    pn_array64 *y = &w->values[n->outputs[0]], *source = &w->values[in];
    if (w->g->values[in].data || w->readers[in] != 1 || source->x != x->x ||
        !pn_oracle_shape(w, n->outputs[0]) || y->n != x->n)
        return pn_oracle_out(w, n, 0, true);
    double *most = source->most;
    if (w->has_bounds && !most && !(most = malloc((size_t)y->n * 2 * sizeof(double))))
        return NULL;
    y->x = source->x;
    y->most = most;
    y->usual = most ? most + y->n : NULL;
    source->x = source->most = source->usual = NULL;
    return y;
}
