/* Which writer a file's ending asks for, which files it writes, and whether they may be
 * written where they are to stand. */
#include "model/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "model/export_mmdnn.h"
#include "model/export_pytorch.h"

enum { MAX_FILES = PN_OUTSET_MAX };

static const struct format {
    const char *ending;
    pn_export_fn *write;
    const char *files[MAX_FILES]; /* endings of all it writes; its own is the last */
} formats[] = {
    {".onnx", pn_export_onnx, {".onnx"}},
    {".pb", pn_export_mmdnn, {".npy", ".json", ".pb"}},
    {".json", pn_export_mmdnn, {".npy", ".pb", ".json"}},
    {".py", pn_export_pytorch, {".safetensors", ".pth", ".py"}},
};
enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]) };

/* What tells a file that we have written; where the format has no place for it (.npy,
 * .pth), a file beside it does. */
static const struct mark {
    const char *ending, *text;
    size_t within; /* bytes from the file's beginning */
} marks[] = {
    {".onnx", "\x12\6penult", 16}, /* producer_name, the second field */
    {".pb", PN_IR_OUTPUTS, SIZE_MAX}, {".json", "\"" PN_IR_OUTPUTS "\"", SIZE_MAX},
    {".py", PN_PYTORCH_MARK, 4096},   {".safetensors", "\"" PT_META_VERSION "\"", 4096},
};

static const struct format *format_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (int i = 0; i < N_FORMATS; i++)
        if (pn_text_before(name, formats[i].ending)) return &formats[i];
    return NULL;
}

static pn_status check_ending(const char *path, pn_err *err)
{
    char endings[128];
    size_t used = 0;
    if (format_of(path)) return PN_OK;
    for (int i = 0; i < N_FORMATS; i++) {
        const char *comma = i == 0 ? "" : i + 1 == N_FORMATS ? " or " : ", ";
        used += (size_t)snprintf(endings + used, sizeof(endings) - used, "%s%s", comma,
                                 formats[i].ending);
    }
    return pn_fail(err, PN_EINVAL, "%s: the name must end in %s", path, endings);
}

/* the files of a format, each at its path */
typedef struct file_set {
    const struct format *format;
    int n;
    char *paths[MAX_FILES];
} file_set;

static void set_fini(file_set *s)
{
    for (int i = 0; i < s->n; i++)
        free(s->paths[i]);
}

static pn_status set_init(file_set *s, const char *path, pn_err *err)
{
    pn_status st = check_ending(path, err);
    if (st) return st;
    *s = (file_set){.format = format_of(path)};
    const int stem = (int)pn_text_before(path, s->format->ending);
    for (int i = 0; i < MAX_FILES && s->format->files[i]; i++, s->n++)
        if (asprintf(&s->paths[i], "%.*s%s", stem, path, s->format->files[i]) < 0) {
            set_fini(s);
            return pn_fail(err, PN_ENOMEM, "write %s: out of memory", path);
        }
    return PN_OK;
}

static pn_status check_place(const char *path, const char *const *inputs, int n_inputs,
                             pn_err *err)
{
    struct stat is;
    if (stat(path, &is) == 0 && S_ISDIR(is.st_mode))
        return pn_fail(err, PN_EEXIST, "write %s: a folder of that name is there", path);
    for (int i = 0; i < n_inputs; i++)
        if (pn_file_is_same(path, inputs[i]))
            return pn_fail(err, PN_EINVAL,
                           "write %s: it is an input: choose another name", path);
    pn_outfile *probe = NULL;
    pn_status st = pn_outfile_open(&probe, path, err);
    pn_outfile_abort(&probe);
    return st;
}

typedef enum whose { NOBODYS, OURS, SOMEBODYS, UNMARKED } whose;

/* @return PN_OK or PN_ENOMEM */
static pn_status whose_file(whose *out, const char *path, const char *ending)
{
    struct stat is;
    pn_file *f = NULL;
    *out = NOBODYS;
    if (lstat(path, &is) != 0 || (S_ISREG(is.st_mode) && is.st_size == 0)) return PN_OK;
    *out = UNMARKED;
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const struct mark *m = &marks[i];
        if (strcmp(m->ending, ending) != 0) continue;
        *out = SOMEBODYS; /* also what cannot be read */
        pn_status st = pn_file_open(&f, path, NULL);
        if (st) return st == PN_ENOMEM ? st : PN_OK;
        const size_t n = f->size < m->within ? f->size : m->within;
        if (memmem(f->data, n, m->text, strlen(m->text))) *out = OURS;
        pn_file_close(&f);
    }
    return PN_OK;
}

static pn_status check_owner(const file_set *s, pn_err *err)
{
    whose is[MAX_FILES];
    bool any_ours = false;
    pn_status st = PN_OK;
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to) return PN_ENOMEM;
    for (int i = 0; !st && i < s->n; i++) {
        st = whose_file(&is[i], s->paths[i], s->format->files[i]);
        any_ours |= is[i] == OURS;
    }
    for (int i = 0; !st && i < s->n; i++)
        if (is[i] == SOMEBODYS || (is[i] == UNMARKED && !any_ours))
            fprintf(to, "%s%s", ftell(to) ? ", " : "", s->paths[i]);
    if (fclose(to) != 0) st = PN_ENOMEM;
    if (!st && size)
        st = pn_fail(err, PN_EEXIST,
                     "write %s: not written by penult, and would be replaced: %s: choose "
                     "another name, or --force",
                     s->paths[s->n - 1], text);
    free(text);
    return st;
}

pn_status pn_export_check(const char *path, const char *const *inputs, int n_inputs,
                          bool replaces_all, pn_err *err)
{
    file_set s;
    pn_status st = set_init(&s, path, err);
    if (st) return st;
    if (s.format->write == pn_export_pytorch) st = pn_pytorch_check_name(path, err);
    for (int i = 0; !st && i < s.n; i++)
        st = check_place(s.paths[i], inputs, n_inputs, err);
    if (!st && !replaces_all) st = check_owner(&s, err);
    if (st == PN_ENOMEM) pn_fail(err, st, "write %s: out of memory", path);
    set_fini(&s);
    return st;
}

struct pn_written {
    pn_outset files;
};

pn_status pn_export_write(pn_written **out, const pn_graph *g, const char *path,
                          pn_err *err)
{
    pn_status st = check_ending(path, err);
    if (st) return st;
    pn_written *w = calloc(1, sizeof(*w));
    if (!w) return pn_fail(err, PN_ENOMEM, "write %s: out of memory", path);
    st = format_of(path)->write(g, path, &w->files, err);
    if (!st) st = pn_outset_sync(&w->files, err);
    if (st)
        pn_export_abort(&w);
    else
        *out = w;
    return st;
}

pn_status pn_export_commit(pn_written **w, pn_err *err)
{
    pn_status st = pn_outset_commit(&(*w)->files, err);
    pn_export_abort(w);
    return st;
}

void pn_export_abort(pn_written **w)
{
    if (!*w) return;
    pn_outset_abort(&(*w)->files);
    free(*w);
    *w = NULL;
}

pn_status pn_export(const pn_graph *g, const char *path, pn_err *err)
{
    pn_written *w = NULL;
    pn_status st = pn_export_write(&w, g, path, err);
    return st ? st : pn_export_commit(&w, err);
}

bool pn_export_is_traceless(const char *path)
{
    return pn_outfile_is_traceless(path);
}
