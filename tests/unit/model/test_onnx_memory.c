/* Reading and writing with every allocation failing once: PN_ENOMEM, nothing leaked (the
 * sanitizer watches), no half-written file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/onnx_read.h"
#include "onnx_cases.h"
#include "tests/support/alloc_fail.h"

static void check_reading(const onnx_case *c)
{
    pn_status st = PN_ENOMEM;
    for (long n = 0; st == PN_ENOMEM; n++) {
        pn_graph *g = NULL;
        pn_err err = {0};
        pn_alloc_fail_at(n);
        st = pn_onnx_read_bytes(&g, c->model, c->model_size, &err);
        pn_alloc_fail_at(-1);
        if (st == PN_ENOMEM) assert_null(g);
        if (st == PN_ENOMEM) assert_int_equal(err.status, PN_ENOMEM);
        pn_err_clear(&err);
        pn_graph_free(&g);
        assert_true(n < 10000);
    }
    assert_int_equal(st, strchr(c->verdict, ' ') == NULL          ? PN_OK
                         : strncmp(c->verdict, "format ", 7) == 0 ? PN_EFORMAT
                                                                  : PN_EUNSUPPORTED);
}

static void every_failing_allocation_of_reading_is_enomem(void **state)
{
    (void)state;
    pn_file *f = cases_open();
    onnx_case c = {0};
    size_t at = 0;
    while (case_next(f, &at, &c)) {
        check_reading(&c);
        case_fini(&c);
    }
    pn_file_close(&f);
}

static void every_failing_allocation_of_writing_is_enomem(void **state)
{
    (void)state;
    char folder[] = "/tmp/penult-onnx-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/m.onnx", folder);
    pn_file *f = cases_open();
    onnx_case c = {0};
    size_t at = 0;
    assert_true(case_next(f, &at, &c));
    pn_graph *g = NULL;
    assert_int_equal(pn_onnx_read_bytes(&g, c.model, c.model_size, NULL), PN_OK);
    long n = 0;
    for (pn_status st = PN_ENOMEM; st == PN_ENOMEM; n++) {
        pn_alloc_fail_at(n);
        st = pn_graph_write_onnx(g, path, NULL);
        pn_alloc_fail_at(-1);
        assert_true(st == PN_ENOMEM || st == PN_OK);
        /* there, it is whole: only the folder's sync comes after the rename */
        pn_graph *back = NULL;
        if (access(path, F_OK) == 0)
            assert_int_equal(pn_graph_read_onnx(&back, path, NULL), PN_OK);
        else
            assert_int_equal(st, PN_ENOMEM);
        pn_graph_free(&back);
    }
    assert_true(n > 5);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* and no temporary file in it */
    pn_graph_free(&g);
    case_fini(&c);
    pn_file_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_of_reading_is_enomem),
        cmocka_unit_test(every_failing_allocation_of_writing_is_enomem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
