/* penult run: the pipeline, from a config. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/args.h"
#include "penult/log.h"
#include "pipeline/run.h"

static const char help[] =
    "Usage: penult run CONFIG.yaml [OPTION]...\n"
    "\n"
    "Examples:\n"
    "  penult run configs/label-folder.yaml\n"
    "  penult run job.yaml --set input.path=photos --set output.path=photos.lmdb\n"
    "  penult run job.yaml --dry-run\n"
    "  penult run job.yaml --set run.threads=4 --print-config > resolved.yaml\n"
    "\n"
    "Reads images, labels them, writes the top classes and the feature vectors to an\n"
    "LMDB. Paths in the config are relative to the config's folder, paths in --set to\n"
    "the working directory.\n"
    "\n"
    "Options:\n"
    "  --set SECTION.KEY=VALUE  override a value of the config; may be repeated\n"
    "  --dry-run                check everything, print the plan, write nothing\n"
    "  --print-config           print the config with all defaults and stop\n"
    "  --json                   print a summary as JSON on stdout at the end\n"
    "  -h, --help               this text\n"
    "\n"
    "The first SIGINT or SIGTERM stops reading, finishes what is under way and exits\n"
    "with 75; a second one exits at once.\n";

typedef struct run_args {
    const char *config;
    pn_arg_list sets;
    bool dry_run, print_config, json;
} run_args;

static pn_status print_config(const pn_config *c, pn_err *err)
{
    char *text = NULL;
    pn_status st = pn_config_print(c, &text);
    if (st) return pn_fail(err, st, "print the config: %s", pn_status_name(st));
    fputs(text, stdout);
    if (strstr(text, "\\ufffd")) /* YAML is UTF-8; paths are whatever bytes they are */
        pn_log(PN_LOG_WARN,
               "a path holds bytes that are no UTF-8; printed as \\ufffd, it will not be "
               "found again");
    free(text);
    return PN_OK;
}

static void print_plan(const pn_config *c, const pn_run_info *i)
{
    char a[PN_CLI_NUMBER], b[PN_CLI_NUMBER], d[PN_CLI_NUMBER], e[PN_CLI_NUMBER],
        f[PN_CLI_NUMBER];
    const pn_network *net = i->network;
    const char *in = pn_config_input_path(c), *out = pn_config_output_path(c);
    printf("model:    %s, %zu classes, %dx%d pixels, kernels %s\n", c->model.path,
           net->classes, net->info.height, net->info.width, pn_cpu_name(net->info.cpu));
    if (net->features_tap >= 0)
        pn_print_line(stdout, "features: %s, %zu floats", net->features_name,
                      net->n_features);
    else
        printf("features: none\n");
    printf("labels:   %s\n", net->labels.n ? "yes" : "none");
    printf("input:    %s%s%s", c->input.kind, in ? " " : "", in ? in : "");
    if (i->counted) printf(", %" PRIu64 " images", i->images);
    printf("\noutput:   %s%s%s\n", c->output.kind, out ? " " : "", out ? out : "");
    printf("threads:  %d of %d cores\n", i->threads, i->cores);
    printf("batch:    %d images, %d batches in circulation\n", i->batch, i->batches);
    printf("memory:   about %s: weights %s, tensors %s, batches %s;\n"
           "          besides, encoded images under way (at most %s) and decoded ones\n",
           pn_cli_bytes_text(i->weight_bytes + i->working_bytes + i->batch_bytes, a,
                             sizeof(a)),
           pn_cli_bytes_text(i->weight_bytes, b, sizeof(b)),
           pn_cli_bytes_text(i->working_bytes, d, sizeof(d)),
           pn_cli_bytes_text(i->batch_bytes, e, sizeof(e)),
           pn_cli_bytes_text(i->encoded_bytes, f, sizeof(f)));
}

static double rate(const pn_run_summary *s)
{
    return s->elapsed_s > 0 ? (double)s->counts.seen / s->elapsed_s : 0;
}

static void talk_summary(const pn_run_summary *s)
{
    fprintf(stderr,
            "penult: %" PRIu64 " images in %.2f s, %.1f img/s: %" PRIu64
            " labelled, %" PRIu64 " failed\n",
            s->counts.seen, s->elapsed_s, rate(s), s->counts.ok, s->counts.failed);
    const char *comma = "penult:   failed: ";
    for (int i = 0; i < PN_N_REASONS; i++) {
        if (i == PN_REASON_NONE || !s->counts.by_reason[i]) continue;
        fprintf(stderr, "%s%" PRIu64 " %s", comma, s->counts.by_reason[i],
                pn_reason_name((pn_reason)i));
        comma = ", ";
    }
    if (*comma == ',') fputc('\n', stderr);
    comma = "penult:   busy: ";
    for (int i = 0; i < s->n_stages; i++, comma = ", ")
        fprintf(stderr, "%s%s %.2f s", comma, s->stages[i].name, s->stages[i].busy_s);
    if (s->bottleneck) fprintf(stderr, "; bottleneck: %s", s->bottleneck);
    fputc('\n', stderr);
}

static pn_status print_summary(const pn_run_info *info, const pn_run_summary *s)
{
    json_t *reasons = json_object(), *stages = json_array();
    for (int i = 0; i < PN_N_REASONS; i++)
        if (i != PN_REASON_NONE && s->counts.by_reason[i])
            json_object_set_new(reasons, pn_reason_name((pn_reason)i),
                                json_integer((json_int_t)s->counts.by_reason[i]));
    for (int i = 0; i < s->n_stages; i++)
        json_array_append_new(
            stages, json_pack("{s:s, s:f, s:i}", "name", s->stages[i].name, "busy_s",
                              s->stages[i].busy_s, "threads", s->stages[i].threads));
    return pn_cli_print_json(
        json_pack("{s:I, s:I, s:I, s:o, s:b, s:b, s:f, s:f, s:i, s:i, s:o, s:s?, s:o}",
                  "seen", (json_int_t)s->counts.seen, "ok", (json_int_t)s->counts.ok,
                  "failed", (json_int_t)s->counts.failed, "reasons", reasons, "complete",
                  (int)s->complete, "over_budget", (int)s->over_budget, "elapsed_s",
                  s->elapsed_s, "img_per_s", rate(s), "threads", info->threads, "batch",
                  info->batch, "stages", stages, "bottleneck", s->bottleneck, "output",
                  s->output ? pn_cli_json_text(s->output, strlen(s->output))
                            : json_null()),
        0);
}

static int say_over_budget(const pn_config *c, const pn_run_summary *s)
{
    const pn_limit *l = &c->run.max_failures;
    fprintf(stderr,
            "penult: %" PRIu64 " of %" PRIu64
            " images failed; run.max_failures allows %g%s\n",
            s->counts.failed, s->counts.seen, l->value, l->is_percent ? "%" : "");
    return PN_EXIT_FAILURES;
}

static int execute(const pn_config *c, const run_args *a)
{
    pn_err err = {0};
    pn_run *r = NULL;
    pn_run_info info;
    pn_run_summary summary = {0};
    int code = PN_EXIT_OK;
    pn_status st = pn_run_open(&r, c, &err);
    if (st) return pn_cli_fail(&err, st);
    pn_run_get_info(r, &info);
    if (a->dry_run) {
        print_plan(c, &info);
        if (info.counted && !info.images)
            st = pn_fail(&err, PN_ENOENT, "%s: the input holds no images",
                         pn_config_input_path(c) ? pn_config_input_path(c) : "input");
        goto done;
    }
    st = pn_run_execute(r, true, isatty(STDERR_FILENO) ? 1 : 2, &summary, &err);
    if (!st || st == PN_ESTOPPED || summary.counts.seen) {
        talk_summary(&summary);
        if (!st && summary.output)
            fprintf(stderr, "penult: result: %s\n", summary.output);
        pn_status json = a->json ? print_summary(&info, &summary) : PN_OK;
        if (!st) st = json;
    }
    if (!st && summary.over_budget) code = say_over_budget(c, &summary);
done:
    if (st) code = pn_cli_fail(&err, st);
    free(summary.output);
    pn_run_free(&r);
    return code;
}

static int run(int argc, char **argv)
{
    run_args a = {.sets.items = calloc((size_t)argc, sizeof(char *))};
    const pn_option options[] = {
        {.name = "set", .type = PN_ARG_LIST, .out = &a.sets},
        {.name = "dry-run", .type = PN_ARG_FLAG, .out = &a.dry_run},
        {.name = "print-config", .type = PN_ARG_FLAG, .out = &a.print_config},
        {.name = "json", .type = PN_ARG_FLAG, .out = &a.json},
        {.name = NULL},
    };
    pn_err err = {0};
    pn_config *c = NULL;
    int operands = 0, code = PN_EXIT_OK;
    pn_status st = a.sets.items ? PN_OK : PN_ENOMEM;
    if (!st) st = pn_args_parse(&pn_command_run, options, argc, argv, &operands, &err);
    if (!st && operands != 1)
        st = pn_fail(&err, PN_EINVAL, "run: one config is wanted; see penult run -h");
    if (!st) st = pn_config_read(&c, argv[argc - 1], a.sets.items, a.sets.n, &err);
    if (!st) {
        pn_runner_setup((int)c->input.in_flight);
        if (a.print_config)
            st = print_config(c, &err);
        else
            code = execute(c, &a);
    }
    if (st && st != PN_END) code = pn_cli_fail(&err, st);
    pn_config_free(&c);
    free(a.sets.items);
    return code;
}

const pn_command pn_command_run = {
    .name = "run",
    .summary = "label a set of images and extract their features, by a config",
    .help = help,
    .run = run,
};
