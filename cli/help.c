#include "cli/help.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_option(const char *line)
{
    return strncmp(line, "  -", 3) == 0;
}

static const char *next_line(const char *at)
{
    const char *end = strchr(at, '\n');
    return end ? end + 1 : at + strlen(at);
}

const char *pn_help_options(const char *help)
{
    static const char head[] = "\nOptions:\n";
    const char *at = strstr(help, head);
    if (at) at += strlen(head);
    return at && is_option(at) ? at : NULL;
}

static void add_text(pn_help_option *o, const char *from, size_t size)
{
    size_t used = strlen(o->text);
    snprintf(o->text + used, sizeof(o->text) - used, "%s%.*s", used ? " " : "", (int)size,
             from);
}

const char *pn_help_option_next(const char *at, pn_help_option *o)
{
    *o = (pn_help_option){0};
    if (!is_option(at)) return NULL;
    const char *end = next_line(at), *p = at + 2;
    if (p[1] != '-') {
        o->letter = p[1];
        p += strlen("-o, ");
    }
    p += strlen("--");
    size_t size = strcspn(p, " \n");
    snprintf(o->name, sizeof(o->name), "%.*s", (int)size, p);
    p += size;
    if (p[0] == ' ' && p[1] != ' ') {
        size = strcspn(p + 1, " \n");
        snprintf(o->value, sizeof(o->value), "%.*s", (int)size, p + 1);
        p += 1 + size;
    }
    for (;;) {
        p += strspn(p, " ");
        if (*p && *p != '\n') add_text(o, p, strcspn(p, "\n"));
        if (strncmp(end, "    ", 4) != 0) return end;
        p = end;
        end = next_line(end);
    }
}
