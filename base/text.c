#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* stderr is not buffered: a list of a million names must not be a million writes */
typedef struct collector {
    FILE *to;
    size_t used;
    char bytes[4096];
} collector;

static void put(collector *c, const void *bytes, size_t size)
{
    if (size > sizeof(c->bytes) - c->used) {
        fwrite(c->bytes, 1, c->used, c->to);
        c->used = 0;
    }
    memcpy(c->bytes + c->used, bytes, size);
    c->used += size;
}

/* how much of it can be shown as it is; of a list's items, the break before each */
static size_t showable(const unsigned char *p, size_t size)
{
    if (size >= 3 && p[0] == '\n' && p[1] == ' ' && p[2] == ' ') return 3;
    return pn_utf8_printable(p, size);
}

void pn_print_line(FILE *to, const char *fmt, ...)
{
    char *line = NULL, hex[8];
    va_list ap;
    va_start(ap, fmt);
    int size = vasprintf(&line, fmt, ap);
    va_end(ap);
    if (size < 0) return;
    const unsigned char *p = (const unsigned char *)line, *end = p + size;
    collector c = {.to = to};
    flockfile(to); /* threads' lines do not mix */
    while (p < end) {
        size_t n = showable(p, (size_t)(end - p));
        if (n)
            put(&c, p, n);
        else
            put(&c, hex, (size_t)snprintf(hex, sizeof(hex), "\\x%02x", *p));
        p += n ? n : 1;
    }
    put(&c, "\n", 1);
    fwrite(c.bytes, 1, c.used, to);
    funlockfile(to);
    free(line);
}
