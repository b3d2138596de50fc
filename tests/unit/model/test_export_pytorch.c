/* PyTorch's files where something fails: no memory, no words, no folder; and graphs that
 * no golden has. What the files say is read in tests/golden/pytorch. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "penult/export.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/golden.h"

typedef struct folder {
    char path[64], file[96];
} folder;

static folder new_folder(void)
{
    folder f = {.path = "/tmp/penult-pytorch-XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    snprintf(f.file, sizeof(f.file), "%s/net.py", f.path);
    return f;
}

/* removes what is there. @return how many files that were */
static int empty(const folder *f)
{
    char path[512];
    int n = 0;
    DIR *dir = opendir(f->path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof(path), "%s/%s", f->path, e->d_name);
        assert_int_equal(unlink(path), 0);
        n++;
    }
    closedir(dir);
    return n;
}

static pn_graph *checkpoint(const char *name)
{
    pn_graph *g = NULL;
    assert_int_equal(pn_golden_graph(&g, name, "3,32,32"), PN_OK);
    return g;
}

static void every_failing_allocation_is_enomem_and_leaves_whole_files(void **state)
{
    (void)state;
    static const char *const nets[] = {"resnet-v2", "inception"};
    folder f = new_folder();
    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
        pn_graph *g = checkpoint(nets[i]);
        pn_status st = PN_ENOMEM;
        for (long n = 0; st == PN_ENOMEM; n++) {
            pn_err err = {0};
            pn_alloc_fail_at(n);
            st = pn_export(g, f.file, &err);
            pn_alloc_fail_at(-1);
            if (st) {
                assert_int_equal(st, PN_ENOMEM);
                assert_int_equal(access(f.file, F_OK), -1); /* it would come last */
                assert_true(empty(&f) < 3);
            }
            pn_err_clear(&err);
            assert_true(n < 10000);
        }
        assert_int_equal(st, PN_OK);
        assert_int_equal(empty(&f), 3);
        pn_graph_free(&g);
    }
    assert_int_equal(rmdir(f.path), 0);
}

static void a_folder_that_is_not_there_is_an_io_error(void **state)
{
    (void)state;
    pn_err err = {0};
    pn_graph *g = checkpoint("inception");
    assert_int_equal(pn_export(g, "/tmp/penult-nowhere/net.py", &err), PN_EIO);
    assert_non_null(strstr(pn_err_text(&err), "/tmp/penult-nowhere/net"));
    pn_err_clear(&err);
    pn_graph_free(&g);
}

static int add_value(pn_graph *g, const char *name)
{
    const pn_shape shape = {4, {PN_DIM_FREE, 2, 3, 3}};
    int id;
    assert_int_equal(pn_graph_add_value(g, name, PN_F32, &shape, &id, NULL), PN_OK);
    return id;
}

/* n times the operator, each on the one before */
static pn_graph *chain(pn_op op, int n)
{
    pn_graph *g = NULL;
    char name[32];
    assert_int_equal(pn_graph_new(&g, "chain"), PN_OK);
    int at = add_value(g, "data");
    assert_int_equal(pn_graph_add_input(g, at), PN_OK);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "v%d", i);
        int next = add_value(g, name);
        assert_int_equal(pn_graph_add_node(g, op, "same", &at, 1, &next, 1, NULL, NULL),
                         PN_OK);
        at = next;
    }
    assert_int_equal(pn_graph_add_output(g, at), PN_OK);
    return g;
}

static void a_long_chain_takes_no_longer_than_its_length(void **state)
{
    (void)state;
    folder f = new_folder();
    pn_graph *g = chain(PN_OP_RELU, 5000);
    assert_int_equal(pn_export(g, f.file, NULL), PN_OK);
    assert_int_equal(empty(&f), 3);
    pn_graph_free(&g);
    assert_int_equal(rmdir(f.path), 0);
}

static void a_graph_that_hands_its_input_on_is_a_module(void **state)
{
    (void)state;
    folder f = new_folder();
    pn_graph *g = chain(PN_OP_IDENTITY, 1);
    assert_int_equal(pn_export(g, f.file, NULL), PN_OK);
    char text[8192] = "";
    FILE *file = fopen(f.file, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    assert_non_null(strstr(text, "    def forward(self, x):\n        return x\n"));
    assert_int_equal(empty(&f), 3);
    pn_graph_free(&g);
    assert_int_equal(rmdir(f.path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_is_enomem_and_leaves_whole_files),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_io_error),
        cmocka_unit_test(a_long_chain_takes_no_longer_than_its_length),
        cmocka_unit_test(a_graph_that_hands_its_input_on_is_a_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
