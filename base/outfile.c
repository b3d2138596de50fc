/* How a file, or several of them, is made to appear whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* Pieces of DIRECT_BYTES are worth a call of their own, and no copy. */
enum { BUFFER_BYTES = 1 << 20, DIRECT_BYTES = 1 << 16 };

struct pn_outfile {
    char *path, *temp, *path_copy;
    const char *folder; /* in path_copy */
    bool has_temp;      /* fd is the file `temp`; else it has no name yet, or its own */
    bool is_new;        /* fd has its own name, which nothing had before */
    bool is_synced;
    int fd;
    size_t used;
    unsigned char *buffer;
};

/* A file without a name goes with the process, however that ends. Not every file system
 * has them, and they get their name by way of /proc. */
static int open_nameless(const char *folder)
{
    if (access("/proc/self/fd", X_OK) != 0) return -1;
    return open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
}

bool pn_outfile_is_traceless(const char *path)
{
    char *copy = strdup(path);
    const int fd = copy ? open_nameless(dirname(copy)) : -1;
    if (fd >= 0) close(fd);
    free(copy);
    return fd >= 0;
}

/* names of 255 bytes want room for the ending, too */
static char *temp_name(const char *path)
{
    enum { KEPT_BYTES = 200 };
    char *temp;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const int length = (int)(name - path) + (int)strnlen(name, KEPT_BYTES);
    return asprintf(&temp, "%.*s.tmp-XXXXXX", length, path) < 0 ? NULL : temp;
}

static pn_status make_file(pn_outfile *f, pn_err *err)
{
    struct stat there;
    f->folder = dirname(f->path_copy);
    if (lstat(f->path, &there) != 0 && errno == ENAMETOOLONG)
        return pn_output_fail(err, "create", f->path, errno);
    f->fd = open_nameless(f->folder);
    if (f->fd < 0) {
        f->fd = mkostemp(f->temp, O_CLOEXEC);
        f->has_temp = f->fd >= 0;
    }
    return f->fd < 0 ? pn_output_fail(err, "create", f->path, errno) : PN_OK;
}

pn_status pn_outfile_open(pn_outfile **out, const char *path, pn_err *err)
{
    pn_outfile *f = calloc(1, sizeof(*f));
    if (!f) return pn_fail(err, PN_ENOMEM, "create %s: out of memory", path);
    f->fd = -1;
    f->path = strdup(path);
    f->path_copy = strdup(path); /* now, so that commit needs no memory */
    f->temp = temp_name(path);
    f->buffer = malloc(BUFFER_BYTES);
    pn_status st = f->path && f->path_copy && f->temp && f->buffer
                       ? make_file(f, err)
                       : pn_fail(err, PN_ENOMEM, "create %s: out of memory", path);
    if (st)
        pn_outfile_abort(&f);
    else
        *out = f;
    return st;
}

static pn_status write_all(pn_outfile *f, const unsigned char *p, size_t size,
                           pn_err *err)
{
    while (size) {
        ssize_t n = write(f->fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return pn_output_fail(err, "write", f->path, errno);
        p += n;
        size -= (size_t)n;
    }
    return PN_OK;
}

pn_status pn_outfile_write(pn_outfile *f, const void *data, size_t size, pn_err *err)
{
    if (size > BUFFER_BYTES - f->used || size >= DIRECT_BYTES) {
        pn_status st = write_all(f, f->buffer, f->used, err);
        if (st) return st;
        f->used = 0;
        if (size >= DIRECT_BYTES) return write_all(f, data, size, err);
    }
    memcpy(f->buffer + f->used, data, size);
    f->used += size;
    return PN_OK;
}

pn_status pn_outfile_sync(pn_outfile *f, pn_err *err)
{
    if (f->is_synced) return PN_OK;
    pn_status st = write_all(f, f->buffer, f->used, err);
    if (!st && (fchmod(f->fd, 0666 & ~pn_umask()) != 0 || fsync(f->fd) != 0))
        st = pn_output_fail(err, "sync", f->path, errno);
    f->is_synced = !st;
    return st;
}

static int link_as(const pn_outfile *f, const char *path)
{
    char fd_path[32];
    snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", f->fd);
    return linkat(AT_FDCWD, fd_path, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

/* @return 0, or -1 with errno */
static int name_temp(pn_outfile *f)
{
    int taken = mkostemp(f->temp, O_CLOEXEC); /* for a name that is nobody's */
    if (taken < 0) return -1;
    close(taken);
    unlink(f->temp);
    if (link_as(f, f->temp) != 0) return -1;
    f->has_temp = true;
    return 0;
}

/* linkat() replaces nothing: what is to replace a file gets another name first, so that
 * only a rename is left to do */
static pn_status prepare(pn_outfile *f, pn_err *err)
{
    struct stat there;
    if (f->has_temp || lstat(f->path, &there) != 0 || name_temp(f) == 0) return PN_OK;
    return pn_output_fail(err, "rename to", f->path, errno);
}

static int name_file(pn_outfile *f)
{
    if (!f->has_temp) {
        f->is_new = link_as(f, f->path) == 0;
        if (f->is_new) return 0;
        if (errno != EEXIST || name_temp(f) != 0) return -1; /* it has just appeared */
    }
    struct stat there;
    const bool is_new = lstat(f->path, &there) != 0;
    if (rename(f->temp, f->path) != 0) return -1;
    f->has_temp = false;
    f->is_new = is_new;
    return 0;
}

static pn_status name_all(pn_outfile *const *files, int n, pn_err *err)
{
    for (int i = 0; i < n; i++) {
        if (name_file(files[i]) == 0) continue;
        pn_status st = pn_output_fail(err, "rename to", files[i]->path, errno);
        for (int k = 0; k < i; k++)
            if (files[k]->is_new) unlink(files[k]->path);
        return st;
    }
    return PN_OK;
}

pn_status pn_outfiles_commit(pn_outfile **files, int n, pn_err *err)
{
    pn_status st = PN_OK;
    for (int i = 0; !st && i < n; i++)
        st = pn_outfile_sync(files[i], err);
    for (int i = 0; !st && i < n; i++)
        st = prepare(files[i], err);
    if (!st) st = name_all(files, n, err);
    /* the names must survive a power cut */
    if (!st && n) st = pn_folder_sync(files[0]->folder, err);
    for (int i = 0; i < n; i++)
        pn_outfile_abort(&files[i]); /* what has its name, it does not remove */
    return st;
}

pn_status pn_outfile_commit(pn_outfile **file, pn_err *err)
{
    return pn_outfiles_commit(file, 1, err);
}

void pn_outfile_abort(pn_outfile **file)
{
    pn_outfile *f = *file;
    if (!f) return;
    if (f->fd >= 0) close(f->fd);
    if (f->has_temp) unlink(f->temp);
    free(f->buffer);
    free(f->temp);
    free(f->path_copy);
    free(f->path);
    free(f);
    *file = NULL;
}
