/*
 * Classifiers as other programs export them: files of PyTorch's two exporters, of small
 * nets of torchvision's families, against ONNX Runtime's answers (make.py made both).
 *
 * usage: test_onnx_zoo                            every NAME.onnx beside this file
 *        test_onnx_zoo MODEL INPUT.npy EXPECT.npy  one; prints max|a-b| / max|b|
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "penult/model.h"
#include "tests/support/golden.h"
#include "tests/support/npy.h"

#define FOLDER PN_SOURCE_DIR "/tests/golden/onnx_zoo"
#define BOUND 1e-4

/* the first output for n images of x */
static pn_status run_model(const char *path, const float *x, size_t n, float **out,
                           size_t *count, pn_err *err)
{
    pn_graph *g = NULL;
    pn_model *m = NULL;
    pn_exec *e = NULL;
    pn_status st = pn_graph_read_onnx(&g, path, err);
    if (!st) st = pn_model_compile(&m, g, NULL, err);
    if (!st) st = pn_exec_new(&e, m, (int)n, 1, err);
    if (!st) {
        pn_model_info info;
        pn_model_get_info(m, &info);
        const size_t image =
            (size_t)info.channels * (size_t)info.height * (size_t)info.width;
        for (size_t i = 0; i < n; i++)
            pn_exec_set_input_chw(e, (int)i, x + i * image);
        st = pn_exec_run(e, (int)n);
        *count = pn_model_tap_count(m, 0);
        *out = malloc(n * *count * sizeof(**out));
        if (!st && !*out) st = PN_ENOMEM;
        for (size_t i = 0; !st && i < n; i++)
            memcpy(*out + i * *count, pn_exec_output(e, 0, (int)i),
                   *count * sizeof(**out));
    }
    pn_exec_free(&e);
    pn_model_free(&m);
    pn_graph_free(&g);
    return st;
}

static pn_status distance(const char *model, const char *input, const char *expect,
                          double *d, pn_err *err)
{
    pn_npy x = {0}, y = {0};
    float *in = NULL, *out = NULL;
    size_t count = 0;
    pn_status st = pn_npy_read(&y, expect, err);
    if (!st && input) st = pn_npy_read(&x, input, err);
    /* a golden's input is made here as it was made there */
    const size_t n = st ? 0 : (size_t)y.dim[0];
    const size_t n_in = input ? x.n : n * 3 * 64 * 64;
    if (!st && !(in = malloc(n_in * sizeof(*in)))) st = PN_ENOMEM;
    for (size_t i = 0; !st && input && i < n_in; i++)
        in[i] = (float)x.data[i];
    if (!st && !input) pn_golden_input(in, n_in, 1, 127.5, 1 / 64.0);
    if (!st) st = run_model(model, in, n, &out, &count, err);
    if (!st && n * count != y.n)
        st = pn_fail(err, PN_EMISMATCH, "%zu floats, expected %zu", n * count, y.n);
    if (!st) *d = pn_golden_distance(out, y.data, y.n);
    free(in);
    free(out);
    pn_npy_fini(&x);
    pn_npy_fini(&y);
    return st;
}

static void every_exported_net_agrees_with_onnx_runtime(void **state)
{
    (void)state;
    DIR *folder = opendir(FOLDER);
    int n = 0;
    assert_non_null(folder);
    for (struct dirent *e; (e = readdir(folder));) {
        char model[1024], expect[1024];
        const char *end = strstr(e->d_name, ".onnx");
        if (!end || end[5]) continue;
        snprintf(model, sizeof(model), FOLDER "/%s", e->d_name);
        snprintf(expect, sizeof(expect), FOLDER "/%.*s.npy", (int)(end - e->d_name),
                 e->d_name);
        pn_err err = {0};
        double d = 0;
        if (distance(model, NULL, expect, &d, &err))
            fail_msg("%s: %s", e->d_name, pn_err_text(&err));
        if (!(d <= BOUND)) fail_msg("%s: %g off, bound %g", e->d_name, d, BOUND);
        n++;
    }
    closedir(folder);
    assert_true(n >= 20);
}

int main(int argc, char **argv)
{
    if (argc == 4) {
        pn_err err = {0};
        double d = 0;
        pn_status st = distance(argv[1], argv[2], argv[3], &d, &err);
        if (st)
            fprintf(stderr, "%s\n", pn_err_text(&err));
        else
            printf("%.3g\n", d);
        pn_err_clear(&err);
        return st != PN_OK;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_exported_net_agrees_with_onnx_runtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
