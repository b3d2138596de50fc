#include <fcntl.h>
#include <lmdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lmdb_fixture.h"
#include "stages/source/read_lmdb.h"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = pn_test_folder();
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    pn_test_folder_remove(&folder);
    return 0;
}

/* n records "k%05d" of growing size that begin as a JPEG does */
static void make_lmdb(const char *path, unsigned env_flags, const char *name,
                      unsigned db_flags, int n)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    if (!(env_flags & MDB_NOSUBDIR)) assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 4);
    mdb_env_set_mapsize(env, 16 << 20);
    assert_int_equal(mdb_env_open(env, path, env_flags | MDB_NOSYNC, 0644), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, name, MDB_CREATE | db_flags, &dbi), 0);
    for (int i = 0; i < n; i++) {
        char key[16];
        static char value[10000] = "\xff\xd8\xff";
        snprintf(value + 4, 16, "%d", i);
        MDB_val k = {(size_t)snprintf(key, sizeof(key), "k%05d", i), key};
        MDB_val v = {(size_t)(20 + i * 100 % 9000), value};
        if (db_flags & MDB_DUPSORT) v.mv_size = 20;
        assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* Pull all; returns how it ended, *n the number of items, each of them as make_lmdb()
 * wrote it if `check`. */
static pn_status pull_all(char *path, char *database, bool check, int *n, pn_err *err)
{
    const pn_source_ops *ops = &pn_source_read_lmdb;
    const pn_read_lmdb_opts opts = {.path = path, .database = database};
    void *shared = calloc(1, ops->info.shared_size);
    void *state = calloc(1, ops->info.state_size);
    pn_batch *b = pn_test_batch(7, 0);
    *n = 0;
    pn_status st = ops->info.open(shared, &opts, err);
    if (!st) {
        uint64_t count = 0;
        assert_int_equal(ops->count(shared, &count, NULL), PN_OK);
        if (check) assert_true(count > 0);
        st = ops->info.start(state, shared, err);
    }
    while (!st) {
        pn_batch_reset(b);
        st = ops->pull(state, b, NULL, err);
        for (int i = 0; !st && check && i < b->n; i++) {
            char key[16], text[16];
            snprintf(key, sizeof(key), "k%05d", *n + i);
            snprintf(text, sizeof(text), "%d", *n + i);
            const pn_item *it = &b->items[i];
            assert_int_equal(it->key_size, 6);
            assert_memory_equal(it->key, key, 6);
            assert_int_equal(it->data_size, 20 + (*n + i) * 100 % 9000);
            assert_string_equal((const char *)it->data + 4, text);
        }
        if (!st) *n += b->n;
    }
    ops->info.stop(state);
    ops->info.close(shared);
    pn_batch_free(&b);
    free(state);
    free(shared);
    return st;
}

static char *writable(const char *path)
{
    return (char *)(uintptr_t)path;
}

static void expect_all(const char *path, const char *database, int want)
{
    pn_err err = {0};
    int n;
    pn_status st = pull_all(writable(path), writable(database), true, &n, &err);
    if (st != PN_END) fail_msg("%s", pn_err_text(&err));
    assert_int_equal(n, want);
}

static void expect_failure(const char *path, const char *database, pn_status want,
                           const char *text)
{
    pn_err err = {0};
    int n;
    pn_status st = pull_all(writable(path), writable(database), false, &n, &err);
    if (st != want || !strstr(pn_err_text(&err), text))
        fail_msg("%s: %s", pn_status_name(st), pn_err_text(&err));
    pn_err_clear(&err);
}

static void folder_is_read_in_key_order(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "db");
    make_lmdb(path, 0, NULL, 0, 300);
    expect_all(path, NULL, 300);
    expect_all(path, "", 300);
}

static void single_file_is_read(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "one.mdb");
    make_lmdb(path, MDB_NOSUBDIR, NULL, 0, 20);
    expect_all(path, NULL, 20);
}

static void named_database_is_read_and_asked_for(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "named");
    make_lmdb(path, 0, "photos", 0, 20);
    expect_all(path, "photos", 20);
    expect_failure(path, NULL, PN_EFORMAT, "the first is \"photos\"");
    expect_failure(path, "pictures", PN_ENOENT, "no database named \"pictures\"");
}

static void record_named_as_a_database_is_refused(void **state)
{
    (void)state;
    expect_failure(pn_test_path(folder, "db"), "k00001", PN_EFORMAT, "is a record");
}

static void keys_with_several_values_are_refused(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "dup");
    make_lmdb(path, 0, "dup", MDB_DUPSORT, 5);
    expect_failure(path, "dup", PN_EUNSUPPORTED, "MDB_DUPSORT");
}

static void missing_foreign_and_empty_are_told_apart(void **state)
{
    (void)state;
    expect_failure(pn_test_path(folder, "absent"), NULL, PN_ENOENT, "No such file");
    const char *empty_folder = pn_test_path(folder, "nothing");
    mkdir(empty_folder, 0777);
    expect_failure(empty_folder, NULL, PN_EFORMAT, "no data.mdb");
    const char *text = pn_test_path(folder, "text");
    char line[300];
    memset(line, 'x', sizeof(line));
    pn_test_write_file(text, line, 20); /* shorter than a meta page, and longer */
    expect_failure(text, NULL, PN_EFORMAT, "is not an LMDB");
    pn_test_write_file(text, line, sizeof(line));
    expect_failure(text, NULL, PN_EFORMAT, "is not an LMDB");
    const char *empty = pn_test_path(folder, "empty");
    pn_test_write_file(empty, "", 0);
    expect_failure(empty, NULL, PN_EFORMAT, "is empty");
    const char *fifo = pn_test_path(folder, "fifo");
    assert_int_equal(mkfifo(fifo, 0666), 0);
    expect_failure(fifo, NULL, PN_ENOENT, "not a regular file");
    const char *no_records = pn_test_path(folder, "no-records");
    make_lmdb(no_records, 0, NULL, 0, 0);
    expect_failure(no_records, NULL, PN_EFORMAT, "no records");
}

static void file_cut_short_is_refused_at_every_length(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "cut.mdb");
    make_lmdb(path, MDB_NOSUBDIR, NULL, 0, 30);
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    off_t step = 1717; /* no divisor of a page */
    for (off_t size = sb.st_size - 1; size > 0; size -= size > 4 * step ? step : 97) {
        assert_int_equal(truncate(path, size), 0);
        expect_failure(path, NULL, PN_EFORMAT, path);
    }
}

/* liblmdb maps what a header claims; we map what is there */
static void map_size_that_lies_does_no_harm(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "lie.mdb");
    make_lmdb(path, MDB_NOSUBDIR, NULL, 0, 10);
    const uint64_t sizes[] = {UINT64_MAX, 0, 4096};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int fd = open(path, O_RDWR);
        for (int page = 0; page < 2; page++)
            assert_int_equal(pwrite(fd, &sizes[i], 8, page * 4096 + 32), 8);
        close(fd);
        expect_all(path, NULL, 10);
    }
}

/* what came before the place of a damage is handed on before the damage is told */
static void records_before_a_lying_count_are_kept(void **state)
{
    (void)state;
    enum { ENTRIES_AT = 120 }; /* of the main tree, in a meta page */
    const char *path = pn_test_path(folder, "count.mdb");
    make_lmdb(path, MDB_NOSUBDIR, NULL, 0, 13);
    const uint64_t counted = 10;
    int fd = open(path, O_RDWR), n;
    for (int page = 0; page < 2; page++)
        assert_int_equal(pwrite(fd, &counted, 8, page * 4096 + ENTRIES_AT), 8);
    close(fd);
    pn_err err = {0};
    assert_int_equal(pull_all(writable(path), NULL, false, &n, &err), PN_EFORMAT);
    assert_non_null(strstr(pn_err_text(&err), "more records than the 10"));
    assert_int_equal(n, 10);
    pn_err_clear(&err);
}

static void record_without_a_key_is_damage(void **state)
{
    (void)state;
    enum { FLAGS_AT = 10, LEAF = 2, FIRST_NODE_AT = 16, KEY_SIZE_AT = 6 };
    const char *path = pn_test_path(folder, "nokey.mdb");
    make_lmdb(path, MDB_NOSUBDIR, NULL, 0, 4);
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    int fd = open(path, O_RDWR), done = 0;
    for (off_t page = 2 * 4096; page < sb.st_size && !done; page += 4096) {
        uint16_t flags, node;
        const uint16_t none = 0;
        assert_int_equal(pread(fd, &flags, 2, page + FLAGS_AT), 2);
        assert_int_equal(pread(fd, &node, 2, page + FIRST_NODE_AT), 2);
        if (flags != LEAF || node < 18 || node > 4088) continue;
        assert_int_equal(pwrite(fd, &none, 2, page + node + KEY_SIZE_AT), 2);
        done = 1;
    }
    close(fd);
    assert_true(done);
    expect_failure(path, NULL, PN_EFORMAT, "a record without a key");
}

static void record_over_the_limit_is_an_item_that_failed(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "large.mdb");
    make_lmdb(path, MDB_NOSUBDIR, NULL, 0, 3); /* of 20, 120 and 220 bytes */
    const pn_source_ops *ops = &pn_source_read_lmdb;
    const pn_read_lmdb_opts opts = {.path = writable(path)};
    void *shared = calloc(1, ops->info.shared_size);
    void *reader = calloc(1, ops->info.state_size);
    pn_batch *b = pn_test_batch(7, 0);
    b->shape.max_item_bytes = 120;
    assert_int_equal(ops->info.open(shared, &opts, NULL), PN_OK);
    assert_int_equal(ops->info.start(reader, shared, NULL), PN_OK);
    assert_int_equal(ops->pull(reader, b, NULL, NULL), PN_OK);
    assert_int_equal(b->n, 3);
    assert_int_equal(b->items[1].reason, PN_REASON_NONE);
    assert_int_equal(b->items[2].reason, PN_REASON_TOO_LARGE);
    ops->info.stop(reader);
    ops->info.close(shared);
    pn_batch_free(&b);
    free(reader);
    free(shared);
}

static void batch_of_large_records_ends_early(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "full.mdb");
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_mapsize(env, 100 << 20);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0644), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    static const size_t sizes[] = {100, PN_FULL_BATCH_BYTES, 100, 100};
    void *bytes = calloc(1, PN_FULL_BATCH_BYTES);
    memcpy(bytes, "\xff\xd8\xff", 3);
    for (int i = 0; i < 4; i++) {
        MDB_val k = {sizeof(i), &i}, v = {sizes[i], bytes};
        assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    free(bytes);

    const pn_source_ops *ops = &pn_source_read_lmdb;
    const pn_read_lmdb_opts opts = {.path = writable(path)};
    void *shared = calloc(1, ops->info.shared_size);
    void *reader = calloc(1, ops->info.state_size);
    pn_batch *b = pn_test_batch(7, 0);
    assert_int_equal(ops->info.open(shared, &opts, NULL), PN_OK);
    assert_int_equal(ops->info.start(reader, shared, NULL), PN_OK);
    for (int round = 0; round < 2; round++) {
        pn_batch_reset(b);
        assert_int_equal(ops->pull(reader, b, NULL, NULL), PN_OK);
        assert_int_equal(b->n, 2);
    }
    ops->info.stop(reader);
    ops->info.close(shared);
    pn_batch_free(&b);
    free(reader);
    free(shared);
}

/* Every byte of the first 64 of every page, and the node headers at its end: whatever it
 * becomes, reading ends, inside the file. */
static void damaged_pages_do_not_crash_the_reader(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "flip.mdb");
    make_lmdb(path, MDB_NOSUBDIR, "photos", 0, 40);
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    int fd = open(path, O_RDWR), refused = 0, n;
    for (off_t at = 0; at < sb.st_size; at++) {
        off_t in_page = at % 4096;
        if (in_page >= 40 && (in_page < 4064 || at % 3)) continue;
        uint8_t old, new;
        assert_int_equal(pread(fd, &old, 1, at), 1);
        new = (uint8_t)(old ^ (at % 2 ? 0xff : 1 << at / 2 % 8));
        assert_int_equal(pwrite(fd, &new, 1, at), 1);
        pn_err err = {0};
        pn_status st = pull_all(writable(path), writable("photos"), false, &n, &err);
        if (st != PN_END) {
            refused++;
            if (st == PN_OK || !strstr(pn_err_text(&err), path))
                fail_msg("byte %ld: %s", (long)at, pn_err_text(&err));
        }
        pn_err_clear(&err);
        assert_int_equal(pwrite(fd, &old, 1, at), 1);
    }
    close(fd);
    assert_true(refused > 20);
    expect_all(path, "photos", 40);
}

static void read_only_folder_of_somebody_else_is_read(void **state)
{
    (void)state;
    if (geteuid() != 0) skip();
    const char *path = pn_test_path(folder, "theirs");
    make_lmdb(path, 0, NULL, 0, 10);
    unlink(pn_test_path(path, "lock.mdb"));
    chmod(folder, 0755);
    chmod(path, 0555);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int n = 0;
        pn_err err = {0};
        if (setuid(65534) != 0) _exit(2);
        pn_status st = pull_all(writable(path), NULL, false, &n, &err);
        if (st != PN_END) fprintf(stderr, "%s\n", pn_err_text(&err));
        _exit(st == PN_END && n == 10 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(pn_test_exists(pn_test_path(path, "lock.mdb")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folder_is_read_in_key_order),
        cmocka_unit_test(single_file_is_read),
        cmocka_unit_test(named_database_is_read_and_asked_for),
        cmocka_unit_test(record_named_as_a_database_is_refused),
        cmocka_unit_test(keys_with_several_values_are_refused),
        cmocka_unit_test(missing_foreign_and_empty_are_told_apart),
        cmocka_unit_test(file_cut_short_is_refused_at_every_length),
        cmocka_unit_test(map_size_that_lies_does_no_harm),
        cmocka_unit_test(records_before_a_lying_count_are_kept),
        cmocka_unit_test(record_without_a_key_is_damage),
        cmocka_unit_test(record_over_the_limit_is_an_item_that_failed),
        cmocka_unit_test(batch_of_large_records_ends_early),
        cmocka_unit_test(damaged_pages_do_not_crash_the_reader),
        cmocka_unit_test(read_only_folder_of_somebody_else_is_read),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
