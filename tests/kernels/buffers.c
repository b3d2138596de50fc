#include "buffers.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A page that says how many there are, those with the floats at their end, and one that
 * must not be touched. */
static float *take(size_t n, size_t padding, size_t alignment)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t bytes =
        (n * sizeof(float) + padding + alignment - 1) / alignment * alignment;
    const size_t pages = (bytes + page - 1) / page + 2;
    char *p = mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) abort();
    char *end = p + (pages - 1) * page;
    if (mprotect(end, page, PROT_NONE)) abort();
    memcpy(p, &pages, sizeof(pages));
    return (float *)(void *)(end - bytes);
}

static float odd_one(unsigned at)
{
    const float list[] = {0, -0.0F, 1e-40F, -1e-42F, INFINITY, -INFINITY, NAN, 3e38F};
    return list[at % (sizeof(list) / sizeof(*list))];
}

static float *fill(float *b, size_t n, unsigned seed, bool odd)
{
    unsigned s = seed * 2654435761U + 1;
    for (size_t i = 0; i < n; i++) {
        s = s * 1664525U + 1013904223U;
        b[i] = (float)(int)(s >> 8) / 8388608.0F - 1.0F;
        if (odd && (s >> 24) % 61 == 0) b[i] = odd_one(s >> 16);
    }
    return b;
}

float *pn_buffer_new(size_t n, unsigned seed, bool odd)
{
    return fill(take(n, PN_PAD_BYTES, PN_PAD_BYTES), n, seed, odd);
}

float *pn_buffer_bare(size_t n, unsigned seed, bool odd)
{
    return fill(take(n, 0, sizeof(float)), n, seed, odd);
}

float *pn_buffer_canary(size_t n)
{
    float *b = take(n, 0, PN_PAD_BYTES);
    for (size_t i = 0; i < n; i++)
        b[i] = -12345.678F;
    return b;
}

void pn_buffer_free(float *b)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = (char *)b - (uintptr_t)b % page - page;
    size_t pages;
    memcpy(&pages, p, sizeof(pages));
    munmap(p, pages * page);
}

bool pn_buffer_same(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof(float)) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

int pn_levels(pn_cpu out[4])
{
    const pn_cpu all[] = {PN_CPU_C, PN_CPU_AVX2, PN_CPU_AVX512};
    int n = 0;
    for (int i = 0; i < 3; i++) {
        pn_cpu level;
        if (pn_cpu_resolve(&level, all[i], NULL) == PN_OK) out[n++] = level;
    }
    return n;
}

int pn_denormals_go(void **state)
{
    (void)state;
    (void)pn_denormals_off();
    return 0;
}
