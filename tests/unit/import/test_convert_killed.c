/* A conversion that ends before its time, at each of its calls that change a folder: the
 * process killed there, or the disk full from there on. What stood at the output's path
 * stands there still, or all of the new does; nothing half-written does. */
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
static bool has_nameless = true;

/* whether the call is to fail for want of room; may not return */
static bool meets_its_end(void)
{
    const int n = n_calls++;
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

int __wrap_linkat(int from, const char *a, int to, const char *b, int flags)
{
    return meets_its_end() ? -1 : __real_linkat(from, a, to, b, flags);
}

int __wrap_rename(const char *from, const char *to)
{
    return meets_its_end() ? -1 : __real_rename(from, to);
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

/* an output of MMdnn's format replaces no .json that is none */
static const char old[] = "{\"node\": []}";
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

/* `was` is what stood there before: ABSENT or OLD */
static void expect_whole(const whole *w, const struct format *t, int was)
{
    const int first = state_of(w, t, 0);
    assert_true(first == was || first == NEW);
    for (int i = 1; i < N_FILES && t->files[i]; i++) {
        const int other = state_of(w, t, i);
        if (first == NEW) assert_int_equal(other, NEW);
        assert_true(other == was || other == NEW);
    }
}

static bool dies(const struct format *t, int at)
{
    int status;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        n_calls = 0;
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
            expect_whole(&w, t, ABSENT);
            put_old(t);
            if (dies(t, at)) was_killed = true;
            expect_whole(&w, t, OLD);
        }
        assert_true(at > calls);
        whole_fini(&w);
    }
}

static void a_full_disk_leaves_the_old_or_all_of_the_new(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * N_FORMATS; i++) {
        const struct format *t = &formats[i / 2];
        int calls;
        has_nameless = i % 2;
        whole w = make_whole(t, &calls);
        for (int at = 0; at < calls; at++) {
            pn_err err = {0};
            put_old(t);
            const int before = count_entries();
            n_calls = 0;
            full_from = at;
            pn_status st = pn_export(graph, path_of(t->files[0]), &err);
            full_from = -1;
            /* the last call of all makes a name durable that stands already */
            if (st) {
                if (st != PN_EFULL) fail_msg("%s", pn_err_text(&err));
                assert_non_null(strstr(pn_err_text(&err), folder));
            }
            pn_err_clear(&err);
            assert_int_equal(count_entries(), before);
            expect_whole(&w, t, OLD);
        }
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
    pn_log_setup(PN_LOG_INFO, say_nothing, NULL);
    strcpy(folder, "/tmp/penult-killed-XXXXXX");
    return !mkdtemp(folder) || pn_convert(&graph, &o, NULL);
}

static int teardown(void **state)
{
    (void)state;
    empty_folder();
    pn_graph_free(&graph);
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
