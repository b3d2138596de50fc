/* `threads: auto`. A container on a 64-core machine often has a quota of a few cores and
 * an affinity mask of all of them; 64 threads would then be throttled together. */
#include "pipeline/cpu_budget.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PATH = 4096, MAX_CPUS = 1 << 16 };

static int affinity_count(void)
{
    for (int cpus = 1024; cpus <= MAX_CPUS; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (!set) break;
        size_t size = CPU_ALLOC_SIZE(cpus);
        int r = sched_getaffinity(0, size, set), error = errno;
        int n = r == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (n > 0) return n;
        if (error != EINVAL) break; /* EINVAL: more CPUs than the mask holds */
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

/* the first line of a small file, without its end */
static bool read_line(const char *folder, const char *name, char *line, int size)
{
    char path[MAX_PATH];
    int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof(path)) return false;
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool got = fgets(line, size, f) != NULL;
    fclose(f);
    if (got) line[strcspn(line, "\n")] = '\0';
    return got;
}

static int cores_of(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) return 0;
    long long cores = quota / period + (quota % period != 0);
    return cores > MAX_CPUS ? 0 : (int)cores;
}

static int quota_v2(const char *folder)
{
    char line[128];
    long long quota, period;
    if (!read_line(folder, "cpu.max", line, sizeof(line))) return 0;
    if (sscanf(line, "%lld %lld", &quota, &period) != 2) return 0; /* "max 100000" */
    return cores_of(quota, period);
}

static int quota_v1(const char *folder)
{
    char line[64];
    if (!read_line(folder, "cpu.cfs_quota_us", line, sizeof(line))) return 0;
    long long quota = atoll(line); /* -1: none */
    if (!read_line(folder, "cpu.cfs_period_us", line, sizeof(line))) return 0;
    return cores_of(quota, atoll(line));
}

static int lesser(int a, int b)
{
    if (!a || !b) return a ? a : b;
    return a < b ? a : b;
}

/* The group's own quota and those above it. In a container the path is often the host's
 * and is not there, but the mount's root is the own group. */
static int walk_up(const char *mount, const char *group, int (*quota)(const char *))
{
    char folder[MAX_PATH];
    int n = snprintf(folder, sizeof(folder), "%s%s", mount, group);
    if (n < 0 || (size_t)n >= sizeof(folder)) return 0;
    size_t root = strlen(mount);
    int least = 0;
    for (;;) {
        least = lesser(least, quota(folder));
        char *slash = strrchr(folder + root, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

static bool names_cpu(const char *controllers)
{
    for (const char *p = controllers; p && *p;) {
        size_t n = strcspn(p, ",");
        if (n == 3 && strncmp(p, "cpu", 3) == 0) return true;
        p += n;
        if (*p) p++;
    }
    return false;
}

/* one line of /proc/self/cgroup: "0::/a/b" (v2) or "4:cpu,cpuacct:/a/b" */
static int quota_of_line(const char *root, char *line)
{
    static const char *const v1[] = {"cpu,cpuacct", "cpu", "cpuacct,cpu"};
    static const char *const v2[] = {"", "/unified"};
    char mount[MAX_PATH];
    int least = 0;
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return 0;
    *group++ = '\0';
    controllers++;
    if (*controllers == '\0') {
        for (size_t i = 0; i < sizeof(v2) / sizeof(*v2); i++) {
            snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup%s", root, v2[i]);
            least = lesser(least, walk_up(mount, group, quota_v2));
        }
    } else if (names_cpu(controllers)) {
        for (size_t i = 0; i < sizeof(v1) / sizeof(*v1); i++) {
            snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup/%s", root, v1[i]);
            least = lesser(least, walk_up(mount, group, quota_v1));
        }
    }
    return least;
}

int pn_cpu_quota(const char *root)
{
    char path[MAX_PATH], line[MAX_PATH];
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    int least = 0;
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        least = lesser(least, quota_of_line(root, line));
    }
    fclose(f);
    return least;
}

int pn_cpu_budget(void)
{
    return lesser(affinity_count(), pn_cpu_quota(""));
}
