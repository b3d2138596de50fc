/* Files that appear whole or not at all, in file systems that know nameless files and in
 * others. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { BYTES = 3 << 20 }; /* more than is buffered */

static char folder[64], path[128];
static unsigned char data[BYTES];
static bool has_proc; /* what tells one way of writing from the other */

int __real_access(const char *name, int mode);
int __wrap_access(const char *name, int mode);

int __wrap_access(const char *name, int mode)
{
    return has_proc ? __real_access(name, mode) : -1;
}

int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, mode_t mode);

int __wrap_open(const char *name, int flags, mode_t mode)
{
    if (!has_proc && !strncmp(name, "/proc/", 6)) return -1;
    return __real_open(name, flags, mode);
}

static int n_umasks;
mode_t __real_umask(mode_t mask);
mode_t __wrap_umask(mode_t mask);

mode_t __wrap_umask(mode_t mask)
{
    n_umasks++;
    return __real_umask(mask);
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/penult-file-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof(path), "%s/out", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int count_entries(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static pn_outfile *write_bytes(unsigned char byte)
{
    pn_outfile *f = NULL;
    memset(data, byte, sizeof(data));
    assert_int_equal(pn_outfile_open(&f, path, NULL), PN_OK);
    assert_int_equal(pn_outfile_write(f, data, 5, NULL), PN_OK);
    assert_int_equal(pn_outfile_write(f, data, BYTES - 5, NULL), PN_OK);
    return f;
}

static void expect_bytes(unsigned char byte)
{
    pn_file *f = NULL;
    memset(data, byte, sizeof(data));
    assert_int_equal(pn_file_open(&f, path, NULL), PN_OK);
    assert_int_equal(f->size, BYTES);
    assert_memory_equal(f->data, data, BYTES);
    pn_file_close(&f);
    assert_int_equal(count_entries(), 1);
}

static void file_is_made_replaced_and_given_up(void **state)
{
    (void)state;
    for (int proc = 0; proc < 2; proc++) {
        has_proc = proc;
        unlink(path);
        pn_outfile *f = write_bytes('a');
        assert_int_equal(access(path, F_OK), -1);
        assert_int_equal(pn_outfile_commit(&f, NULL), PN_OK);
        assert_null(f);
        expect_bytes('a');
        f = write_bytes('b');
        assert_int_equal(pn_outfile_commit(&f, NULL), PN_OK);
        expect_bytes('b');
        f = write_bytes('c');
        pn_outfile_abort(&f);
        expect_bytes('b');
    }
}

static void process_that_is_killed_leaves_nothing(void **state)
{
    (void)state;
    has_proc = true;
    int fd = open(folder, O_TMPFILE | O_WRONLY, 0600);
    if (fd < 0) skip(); /* not in this file system */
    close(fd);
    pn_outfile *f = write_bytes('a');
    int n = count_entries(); /* what would stay */
    pn_outfile_abort(&f);
    assert_int_equal(n, 0);
}

static void folder_in_the_way_stays(void **state)
{
    (void)state;
    for (int proc = 0; proc < 2; proc++) {
        pn_err err = {0};
        has_proc = proc;
        assert_int_equal(mkdir(path, 0777), 0);
        pn_outfile *f = write_bytes('a');
        assert_int_equal(pn_outfile_commit(&f, &err), PN_EIO);
        assert_non_null(strstr(pn_err_text(&err), path));
        pn_err_clear(&err);
        assert_int_equal(count_entries(), 1);
        assert_int_equal(rmdir(path), 0);
    }
}

/* umask() is everybody's: another thread's file could get the wrong mode meanwhile. */
static void modes_follow_the_umask_which_is_not_touched(void **state)
{
    (void)state;
    static const mode_t masks[] = {0022, 0027, 0, 0077, 0777};
    const mode_t before = __real_umask(0);
    for (size_t i = 0; i < 2 * sizeof(masks) / sizeof(*masks); i++) {
        struct stat got;
        has_proc = i % 2;
        n_umasks = 0;
        __real_umask(masks[i / 2]);
        assert_int_equal(pn_umask(), masks[i / 2]);
        pn_outfile *f = write_bytes('a');
        assert_int_equal(pn_outfile_commit(&f, NULL), PN_OK);
        assert_int_equal(n_umasks, has_proc ? 0 : 4); /* without /proc, there and back */
        assert_int_equal(__real_umask(before), masks[i / 2]);
        assert_int_equal(stat(path, &got), 0);
        assert_int_equal(got.st_mode & 07777, 0666 & ~masks[i / 2]);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(file_is_made_replaced_and_given_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(process_that_is_killed_leaves_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(folder_in_the_way_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(modes_follow_the_umask_which_is_not_touched,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
