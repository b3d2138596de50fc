/* A conversion that ends before its time, at each of its calls that change a folder: the
 * process killed there, or the disk full from there on. What stood at the outputs' paths
 * stands there still, or all of the new does; nothing half-written does. Only who is
 * killed between the renames, which come last of all, finds some of the new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "penult/convert.h"
#include "penult/export.h"
#include "penult/log.h"

#define GOLDEN PN_SOURCE_DIR "/tests/golden/mxnet/last-window/net"

/* ---- the calls ---- */

static int n_calls, kill_at = -1, full_from = -1;
/* shared with the child: outputs that have their names, and calls after the first of
 * these that did not name one */
static struct named {
    int n, n_others;
} * named;
static bool has_nameless = true;

/* whether the call is to fail for want of room; may not return */
static bool meets_its_end(void)
{
    const int n = n_calls++;
    if (named->n) named->n_others++;
    if (n == kill_at) raise(SIGKILL);
    if (full_from < 0 || n < full_from) return false;
    errno = ENOSPC;
    return true;
}

int __real_access(const char *path, int mode);
ssize_t __real_write(int fd, const void *p, size_t size);
int __real_fsync(int fd);
int __real_linkat(int from, const char *a, int to, const char *b, int flags);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_access(const char *path, int mode);
ssize_t __wrap_write(int fd, const void *p, size_t size);
int __wrap_fsync(int fd);
int __wrap_linkat(int from, const char *a, int to, const char *b, int flags);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);

int __wrap_access(const char *path, int mode)
{
    if (!has_nameless && !strncmp(path, "/proc/", 6)) return -1;
    return __real_access(path, mode);
}

ssize_t __wrap_write(int fd, const void *p, size_t size)
{
    return meets_its_end() ? -1 : __real_write(fd, p, size);
}

int __wrap_fsync(int fd)
{
    return meets_its_end() ? -1 : __real_fsync(fd);
}

/* the call has just named `path`, if it returns 0 */
static int name_given(int result, const char *path)
{
    if (result != 0 || strstr(path, ".tmp-")) return result;
    if (named->n++) named->n_others--;
    return result;
}

int __wrap_linkat(int from, const char *a, int to, const char *b, int flags)
{
    return meets_its_end() ? -1 : name_given(__real_linkat(from, a, to, b, flags), b);
}

int __wrap_rename(const char *from, const char *to)
{
    return meets_its_end() ? -1 : name_given(__real_rename(from, to), to);
}

/* removing needs no room */
int __wrap_unlink(const char *path)
{
    const int full = full_from;
    full_from = -1;
    (void)meets_its_end();
    full_from = full;
    return __real_unlink(path);
}

/* ---- the folder ---- */

static const struct format {
    const char *files[3]; /**< that of the command line first */
} formats[] = {
    {{"o.onnx"}}, {{"o.pb", "o.json", "o.npy"}}, {{"o.py", "o.safetensors", "o.pth"}}};
enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]), N_FILES = 3 };

static const char old[] = "{}";
static char folder[64];
static pn_graph *graph;

static char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static int count_entries(void)
{
    int n = -2; /* . and .. */
    DIR *d = opendir(folder);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void empty_folder(void)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') __real_unlink(path_of(e->d_name));
    closedir(d);
}

/* the contents of a file; NULL: it is not there */
static char *contents(const char *name, size_t *size)
{
    pn_file *f = NULL;
    if (pn_file_open(&f, path_of(name), NULL)) return NULL;
    char *copy = malloc(f->size + 1);
    assert_non_null(copy);
    memcpy(copy, f->data, f->size);
    *size = f->size;
    pn_file_close(&f);
    return copy;
}

static void put_old(const struct format *t)
{
    empty_folder();
    for (int i = 0; i < N_FILES && t->files[i]; i++) {
        FILE *f = fopen(path_of(t->files[i]), "w");
        assert_non_null(f);
        fputs(old, f);
        fclose(f);
    }
}

typedef struct whole {
    char *bytes[N_FILES];
    size_t size[N_FILES];
} whole;

static whole make_whole(const struct format *t, int *calls)
{
    whole w = {{0}, {0}};
    empty_folder();
    kill_at = full_from = -1;
    n_calls = 0;
    assert_int_equal(pn_export(graph, path_of(t->files[0]), NULL), PN_OK);
    *calls = n_calls;
    for (int i = 0; i < N_FILES && t->files[i]; i++) {
        w.bytes[i] = contents(t->files[i], &w.size[i]);
        assert_non_null(w.bytes[i]);
    }
    return w;
}

enum { ABSENT, OLD, NEW };

static int state_of(const whole *w, const struct format *t, int i)
{
    size_t size = 0;
    char *is = contents(t->files[i], &size);
    int found = !is                                                    ? ABSENT
                : size == sizeof(old) - 1 && !memcmp(is, old, size)    ? OLD
                : size == w->size[i] && !memcmp(is, w->bytes[i], size) ? NEW
                                                                       : -1;
    free(is);
    if (found < 0) fail_msg("%s is neither the old nor the new one", t->files[i]);
    return found;
}

static int count_files(const struct format *t)
{
    int n = 0;
    while (n < N_FILES && t->files[n])
        n++;
    return n;
}

/* `was` is what stood there before: ABSENT or OLD */
static void expect_whole(const whole *w, const struct format *t, int was, bool may_mix)
{
    const int n = count_files(t), first = state_of(w, t, 0);
    int n_new = 0;
    for (int i = 0; i < n; i++) {
        const int is = state_of(w, t, i);
        assert_true(is == was || is == NEW);
        n_new += is == NEW;
    }
    if (first == NEW || !may_mix) assert_int_equal(n_new, first == NEW ? n : 0);
}

static void expect_killed(const whole *w, const struct format *t, int was)
{
    const bool was_between = named->n && named->n < count_files(t);
    expect_whole(w, t, was, was_between);
    /* the call that did not come back is the only one */
    if (was_between) assert_int_equal(named->n_others, 1);
}

static bool dies(const struct format *t, int at)
{
    int status;
    n_calls = 0;
    *named = (struct named){0, 0};
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        kill_at = at;
        _exit(pn_export(graph, path_of(t->files[0]), NULL) ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void whole_fini(whole *w)
{
    for (int i = 0; i < N_FILES; i++)
        free(w->bytes[i]);
}

static void a_killed_conversion_leaves_the_old_or_all_of_the_new(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * N_FORMATS; i++) {
        const struct format *t = &formats[i / 2];
        int calls, at = 0;
        has_nameless = i % 2;
        whole w = make_whole(t, &calls);
        for (bool was_killed = true; was_killed; at++) {
            empty_folder();
            was_killed = dies(t, at);
            expect_killed(&w, t, ABSENT);
            put_old(t);
            if (dies(t, at)) was_killed = true;
            expect_killed(&w, t, OLD);
        }
        assert_true(at > calls);
        whole_fini(&w);
    }
}

static void meets_a_full_disk(const whole *w, const struct format *t, int was, int at)
{
    pn_err err = {0};
    empty_folder();
    if (was == OLD) put_old(t);
    const int before = count_entries();
    n_calls = 0;
    *named = (struct named){0, 0};
    full_from = at;
    pn_status st = pn_export(graph, path_of(t->files[0]), &err);
    full_from = -1;
    /* the last call of all makes a name durable that stands already */
    if (st) {
        if (st != PN_EFULL) fail_msg("%s", pn_err_text(&err));
        assert_non_null(strstr(pn_err_text(&err), folder));
    }
    pn_err_clear(&err);
    const bool is_named = named->n == count_files(t);
    assert_int_equal(count_entries(), is_named && was == ABSENT ? named->n : before);
    /* what replaced nothing is taken back */
    expect_whole(w, t, was, was == OLD && named->n && !is_named);
}

static void a_full_disk_leaves_the_old_or_all_of_the_new(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * N_FORMATS; i++) {
        const struct format *t = &formats[i / 2];
        int calls;
        has_nameless = i % 2;
        whole w = make_whole(t, &calls);
        for (int at = 0; at < 2 * (calls + 3 * N_FILES); at++)
            meets_a_full_disk(&w, t, at % 2 ? OLD : ABSENT, at / 2);
        whole_fini(&w);
    }
}

static void what_is_written_has_no_name_before_its_commit(void **state)
{
    (void)state;
    for (int i = 0; i < N_FORMATS; i++) {
        const struct format *t = &formats[i];
        int calls;
        has_nameless = true;
        whole w = make_whole(t, &calls);
        char path[512];
        strcpy(path, path_of(t->files[0]));
        if (pn_export_is_traceless(path)) {
            pn_written *files = NULL;
            empty_folder();
            assert_int_equal(pn_export_write(&files, graph, path, NULL), PN_OK);
            assert_int_equal(count_entries(), 0);
            pn_export_abort(&files);
            assert_int_equal(count_entries(), 0);
            assert_int_equal(pn_export_write(&files, graph, path, NULL), PN_OK);
            assert_int_equal(pn_export_commit(&files, NULL), PN_OK);
            for (int k = 0; k < N_FILES && t->files[k]; k++)
                assert_int_equal(state_of(&w, t, k), NEW);
        }
        has_nameless = false;
        assert_false(pn_export_is_traceless(path));
        whole_fini(&w);
    }
}

static void say_nothing(void *cookie, pn_log_level level, const char *line)
{
    (void)cookie;
    (void)level;
    (void)line;
}

static int setup(void **state)
{
    (void)state;
    static const char *const inputs[] = {GOLDEN "-symbol.json", GOLDEN "-0000.params"};
    static const char *const shape[] = {"3,8,8"};
    const pn_convert_opts o = {
        .inputs = inputs, .n_inputs = 2, .input_shapes = shape, .n_input_shapes = 1};
    named = mmap(NULL, sizeof(*named), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                 -1, 0);
    if (named == MAP_FAILED) return -1;
    pn_log_setup(PN_LOG_INFO, say_nothing, NULL);
    strcpy(folder, "/tmp/penult-killed-XXXXXX");
    return !mkdtemp(folder) || pn_convert(&graph, &o, NULL);
}

static int teardown(void **state)
{
    (void)state;
    empty_folder();
    pn_graph_free(&graph);
    munmap(named, sizeof(*named));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_conversion_leaves_the_old_or_all_of_the_new),
        cmocka_unit_test(a_full_disk_leaves_the_old_or_all_of_the_new),
        cmocka_unit_test(what_is_written_has_no_name_before_its_commit),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
