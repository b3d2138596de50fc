/* Pictures that go to a file, and those that Graphviz' own program draws: a child
 * process, started without a shell, fed from memory, so that neither side waits for the
 * other. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/show.h"

/* dot's layout takes more than linear time: a minute for these, hours for ten times */
enum { MOST_ROWS = 2000, READ_BYTES = 1 << 16 };

typedef struct text {
    char *bytes;
    size_t size, capacity;
} text;

static pn_status make_dot(text *out, const pn_shown_model *m)
{
    FILE *to = open_memstream(&out->bytes, &out->size);
    if (!to) return PN_ENOMEM;
    pn_status st = pn_show_dot(m, to);
    return fclose(to) == 0 ? st : PN_ENOMEM;
}

static pn_status system_fail(pn_err *err, const char *what)
{
    return pn_fail(err, pn_status_of_errno(errno), "%s: %s", what, strerror(errno));
}

/* what the child is to read, as an open file at its beginning */
static pn_status hold(int *out, const text *t, pn_err *err)
{
    int fd = memfd_create("penult-dot", MFD_CLOEXEC);
    if (fd < 0) return system_fail(err, "show: memfd_create");
    for (size_t at = 0; at < t->size;) {
        ssize_t n = write(fd, t->bytes + at, t->size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            pn_status st = system_fail(err, "show: write to memory");
            close(fd);
            return st;
        }
        at += (size_t)n;
    }
    if (lseek(fd, 0, SEEK_SET) != 0) {
        pn_status st = system_fail(err, "show: lseek");
        close(fd);
        return st;
    }
    *out = fd;
    return PN_OK;
}

static int spawn_dot(pid_t *child, int from, int to)
{
    static const char *const words[] = {"dot", "-Tsvg", NULL};
    char *argv[3];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t defaults;
    memcpy(argv, words, sizeof(argv));
    int error = posix_spawn_file_actions_init(&files);
    if (error) return error;
    error = posix_spawnattr_init(&attr);
    if (!error) {
        sigemptyset(&defaults);
        sigaddset(&defaults, SIGPIPE);
        sigaddset(&defaults, SIGXFSZ);
        error = posix_spawn_file_actions_adddup2(&files, from, STDIN_FILENO);
        if (!error) error = posix_spawn_file_actions_adddup2(&files, to, STDOUT_FILENO);
        if (!error) error = posix_spawnattr_setsigdefault(&attr, &defaults);
        if (!error) error = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
        if (!error) error = posix_spawnp(child, "dot", &files, &attr, argv, environ);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static pn_status read_all(text *out, int fd, pn_err *err)
{
    for (;;) {
        if (out->capacity - out->size < READ_BYTES) {
            size_t more = out->capacity ? 2 * out->capacity : 2 * READ_BYTES;
            char *bigger = realloc(out->bytes, more);
            if (!bigger) return PN_ENOMEM;
            out->bytes = bigger;
            out->capacity = more;
        }
        ssize_t n = read(fd, out->bytes + out->size, out->capacity - out->size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return system_fail(err, "show: read from dot");
        if (n == 0) return PN_OK;
        out->size += (size_t)n;
    }
}

static pn_status wait_for(pid_t child, pn_err *err)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return system_fail(err, "show: wait for dot");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return PN_OK;
    return pn_fail(err, PN_EUNSUPPORTED, "show: Graphviz' dot ended with %s %d",
                   WIFEXITED(status) ? "status" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static pn_status draw(text *svg, const text *dot, pn_err *err)
{
    int from = -1, ends[2] = {-1, -1}, error;
    pid_t child;
    pn_status st = hold(&from, dot, err);
    if (st) return st;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        st = system_fail(err, "show: pipe");
        close(from);
        return st;
    }
    error = spawn_dot(&child, from, ends[1]);
    close(from);
    close(ends[1]);
    if (error == ENOENT)
        st = pn_fail(err, PN_EUNSUPPORTED,
                     "show: --svg wants Graphviz' program dot: install the package "
                     "graphviz, or write --dot and draw it elsewhere");
    else if (error)
        st = pn_fail(err, pn_status_of_errno(error), "show: start dot: %s",
                     strerror(error));
    if (!st) {
        st = read_all(svg, ends[0], err);
        close(ends[0]); /* a dot that still writes shall not wait for us */
        pn_status end = wait_for(child, err);
        return st ? st : end;
    }
    close(ends[0]);
    return st;
}

static pn_status put(const pn_show_opts *o, const text *t, pn_err *err)
{
    pn_outfile *f = NULL;
    if (!o->output) {
        fwrite(t->bytes, 1, t->size, stdout); /* main() looks whether it arrived */
        return PN_OK;
    }
    pn_status st = pn_outfile_open(&f, o->output, err);
    if (!st) st = pn_outfile_write(f, t->bytes, t->size, err);
    if (!st) return pn_outfile_commit(&f, err);
    pn_outfile_abort(&f);
    return st;
}

pn_status pn_show_picture(const pn_shown_model *m, pn_err *err)
{
    text dot = {0}, svg = {0};
    bool is_svg = m->o->form == PN_SHOW_SVG;
    if (is_svg && m->fold.n > MOST_ROWS)
        return pn_fail(
            err, PN_EUNSUPPORTED,
            "show: --svg: %d boxes, dot can place %d in good time; write --dot "
            "and try another layout, such as sfdp",
            m->fold.n, MOST_ROWS);
    pn_status st = make_dot(&dot, m);
    if (!st && is_svg) st = draw(&svg, &dot, err);
    if (!st) st = put(m->o, is_svg ? &svg : &dot, err);
    free(dot.bytes);
    free(svg.bytes);
    return st;
}
