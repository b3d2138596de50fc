/* The only file that maps inputs and that knows how a file is made to appear whole or not
 * at all. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool pn_file_is_same(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

pn_status pn_status_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EPERM:
    case EISDIR:
    case ELOOP:
        return PN_ENOENT;
    case ENOMEM:
        return PN_ENOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return PN_EFULL;
    case EEXIST:
    case ENOTEMPTY:
        return PN_EEXIST;
    default:
        return PN_EIO;
    }
}

pn_status pn_output_fail(pn_err *err, const char *what, const char *path, int error)
{
    pn_status st = pn_status_of_errno(error);
    return pn_fail(err,
                   st == PN_EFULL || st == PN_ENOMEM || st == PN_EEXIST ? st : PN_EIO,
                   "%s %s: %s", what, path, strerror(error));
}

pn_status pn_folder_sync(const char *path, pn_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pn_status st = PN_OK;
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        st = pn_output_fail(err, "sync folder", path, errno);
    if (fd >= 0) close(fd);
    return st;
}

/* takes fd */
static pn_status map_file(pn_file **out, int fd, const char *path, pn_err *err)
{
    static const unsigned char nothing[1];
    pn_status st = PN_OK;
    if (fd < 0)
        return pn_fail(err, pn_status_of_errno(errno), "open %s: %s", path,
                       strerror(errno));
    pn_file *f = calloc(1, sizeof(*f));
    struct stat sb;
    if (!f || !(f->path = strdup(path))) {
        st = pn_fail(err, PN_ENOMEM, "open %s: out of memory", path);
    } else if (fstat(fd, &sb) != 0) {
        st = pn_fail(err, PN_EIO, "stat %s: %s", path, strerror(errno));
    } else if (!S_ISREG(sb.st_mode)) {
        st = pn_fail(err, PN_ENOENT, "open %s: not a regular file", path);
    } else if (sb.st_size == 0) {
        f->data = nothing;
    } else {
        void *p = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            st = pn_fail(err, pn_status_of_errno(errno), "map %s: %s", path,
                         strerror(errno));
        else
            f->data = p, f->size = (size_t)sb.st_size;
    }
    close(fd);
    if (st)
        pn_file_close(&f);
    else
        *out = f;
    return st;
}

/* a FIFO must not stop us */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK };

pn_status pn_file_open(pn_file **out, const char *path, pn_err *err)
{
    return map_file(out, open(path, OPEN_FLAGS), path, err);
}

/* name, cut up in place, from folder to folder: a link anywhere is ELOOP or ENOTDIR */
static int open_below(int folder, char *name)
{
    int fd = folder;
    for (char *rest = name, *part; fd >= 0 && (part = strsep(&rest, "/"));) {
        if (!*part || strcmp(part, ".") == 0) continue;
        int flags = OPEN_FLAGS | O_NOFOLLOW | (rest ? O_DIRECTORY : 0);
        int next = openat(fd, part, flags);
        int error = errno;
        close(fd);
        fd = next;
        errno = error;
    }
    return fd;
}

static bool climbs(const char *name)
{
    for (const char *at = name; *at; at += *at == '/') {
        size_t n = strcspn(at, "/");
        if (n == 2 && memcmp(at, "..", 2) == 0) return true;
        at += n;
    }
    return false;
}

pn_status pn_file_open_beside(pn_file **out, const char *beside, const char *name,
                              pn_err *err)
{
    if (!*name || *name == '/' || climbs(name))
        return pn_fail(
            err, PN_EFORMAT,
            "\"%s\": must be a path below the folder of the file that names it", name);
    char *folder = strdup(beside), *parts = strdup(name);
    pn_status st = PN_ENOMEM;
    if (folder && parts) {
        int fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        st = map_file(out, fd < 0 ? fd : open_below(fd, parts), name, err);
    } else {
        pn_fail(err, st, "open %s: out of memory", name);
    }
    free(folder);
    free(parts);
    return st;
}

void pn_file_close(pn_file **f)
{
    if (!*f) return;
    if ((*f)->size) munmap((void *)(uintptr_t)(*f)->data, (*f)->size);
    free((*f)->path);
    free(*f);
    *f = NULL;
}

enum { BUFFER_BYTES = 1 << 20 };

struct pn_outfile {
    char *path, *temp, *path_copy;
    const char *folder; /* in path_copy */
    bool has_name;      /* fd is the file `temp`; else it has no name yet */
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

pn_status pn_outfile_open(pn_outfile **out, const char *path, pn_err *err)
{
    pn_outfile *f = calloc(1, sizeof(*f));
    if (!f) return pn_fail(err, PN_ENOMEM, "create %s: out of memory", path);
    f->fd = -1;
    f->path = strdup(path);
    f->path_copy = strdup(path); /* now, so that commit needs no memory */
    f->buffer = malloc(BUFFER_BYTES);
    if (!f->path || !f->path_copy || !f->buffer ||
        asprintf(&f->temp, "%s.tmp-XXXXXX", path) < 0) {
        f->temp = NULL;
        pn_outfile_abort(&f);
        return pn_fail(err, PN_ENOMEM, "create %s: out of memory", path);
    }
    f->folder = dirname(f->path_copy);
    f->fd = open_nameless(f->folder);
    if (f->fd < 0) {
        f->fd = mkostemp(f->temp, O_CLOEXEC);
        f->has_name = f->fd >= 0;
    }
    if (f->fd < 0) {
        pn_status st = pn_output_fail(err, "create", path, errno);
        pn_outfile_abort(&f);
        return st;
    }
    *out = f;
    return PN_OK;
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
    if (size > BUFFER_BYTES - f->used) {
        pn_status st = write_all(f, f->buffer, f->used, err);
        if (st) return st;
        f->used = 0;
        if (size >= BUFFER_BYTES) return write_all(f, data, size, err);
    }
    memcpy(f->buffer + f->used, data, size);
    f->used += size;
    return PN_OK;
}

/* linkat() replaces nothing, so a file that stands there already is replaced in a second
 * step. @return 0, or -1 with errno */
static int name_file(pn_outfile *f)
{
    char fd_path[32];
    snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", f->fd);
    if (linkat(AT_FDCWD, fd_path, AT_FDCWD, f->path, AT_SYMLINK_FOLLOW) == 0) return 0;
    if (errno != EEXIST) return -1;
    int taken = mkostemp(f->temp, O_CLOEXEC); /* for a name that is nobody's */
    if (taken < 0) return -1;
    close(taken);
    unlink(f->temp);
    if (linkat(AT_FDCWD, fd_path, AT_FDCWD, f->temp, AT_SYMLINK_FOLLOW) != 0) return -1;
    f->has_name = true;
    return rename(f->temp, f->path);
}

pn_status pn_outfile_sync(pn_outfile *f, pn_err *err)
{
    if (f->is_synced) return PN_OK;
    mode_t mask = umask(0);
    umask(mask);
    pn_status st = write_all(f, f->buffer, f->used, err);
    if (!st && (fchmod(f->fd, 0666 & ~mask) != 0 || fsync(f->fd) != 0))
        st = pn_output_fail(err, "sync", f->path, errno);
    f->is_synced = !st;
    return st;
}

pn_status pn_outfile_commit(pn_outfile **file, pn_err *err)
{
    pn_outfile *f = *file;
    pn_status st = pn_outfile_sync(f, err);
    if (!st && (f->has_name ? rename(f->temp, f->path) : name_file(f)) != 0)
        st = pn_output_fail(err, "rename to", f->path, errno);
    if (!st) {
        f->has_name = false;
        st = pn_folder_sync(f->folder, err); /* the name must survive a power cut */
    }
    pn_outfile_abort(file); /* frees; once it has its name there is nothing to remove */
    return st;
}

void pn_outfile_abort(pn_outfile **file)
{
    pn_outfile *f = *file;
    if (!f) return;
    if (f->fd >= 0) close(f->fd);
    if (f->has_name) unlink(f->temp);
    free(f->buffer);
    free(f->temp);
    free(f->path_copy);
    free(f->path);
    free(f);
    *file = NULL;
}
