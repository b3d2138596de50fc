#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void pn_print_line(FILE *to, const char *fmt, ...)
{
    char *line = NULL;
    va_list ap;
    va_start(ap, fmt);
    int size = vasprintf(&line, fmt, ap);
    va_end(ap);
    if (size < 0) return;
    const unsigned char *p = (const unsigned char *)line, *end = p + size;
    flockfile(to); /* threads' lines do not mix */
    while (p < end) {
        size_t n = pn_utf8_printable(p, (size_t)(end - p));
        if (n)
            fwrite(p, 1, n, to);
        else
            fprintf(to, "\\x%02x", *p);
        p += n ? n : 1;
    }
    putc('\n', to);
    funlockfile(to);
    free(line);
}
