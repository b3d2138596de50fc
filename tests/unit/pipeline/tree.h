/** @file tree.h  A folder for one test, made and removed. */
#ifndef PN_TESTS_TREE_H
#define PN_TESTS_TREE_H

#include <stddef.h>

typedef struct test_tree {
    char root[64]; /**< without '/' at its end */
} test_tree;

void test_tree_make(test_tree *t);
void test_tree_remove(test_tree *t);
/** cmocka's setup and teardown: *state is a tree of the one test. */
int test_tree_setup(void **state);
int test_tree_teardown(void **state);
#define IN_TREE(f) cmocka_unit_test_setup_teardown(f, test_tree_setup, test_tree_teardown)
/** root + '/' + name; static, for one use at a time per slot of 8 */
const char *test_tree_path(const test_tree *t, const char *name);
/** A file of `size` bytes ((i * 31 + 7) mod 256), folders above it made as needed. */
void test_tree_file(const test_tree *t, const char *name, size_t size);
void test_tree_folder(const test_tree *t, const char *name);

#endif
