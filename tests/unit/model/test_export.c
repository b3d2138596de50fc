/* Whether files may be written where they are asked for, told before any work is done:
 * our own are replaced, anybody else's are not, and no folder is found missing in the
 * end. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "penult/export.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/golden.h"

static char folder[64];
static pn_graph *graph;

static const struct format {
    const char *files[3]; /* that of the command line first */
} formats[] = {{{"o.onnx"}},
               {{"o.pb", "o.json", "o.npy"}},
               {{"o.json", "o.pb", "o.npy"}},
               {{"o.py", "o.safetensors", "o.pth"}}};
enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]), N_FILES = 3 };

static const char *path_of(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put_file(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int empty_folder(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') n += unlink(path_of(e->d_name)) == 0;
    closedir(d);
    return n;
}

static pn_status check(const char *name, bool replaces_all, pn_err *err)
{
    return pn_export_check(path_of(name), NULL, 0, replaces_all, err);
}

static void expect_fine(const char *name, bool replaces_all)
{
    pn_err err = {0};
    if (check(name, replaces_all, &err)) fail_msg("%s: %s", name, pn_err_text(&err));
}

static void expect_refusal(const char *name, pn_status want, const char *words)
{
    pn_err err = {0};
    assert_int_equal(check(name, false, &err), want);
    if (!strstr(pn_err_text(&err), words))
        fail_msg("\"%s\" is not in: %s", words, pn_err_text(&err));
    pn_err_clear(&err);
}

static void what_we_have_written_is_replaced(void **state)
{
    (void)state;
    for (int i = 0; i < N_FORMATS; i++) {
        const char *name = formats[i].files[0];
        for (int round = 0; round < 2; round++) {
            expect_fine(name, false);
            assert_int_equal(pn_export(graph, path_of(name), NULL), PN_OK);
        }
        empty_folder();
    }
}

static void what_we_have_not_written_is_listed_whole(void **state)
{
    (void)state;
    for (int i = 0; i < N_FORMATS; i++) {
        const struct format *t = &formats[i];
        for (int k = 0; k < N_FILES && t->files[k]; k++) {
            put_file(t->files[k], "\"\"\"My own.\"\"\"\nimport penult\n");
            for (int was = 0; was <= k; was++)
                expect_refusal(t->files[0], PN_EEXIST, path_of(t->files[was]));
        }
        expect_fine(t->files[0], true);
        empty_folder();
    }
}

/* what bears no mark is judged by its neighbours, what can bear one is not */
static void one_foreign_file_among_ours_is_told(void **state)
{
    (void)state;
    assert_int_equal(pn_export(graph, path_of("o.py"), NULL), PN_OK);
    put_file("o.py", "import torch\n");
    expect_refusal("o.py", PN_EEXIST,
                   ": not written by penult, and would be replaced: /");
    assert_int_equal(unlink(path_of("o.py")), 0);
    expect_fine("o.py", false); /* the .pth has the .safetensors beside it */
    assert_int_equal(unlink(path_of("o.safetensors")), 0);
    expect_refusal("o.py", PN_EEXIST, "o.pth: choose");
    empty_folder();
}

static void an_empty_file_is_nobodys(void **state)
{
    (void)state;
    for (int i = 0; i < N_FORMATS; i++) {
        for (int k = 0; k < N_FILES && formats[i].files[k]; k++)
            put_file(formats[i].files[k], "");
        expect_fine(formats[i].files[0], false);
        empty_folder();
    }
}

static void a_place_where_nothing_can_be_made_is_told(void **state)
{
    (void)state;
    char name[300];
    put_file("file", "x");
    assert_int_equal(mkdir(path_of("o.pth"), 0777), 0);
    expect_refusal("no/o.onnx", PN_EIO, "create ");
    expect_refusal("file/o.py", PN_EIO, "create ");
    expect_refusal("o.py", PN_EEXIST, "o.pth: a folder of that name is there");
    assert_int_equal(rmdir(path_of("o.pth")), 0);
    memset(name, 'n', sizeof(name));
    strcpy(name + 245, ".py"); /* 248 bytes; with .safetensors 257, and 255 is the most */
    expect_refusal(name, PN_EIO, ".safetensors: ");
    assert_int_equal(empty_folder(), 1); /* and nothing is left behind */
}

static void the_longest_name_is_written_and_replaced(void **state)
{
    (void)state;
    char name[300];
    memset(name, 'n', sizeof(name));
    strcpy(name + 243, ".py");
    for (int round = 0; round < 2; round++) {
        expect_fine(name, false);
        assert_int_equal(pn_export(graph, path_of(name), NULL), PN_OK);
    }
    assert_int_equal(empty_folder(), 3);
}

static void every_failed_allocation_is_out_of_memory(void **state)
{
    (void)state;
    bool has_failed = true;
    long n = 0;
    put_file("o.py", "mine");
    for (; has_failed; n++) {
        pn_err err = {0};
        pn_alloc_fail_at(n);
        pn_status st = check("o.py", false, &err);
        has_failed = pn_alloc_has_failed();
        pn_alloc_fail_at(-1);
        assert_int_equal(st, has_failed ? PN_ENOMEM : PN_EEXIST);
        pn_err_clear(&err);
    }
    assert_true(n > 12);
    assert_int_equal(empty_folder(), 1);
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/penult-export-XXXXXX");
    return !mkdtemp(folder) || pn_golden_graph(&graph, "last-window", "3,8,8");
}

static int teardown(void **state)
{
    (void)state;
    pn_graph_free(&graph);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_we_have_written_is_replaced),
        cmocka_unit_test(what_we_have_not_written_is_listed_whole),
        cmocka_unit_test(one_foreign_file_among_ours_is_told),
        cmocka_unit_test(an_empty_file_is_nobodys),
        cmocka_unit_test(a_place_where_nothing_can_be_made_is_told),
        cmocka_unit_test(the_longest_name_is_written_and_replaced),
        cmocka_unit_test(every_failed_allocation_is_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
