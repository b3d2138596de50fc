/* No write transaction is open between calls: items are kept in a log, and a commit puts
 * the whole log. So a transaction that fails because the map is too small is simply
 * repeated in a larger one, and no call depends on which thread made the last. */
#include "stages/sink/write_lmdb.h"

#include <errno.h>
#include <lmdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/fields.h"
#include "base/file.h"
#include "penult/log.h"
#include "stages/lmdb_open.h"
#include "stages/sink/result_folder.h"
#include "stages/sink/result_format.h"

#define FIRST_MAP_BYTES ((size_t)64 << 20)
#define COMMIT_BYTES ((size_t)8 << 20)
#define COMMIT_MS 1000

enum { EXISTS_ERROR, EXISTS_RESUME, EXISTS_OVERWRITE };
static const char *const exists_names[] = {"error", "resume", "overwrite", NULL};
enum { FEATURES_F32, FEATURES_F16, FEATURES_NONE };
static const char *const features_names[] = {"float32", "float16", "none", NULL};

static const pn_field write_lmdb_fields[] = {
    {.key = "path",
     .type = PN_FIELD_PATH,
     .offset = offsetof(pn_write_lmdb_opts, path),
     .required = true,
     .help = "the result: a folder that is made"},
    {.key = "on_exists",
     .type = PN_FIELD_ENUM,
     .offset = offsetof(pn_write_lmdb_opts, on_exists),
     .fallback = "error",
     .names = exists_names,
     .help = "if there is a result at path: error, or overwrite once the new one is "
             "complete"},
    {.key = "features",
     .type = PN_FIELD_ENUM,
     .offset = offsetof(pn_write_lmdb_opts, features),
     .fallback = "float32",
     .names = features_names,
     .help = "how feature vectors are kept: float32, float16 or none"},
    {.key = NULL},
};

typedef struct write_lmdb_shared {
    const pn_write_lmdb_opts *opts;
} write_lmdb_shared;

/* one image, encoded; in the log lie key, items value, features value, other value */
typedef struct pending {
    size_t at, key_size, items_size, features_size;
    size_t other_size; /* predictions, or errors if it failed */
    pn_reason reason;
    bool has_features;
} pending;

typedef struct write_lmdb_state {
    const pn_write_lmdb_opts *opts;
    pn_result_folder *folder;
    MDB_env *env;
    MDB_dbi dbis[PN_N_RESULT_DBS];
    size_t map_bytes, page_bytes, commit_bytes;
    uint8_t *log;
    size_t log_used, log_capacity;
    pending *items;
    size_t n_items, items_capacity;
    int64_t first_ms; /* when the oldest item of the log came */
    pn_counts counts; /* of what is committed */
    bool is_complete, is_settled;
} write_lmdb_state;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Is it for want of room that a write failed? liblmdb makes a short write, which is how a
 * full disk begins, into EIO. */
static bool is_full(const write_lmdb_state *s, size_t need_bytes)
{
    struct statvfs v;
    struct rlimit limit;
    struct stat sb;
    mdb_filehandle_t fd;
    if (mdb_env_get_fd(s->env, &fd) != 0) return false;
    if (fstatvfs(fd, &v) == 0 && v.f_blocks &&
        v.f_bavail < need_bytes / (v.f_frsize ? v.f_frsize : 1) + 1)
        return true;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           fstat(fd, &sb) == 0 && (rlim_t)sb.st_size + need_bytes >= limit.rlim_cur;
}

/* pages that the log can take: values of half a page and more are rounded up to pages
 * after a header, small ones stand in pages that are at least half full */
static size_t needed_bytes(const write_lmdb_state *s)
{
    return 2 * s->log_used + 16 * s->page_bytes;
}

static pn_status write_fail(const write_lmdb_state *s, int rc, pn_err *err)
{
    const char *path = s->opts->path; /* what is built goes by this name in the end */
    pn_status st = rc > 0 ? pn_status_of_errno(rc) : PN_EIO;
    if (st == PN_EFULL || (rc == EIO && is_full(s, needed_bytes(s))))
        return pn_fail(err, PN_EFULL,
                       "write %s: the disk is full, or a quota or limit reached (%s): "
                       "%llu images are written and whole",
                       path, mdb_strerror(rc), (unsigned long long)s->counts.seen);
    return pn_fail(err, st == PN_ENOMEM ? PN_ENOMEM : PN_EIO, "write %s: %s", path,
                   mdb_strerror(rc));
}

static pn_status grow_map(write_lmdb_state *s, size_t at_least, pn_err *err)
{
    size_t bytes;
    if (__builtin_add_overflow(s->map_bytes, s->map_bytes / 2, &bytes)) bytes = SIZE_MAX;
    if (bytes < at_least) bytes = at_least;
    if (bytes > SIZE_MAX / 2)
        return pn_fail(err, PN_ENOMEM, "grow the map of %s: no address space",
                       s->opts->path);
    bytes = (bytes + 65535) / 65536 * 65536; /* the largest page size there is */
    int rc = mdb_env_set_mapsize(s->env, bytes);
    if (rc)
        return pn_fail(err, rc == ENOMEM ? PN_ENOMEM : PN_EIO,
                       "grow the map of %s to %zu bytes: %s", s->opts->path, bytes,
                       mdb_strerror(rc));
    s->map_bytes = bytes;
    return PN_OK;
}

/* Room for the log, so that as a rule no transaction is made in vain. */
static pn_status make_room(write_lmdb_state *s, pn_err *err)
{
    MDB_envinfo info;
    int rc = mdb_env_info(s->env, &info);
    if (rc) return write_fail(s, rc, err);
    size_t want = (info.me_last_pgno + 1) * s->page_bytes + needed_bytes(s);
    return want > s->map_bytes ? grow_map(s, want, err) : PN_OK;
}

/** Puts all of a transaction into txn, or returns liblmdb's code. */
typedef int put_fn(write_lmdb_state *s, MDB_txn *txn, void *cookie);

static pn_status run_transaction(write_lmdb_state *s, put_fn *put, void *cookie,
                                 pn_err *err)
{
    for (;;) {
        MDB_txn *txn = NULL;
        int rc = mdb_txn_begin(s->env, NULL, 0, &txn);
        if (!rc) {
            rc = put(s, txn, cookie);
            if (rc)
                mdb_txn_abort(txn);
            else
                rc = mdb_txn_commit(txn);
        }
        if (rc != MDB_MAP_FULL) return rc ? write_fail(s, rc, err) : PN_OK;
        pn_status st = grow_map(s, 0, err);
        if (st) return st;
    }
}

static int put(MDB_txn *txn, MDB_dbi dbi, const void *key, size_t key_size,
               const void *value, size_t size, unsigned flags)
{
    MDB_val k = {key_size, (void *)(uintptr_t)key};
    MDB_val v = {size, (void *)(uintptr_t)value};
    return mdb_put(txn, dbi, &k, &v, flags);
}

static int put_meta(write_lmdb_state *s, MDB_txn *txn, const char *key, const char *json)
{
    return put(txn, s->dbis[PN_DB_META], key, strlen(key), json, strlen(json), 0);
}

static int put_counts(write_lmdb_state *s, MDB_txn *txn, const pn_counts *c)
{
    char text[2048];
    size_t n = (size_t)snprintf(text, sizeof(text),
                                "{\"seen\": %llu, \"ok\": %llu, \"failed\": %llu, "
                                "\"complete\": %s, \"by_reason\": {",
                                (unsigned long long)c->seen, (unsigned long long)c->ok,
                                (unsigned long long)c->failed,
                                s->is_complete ? "true" : "false");
    const char *comma = "";
    for (int r = PN_REASON_NONE + 1; r < PN_N_REASONS; r++) {
        if (!c->by_reason[r] || n >= sizeof(text)) continue;
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"%s\": %llu", comma,
                              pn_reason_name((pn_reason)r),
                              (unsigned long long)c->by_reason[r]);
        comma = ", ";
    }
    if (n + 3 > sizeof(text)) return EINVAL; /* more reasons than there are */
    memcpy(text + n, "}}", 3);
    return put_meta(s, txn, "counts", text);
}

static int put_begin(write_lmdb_state *s, MDB_txn *txn, void *cookie)
{
    (void)cookie;
    int rc = 0;
    for (int i = 0; !rc && i < PN_N_RESULT_DBS; i++)
        rc = mdb_dbi_open(txn, pn_result_db_names[i], MDB_CREATE, &s->dbis[i]);
    const pn_write_lmdb_opts *o = s->opts;
    const char *features = o->features == FEATURES_F32   ? "{\"dtype\": \"float32\"}"
                           : o->features == FEATURES_F16 ? "{\"dtype\": \"float16\"}"
                                                         : "{\"dtype\": \"none\"}";
    const struct {
        const char *key, *json;
    } metas[] = {{"schema", pn_result_schema},
                 {"config", o->meta_config},
                 {"model", o->meta_model},
                 {"labels", o->meta_labels},
                 {"features", o->meta_features ? o->meta_features : features}};
    for (size_t i = 0; !rc && i < sizeof(metas) / sizeof(metas[0]); i++)
        if (metas[i].json) rc = put_meta(s, txn, metas[i].key, metas[i].json);
    return rc ? rc : put_counts(s, txn, &s->counts);
}

static int put_item(write_lmdb_state *s, MDB_txn *txn, const pending *p)
{
    const uint8_t *key = s->log + p->at, *value = key + p->key_size;
    /* first of all, so that a key that is there already leaves no trace */
    int rc = put(txn, s->dbis[PN_DB_ITEMS], key, p->key_size, value, p->items_size,
                 MDB_NOOVERWRITE);
    value += p->items_size;
    if (!rc && p->has_features)
        rc = put(txn, s->dbis[PN_DB_FEATURES], key, p->key_size, value, p->features_size,
                 0);
    value += p->features_size;
    if (!rc)
        rc = put(txn, s->dbis[p->reason ? PN_DB_ERRORS : PN_DB_PREDICTIONS], key,
                 p->key_size, value, p->other_size, 0);
    return rc;
}

typedef struct log_put {
    pn_counts counts;
    size_t n_put; /* less than the log has: the next one's key is there already */
} log_put;

static int put_log(write_lmdb_state *s, MDB_txn *txn, void *cookie)
{
    log_put *l = cookie;
    l->counts = s->counts;
    int rc = 0;
    for (l->n_put = 0; l->n_put < s->n_items; l->n_put++) {
        const pending *p = &s->items[l->n_put];
        rc = put_item(s, txn, p);
        if (rc == MDB_KEYEXIST) break;
        if (rc) return rc;
        l->counts.seen++;
        l->counts.by_reason[p->reason]++;
        if (p->reason)
            l->counts.failed++;
        else
            l->counts.ok++;
    }
    return put_counts(s, txn, &l->counts);
}

static pn_status commit(write_lmdb_state *s, pn_err *err)
{
    log_put l;
    pn_status st = make_room(s, err);
    if (!st) st = run_transaction(s, put_log, &l, err);
    if (st) return st;
    s->counts = l.counts;
    if (l.n_put < s->n_items) {
        char text[PN_KEY_TEXT];
        const pending *p = &s->items[l.n_put];
        return pn_fail(err, PN_EFORMAT,
                       "%s: the source yields the key \"%s\" twice: keys must differ",
                       s->opts->path,
                       pn_key_text(s->log + p->at, p->key_size, text, sizeof(text)));
    }
    s->n_items = 0;
    s->log_used = 0;
    return PN_OK;
}

static bool reserve(write_lmdb_state *s, size_t more)
{
    size_t need;
    if (__builtin_add_overflow(s->log_used, more, &need)) return false;
    if (need > s->log_capacity) {
        size_t grown = s->log_capacity + s->log_capacity / 2;
        uint8_t *p = realloc(s->log, need > grown ? need : grown);
        if (!p) return false;
        s->log = p;
        s->log_capacity = need > grown ? need : grown;
    }
    if (s->n_items == s->items_capacity) {
        size_t n = s->items_capacity ? s->items_capacity * 2 : 256;
        pending *p = reallocarray(s->items, n, sizeof(*p));
        if (!p) return false;
        s->items = p;
        s->items_capacity = n;
    }
    return true;
}

static void encode_features(uint8_t *out, const float *x, size_t n, bool f16)
{
    for (size_t i = 0; i < n; i++)
        if (f16)
            pn_put_u16(out + 2 * i, pn_f16_from_f32(x[i]));
        else
            pn_put_f32(out + 4 * i, x[i]);
}

static size_t encode_other(uint8_t *out, const pn_item *it, size_t n_top)
{
    if (it->reason == PN_REASON_NONE) {
        for (size_t i = 0; i < n_top; i++) {
            pn_put_u32(out + PN_SCORE_BYTES * i, it->top[i].index);
            pn_put_f32(out + PN_SCORE_BYTES * i + 4, it->top[i].probability);
        }
        return n_top * PN_SCORE_BYTES;
    }
    const char *name = pn_reason_name(it->reason);
    size_t n = strlen(name);
    memcpy(out, name, n);
    out[n] = '\t';
    return n + 1 + pn_clean_text(out + n + 1, it->text, strnlen(it->text, PN_ITEM_TEXT));
}

/* Encode one item at the end of the log. */
static pn_status append(write_lmdb_state *s, const pn_item *it,
                        const pn_batch_shape *shape, pn_err *err)
{
    uint8_t key[PN_STORED_KEY_MAX];
    pending p = {.at = s->log_used, .reason = it->reason};
    p.key_size = pn_stored_key(key, it->key, it->key_size);
    if (!p.key_size || (unsigned)it->reason >= PN_N_REASONS)
        return pn_fail(err, PN_EINTERNAL, "item %llu of the source has no %s",
                       (unsigned long long)it->seq, p.key_size ? "known reason" : "key");
    bool f16 = s->opts->features == FEATURES_F16;
    size_t full_size = it->key_size > PN_STORED_KEY_MAX ? it->key_size : 0;
    p.items_size = pn_item_record_size(full_size, it->n_labels);
    p.has_features = !it->reason && s->opts->features != FEATURES_NONE && it->features &&
                     shape->n_features;
    if (p.has_features) p.features_size = shape->n_features * (f16 ? 2 : 4);
    size_t n_top = (size_t)shape->top_k;
    p.other_size = it->reason ? 64 + PN_ITEM_TEXT : n_top * PN_SCORE_BYTES; /* at most */
    size_t most;
    if (!p.items_size || __builtin_add_overflow(p.items_size, p.features_size, &most) ||
        __builtin_add_overflow(most, p.key_size + p.other_size, &most) ||
        !reserve(s, most))
        return pn_fail(err, PN_ENOMEM, "write %s: out of memory", s->opts->path);

    uint8_t *items = s->log + p.at + p.key_size, *features = items + p.items_size;
    uint8_t *other = features + p.features_size;
    memcpy(s->log + p.at, key, p.key_size);
    if (p.has_features) encode_features(features, it->features, shape->n_features, f16);
    p.other_size = encode_other(other, it, n_top);
    pn_item_record r = {
        .flags = (it->reason ? PN_ITEM_FAILED : 0u) |
                 (p.has_features ? PN_ITEM_HAS_FEATURES | (f16 ? PN_ITEM_F16 : 0u) : 0u),
        .features_hash = p.has_features ? pn_value_hash(features, p.features_size) : 0,
        .other_hash = pn_value_hash(other, p.other_size),
        .full_key = it->key,
        .full_key_size = full_size,
        .n_labels = it->n_labels};
    pn_item_record_put(items, &r, it->labels);
    if (!s->n_items) s->first_ms = now_ms();
    s->items[s->n_items++] = p;
    s->log_used = p.at + p.key_size + p.items_size + p.features_size + p.other_size;
    return PN_OK;
}

static pn_status write_lmdb_open(void *shared, const void *opts, pn_err *err)
{
    write_lmdb_shared *s = shared;
    s->opts = opts;
    if (s->opts->on_exists == EXISTS_RESUME)
        return pn_fail(err, PN_EUNSUPPORTED,
                       "output.on_exists: resume is not built yet: use error (a new "
                       "path) or overwrite");
    return pn_result_folder_check(s->opts->path, s->opts->on_exists == EXISTS_OVERWRITE,
                                  err);
}

static pn_status open_env(write_lmdb_state *s, pn_err *err)
{
    const char *path = pn_result_folder_path(s->folder);
    MDB_stat stat;
    s->map_bytes = s->opts->first_map_bytes ? s->opts->first_map_bytes : FIRST_MAP_BYTES;
    int rc = pn_lmdb_reserve_lock(path, true);
    if (!rc) rc = mdb_env_create(&s->env);
    if (!rc) rc = mdb_env_set_maxdbs(s->env, PN_N_RESULT_DBS);
    if (!rc) rc = mdb_env_set_mapsize(s->env, s->map_bytes);
    if (!rc) rc = mdb_env_open(s->env, path, 0, 0666);
    if (!rc) rc = mdb_env_stat(s->env, &stat);
    if (rc) return write_fail(s, rc, err);
    s->page_bytes = stat.ms_psize;
    return PN_OK;
}

static pn_status write_lmdb_start(void *state, const void *shared, pn_err *err)
{
    write_lmdb_state *s = state;
    s->opts = ((const write_lmdb_shared *)shared)->opts;
    s->commit_bytes = s->opts->commit_bytes ? s->opts->commit_bytes : COMMIT_BYTES;
    pn_status st = pn_result_folder_begin(&s->folder, s->opts->path,
                                          s->opts->on_exists == EXISTS_OVERWRITE, err);
    if (!st) st = open_env(s, err);
    if (!st) st = run_transaction(s, put_begin, NULL, err);
    if (!st) st = pn_result_folder_sync(s->folder, err);
    return st;
}

static pn_status write_lmdb_push(void *state, const pn_batch *in, pn_err *err)
{
    write_lmdb_state *s = state;
    pn_status st = PN_OK;
    for (int i = 0; !st && i < in->n; i++) {
        st = append(s, &in->items[i], &in->shape, err);
        if (!st && s->log_used >= s->commit_bytes) st = commit(s, err);
    }
    if (!st && s->n_items && now_ms() - s->first_ms >= COMMIT_MS) st = commit(s, err);
    return st;
}

static pn_status write_lmdb_idle(void *state, pn_err *err)
{
    write_lmdb_state *s = state;
    return s->n_items ? commit(s, err) : PN_OK;
}

static pn_status write_lmdb_finish(void *state, const pn_counts *counts, bool complete,
                                   pn_err *err)
{
    write_lmdb_state *s = state;
    pn_status st = write_lmdb_idle(s, err);
    if (st) return st;
    /* an image that got lost on the way must not look like a complete run */
    if (complete && counts &&
        (counts->ok != s->counts.ok || counts->failed != s->counts.failed))
        return pn_fail(err, PN_EINTERNAL,
                       "%s: the run counts %llu images and %llu failures, the result has "
                       "%llu and %llu",
                       s->opts->path, (unsigned long long)counts->ok,
                       (unsigned long long)counts->failed,
                       (unsigned long long)s->counts.ok,
                       (unsigned long long)s->counts.failed);
    s->is_complete = complete;
    st = commit(s, err);
    if (st || !complete) return st;
    mdb_env_close(s->env);
    s->env = NULL;
    s->is_settled = true;
    return pn_result_folder_publish(s->folder, err);
}

/* what is not complete is kept, if there is anything in it */
static void put_away(write_lmdb_state *s)
{
    if (s->env) mdb_env_close(s->env);
    s->env = NULL;
    if (s->folder && !s->is_settled) {
        if (s->counts.seen)
            pn_result_folder_keep(s->folder);
        else
            pn_result_folder_discard(s->folder);
    }
    s->is_settled = true;
}

static void write_lmdb_settle(void *state, pn_left *left)
{
    write_lmdb_state *s = state;
    put_away(s);
    left->counts = s->counts;
    const char *path = s->folder ? pn_result_folder_path(s->folder) : NULL;
    left->path = path ? strdup(path) : NULL;
}

static void write_lmdb_stop(void *state)
{
    write_lmdb_state *s = state;
    put_away(s);
    pn_result_folder_free(&s->folder);
    free(s->log);
    free(s->items);
    s->log = NULL;
    s->items = NULL;
}

static void write_lmdb_close(void *shared)
{
    (void)shared; /* the options are the caller's */
}

const pn_sink_ops pn_sink_write_lmdb = {
    .info = {.name = "lmdb",
             .summary = "an LMDB of labels and features, one record an image",
             .fields = write_lmdb_fields,
             .opts_size = sizeof(pn_write_lmdb_opts),
             .shared_size = sizeof(write_lmdb_shared),
             .state_size = sizeof(write_lmdb_state),
             .open = write_lmdb_open,
             .start = write_lmdb_start,
             .stop = write_lmdb_stop,
             .close = write_lmdb_close},
    .in = PN_TYPE_RESULTS,
    .push = write_lmdb_push,
    .idle = write_lmdb_idle,
    .finish = write_lmdb_finish,
    .settle = write_lmdb_settle,
};
