#include "stages/sink/result_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "penult/log.h"
#include "stages/lmdb_open.h"
#include "stages/sink/result_format.h"

struct pn_result_folder {
    char *final;    /**< where it shall stand; no symlinks but what the user may change */
    char *parent;   /**< the folder of both */
    char *build;    /**< where it grows; is `final` unless it replaces */
    char *partial;  /**< where it goes if it replaces and is not complete; else NULL */
    const char *at; /**< one of the three: where it is; NULL: nowhere */
    bool replaces;
    bool has_older; /**< something stood at `final` */
    int lock_fd;    /**< of `build`, flocked; -1 */
};

static pn_status no_memory(pn_err *err, const char *path)
{
    return pn_fail(err, PN_ENOMEM, "output %s: out of memory", path);
}

/* NULL if the LMDB in the folder is ours or empty, else why not (static) */
static const char *why_foreign_lmdb(const char *path)
{
    pn_lmdb db = {0};
    if (pn_lmdb_open(&db, path, 2, NULL)) return "its data.mdb is damaged or not an LMDB";
    const char *why = "its data.mdb does not have penult's schema";
    MDB_dbi dbi;
    MDB_stat stat;
    MDB_val key = {6, (void *)(uintptr_t) "schema"}, value;
    if (mdb_env_stat(db.env, &stat) == 0 && stat.ms_entries == 0)
        why = NULL; /* a run that died before its first commit */
    else if (mdb_dbi_open(db.txn, pn_result_db_names[PN_DB_META], 0, &dbi) == 0 &&
             mdb_get(db.txn, dbi, &key, &value) == 0 &&
             pn_result_schema_version(value.mv_data, value.mv_size))
        why = NULL;
    pn_lmdb_close(&db);
    return why;
}

/* NULL if removing the folder can destroy nothing but a result of ours, else why not */
static const char *why_foreign(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == ENOTDIR ? "it is not a folder" : "it cannot be read";
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return "it cannot be read";
    }
    const char *why = NULL;
    bool has_data = false;
    errno = 0;
    for (const struct dirent *e; !why && (e = readdir(dir)); errno = 0) {
        struct stat sb;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        bool is_data = !strcmp(e->d_name, "data.mdb");
        if (!is_data && strcmp(e->d_name, "lock.mdb") != 0)
            why = "it holds other files than data.mdb and lock.mdb";
        else if (fstatat(fd, e->d_name, &sb, AT_SYMLINK_NOFOLLOW) != 0 ||
                 !S_ISREG(sb.st_mode))
            why = "what it holds are not plain files";
        else if (is_data)
            has_data = sb.st_size > 0;
    }
    if (!why && errno) why = "it cannot be read";
    closedir(dir);
    return why || !has_data ? why : why_foreign_lmdb(path);
}

/* the fd that holds the folder; -1 with errno if somebody else has it (and we do not wait
 * for them), or locks do not work here */
static int lock_folder(const char *path, bool wait)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), rc;
    if (fd < 0) return -1;
    do {
        rc = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool remove_result(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return false;
    unlinkat(fd, "data.mdb", 0);
    unlinkat(fd, "lock.mdb", 0);
    close(fd);
    return rmdir(path) == 0;
}

/* final and parent, absolute; what is there is resolved, so that its siblings lie on the
 * same file system */
static pn_status resolve(pn_result_folder *f, const char *path, pn_err *err)
{
    size_t n = path ? strlen(path) : 0;
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0 || (n == 1 && path[0] == '/'))
        return pn_fail(err, PN_ECONFIG, "output path \"%s\": must name a folder",
                       path ? path : "");
    char *plain = strndup(path, n), *copy = strndup(path, n), *real = NULL;
    const char *above;
    pn_status st = PN_OK;
    struct stat sb;
    if (!plain || !copy) {
        st = no_memory(err, path);
    } else if (lstat(plain, &sb) == 0) {
        f->has_older = true;
        f->final = realpath(plain, NULL);
        if (!f->final)
            st = pn_fail(err, PN_EEXIST, "output %s: a link that leads nowhere", plain);
        else if (!(f->parent = strdup(f->final)))
            st = no_memory(err, path);
        else
            dirname(f->parent);
    } else if (errno != ENOENT) {
        st = pn_fail(err, errno == ENOTDIR ? PN_ECONFIG : PN_EIO, "output %s: %s", plain,
                     strerror(errno));
    } else {
        above = dirname(copy);
        real = realpath(above, NULL);
        if (!real)
            st = pn_fail(err, PN_ECONFIG,
                         "output %s: there is no folder %s: it must exist", plain, above);
        else if (!(f->parent = strdup(real)) ||
                 asprintf(&f->final, "%s/%s", strcmp(real, "/") ? real : "",
                          strrchr(plain, '/') ? strrchr(plain, '/') + 1 : plain) < 0)
            f->final = NULL, st = no_memory(err, path);
    }
    free(real);
    free(copy);
    free(plain);
    return st;
}

/* is what stands at `path` a result of ours that nobody is writing? */
static pn_status check_replaceable(const char *path, pn_err *err)
{
    const char *why = why_foreign(path);
    if (why)
        return pn_fail(err, PN_EEXIST,
                       "output %s exists and is no result of penult (%s): it will not be "
                       "replaced",
                       path, why);
    int fd = lock_folder(path, false);
    if (fd < 0 && errno == EWOULDBLOCK)
        return pn_fail(err, PN_EEXIST, "output %s: another run is writing it", path);
    if (fd >= 0) close(fd);
    return PN_OK;
}

static pn_status check(pn_result_folder *f, const char *path, bool overwrite, pn_err *err)
{
    pn_status st = resolve(f, path, err);
    if (st) return st;
    if (f->has_older && !overwrite)
        return pn_fail(err, PN_EEXIST,
                       "output %s exists already: choose another output.path, or set "
                       "output.on_exists to overwrite",
                       path);
    if (f->has_older) st = check_replaceable(f->final, err);
    if (!st && access(f->parent, W_OK | X_OK) != 0)
        st = pn_output_fail(err, "write to folder", f->parent, errno);
    return st;
}

pn_status pn_result_folder_check(const char *path, bool overwrite, pn_err *err)
{
    pn_result_folder f = {.lock_fd = -1};
    pn_status st = check(&f, path, overwrite, err);
    free(f.final);
    free(f.parent);
    return st;
}

static const char *name_of(const pn_result_folder *f)
{
    return strrchr(f->final, '/') + 1;
}

/* Folders of runs that were killed: the lock is free, so nobody lives in them. */
static void sweep(const pn_result_folder *f)
{
    char *prefix = NULL;
    if (asprintf(&prefix, ".%s.new-", name_of(f)) < 0) return;
    size_t n = strlen(prefix);
    DIR *dir = opendir(f->parent);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        char *path = NULL;
        if (strncmp(e->d_name, prefix, n) != 0 || strlen(e->d_name) != n + 6) continue;
        if (asprintf(&path, "%s/%s", f->parent, e->d_name) < 0) break;
        int fd = lock_folder(path, false);
        if (fd >= 0 && !why_foreign(path) && remove_result(path))
            pn_log(PN_LOG_INFO, "removed %s, left by a run that was killed", path);
        if (fd >= 0) close(fd);
        free(path);
    }
    if (dir) closedir(dir);
    free(prefix);
}

static pn_status make_folder(pn_result_folder *f, pn_err *err)
{
    if (!f->replaces) {
        f->build = strdup(f->final);
        if (!f->build) return no_memory(err, f->final);
        if (mkdir(f->build, 0777) == 0) return PN_OK;
    } else {
        if (asprintf(&f->build, "%s/.%s.new-XXXXXX", f->parent, name_of(f)) < 0) {
            f->build = NULL;
            return no_memory(err, f->final);
        }
        if (mkdtemp(f->build)) {
            if (chmod(f->build, 0777 & ~pn_umask()) == 0) return PN_OK;
            rmdir(f->build);
        }
    }
    int error = errno;
    free(f->build);
    f->build = NULL; /* nothing of ours is there */
    return pn_output_fail(err, "create output", f->final, error);
}

/* between making and locking, a sweeping run may take the empty folder away */
static pn_status make_locked_folder(pn_result_folder *f, pn_err *err)
{
    for (int tries = 0; tries < 8; tries++) {
        pn_status st = make_folder(f, err);
        if (st) return st;
        f->lock_fd = lock_folder(f->build, true);
        if (access(f->build, F_OK) == 0)
            return PN_OK; /* where locks do not work, nobody
                             sweeps either */
        if (f->lock_fd >= 0) close(f->lock_fd);
        f->lock_fd = -1;
        free(f->build);
        f->build = NULL;
    }
    return pn_fail(err, PN_EIO, "create output %s: it is removed again at once",
                   f->final);
}

pn_status pn_result_folder_begin(pn_result_folder **out, const char *path, bool overwrite,
                                 pn_err *err)
{
    pn_result_folder *f = calloc(1, sizeof(*f));
    if (!f) return no_memory(err, path);
    f->lock_fd = -1;
    f->replaces = overwrite;
    pn_status st = check(f, path, overwrite, err);
    if (!st && overwrite) sweep(f);
    if (!st && overwrite && asprintf(&f->partial, "%s.partial", f->final) < 0) {
        f->partial = NULL;
        st = no_memory(err, path);
    }
    if (!st) st = make_locked_folder(f, err);
    if (!st) st = pn_folder_sync(f->parent, err);
    if (st) {
        if (f->build) pn_result_folder_discard(f);
        pn_result_folder_free(&f);
        return st;
    }
    f->at = f->build;
    *out = f;
    return PN_OK;
}

const char *pn_result_folder_path(const pn_result_folder *f)
{
    return f->at;
}

pn_status pn_result_folder_sync(const pn_result_folder *f, pn_err *err)
{
    return pn_folder_sync(f->build, err);
}

/* `from` takes the place of `to`, a result of ours; what stood there is removed */
static int trade_places(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0) {
        if (!remove_result(from))
            pn_log(PN_LOG_WARN, "the replaced result could not be removed: %s", from);
        return 0;
    }
    if (errno != ENOSYS && errno != EINVAL) return errno;
    char *old = NULL;
    if (asprintf(&old, "%s.old", from) < 0) return ENOMEM;
    int error = 0;
    if (rename(to, old) != 0) {
        error = errno;
    } else if (rename(from, to) != 0) {
        error = errno;
        if (rename(old, to) != 0)
            pn_log(PN_LOG_ERROR, "%s could not be put back: it is %s now", to, old);
    } else if (!remove_result(old)) {
        pn_log(PN_LOG_WARN, "the replaced result could not be removed: %s", old);
    }
    free(old);
    return error;
}

static pn_status move_to(pn_result_folder *f, const char *to, pn_err *err)
{
    int error = 0;
    struct stat sb;
    if (lstat(to, &sb) == 0) {
        pn_status st = check_replaceable(to, err);
        if (st) return st;
        error = trade_places(f->build, to);
    } else if (renameat2(AT_FDCWD, f->build, AT_FDCWD, to, RENAME_NOREPLACE) != 0) {
        error = errno;
        if (error == ENOSYS || error == EINVAL)
            error = rename(f->build, to) == 0 ? 0 : errno;
    }
    if (error) return pn_output_fail(err, "move the result to", to, error);
    f->at = to;
    return pn_folder_sync(f->parent, err);
}

pn_status pn_result_folder_publish(pn_result_folder *f, pn_err *err)
{
    pn_status st = pn_folder_sync(f->build, err);
    if (!st && f->replaces) st = move_to(f, f->final, err);
    if (st && f->at == f->build) pn_result_folder_keep(f);
    return st;
}

void pn_result_folder_keep(pn_result_folder *f)
{
    if (!f->replaces) {
        pn_log(PN_LOG_WARN, "the result %s is not complete", f->final);
        return;
    }
    pn_err err = {0};
    if (move_to(f, f->partial, &err)) pn_log(PN_LOG_WARN, "%s", pn_err_text(&err));
    pn_err_clear(&err);
    if (f->has_older)
        pn_log(PN_LOG_WARN,
               "the new result is not complete: it is kept as %s; %s is as it was", f->at,
               f->final);
    else
        pn_log(PN_LOG_WARN, "the result is not complete: it is kept as %s", f->at);
}

void pn_result_folder_discard(pn_result_folder *f)
{
    if (!remove_result(f->build))
        pn_log(PN_LOG_WARN, "%s could not be removed", f->build);
    f->at = NULL;
}

void pn_result_folder_free(pn_result_folder **folder)
{
    pn_result_folder *f = *folder;
    if (!f) return;
    if (f->lock_fd >= 0) close(f->lock_fd);
    free(f->final);
    free(f->parent);
    free(f->build);
    free(f->partial);
    free(f);
    *folder = NULL;
}
