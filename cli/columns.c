/* Tables by the width of what is shown, which for names from a file is not strlen(). */
#include "cli/columns.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"

enum { GAP = 2 };

typedef struct row {
    const char *cells[PN_MAX_COLUMNS];
    struct row *next;
} row;

struct pn_columns {
    pn_arena arena;
    const char *sides;
    int n;
    size_t widths[PN_MAX_COLUMNS];
    row *first, **last;
};

pn_status pn_columns_new(pn_columns **out, const char *sides, const char *const *heads)
{
    pn_columns *c = calloc(1, sizeof(*c));
    if (!c) return PN_ENOMEM;
    c->last = &c->first;
    c->n = (int)strlen(sides);
    c->sides = pn_arena_strdup(&c->arena, sides);
    if (!c->sides || pn_columns_add(c, heads)) {
        pn_columns_free(&c);
        return PN_ENOMEM;
    }
    *out = c;
    return PN_OK;
}

void pn_columns_free(pn_columns **c)
{
    if (*c) pn_arena_fini(&(*c)->arena);
    free(*c);
    *c = NULL;
}

/* a line break is no list here, whatever stands behind it */
static char *copy_cell(pn_columns *c, const char *text)
{
    size_t breaks = 0;
    for (const char *p = text; *p; p++)
        breaks += *p == '\n';
    char *copy = pn_arena_alloc(&c->arena, strlen(text) + 3 * breaks + 1), *to = copy;
    for (const char *p = text; copy && *p; p++)
        if (*p == '\n')
            to = stpcpy(to, "\\x0a");
        else
            *to++ = *p;
    return copy;
}

pn_status pn_columns_add(pn_columns *c, const char *const *cells)
{
    row *r = pn_arena_alloc(&c->arena, sizeof(*r));
    if (!r) return PN_ENOMEM;
    for (int i = 0; i < c->n; i++) {
        r->cells[i] = copy_cell(c, cells[i]);
        if (!r->cells[i]) return PN_ENOMEM;
        size_t width = pn_text_columns(r->cells[i]);
        if (width > c->widths[i]) c->widths[i] = width;
    }
    *c->last = r;
    c->last = &r->next;
    return PN_OK;
}

/* nobody wants the blanks behind the last cell */
static void put_cell(FILE *to, const char *text, char side, size_t width, bool is_last)
{
    size_t used = pn_text_columns(text);
    int blanks = width > used ? (int)(width - used) : 0;
    if (side == 'r')
        fprintf(to, "%*s%s", blanks, "", text);
    else
        fprintf(to, "%s%*s", text, is_last ? 0 : blanks, "");
    if (!is_last) fprintf(to, "%*s", GAP, "");
}

static pn_status print_row(const pn_columns *c, const row *r, FILE *to,
                           const size_t *widths)
{
    char *line = NULL;
    size_t size = 0;
    FILE *text = open_memstream(&line, &size);
    pn_status st = text ? PN_OK : PN_ENOMEM;
    for (int i = 0; !st && i < c->n; i++) {
        char *cell = pn_text_shorten(r->cells[i], widths[i]);
        if (cell)
            put_cell(text, cell, c->sides[i], widths[i], i + 1 == c->n);
        else
            st = PN_ENOMEM;
        free(cell);
    }
    if (text && fclose(text) != 0) st = PN_ENOMEM;
    if (!st) pn_print_line(to, "%s", line);
    free(line);
    return st;
}

pn_status pn_columns_print(const pn_columns *c, FILE *to, size_t width)
{
    static const size_t least[] = {14, 12}; /* what still tells names and words apart */
    size_t widths[PN_MAX_COLUMNS], total = 0;
    for (int i = 0; i < c->n; i++) {
        widths[i] = c->widths[i];
        total += widths[i] + (i ? GAP : 0);
    }
    for (int i = 0; width && i < 2 && i < c->n && total > width; i++) {
        size_t spare = widths[i] > least[i] ? widths[i] - least[i] : 0;
        size_t cut = total - width < spare ? total - width : spare;
        widths[i] -= cut;
        total -= cut;
    }
    pn_status st = PN_OK;
    for (const row *r = c->first; r && !st; r = r->next)
        st = print_row(c, r, to, widths);
    return st;
}

size_t pn_terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}
