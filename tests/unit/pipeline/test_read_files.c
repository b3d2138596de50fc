/* The walk over a folder: its order, what it takes, what it says about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "penult/log.h"
#include "stages/source/read_files.h"
#include "tree.h"

#define MAX_FOUND 64

/* what a walk found: keys and failure texts */
typedef struct found {
    int n;
    char keys[MAX_FOUND][5000], texts[MAX_FOUND][PN_ITEM_TEXT], path[5000];
    pn_reason reasons[MAX_FOUND];
    uint64_t count;
    pn_err err;
} found;

static pn_status pull_all(found *f, void *state, int capacity)
{
    const pn_source_ops *ops = &pn_source_read_files;
    pn_batch *b = NULL;
    pn_batch_shape shape = {.capacity = capacity};
    assert_int_equal(pn_batch_new(&b, &shape), PN_OK);
    pn_status st;
    while (!(st = ops->pull(state, b, NULL, &f->err))) {
        assert_in_range(b->n, 1, capacity);
        for (int i = 0; i < b->n; i++, f->n++) {
            pn_item *it = &b->items[i];
            assert_true(f->n < MAX_FOUND && it->key_size < sizeof(f->keys[0]));
            memcpy(f->keys[f->n], it->key, it->key_size);
            strcpy(f->texts[f->n], it->text);
            f->reasons[f->n] = it->reason;
            strcpy(f->path, it->path);
        }
        pn_batch_reset(b);
    }
    pn_batch_free(&b);
    return st;
}

static pn_status walk(found *f, const pn_read_files_opts *opts, int capacity)
{
    const pn_source_ops *ops = &pn_source_read_files;
    memset(f, 0, sizeof(*f));
    void *shared = calloc(1, ops->info.shared_size);
    void *own = calloc(1, ops->info.state_size);
    atomic_bool stop = false;
    pn_status st = ops->info.open(shared, opts, &f->err);
    if (!st) {
        st = ops->info.start(own, shared, &f->err);
        if (!st) st = pull_all(f, own, capacity);
        ops->info.stop(own);
        if (st == PN_END) {
            assert_int_equal(ops->count(shared, &f->count, &stop), PN_OK);
            assert_int_equal(f->count, f->n);
        }
    }
    ops->info.close(shared);
    free(shared);
    free(own);
    return st;
}

static char *usual[] = {"jpg", "jpeg", "PNG", NULL};
static char *all[] = {"all", NULL};

static void assert_keys(const found *f, const char *const *want)
{
    for (int i = 0; i < f->n && want[i]; i++)
        assert_string_equal(f->keys[i], want[i]);
    int n = 0;
    while (want[n])
        n++;
    assert_int_equal(f->n, n);
}

static void make_usual_tree(const test_tree *t)
{
    static const char *const names[] = {
        "b.jpg",     "B.JPG",    "a/2.jpg",     "a/10.jpg",
        "a-b.jpg",   "a.jpeg",   "a0.Png",      "note.txt",
        "jpg",       "x.jpg.gz", ".hidden.jpg", "a/.h/1.jpg",
        "a/c/z.jpg", "ab/q.jpg", "empty/no.md", "\xFF\xFE.jpg"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        test_tree_file(t, names[i], 1);
}

static const char *const usual_keys[] = {"B.JPG",   "a-b.jpg",      "a.jpeg", "a/10.jpg",
                                         "a/2.jpg", "a/c/z.jpg",    "a0.Png", "ab/q.jpg",
                                         "b.jpg",   "\xFF\xFE.jpg", NULL};

static void keys_come_in_the_order_of_their_bytes(void **state)
{
    test_tree *t = *state;
    make_usual_tree(t);
    static found f;
    pn_read_files_opts o = {.path = t->root, .extensions = usual, .recursive = true};
    for (int capacity = 1; capacity <= 11; capacity += 2) {
        assert_int_equal(walk(&f, &o, capacity), PN_END);
        assert_keys(&f, usual_keys);
    }
    assert_string_equal(f.path, test_tree_path(t, "\xFF\xFE.jpg"));
    char slash[80];
    strcat(strcpy(slash, t->root), "/");
    o.path = slash;
    assert_int_equal(walk(&f, &o, 4), PN_END);
    assert_keys(&f, usual_keys);
    assert_string_equal(f.path, test_tree_path(t, "\xFF\xFE.jpg"));
}

static void extensions_choose_and_all_takes_everything_not_hidden(void **state)
{
    test_tree *t = *state;
    make_usual_tree(t);
    static found f;
    char *dotted[] = {".TXT", "gz", NULL};
    pn_read_files_opts o = {.path = t->root, .extensions = dotted, .recursive = true};
    assert_int_equal(walk(&f, &o, 4), PN_END);
    assert_keys(&f, (const char *const[]){"note.txt", "x.jpg.gz", NULL});
    static const char *const everything[] = {
        "B.JPG",     "a-b.jpg",  "a.jpeg",   "a/10.jpg",     "a/2.jpg",
        "a/c/z.jpg", "a0.Png",   "ab/q.jpg", "b.jpg",        "empty/no.md",
        "jpg",       "note.txt", "x.jpg.gz", "\xFF\xFE.jpg", NULL};
    o.extensions = all;
    assert_int_equal(walk(&f, &o, 4), PN_END);
    assert_keys(&f, everything);
    o.extensions = NULL;
    assert_int_equal(walk(&f, &o, 4), PN_END);
    assert_keys(&f, everything);
}

static void not_recursive_stays_in_the_folder(void **state)
{
    test_tree *t = *state;
    make_usual_tree(t);
    static found f;
    pn_read_files_opts o = {.path = t->root, .extensions = usual};
    assert_int_equal(walk(&f, &o, 4), PN_END);
    assert_keys(&f, (const char *const[]){"B.JPG", "a-b.jpg", "a.jpeg", "a0.Png", "b.jpg",
                                          "\xFF\xFE.jpg", NULL});
}

static void one_file_is_taken_whatever_its_name(void **state)
{
    test_tree *t = *state;
    make_usual_tree(t);
    static found f;
    char path[80];
    strcat(strcpy(path, t->root), "/note.txt");
    pn_read_files_opts o = {.path = path, .extensions = usual, .recursive = true};
    assert_int_equal(walk(&f, &o, 4), PN_END);
    assert_keys(&f, (const char *const[]){"note.txt", NULL});
    assert_string_equal(f.path, path);
}

static void links_are_followed_but_not_in_a_circle(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "a/1.jpg", 1);
    test_tree_file(t, "other/2.jpg", 1);
    assert_int_equal(symlink("..", test_tree_path(t, "a/up")), 0);
    assert_int_equal(symlink(".", test_tree_path(t, "a/self")), 0);
    assert_int_equal(symlink("../other", test_tree_path(t, "a/other")), 0);
    assert_int_equal(symlink("1.jpg", test_tree_path(t, "a/link.jpg")), 0);
    assert_int_equal(symlink("nowhere", test_tree_path(t, "a/dead.jpg")), 0);
    assert_int_equal(mkfifo(test_tree_path(t, "a/fifo.jpg"), 0600), 0);
    static found f;
    char path[80];
    strcat(strcpy(path, t->root), "/a");
    pn_read_files_opts o = {.path = path, .extensions = usual, .recursive = true};
    assert_int_equal(walk(&f, &o, 4), PN_END);
    /* what is no file is for the reading to say */
    assert_keys(&f, (const char *const[]){"1.jpg", "dead.jpg", "fifo.jpg", "link.jpg",
                                          "other/2.jpg", "up/other/2.jpg", NULL});
}

static void deep(const test_tree *t, int depth)
{
    char name[201];
    memset(name, 'd', 200);
    name[200] = '\0';
    int fd = open(t->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(fd, name, 0755), 0);
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
}

/* a path longer than the system takes: nobody, not even root, can list it */
static void folder_that_cannot_be_listed_is_a_failed_item(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "a.jpg", 1);
    test_tree_file(t, "z.jpg", 1);
    deep(t, 22);
    static found f;
    pn_read_files_opts o = {.path = t->root, .extensions = usual, .recursive = true};
    assert_int_equal(walk(&f, &o, 4), PN_END);
    assert_int_equal(f.n, 3);
    assert_string_equal(f.keys[0], "a.jpg");
    assert_string_equal(f.keys[2], "z.jpg");
    size_t n = strlen(f.keys[1]);
    assert_true(n > 4000);
    assert_int_equal(f.keys[1][n - 1], '/');
    assert_int_equal(f.reasons[1], PN_REASON_READ);
    assert_string_equal(f.texts[1], "cannot list the folder: File name too long");
}

static void folder_without_permission_is_a_failed_item(void **state)
{
    if (geteuid() == 0) skip();
    test_tree *t = *state;
    test_tree_file(t, "a/1.jpg", 1);
    test_tree_file(t, "b.jpg", 1);
    assert_int_equal(chmod(test_tree_path(t, "a"), 0), 0);
    static found f;
    pn_read_files_opts o = {.path = t->root, .extensions = usual, .recursive = true};
    assert_int_equal(walk(&f, &o, 4), PN_END);
    assert_keys(&f, (const char *const[]){"a/", "b.jpg", NULL});
    assert_string_equal(f.texts[0], "cannot list the folder: Permission denied");
}

static void what_cannot_be_begun_is_said(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "sub/x.txt", 1);
    assert_int_equal(mkfifo(test_tree_path(t, "fifo"), 0600), 0);
    static found f;
    char text[256], path[80];
    pn_read_files_opts o = {.path = path, .extensions = usual, .recursive = true};

    strcat(strcpy(path, t->root), "/none");
    assert_int_equal(walk(&f, &o, 4), PN_ENOENT);
    strcat(strcpy(text, path), ": No such file or directory");
    assert_string_equal(pn_err_text(&f.err), text);
    pn_err_clear(&f.err);

    strcat(strcpy(path, t->root), "/fifo");
    assert_int_equal(walk(&f, &o, 4), PN_ENOENT);
    strcat(strcpy(text, path), ": neither a folder nor a regular file");
    assert_string_equal(pn_err_text(&f.err), text);
    pn_err_clear(&f.err);

    strcat(strcpy(path, t->root), "/sub");
    assert_int_equal(walk(&f, &o, 4), PN_ENOENT);
    strcat(strcpy(text, "no files with extensions jpg, jpeg, PNG under "), path);
    assert_string_equal(pn_err_text(&f.err), text);
    pn_err_clear(&f.err);

    strcpy(path, t->root);
    o.recursive = false;
    o.extensions = (char *[]){"jpg", NULL};
    assert_int_equal(walk(&f, &o, 4), PN_ENOENT);
    strcat(strcat(strcpy(text, "no files with extensions jpg under "), path),
           " (not looking into its folders)");
    assert_string_equal(pn_err_text(&f.err), text);
    pn_err_clear(&f.err);
}

static void extensions_that_can_match_nothing_are_refused(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "a.jpg", 1);
    static found f;
    char *cases[][3] = {{NULL}, {""}, {"."}, {"a/b"}, {"tar.gz"}, {"jpg", "all"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pn_read_files_opts o = {.path = t->root, .extensions = cases[i]};
        assert_int_equal(walk(&f, &o, 4), PN_ECONFIG);
        assert_non_null(f.err.text);
        pn_err_clear(&f.err);
    }
}

static void counting_stops_when_asked(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "a.jpg", 1);
    const pn_source_ops *ops = &pn_source_read_files;
    pn_read_files_opts o = {.path = t->root, .extensions = usual};
    void *shared = calloc(1, ops->info.shared_size);
    assert_int_equal(ops->info.open(shared, &o, NULL), PN_OK);
    uint64_t n = 7;
    atomic_bool stop = true;
    assert_int_equal(ops->count(shared, &n, &stop), PN_ESTOPPED);
    assert_int_equal(n, 7);
    ops->info.close(shared);
    free(shared);
}

static void listing_stops_when_asked(void **state)
{
    test_tree *t = *state;
    test_tree_file(t, "a.jpg", 1);
    const pn_source_ops *ops = &pn_source_read_files;
    pn_read_files_opts o = {.path = t->root, .extensions = usual};
    void *shared = calloc(1, ops->info.shared_size);
    void *own = calloc(1, ops->info.state_size);
    pn_batch *b = NULL;
    pn_batch_shape shape = {.capacity = 3};
    assert_int_equal(pn_batch_new(&b, &shape), PN_OK);
    assert_int_equal(ops->info.open(shared, &o, NULL), PN_OK);
    assert_int_equal(ops->info.start(own, shared, NULL), PN_OK);
    atomic_bool stop = true;
    assert_int_equal(ops->pull(own, b, &stop, NULL), PN_ESTOPPED);
    ops->info.stop(own);
    ops->info.close(shared);
    pn_batch_free(&b);
    free(own);
    free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TREE(keys_come_in_the_order_of_their_bytes),
        IN_TREE(extensions_choose_and_all_takes_everything_not_hidden),
        IN_TREE(not_recursive_stays_in_the_folder),
        IN_TREE(one_file_is_taken_whatever_its_name),
        IN_TREE(links_are_followed_but_not_in_a_circle),
        IN_TREE(folder_that_cannot_be_listed_is_a_failed_item),
        IN_TREE(folder_without_permission_is_a_failed_item),
        IN_TREE(what_cannot_be_begun_is_said),
        IN_TREE(extensions_that_can_match_nothing_are_refused),
        IN_TREE(counting_stops_when_asked),
        IN_TREE(listing_stops_when_asked),
    };
    pn_log_setup(PN_LOG_ERROR, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
