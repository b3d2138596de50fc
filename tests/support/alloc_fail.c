#include "tests/support/alloc_fail.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_long n_asked, first_failing = -1;
static atomic_bool has_failed, and_all_behind;
static atomic_size_t aligned_bytes;

static void arm(long n, bool all_behind)
{
    atomic_store(&first_failing, -1);
    atomic_store(&n_asked, 0);
    atomic_store(&has_failed, false);
    atomic_store(&aligned_bytes, 0);
    atomic_store(&and_all_behind, all_behind);
    atomic_store(&first_failing, n);
}

void pn_alloc_fail_at(long n)
{
    arm(n, false);
}

void pn_alloc_fail_from(long n)
{
    arm(n, true);
}

bool pn_alloc_has_failed(void)
{
    return atomic_load(&has_failed);
}

long pn_alloc_count(void)
{
    return atomic_load(&n_asked);
}

size_t pn_alloc_aligned_bytes(void)
{
    return atomic_load(&aligned_bytes);
}

static bool fails(void)
{
    const long at = atomic_fetch_add(&n_asked, 1), n = atomic_load(&first_failing);
    if (n < 0 || at < n || (at > n && !atomic_load(&and_all_behind))) return false;
    atomic_store(&has_failed, true);
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
FILE *__real_open_memstream(char **text, size_t *size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
FILE *__wrap_open_memstream(char **text, size_t *size);
int __wrap_asprintf(char **out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return fails() ? NULL : __real_reallocarray(p, n, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    if (fails()) return NULL;
    atomic_fetch_add(&aligned_bytes, size);
    return __real_aligned_alloc(align, size);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
    return fails() ? NULL : __real_strndup(s, n);
}

FILE *__wrap_open_memstream(char **text, size_t *size)
{
    return fails() ? NULL : __real_open_memstream(text, size);
}

int __wrap_asprintf(char **out, const char *fmt, ...)
{
    if (fails()) {
        *out = (char *)0x1; /* undefined after a failure: whoever frees it crashes */
        return -1;
    }
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(out, fmt, args);
    va_end(args);
    return n;
}
