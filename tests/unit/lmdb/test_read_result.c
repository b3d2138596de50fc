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
#include "stages/sink/read_result.h"

static char *folder, *path;

static int make_result(void **state)
{
    (void)state;
    folder = pn_test_folder();
    path = strdup(pn_test_path(folder, "out"));
    const pn_write_lmdb_opts o = {.path = path, .first_map_bytes = 1 << 18};
    return pn_test_make_result(&o, 30, 700, NULL);
}

static int drop_result(void **state)
{
    (void)state;
    free(path);
    pn_test_folder_remove(&folder);
    return 0;
}

/* Change the database as its owner would: put (or with a NULL value delete) one record.
 */
static void change(const char *db, const char *key, const char *value, size_t size)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val k = {strlen(key), (void *)(uintptr_t)key};
    MDB_val v = {size, (void *)(uintptr_t)value};
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 5);
    mdb_env_set_mapsize(env, 1 << 22);
    assert_int_equal(mdb_env_open(env, path, 0, 0644), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, db, 0, &dbi), 0);
    assert_int_equal(value ? mdb_put(txn, dbi, &k, &v, 0) : mdb_del(txn, dbi, &k, NULL),
                     0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void expect_open_failure(pn_status want, const char *text)
{
    pn_result *r = NULL;
    pn_err err = {0};
    pn_status st = pn_result_open(&r, path, &err);
    if (st != want || !strstr(pn_err_text(&err), text))
        fail_msg("%s: %s", pn_status_name(st), pn_err_text(&err));
    assert_null(r);
    pn_err_clear(&err);
}

/* image-00000001 is damaged in the way `text` says, the others are not */
static void expect_damaged_record(const char *text)
{
    pn_result *r = NULL;
    pn_record rec;
    pn_err err = {0};
    if (pn_result_open(&r, path, &err)) fail_msg("%s", pn_err_text(&err));
    assert_int_equal(pn_result_next(r, &rec, &err), PN_OK);
    pn_status st = pn_result_next(r, &rec, &err);
    if (st != PN_EFORMAT || !strstr(pn_err_text(&err), text) ||
        !strstr(pn_err_text(&err), "image-00000001"))
        fail_msg("%s: %s", pn_status_name(st), pn_err_text(&err));
    pn_err_clear(&err);
    for (int i = 2; i < 30; i++)
        assert_int_equal(pn_result_next(r, &rec, &err), PN_OK);
    assert_int_equal(pn_result_next(r, &rec, &err), PN_END);
    pn_result_close(&r);
}

static void records_are_found_by_key_and_again_from_the_start(void **state)
{
    (void)state;
    pn_result *r = NULL;
    pn_record rec;
    pn_err err = {0};
    assert_int_equal(pn_result_open(&r, path, NULL), PN_OK);
    assert_int_equal(pn_result_next(r, &rec, NULL), PN_OK);
    assert_int_equal(pn_result_find(r, "image-00000029", 14, &rec, NULL), PN_OK);
    assert_true(rec.features[0] == 29.0f);
    assert_int_equal(pn_result_next(r, &rec, NULL), PN_OK);
    assert_memory_equal(rec.key, "image-00000001", 14);
    pn_result_rewind(r);
    assert_int_equal(pn_result_next(r, &rec, NULL), PN_OK);
    assert_memory_equal(rec.key, "image-00000000", 14);
    assert_int_equal(pn_result_find(r, "image", 5, &rec, &err), PN_ENOENT);
    assert_non_null(strstr(pn_err_text(&err), "no record \"image\""));
    pn_err_clear(&err);
    assert_int_equal(pn_result_find(r, "", 0, &rec, NULL), PN_ENOENT);
    pn_result_close(&r);
}

static void changed_values_do_not_have_their_hash(void **state)
{
    (void)state;
    change("features", "image-00000001", "\0\0\0\0", 4);
    expect_damaged_record("its features do not have their hash");
}

static void missing_values_are_noticed(void **state)
{
    (void)state;
    change("predictions", "image-00000001", NULL, 0);
    expect_damaged_record("its predictions are missing");
}

static void items_value_that_lies_is_noticed(void **state)
{
    (void)state;
    change("items", "image-00000001", "\1\0\0\0", 4);
    expect_damaged_record("too short");
}

static void counts_must_add_up(void **state)
{
    (void)state;
    static const char *const lies[] = {
        "{\"seen\": 31, \"ok\": 26, \"failed\": 5, \"complete\": true, \"by_reason\": "
        "{}}",
        "{\"seen\": 30, \"ok\": 26, \"failed\": 5, \"complete\": true, \"by_reason\": "
        "{}}",
        "{\"seen\": 30, \"ok\": -1, \"failed\": 31, \"complete\": true, \"by_reason\": "
        "{}}",
        "{\"seen\": 30, \"ok\": 26, \"failed\": 4, \"complete\": 1, \"by_reason\": {}}",
        "{\"seen\": 30, \"ok\": 26, \"failed\": 4, \"complete\": true, "
        "\"by_reason\": {\"damaged\": \"4\"}}",
        "[]",
        "",
        "{"};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        change("meta", "counts", lies[i], strlen(lies[i]));
        expect_open_failure(PN_EFORMAT, "counts");
    }
}

static void newer_version_is_refused(void **state)
{
    (void)state;
    const char newer[] = "{\"format\": \"penult result\", \"version\": 2}";
    change("meta", "schema", newer, sizeof(newer) - 1);
    expect_open_failure(PN_EUNSUPPORTED, "version 2");
    change("meta", "schema", "a\0b", 3);
    expect_open_failure(PN_EFORMAT, "meta/schema");
    change("meta", "schema", NULL, 0);
    expect_open_failure(PN_EFORMAT, "not a result of penult");
}

static void file_cut_short_is_refused(void **state)
{
    (void)state;
    assert_int_equal(truncate(pn_test_path(path, "data.mdb"), 100000), 0);
    expect_open_failure(PN_EFORMAT, "cut short");
}

/* every bit of a value may flip: it is noticed, and never believed */
static void flipped_bytes_of_values_are_noticed(void **state)
{
    (void)state;
    const char *file = pn_test_path(path, "data.mdb");
    struct stat sb;
    assert_int_equal(stat(file, &sb), 0);
    int fd = open(file, O_RDWR), noticed = 0;
    for (off_t at = 0; at < sb.st_size; at += at % 4096 < 48 ? 1 : 211) {
        uint8_t old, new;
        pn_result *r = NULL;
        pn_record rec;
        pn_err err = {0};
        assert_int_equal(pread(fd, &old, 1, at), 1);
        new = (uint8_t)(old ^ 1 << at % 8);
        assert_int_equal(pwrite(fd, &new, 1, at), 1);
        pn_status st = pn_result_open(&r, path, &err);
        int n = 0;
        while (!st && !(st = pn_result_next(r, &rec, &err))) {
            char key[32];
            float i = rec.n_labels ? rec.labels[0] : 0;
            snprintf(key, sizeof(key), "image-%08d", (int)i);
            /* labels and keys have no hash: one of both may have changed */
            n++;
            for (size_t j = 0; j < rec.n_features; j++)
                if (rec.features[j] - rec.features[0] != (float)j / 1024.0f)
                    fail_msg("byte %ld: a changed feature is believed", (long)at);
        }
        noticed += st != PN_END;
        if (st == PN_END && n > 30) fail_msg("byte %ld: %d records", (long)at, n);
        pn_result_close(&r);
        pn_err_clear(&err);
        assert_int_equal(pwrite(fd, &old, 1, at), 1);
    }
    close(fd);
    assert_true(noticed > 300);
    pn_test_check_result(path, 30, 700, true);
}

static void read_only_folder_of_somebody_else_is_read(void **state)
{
    (void)state;
    if (geteuid() != 0) skip();
    unlink(pn_test_path(path, "lock.mdb"));
    chmod(folder, 0755);
    chmod(path, 0555);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        pn_result *r = NULL;
        if (setuid(65534) != 0) _exit(2);
        pn_status st = pn_result_open(&r, path, NULL);
        pn_result_close(&r);
        _exit(st ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_result, drop_result)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(records_are_found_by_key_and_again_from_the_start),
        CASE(changed_values_do_not_have_their_hash),
        CASE(missing_values_are_noticed),
        CASE(items_value_that_lies_is_noticed),
        CASE(counts_must_add_up),
        CASE(newer_version_is_refused),
        CASE(file_cut_short_is_refused),
        CASE(flipped_bytes_of_values_are_noticed),
        CASE(read_only_folder_of_somebody_else_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
