#include "stages/sink/read_result.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "stages/lmdb_open.h"
#include "stages/sink/result_format.h"

/* texts of ours are far smaller; the bound is for files that are not */
#define MAX_META_BYTES ((size_t)64 << 20)

/* a buffer that grows and is used again */
typedef struct buffer {
    void *data;
    size_t capacity;
} buffer;

struct pn_result {
    pn_lmdb db;
    MDB_dbi dbis[PN_N_RESULT_DBS];
    MDB_cursor *cursor;
    uint64_t n_read; /* since the last rewind */
    pn_result_info info;
    char *texts[6];
    buffer labels, top, features, error;
};

static void *room(buffer *b, size_t size)
{
    if (size <= b->capacity && b->data) return b->data;
    free(b->data);
    b->data = malloc(size ? size : 1);
    b->capacity = b->data ? size : 0;
    return b->data;
}

static pn_status read_meta_text(pn_result *r, int slot, const char *name,
                                const char **out, pn_err *err)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name}, value;
    int rc = mdb_get(r->db.txn, r->dbis[PN_DB_META], &key, &value);
    if (rc == MDB_NOTFOUND) return PN_OK;
    if (rc) return pn_lmdb_fail(err, rc, "read meta of", r->db.path);
    if (value.mv_size > MAX_META_BYTES || memchr(value.mv_data, 0, value.mv_size))
        return pn_fail(err, PN_EFORMAT, "%s: meta/%s is no text of at most 64 MiB",
                       r->db.path, name);
    *out = r->texts[slot] = strndup(value.mv_data, value.mv_size);
    if (!*out) return pn_fail(err, PN_ENOMEM, "read %s: out of memory", r->db.path);
    return PN_OK;
}

static bool get_count(const json_t *object, const char *key, uint64_t *out)
{
    const json_t *n = json_object_get(object, key);
    if (!json_is_integer(n) || json_integer_value(n) < 0) return false;
    *out = (uint64_t)json_integer_value(n);
    return true;
}

static bool parse_counts(pn_result_info *info, const json_t *root)
{
    const json_t *complete = json_object_get(root, "complete");
    const json_t *reasons = json_object_get(root, "by_reason");
    uint64_t seen;
    if (!json_is_boolean(complete) || !json_is_object(reasons) ||
        !get_count(root, "seen", &seen) || !get_count(root, "ok", &info->n_ok) ||
        !get_count(root, "failed", &info->n_failed) || info->n_ok > seen ||
        info->n_failed != seen - info->n_ok || seen != info->n_items)
        return false;
    info->is_complete = json_is_true(complete);
    for (int i = PN_REASON_NONE + 1; i < PN_N_REASONS; i++) {
        const char *name = pn_reason_name((pn_reason)i);
        if (json_object_get(reasons, name) &&
            !get_count(reasons, name, &info->by_reason[i]))
            return false;
    }
    return true;
}

static pn_status read_counts(pn_result *r, pn_err *err)
{
    json_t *root =
        r->info.counts ? json_loads(r->info.counts, JSON_REJECT_DUPLICATES, NULL) : NULL;
    pn_status st = PN_OK;
    if (!root || !parse_counts(&r->info, root))
        st = pn_fail(err, PN_EFORMAT,
                     "%s: meta/counts does not add up to the %llu records there",
                     r->db.path, (unsigned long long)r->info.n_items);
    json_decref(root);
    return st;
}

static pn_status read_meta(pn_result *r, pn_err *err)
{
    pn_result_info *i = &r->info;
    const struct {
        const char *name, **out;
    } texts[] = {{"schema", &i->schema},     {"config", &i->config},
                 {"model", &i->model},       {"labels", &i->labels},
                 {"features", &i->features}, {"counts", &i->counts}};
    for (int t = 0; t < 6; t++) {
        pn_status st = read_meta_text(r, t, texts[t].name, texts[t].out, err);
        if (st) return st;
    }
    i->version = i->schema ? pn_result_schema_version(i->schema, strlen(i->schema)) : 0;
    if (!i->version)
        return pn_fail(err, PN_EFORMAT, "%s is not a result of penult: no meta/schema",
                       r->db.path);
    if (i->version > PN_RESULT_VERSION)
        return pn_fail(err, PN_EUNSUPPORTED,
                       "%s is of version %d: this program reads up to %d", r->db.path,
                       i->version, PN_RESULT_VERSION);
    return PN_OK;
}

static pn_status open_databases(pn_result *r, pn_err *err)
{
    uint64_t *const entries[PN_N_RESULT_DBS] = {
        &r->info.n_features, &r->info.n_predictions, &r->info.n_errors, &r->info.n_items};
    for (int i = PN_N_RESULT_DBS - 1; i >= 0;
         i--) { /* meta first: it names the version */
        unsigned flags;
        MDB_stat stat;
        int rc = mdb_dbi_open(r->db.txn, pn_result_db_names[i], 0, &r->dbis[i]);
        if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE)
            return pn_fail(err, PN_EFORMAT,
                           "%s is not a result of penult: it has no database \"%s\"",
                           r->db.path, pn_result_db_names[i]);
        if (!rc) rc = mdb_dbi_flags(r->db.txn, r->dbis[i], &flags);
        if (!rc && flags)
            return pn_fail(err, PN_EFORMAT, "%s: database \"%s\" is of another kind",
                           r->db.path, pn_result_db_names[i]);
        if (!rc) rc = mdb_stat(r->db.txn, r->dbis[i], &stat);
        if (rc) return pn_lmdb_fail(err, rc, "open", r->db.path);
        if (entries[i]) *entries[i] = stat.ms_entries;
        pn_status st = i == PN_DB_META ? read_meta(r, err) : PN_OK;
        if (st) return st;
    }
    int rc = mdb_cursor_open(r->db.txn, r->dbis[PN_DB_ITEMS], &r->cursor);
    return rc ? pn_lmdb_fail(err, rc, "read", r->db.path) : read_counts(r, err);
}

pn_status pn_result_open(pn_result **out, const char *path, pn_err *err)
{
    pn_result *r = calloc(1, sizeof(*r));
    if (!r) return pn_fail(err, PN_ENOMEM, "open %s: out of memory", path);
    pn_status st = pn_lmdb_open(&r->db, path, PN_N_RESULT_DBS, err);
    if (!st) st = open_databases(r, err);
    if (st)
        pn_result_close(&r);
    else
        *out = r;
    return st;
}

void pn_result_close(pn_result **result)
{
    pn_result *r = *result;
    if (!r) return;
    if (r->cursor) mdb_cursor_close(r->cursor);
    pn_lmdb_close(&r->db);
    for (size_t i = 0; i < sizeof(r->texts) / sizeof(r->texts[0]); i++)
        free(r->texts[i]);
    free(r->labels.data);
    free(r->top.data);
    free(r->features.data);
    free(r->error.data);
    free(r);
    *result = NULL;
}

const pn_result_info *pn_result_get_info(const pn_result *r)
{
    return &r->info;
}

static pn_status damaged(const pn_result *r, const MDB_val *key, const char *rule,
                         pn_err *err)
{
    char text[PN_KEY_TEXT];
    return pn_fail(err, PN_EFORMAT, "%s: record \"%s\": %s", r->db.path,
                   pn_key_text(key->mv_data, key->mv_size, text, sizeof(text)), rule);
}

/* the value of the same key in another database, if its hash is right */
static pn_status get_value(pn_result *r, pn_result_db db, const MDB_val *key,
                           uint64_t hash, MDB_val *out, pn_err *err)
{
    MDB_val k = *key;
    int rc = mdb_get(r->db.txn, r->dbis[db], &k, out);
    if (rc == MDB_NOTFOUND)
        return damaged(r, key,
                       db == PN_DB_FEATURES ? "its features are missing"
                       : db == PN_DB_ERRORS ? "its error is missing"
                                            : "its predictions are missing",
                       err);
    if (rc) return pn_lmdb_fail(err, rc, "read", r->db.path);
    if (pn_value_hash(out->mv_data, out->mv_size) != hash)
        return damaged(r, key,
                       db == PN_DB_FEATURES ? "its features do not have their hash"
                       : db == PN_DB_ERRORS ? "its error does not have its hash"
                                            : "its predictions do not have their hash",
                       err);
    return PN_OK;
}

static pn_status read_features(pn_result *r, const MDB_val *key,
                               const pn_item_record *item, pn_record *out, pn_err *err)
{
    MDB_val v;
    pn_status st = get_value(r, PN_DB_FEATURES, key, item->features_hash, &v, err);
    if (st) return st;
    out->is_f16 = item->flags & PN_ITEM_F16;
    size_t each = out->is_f16 ? 2 : 4, n = v.mv_size / each;
    if (v.mv_size % each) return damaged(r, key, "its features are cut short", err);
    float *x = room(&r->features, n * sizeof(*x)); /* at most twice what is there */
    if (!x) return pn_fail(err, PN_ENOMEM, "read %s: out of memory", r->db.path);
    const uint8_t *p = v.mv_data;
    for (size_t i = 0; i < n; i++)
        x[i] =
            out->is_f16 ? pn_f32_from_f16(pn_get_u16(p + 2 * i)) : pn_get_f32(p + 4 * i);
    out->features = x;
    out->n_features = n;
    return PN_OK;
}

static pn_status read_predictions(pn_result *r, const MDB_val *key,
                                  const pn_item_record *item, pn_record *out, pn_err *err)
{
    MDB_val v;
    pn_status st = get_value(r, PN_DB_PREDICTIONS, key, item->other_hash, &v, err);
    if (st) return st;
    if (v.mv_size % PN_SCORE_BYTES)
        return damaged(r, key, "its predictions are cut short", err);
    size_t n = v.mv_size / PN_SCORE_BYTES;
    pn_score *top = room(&r->top, n * sizeof(*top));
    if (!top) return pn_fail(err, PN_ENOMEM, "read %s: out of memory", r->db.path);
    const uint8_t *p = v.mv_data;
    for (size_t i = 0; i < n; i++)
        top[i] = (pn_score){pn_get_u32(p + PN_SCORE_BYTES * i),
                            pn_get_f32(p + PN_SCORE_BYTES * i + 4)};
    out->top = top;
    out->n_top = n;
    return PN_OK;
}

static pn_status read_error(pn_result *r, const MDB_val *key, const pn_item_record *item,
                            pn_record *out, pn_err *err)
{
    MDB_val v;
    pn_status st = get_value(r, PN_DB_ERRORS, key, item->other_hash, &v, err);
    if (st) return st;
    char *text = v.mv_size < SIZE_MAX ? room(&r->error, v.mv_size + 1) : NULL;
    if (!text) return pn_fail(err, PN_ENOMEM, "read %s: out of memory", r->db.path);
    memcpy(text, v.mv_data, v.mv_size);
    text[v.mv_size] = '\0';
    char *tab = strchr(text, '\t');
    if (!tab || strlen(text) != v.mv_size)
        return damaged(r, key, "its error is not a reason, a TAB and a text", err);
    *tab = '\0';
    out->reason = text;
    out->text = tab + 1;
    return PN_OK;
}

static pn_status read_record(pn_result *r, const MDB_val *key, const MDB_val *value,
                             pn_record *out, pn_err *err)
{
    pn_item_record item;
    const char *rule = pn_item_record_get(&item, value->mv_data, value->mv_size);
    if (rule) return damaged(r, key, rule, err);
    pn_record rec = {.key = key->mv_data,
                     .key_size = key->mv_size,
                     .failed = item.flags & PN_ITEM_FAILED,
                     .n_labels = item.n_labels};
    if (item.full_key_size) {
        uint8_t stored[PN_STORED_KEY_MAX];
        size_t n = pn_stored_key(stored, item.full_key, item.full_key_size);
        if (n != key->mv_size || memcmp(stored, key->mv_data, n) != 0)
            return damaged(r, key, "the full key in it is another one's", err);
        rec.key = item.full_key;
        rec.key_size = item.full_key_size;
    }
    float *labels = room(&r->labels, item.n_labels * sizeof(*labels));
    if (!labels) return pn_fail(err, PN_ENOMEM, "read %s: out of memory", r->db.path);
    for (size_t i = 0; i < item.n_labels; i++)
        labels[i] = pn_get_f32(item.label_bytes + 4 * i);
    rec.labels = labels;
    pn_status st = rec.failed ? read_error(r, key, &item, &rec, err)
                              : read_predictions(r, key, &item, &rec, err);
    if (!st && item.flags & PN_ITEM_HAS_FEATURES)
        st = read_features(r, key, &item, &rec, err);
    if (!st) *out = rec;
    return st;
}

pn_status pn_result_next(pn_result *r, pn_record *out, pn_err *err)
{
    MDB_val key, value;
    int rc = mdb_cursor_get(r->cursor, &key, &value, r->n_read ? MDB_NEXT : MDB_FIRST);
    if (rc == MDB_NOTFOUND) return PN_END;
    if (rc) return pn_lmdb_fail(err, rc, "read", r->db.path);
    if (r->n_read++ >= r->info.n_items) /* or damaged links could go on for ever */
        return pn_fail(err, PN_EFORMAT, "%s: damaged LMDB: more records than it counts",
                       r->db.path);
    return read_record(r, &key, &value, out, err);
}

void pn_result_rewind(pn_result *r)
{
    r->n_read = 0;
}

pn_status pn_result_find(pn_result *r, const void *key, size_t size, pn_record *out,
                         pn_err *err)
{
    uint8_t stored[PN_STORED_KEY_MAX];
    MDB_val k = {pn_stored_key(stored, key, size), stored}, value;
    MDB_cursor *cursor;
    char text[PN_KEY_TEXT];
    int rc = mdb_cursor_open(r->db.txn, r->dbis[PN_DB_ITEMS], &cursor);
    if (rc) return pn_lmdb_fail(err, rc, "read", r->db.path);
    /* SET_KEY: the key in its page, which records lend, not the one on our stack */
    rc = k.mv_size ? mdb_cursor_get(cursor, &k, &value, MDB_SET_KEY) : MDB_NOTFOUND;
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND)
        return pn_fail(err, PN_ENOENT, "%s has no record \"%s\"", r->db.path,
                       pn_key_text(key, size, text, sizeof(text)));
    if (rc) return pn_lmdb_fail(err, rc, "read", r->db.path);
    return read_record(r, &k, &value, out, err);
}
