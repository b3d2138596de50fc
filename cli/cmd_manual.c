/* penult manual: the manual page, made of the help texts. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/help.h"

static const char help[] =
    "Usage: penult manual\n"
    "\n"
    "Examples:\n"
    "  penult manual | man -l -\n"
    "\n"
    "Prints the manual page, penult(1), in the form that man reads. It says what the\n"
    "commands' --help say; an installed penult has it in place.\n"
    "\n"
    "Options:\n"
    "  -h, --help               this text\n";

/* a backslash, a dash, and a dot or quote at a line's beginning mean something to roff */
static void put_text(const char *text, size_t size)
{
    if (size && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\\')
            fputs("\\e", stdout);
        else if (text[i] == '-')
            fputs("\\-", stdout);
        else
            putchar(text[i]);
    }
}

static void put_option(const pn_help_option *o)
{
    fputs(".TP\n\\fB", stdout);
    if (o->letter) printf("\\-%c\\fR, \\fB", o->letter);
    fputs("\\-\\-", stdout);
    put_text(o->name, strlen(o->name));
    fputs("\\fR", stdout);
    if (o->value[0]) {
        fputs(" \\fI", stdout);
        put_text(o->value, strlen(o->value));
        fputs("\\fR", stdout);
    }
    putchar('\n');
    put_text(o->text, strlen(o->text));
    putchar('\n');
}

/* Paragraphs are filled; lines that stand in by two are as they are; "Options:" begins
 * the table, a heading of another list is a paragraph. */
static void put_help(const char *at)
{
    pn_help_option o;
    bool as_is = false;
    while (*at) {
        size_t size = strcspn(at, "\n");
        if (strncmp(at, "Options:\n", 9) == 0) {
            const char *option = at + 9;
            for (const char *next; (next = pn_help_option_next(option, &o));
                 option = next)
                put_option(&o);
            fputs(".PP\n", stdout);
            at = option;
            continue;
        }
        bool indented = strncmp(at, "  ", 2) == 0 || strncmp(at, "Usage:", 6) == 0 ||
                        (as_is && *at == ' ');
        if (indented != as_is) puts(indented ? ".PP\n.nf" : ".fi");
        as_is = indented;
        if (size == 0)
            puts(".PP");
        else {
            put_text(at, size);
            putchar('\n');
        }
        at += size + (at[size] == '\n');
    }
    if (as_is) puts(".fi");
}

static void print_manual(void)
{
    puts(".TH PENULT 1 \"\" \"penult " PENULT_VERSION "\" \"User Commands\"\n"
         ".SH NAME\n"
         "penult \\- image sets through a converted CNN classifier, on CPUs\n"
         ".SH SYNOPSIS\n"
         ".B penult\n"
         "\\fICOMMAND\\fR [\\fIOPTION\\fR]... \\fIARGUMENT\\fR...\n"
         ".SH DESCRIPTION");
    put_help(strchr(pn_help_head, '\n') + 1); /* the usage is the synopsis */
    for (int i = 0; pn_commands[i]; i++) {
        puts(".TP");
        printf("\\fB%s\\fR\n", pn_commands[i]->name);
        put_text(pn_commands[i]->summary, strlen(pn_commands[i]->summary));
        putchar('\n');
    }
    puts(".PP");
    put_help(pn_help_tail);
    puts(".SH COMMANDS");
    for (int i = 0; pn_commands[i]; i++) {
        printf(".SS penult %s\n", pn_commands[i]->name);
        put_help(pn_commands[i]->help);
    }
}

static int run(int argc, char **argv)
{
    const pn_option options[] = {{.name = NULL}};
    pn_err err = {0};
    int operands = 0;
    pn_status st =
        pn_args_parse(&pn_command_manual, options, argc, argv, &operands, &err);
    if (st == PN_END) return PN_EXIT_OK;
    if (!st && operands)
        st = pn_fail(&err, PN_EINVAL, "manual: nothing is wanted beside it");
    if (st) return pn_cli_fail(&err, st);
    print_manual();
    return PN_EXIT_OK;
}

const pn_command pn_command_manual = {
    .name = "manual",
    .summary = "print the manual page",
    .help = help,
    .run = run,
};
