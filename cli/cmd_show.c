/* penult show: what is in a model file or a result. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/args.h"
#include "cli/show.h"
#include "pipeline/cpu_budget.h"

static const char help[] =
    "Usage: penult show MODEL... [OPTION]...\n"
    "       penult show RESULT [--key KEY] [--json]\n"
    "\n"
    "Examples:\n"
    "  penult show net.onnx\n"
    "  penult show net-symbol.json net-0000.params\n"
    "  penult show net.onnx --svg -o net.svg\n"
    "  penult show net.onnx --memory --batch 32 --threads 8\n"
    "  penult show net.onnx --json | jq '.totals.macs'\n"
    "  penult show photos.lmdb --key cats/tom.jpg\n"
    "\n"
    "Of a model (ONNX, or what convert takes): its layers with shapes, parameters,\n"
    "multiply-adds and the memory of their outputs for an image, and what its metadata\n"
    "say. A tensor's name is what --features and model.features take. Beyond 48 rows,\n"
    "stretches that repeat are folded until there are no more than that.\n"
    "Of a result: its counts, how it was made, and one record.\n"
    "\n"
    "Options:\n"
    "  --all                    every layer, nothing folded\n"
    "  --memory                 also what a run takes: weights, scratch, tensors\n"
    "  --batch B                images at once, for --memory (default: 8)\n"
    "  --threads T              for --memory (default: the cores this process may use)\n"
    "  --exact                  for --memory: a run with engine.exact\n"
    "  --dot                    the graph in Graphviz' language\n"
    "  --svg                    the graph drawn; wants Graphviz' dot\n"
    "  -o, --output FILE        where to write --dot or --svg (default: stdout)\n"
    "  --input-shape [NAME=]C,H,W\n"
    "                           of a checkpoint that does not tell it; may be repeated\n"
    "  --key KEY                of a result: the record of that image (default: the "
    "first)\n"
    "  --json                   all of it as JSON; a model's layers are all there\n"
    "  -h, --help               this text\n";

/* a result is a folder, or the file in it */
static bool is_result(const char *path)
{
    struct stat sb;
    const char *slash = strrchr(path, '/');
    if (stat(path, &sb) == 0 && S_ISDIR(sb.st_mode)) return true;
    return strcmp(slash ? slash + 1 : path, "data.mdb") == 0;
}

typedef struct show_args {
    pn_show_opts o;
    pn_arg_list shapes;
    bool json, dot, svg;
} show_args;

static pn_status check(show_args *a, pn_err *err)
{
    pn_show_opts *o = &a->o;
    bool result = o->files.n_paths == 1 && is_result(o->files.paths[0]);
    if (o->files.n_paths < 1)
        return pn_fail(err, PN_EINVAL, "show: a file is wanted; see penult show -h");
    if (!result && o->key)
        return pn_fail(err, PN_EINVAL, "show: --key is for results; %s is none",
                       o->files.paths[0]);
    if (result && (a->dot || a->svg || o->all || o->memory || o->files.n_shapes))
        return pn_fail(err, PN_EINVAL, "show: %s is a result: --key and --json only",
                       o->files.paths[0]);
    if (a->json + a->dot + a->svg > 1)
        return pn_fail(err, PN_EINVAL,
                       "show: --json, --dot and --svg exclude each other");
    if (o->output && !a->dot && !a->svg)
        return pn_fail(err, PN_EINVAL, "show: -o is for --dot and --svg");
    for (int i = 0; o->output && i < o->files.n_paths; i++)
        if (pn_file_is_same(o->output, o->files.paths[i]))
            return pn_fail(err, PN_EINVAL, "show: -o %s: it is an input", o->output);
    if (o->memory && (a->dot || a->svg))
        return pn_fail(err, PN_EINVAL, "show: --memory is for the table and --json");
    o->form = a->json  ? PN_SHOW_JSON
              : a->dot ? PN_SHOW_DOT
              : a->svg ? PN_SHOW_SVG
                       : PN_SHOW_TEXT;
    return PN_OK;
}

static pn_status parse(show_args *a, int argc, char **argv, pn_err *err)
{
    pn_show_opts *o = &a->o;
    const pn_option options[] = {
        {.name = "all", .type = PN_ARG_FLAG, .out = &o->all},
        {.name = "memory", .type = PN_ARG_FLAG, .out = &o->memory},
        {.name = "batch", .type = PN_ARG_INT, .out = &o->batch, .min = 1, .max = 256},
        {.name = "threads",
         .type = PN_ARG_INT,
         .out = &o->threads,
         .min = 1,
         .max = 1024},
        {.name = "exact", .type = PN_ARG_FLAG, .out = &o->exact},
        {.name = "dot", .type = PN_ARG_FLAG, .out = &a->dot},
        {.name = "svg", .type = PN_ARG_FLAG, .out = &a->svg},
        {.name = "output", .letter = 'o', .type = PN_ARG_TEXT, .out = &o->output},
        {.name = "input-shape", .type = PN_ARG_LIST, .out = &a->shapes},
        {.name = "key", .type = PN_ARG_TEXT, .out = &o->key},
        {.name = "json", .type = PN_ARG_FLAG, .out = &a->json},
        {.name = NULL},
    };
    pn_status st =
        pn_args_parse(&pn_command_show, options, argc, argv, &o->files.n_paths, err);
    o->files.paths = (const char *const *)argv + argc - o->files.n_paths;
    o->files.shapes = a->shapes.items;
    o->files.n_shapes = a->shapes.n;
    return st;
}

static int run(int argc, char **argv)
{
    show_args a = {.o = {.batch = 8, .threads = pn_cpu_budget()},
                   .shapes = {.items = calloc((size_t)argc, sizeof(char *))}};
    pn_err err = {0};
    int code = PN_EXIT_OK;
    pn_status st = a.shapes.items ? parse(&a, argc, argv, &err) : PN_ENOMEM;
    if (!st) st = check(&a, &err);
    if (!st)
        st = a.o.files.n_paths == 1 && is_result(a.o.files.paths[0])
                 ? pn_show_result(&a.o, &err)
                 : pn_show_model(&a.o, &err);
    if (st && st != PN_END) code = pn_cli_fail(&err, st);
    free(a.shapes.items);
    return code;
}

const pn_command pn_command_show = {
    .name = "show",
    .summary = "what is in a model or in a result",
    .help = help,
    .run = run,
};
