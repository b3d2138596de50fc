/* Quotas as the kernel writes them, in a folder that stands for the real ones. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/cpu_budget.h"

enum { MAX_PATH = 512 };

static int remove_one(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
    (void)sb;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* root + path with its folders, holding `text` */
static void put(const char *root, const char *path, const char *text)
{
    char full[MAX_PATH];
    int n = snprintf(full, sizeof(full), "%s%s", root, path);
    assert_true(n > 0 && n < MAX_PATH);
    for (char *p = full + strlen(root) + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        mkdir(full, 0700);
        *p = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

#define V2 "/sys/fs/cgroup"
#define V1 "/sys/fs/cgroup/cpu,cpuacct"

static void quotas_are_found_and_rounded_up(void **state)
{
    (void)state;
    static const struct {
        const char *groups;
        const char *files[3][2];
        int cores;
    } cases[] = {
        {"0::/\n", {{V2 "/cpu.max", "150000 100000\n"}}, 2},
        {"0::/\n", {{V2 "/cpu.max", "max 100000\n"}}, 0},
        {"0::/\n", {{V2 "/cpu.max", "1000 100000\n"}}, 1},
        {"0::/\n", {{NULL}}, 0},
        /* the group above is tighter */
        {"0::/a/b\n",
         {{V2 "/a/b/cpu.max", "400000 100000\n"}, {V2 "/a/cpu.max", "300000 100000\n"}},
         3},
        /* inside a container the host's path is not there, the mount's root is */
        {"0::/docker/0123\n", {{V2 "/cpu.max", "200000 100000\n"}}, 2},
        {"5:memory:/x\n4:cpu,cpuacct:/x\n",
         {{V1 "/x/cpu.cfs_quota_us", "250000\n"},
          {V1 "/x/cpu.cfs_period_us", "100000\n"}},
         3},
        {"4:cpu,cpuacct:/x\n",
         {{V1 "/x/cpu.cfs_quota_us", "-1\n"}, {V1 "/x/cpu.cfs_period_us", "100000\n"}},
         0},
        /* another controller's files do not count */
        {"4:cpuset:/x\n",
         {{V1 "/x/cpu.cfs_quota_us", "250000\n"},
          {V1 "/x/cpu.cfs_period_us", "100000\n"}},
         0},
        {"0::/\n", {{V2 "/cpu.max", "200000 0\n"}}, 0},
        {"0::/\n", {{V2 "/cpu.max", "nonsense\n"}}, 0},
        {"nonsense\n0::\n::\n", {{V2 "/cpu.max", "200000 100000\n"}}, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char root[] = "/tmp/penult-cgroup-XXXXXX";
        assert_non_null(mkdtemp(root));
        put(root, "/proc/self/cgroup", cases[i].groups);
        for (int k = 0; k < 3 && cases[i].files[k][0]; k++)
            put(root, cases[i].files[k][0], cases[i].files[k][1]);
        int cores = pn_cpu_quota(root);
        nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        if (cores != cases[i].cores) print_error("case %zu\n", i);
        assert_int_equal(cores, cases[i].cores);
    }
    assert_int_equal(pn_cpu_quota("/nowhere"), 0);
}

static void the_affinity_mask_bounds_the_budget(void **state)
{
    (void)state;
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof(all), &all) != 0) skip();
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    assert_true(pn_cpu_budget() >= 1 && pn_cpu_budget() <= CPU_COUNT(&all));
    if (sched_setaffinity(0, sizeof(one), &one) != 0) skip();
    assert_int_equal(pn_cpu_budget(), 1);
    sched_setaffinity(0, sizeof(all), &all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotas_are_found_and_rounded_up),
        cmocka_unit_test(the_affinity_mask_bounds_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
