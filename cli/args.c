/* getopt_long's only caller: its messages would name neither the command nor what was
 * meant. */
#include "cli/args.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fields.h"
#include "base/scalar.h"

enum { HELP = 'h', FIRST_LONG = 256 };

static int count_options(const pn_option *o)
{
    int n = 0;
    while (o[n].name && n < PN_MAX_OPTIONS)
        n++;
    return n;
}

/* the tables getopt wants: long options carry FIRST_LONG + index */
static void make_tables(const pn_option *o, int n, struct option *longs, char *letters)
{
    *letters++ = ':'; /* a missing argument is told from an unknown option */
    *letters++ = HELP;
    for (int i = 0; i < n; i++) {
        bool takes = o[i].type != PN_ARG_FLAG;
        longs[i] = (struct option){.name = o[i].name,
                                   .has_arg = takes ? required_argument : no_argument,
                                   .val = FIRST_LONG + i};
        if (!o[i].letter) continue;
        *letters++ = (char)o[i].letter;
        if (takes) *letters++ = ':';
    }
    *letters = '\0';
    longs[n] = (struct option){.name = "help", .val = HELP};
    longs[n + 1] = (struct option){0};
}

static pn_status unknown_option(const pn_command *cmd, const pn_option *o, int n,
                                const char *word, pn_err *err)
{
    const char *names[PN_MAX_OPTIONS + 2];
    char name[64];
    for (int i = 0; i < n; i++)
        names[i] = o[i].name;
    names[n] = "help";
    names[n + 1] = NULL;
    size_t size = strncmp(word, "--", 2) == 0 ? strcspn(word + 2, "=") : 0;
    if (size && size < sizeof(name)) {
        memcpy(name, word + 2, size);
        name[size] = '\0';
        const char *near = pn_word_nearest(names, name);
        if (near)
            return pn_fail(err, PN_EINVAL, "%s: unknown option %s; did you mean --%s?",
                           cmd->name, word, near);
    }
    return pn_fail(err, PN_EINVAL, "%s: unknown option %s; see penult %s -h", cmd->name,
                   word, cmd->name);
}

static pn_status bad_number(const pn_command *cmd, const pn_option *o, const char *text,
                            const char *kind, pn_err *err)
{
    char lo[PN_REAL_TEXT], hi[PN_REAL_TEXT];
    pn_real_text(o->min, lo);
    pn_real_text(o->max, hi);
    return pn_fail(err, PN_EINVAL, "%s: --%s: \"%.40s\" is not %s from %s to %s",
                   cmd->name, o->name, text, kind, lo, hi);
}

static bool parse_int(const pn_option *o, const char *text, int64_t *out)
{
    int64_t v;
    if (!pn_scalar_int(text, &v) || (double)v < o->min || (double)v > o->max)
        return false;
    *out = v;
    return true;
}

static bool parse_ints(const pn_option *o, const char *text, pn_arg_ints *out)
{
    pn_arg_ints v = {0};
    char item[32];
    for (;;) {
        size_t size = strcspn(text, ",");
        if (size >= sizeof(item) || v.n == PN_MAX_ARG_INTS) return false;
        memcpy(item, text, size);
        item[size] = '\0';
        if (!parse_int(o, item, &v.v[v.n])) return false;
        v.n++;
        if (!text[size]) break;
        text += size + 1;
    }
    *out = v;
    return true;
}

static pn_status set_option(const pn_command *cmd, const pn_option *o, const char *text,
                            pn_err *err)
{
    double real;
    switch (o->type) {
    case PN_ARG_FLAG:
        *(bool *)o->out = true;
        return PN_OK;
    case PN_ARG_TEXT:
        *(const char **)o->out = text;
        return PN_OK;
    case PN_ARG_LIST: {
        pn_arg_list *list = o->out;
        list->items[list->n++] = text;
        return PN_OK;
    }
    case PN_ARG_INT:
        if (parse_int(o, text, o->out)) return PN_OK;
        return bad_number(cmd, o, text, "a whole number", err);
    case PN_ARG_INTS:
        if (parse_ints(o, text, o->out)) return PN_OK;
        return bad_number(cmd, o, text, "a list of whole numbers", err);
    case PN_ARG_REAL:
        if (!pn_scalar_real(text, &real) || real < o->min || real > o->max)
            return bad_number(cmd, o, text, "a number", err);
        *(double *)o->out = real;
        return PN_OK;
    }
    return PN_EINTERNAL;
}

static const pn_option *by_code(const pn_option *o, int n, int code)
{
    for (int i = 0; i < n; i++)
        if (code == FIRST_LONG + i || (o[i].letter && code == o[i].letter)) return &o[i];
    return NULL;
}

/* getopt's '?' and ':', told apart: optopt is the option, or 0 for an unknown long one */
static pn_status refuse(const pn_command *cmd, const pn_option *o, int n, int code,
                        char **argv, pn_err *err)
{
    const pn_option *known = by_code(o, n, optopt);
    if (code == ':' && known)
        return pn_fail(err, PN_EINVAL, "%s: --%s wants a value", cmd->name, known->name);
    if (known && optopt >= FIRST_LONG)
        return pn_fail(err, PN_EINVAL, "%s: --%s takes no value", cmd->name, known->name);
    if (optopt > 0 && optopt < FIRST_LONG) {
        char word[] = {'-', (char)optopt, '\0'};
        return unknown_option(cmd, o, n, word, err);
    }
    return unknown_option(cmd, o, n, argv[optind - 1], err);
}

/* getopt takes the beginning of a long option for it, and what is one today may be the
 * beginning of two tomorrow. @return the word of the option just read if it is none */
static const char *abbreviation(const struct option *longs, int index, char **argv)
{
    if (index < 0) return NULL;
    const char *word = argv[optind - 1];
    if (word == optarg) word = argv[optind - 2];
    const size_t size = strcspn(word + 2, "=");
    return size == strlen(longs[index].name) ? NULL : word;
}

pn_status pn_args_parse(const pn_command *cmd, const pn_option *options, int argc,
                        char **argv, int *operands, pn_err *err)
{
    struct option longs[PN_MAX_OPTIONS + 2];
    char letters[2 * PN_MAX_OPTIONS + 3];
    int n = count_options(options);
    make_tables(options, n, longs, letters);
    opterr = 0;
    optind = 0; /* glibc: start afresh */
    for (;;) {
        int index = -1;
        int code = getopt_long(argc, argv, letters, longs, &index);
        if (code == -1) break;
        const char *shortened =
            code == '?' || code == ':' ? NULL : abbreviation(longs, index, argv);
        if (shortened) return unknown_option(cmd, options, n, shortened, err);
        if (code == HELP) {
            fputs(cmd->help, stdout);
            return PN_END;
        }
        const pn_option *o = by_code(options, n, code);
        pn_status st = o ? set_option(cmd, o, optarg, err)
                         : refuse(cmd, options, n, code, argv, err);
        if (st) return st;
    }
    *operands = argc - optind;
    return PN_OK;
}
