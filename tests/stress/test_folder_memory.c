/* The memory of a run does not follow the number of images: peak RssAnon of a process
 * that reads 50,000 files against one that reads 1,000, looked at from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pipeline/runner.h"
#include "stages/sink/write_null.h"
#include "stages/source/read_files.h"
#include "tree.h"

#ifdef __has_feature
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                     \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

#define FEW 1000
#define MANY 50000
#define NAME_BYTES 128 /* allowed for each name */

/* stands for decoding and the network: every block of the batch is touched */
static pn_status touch_apply(void *state, pn_batch *b, pn_err *err)
{
    (void)state;
    (void)err;
    const pn_batch_shape *s = &b->shape;
    for (int i = 0; i < b->n; i++) {
        pn_item *it = &b->items[i];
        if (it->reason) continue;
        memset(it->pixels, it->data[0], (size_t)s->height * (size_t)s->width * 3);
        memset(it->top, 0, (size_t)s->top_k * sizeof(*it->top));
        memset(it->features, 0, s->n_features * sizeof(*it->features));
    }
    return PN_OK;
}

static const pn_transform_ops touch = {.info = {.name = "touch"},
                                       .in = PN_TYPE_BYTES,
                                       .out = PN_TYPE_RESULTS,
                                       .apply = touch_apply};

static int run_over(char *folder, uint64_t want)
{
    char *extensions[] = {"jpg", NULL};
    pn_read_files_opts opts = {
        .path = folder, .extensions = extensions, .recursive = true};
    pn_runner_setup(32);
    pn_run_plan plan = {.source = &pn_source_read_files,
                        .source_opts = &opts,
                        .n_transforms = 1,
                        .transforms = {&touch},
                        .sink = &pn_sink_write_null,
                        .shape = {.capacity = 8,
                                  .height = 224,
                                  .width = 224,
                                  .top_k = 5,
                                  .n_features = 1280},
                        .workers = 2,
                        .in_flight = 32,
                        .max_file_bytes = 64 << 20,
                        .max_read_bytes = PN_USUAL_READ_BYTES};
    pn_run_summary s;
    pn_err err = {0};
    if (pn_runner_run(&plan, &s, &err)) {
        fprintf(stderr, "%s\n", pn_err_text(&err));
        return 1;
    }
    return s.counts.ok == want ? 0 : 2;
}

/* bytes; -1 when the process is gone */
static long rss_anon(pid_t pid)
{
    char path[64], line[256];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    long kib = -1;
    while (f && fgets(line, sizeof(line), f) && kib < 0)
        sscanf(line, "RssAnon: %ld", &kib);
    if (f) fclose(f);
    return kib < 0 ? -1 : kib * 1024;
}

static long peak_of_run(char *folder, uint64_t n)
{
    pid_t child = fork();
    if (!child) _exit(run_over(folder, n));
    long peak = 0;
    int status;
    const struct timespec ms = {.tv_nsec = 1000000};
    while (!waitpid(child, &status, WNOHANG)) {
        long now = rss_anon(child);
        if (now > peak) peak = now;
        nanosleep(&ms, NULL);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    return peak;
}

/* n names in one folder, over a few files of the sizes that photos have */
static void make_folder(const test_tree *t, const char *name, int n)
{
    static const size_t sizes[] = {700, 3000, 20000, 5000, 150000};
    char from[5][4096];
    for (int k = 0; k < 5; k++) {
        char base[64];
        snprintf(base, sizeof(base), "%s/base%d", name, k);
        test_tree_file(t, base, sizes[k]);
        snprintf(from[k], sizeof(from[k]), "%s", test_tree_path(t, base));
    }
    for (int i = 0; i < n; i++) {
        char to[64];
        snprintf(to, sizeof(to), "%s/ILSVRC2012_val_%08d.jpg", name, i);
        if (link(from[i % 5], test_tree_path(t, to))) {
            assert_true(errno == EMLINK || errno == EPERM || errno == ENOTSUP);
            test_tree_file(t, to, sizes[i % 5]);
        }
    }
}

static void memory_does_not_follow_the_number_of_images(void **state)
{
    (void)state;
    if (IS_SANITIZED) skip(); /* a sanitizer's own memory follows everything */
    test_tree t;
    test_tree_make(&t);
    make_folder(&t, "few", FEW);
    make_folder(&t, "many", MANY);
    char few[128], many[128];
    snprintf(few, sizeof(few), "%s", test_tree_path(&t, "few"));
    snprintf(many, sizeof(many), "%s", test_tree_path(&t, "many"));
    long small = peak_of_run(few, FEW), large = peak_of_run(many, MANY);
    test_tree_remove(&t);
    printf("peak RssAnon: %ld KiB for %d images, %ld KiB for %d\n", small / 1024, FEW,
           large / 1024, MANY);
    assert_true(small > 0);
    assert_true(large <= small + small / 20 + (long)(MANY - FEW) * NAME_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_does_not_follow_the_number_of_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
