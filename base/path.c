/* Relative to what: the one place that answers it for paths of configs and flags. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fields.h"

/* past "./" and repeated slashes */
static const char *skip_here(const char *p)
{
    for (;;) {
        if (p[0] == '.' && (p[1] == '/' || !p[1]))
            p++;
        else if (p[0] == '/')
            p++;
        else
            return p;
    }
}

static void strip_slashes(char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
}

/* where the folder really is, so that ".." can be taken off its text */
static char *real_folder(const char *folder)
{
    char *real = realpath(folder ? folder : ".", NULL);
    if (!real && folder && folder[0] == '/') real = strdup(folder);
    return real ? real : strdup(folder ? folder : ".");
}

char *pn_path_absolute(const char *path, const char *folder)
{
    char *out = NULL;
    if (path[0] == '/') {
        out = strdup(path);
        if (out) strip_slashes(out);
        return out;
    }
    char *base = real_folder(folder);
    if (!base) return NULL;
    path = skip_here(path);
    while (base[0] == '/' && strncmp(path, "..", 2) == 0 &&
           (path[2] == '/' || !path[2])) {
        char *slash = strrchr(base, '/');
        slash[slash == base] = '\0';
        path = skip_here(path + 2);
    }
    strip_slashes(base);
    const char *joint = !*path || strcmp(base, "/") == 0 ? "" : "/";
    if (asprintf(&out, "%s%s%s", base, joint, path) < 0) out = NULL;
    free(base);
    if (out) strip_slashes(out);
    return out;
}
