/* The values of an LMDB in key order, in one snapshot: whoever writes to the database
 * meanwhile is not seen, and cannot reuse the snapshot's pages before the run is over
 * (its file grows instead). Bytes are copied out of the map into the items. */
#include "stages/source/read_lmdb.h"

#include <stddef.h>
#include <string.h>

#include "base/fields.h"
#include "stages/lmdb_open.h"
#include "stages/source/datum.h"

/* more than any photo and any raw planes the decoder would take: what is larger is not
 * worth the memory to find out */
#define MAX_VALUE_BYTES ((size_t)1 << 28)

static const char *const format_names[] = {"auto", "encoded", "datum", NULL};

static const pn_field read_lmdb_fields[] = {
    {.key = "path",
     .type = PN_FIELD_PATH,
     .offset = offsetof(pn_read_lmdb_opts, path),
     .required = true,
     .help = "the LMDB: a folder with data.mdb, or a single file"},
    {.key = "format",
     .type = PN_FIELD_ENUM,
     .offset = offsetof(pn_read_lmdb_opts, format),
     .fallback = "auto",
     .names = format_names,
     .help = "what a value is: an image file (encoded), a Caffe Datum, or auto"},
    {.key = "database",
     .type = PN_FIELD_STRING,
     .offset = offsetof(pn_read_lmdb_opts, database),
     .fallback = "",
     .help = "name of the sub-database; empty: the main one"},
    {.key = NULL},
};

typedef struct read_lmdb_shared {
    pn_lmdb db;
    MDB_dbi dbi;
    pn_value_format format;
    uint64_t n_entries;
} read_lmdb_shared;

typedef struct read_lmdb_state {
    const read_lmdb_shared *shared;
    MDB_cursor *cursor;
    uint64_t n_taken;
    pn_status end; /* not PN_OK: nothing more will come */
    pn_err why;
} read_lmdb_state;

/* A database of databases has no images of its own: a run over it would be nothing but
 * puzzling failures, so ask for the name instead. */
static pn_status refuse_sub_databases(const read_lmdb_shared *s, pn_err *err)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(s->db.txn, s->dbi, &cursor);
    if (rc) return pn_lmdb_fail(err, rc, "read", s->db.path);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    pn_status st = PN_OK;
    char name[64];
    if (!rc && value.mv_size == 48 && key.mv_size < sizeof(name) &&
        !memchr(key.mv_data, 0, key.mv_size)) {
        memcpy(name, key.mv_data, key.mv_size);
        name[key.mv_size] = '\0';
        MDB_dbi sub;
        if (mdb_dbi_open(s->db.txn, name, 0, &sub) == 0)
            st = pn_fail(err, PN_EFORMAT,
                         "%s holds named databases (the first is \"%s\"): say which one "
                         "has the images with input.database",
                         s->db.path, name);
    }
    mdb_cursor_close(cursor);
    return st;
}

static pn_status read_lmdb_open(void *shared, const void *opts, pn_err *err)
{
    read_lmdb_shared *s = shared;
    const pn_read_lmdb_opts *o = opts;
    s->format = (pn_value_format)o->format;
    pn_status st = pn_lmdb_open(&s->db, o->path, 2, err);
    if (st) return st;
    const char *name = o->database && o->database[0] ? o->database : NULL;
    int rc = mdb_dbi_open(s->db.txn, name, 0, &s->dbi);
    if (rc == MDB_NOTFOUND)
        return pn_fail(err, PN_ENOENT, "%s has no database named \"%s\"", o->path, name);
    if (rc == MDB_INCOMPATIBLE)
        return pn_fail(err, PN_EFORMAT, "%s: \"%s\" is a record, not a database", o->path,
                       name);
    if (rc) return pn_lmdb_fail(err, rc, "open", o->path);
    unsigned flags;
    rc = mdb_dbi_flags(s->db.txn, s->dbi, &flags);
    if (rc) return pn_lmdb_fail(err, rc, "open", o->path);
    if (flags & MDB_DUPSORT)
        return pn_fail(err, PN_EUNSUPPORTED,
                       "%s: keys with several values (MDB_DUPSORT): an image needs a key "
                       "of its own",
                       o->path);
    MDB_stat stat;
    rc = mdb_stat(s->db.txn, s->dbi, &stat);
    if (rc) return pn_lmdb_fail(err, rc, "read", o->path);
    s->n_entries = stat.ms_entries;
    return name ? PN_OK : refuse_sub_databases(s, err);
}

static pn_status read_lmdb_start(void *state, const void *shared, pn_err *err)
{
    read_lmdb_state *s = state;
    s->shared = shared;
    int rc = mdb_cursor_open(s->shared->db.txn, s->shared->dbi, &s->cursor);
    return rc ? pn_lmdb_fail(err, rc, "read", s->shared->db.path) : PN_OK;
}

static pn_status take(read_lmdb_state *s, pn_item *it, const MDB_val *key,
                      const MDB_val *value, int64_t max_bytes)
{
    const size_t most = max_bytes > 0 ? (size_t)max_bytes : MAX_VALUE_BYTES;
    s->n_taken++;
    pn_status st = pn_item_set_key(it, key->mv_data, key->mv_size);
    if (st) return st;
    if (value->mv_size > most) {
        pn_item_fail(it, PN_REASON_TOO_LARGE, "the value has %zu bytes: at most %zu",
                     value->mv_size, most);
        return PN_OK;
    }
    return pn_item_from_value(it, s->shared->format, value->mv_data, value->mv_size);
}

/* The next record; PN_END behind the last. The page check may have passed over parts of a
 * huge file, so its rules are held here again. */
static pn_status next_record(read_lmdb_state *s, MDB_val *key, MDB_val *value,
                             pn_err *err)
{
    const char *path = s->shared->db.path;
    const unsigned long long n = s->n_taken, counted = s->shared->n_entries;
    int rc = mdb_cursor_get(s->cursor, key, value, MDB_NEXT);
    if (rc == MDB_NOTFOUND && !n)
        return pn_fail(err, PN_EFORMAT, "%s: the database holds no records", path);
    if (rc == MDB_NOTFOUND && n != counted)
        return pn_fail(err, PN_EFORMAT,
                       "%s: damaged LMDB: %llu records, but it counts %llu", path, n,
                       counted);
    if (rc == MDB_NOTFOUND) return PN_END;
    if (rc) return pn_lmdb_fail(err, rc, "read", path);
    if (n >= counted) /* or damaged links could go on for ever */
        return pn_fail(err, PN_EFORMAT,
                       "%s: damaged LMDB: more records than the %llu it counts", path,
                       counted);
    if (!key->mv_size)
        return pn_fail(err, PN_EFORMAT, "%s: damaged LMDB: record %llu has no key", path,
                       n);
    return PN_OK;
}

static pn_status read_lmdb_pull(void *state, pn_batch *out, const atomic_bool *stop,
                                pn_err *err)
{
    read_lmdb_state *s = state;
    (void)stop; /* a batch is soon full */
    int64_t n_bytes = 0;
    while (!s->end && out->n < out->shape.capacity && n_bytes < PN_FULL_BATCH_BYTES) {
        MDB_val key, value;
        s->end = next_record(s, &key, &value, &s->why);
        if (s->end) break;
        pn_status st =
            take(s, &out->items[out->n], &key, &value, out->shape.max_item_bytes);
        if (st) return pn_fail(err, st, "read %s: out of memory", s->shared->db.path);
        n_bytes += (int64_t)out->items[out->n++].data_size;
    }
    if (out->n) return PN_OK; /* what came before a failure is good: that comes next */
    return s->end == PN_END ? PN_END : pn_fail(err, s->end, "%s", pn_err_text(&s->why));
}

static pn_status read_lmdb_count(const void *shared, uint64_t *n, const atomic_bool *stop)
{
    const read_lmdb_shared *s = shared;
    (void)stop; /* known since open() */
    *n = s->n_entries;
    return PN_OK;
}

static void read_lmdb_stop(void *state)
{
    read_lmdb_state *s = state;
    if (s->cursor) mdb_cursor_close(s->cursor);
    s->cursor = NULL;
    pn_err_clear(&s->why);
}

static void read_lmdb_close(void *shared)
{
    read_lmdb_shared *s = shared;
    pn_lmdb_close(&s->db);
}

const pn_source_ops pn_source_read_lmdb = {
    .info = {.name = "lmdb",
             .summary = "an LMDB of image files or Caffe Datum",
             .fields = read_lmdb_fields,
             .opts_size = sizeof(pn_read_lmdb_opts),
             .shared_size = sizeof(read_lmdb_shared),
             .state_size = sizeof(read_lmdb_state),
             .open = read_lmdb_open,
             .start = read_lmdb_start,
             .stop = read_lmdb_stop,
             .close = read_lmdb_close},
    .out = PN_TYPE_BYTES,
    .pull = read_lmdb_pull,
    .count = read_lmdb_count,
};
