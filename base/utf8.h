/** @file utf8.h  Whether bytes from outside are text. */
#ifndef PN_BASE_UTF8_H
#define PN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/** Bytes of the character at p, of which `left` are there; 0 if it is none: stray or
 * missing continuation, overlong, a surrogate, or past U+10FFFF. */
static inline size_t pn_utf8_length(const unsigned char *p, size_t left)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (n < 2) return n;
    if (n > left || p[0] > 0xF4) return 0;
    unsigned c = p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    return c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? 0 : n;
}

/** The same, but 0 also for a control character: a terminal may obey it. */
static inline size_t pn_utf8_printable(const unsigned char *p, size_t left)
{
    size_t n = pn_utf8_length(p, left);
    bool is_c1 = n == 2 && p[0] == 0xC2 && p[1] < 0xA0;
    return is_c1 || (n == 1 && (p[0] < 0x20 || p[0] == 0x7F)) ? 0 : n;
}

static inline bool pn_utf8_valid(const void *text, size_t size)
{
    const unsigned char *p = text;
    for (size_t at = 0, n; at < size; at += n) {
        n = pn_utf8_length(p + at, size - at);
        if (n == 0) return false;
    }
    return true;
}

#endif
