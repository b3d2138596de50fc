#include <lmdb.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lmdb_fixture.h"
#include "stages/sink/read_result.h"

enum { F32, F16, NONE };

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

static pn_write_lmdb_opts options(const char *name)
{
    return (pn_write_lmdb_opts){.path = (char *)(uintptr_t)pn_test_path(folder, name)};
}

static void must_make(const pn_write_lmdb_opts *o, int n, size_t n_features)
{
    pn_err err = {0};
    if (pn_test_make_result(o, n, n_features, &err)) fail_msg("%s", pn_err_text(&err));
}

static void what_was_pushed_is_read_back(void **state)
{
    (void)state;
    pn_write_lmdb_opts o = options("plain");
    o.meta_config = "run: {}";
    o.meta_model = "{\"sha256\": \"0\"}";
    o.meta_features = "{\"dtype\": \"float32\", \"count\": 16, \"tensor\": \"pool\"}";
    must_make(&o, 100, 16);
    pn_test_check_result(o.path, 100, 16, true);
    pn_result *r = NULL;
    assert_int_equal(pn_result_open(&r, o.path, NULL), PN_OK);
    const pn_result_info *info = pn_result_get_info(r);
    assert_string_equal(info->config, o.meta_config);
    assert_string_equal(info->model, o.meta_model);
    assert_string_equal(info->features, o.meta_features);
    assert_null(info->labels);
    assert_string_equal(info->counts,
                        "{\"seen\": 100, \"ok\": 86, \"failed\": 14, \"complete\": true, "
                        "\"by_reason\": {\"damaged\": 14}}");
    pn_result_close(&r);
}

/* the bytes themselves, through liblmdb alone */
static void values_are_as_the_format_says(void **state)
{
    (void)state;
    pn_write_lmdb_opts o = options("bytes");
    must_make(&o, 4, 2);
    MDB_env *env;
    MDB_txn *txn;
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 5);
    assert_int_equal(mdb_env_open(env, o.path, MDB_RDONLY, 0), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    static const struct {
        const char *db, *key, *value;
        size_t size;
    } want[] = {
        {"features", "image-00000001", "\0\0\x80\x3f\0\x20\x80\x3f", 8},
        {"errors", "image-00000003", "damaged\timage 3 is broken", 25},
        {"predictions", "image-00000001",
         "\0\0\0\0\0\0\0\x3f\1\0\0\0\0\0\x80\x3e\2\0\0\0\0\0\0\x3e"
         "\3\0\0\0\0\0\x80\x3d\4\0\0\0\0\0\0\x3d",
         40},
    };
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        MDB_dbi dbi;
        MDB_val k = {14, (void *)(uintptr_t)want[i].key}, v;
        assert_int_equal(mdb_dbi_open(txn, want[i].db, 0, &dbi), 0);
        assert_int_equal(mdb_get(txn, dbi, &k, &v), 0);
        assert_int_equal(v.mv_size, want[i].size);
        assert_memory_equal(v.mv_data, want[i].value, want[i].size);
    }
    mdb_txn_abort(txn);
    mdb_env_close(env);
}

static void half_floats_and_no_features(void **state)
{
    (void)state;
    pn_write_lmdb_opts half = options("half"), none = options("none");
    half.features = F16;
    none.features = NONE;
    must_make(&half, 2, 100);
    pn_test_check_result(half.path, 2, 100, true);
    pn_result *r = NULL;
    pn_record rec;
    assert_int_equal(pn_result_open(&r, half.path, NULL), PN_OK);
    assert_int_equal(pn_result_next(r, &rec, NULL), PN_OK);
    assert_true(rec.is_f16);
    pn_result_close(&r);
    must_make(&none, 30, 100);
    pn_test_check_result(none.path, 30, 0, true);
    pn_write_lmdb_opts bare = options("bare");
    must_make(&bare, 30, 0);
    pn_test_check_result(bare.path, 30, 0, true);
}

static void map_grows_from_next_to_nothing(void **state)
{
    (void)state;
    pn_write_lmdb_opts o = options("grown");
    o.first_map_bytes = 16384; /* smaller than the first transaction */
    o.commit_bytes = 20000;
    must_make(&o, 400, 300);
    pn_test_check_result(o.path, 400, 300, true);
}

/* Small records at keys in no order touch far more pages than their bytes need: the map
 * is found too small in the middle of transactions, which are made again. */
static void transaction_that_overflows_the_map_is_made_again(void **state)
{
    (void)state;
    enum { N = 4000 };
    pn_write_lmdb_opts o = options("shuffled");
    o.first_map_bytes = 65536;
    o.commit_bytes = 60000;
    pn_test_sink s = {0};
    pn_counts counts = {0};
    pn_batch *b = pn_test_batch(1, 0);
    pn_err err = {0};
    assert_int_equal(pn_test_sink_start(&s, &o, &err), PN_OK);
    for (int i = 0; i < N; i++) {
        int j = i * 1009 % N; /* 1009 is prime to N */
        if (pn_test_push(&s, b, j, 1, &counts, &err)) fail_msg("%s", pn_err_text(&err));
    }
    assert_int_equal(pn_sink_write_lmdb.finish(s.state, &counts, true, &err), PN_OK);
    pn_test_sink_stop(&s);
    pn_batch_free(&b);
    pn_test_check_result(o.path, N, 0, true);
}

static void map_size_stays_near_the_data(void **state)
{
    (void)state;
    MDB_env *env;
    MDB_envinfo info;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_open(env, pn_test_path(folder, "grown"), MDB_RDONLY, 0), 0);
    assert_int_equal(mdb_env_info(env, &info), 0);
    size_t used = (info.me_last_pgno + 1) * 4096;
    if (info.me_mapsize > used * 2) fail_msg("%zu for %zu", info.me_mapsize, used);
    mdb_env_close(env);
}

static pn_status push_keys(const char *name, const char *const *keys, const size_t *sizes,
                           int n, pn_err *err)
{
    pn_write_lmdb_opts o = options(name);
    pn_test_sink s = {0};
    pn_counts counts = {.seen = (uint64_t)n, .ok = (uint64_t)n};
    pn_batch *b = pn_test_batch(n, 4);
    pn_status st = pn_test_sink_start(&s, &o, err);
    for (int i = 0; i < n; i++)
        pn_test_add(b, i * 7, keys[i], sizes[i]);
    if (!st) st = pn_sink_write_lmdb.push(s.state, b, err);
    if (!st) st = pn_sink_write_lmdb.finish(s.state, &counts, true, err);
    pn_test_sink_stop(&s);
    pn_batch_free(&b);
    return st;
}

static void duplicate_key_stops_and_names_it_and_keeps_the_rest(void **state)
{
    (void)state;
    pn_err err = {0};
    const char *const keys[] = {"a", "b\xff", "c", "b\xff", "d"};
    const size_t sizes[] = {1, 2, 1, 2, 1};
    assert_int_equal(push_keys("twice", keys, sizes, 5, &err), PN_EFORMAT);
    assert_non_null(strstr(pn_err_text(&err), "\"b\\xff\" twice"));
    pn_err_clear(&err);
    pn_result *r = NULL;
    pn_record rec;
    assert_int_equal(pn_result_open(&r, pn_test_path(folder, "twice"), NULL), PN_OK);
    assert_int_equal(pn_result_get_info(r)->n_items, 3);
    assert_false(pn_result_get_info(r)->is_complete);
    assert_int_equal(pn_result_find(r, "b\xff", 2, &rec, NULL), PN_OK);
    assert_true(rec.labels[0] == 7.0f); /* the first of the two */
    pn_result_close(&r);
}

static void long_keys_with_one_beginning_stay_apart(void **state)
{
    (void)state;
    static char a[5000], b[5000], c[512];
    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));
    memset(c, 'x', sizeof(c));
    b[4999] = 'y';
    const char *const keys[] = {a, b, c, c};
    const size_t sizes[] = {5000, 5000, 512, 511};
    pn_err err = {0};
    if (push_keys("long", keys, sizes, 4, &err)) fail_msg("%s", pn_err_text(&err));
    pn_result *r = NULL;
    pn_record rec;
    assert_int_equal(pn_result_open(&r, pn_test_path(folder, "long"), NULL), PN_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pn_result_find(r, keys[i], sizes[i], &rec, NULL), PN_OK);
        assert_int_equal(rec.key_size, sizes[i]);
        assert_memory_equal(rec.key, keys[i], sizes[i]);
        assert_true(rec.labels[0] == (float)(i * 7));
    }
    pn_result_close(&r);
}

static void item_without_a_key_is_a_bug_of_the_source(void **state)
{
    (void)state;
    pn_err err = {0};
    const char *const keys[] = {""};
    const size_t sizes[] = {0};
    assert_int_equal(push_keys("keyless", keys, sizes, 1, &err), PN_EINTERNAL);
    pn_err_clear(&err);
    /* and nothing was committed: nothing is left */
    assert_false(pn_test_exists(pn_test_path(folder, "keyless")));
}

static void lost_image_is_no_complete_run(void **state)
{
    (void)state;
    pn_write_lmdb_opts o = options("lost");
    pn_test_sink s = {0};
    pn_counts counts = {0};
    pn_err err = {0};
    pn_batch *b = pn_test_batch(8, 4);
    assert_int_equal(pn_test_sink_start(&s, &o, &err), PN_OK);
    assert_int_equal(pn_test_push(&s, b, 0, 8, &counts, &err), PN_OK);
    counts.ok++;
    assert_int_equal(pn_sink_write_lmdb.finish(s.state, &counts, true, &err),
                     PN_EINTERNAL);
    pn_err_clear(&err);
    pn_test_sink_stop(&s);
    pn_batch_free(&b);
    pn_test_check_result(o.path, 8, 4, false);
}

static void idle_commits_what_is_pending(void **state)
{
    (void)state;
    pn_write_lmdb_opts o = options("idle");
    pn_test_sink s = {0};
    pn_counts counts = {0};
    pn_batch *b = pn_test_batch(8, 4);
    assert_int_equal(pn_test_sink_start(&s, &o, NULL), PN_OK);
    assert_int_equal(pn_test_push(&s, b, 0, 8, &counts, NULL), PN_OK);
    assert_int_equal(pn_sink_write_lmdb.idle(s.state, NULL), PN_OK);
    pn_test_sink_stop(&s); /* as after a failure: finish() is not called */
    pn_batch_free(&b);
    pn_test_check_result(o.path, 8, 4, false);
}

static void resume_is_refused_by_name(void **state)
{
    (void)state;
    pn_write_lmdb_opts o = options("resume");
    o.on_exists = 1;
    pn_err err = {0};
    assert_int_equal(pn_test_make_result(&o, 1, 1, &err), PN_EUNSUPPORTED);
    assert_non_null(strstr(pn_err_text(&err), "on_exists: resume"));
    assert_non_null(strstr(pn_err_text(&err), "overwrite"));
    pn_err_clear(&err);
}

/* Reopen what a run left that was killed or could write no more: it is a whole result of
 * the first images. @return how many */
static int check_prefix(const char *path)
{
    pn_result *r = NULL;
    pn_err err = {0};
    if (pn_result_open(&r, path, &err)) fail_msg("%s", pn_err_text(&err));
    int n = (int)pn_result_get_info(r)->n_items;
    pn_result_close(&r);
    pn_test_check_result(path, n, 50, false);
    return n;
}

static void killed_run_leaves_whole_records(void **state)
{
    (void)state;
    char names[3][16];
    for (int round = 0; round < 3; round++) {
        snprintf(names[round], sizeof(names[round]), "killed-%d", round);
        pn_write_lmdb_opts o = options(names[round]);
        o.commit_bytes = 4096;
        int ready[2];
        char byte;
        assert_int_equal(pipe(ready), 0);
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            pn_test_sink s = {0};
            pn_counts counts = {0};
            pn_batch *b = pn_test_batch(4, 50);
            if (pn_test_sink_start(&s, &o, NULL)) _exit(1);
            for (int i = 0;; i += 4) {
                if (pn_test_push(&s, b, i, 4, &counts, NULL)) _exit(2);
                if (i == 400 && write(ready[1], "x", 1) != 1) _exit(3);
            }
        }
        close(ready[1]);
        ssize_t got = read(ready[0], &byte, 1);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        close(ready[0]);
        assert_int_equal(got, 1);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_true(check_prefix(o.path) >= 380);
    }
}

/* in a child, as a limit cannot be taken back. @return its exit status: 0 if the write
 * ended with PN_EFULL naming the file */
static int write_until_full(const char *path, rlim_t file_bytes, bool overwrite)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        pn_write_lmdb_opts o = {.path = (char *)(uintptr_t)path,
                                .commit_bytes = 10000,
                                .on_exists = overwrite ? 2 : 0};
        const struct rlimit limit = {file_bytes, file_bytes};
        signal(SIGXFSZ, SIG_IGN);
        if (file_bytes && setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(1);
        pn_err err = {0};
        pn_status st = pn_test_make_result(&o, 20000, 50, &err);
        bool good = st == PN_EFULL && strstr(pn_err_text(&err), path) &&
                    !strstr(pn_err_text(&err), "new-");
        if (!good) fprintf(stderr, "%s\n", pn_err_text(&err));
        pn_err_clear(&err);
        _exit(good ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void file_size_limit_ends_the_run_and_keeps_what_is_there(void **state)
{
    (void)state;
    /* not a multiple of a page: the last write is cut short */
    const char *path = pn_test_path(folder, "limited");
    assert_int_equal(write_until_full(path, 1000000, false), 0);
    assert_true(check_prefix(path) > 1000);
    path = pn_test_path(folder, "over");
    assert_int_equal(write_until_full(path, 1000000, true), 0);
    assert_true(check_prefix(pn_test_path(folder, "over.partial")) > 1000);
}

static void full_disk_ends_the_run_and_keeps_what_is_there(void **state)
{
    (void)state;
    const char *disk = pn_test_path(folder, "disk");
    mkdir(disk, 0777);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=1m") != 0) skip();
    const char *path = pn_test_path(disk, "full");
    int status = write_until_full(path, 0, false);
    int n = status ? 0 : check_prefix(path);
    assert_int_equal(umount(disk), 0);
    assert_int_equal(status, 0);
    assert_true(n > 1000);
}

static void settled_counts_are_those_of_what_is_committed(void **state)
{
    (void)state;
    const char *path = pn_test_path(folder, "out");
    pn_write_lmdb_opts o = {.path = (char *)(uintptr_t)path};
    pn_test_sink s = {0};
    pn_counts counts = {0}, none = {0};
    pn_left left = {0};
    pn_batch *b = pn_test_batch(8, 4);
    assert_int_equal(pn_test_sink_start(&s, &o, NULL), PN_OK);
    assert_int_equal(pn_test_push(&s, b, 0, 20, &counts, NULL), PN_OK);
    assert_int_equal(pn_sink_write_lmdb.idle(s.state, NULL), PN_OK);
    assert_int_equal(pn_test_push(&s, b, 20, 8, &none, NULL), PN_OK);
    pn_sink_write_lmdb.settle(s.state, &left); /* the 8 were never committed */
    pn_test_sink_stop(&s);
    pn_batch_free(&b);
    counts.by_reason[PN_REASON_NONE] = counts.ok;
    assert_memory_equal(&left.counts, &counts, sizeof(counts));
    assert_string_equal(left.path, path);
    pn_test_check_result(path, 20, 4, false);
    free(left.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_pushed_is_read_back),
        cmocka_unit_test(values_are_as_the_format_says),
        cmocka_unit_test(half_floats_and_no_features),
        cmocka_unit_test(map_grows_from_next_to_nothing),
        cmocka_unit_test(transaction_that_overflows_the_map_is_made_again),
        cmocka_unit_test(map_size_stays_near_the_data),
        cmocka_unit_test(duplicate_key_stops_and_names_it_and_keeps_the_rest),
        cmocka_unit_test(long_keys_with_one_beginning_stay_apart),
        cmocka_unit_test(item_without_a_key_is_a_bug_of_the_source),
        cmocka_unit_test(lost_image_is_no_complete_run),
        cmocka_unit_test(settled_counts_are_those_of_what_is_committed),
        cmocka_unit_test(idle_commits_what_is_pending),
        cmocka_unit_test(resume_is_refused_by_name),
        cmocka_unit_test(killed_run_leaves_whole_records),
        cmocka_unit_test(file_size_limit_ends_the_run_and_keeps_what_is_there),
        cmocka_unit_test(full_disk_ends_the_run_and_keeps_what_is_there),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
