/* One folder's names in two flat blocks: a million names cost their own bytes and little
 * more, where a string and a record each would cost several times that. */
#include "stages/source/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

bool pn_has_extension(const char *name, const char *const *extensions)
{
    if (!extensions) return true;
    const char *dot = strrchr(name, '.');
    if (!dot) return false;
    for (; *extensions; extensions++)
        if (!strcasecmp(dot + 1, *extensions)) return true;
    return false;
}

/* room for `more` elements after n; grows by a half, since a folder may be huge */
static bool grow(void **buf, size_t *capacity, size_t n, size_t more, size_t each)
{
    if (*capacity - n >= more && *buf) return true;
    size_t want = n + n / 2 + more + 64;
    void *p = reallocarray(*buf, want, each);
    if (!p) return false;
    *buf = p;
    *capacity = want;
    return true;
}

static pn_status add_name(pn_folder *f, char kind, const char *name)
{
    size_t size = strlen(name) + 2;
    void *bytes = f->bytes, *offsets = f->offsets;
    bool fits = grow(&bytes, &f->bytes_capacity, f->n_bytes, size, 1);
    f->bytes = bytes;
    fits = fits && grow(&offsets, &f->offsets_capacity, f->n, 1, sizeof(*f->offsets));
    f->offsets = offsets;
    if (!fits) return PN_ENOMEM;
    f->offsets[f->n++] = f->n_bytes;
    f->bytes[f->n_bytes] = kind;
    memcpy(f->bytes + f->n_bytes + 1, name, size - 1);
    f->n_bytes += size;
    return PN_OK;
}

/* Links count as what they lead to. What cannot be looked at is taken for a file: reading
 * it will say why it is broken. */
static bool is_folder(int dir_fd, const struct dirent *e)
{
    if (e->d_type == DT_DIR) return true;
    if (e->d_type != DT_LNK && e->d_type != DT_UNKNOWN) return false;
    struct stat st;
    return !fstatat(dir_fd, e->d_name, &st, 0) && S_ISDIR(st.st_mode);
}

static pn_status add_entry(pn_folder *f, int dir_fd, const struct dirent *e,
                           const pn_folder_filter *filter)
{
    if (e->d_name[0] == '.') return PN_OK;
    bool folder = is_folder(dir_fd, e);
    if (folder) return filter->wants_folders ? add_name(f, 'd', e->d_name) : PN_OK;
    if (!pn_has_extension(e->d_name, filter->extensions)) return PN_OK;
    if (!filter->n_files) return add_name(f, 'f', e->d_name);
    ++*filter->n_files;
    return PN_OK;
}

static bool asked_to_stop(const pn_folder_filter *filter)
{
    return filter->stop && atomic_load_explicit(filter->stop, memory_order_relaxed);
}

pn_status pn_folder_read(pn_folder *f, const char *path, const pn_folder_filter *filter,
                         int *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;
    if (!dir || fstat(fd, &st)) {
        *error = errno;
        if (dir)
            closedir(dir);
        else if (fd >= 0)
            close(fd);
        return PN_EIO;
    }
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    pn_status status = PN_OK;
    while (!status) {
        if (asked_to_stop(filter)) {
            status = PN_ESTOPPED;
            break;
        }
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e) {
            *error = errno;
            if (errno) status = PN_EIO;
            break;
        }
        status = add_entry(f, fd, e, filter);
    }
    closedir(dir);
    return status;
}

/* the byte at i of "name" for a file, of "name/" for a folder */
static unsigned byte_at(const char *entry, size_t i)
{
    unsigned char c = (unsigned char)entry[1 + i];
    return c || entry[0] == 'f' ? c : '/';
}

static int compare(const void *a, const void *b, void *bytes)
{
    const char *x = (const char *)bytes + *(const uint64_t *)a;
    const char *y = (const char *)bytes + *(const uint64_t *)b;
    size_t i = 0;
    while (x[1 + i] && x[1 + i] == y[1 + i])
        i++;
    unsigned p = byte_at(x, i), q = byte_at(y, i);
    return (p > q) - (p < q);
}

void pn_folder_sort(pn_folder *f)
{
    if (f->n) qsort_r(f->offsets, f->n, sizeof(*f->offsets), compare, f->bytes);
}

const char *pn_folder_name(const pn_folder *f, size_t i, bool *is_folder_out)
{
    const char *entry = f->bytes + f->offsets[i];
    if (is_folder_out) *is_folder_out = entry[0] == 'd';
    return entry + 1;
}

void pn_folder_fini(pn_folder *f)
{
    free(f->bytes);
    free(f->offsets);
    memset(f, 0, sizeof(*f));
}
