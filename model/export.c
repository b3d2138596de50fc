/* Which writer a file's ending asks for. */
#include "model/export.h"

#include <stdio.h>
#include <string.h>

static const struct format {
    const char *ending;
    pn_export_fn *write;
} formats[] = {
    {".onnx", pn_graph_write_onnx},
    {".pb", pn_export_mmdnn},
    {".json", pn_export_mmdnn},
    {".py", pn_export_pytorch},
};
enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]) };

static const struct format *format_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name);
    for (int i = 0; i < N_FORMATS; i++) {
        size_t m = strlen(formats[i].ending);
        if (n > m && strcmp(name + n - m, formats[i].ending) == 0) return &formats[i];
    }
    return NULL;
}

pn_status pn_export_check(const char *path, pn_err *err)
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

pn_status pn_export(const pn_graph *g, const char *path, pn_err *err)
{
    pn_status st = pn_export_check(path, err);
    return st ? st : format_of(path)->write(g, path, err);
}
