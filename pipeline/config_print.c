/* A config as text again: what --print-config shows and what a result remembers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/config.h"

pn_status pn_config_print(const pn_config *c, char **yaml)
{
    pn_section sections[PN_CONFIG_SECTIONS];
    int n = pn_config_sections(c, sections);
    char *text = NULL;
    pn_status st = PN_OK;
    for (int i = 0; i < n && !st; i++) {
        bool starts = i == 0 || strcmp(sections[i].name, sections[i - 1].name) != 0;
        char *headed = NULL;
        if (starts) {
            if (asprintf(&headed, "%s%s:\n", text ? text : "", sections[i].name) < 0) {
                st = PN_ENOMEM;
                break;
            }
            free(text);
            text = headed;
        }
        st = pn_fields_print(&sections[i], &text);
    }
    if (st)
        free(text);
    else
        *yaml = text;
    return st;
}

/* "{...}" without its braces */
static void print_members(FILE *f, const char *json, bool follows)
{
    size_t n = strlen(json);
    if (n <= 2) return;
    if (follows) fputs(", ", f);
    fwrite(json + 1, 1, n - 2, f);
}

pn_status pn_config_print_json(const pn_config *c, char **json)
{
    pn_section sections[PN_CONFIG_SECTIONS];
    int n = pn_config_sections(c, sections);
    char *text = NULL;
    size_t size = 0;
    pn_status st = PN_OK;
    FILE *f = open_memstream(&text, &size);
    if (!f) return PN_ENOMEM;
    for (int i = 0; i < n && !st; i++) {
        bool starts = i == 0 || strcmp(sections[i].name, sections[i - 1].name) != 0;
        char *members = NULL;
        st = pn_fields_print_json(&sections[i], &members);
        if (st) break;
        if (starts) fprintf(f, "%s\"%s\": {", i ? "}, " : "{", sections[i].name);
        print_members(f, members, !starts);
        free(members);
    }
    fputs("}}", f);
    if (fclose(f) != 0 && !st) st = PN_ENOMEM;
    if (st)
        free(text);
    else
        *json = text;
    return st;
}
