/* A folder of images: walked depth first, one folder's names in memory a level, so that
 * the first image is under way before a large tree is known. */
#include "stages/source/read_files.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fields.h"
#include "penult/log.h"
#include "stages/source/folder.h"

static const char *const duplicate_names[] = {"error", NULL};

#define FIELD(member) .offset = offsetof(pn_read_files_opts, member)
static const pn_field files_fields[] = {
    {.key = "path",
     .type = PN_FIELD_PATH,
     FIELD(path),
     .required = true,
     .help = "folder of images, or one image"},
    {.key = "extensions",
     .type = PN_FIELD_STRINGS,
     FIELD(extensions),
     .fallback = "jpg, jpeg, png",
     .help = "file names to take, any case; all: every file, but hidden ones"},
    {.key = "recursive",
     .type = PN_FIELD_BOOL,
     FIELD(recursive),
     .fallback = "true",
     .help = "also folders in the folder"},
    {.key = "on_duplicate",
     .type = PN_FIELD_ENUM,
     FIELD(on_duplicate),
     .fallback = "error",
     .names = duplicate_names,
     .help = "what a key seen before means"},
    {.key = NULL},
};

typedef struct files_shared {
    const pn_read_files_opts *opts;
    const char **extensions; /* without dots, NULL-terminated; NULL: every file */
    bool is_folder;
} files_shared;

/* a folder being walked */
typedef struct level {
    pn_folder folder;
    size_t next;     /* entry */
    size_t path_end; /* length of walk.path up to and with this folder's '/' */
} level;

typedef struct walk {
    const files_shared *shared;
    uint64_t *n_files;       /* not NULL: only count */
    const atomic_bool *stop; /* may be NULL */
    char *path;              /* of the entry at hand */
    size_t path_capacity, root_size;
    level *levels;
    size_t n_levels, levels_capacity;
} walk;

typedef struct files_state {
    walk walk;
    bool has_begun;
    uint64_t n_items;
} files_state;

/* -- the walk -- */

static void walk_fini(walk *w)
{
    for (size_t i = 0; i < w->n_levels; i++)
        pn_folder_fini(&w->levels[i].folder);
    free(w->levels);
    free(w->path);
    memset(w, 0, sizeof(*w));
}

/* path[0..end) + name + tail */
static pn_status set_path(walk *w, size_t end, const char *name, const char *tail)
{
    size_t n = strlen(name), m = strlen(tail), size = end + n + m + 1;
    if (size > w->path_capacity) {
        char *p = realloc(w->path, size * 2);
        if (!p) return PN_ENOMEM;
        w->path = p;
        w->path_capacity = size * 2;
    }
    memcpy(w->path + end, name, n);
    memcpy(w->path + end + n, tail, m + 1);
    return PN_OK;
}

static bool is_inside_itself(const walk *w, const pn_folder *f)
{
    for (size_t i = 0; i + 1 < w->n_levels; i++)
        if (w->levels[i].folder.dev == f->dev && w->levels[i].folder.ino == f->ino)
            return true;
    return false;
}

/**
 * Go into the folder whose path, with '/', is w->path.
 * @return PN_EIO (errno in *error; the level is there, perhaps with names), PN_ENOMEM,
 * PN_ESTOPPED
 */
static pn_status enter(walk *w, int *error)
{
    if (w->n_levels == w->levels_capacity) {
        size_t want = w->levels_capacity * 2 + 4;
        level *p = reallocarray(w->levels, want, sizeof(*p));
        if (!p) return PN_ENOMEM;
        w->levels = p;
        w->levels_capacity = want;
    }
    level *l = &w->levels[w->n_levels++];
    *l = (level){.path_end = strlen(w->path)};
    pn_folder_filter filter = {.extensions = w->shared->extensions,
                               .wants_folders = w->shared->opts->recursive,
                               .n_files = w->n_files,
                               .stop = w->stop};
    uint64_t before = w->n_files ? *w->n_files : 0;
    pn_status st = pn_folder_read(&l->folder, w->path, &filter, error);
    if (st == PN_ESTOPPED) return st;
    if (st != PN_EIO && is_inside_itself(w, &l->folder)) {
        if (!w->n_files)
            pn_log(PN_LOG_WARN, "%s leads back into itself and is left out", w->path);
        if (w->n_files) *w->n_files = before;
        pn_folder_fini(&l->folder);
        w->n_levels--;
        return st;
    }
    pn_folder_sort(&l->folder);
    return st;
}

static pn_status begin_walk(walk *w, const files_shared *sh, uint64_t *n_files,
                            const atomic_bool *stop)
{
    *w = (walk){.shared = sh, .n_files = n_files, .stop = stop};
    const char *root = sh->opts->path;
    size_t n = strlen(root);
    const char *tail = !sh->is_folder || (n && root[n - 1] == '/') ? "" : "/";
    pn_status st = set_path(w, 0, root, tail);
    if (st) return st;
    w->root_size = strlen(w->path);
    return PN_OK;
}

/**
 * To the next file or unreadable folder; its path is w->path then.
 * @param error  0, or why the folder at w->path cannot be listed
 * @return PN_END, PN_ENOMEM, PN_ESTOPPED
 */
static pn_status walk_next(walk *w, int *error)
{
    *error = 0;
    while (w->n_levels) {
        level *l = &w->levels[w->n_levels - 1];
        if (l->next == l->folder.n) {
            pn_folder_fini(&l->folder);
            w->n_levels--;
            continue;
        }
        bool is_folder;
        const char *name = pn_folder_name(&l->folder, l->next++, &is_folder);
        pn_status st = set_path(w, l->path_end, name, is_folder ? "/" : "");
        if (st || !is_folder) return st;
        st = enter(w, error);
        if (st == PN_EIO) return PN_OK; /* what it listed until then follows */
        if (st) return st;
    }
    return PN_END;
}

/* -- the stage -- */

static pn_status set_extensions(files_shared *sh, char **given, pn_err *err)
{
    size_t n = 0;
    while (given && given[n])
        n++;
    if (!given || (n == 1 && !strcasecmp(given[0], "all"))) return PN_OK;
    if (!n)
        return pn_fail(err, PN_ECONFIG,
                       "extensions: the list is empty; `all` takes every file");
    sh->extensions = calloc(n + 1, sizeof(*sh->extensions));
    if (!sh->extensions) return pn_fail(err, PN_ENOMEM, "extensions: out of memory");
    for (size_t i = 0; i < n; i++) {
        const char *e = given[i] + (given[i][0] == '.');
        if (!*e || strpbrk(e, "./"))
            return pn_fail(err, PN_ECONFIG,
                           "extensions: \"%s\" is not the part of a file name behind its "
                           "last dot",
                           given[i]);
        if (!strcasecmp(e, "all"))
            return pn_fail(err, PN_ECONFIG, "extensions: `all` must stand alone");
        sh->extensions[i] = e;
    }
    return PN_OK;
}

static pn_status files_open(void *shared, const void *opts, pn_err *err)
{
    files_shared *sh = shared;
    sh->opts = opts;
    const char *path = sh->opts->path;
    pn_status st = set_extensions(sh, sh->opts->extensions, err);
    if (st) return st;
    struct stat s;
    if (stat(path, &s)) return pn_fail(err, PN_ENOENT, "%s: %s", path, strerror(errno));
    sh->is_folder = S_ISDIR(s.st_mode);
    if (!sh->is_folder && !S_ISREG(s.st_mode))
        return pn_fail(err, PN_ENOENT, "%s: neither a folder nor a regular file", path);
    if (access(path, sh->is_folder ? R_OK | X_OK : R_OK))
        return pn_fail(err, PN_ENOENT, "%s: %s", path, strerror(errno));
    return PN_OK;
}

static void files_close(void *shared)
{
    files_shared *sh = shared;
    free(sh->extensions);
}

static pn_status files_start(void *state, const void *shared, pn_err *err)
{
    files_state *s = state;
    pn_status st = begin_walk(&s->walk, shared, NULL, NULL);
    return st ? pn_fail(err, st, "walk: %s", pn_status_name(st)) : PN_OK;
}

static void files_stop(void *state)
{
    walk_fini(&((files_state *)state)->walk);
}

static pn_status add_item(files_state *s, pn_batch *out, int error)
{
    const walk *w = &s->walk;
    pn_item *it = &out->items[out->n];
    const char *key = w->path + w->root_size;
    if (!w->shared->is_folder) {
        const char *slash = strrchr(w->path, '/');
        key = slash ? slash + 1 : w->path;
    }
    pn_status st = pn_item_set_key(it, key, strlen(key));
    if (!st) st = pn_item_set_path(it, w->path);
    if (st) return st;
    if (error)
        pn_item_fail(it, PN_REASON_READ, "cannot list the folder: %s", strerror(error));
    out->n++;
    s->n_items++;
    return PN_OK;
}

/* the root, once: a folder is entered, a file is the only item */
static pn_status begin(files_state *s, pn_batch *out, pn_err *err)
{
    walk *w = &s->walk;
    s->has_begun = true;
    if (!w->shared->is_folder) return add_item(s, out, 0);
    int error = 0;
    pn_status st = enter(w, &error);
    if (st == PN_EIO)
        return pn_fail(err, PN_ENOENT, "%s: cannot list the folder: %s",
                       w->shared->opts->path, strerror(error));
    return st;
}

static pn_status nothing_found(const files_state *s, pn_err *err)
{
    const files_shared *sh = s->walk.shared;
    char list[128] = "";
    size_t n = 0;
    for (const char **e = sh->extensions; e && *e && n < sizeof(list); e++)
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", *e);
    return pn_fail(err, PN_ENOENT, "no files%s%s under %s%s",
                   sh->extensions ? " with extensions " : "", list, sh->opts->path,
                   sh->opts->recursive ? "" : " (not looking into its folders)");
}

static pn_status files_pull(void *state, pn_batch *out, const atomic_bool *stop,
                            pn_err *err)
{
    files_state *s = state;
    s->walk.stop = stop;
    pn_status st = s->has_begun ? PN_OK : begin(s, out, err);
    while (!st && out->n < out->shape.capacity) {
        int error;
        st = walk_next(&s->walk, &error);
        if (!st) st = add_item(s, out, error);
    }
    if (st == PN_END && out->n) return PN_OK; /* the end is told next time */
    if (st == PN_END && !s->n_items) return nothing_found(s, err);
    if (st == PN_ENOMEM) pn_fail(err, st, "walk %s: out of memory", s->walk.path);
    return st;
}

static pn_status files_count(const void *shared, uint64_t *n, const atomic_bool *stop)
{
    const files_shared *sh = shared;
    uint64_t n_files = 0, n_unreadable = 0;
    if (!sh->is_folder) {
        *n = 1;
        return PN_OK;
    }
    walk w;
    int error = 0;
    pn_status st = begin_walk(&w, sh, &n_files, stop);
    if (!st) st = enter(&w, &error);
    while (!st) {
        st = walk_next(&w, &error);
        n_unreadable += !st; /* files are counted on the way and never stopped at */
    }
    walk_fini(&w);
    if (st != PN_END) return st;
    *n = n_files + n_unreadable;
    return PN_OK;
}

const pn_source_ops pn_source_read_files = {
    .info = {.name = "files",
             .summary = "a folder of images, or one image",
             .fields = files_fields,
             .opts_size = sizeof(pn_read_files_opts),
             .shared_size = sizeof(files_shared),
             .state_size = sizeof(files_state),
             .open = files_open,
             .start = files_start,
             .stop = files_stop,
             .close = files_close},
    .out = PN_TYPE_REFS,
    .pull = files_pull,
    .count = files_count,
};
