/** @file cpu_budget.h  How many cores this process may use. */
#ifndef PN_PIPELINE_CPU_BUDGET_H
#define PN_PIPELINE_CPU_BUDGET_H

/**
 * The lesser of the affinity mask and the cgroup's CPU quota (v2 or v1, of the own group
 * and every one above it, rounded up); at least 1.
 */
int pn_cpu_budget(void);

/** The quota alone, from the files under `root` ("" for the real ones): cores rounded up,
 * 0 if there is none. */
int pn_cpu_quota(const char *root);

#endif
