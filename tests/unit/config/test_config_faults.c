/* Reading and printing a config with every allocation of ours refused in turn: the answer
 * is "out of memory", and nothing is lost. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/config.h"
#include "tests/support/alloc_fail.h"

static const char text[] = "model: {path: m.onnx, labels: l.txt, features: f}\n"
                           "input: {kind: files, path: a, extensions: [jpg, png]}\n"
                           "output: {path: out.lmdb, on_exists: overwrite}\n"
                           "run: {max_failures: 1%}\n";

/* read it and print it twice; all or nothing */
static pn_status read_and_print(void)
{
    static const char *const sets[] = {"run.threads=2", "input.extensions=a, b, c"};
    char *yaml = NULL, *json = NULL;
    pn_config *c = NULL;
    pn_err err = {0};
    pn_status st =
        pn_config_parse(&c, text, strlen(text), "run.yaml", "/job", sets, 2, &err);
    if (!st) st = pn_config_print(c, &yaml);
    if (!st) st = pn_config_print_json(c, &json);
    free(yaml);
    free(json);
    pn_config_free(&c);
    pn_err_clear(&err);
    return st;
}

static void every_allocation_of_a_config_may_fail(void **state)
{
    (void)state;
    long n = 0;
    pn_status st = PN_ENOMEM;
    for (; st == PN_ENOMEM; n++) {
        pn_alloc_fail_from(n);
        st = read_and_print();
    }
    pn_alloc_fail_at(-1);
    assert_int_equal(st, PN_OK);
    assert_true(n > 30); /* there were some */
}

static void every_allocation_of_a_refusal_may_fail(void **state)
{
    (void)state;
    static const char *const bad[] = {"modle: {}\n", "model: {pathh: x}\n",
                                      "input: {kind: tar}\n", "run: {zzz: 1}\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        pn_status st = PN_ENOMEM;
        for (long n = 0; st == PN_ENOMEM; n++) {
            pn_config *c = NULL;
            pn_err err = {0};
            pn_alloc_fail_from(n);
            st = pn_config_parse(&c, bad[i], strlen(bad[i]), "t", NULL, NULL, 0, &err);
            pn_alloc_fail_at(-1);
            assert_null(c);
            pn_err_clear(&err);
        }
        assert_int_equal(st, PN_ECONFIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_config_may_fail),
        cmocka_unit_test(every_allocation_of_a_refusal_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
