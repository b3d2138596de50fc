/* Blocks in a list, bump pointer in the first; a large request gets a block of its own.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16, BLOCK_BYTES = 64 * 1024 };

struct pn_arena_block {
    struct pn_arena_block *next;
    size_t used, size;
    alignas(ALIGN) unsigned char bytes[];
};

void *pn_arena_alloc(pn_arena *a, size_t size)
{
    if (size > SIZE_MAX / 2) return NULL;
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct pn_arena_block *b = a->head;
    if (!b || b->size - b->used < size) {
        size_t room = size > BLOCK_BYTES / 4 ? size : (size_t)BLOCK_BYTES;
        b = calloc(1, sizeof(*b) + room);
        if (!b) return NULL;
        b->size = room;
        if (room == size && a->head) { /* keep bumping in the block that has room left */
            b->next = a->head->next;
            a->head->next = b;
        } else {
            b->next = a->head;
            a->head = b;
        }
    }
    void *p = b->bytes + b->used;
    b->used += size;
    return p;
}

char *pn_arena_strndup(pn_arena *a, const char *s, size_t n)
{
    char *copy = n == SIZE_MAX ? NULL : pn_arena_alloc(a, n + 1);
    if (copy) memcpy(copy, s, n);
    return copy;
}

char *pn_arena_strdup(pn_arena *a, const char *s)
{
    return pn_arena_strndup(a, s, strlen(s));
}

void pn_arena_fini(pn_arena *a)
{
    for (struct pn_arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    a->head = NULL;
}
