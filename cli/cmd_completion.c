/* penult completion: what a shell needs to know of the options, made of the help texts.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/help.h"

static const char help[] =
    "Usage: penult completion bash|zsh|fish\n"
    "\n"
    "Examples:\n"
    "  source <(penult completion bash)\n"
    "  penult completion zsh > ~/.zfunc/_penult\n"
    "  penult completion fish > ~/.config/fish/completions/penult.fish\n"
    "\n"
    "Prints what the shell reads to complete commands, options and their values. An\n"
    "installed penult has them in place.\n"
    "\n"
    "Options:\n"
    "  -h, --help               this text\n";

typedef void option_printer(const pn_command *c, const pn_help_option *o);

static void each_option(const pn_command *c, option_printer *print)
{
    pn_help_option o;
    for (const char *at = pn_help_options(c->help);
         at && (at = pn_help_option_next(at, &o));)
        print(c, &o);
}

static void put_words(const char *value)
{
    for (; *value; value++)
        putchar(*value == '|' ? ' ' : *value);
}

/* within single quotes; `special` with a backslash before it */
static void put_quoted(const char *text, const char *special, const char *quote)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs(quote, stdout);
            continue;
        }
        if (strchr(special, *text)) putchar('\\');
        putchar(*text);
    }
}

/* ---- bash ---- */

static void bash_name(const pn_command *c, const pn_help_option *o)
{
    (void)c;
    if (o->letter) printf(" -%c", o->letter);
    printf(" --%s", o->name);
}

static void bash_value(const pn_command *c, const pn_help_option *o)
{
    if (!o->value[0]) return;
    printf("    %s:--%s", c->name, o->name);
    if (o->letter) printf(" | %s:-%c", c->name, o->letter);
    fputs(") words='", stdout);
    if (strchr(o->value, '|')) put_words(o->value);
    fputs("' ;;\n", stdout);
}

static void print_bash(void)
{
    fputs(
        "# bash completion of penult\n"
        "_penult()\n"
        "{\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words\n"
        "    [ \"$prev\" = = ] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
        "    [ \"$cur\" = = ] && { prev=${COMP_WORDS[COMP_CWORD-1]}; cur=; }\n"
        "    COMPREPLY=()\n"
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
        "        COMPREPLY=($(compgen -W '",
        stdout);
    for (int i = 0; pn_commands[i]; i++)
        printf("%s ", pn_commands[i]->name);
    fputs("--help --version' -- \"$cur\"))\n"
          "        return\n"
          "    fi\n"
          "    case ${COMP_WORDS[1]}:$prev in\n",
          stdout);
    for (int i = 0; pn_commands[i]; i++)
        each_option(pn_commands[i], bash_value);
    fputs("    *)\n"
          "        case ${COMP_WORDS[1]} in\n",
          stdout);
    for (int i = 0; pn_commands[i]; i++) {
        printf("        %s) words='", pn_commands[i]->name);
        each_option(pn_commands[i], bash_name);
        fputs("' ;;\n", stdout);
    }
    fputs("        esac\n"
          "        [[ $cur == -* ]] || words=\n"
          "        [ \"${COMP_WORDS[1]}\" = completion ] && words+=' bash zsh fish'\n"
          "    esac\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "}\n"
          "complete -o default -F _penult penult\n",
          stdout);
}

/* ---- zsh ---- */

static void zsh_option(const pn_command *c, const pn_help_option *o)
{
    (void)c;
    fputs(" \\\n            ", stdout);
    if (o->letter)
        printf("'(-%c --%s)'{-%c%s,--%s%s}'[", o->letter, o->name, o->letter,
               o->value[0] ? "+" : "", o->name, o->value[0] ? "=" : "");
    else
        printf("'*--%s%s[", o->name, o->value[0] ? "=" : "");
    put_quoted(o->text, "[]\\:", "'\\''");
    putchar(']');
    if (strchr(o->value, '|')) {
        fputs(": :(", stdout);
        put_words(o->value);
        putchar(')');
    } else if (o->value[0]) {
        fputs(": :_files", stdout);
    }
    putchar('\'');
}

static void print_zsh(void)
{
    fputs("#compdef penult\n"
          "_penult()\n"
          "{\n"
          "    local -a commands=(\n",
          stdout);
    for (int i = 0; pn_commands[i]; i++) {
        printf("        '%s:", pn_commands[i]->name);
        put_quoted(pn_commands[i]->summary, "\\:", "'\\''");
        fputs("'\n", stdout);
    }
    fputs("    )\n"
          "    if (( CURRENT == 2 )); then\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    local command=$words[2]\n"
          "    shift words\n"
          "    (( CURRENT-- ))\n"
          "    case $command in\n",
          stdout);
    for (int i = 0; pn_commands[i]; i++) {
        printf("    %s)\n        _arguments", pn_commands[i]->name);
        each_option(pn_commands[i], zsh_option);
        if (strcmp(pn_commands[i]->name, "completion") == 0)
            fputs(" \\\n            '1: :(bash zsh fish)'\n", stdout);
        else
            fputs(" \\\n            '*: :_files'\n", stdout);
        fputs("        ;;\n", stdout);
    }
    fputs("    esac\n"
          "}\n"
          "_penult \"$@\"\n",
          stdout);
}

/* ---- fish ---- */

static void fish_option(const pn_command *c, const pn_help_option *o)
{
    printf("complete -c penult -n '__fish_seen_subcommand_from %s' -l %s", c->name,
           o->name);
    if (o->letter) printf(" -s %c", o->letter);
    if (strchr(o->value, '|')) {
        fputs(" -xa '", stdout);
        put_words(o->value);
        putchar('\'');
    } else if (o->value[0]) {
        fputs(" -rF", stdout);
    }
    fputs(" -d '", stdout);
    put_quoted(o->text, "\\", "\\'");
    fputs("'\n", stdout);
}

static void print_fish(void)
{
    puts("# fish completion of penult");
    for (int i = 0; pn_commands[i]; i++) {
        printf("complete -c penult -n __fish_use_subcommand -xa %s -d '",
               pn_commands[i]->name);
        put_quoted(pn_commands[i]->summary, "\\", "\\'");
        fputs("'\n", stdout);
    }
    for (int i = 0; pn_commands[i]; i++)
        each_option(pn_commands[i], fish_option);
    puts("complete -c penult -n '__fish_seen_subcommand_from completion' -xa 'bash zsh "
         "fish'");
}

static int run(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    const pn_option options[] = {{.name = NULL}};
    pn_err err = {0};
    int operands = 0;
    pn_status st =
        pn_args_parse(&pn_command_completion, options, argc, argv, &operands, &err);
    if (st == PN_END) return PN_EXIT_OK;
    for (size_t i = 0; !st && operands == 1 && i < sizeof(shells) / sizeof(*shells); i++)
        if (strcmp(argv[argc - 1], shells[i].name) == 0) {
            shells[i].print();
            return PN_EXIT_OK;
        }
    if (!st) st = pn_fail(&err, PN_EINVAL, "completion: bash, zsh or fish is wanted");
    return pn_cli_fail(&err, st);
}

const pn_command pn_command_completion = {
    .name = "completion",
    .summary = "print a shell's completion script",
    .help = help,
    .run = run,
};
