/** @file arena.h  Many small allocations that die together. */
#ifndef PN_BASE_ARENA_H
#define PN_BASE_ARENA_H

#include <stddef.h>

/** Zero-initialise it. Not for several threads at once. */
typedef struct pn_arena {
    struct pn_arena_block *head;
} pn_arena;

/** Zeroed, 16-byte aligned; NULL when there is no memory. Lives until pn_arena_fini(). */
void *pn_arena_alloc(pn_arena *a, size_t size);
/** A NUL-terminated copy of n bytes; NULL when there is no memory. */
char *pn_arena_strndup(pn_arena *a, const char *s, size_t n);
char *pn_arena_strdup(pn_arena *a, const char *s);
void pn_arena_fini(pn_arena *a);

#endif
