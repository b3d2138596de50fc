/* penult compare: a model held against arrays that another program computed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/args.h"
#include "cli/compare.h"
#include "pipeline/cpu_budget.h"

static const char help[] =
    "Usage: penult compare MODEL... --input X.npy --expect Y.npy [OPTION]...\n"
    "\n"
    "Examples:\n"
    "  penult compare net.onnx --input x.npy --expect softmax.npy\n"
    "  penult compare net.onnx --input x.npy --expect y.npy --tensor flatten0\n"
    "  penult compare net.onnx --input x.npy --expect internals.npz\n"
    "  penult compare net-symbol.json net-0000.params --input x.npy --expect y.npy\n"
    "  penult compare net.onnx --input x.npy --expect dump.npz --json | jq .first_stray\n"
    "\n"
    "Runs the network (ONNX, or what convert takes) on an array (a batch NxCxHxW or one\n"
    "image CxHxW, as the network is fed: nothing is preprocessed) and tells how far its\n"
    "tensors are from arrays that MXNet, PyTorch or anything else computed from the "
    "same\n"
    "array. An .npz holds many, each named as the tensor is; entries that are no tensor\n"
    "are skipped. With several tensors the table is in the network's order, and the "
    "first\n"
    "that strays is named.\n"
    "\n"
    "A tensor that is looked at cannot be fused away: the more of them are compared, "
    "the\n"
    "less the run is like one without. The last word is a comparison of the outputs.\n"
    "\n"
    "Options:\n"
    "  --input FILE             .npy, or .npz with an entry named as the input is\n"
    "  --expect FILE            .npy or .npz; may be repeated\n"
    "  --tensor NAME            what the .npy is: NODE or NODE_output; repeated, in the\n"
    "                           order of --expect (default: the output that it fits, "
    "else\n"
    "                           the first); or which entries of the .npz\n"
    "  --tolerance T            largest difference allowed, of the largest magnitude\n"
    "                           expected (default: 0.0001); else the exit status is 65\n"
    "  --input-shape [NAME=]C,H,W\n"
    "                           of a checkpoint that does not tell it; may be repeated\n"
    "  --json                   the same as JSON\n"
    "  --threads N              default: the cores this process may use\n"
    "  --cpu LEVEL              auto, c, openblas, avx2, avx512\n"
    "  --exact                  without Winograd: slower, and the rounding error of a "
    "plain\n"
    "                           sum\n"
    "  -h, --help               this text\n";

enum { MAX_SKIPPED_SHOWN = 8, AT_TEXT = 24 * PN_MAX_DIMS };

typedef struct compare_args {
    pn_compare_opts o;
    const char *cpu;
    double tolerance;
    int64_t threads;
    bool json;
} compare_args;

/* ---- what the numbers say ---- */

static bool passes(const pn_compared *t, double tolerance)
{
    return t->diff.max_abs <= tolerance * t->diff.max_want;
}

/* in the network's order; PN_NONE: all pass */
static int first_stray(const pn_compare *c, double tolerance)
{
    for (int i = 0; i < c->n_tensors; i++)
        if (!passes(&c->tensors[i], tolerance)) return i;
    return PN_NONE;
}

static const pn_node *node_of(const pn_compare *c, const pn_compared *t)
{
    const int producer = c->graph->values[t->value].producer;
    return producer == PN_NONE ? NULL : &c->graph->nodes[producer];
}

/* A node's inputs are known to agree if each was fed, is constant or was compared (and
 * nothing before the first that strays does). @return one that was not; PN_NONE */
static int unknown_input(const pn_compare *c, const pn_node *n)
{
    for (int i = 0; n && i < n->n_inputs; i++) {
        const int v = n->inputs[i];
        if (v == PN_NONE || c->graph->values[v].producer == PN_NONE) continue;
        int k = 0;
        while (k < c->n_tensors && c->tensors[k].value != v)
            k++;
        if (k == c->n_tensors) return v;
    }
    return PN_NONE;
}

/* where the greatest difference is, in the expected array's own dimensions */
static void place_of(const pn_compared *t, int64_t index[PN_MAX_DIMS])
{
    int64_t rest = t->diff.at;
    for (int d = t->want.shape.ndim; d-- > 0; rest /= t->want.shape.dim[d])
        index[d] = rest % t->want.shape.dim[d];
}

/* "0,17,3" */
static const char *at_text(const pn_compared *t, char *buf, size_t size)
{
    int64_t index[PN_MAX_DIMS];
    size_t used = 0;
    buf[0] = '\0';
    place_of(t, index);
    for (int d = 0; d < t->want.shape.ndim && used < size; d++)
        used += (size_t)snprintf(buf + used, size - used, "%s%lld", d ? "," : "",
                                 (long long)index[d]);
    return buf;
}

/* ---- as text ---- */

static void print_table(const pn_compare *c, double tolerance)
{
    char at[AT_TEXT], shape[PN_SHAPE_TEXT];
    int width = 6;
    for (int i = 0; i < c->n_tensors; i++) {
        const int n = (int)strlen(c->graph->values[c->tensors[i].value].name);
        if (n > width) width = n < 48 ? n : 48;
    }
    printf("%-*s  %-18s %-16s %11s %11s %11s  %s\n", width, "tensor", "operator", "shape",
           "max |a-b|", "of max |b|", "RMS", "at");
    for (int i = 0; i < c->n_tensors; i++) {
        const pn_compared *t = &c->tensors[i];
        const pn_node *n = node_of(c, t);
        const pn_shape s = pn_compared_shape(c, t);
        pn_print_line(stdout, "%-*s  %-18s %-16s %11.3g %11.3g %11.3g  %s%s", width,
                      c->graph->values[t->value].name, n ? pn_op_name(n->op) : "input",
                      pn_shape_text(&s, shape, sizeof(shape)), t->diff.max_abs,
                      pn_difference_relative(&t->diff), pn_difference_rms(&t->diff),
                      at_text(t, at, sizeof(at)), passes(t, tolerance) ? "" : "  FAIL");
    }
}

static void print_stray(const pn_compare *c, const pn_compared *t)
{
    char at[AT_TEXT];
    const pn_node *n = node_of(c, t);
    const int unknown = unknown_input(c, n);
    const char *name = c->graph->values[t->value].name;
    printf("the first that strays: ");
    if (unknown == PN_NONE)
        pn_print_line(stdout, "%s (%s, its inputs agree)", name,
                      n ? pn_op_name(n->op) : "input");
    else
        pn_print_line(stdout, "%s (%s, its input %s was not compared)", name,
                      pn_op_name(n->op), c->graph->values[unknown].name);
    printf("at %s: %.9g, expected %.9g\n", at_text(t, at, sizeof(at)), t->diff.got,
           t->diff.want);
    if (t->diff.n_nan)
        printf("NaN in one of the two only: %lld\n", (long long)t->diff.n_nan);
}

static void print_skipped(const pn_compare *c)
{
    fflush(stdout);
    for (int i = 0; i < c->n_skipped && i < MAX_SKIPPED_SHOWN; i++)
        pn_print_line(stderr, "penult: not compared, no computed tensor of the model: %s",
                      c->skipped[i]);
    if (c->n_skipped > MAX_SKIPPED_SHOWN)
        fprintf(stderr, "penult: not compared: %d more (--json lists them)\n",
                c->n_skipped - MAX_SKIPPED_SHOWN);
}

static void print_text(const pn_compare *c, double tolerance)
{
    const int stray = first_stray(c, tolerance);
    int failed = 0;
    for (int i = 0; i < c->n_tensors; i++)
        failed += !passes(&c->tensors[i], tolerance);
    print_table(c, tolerance);
    if (stray == PN_NONE) {
        printf("PASS: %d tensor%s of %lld image%s within %g of max |b|\n", c->n_tensors,
               c->n_tensors == 1 ? "" : "s", (long long)c->n_images,
               c->n_images == 1 ? "" : "s", tolerance);
    } else {
        printf("FAIL: %d of %d tensors further off than %g of max |b|\n", failed,
               c->n_tensors, tolerance);
        print_stray(c, &c->tensors[stray]);
    }
    print_skipped(c);
}

/* ---- as JSON ---- */

static json_t *json_ints(const int64_t *v, int n)
{
    json_t *a = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(a, json_integer(v[i]));
    return a;
}

static json_t *json_name(const char *name)
{
    return pn_cli_json_text(name, strlen(name));
}

static json_t *json_tensor(const pn_compare *c, const pn_compared *t, double tolerance)
{
    int64_t index[PN_MAX_DIMS];
    const pn_node *n = node_of(c, t);
    const pn_shape s = pn_compared_shape(c, t);
    place_of(t, index);
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:b}",
                     "tensor", json_name(c->graph->values[t->value].name), "operator",
                     n ? pn_op_name(n->op) : "input", "shape", json_ints(s.dim, s.ndim),
                     "file", json_name(c->files[t->file]->path), "max_abs",
                     pn_cli_json_number(t->diff.max_abs), "max_expected",
                     pn_cli_json_number(t->diff.max_want), "relative",
                     pn_cli_json_number(pn_difference_relative(&t->diff)), "rms",
                     pn_cli_json_number(pn_difference_rms(&t->diff)), "at",
                     json_ints(index, t->want.shape.ndim), "got",
                     pn_cli_json_number(t->diff.got), "expected",
                     pn_cli_json_number(t->diff.want), "nan", (json_int_t)t->diff.n_nan,
                     "pass", passes(t, tolerance));
}

static json_t *json_stray(const pn_compare *c, double tolerance)
{
    const int i = first_stray(c, tolerance);
    if (i == PN_NONE) return json_null();
    const pn_compared *t = &c->tensors[i];
    return json_pack("{s:o, s:b}", "tensor", json_name(c->graph->values[t->value].name),
                     "inputs_agree", unknown_input(c, node_of(c, t)) == PN_NONE);
}

static pn_status print_json(const pn_compare *c, const compare_args *a)
{
    pn_model_info info;
    json_t *tensors = json_array(), *skipped = json_array();
    json_t *files = json_array();
    pn_model_get_info(c->model, &info);
    for (int i = 0; i < a->o.model.n_paths; i++)
        json_array_append_new(files, json_name(a->o.model.paths[i]));
    for (int i = 0; i < c->n_tensors; i++)
        json_array_append_new(tensors, json_tensor(c, &c->tensors[i], a->tolerance));
    for (int i = 0; i < c->n_skipped; i++)
        json_array_append_new(skipped, json_name(c->skipped[i]));
    return pn_cli_print_json(
        json_pack("{s:o, s:o, s:o, s:I, s:s, s:f, s:o, s:o, s:o, s:b}", "model",
                  json_name(a->o.model.paths[0]), "files", files, "input",
                  json_name(a->o.input), "images", (json_int_t)c->n_images, "kernels",
                  pn_cpu_name(info.cpu), "tolerance", a->tolerance, "tensors", tensors,
                  "skipped", skipped, "first_stray", json_stray(c, a->tolerance), "pass",
                  first_stray(c, a->tolerance) == PN_NONE),
        1);
}

/* ---- the command ---- */

static int compare(const compare_args *a)
{
    pn_compare c = {0};
    pn_err err = {0};
    int code = PN_EXIT_OK;
    pn_status st = pn_compare_run(&c, &a->o, &err);
    if (!st && first_stray(&c, a->tolerance) != PN_NONE) code = PN_EXIT_FAILURES;
    if (!st && a->json) st = print_json(&c, a);
    if (!st && !a->json) print_text(&c, a->tolerance);
    if (st) code = pn_cli_fail(&err, st);
    pn_compare_fini(&c);
    return code;
}

static pn_status check(compare_args *a, pn_err *err)
{
    if (!a->o.model.n_paths || !a->o.input || !a->o.n_expects)
        return pn_fail(err, PN_EINVAL,
                       "compare: a model, --input and --expect are wanted; see penult "
                       "compare -h");
    a->o.threads = a->threads ? (int)a->threads : pn_cpu_budget();
    return a->cpu ? pn_cpu_parse(&a->o.cpu, a->cpu, err) : PN_OK;
}

static pn_status parse(compare_args *a, pn_arg_list lists[3], int argc, char **argv,
                       pn_err *err)
{
    pn_compare_opts *o = &a->o;
    const pn_option options[] = {
        {.name = "input", .type = PN_ARG_TEXT, .out = &o->input},
        {.name = "expect", .type = PN_ARG_LIST, .out = &lists[0]},
        {.name = "tensor", .type = PN_ARG_LIST, .out = &lists[1]},
        {.name = "tolerance", .type = PN_ARG_REAL, .out = &a->tolerance, .max = 1e9},
        {.name = "input-shape", .type = PN_ARG_LIST, .out = &lists[2]},
        {.name = "json", .type = PN_ARG_FLAG, .out = &a->json},
        {.name = "threads",
         .type = PN_ARG_INT,
         .out = &a->threads,
         .min = 1,
         .max = 1024},
        {.name = "cpu", .type = PN_ARG_TEXT, .out = &a->cpu},
        {.name = "exact", .type = PN_ARG_FLAG, .out = &o->exact},
        {.name = NULL},
    };
    pn_status st =
        pn_args_parse(&pn_command_compare, options, argc, argv, &o->model.n_paths, err);
    o->model.paths = (const char *const *)argv + argc - o->model.n_paths;
    o->expects = lists[0].items;
    o->n_expects = lists[0].n;
    o->tensors = lists[1].items;
    o->n_tensors = lists[1].n;
    o->model.shapes = lists[2].items;
    o->model.n_shapes = lists[2].n;
    return st ? st : check(a, err);
}

static int run(int argc, char **argv)
{
    compare_args a = {.tolerance = 1e-4};
    pn_arg_list lists[3] = {{0}};
    pn_err err = {0};
    int code = PN_EXIT_OK;
    pn_status st = PN_OK;
    for (int i = 0; i < 3; i++) {
        lists[i].items = calloc((size_t)argc, sizeof(char *));
        if (!lists[i].items) st = PN_ENOMEM;
    }
    if (!st) st = parse(&a, lists, argc, argv, &err);
    if (!st)
        code = compare(&a);
    else if (st != PN_END)
        code = pn_cli_fail(&err, st);
    for (int i = 0; i < 3; i++)
        free(lists[i].items);
    return code;
}

const pn_command pn_command_compare = {
    .name = "compare",
    .summary = "hold a model against arrays of another program",
    .help = help,
    .run = run,
};
