/* Writing while a proof runs: what cannot be written ends the proof. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/write_beside.h"
#include "penult/export.h"
#include "penult/parity.h"
#include "tests/unit/engine/net_builder.h"

static char folder[64], path[128];

static int setup(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    strcpy(folder, "/tmp/penult-beside-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof(path), "%s/net.onnx", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* More than a file's buffer holds. */
static net build(void)
{
    net n = net_new(64, 8, 8);
    net_finish(&n, net_fc(&n, "scores", pn_graph_find(n.g, "x"), 64 * 64, 100));
    return n;
}

/* The proof, once the writer has said that it failed or has written all. */
typedef struct wait {
    pn_cli_writer *writer;
    bool will_fail;
} wait;

static bool asks_writer(void *arg)
{
    const wait *w = arg;
    while (w->will_fail && !pn_cli_write_has_failed(w->writer))
        sched_yield();
    return pn_cli_write_has_failed(w->writer);
}

static pn_status prove(const net *n, wait *w, int threads)
{
    pn_parity p = {0};
    const pn_parity_opts o = {
        .cpu = PN_CPU_C, .threads = threads, .is_unwanted = asks_writer, .arg = w};
    const pn_status st = pn_parity_check(&p, n->g, &o, NULL);
    pn_parity_fini(&p);
    return st;
}

static void a_full_disk_ends_the_proof_and_is_what_is_told(void **state)
{
    (void)state;
    if (!pn_export_is_traceless(path)) skip(); /* then nothing is written beside it */
    net n = build();
    for (int threads = 1; threads <= 2; threads++) {
        pn_digest d = {0};
        pn_err err = {0};
        limit_files(1 << 20);
        wait w = {pn_cli_write_begin(n.g, path, &d), true};
        assert_non_null(w.writer);
        assert_int_equal(prove(&n, &w, threads), PN_ESTOPPED);
        limit_files(RLIM_INFINITY);
        assert_int_equal(pn_cli_write_end(w.writer, &err), PN_EFULL);
        assert_non_null(strstr(pn_err_text(&err), path));
        pn_cli_write_free(&w.writer);
        assert_int_not_equal(access(path, F_OK), 0);
        pn_err_clear(&err);
    }
    net_free(&n);
}

static void what_can_be_written_is_when_the_proof_is_done(void **state)
{
    (void)state;
    net n = build();
    pn_digest d = {0};
    wait w = {pn_cli_write_begin(n.g, path, &d), false};
    assert_non_null(w.writer);
    assert_int_equal(prove(&n, &w, 2), PN_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(pn_cli_write_end(w.writer, NULL), PN_OK);
    assert_int_equal(access(path, F_OK), 0);
    pn_cli_write_free(&w.writer);
    net_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_ends_the_proof_and_is_what_is_told,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_can_be_written_is_when_the_proof_is_done,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
