#include "lmdb_fixture.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stages/sink/read_result.h"

static void must(bool ok, const char *what)
{
    if (ok) return;
    perror(what);
    abort();
}

char *pn_test_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    char *path = NULL;
    must(asprintf(&path, "%s/penult-lmdb-XXXXXX", tmp ? tmp : "/tmp") > 0, "memory");
    must(mkdtemp(path) != NULL, path);
    return path;
}

static int remove_one(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
    (void)sb;
    (void)type;
    (void)ftw;
    return remove(path);
}

void pn_test_folder_remove(char **folder)
{
    nftw(*folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*folder);
    *folder = NULL;
}

const char *pn_test_path(const char *folder, const char *name)
{
    static char paths[8][4096];
    static int next;
    char *p = paths[next++ % 8];
    must(snprintf(p, sizeof(paths[0]), "%s/%s", folder, name) < 4096, name);
    return p;
}

bool pn_test_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

void pn_test_write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    must(f && fwrite(data, 1, size, f) == size, path);
    must(fclose(f) == 0, path);
}

int pn_test_count_entries(const char *folder)
{
    DIR *d = opendir(folder);
    must(d != NULL, folder);
    int n = -2;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

pn_status pn_test_sink_start(pn_test_sink *s, const pn_write_lmdb_opts *opts, pn_err *err)
{
    const pn_stage_info *info = &pn_sink_write_lmdb.info;
    s->shared = calloc(1, info->shared_size);
    s->state = calloc(1, info->state_size);
    must(s->shared && s->state, "memory");
    pn_status st = info->open(s->shared, opts, err);
    return st ? st : info->start(s->state, s->shared, err);
}

void pn_test_sink_stop(pn_test_sink *s)
{
    const pn_stage_info *info = &pn_sink_write_lmdb.info;
    info->stop(s->state);
    info->close(s->shared);
    free(s->state);
    free(s->shared);
    *s = (pn_test_sink){0};
}

pn_batch *pn_test_batch(int capacity, size_t n_features)
{
    pn_batch *b = NULL;
    const pn_batch_shape shape = {.capacity = capacity,
                                  .height = 1,
                                  .width = 1,
                                  .top_k = 5,
                                  .n_features = n_features};
    must(pn_batch_new(&b, &shape) == PN_OK, "batch");
    b->type = PN_TYPE_RESULTS;
    return b;
}

static float feature(int i, size_t j)
{
    return (float)i + (float)j / 1024.0f;
}

void pn_test_add(pn_batch *b, int i, const void *key, size_t key_size)
{
    pn_item *it = &b->items[b->n++];
    const float label = (float)i;
    must(pn_item_set_key(it, key, key_size) == PN_OK, "key");
    must(pn_item_set_labels(it, &label, 1) == PN_OK, "label");
    it->seq = (uint64_t)i;
    if (i % 7 == 3) {
        pn_item_fail(it, PN_REASON_DAMAGED, "image %d is broken", i);
        return;
    }
    float p = 0.5f;
    for (int k = 0; k < b->shape.top_k; k++, p /= 2)
        it->top[k] = (pn_score){(uint32_t)k, p};
    for (size_t j = 0; j < b->shape.n_features; j++)
        it->features[j] = feature(i, j);
}

pn_status pn_test_push(pn_test_sink *s, pn_batch *b, int first, int n, pn_counts *counts,
                       pn_err *err)
{
    pn_status st = PN_OK;
    for (int i = first; !st && i < first + n;) {
        pn_batch_reset(b);
        b->type = PN_TYPE_RESULTS;
        for (; i < first + n && b->n < b->shape.capacity; i++) {
            char key[32];
            int size = snprintf(key, sizeof(key), "image-%08d", i);
            pn_test_add(b, i, key, (size_t)size);
            pn_reason r = b->items[b->n - 1].reason;
            counts->seen++;
            counts->by_reason[r] += r != PN_REASON_NONE;
            if (r)
                counts->failed++;
            else
                counts->ok++;
        }
        st = pn_sink_write_lmdb.push(s->state, b, err);
    }
    return st;
}

pn_status pn_test_make_result(const pn_write_lmdb_opts *opts, int n, size_t n_features,
                              pn_err *err)
{
    pn_test_sink s = {0};
    pn_counts counts = {0};
    pn_batch *b = pn_test_batch(32, n_features);
    pn_status st = pn_test_sink_start(&s, opts, err);
    if (!st) st = pn_test_push(&s, b, 0, n, &counts, err);
    if (!st) st = pn_sink_write_lmdb.finish(s.state, &counts, true, err);
    pn_test_sink_stop(&s);
    pn_batch_free(&b);
    return st;
}

static void check_record(const pn_record *rec, int i, size_t n_features)
{
    char key[32], text[64];
    int size = snprintf(key, sizeof(key), "image-%08d", i);
    assert_int_equal((int)rec->key_size, size);
    assert_memory_equal(rec->key, key, (size_t)size);
    assert_int_equal(rec->n_labels, 1);
    assert_true(rec->labels[0] == (float)i);
    assert_int_equal(rec->failed, i % 7 == 3);
    if (rec->failed) {
        snprintf(text, sizeof(text), "image %d is broken", i);
        assert_string_equal(rec->reason, "damaged");
        assert_string_equal(rec->text, text);
        assert_null(rec->features);
        return;
    }
    assert_int_equal(rec->n_top, 5);
    assert_int_equal(rec->top[4].index, 4);
    assert_true(rec->top[4].probability == 0.03125f);
    assert_int_equal(rec->n_features, n_features);
    for (size_t j = 0; j < n_features; j++)
        if (rec->features[j] != feature(i, j)) fail_msg("image %d, feature %zu", i, j);
}

void pn_test_check_result(const char *path, int n, size_t n_features, bool is_complete)
{
    pn_err err = {0};
    pn_result *r = NULL;
    pn_record rec;
    if (pn_result_open(&r, path, &err)) fail_msg("%s", pn_err_text(&err));
    const pn_result_info *info = pn_result_get_info(r);
    int failed = (n + 3) / 7;
    assert_int_equal(info->n_items, n);
    assert_int_equal(info->n_predictions, n - failed);
    assert_int_equal(info->n_errors, failed);
    assert_int_equal(info->n_features, n_features ? n - failed : 0);
    assert_int_equal(info->n_ok, n - failed);
    assert_int_equal(info->n_failed, failed);
    assert_int_equal(info->by_reason[PN_REASON_DAMAGED], failed);
    assert_int_equal(info->is_complete, is_complete);
    for (int i = 0; i < n; i++) {
        if (pn_result_next(r, &rec, &err)) fail_msg("%s", pn_err_text(&err));
        check_record(&rec, i, n_features);
    }
    assert_int_equal(pn_result_next(r, &rec, &err), PN_END);
    pn_result_close(&r);
    pn_err_clear(&err);
}
