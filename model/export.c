/* Which writer a file's ending asks for. */
#include "model/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"

enum { MAX_FILES = PN_OUTSET_MAX };

static const struct format {
    const char *ending;
    pn_export_fn *write;
    const char *files[MAX_FILES]; /* endings of all it writes */
    pn_status (*may_replace)(const char *path, pn_err *err);
} formats[] = {
    {".onnx", pn_export_onnx, {".onnx"}, NULL},
    {".pb", pn_export_mmdnn, {".pb", ".json", ".npy"}, pn_export_mmdnn_may_replace},
    {".json", pn_export_mmdnn, {".pb", ".json", ".npy"}, pn_export_mmdnn_may_replace},
    {".py", pn_export_pytorch, {".py", ".safetensors", ".pth"}, NULL},
};
enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]) };

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

static pn_status check_file(const struct format *f, const char *path,
                            const char *const *inputs, int n_inputs, pn_err *err)
{
    struct stat is;
    if (stat(path, &is) == 0 && S_ISDIR(is.st_mode))
        return pn_fail(err, PN_EEXIST, "write %s: a folder of that name is there", path);
    for (int i = 0; i < n_inputs; i++)
        if (pn_file_is_same(path, inputs[i]))
            return pn_fail(err, PN_EINVAL,
                           "write %s: it is an input: choose another name", path);
    return f->may_replace ? f->may_replace(path, err) : PN_OK;
}

pn_status pn_export_check(const char *path, const char *const *inputs, int n_inputs,
                          pn_err *err)
{
    pn_status st = check_ending(path, err);
    if (st) return st;
    const struct format *f = format_of(path);
    const size_t stem = pn_text_before(path, f->ending);
    char *name = malloc(stem + 16);
    if (!name) return pn_fail(err, PN_ENOMEM, "write %s: out of memory", path);
    for (int i = 0; !st && i < MAX_FILES && f->files[i]; i++) {
        snprintf(name, stem + 16, "%.*s%s", (int)stem, path, f->files[i]);
        st = check_file(f, name, inputs, n_inputs, err);
    }
    free(name);
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
