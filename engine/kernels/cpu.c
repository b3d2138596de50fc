/* What the CPU can do, the levels' names, and denormals. */
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "engine/kernels/kernels.h"

static const char *const level_names[] = {"auto", "c", "openblas", "avx2", "avx512"};
#define N_LEVELS (sizeof(level_names) / sizeof(*level_names))

pn_status pn_cpu_parse(pn_cpu *out, const char *name, pn_err *err)
{
    for (size_t i = 0; i < N_LEVELS; i++)
        if (!strcmp(name, level_names[i])) {
            *out = (pn_cpu)i;
            return PN_OK;
        }
    return pn_fail(err, PN_EINVAL,
                   "cpu level \"%s\": must be auto, c, openblas, avx2 or avx512", name);
}

const char *pn_cpu_name(pn_cpu cpu)
{
    return (size_t)cpu < N_LEVELS ? level_names[cpu] : "?";
}

bool pn_cpu_has_fma(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static bool has_avx512(void)
{
#if defined(__x86_64__)
    return pn_cpu_has_fma() && __builtin_cpu_supports("avx512f");
#else
    return false;
#endif
}

pn_status pn_cpu_resolve(pn_cpu *out, pn_cpu level, pn_err *err)
{
    bool is_there = true;
    if (level == PN_CPU_AUTO)
        level = has_avx512()       ? PN_CPU_AVX512
                : pn_cpu_has_fma() ? PN_CPU_AVX2
                                   : PN_CPU_OPENBLAS;
    if (level == PN_CPU_AVX2) is_there = pn_cpu_has_fma();
    if (level == PN_CPU_AVX512) is_there = has_avx512();
    if ((unsigned)level >= N_LEVELS)
        return pn_fail(err, PN_EINVAL, "cpu level %d: there is none of that number",
                       (int)level);
    if (!is_there)
        return pn_fail(err, PN_EUNSUPPORTED,
                       "cpu level %s: this machine lacks it: use auto",
                       pn_cpu_name(level));
    *out = level;
    return PN_OK;
}

#define MXCSR_FTZ_DAZ 0x8040U

uint32_t pn_denormals_off(void)
{
#if defined(__x86_64__)
    uint32_t state = _mm_getcsr();
    _mm_setcsr(state | MXCSR_FTZ_DAZ);
    return state;
#else
    return 0;
#endif
}

void pn_denormals_restore(uint32_t state)
{
#if defined(__x86_64__)
    /* exception flags raised meanwhile stay raised, as for any arithmetic */
    _mm_setcsr((_mm_getcsr() & ~MXCSR_FTZ_DAZ) | (state & MXCSR_FTZ_DAZ));
#else
    (void)state;
#endif
}
