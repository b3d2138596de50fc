#include <fcntl.h>
#include <lmdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lmdb_fixture.h"
#include "penult/log.h"
#include "stages/sink/read_result.h"

static char *folder;
static char log_lines[4096];

static void keep_log(void *cookie, pn_log_level level, const char *line)
{
    (void)cookie;
    (void)level;
    size_t used = strlen(log_lines);
    snprintf(log_lines + used, sizeof(log_lines) - used, "%s\n", line);
}

static int make_folder(void **state)
{
    (void)state;
    folder = pn_test_folder();
    log_lines[0] = '\0';
    pn_log_setup(PN_LOG_DEBUG, keep_log, NULL);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    pn_test_folder_remove(&folder);
    return 0;
}

static pn_write_lmdb_opts options(const char *path, bool overwrite)
{
    return (pn_write_lmdb_opts){.path = (char *)(uintptr_t)path,
                                .on_exists = overwrite ? 2 : 0};
}

static void must_make(const char *path, bool overwrite, int n)
{
    pn_err err = {0};
    pn_write_lmdb_opts o = options(path, overwrite);
    if (pn_test_make_result(&o, n, 4, &err)) fail_msg("%s", pn_err_text(&err));
}

static void expect_refusal(const char *path, bool overwrite, pn_status want,
                           const char *text)
{
    pn_err err = {0};
    pn_write_lmdb_opts o = options(path, overwrite);
    pn_status st = pn_test_make_result(&o, 1, 4, &err);
    if (st != want || !strstr(pn_err_text(&err), text))
        fail_msg("%s: %s", pn_status_name(st), pn_err_text(&err));
    pn_err_clear(&err);
}

/* Run n images; then the run is stopped on request, or some stage fails. */
typedef enum ending { STOPPED, FAILED } ending;
static void make_incomplete(const char *path, int n, ending how)
{
    pn_write_lmdb_opts o = options(path, true);
    pn_test_sink s = {0};
    pn_counts counts = {0};
    pn_err err = {0};
    pn_batch *b = pn_test_batch(8, 4);
    if (pn_test_sink_start(&s, &o, &err)) fail_msg("%s", pn_err_text(&err));
    assert_int_equal(pn_test_push(&s, b, 0, n, &counts, NULL), PN_OK);
    assert_int_equal(pn_sink_write_lmdb.idle(s.state, NULL), PN_OK);
    if (how == STOPPED)
        assert_int_equal(pn_sink_write_lmdb.finish(s.state, &counts, false, NULL), PN_OK);
    pn_test_sink_stop(&s);
    pn_batch_free(&b);
}

static void existing_result_is_an_error_that_names_it(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "out");
    must_make(path, false, 10);
    expect_refusal(path, false, PN_EEXIST, path);
    pn_test_check_result(path, 10, 4, true);
}

static void anything_existing_is_an_error_without_overwrite(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "out");
    mkdir(path, 0777);
    expect_refusal(path, false, PN_EEXIST, path);
    assert_true(pn_test_exists(path));
}

static void parent_must_exist(void **state)
{
    (void)state;
    expect_refusal(pn_test_path(folder, "no/such/out"), false, PN_ECONFIG, "/no/such");
    expect_refusal(pn_test_path(folder, "no/out"), true, PN_ECONFIG, "/no");
    const char *file = pn_test_path(folder, "file");
    pn_test_write_file(file, "x", 1);
    expect_refusal(pn_test_path(file, "out"), true, PN_ECONFIG, "out");
    expect_refusal("", true, PN_ECONFIG, "must name a folder");
    expect_refusal("/", true, PN_ECONFIG, "must name a folder");
}

static void overwrite_makes_what_is_not_there(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "out");
    must_make(path, true, 10);
    pn_test_check_result(path, 10, 4, true);
    assert_int_equal(pn_test_count_entries(folder), 1);
}

static void overwrite_replaces_a_complete_result(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "out/");
    must_make(path, true, 10);
    must_make(path, true, 20);
    pn_test_check_result(path, 20, 4, true);
    assert_int_equal(pn_test_count_entries(folder), 1);
}

static void overwrite_follows_a_link_and_keeps_it(void **state)
{
    (void)state;
    const char *disk = pn_test_path(folder, "disk"), *link = pn_test_path(folder, "out");
    const char *real = pn_test_path(disk, "real");
    mkdir(disk, 0777);
    must_make(real, false, 10);
    assert_int_equal(symlink(real, link), 0);
    must_make(link, true, 20);
    struct stat sb;
    assert_int_equal(lstat(link, &sb), 0);
    assert_true(S_ISLNK(sb.st_mode));
    pn_test_check_result(real, 20, 4, true);
    assert_int_equal(pn_test_count_entries(disk), 1);
    assert_int_equal(symlink("nowhere", pn_test_path(folder, "dangling")), 0);
    expect_refusal(pn_test_path(folder, "dangling"), true, PN_EEXIST, "leads nowhere");
}

static void stopped_and_failed_runs_keep_the_old_and_the_partial(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "out");
    const char *partial = pn_test_path(folder, "out.partial");
    must_make(path, true, 10);
    for (int how = STOPPED; how <= FAILED; how++) {
        log_lines[0] = '\0';
        make_incomplete(path, 16 + how, (ending)how);
        pn_test_check_result(path, 10, 4, true);
        pn_test_check_result(partial, 16 + how, 4, false); /* the newest one */
        assert_non_null(strstr(log_lines, partial));
        assert_non_null(strstr(log_lines, "out is as it was"));
        assert_int_equal(pn_test_count_entries(folder), 2);
    }
    must_make(path, true, 20);
    pn_test_check_result(path, 20, 4, true);
}

static void what_replaces_nothing_says_nothing_of_an_older_one(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "out");
    log_lines[0] = '\0';
    make_incomplete(path, 16, FAILED);
    pn_test_check_result(pn_test_path(folder, "out.partial"), 16, 4, false);
    assert_non_null(strstr(log_lines, "out.partial"));
    assert_null(strstr(log_lines, "as it was"));
}

static void run_that_did_nothing_leaves_nothing(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "out");
    make_incomplete(path, 0, STOPPED);
    make_incomplete(path, 0, FAILED);
    assert_int_equal(pn_test_count_entries(folder), 0);
}

static void foreign_things_are_never_replaced(void **state)
{
    (void)state;
    const char *file = pn_test_path(folder, "file");
    pn_test_write_file(file, "x", 1);
    expect_refusal(file, true, PN_EEXIST, "not a folder");

    const char *photos = pn_test_path(folder, "photos");
    mkdir(photos, 0777);
    pn_test_write_file(pn_test_path(photos, "a.jpg"), "x", 1);
    expect_refusal(photos, true, PN_EEXIST, "other files");

    const char *mixed = pn_test_path(folder, "mixed");
    must_make(mixed, false, 10);
    pn_test_write_file(pn_test_path(mixed, "notes.txt"), "x", 1);
    expect_refusal(mixed, true, PN_EEXIST, "other files");

    const char *text = pn_test_path(folder, "text");
    mkdir(text, 0777);
    pn_test_write_file(pn_test_path(text, "data.mdb"), "not a database", 14);
    expect_refusal(text, true, PN_EEXIST, "not an LMDB");

    const char *theirs = pn_test_path(folder, "theirs");
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val k = {1, (void *)(uintptr_t) "k"}, v = {1, (void *)(uintptr_t) "v"};
    mkdir(theirs, 0777);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_open(env, theirs, 0, 0644), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    expect_refusal(theirs, true, PN_EEXIST, "penult's schema");

    const char *const kept[] = {"file",           "photos/a.jpg",  "mixed/notes.txt",
                                "mixed/data.mdb", "text/data.mdb", "theirs/data.mdb"};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        assert_true(pn_test_exists(pn_test_path(folder, kept[i])));
}

static void foreign_thing_that_appears_meanwhile_is_not_replaced(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "out");
    pn_write_lmdb_opts o = options(path, true);
    pn_test_sink s = {0};
    pn_counts counts = {0};
    pn_err err = {0};
    pn_batch *b = pn_test_batch(8, 4);
    assert_int_equal(pn_test_sink_start(&s, &o, &err), PN_OK);
    assert_int_equal(pn_test_push(&s, b, 0, 8, &counts, &err), PN_OK);
    mkdir(path, 0777);
    pn_test_write_file(pn_test_path(path, "precious"), "x", 1);
    assert_int_equal(pn_sink_write_lmdb.finish(s.state, &counts, true, &err), PN_EEXIST);
    pn_err_clear(&err);
    pn_test_sink_stop(&s);
    pn_batch_free(&b);
    assert_true(pn_test_exists(pn_test_path(path, "precious")));
    pn_test_check_result(pn_test_path(folder, "out.partial"), 8, 4, true);
}

static void leftovers_of_killed_runs_go_and_those_of_living_ones_stay(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "out");
    const char *dead = pn_test_path(folder, ".out.new-Dead00");
    const char *living = pn_test_path(folder, ".out.new-Living");
    const char *foreign = pn_test_path(folder, ".out.new-Theirs");
    const char *unborn = pn_test_path(folder, ".out.new-Unborn");
    const char *other = pn_test_path(folder, ".other.new-Dead00");
    must_make(dead, false, 10);
    must_make(living, false, 10);
    must_make(other, false, 10);
    mkdir(unborn, 0777);
    mkdir(foreign, 0777);
    pn_test_write_file(pn_test_path(foreign, "precious"), "x", 1);
    int fd = open(living, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    /* the ring of paths is short */
    char *kept = strdup(path);
    must_make(kept, true, 10);
    free(kept);
    assert_false(pn_test_exists(pn_test_path(folder, ".out.new-Dead00")));
    assert_false(pn_test_exists(pn_test_path(folder, ".out.new-Unborn")));
    pn_test_check_result(pn_test_path(folder, ".out.new-Living"), 10, 4, true);
    pn_test_check_result(pn_test_path(folder, ".other.new-Dead00"), 10, 4, true);
    assert_true(pn_test_exists(pn_test_path(folder, ".out.new-Theirs/precious")));
    close(fd);
}

static void result_that_another_run_writes_is_not_replaced(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "out");
    pn_write_lmdb_opts o = options(path, false);
    pn_test_sink s = {0};
    assert_int_equal(pn_test_sink_start(&s, &o, NULL), PN_OK);
    int fd = open(path, O_RDONLY | O_DIRECTORY); /* as another process would */
    assert_int_not_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
    pn_test_sink_stop(&s);
    must_make(path, false, 10);
    fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    expect_refusal(path, true, PN_EEXIST, "another run");
    close(fd);
}

static void check_before_the_run_writes_nothing(void **state)
{
    (void)state;
    const pn_stage_info *info = &pn_sink_write_lmdb.info;
    pn_write_lmdb_opts o = options(pn_test_path(folder, "out"), true);
    void *shared = calloc(1, info->shared_size);
    assert_int_equal(info->open(shared, &o, NULL), PN_OK);
    info->close(shared);
    free(shared);
    assert_int_equal(pn_test_count_entries(folder), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(existing_result_is_an_error_that_names_it),
        CASE(anything_existing_is_an_error_without_overwrite),
        CASE(parent_must_exist),
        CASE(overwrite_makes_what_is_not_there),
        CASE(overwrite_replaces_a_complete_result),
        CASE(overwrite_follows_a_link_and_keeps_it),
        CASE(stopped_and_failed_runs_keep_the_old_and_the_partial),
        CASE(what_replaces_nothing_says_nothing_of_an_older_one),
        CASE(run_that_did_nothing_leaves_nothing),
        CASE(foreign_things_are_never_replaced),
        CASE(foreign_thing_that_appears_meanwhile_is_not_replaced),
        CASE(leftovers_of_killed_runs_go_and_those_of_living_ones_stay),
        CASE(result_that_another_run_writes_is_not_replaced),
        CASE(check_before_the_run_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
