/* What the program can do, and what --help says of it. */
#include <stdio.h>

#include "cli/help.h"

const pn_command *const pn_commands[] = {
    &pn_command_convert,    &pn_command_run,     &pn_command_classify,
    &pn_command_show,       &pn_command_compare, &pn_command_bench,
    &pn_command_completion, &pn_command_manual,  NULL,
};
_Static_assert(sizeof(pn_commands) / sizeof(*pn_commands) <= PN_MAX_COMMANDS + 1,
               "a list of names has room for all commands");

const char pn_help_head[] =
    "Usage: penult COMMAND [OPTION]... ARGUMENT...\n"
    "\n"
    "Examples:\n"
    "  penult convert net-symbol.json net-0000.params --labels synset.txt \\\n"
    "         --preprocess net.yaml -o net.onnx\n"
    "  penult classify net.onnx photo.jpg\n"
    "  penult run configs/label-folder.yaml --set input.path=photos\n"
    "  penult show photos.lmdb\n"
    "\n"
    "Commands:\n";

const char pn_help_tail[] =
    "\n"
    "`penult COMMAND -h` tells more. -h: this text. --version: the version.\n"
    "\n"
    "Exit status: 0 done; 64 usage; 65 finished, but more images failed than allowed;\n"
    "66 an input is missing, damaged or not supported; 70 a bug; 74 I/O error;\n"
    "75 stopped early, run again; 78 config or record wrong, output exists, or labels\n"
    "do not fit the model.\n";

void pn_help_print(void)
{
    fputs(pn_help_head, stdout);
    for (int i = 0; pn_commands[i]; i++)
        printf("  %-10s %s\n", pn_commands[i]->name, pn_commands[i]->summary);
    fputs(pn_help_tail, stdout);
}
