/* penult show: what is in a model file or a result. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/args.h"
#include "cli/show.h"

static const char help[] =
    "Usage: penult show FILE [OPTION]...\n"
    "\n"
    "Examples:\n"
    "  penult show net.onnx\n"
    "  penult show photos.lmdb\n"
    "  penult show photos.lmdb --key cats/tom.jpg\n"
    "  penult show net.onnx --json | jq '.totals.macs'\n"
    "\n"
    "Of a model: its layers with shapes, parameters and multiply-adds, and what its\n"
    "metadata say. A layer's name is what --features and model.features take. Of a\n"
    "result: its counts, how it was made, and one record.\n"
    "\n"
    "Options:\n"
    "  --key KEY                the record of that image (default: the first)\n"
    "  --json                   the same as JSON\n"
    "  -h, --help               this text\n";

/* a result is a folder, or the file in it */
static bool is_result(const char *path)
{
    struct stat sb;
    const char *slash = strrchr(path, '/');
    if (stat(path, &sb) == 0 && S_ISDIR(sb.st_mode)) return true;
    return strcmp(slash ? slash + 1 : path, "data.mdb") == 0;
}

static int run(int argc, char **argv)
{
    pn_show_opts o = {0};
    const pn_option options[] = {
        {.name = "key", .type = PN_ARG_TEXT, .out = &o.key},
        {.name = "json", .type = PN_ARG_FLAG, .out = &o.json},
        {.name = NULL},
    };
    pn_err err = {0};
    int operands = 0;
    pn_status st = pn_args_parse(&pn_command_show, options, argc, argv, &operands, &err);
    if (st == PN_END) return PN_EXIT_OK;
    if (!st && operands != 1)
        st = pn_fail(&err, PN_EINVAL, "show: one file is wanted; see penult show -h");
    o.path = argv[argc - operands];
    if (!st && !is_result(o.path) && o.key)
        st = pn_fail(&err, PN_EINVAL, "show: --key is for results; %s is none", o.path);
    if (!st) st = is_result(o.path) ? pn_show_result(&o, &err) : pn_show_model(&o, &err);
    return st ? pn_cli_fail(&err, st) : PN_EXIT_OK;
}

const pn_command pn_command_show = {
    .name = "show",
    .summary = "what is in a model or in a result",
    .help = help,
    .run = run,
};
