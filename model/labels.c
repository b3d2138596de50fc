/* Class names: a synset file on the way in, lines of the model's metadata afterwards. */
#include <stdlib.h>
#include <string.h>

#include "penult/convert.h"

#include "base/file.h"
#include "base/utf8.h"

enum { MAX_LABEL_BYTES = 64 << 20 };

/* line ends become NULs */
static pn_status split_lines(pn_labels *l, size_t size, const char *where, pn_err *err)
{
    size_t capacity = 0;
    char *end = l->text + size;
    for (char *line = l->text; line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        char *next = stop ? stop + 1 : end;
        if (!stop) stop = end;
        if (stop > line && stop[-1] == '\r') stop--;
        *stop = '\0';
        if (!line[strspn(line, " \t")])
            return pn_fail(err, PN_EFORMAT, "%s:%zu: empty line: must name a class",
                           where, l->n + 1);
        if (l->n == capacity) {
            capacity = capacity ? 2 * capacity : 1024;
            char **more = reallocarray(l->lines, capacity, sizeof(*more));
            if (!more) return pn_fail(err, PN_ENOMEM, "%s: out of memory", where);
            l->lines = more;
        }
        l->lines[l->n++] = line;
        line = next;
    }
    return PN_OK;
}

static size_t line_of(const char *text, const char *at)
{
    size_t n = 1;
    for (; text < at; text++)
        n += *text == '\n';
    return n;
}

static pn_status parse(pn_labels *out, const void *text, size_t size, const char *where,
                       pn_err *err)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const char *from = text;
    if (size >= 3 && !memcmp(from, mark, 3)) from += 3, size -= 3;
    if (size > MAX_LABEL_BYTES)
        return pn_fail(err, PN_EFORMAT, "%s: %zu bytes: labels have at most %d", where,
                       size, MAX_LABEL_BYTES);
    const char *nul = memchr(from, 0, size);
    if (nul)
        return pn_fail(err, PN_EFORMAT, "%s:%zu: a NUL: must be text", where,
                       line_of(from, nul));
    if (!pn_utf8_valid(from, size)) {
        size_t at = 0, n;
        while ((n = pn_utf8_length((const unsigned char *)from + at, size - at)) != 0)
            at += n;
        return pn_fail(err, PN_EFORMAT, "%s:%zu: must be UTF-8", where,
                       line_of(from, from + at));
    }
    while (size && (from[size - 1] == '\n' || from[size - 1] == '\r'))
        size--;
    pn_labels l = {.text = malloc(size + 1)};
    if (!l.text) return pn_fail(err, PN_ENOMEM, "%s: out of memory", where);
    memcpy(l.text, from, size);
    l.text[size] = '\0';
    pn_status st = split_lines(&l, size, where, err);
    if (st)
        pn_labels_fini(&l);
    else
        *out = l;
    return st;
}

pn_status pn_labels_of_graph(pn_labels *out, const pn_graph *g, pn_err *err)
{
    const char *text = pn_graph_meta(g, PN_META_LABELS);
    pn_labels none = {0};
    if (text) return parse(out, text, strlen(text), PN_META_LABELS, err);
    *out = none;
    return PN_OK;
}

pn_status pn_labels_read(pn_labels *out, const char *path, pn_err *err)
{
    pn_file *f;
    pn_status st = pn_file_open(&f, path, err);
    if (st) return st;
    st = parse(out, f->data, f->size, path, err);
    if (!st && out->n == 0) {
        pn_labels_fini(out);
        st = pn_fail(err, PN_EFORMAT, "%s: empty: must name a class a line", path);
    }
    pn_file_close(&f);
    return st;
}

void pn_labels_fini(pn_labels *l)
{
    free(l->lines);
    free(l->text);
    memset(l, 0, sizeof(*l));
}
