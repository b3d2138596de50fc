/* Relative to what. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fields.h"

static void paths_are_joined_to_their_folder(void **state)
{
    (void)state;
    static const struct {
        const char *path, *folder, *out;
    } cases[] = {
        {"/a/b", "/x", "/a/b"},
        {"/a/b//", NULL, "/a/b"},
        {"/", NULL, "/"},
        {"a", "/none", "/none/a"},
        {"./a/./b", "/none", "/none/a/./b"},
        {"../a", "/none/sub", "/none/a"},
        {"../../../a", "/none/sub", "/a"},
        {"..", "/none/sub", "/none"},
        {".", "/none", "/none"},
        {"..a", "/none", "/none/..a"},
        {"a/", "/none/", "/none/a"},
        {"a", "/", "/a"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *out = pn_path_absolute(cases[i].path, cases[i].folder);
        assert_non_null(out);
        assert_string_equal(out, cases[i].out);
        free(out);
    }
}

static void without_a_folder_it_is_the_working_directory(void **state)
{
    (void)state;
    char here[4096], want[4200];
    assert_non_null(getcwd(here, sizeof(here)));
    strcpy(want, here);
    strcat(strcmp(here, "/") ? strcat(want, "/") : want, "x");
    char *out = pn_path_absolute("x", NULL);
    assert_string_equal(out, want);
    free(out);
}

static void dots_climb_from_where_a_linked_folder_really_is(void **state)
{
    (void)state;
    char base[] = "/tmp/penult-path-XXXXXX", deep[64], link[64], want[64];
    assert_non_null(mkdtemp(base));
    strcat(strcpy(deep, base), "/real");
    assert_int_equal(mkdir(deep, 0700), 0);
    strcat(deep, "/deep");
    assert_int_equal(mkdir(deep, 0700), 0);
    strcat(strcpy(link, base), "/link");
    assert_int_equal(symlink(deep, link), 0);
    char *out = pn_path_absolute("../x", link);
    strcat(strcpy(want, base), "/real/x");
    assert_string_equal(out, want);
    free(out);
    unlink(link);
    rmdir(deep);
    *strrchr(deep, '/') = '\0';
    rmdir(deep);
    rmdir(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_joined_to_their_folder),
        cmocka_unit_test(without_a_folder_it_is_the_working_directory),
        cmocka_unit_test(dots_climb_from_where_a_linked_folder_really_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
