#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void must(int ok, const char *what)
{
    if (ok) return;
    perror(what);
    abort();
}

void test_tree_make(test_tree *t)
{
    const char *tmp = getenv("TMPDIR");
    if (!tmp || strlen(tmp) > 40) tmp = "/tmp";
    snprintf(t->root, sizeof(t->root), "%s/penult-XXXXXX", tmp);
    must(mkdtemp(t->root) != NULL, t->root);
}

void test_tree_remove(test_tree *t)
{
    char command[192];
    snprintf(command, sizeof(command), "chmod -R u+rwx '%s'; rm -rf '%s'", t->root,
             t->root);
    must(system(command) == 0, command);
}

const char *test_tree_path(const test_tree *t, const char *name)
{
    static char paths[8][4096];
    static int slot;
    slot = (slot + 1) % 8;
    snprintf(paths[slot], sizeof(paths[slot]), "%s/%s", t->root, name);
    return paths[slot];
}

void test_tree_folder(const test_tree *t, const char *name)
{
    char path[8192];
    snprintf(path, sizeof(path), "%s/%s", t->root, name);
    for (char *p = path + strlen(t->root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
    mkdir(path, 0755);
}

void test_tree_file(const test_tree *t, const char *name, size_t size)
{
    char folder[4096];
    snprintf(folder, sizeof(folder), "%s", name);
    char *slash = strrchr(folder, '/');
    if (slash) {
        *slash = '\0';
        test_tree_folder(t, folder);
    }
    const char *path = test_tree_path(t, name);
    FILE *f = fopen(path, "wb");
    must(f != NULL, path);
    for (size_t i = 0; i < size; i++)
        fputc((int)((i * 31 + 7) % 256), f);
    must(fclose(f) == 0, path);
}

int test_tree_setup(void **state)
{
    static test_tree t;
    test_tree_make(&t);
    *state = &t;
    return 0;
}

int test_tree_teardown(void **state)
{
    test_tree_remove(*state);
    return 0;
}
