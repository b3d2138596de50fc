/* penult bench: the engine alone, timed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/args.h"
#include "cli/bench_layers.h"
#include "penult/model.h"
#include "pipeline/cpu_budget.h"

enum { MAX_REPEATS = 100000, WARM_UP_RUNS = 2 };

static const char help[] =
    "Usage: penult bench MODEL.onnx [OPTION]...\n"
    "\n"
    "Examples:\n"
    "  penult bench net.onnx --batch 8 --threads 2\n"
    "  penult bench net.onnx --batch 1,8,32 --threads 1,2 --seconds 5\n"
    "  penult bench net.onnx --repeats 20 --cpu c\n"
    "  penult bench net.onnx --layers --batch 1 --threads 1\n"
    "\n"
    "Runs the network on made-up pixels and prints one JSON line for each pair of batch\n"
    "and threads: milliseconds a batch (median and least), images and multiply-adds a\n"
    "second.\n"
    "\n"
    "Options:\n"
    "  --batch B[,B...]         images at once (default: 8)\n"
    "  --threads T[,T...]       default: the cores this process may use\n"
    "  --seconds S              how long to measure a case (default: 3)\n"
    "  --repeats N              or how many runs\n"
    "  --cpu auto|c|openblas|avx2|avx512\n"
    "                           which kernels (default: auto)\n"
    "  --exact                  without Winograd: slower, and the rounding error of a "
    "plain\n"
    "                           sum\n"
    "  --layers                 a table of where a batch's time goes instead: layers as\n"
    "                           the engine runs them, two operations a multiply-add\n"
    "  --json                   of --layers: one JSON line a layer\n"
    "  -h, --help               this text\n";

typedef struct bench_args {
    const char *path, *cpu_name;
    pn_arg_ints batch, threads;
    double seconds;
    int64_t repeats;
    bool layers, json, exact;
} bench_args;

typedef struct bench_case {
    const pn_model *model;
    int batch, threads;
    int n; /**< times measured */
    double *ms;
    pn_bench_profile profile; /**< if asked for */
} bench_case;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* pixels like a photo's: any values will do that are neither zero nor denormal */
static void fill_inputs(pn_exec *x, const pn_model_info *info, int batch)
{
    size_t n = (size_t)info->channels * (size_t)info->height * (size_t)info->width;
    uint32_t state = 1;
    for (int slot = 0; slot < batch; slot++) {
        float *in = pn_exec_input(x, slot);
        for (size_t i = 0; i < n; i++) {
            state = state * 1664525u + 1013904223u;
            in[i] = (float)(state >> 24) / 128.0f - 1.0f;
        }
    }
}

static pn_status measure(bench_case *c, const bench_args *a, pn_err *err)
{
    pn_exec *x = NULL;
    pn_model_info info;
    pn_model_get_info(c->model, &info);
    pn_status st = pn_exec_new(&x, c->model, c->batch, c->threads, err);
    if (st) return st;
    fill_inputs(x, &info, c->batch);
    for (int i = 0; i < WARM_UP_RUNS && !st; i++)
        st = pn_exec_run(x, c->batch);
    if (!st && a->layers) st = pn_exec_profile(x);
    double start = now_ms(), last = start;
    int limit = a->repeats ? (int)a->repeats : MAX_REPEATS;
    while (!st && c->n < limit) {
        st = pn_exec_run(x, c->batch);
        double end = now_ms();
        c->ms[c->n++] = end - last;
        last = end;
        if (!a->repeats && c->n >= 3 && end - start > a->seconds * 1e3) break;
    }
    if (!st && a->layers) st = pn_bench_profile_take(&c->profile, x);
    pn_exec_free(&x);
    return st ? pn_fail(err, st, "bench: %s", pn_status_name(st)) : PN_OK;
}

/* "model name : ..." of the first CPU */
static void cpu_model(char *buf, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    snprintf(buf, size, "unknown");
    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, "model name", 10) != 0) continue;
        const char *value = strchr(line, ':');
        line[strcspn(line, "\n")] = '\0';
        if (value) snprintf(buf, size, "%s", value + 1 + (value[1] == ' '));
        break;
    }
    if (f) fclose(f);
}

/* sorts the times */
static double median_ms(bench_case *c)
{
    qsort(c->ms, (size_t)c->n, sizeof(*c->ms), by_value);
    return (c->ms[(c->n - 1) / 2] + c->ms[c->n / 2]) / 2;
}

static pn_status print_case(bench_case *c, const bench_args *a, int64_t macs)
{
    char cpu[128];
    pn_model_info info;
    cpu_model(cpu, sizeof(cpu));
    pn_model_get_info(c->model, &info);
    double median = median_ms(c);
    double per_s = 1e3 / median * c->batch, gmacs = (double)macs / 1e9;
    return pn_cli_print_json(
        json_pack("{s:o, s:s, s:s, s:b, s:o, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f}",
                  "cpu_model", pn_cli_json_text(cpu, strlen(cpu)), "version",
                  PENULT_VERSION, "kernels", pn_cpu_name(info.cpu), "exact", info.exact,
                  "model", pn_cli_json_text(a->path, strlen(a->path)), "batch", c->batch,
                  "threads", c->threads, "runs", c->n, "median_ms", median, "min_ms",
                  c->ms[0], "img_per_s", per_s, "gmacs_per_img", gmacs, "gmacs_per_s",
                  gmacs * per_s),
        0);
}

static pn_status print_layers(bench_case *c, const bench_args *a, const pn_graph *g)
{
    c->profile.g = g;
    c->profile.batch = c->batch;
    c->profile.batch_ms = median_ms(c);
    return pn_bench_profile_print(&c->profile, a->json);
}

static pn_status compile(pn_model **m, pn_graph **g, const bench_args *a, pn_err *err)
{
    pn_model_opts o = {.exact = a->exact, .threads = pn_cpu_budget()};
    pn_status st = a->cpu_name ? pn_cpu_parse(&o.cpu, a->cpu_name, err) : PN_OK;
    if (!st) st = pn_graph_read_onnx(g, a->path, err);
    if (!st) st = pn_model_compile(m, *g, &o, err);
    return st;
}

static pn_status bench(const bench_args *a, pn_err *err)
{
    pn_model *m = NULL;
    pn_graph *g = NULL;
    int64_t macs = 0;
    double *ms = malloc(MAX_REPEATS * sizeof(*ms));
    if (!ms) return pn_fail(err, PN_ENOMEM, "bench: out of memory");
    pn_status st = compile(&m, &g, a, err);
    for (int i = 0; !st && i < g->n_nodes; i++)
        macs += pn_node_macs(g, &g->nodes[i]);
    for (int t = 0; t < a->threads.n && !st; t++) {
        for (int b = 0; b < a->batch.n && !st; b++) {
            bench_case c = {.model = m,
                            .batch = (int)a->batch.v[b],
                            .threads = (int)a->threads.v[t],
                            .ms = ms};
            st = measure(&c, a, err);
            if (!st) st = a->layers ? print_layers(&c, a, g) : print_case(&c, a, macs);
            pn_bench_profile_fini(&c.profile);
            fflush(stdout);
        }
    }
    pn_model_free(&m);
    pn_graph_free(&g);
    free(ms);
    return st;
}

static pn_status check(const bench_args *a, int operands, pn_err *err)
{
    if (operands != 1)
        return pn_fail(err, PN_EINVAL, "bench: one model is wanted; see penult bench -h");
    if (a->json && !a->layers)
        return pn_fail(err, PN_EINVAL, "bench: --json is for --layers: the rest is JSON");
    if (a->layers && (a->batch.n > 1 || a->threads.n > 1))
        return pn_fail(err, PN_EINVAL,
                       "bench: --layers takes one batch and one number of "
                       "threads");
    return PN_OK;
}

static int run(int argc, char **argv)
{
    bench_args a = {.batch = {1, {8}}, .threads = {1, {pn_cpu_budget()}}, .seconds = 3};
    const pn_option options[] = {
        {.name = "batch", .type = PN_ARG_INTS, .out = &a.batch, .min = 1, .max = 256},
        {.name = "threads",
         .type = PN_ARG_INTS,
         .out = &a.threads,
         .min = 1,
         .max = 1024},
        {.name = "seconds",
         .type = PN_ARG_REAL,
         .out = &a.seconds,
         .min = 0.001,
         .max = 86400},
        {.name = "repeats",
         .type = PN_ARG_INT,
         .out = &a.repeats,
         .min = 1,
         .max = MAX_REPEATS},
        {.name = "cpu", .type = PN_ARG_TEXT, .out = &a.cpu_name},
        {.name = "exact", .type = PN_ARG_FLAG, .out = &a.exact},
        {.name = "layers", .type = PN_ARG_FLAG, .out = &a.layers},
        {.name = "json", .type = PN_ARG_FLAG, .out = &a.json},
        {.name = NULL},
    };
    pn_err err = {0};
    int operands = 0;
    pn_status st = pn_args_parse(&pn_command_bench, options, argc, argv, &operands, &err);
    if (st == PN_END) return PN_EXIT_OK;
    if (!st) st = check(&a, operands, &err);
    a.path = argv[argc - operands];
    if (!st) st = bench(&a, &err);
    return st ? pn_cli_fail(&err, st) : PN_EXIT_OK;
}

const pn_command pn_command_bench = {
    .name = "bench",
    .summary = "time the network alone",
    .help = help,
    .run = run,
};
