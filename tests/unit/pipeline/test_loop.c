/* Files into bytes: every kind of file that may stand where an image should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "pipeline/loop.h"
#include "tree.h"

#define LIMIT 65536
#define MAX_BATCHES 16

typedef struct reader {
    pn_loop *loop;
    pn_batch *batches[MAX_BATCHES];
    int n, n_read, n_ends, n_errors, n_busy;
    bool read_after_end;
    int64_t held; /* read and not given back, by who gives back with delay */
    uv_timer_t giver;
} reader;

static void on_read(void *cookie, pn_batch *b)
{
    reader *r = cookie;
    assert_int_equal(b->type, PN_TYPE_BYTES);
    r->n_read++;
    r->read_after_end |= r->n_ends > 0;
}

static void on_end(void *cookie)
{
    reader *r = cookie;
    r->n_ends++;
    pn_loop_finish(r->loop);
}

static void on_error(void *cookie, pn_status st, const char *text)
{
    (void)st;
    (void)text;
    ((reader *)cookie)->n_errors++;
}

static void on_busy(void *cookie, uint64_t ns)
{
    (void)ns;
    ((reader *)cookie)->n_busy++;
}

static pn_loop_opts opts_for(reader *r, int in_flight)
{
    *r = (reader){0};
    return (pn_loop_opts){.in_flight = in_flight,
                          .max_file_bytes = LIMIT,
                          .max_bytes = INT64_MAX,
                          .max_batches = MAX_BATCHES,
                          .cookie = r,
                          .on_read = on_read,
                          .on_end = on_end,
                          .on_error = on_error,
                          .on_busy = on_busy};
}

static void reader_init_limit(reader *r, int in_flight, int64_t max_file_bytes)
{
    pn_loop_opts opts = opts_for(r, in_flight);
    opts.max_file_bytes = max_file_bytes;
    assert_int_equal(pn_loop_new(&r->loop, &opts, NULL), PN_OK);
}

static void reader_init(reader *r, int in_flight)
{
    reader_init_limit(r, in_flight, LIMIT);
}

static pn_batch *add_batch(reader *r, int capacity)
{
    pn_batch_shape shape = {.capacity = capacity};
    assert_int_equal(pn_batch_new(&r->batches[r->n], &shape), PN_OK);
    return r->batches[r->n++];
}

static pn_item *add_path(pn_batch *b, const char *path)
{
    pn_item *it = &b->items[b->n++];
    assert_int_equal(pn_item_set_path(it, path), PN_OK);
    return it;
}

/* hand everything over, read it, end */
static void read_all(reader *r)
{
    for (int i = 0; i < r->n; i++)
        pn_loop_read(r->loop, r->batches[i]);
    pn_loop_end(r->loop);
    pn_loop_run(r->loop);
    assert_int_equal(r->n_read, r->n);
    assert_int_equal(r->n_ends, 1);
    assert_false(r->read_after_end);
}

static void reader_fini(reader *r)
{
    pn_loop_free(&r->loop);
    for (int i = 0; i < r->n; i++)
        pn_batch_free(&r->batches[i]);
}

static void assert_holds_tree_bytes(const pn_item *it, size_t size)
{
    assert_int_equal(it->reason, PN_REASON_NONE);
    assert_int_equal(it->data_size, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(it->data[i], (i * 31 + 7) % 256);
}

static void items_keep_their_places_over_several_batches(void **state)
{
    test_tree *t = *state;
    for (int in_flight = 1; in_flight <= 9; in_flight += 4) {
        reader r;
        reader_init(&r, in_flight);
        static const size_t sizes[] = {1, 4095, 4096, 4097, LIMIT - 1, LIMIT, 100};
        for (int k = 0; k < 4; k++) {
            pn_batch *b = add_batch(&r, 7);
            for (int i = 0; i < 7 - k; i++) {
                char name[32];
                snprintf(name, sizeof(name), "of/%zu.jpg", sizes[i]);
                test_tree_file(t, name, sizes[i]);
                add_path(b, test_tree_path(t, name));
            }
        }
        read_all(&r);
        for (int k = 0; k < 4; k++)
            for (int i = 0; i < 7 - k; i++)
                assert_holds_tree_bytes(&r.batches[k]->items[i], sizes[i]);
        assert_int_equal(r.n_busy, 7 + 6 + 5 + 4);
        reader_fini(&r);
    }
}

static void make_socket(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    close(fd);
}

static void what_is_no_readable_file_is_a_failed_item(void **state)
{
    test_tree *t = *state;
    static const struct {
        const char *path, *text;
        pn_reason reason;
    } cases[] = {
        {"missing.jpg", "cannot open the file: no such file or directory",
         PN_REASON_READ},
        {"good.jpg/x.jpg", "cannot open the file: not a directory", PN_REASON_READ},
        {"folder.jpg", "not a regular file but a folder", PN_REASON_READ},
        {"fifo.jpg", "not a regular file but a FIFO", PN_REASON_READ},
        {"socket.jpg", "cannot open the file: no such device or address", PN_REASON_READ},
        {"null.jpg", "not a regular file but a device", PN_REASON_READ},
        {"dangling.jpg", "cannot open the file: no such file or directory",
         PN_REASON_READ},
        {"loop.jpg", "cannot open the file: too many symbolic links encountered",
         PN_REASON_READ},
        {"empty.jpg", "the file is empty", PN_REASON_EMPTY},
        {"large.jpg", "the file's 65537 bytes are over the limit of 65536",
         PN_REASON_TOO_LARGE},
        {"sparse.jpg", "the file's 1099511627776 bytes are over the limit of 65536",
         PN_REASON_TOO_LARGE},
    };
    test_tree_file(t, "good.jpg", 1000);
    test_tree_folder(t, "folder.jpg");
    test_tree_file(t, "empty.jpg", 0);
    test_tree_file(t, "large.jpg", LIMIT + 1);
    test_tree_file(t, "sparse.jpg", 0);
    assert_int_equal(truncate(test_tree_path(t, "sparse.jpg"), (off_t)1 << 40), 0);
    assert_int_equal(mkfifo(test_tree_path(t, "fifo.jpg"), 0644), 0);
    make_socket(test_tree_path(t, "socket.jpg"));
    assert_int_equal(symlink("/dev/null", test_tree_path(t, "null.jpg")), 0);
    assert_int_equal(symlink("nowhere", test_tree_path(t, "dangling.jpg")), 0);
    assert_int_equal(symlink("loop.jpg", test_tree_path(t, "loop.jpg")), 0);
    assert_int_equal(symlink("good.jpg", test_tree_path(t, "link.jpg")), 0);

    reader r;
    reader_init(&r, 3);
    const int n = sizeof(cases) / sizeof(*cases);
    pn_batch *b = add_batch(&r, n + 2);
    add_path(b, test_tree_path(t, "good.jpg"));
    for (int i = 0; i < n; i++)
        add_path(b, test_tree_path(t, cases[i].path));
    add_path(b, test_tree_path(t, "link.jpg"));
    read_all(&r);
    assert_holds_tree_bytes(&b->items[0], 1000); /* the neighbours are as ever */
    assert_holds_tree_bytes(&b->items[n + 1], 1000);
    for (int i = 0; i < n; i++) {
        assert_string_equal(b->items[i + 1].text, cases[i].text);
        assert_int_equal(b->items[i + 1].reason, cases[i].reason);
        assert_int_equal(b->items[i + 1].data_size, 0);
    }
    reader_fini(&r);
}

static void file_without_permission_is_a_failed_item(void **state)
{
    if (geteuid() == 0) skip(); /* root may read everything */
    test_tree *t = *state;
    test_tree_file(t, "closed.jpg", 10);
    assert_int_equal(chmod(test_tree_path(t, "closed.jpg"), 0), 0);
    reader r;
    reader_init(&r, 1);
    pn_item *it = add_path(add_batch(&r, 1), test_tree_path(t, "closed.jpg"));
    read_all(&r);
    assert_int_equal(it->reason, PN_REASON_READ);
    assert_string_equal(it->text, "cannot open the file: permission denied");
    reader_fini(&r);
}

/* /proc says 0 bytes and has some, /sys says a page and has fewer: as a file that grows
 * or shrinks between fstat and read */
static void size_that_is_not_true_does_not_matter(void **state)
{
    (void)state;
    static const char *const paths[] = {"/proc/self/status",
                                        "/sys/devices/system/cpu/possible"};
    if (access(paths[0], R_OK) || access(paths[1], R_OK)) skip();
    reader r;
    reader_init(&r, 2);
    pn_batch *b = add_batch(&r, 2);
    for (int i = 0; i < 2; i++)
        add_path(b, paths[i]);
    read_all(&r);
    char want[64];
    FILE *f = fopen(paths[1], "r");
    size_t n = fread(want, 1, sizeof(want), f);
    fclose(f);
    assert_int_equal(b->items[0].reason, PN_REASON_NONE);
    assert_memory_equal(b->items[0].data, "Name:", 5);
    assert_int_equal(b->items[0].data[b->items[0].data_size - 1], '\n');
    assert_int_equal(b->items[1].reason, PN_REASON_NONE);
    assert_int_equal(b->items[1].data_size, n);
    assert_memory_equal(b->items[1].data, want, n);
    reader_fini(&r);
}

static void file_longer_than_it_says_is_read_to_its_end_or_the_limit(void **state)
{
    (void)state;
    static const char path[] = "/proc/self/smaps"; /* some 10 KiB, says 0 */
    if (access(path, R_OK)) skip();
    reader r;
    reader_init_limit(&r, 1, 256 << 20);
    pn_item *it = add_path(add_batch(&r, 1), path);
    read_all(&r);
    assert_int_equal(it->reason, PN_REASON_NONE);
    assert_true(it->data_size > 4096); /* more than one read brings */
    reader_fini(&r);

    reader_init_limit(&r, 1, 100);
    it = add_path(add_batch(&r, 1), path);
    read_all(&r);
    assert_int_equal(it->reason, PN_REASON_TOO_LARGE);
    assert_int_equal(it->data_size, 0);
    reader_fini(&r);
}

static void item_that_failed_before_is_left_alone(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "good.jpg", 1000);
    reader r;
    reader_init(&r, 2);
    pn_batch *only_bad = add_batch(&r, 2), *mixed = add_batch(&r, 2);
    add_batch(&r, 2); /* an empty one comes back too */
    pn_item_fail(add_path(only_bad, "x"), PN_REASON_RECORD, "mine");
    pn_item_fail(add_path(mixed, "x"), PN_REASON_RECORD, "mine");
    add_path(mixed, test_tree_path(t, "good.jpg"));
    read_all(&r);
    assert_string_equal(only_bad->items[0].text, "mine");
    assert_string_equal(mixed->items[0].text, "mine");
    assert_holds_tree_bytes(&mixed->items[1], 1000);
    reader_fini(&r);
}

static void nothing_handed_over_still_ends(void **state)
{
    (void)state;
    reader r;
    reader_init(&r, 2);
    read_all(&r);
    reader_fini(&r);
}

static void skipped_batches_come_back_unread(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "good.jpg", 1000);
    reader r;
    reader_init(&r, 2);
    for (int k = 0; k < 3; k++) {
        pn_batch *b = add_batch(&r, 4);
        for (int i = 0; i < 4; i++)
            add_path(b, test_tree_path(t, "good.jpg"));
    }
    pn_loop_skip(r.loop);
    read_all(&r);
    assert_int_equal(r.n_busy, 0);
    reader_fini(&r);
}

/* more reads in flight than the process may open: they wait for each other */
static void too_few_descriptors_fail_no_item(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "good.jpg", 1000);
    reader r;
    reader_init(&r, 16);
    pn_batch *b = add_batch(&r, 64);
    for (int i = 0; i < 64; i++)
        add_path(b, test_tree_path(t, "good.jpg"));
    int first_free = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(first_free);
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)first_free + 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    read_all(&r);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 64; i++)
        assert_holds_tree_bytes(&b->items[i], 1000);
    reader_fini(&r);
}

static void on_read_and_hold(void *cookie, pn_batch *b)
{
    reader *r = cookie;
    on_read(r, b);
    assert_int_equal(r->held, 0); /* this one was not begun before it was given back */
    r->held = pn_batch_data_bytes(b);
}

static void give_back(uv_timer_t *timer)
{
    reader *r = timer->data;
    pn_loop_give_back(r->loop, r->held);
    r->held = 0;
}

static void no_batch_is_begun_above_the_limit_of_bytes(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "a.jpg", 1000);
    reader r;
    pn_loop_opts opts = opts_for(&r, 1);
    opts.max_bytes = 500;
    opts.on_read = on_read_and_hold;
    assert_int_equal(pn_loop_new(&r.loop, &opts, NULL), PN_OK);
    for (int i = 0; i < 5; i++) {
        pn_batch *b = add_batch(&r, 3);
        for (int k = 0; k < 3; k++) /* all three, though the first is over the limit */
            add_path(b, test_tree_path(t, "a.jpg"));
    }
    assert_int_equal(uv_timer_init(pn_loop_uv(r.loop), &r.giver), 0);
    r.giver.data = &r;
    assert_int_equal(uv_timer_start(&r.giver, give_back, 20, 20), 0);
    read_all(&r);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 3; k++)
            assert_holds_tree_bytes(&r.batches[i]->items[k], 1000);
    uv_close((uv_handle_t *)&r.giver, NULL);
    reader_fini(&r);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const pn_loop_opts bad[] = {
        {.in_flight = 0, .max_batches = 1, .max_bytes = 1, .max_file_bytes = 1},
        {.in_flight = 1, .max_batches = 0, .max_bytes = 1, .max_file_bytes = 1},
        {.in_flight = 1, .max_batches = 1, .max_bytes = 0, .max_file_bytes = 1},
        {.in_flight = 1, .max_batches = 1, .max_bytes = 1, .max_file_bytes = 0},
        {.in_flight = 1, .max_batches = 1, .max_bytes = 1, .max_file_bytes = INT64_MAX},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        pn_loop *l = NULL;
        assert_int_equal(pn_loop_new(&l, &bad[i], NULL), PN_EINVAL);
        assert_null(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TREE(items_keep_their_places_over_several_batches),
        IN_TREE(what_is_no_readable_file_is_a_failed_item),
        IN_TREE(file_without_permission_is_a_failed_item),
        cmocka_unit_test(size_that_is_not_true_does_not_matter),
        cmocka_unit_test(file_longer_than_it_says_is_read_to_its_end_or_the_limit),
        IN_TREE(item_that_failed_before_is_left_alone),
        cmocka_unit_test(nothing_handed_over_still_ends),
        IN_TREE(skipped_batches_come_back_unread),
        IN_TREE(too_few_descriptors_fail_no_item),
        IN_TREE(no_batch_is_begun_above_the_limit_of_bytes),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
