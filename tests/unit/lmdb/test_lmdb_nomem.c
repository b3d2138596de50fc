/* Every allocation of the LMDB stages fails once: the call says so, and what it held is
 * given back (the address sanitizer looks). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lmdb_fixture.h"
#include "penult/log.h"
#include "stages/sink/read_result.h"
#include "stages/source/read_lmdb.h"
#include "tests/support/alloc_fail.h"

static char *folder, *path;
static bool came_about; /* the failure of the last run */

/* each run is armed with the allocation that fails, once its own are done */

static pn_status run_sink(long n)
{
    const pn_write_lmdb_opts o = {.path = path, .on_exists = 2};
    const pn_stage_info *info = &pn_sink_write_lmdb.info;
    pn_batch *b = pn_test_batch(4, 20);
    void *shared = calloc(1, info->shared_size), *state = calloc(1, info->state_size);
    pn_counts counts = {.seen = 3, .ok = 3};
    for (int i = 0; i < 3; i++)
        pn_test_add(b, i, &"abc"[i], 1);
    pn_alloc_fail_at(n);
    pn_err err = {0};
    pn_status st = info->open(shared, &o, &err);
    if (!st) st = info->start(state, shared, &err);
    if (!st) st = pn_sink_write_lmdb.push(state, b, &err);
    if (!st) st = pn_sink_write_lmdb.finish(state, &counts, true, &err);
    info->stop(state);
    info->close(shared);
    pn_err_clear(&err);
    came_about = pn_alloc_has_failed();
    pn_alloc_fail_at(-1);
    free(shared);
    free(state);
    pn_batch_free(&b);
    return st;
}

static pn_status run_source(long n)
{
    const pn_read_lmdb_opts o = {
        .path = path, .format = 1, .database = (char *)(uintptr_t) "items"};
    const pn_source_ops *ops = &pn_source_read_lmdb;
    pn_batch *b = pn_test_batch(4, 0);
    void *shared = calloc(1, ops->info.shared_size);
    void *state = calloc(1, ops->info.state_size);
    pn_alloc_fail_at(n);
    pn_err err = {0};
    pn_status st = ops->info.open(shared, &o, &err);
    if (!st) st = ops->info.start(state, shared, &err);
    if (!st) st = ops->pull(state, b, NULL, &err);
    ops->info.stop(state);
    ops->info.close(shared);
    pn_err_clear(&err);
    came_about = pn_alloc_has_failed();
    pn_alloc_fail_at(-1);
    free(shared);
    free(state);
    pn_batch_free(&b);
    return st;
}

static pn_status run_reader(long n)
{
    pn_result *r = NULL;
    pn_record rec;
    pn_err err = {0};
    pn_alloc_fail_at(n);
    pn_status st = pn_result_open(&r, path, &err);
    while (!st)
        st = pn_result_next(r, &rec, &err);
    pn_result_close(&r);
    pn_err_clear(&err);
    came_about = pn_alloc_has_failed();
    pn_alloc_fail_at(-1);
    return st == PN_END ? PN_OK : st;
}

static void sweep(pn_status (*run)(long n), bool may_shrug)
{
    long n = 0;
    for (;; n++) {
        pn_status st = run(n);
        if (!came_about) {
            assert_int_equal(st, PN_OK);
            break;
        }
        /* the text of an error may be what there is no memory for, the status is not */
        if (!may_shrug && st != PN_ENOMEM)
            fail_msg("allocation %ld: %s", n, pn_status_name(st));
    }
    assert_true(n > 2);
}

static void sink_without_memory(void **state)
{
    (void)state;
    /* sweeping up leftovers, and asking whose a folder is, may go without */
    sweep(run_sink, true);
    pn_result *r = NULL;
    assert_int_equal(pn_result_open(&r, path, NULL), PN_OK);
    assert_int_equal(pn_result_get_info(r)->n_items, 3);
    pn_result_close(&r);
    /* besides it lies what a run had committed that failed at its end, and nothing else
     */
    assert_int_equal(pn_test_count_entries(folder), 2);
    assert_int_equal(pn_result_open(&r, pn_test_path(folder, "out.partial"), NULL),
                     PN_OK);
    pn_result_close(&r);
}

static void source_without_memory(void **state)
{
    (void)state;
    sweep(run_source, false);
}

static void reader_without_memory(void **state)
{
    (void)state;
    sweep(run_reader, true); /* no memory for jansson is no JSON */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sink_without_memory),
        cmocka_unit_test(source_without_memory),
        cmocka_unit_test(reader_without_memory),
    };
    pn_log_setup(PN_LOG_ERROR, NULL, NULL);
    folder = pn_test_folder();
    path = strdup(pn_test_path(folder, "out"));
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(path);
    pn_test_folder_remove(&folder);
    return rc;
}
