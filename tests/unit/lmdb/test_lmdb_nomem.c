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

/* the linker sends the program's own calls here (--wrap); liblmdb's are not touched */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
int __wrap_asprintf(char **out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static long countdown; /* the allocation that fails; 0: none */
static bool has_failed;

static bool fails(void)
{
    if (!countdown || --countdown) return false;
    return has_failed = true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
    return fails() ? NULL : __real_strndup(s, n);
}

int __wrap_asprintf(char **out, const char *fmt, ...)
{
    if (fails()) {
        *out = (char *)0x1; /* undefined after a failure: whoever frees it crashes */
        return -1;
    }
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(out, fmt, args);
    va_end(args);
    return n;
}

static char *folder, *path;

static pn_status run_sink(void)
{
    const pn_write_lmdb_opts o = {.path = path, .on_exists = 2};
    const pn_stage_info *info = &pn_sink_write_lmdb.info;
    long armed = countdown;
    countdown = 0;
    pn_batch *b = pn_test_batch(4, 20);
    void *shared = calloc(1, info->shared_size), *state = calloc(1, info->state_size);
    pn_counts counts = {.seen = 3, .ok = 3};
    for (int i = 0; i < 3; i++)
        pn_test_add(b, i, &"abc"[i], 1);
    countdown = armed;
    pn_err err = {0};
    pn_status st = info->open(shared, &o, &err);
    if (!st) st = info->start(state, shared, &err);
    if (!st) st = pn_sink_write_lmdb.push(state, b, &err);
    if (!st) st = pn_sink_write_lmdb.finish(state, &counts, true, &err);
    info->stop(state);
    info->close(shared);
    pn_err_clear(&err);
    countdown = 0;
    free(shared);
    free(state);
    pn_batch_free(&b);
    return st;
}

static pn_status run_source(void)
{
    const pn_read_lmdb_opts o = {
        .path = path, .format = 1, .database = (char *)(uintptr_t) "items"};
    const pn_source_ops *ops = &pn_source_read_lmdb;
    long armed = countdown;
    countdown = 0;
    pn_batch *b = pn_test_batch(4, 0);
    void *shared = calloc(1, ops->info.shared_size);
    void *state = calloc(1, ops->info.state_size);
    countdown = armed;
    pn_err err = {0};
    pn_status st = ops->info.open(shared, &o, &err);
    if (!st) st = ops->info.start(state, shared, &err);
    if (!st) st = ops->pull(state, b, NULL, &err);
    ops->info.stop(state);
    ops->info.close(shared);
    pn_err_clear(&err);
    countdown = 0;
    free(shared);
    free(state);
    pn_batch_free(&b);
    return st;
}

static pn_status run_reader(void)
{
    pn_result *r = NULL;
    pn_record rec;
    pn_err err = {0};
    pn_status st = pn_result_open(&r, path, &err);
    while (!st)
        st = pn_result_next(r, &rec, &err);
    pn_result_close(&r);
    pn_err_clear(&err);
    countdown = 0;
    return st == PN_END ? PN_OK : st;
}

static void sweep(pn_status (*run)(void), bool may_shrug)
{
    int n = 1;
    for (;; n++) {
        has_failed = false;
        countdown = n;
        pn_status st = run();
        if (!has_failed) {
            assert_int_equal(st, PN_OK);
            break;
        }
        /* the text of an error may be what there is no memory for, the status is not */
        if (!may_shrug && st != PN_ENOMEM)
            fail_msg("allocation %d: %s", n, pn_status_name(st));
    }
    assert_true(n > 3);
}

static void sink_without_memory(void **state)
{
    (void)state;
    /* sweeping up leftovers, and asking whose a folder is, may go without */
    sweep(run_sink, true);
    countdown = 0;
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
