#include "stages/lmdb_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "stages/lmdb_check.h"

#define LOCK_BYTES 8192 /* what LMDB maps for its default of 126 readers */

pn_status pn_lmdb_fail(pn_err *err, int rc, const char *what, const char *path)
{
    pn_status st;
    switch (rc) {
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_NOTFOUND:
    case MDB_BAD_VALSIZE:
        st = PN_EFORMAT;
        break;
    case MDB_MAP_RESIZED:
        return pn_fail(err, PN_EIO, "%s %s: another program is writing to it", what,
                       path);
    case MDB_READERS_FULL:
    case MDB_PANIC:
        st = PN_EIO;
        break;
    default:
        st = rc > 0 ? pn_status_of_errno(rc) : PN_EINTERNAL;
    }
    return pn_fail(err, st, "%s %s: %s", what, path, mdb_strerror(rc));
}

static pn_status check_before_open(const char *path, bool *is_folder,
                                   uint64_t *size_bytes, pn_err *err)
{
    struct stat sb;
    if (stat(path, &sb) != 0)
        return pn_fail(err, pn_status_of_errno(errno), "open %s: %s", path,
                       strerror(errno));
    *is_folder = S_ISDIR(sb.st_mode);
    char *file = NULL;
    if (asprintf(&file, "%s%s", path, *is_folder ? "/data.mdb" : "") < 0)
        return pn_fail(err, PN_ENOMEM, "open %s: out of memory", path);
    pn_status st = PN_OK;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && *is_folder)
        st = pn_fail(err, PN_EFORMAT, "%s is not an LMDB: it holds no data.mdb", path);
    else if (fd < 0)
        st =
            pn_fail(err, pn_status_of_errno(errno), "open %s: %s", file, strerror(errno));
    else
        st = pn_lmdb_check_meta(fd, path, size_bytes, err);
    if (fd >= 0) close(fd);
    free(file);
    return st;
}

int pn_lmdb_reserve_lock(const char *path, bool is_folder)
{
    char *file = NULL;
    if (asprintf(&file, "%s%s", path, is_folder ? "/lock.mdb" : "-lock") < 0)
        return ENOMEM;
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int error = fd < 0 ? errno : posix_fallocate(fd, 0, LOCK_BYTES);
    if (fd >= 0) close(fd);
    free(file);
    return error == EOPNOTSUPP || error == EINVAL ? 0
                                                  : error; /* not on this file system */
}

static int open_env(pn_lmdb *l, unsigned max_dbs, unsigned flags, uint64_t size_bytes)
{
    int rc = mdb_env_create(&l->env);
    if (rc) return rc;
    rc = mdb_env_set_maxdbs(l->env, max_dbs);
    /* the size in the file's header may be anything, up to more than there are addresses;
     * what is there is all that can be read */
    if (!rc) rc = mdb_env_set_mapsize(l->env, (size_t)size_bytes);
    if (!rc) rc = mdb_env_open(l->env, l->path, flags, 0664);
    if (!rc) rc = mdb_txn_begin(l->env, NULL, MDB_RDONLY, &l->txn);
    if (!rc) return 0;
    mdb_env_close(l->env);
    l->env = NULL;
    return rc;
}

static pn_status check_snapshot(pn_lmdb *l, pn_err *err)
{
    mdb_filehandle_t fd;
    int rc = mdb_env_get_fd(l->env, &fd);
    if (rc) return pn_lmdb_fail(err, rc, "open", l->path);
    for (int tries = 0; tries < 8; tries++) {
        pn_status st = pn_lmdb_check_tree(fd, l->path, mdb_txn_id(l->txn), err);
        if (st != PN_AGAIN) return st;
        mdb_txn_reset(l->txn);
        rc = mdb_txn_renew(l->txn);
        if (rc) return pn_lmdb_fail(err, rc, "read", l->path);
    }
    return pn_lmdb_fail(err, MDB_MAP_RESIZED, "read", l->path);
}

pn_status pn_lmdb_open(pn_lmdb *l, const char *path, unsigned max_dbs, pn_err *err)
{
    bool is_folder = false;
    uint64_t size_bytes = 0;
    pn_status st = check_before_open(path, &is_folder, &size_bytes, err);
    if (st) return st;
    l->path = strdup(path);
    if (!l->path) return pn_fail(err, PN_ENOMEM, "open %s: out of memory", path);
    unsigned flags = MDB_RDONLY | MDB_NOTLS | (is_folder ? 0 : MDB_NOSUBDIR);
    int rc = pn_lmdb_reserve_lock(path, is_folder);
    if (!rc) rc = open_env(l, max_dbs, flags, size_bytes);
    if (rc == EACCES || rc == EPERM || rc == EROFS || rc == ENOLCK || rc == ENOSPC)
        rc = open_env(l, max_dbs, flags | MDB_NOLOCK, size_bytes);
    st = rc ? pn_lmdb_fail(err, rc, "open", path) : check_snapshot(l, err);
    if (st) pn_lmdb_close(l);
    return st;
}

void pn_lmdb_close(pn_lmdb *l)
{
    if (l->txn) mdb_txn_abort(l->txn);
    if (l->env) mdb_env_close(l->env);
    free(l->path);
    *l = (pn_lmdb){0};
}
