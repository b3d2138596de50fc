/* penult convert: a model of one format to another, proved. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/args.h"
#include "cli/layers.h"
#include "cli/parity_report.h"
#include "cli/write_beside.h"
#include "penult/convert.h"
#include "penult/export.h"
#include "penult/graph.h"

static const char help[] =
    "Usage: penult convert IN... -o OUT.onnx|OUT.py|OUT.pb [OPTION]...\n"
    "\n"
    "Examples:\n"
    "  penult convert net-symbol.json net-0000.params --labels synset.txt \\\n"
    "         --preprocess net.yaml -o net.onnx\n"
    "  penult convert net-symbol.json net-0000.params --preset mxnet-resnet -o net.onnx\n"
    "  penult convert torchvision.onnx --preprocess imagenet.yaml --features flatten \\\n"
    "         -o dressed.onnx\n"
    "  penult convert net.onnx -o net.pb        (also net.json, net.npy: MMdnn's IR)\n"
    "  penult convert net.onnx -o net.py        (PyTorch; also net.safetensors, "
    "net.pth)\n"
    "\n"
    "Inputs are told apart by their content: an MXNet symbol with its parameters, an "
    "ONNX\n"
    "file, or the .pb of MMdnn's IR with its .npy. What the tensors do not say (labels,\n"
    "preprocessing, the feature tensor) goes into the output's metadata. OUT appears "
    "whole\n"
    "or not at all, and of several files all or none.\n"
    "\n"
    "While it is written the engine is held against the graph in double precision,\n"
    "layer by layer. A layer that misses its bound is exit status 65, and no file.\n"
    "\n"
    "Options:\n"
    "  -o, --output FILE        where to write the model; what penult wrote there "
    "before\n"
    "                           is replaced\n"
    "  --labels FILE            one label a line, in the order of the outputs\n"
    "  --preprocess FILE        YAML record of what the network wants to see\n"
    "  --preset NAME            or one of: tutorial, mxnet-resnet\n"
    "  --features TENSOR        the feature vector (default: what the classifier is "
    "fed);\n"
    "                           none for none\n"
    "  --scores softmax|as-is   whether the output still wants a softmax (default: by\n"
    "                           its last operator)\n"
    "  --input-shape [NAME=]C,H,W\n"
    "                           where nothing else tells it; may be repeated\n"
    "  --sample IMAGE           prove with this image instead of a seeded input\n"
    "  --exact                  prove the engine as it is with engine.exact\n"
    "  --force                  write the model even if the proof fails, and in place "
    "of\n"
    "                           files that penult has not written\n"
    "  -h, --help               this text\n";

static int64_t count_parameters(const pn_graph *g)
{
    int64_t n = 0;
    for (int i = 0; i < g->n_values; i++)
        n += pn_value_parameters(&g->values[i]);
    return n;
}

static void say_value(const char *what, const pn_graph *g, int id)
{
    char shape[PN_SHAPE_TEXT];
    const pn_value *v = &g->values[id];
    pn_print_line(stderr, "penult:   %s: %s %s", what, v->name,
                  v->has_shape ? pn_shape_text(&v->shape, shape, sizeof(shape)) : "?");
}

/* what the file now says, so that a wrong guess is seen before a long run */
static void report(const pn_graph *g, const char *output)
{
    char nodes[PN_CLI_NUMBER], parameters[PN_CLI_NUMBER];
    const char *preprocess = pn_graph_meta(g, PN_META_PREPROCESS);
    const char *features = pn_graph_meta(g, PN_META_FEATURES);
    const char *scores = pn_graph_meta(g, PN_META_SCORES);
    pn_labels labels = {0};
    pn_print_line(stderr, "penult: %s: %s nodes, %s parameters", output,
                  pn_cli_count_text(g->n_nodes, nodes, sizeof(nodes)),
                  pn_cli_count_text(count_parameters(g), parameters, sizeof(parameters)));
    for (int i = 0; i < g->n_inputs; i++)
        say_value("input", g, g->inputs[i]);
    for (int i = 0; i < g->n_outputs; i++)
        say_value("output", g, g->outputs[i]);
    pn_print_line(stderr, "penult:   features: %s", features ? features : "none");
    pn_print_line(stderr, "penult:   scores: %s", scores ? scores : "as-is");
    pn_print_line(stderr, "penult:   preprocessing: %s",
                  preprocess ? preprocess : "none (run and classify will want a record)");
    if (pn_labels_of_graph(&labels, g, NULL) == PN_OK && labels.n)
        fprintf(stderr, "penult:   labels: %zu\n", labels.n);
    else
        fprintf(stderr, "penult:   labels: none\n");
    pn_labels_fini(&labels);
}

static pn_status check(const pn_convert_opts *o, const char *output, bool force,
                       pn_err *err)
{
    if (!o->n_inputs)
        return pn_fail(err, PN_EINVAL,
                       "convert: an input is wanted; see penult convert -h");
    if (!output) return pn_fail(err, PN_EINVAL, "convert: -o FILE.onnx is wanted");
    pn_status st = pn_export_check(output, o->inputs, o->n_inputs, force, err);
    if (st) {
        pn_err_prefix(err, "convert");
        return st;
    }
    if (o->preprocess && o->preset)
        return pn_fail(err, PN_EINVAL,
                       "convert: --preprocess and --preset exclude each other");
    return PN_OK;
}

static int run(int argc, char **argv)
{
    pn_arg_list shapes = {.items = calloc((size_t)argc, sizeof(char *))};
    pn_digest digest = {0};
    pn_convert_opts o = {.digest = &digest};
    const char *output = NULL, *sample = NULL;
    bool force = false, exact = false, holds = true;
    const pn_option options[] = {
        {.name = "output", .letter = 'o', .type = PN_ARG_TEXT, .out = &output},
        {.name = "labels", .type = PN_ARG_TEXT, .out = &o.labels},
        {.name = "preprocess", .type = PN_ARG_TEXT, .out = &o.preprocess},
        {.name = "preset", .type = PN_ARG_TEXT, .out = &o.preset},
        {.name = "features", .type = PN_ARG_TEXT, .out = &o.features},
        {.name = "scores", .type = PN_ARG_TEXT, .out = &o.scores},
        {.name = "input-shape", .type = PN_ARG_LIST, .out = &shapes},
        {.name = "sample", .type = PN_ARG_TEXT, .out = &sample},
        {.name = "exact", .type = PN_ARG_FLAG, .out = &exact},
        {.name = "force", .type = PN_ARG_FLAG, .out = &force},
        {.name = NULL},
    };
    pn_err err = {0};
    pn_graph *g = NULL;
    pn_cli_writer *writer = NULL;
    int code = PN_EXIT_OK;
    pn_status st = shapes.items ? PN_OK : PN_ENOMEM;
    if (!st)
        st = pn_args_parse(&pn_command_convert, options, argc, argv, &o.n_inputs, &err);
    o.inputs = (const char *const *)argv + argc - o.n_inputs;
    o.input_shapes = shapes.items;
    o.n_input_shapes = shapes.n;
    if (!st) st = check(&o, output, force, &err);
    if (!st) st = pn_convert(&g, &o, &err);
    if (!st && !(writer = pn_cli_write_begin(g, output, &digest)))
        st = pn_fail(&err, PN_ENOMEM, "convert: out of memory");
    if (!st) st = pn_cli_parity(g, sample, exact, writer, &holds, &err);
    if (st == PN_ESTOPPED) {
        pn_err_clear(&err);
        st = pn_cli_write_end(writer, &err);
    } else if (!st && !holds && !force) {
        pn_print_line(stderr, "penult: %s is not written; --force writes it", output);
        code = PN_EXIT_FAILURES;
    } else if (!st) {
        st = pn_cli_write_end(writer, &err);
        if (!st) report(g, output);
    }
    if (st && st != PN_END) code = pn_cli_fail(&err, st);
    pn_cli_write_free(&writer);
    pn_graph_free(&g);
    free(shapes.items);
    return code;
}

const pn_command pn_command_convert = {
    .name = "convert",
    .summary = "turn MXNet, ONNX or MMdnn models into ONNX, PyTorch or MMdnn's IR",
    .help = help,
    .run = run,
};
