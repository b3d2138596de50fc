/* The network's memory, and who reads and writes what. */
#include "engine/net.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct pn_block {
    struct pn_block *next;
    float *data;
} pn_block;

const pn_act pn_act_none = {.kind = PN_ACT_CLAMP, .lo = -INFINITY, .hi = INFINITY};

/* Doubles what holds n items of `size` bytes when it is full. */
static void *grow(void *items, int n, int *capacity, size_t size)
{
    if (n < *capacity) return items;
    if (*capacity > (1 << 28)) return NULL;
    int more = *capacity ? *capacity * 2 : 64;
    void *moved = realloc(items, (size_t)more * size);
    if (moved) *capacity = more;
    return moved;
}

int pn_net_add_tensor(struct pn_model *m, const pn_shape *shape)
{
    pn_tensor *t = grow(m->tensors, m->n_tensors, &m->tensors_capacity, sizeof(*t));
    if (!t) return PN_NONE;
    m->tensors = t;
    memset(&t[m->n_tensors], 0, sizeof(*t));
    t[m->n_tensors].shape = *shape;
    t[m->n_tensors].parent = t[m->n_tensors].value = PN_NONE;
    return m->n_tensors++;
}

pn_layer *pn_net_add_layer(struct pn_model *m, pn_layer_kind kind)
{
    pn_layer *l = grow(m->layers, m->n_layers, &m->layers_capacity, sizeof(*l));
    if (!l) return NULL;
    m->layers = l;
    l += m->n_layers++;
    memset(l, 0, sizeof(*l));
    l->kind = kind;
    l->in[0] = l->in[1] = l->residual = l->out = l->slope = l->node = PN_NONE;
    l->act = pn_act_none;
    return l;
}

void pn_net_compact(struct pn_model *m)
{
    int n = 0;
    for (int i = 0; i < m->n_layers; i++)
        if (!m->layers[i].is_dead) m->layers[n++] = m->layers[i];
    m->n_layers = n;
}

float *pn_net_alloc_weights(struct pn_model *m, size_t floats)
{
    size_t bytes;
    if (__builtin_mul_overflow(floats, sizeof(float), &bytes) ||
        bytes > SIZE_MAX - 2 * (size_t)PN_PAD_BYTES)
        return NULL;
    bytes = (bytes + 2 * PN_PAD_BYTES - 1) / PN_PAD_BYTES * PN_PAD_BYTES;
    pn_block *b = malloc(sizeof(*b));
    if (!b) return NULL;
    b->data = aligned_alloc(PN_PAD_BYTES, bytes);
    if (!b->data) {
        free(b);
        return NULL;
    }
    memset(b->data, 0, bytes);
    b->next = m->blocks;
    while (!atomic_compare_exchange_weak(&m->blocks, &b->next, b))
        ;
    m->weight_bytes += (int64_t)bytes;
    return b->data;
}

void pn_net_free_weights(struct pn_model *m)
{
    pn_block *b = m->blocks;
    m->blocks = NULL;
    while (b) {
        pn_block *next = b->next;
        free(b->data);
        free(b);
        b = next;
    }
}

void pn_net_free(struct pn_model *m)
{
    pn_net_free_weights(m);
    free(m->tensors);
    free(m->layers);
    pn_arena_fini(&m->arena);
}

#define SEVERAL (-2)

static void note(int *of, int tensor, int layer)
{
    if (tensor == PN_NONE) return;
    of[tensor] = of[tensor] == PN_NONE ? layer : SEVERAL;
}

int *pn_net_sole_users(const struct pn_model *m)
{
    int *user = malloc(((size_t)m->n_tensors + 1) * sizeof(*user));
    if (!user) return NULL;
    for (int t = 0; t < m->n_tensors; t++)
        user[t] = m->tensors[t].is_pinned ? SEVERAL : PN_NONE;
    for (int t = 0; t < m->n_tensors; t++)
        if (m->tensors[t].parent != PN_NONE) user[m->tensors[t].parent] = SEVERAL;
    for (int i = 0; i < m->n_layers; i++) {
        const pn_layer *l = &m->layers[i];
        if (l->is_dead) continue;
        note(user, l->in[0], i);
        note(user, l->in[1], i);
        note(user, l->residual, i);
    }
    for (int t = 0; t < m->n_tensors; t++)
        if (user[t] == SEVERAL) user[t] = PN_NONE;
    return user;
}

int *pn_net_writers(const struct pn_model *m)
{
    int *writer = malloc(((size_t)m->n_tensors + 1) * sizeof(*writer));
    if (!writer) return NULL;
    for (int t = 0; t < m->n_tensors; t++)
        writer[t] = PN_NONE;
    for (int i = 0; i < m->n_layers; i++)
        if (!m->layers[i].is_dead) note(writer, m->layers[i].out, i);
    for (int t = 0; t < m->n_tensors; t++)
        if (writer[t] == SEVERAL) writer[t] = PN_NONE;
    return writer;
}

bool pn_tensor_in_c_order(const pn_tensor *t)
{
    const int64_t *d = t->shape.dim;
    return !pn_tensor_is_map(t) || d[0] == 1 || d[1] * d[2] == 1;
}
