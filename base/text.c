#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>
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

/* Unicode 15 EastAsianWidth.txt, rounded to blocks; and the blocks of combining marks */
static const struct {
    uint32_t first, last;
    int columns;
} uneven[] = {
    {0x0300, 0x036F, 0},   {0x0483, 0x0489, 0},   {0x0591, 0x05BD, 0},
    {0x064B, 0x065F, 0},   {0x1100, 0x115F, 2},   {0x1AB0, 0x1AFF, 0},
    {0x1DC0, 0x1DFF, 0},   {0x200B, 0x200F, 0},   {0x20D0, 0x20FF, 0},
    {0x2E80, 0x303E, 2},   {0x3041, 0x33FF, 2},   {0x3400, 0x4DBF, 2},
    {0x4E00, 0xA4CF, 2},   {0xAC00, 0xD7A3, 2},   {0xF900, 0xFAFF, 2},
    {0xFE00, 0xFE0F, 0},   {0xFE20, 0xFE2F, 0},   {0xFE30, 0xFE6F, 2},
    {0xFF00, 0xFF60, 2},   {0xFFE0, 0xFFE6, 2},   {0x1F300, 0x1F64F, 2},
    {0x1F900, 0x1F9FF, 2}, {0x20000, 0x3FFFD, 2},
};

/* the next character, or a byte that is none; *columns as printed */
static size_t next_piece(const char *text, size_t left, size_t *columns)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = pn_utf8_printable(p, left);
    *columns = n ? 1 : 4;
    if (n < 2) return 1;
    uint32_t c = p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3F);
    for (size_t i = 0; i < sizeof(uneven) / sizeof(*uneven); i++)
        if (c >= uneven[i].first && c <= uneven[i].last)
            *columns = (size_t)uneven[i].columns;
    return n;
}

bool pn_text_ends(const char *text, const char *ending)
{
    const size_t n = strlen(text), m = strlen(ending);
    return n >= m && strcmp(text + n - m, ending) == 0;
}

size_t pn_text_before(const char *text, const char *ending)
{
    return pn_text_ends(text, ending) ? strlen(text) - strlen(ending) : 0;
}

size_t pn_text_columns(const char *text)
{
    size_t total = 0, left = strlen(text), columns;
    for (size_t n; left; text += n, left -= n) {
        n = next_piece(text, left, &columns);
        total += columns;
    }
    return total;
}

char *pn_text_shorten(const char *text, size_t columns)
{
    size_t total = pn_text_columns(text), size = strlen(text);
    if (total <= columns) return strdup(text);
    /* what tells names apart stands at both ends */
    size_t head = (columns - 2) / 2, tail = columns - 2 - head;
    size_t head_bytes = 0, tail_at = 0, passed = 0, piece, n;
    for (size_t at = 0; at < size; at += n) {
        n = next_piece(text + at, size - at, &piece);
        if (passed + piece <= head) head_bytes = at + n;
        passed += piece;
        tail_at = at + n;
        if (total - passed <= tail) break;
    }
    char *out = malloc(head_bytes + 2 + (size - tail_at) + 1);
    if (!out) return NULL;
    memcpy(out, text, head_bytes);
    memcpy(out + head_bytes, "..", 2);
    memcpy(out + head_bytes + 2, text + tail_at, size - tail_at + 1);
    return out;
}
