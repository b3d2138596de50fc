/* The only file that maps inputs; and what the system's words for a failure are here. */
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

/* /proc tells since Linux 4.7, in the second line or so. */
mode_t pn_umask(void)
{
    char text[1024];
    const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *line = strstr(text, "\nUmask:");
    if (line) return (mode_t)strtoul(line + strlen("\nUmask:"), NULL, 8);
    const mode_t mask = umask(0);
    umask(mask);
    return mask;
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
