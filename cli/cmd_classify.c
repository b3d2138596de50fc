/* penult classify: a few images, labels to stdout, no config and no database. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/args.h"
#include "cli/read_image.h"
#include "pipeline/config.h"
#include "pipeline/cpu_budget.h"
#include "pipeline/network.h"
#include "stages/transform/decode.h"
#include "stages/transform/infer.h"

enum { MAX_BATCH = 8 };

static const char help[] =
    "Usage: penult classify MODEL.onnx IMAGE... [OPTION]...\n"
    "\n"
    "Examples:\n"
    "  penult classify net.onnx photo.jpg\n"
    "  penult classify net.onnx photos/*.jpg --top-k 1\n"
    "  penult classify net.onnx photos/*.jpg --json | jq -r '.path, .top[0].label'\n"
    "\n"
    "Prints the most probable classes of each image, one a line. With more than one\n"
    "image each block is headed by the image's path. An image that fails is a line on\n"
    "stderr, and the exit status is 65.\n"
    "\n"
    "Options:\n"
    "  --top-k K                classes an image (default: 5)\n"
    "  --json                   one JSON object an image\n"
    "  --threads N              default: the cores this process may use\n"
    "  --cpu LEVEL              auto, c, openblas, avx2, avx512\n"
    "  --exact                  without Winograd: slower, and the rounding error of a "
    "plain\n"
    "                           sum\n"
    "  --preprocess FILE        YAML record instead of the model's own\n"
    "  --labels FILE            labels instead of the model's own\n"
    "  --scores softmax|as-is   instead of what the model says\n"
    "  -h, --help               this text\n";

typedef struct classify_args {
    int64_t top_k, threads;
    const char *cpu, *scores;
    bool json;
    pn_network_opts net;
    char **images;
    int n_images;
} classify_args;

/* one stage of the pipeline, run by hand */
typedef struct hand_stage {
    const pn_transform_ops *ops;
    void *shared, *state;
} hand_stage;

typedef struct classifier {
    pn_network *net;
    pn_decode_opts decode;
    pn_infer_opts infer;
    hand_stage stages[2];
    pn_batch *batch;
    int failed, printed;
} classifier;

static pn_status start_stage(hand_stage *s, const pn_transform_ops *ops, const void *opts,
                             pn_err *err)
{
    s->ops = ops;
    s->shared = calloc(1, ops->info.shared_size + 1);
    s->state = calloc(1, ops->info.state_size + 1);
    if (!s->shared || !s->state) return pn_fail(err, PN_ENOMEM, "out of memory");
    pn_status st = ops->info.open ? ops->info.open(s->shared, opts, err) : PN_OK;
    if (!st && ops->info.start) st = ops->info.start(s->state, s->shared, err);
    return st;
}

static void stop_stage(hand_stage *s)
{
    if (s->state && s->shared) {
        if (s->ops->info.stop) s->ops->info.stop(s->state);
        if (s->ops->info.close) s->ops->info.close(s->shared);
    }
    free(s->state);
    free(s->shared);
}

static void classifier_fini(classifier *c)
{
    for (int i = 2; i-- > 0;)
        stop_stage(&c->stages[i]);
    pn_batch_free(&c->batch);
    pn_network_free(&c->net);
}

static pn_status classifier_init(classifier *c, const classify_args *a, pn_err *err)
{
    pn_status st = pn_network_open(&c->net, &a->net, err);
    if (st) return st;
    const pn_preprocess *p = &c->net->preprocess;
    int k = a->top_k < (int64_t)c->net->classes ? (int)a->top_k : (int)c->net->classes;
    const pn_batch_shape shape = {
        .capacity = a->n_images < MAX_BATCH ? a->n_images : MAX_BATCH,
        .height = p->height,
        .width = p->width,
        .top_k = k,
    };
    c->decode = (pn_decode_opts){.preprocess = p};
    c->infer = (pn_infer_opts){
        .model = c->net->model,
        .preprocess = p,
        .max_batch = shape.capacity,
        .threads = a->threads ? (int)a->threads : pn_cpu_budget(),
        .scores_tap = c->net->scores_tap,
        .softmax = c->net->softmax,
        .features_tap = -1,
        .top_k = k,
    };
    st = pn_batch_new(&c->batch, &shape);
    if (st) return pn_fail(err, st, "%s", pn_status_name(st));
    st = start_stage(&c->stages[0], &pn_transform_decode, &c->decode, err);
    if (!st) st = start_stage(&c->stages[1], &pn_transform_infer, &c->infer, err);
    return st;
}

static const char *label_of(const pn_network *net, uint32_t index, char *buf, size_t size)
{
    if (index < net->labels.n) return net->labels.lines[index];
    snprintf(buf, size, "class %u", index);
    return buf;
}

static pn_status print_json(const classifier *c, const pn_item *it, const char *path)
{
    char buf[32];
    json_t *j = json_object();
    json_object_set_new(j, "path", pn_cli_json_text(path, strlen(path)));
    if (it->reason) {
        json_object_set_new(j, "error",
                            json_pack("{s:s, s:o}", "reason", pn_reason_name(it->reason),
                                      "text",
                                      pn_cli_json_text(it->text, strlen(it->text))));
    } else {
        json_t *top = json_array();
        for (int i = 0; i < c->infer.top_k; i++) {
            const char *label = label_of(c->net, it->top[i].index, buf, sizeof(buf));
            json_array_append_new(
                top,
                json_pack("{s:I, s:o, s:o}", "class", (json_int_t)it->top[i].index,
                          "label", pn_cli_json_text(label, strlen(label)), "probability",
                          pn_cli_json_number((double)it->top[i].probability)));
        }
        json_object_set_new(j, "top", top);
    }
    return pn_cli_print_json(j, 0);
}

static pn_status print_item(classifier *c, const classify_args *a, const pn_item *it,
                            const char *path)
{
    char buf[32];
    if (it->reason) {
        c->failed++;
        fflush(stdout);
        pn_print_line(stderr, "penult: %s: %s: %s", path, pn_reason_name(it->reason),
                      it->text);
    }
    if (a->json) return print_json(c, it, path);
    if (it->reason) return PN_OK;
    if (a->n_images > 1) printf("%s%s:\n", c->printed ? "\n" : "", path);
    c->printed++;
    for (int i = 0; i < c->infer.top_k; i++)
        pn_print_line(stdout, "%.2f%% -> %s", 100.0 * (double)it->top[i].probability,
                      label_of(c->net, it->top[i].index, buf, sizeof(buf)));
    return PN_OK;
}

/* images first.. as one batch; @return how many */
static pn_status classify_batch(classifier *c, const classify_args *a, int first, int n,
                                pn_err *err)
{
    pn_batch *b = c->batch;
    pn_status st = PN_OK;
    pn_batch_reset(b);
    b->type = PN_TYPE_BYTES;
    b->n = n;
    for (int i = 0; i < n && !st; i++)
        st = pn_cli_read_image(&b->items[i], a->images[first + i]);
    if (st) return pn_fail(err, st, "%s", pn_status_name(st));
    for (int i = 0; i < 2 && !st; i++) {
        const pn_transform_ops *ops = c->stages[i].ops;
        st = ops->apply(c->stages[i].state, b, err);
        b->type = ops->out;
    }
    for (int i = 0; i < n && !st; i++)
        st = print_item(c, a, &b->items[i], a->images[first + i]);
    fflush(stdout);
    return st;
}

static pn_status check(classify_args *a, pn_err *err)
{
    if (a->n_images < 1)
        return pn_fail(err, PN_EINVAL,
                       "classify: a model and an image are wanted; see penult classify "
                       "-h");
    if (a->scores && strcmp(a->scores, "softmax") == 0)
        a->net.scores = PN_SCORES_SOFTMAX;
    else if (a->scores && strcmp(a->scores, "as-is") == 0)
        a->net.scores = PN_SCORES_AS_IS;
    else if (a->scores)
        return pn_fail(err, PN_EINVAL,
                       "classify: --scores: \"%s\" is not softmax or as-is", a->scores);
    return a->cpu ? pn_cpu_parse(&a->net.cpu, a->cpu, err) : PN_OK;
}

static int classify(const classify_args *a)
{
    classifier c = {0};
    pn_err err = {0};
    pn_status st = classifier_init(&c, a, &err);
    for (int i = 0, n; i < a->n_images && !st && !ferror(stdout); i += n) {
        n = a->n_images - i < MAX_BATCH ? a->n_images - i : MAX_BATCH;
        st = classify_batch(&c, a, i, n, &err);
    }
    int code = c.failed ? PN_EXIT_FAILURES : PN_EXIT_OK;
    if (st) code = pn_cli_fail(&err, st);
    classifier_fini(&c);
    return code;
}

static int run(int argc, char **argv)
{
    classify_args a = {.top_k = 5, .net.without_features = true};
    const pn_option options[] = {
        {.name = "top-k", .type = PN_ARG_INT, .out = &a.top_k, .min = 1, .max = 1000},
        {.name = "json", .type = PN_ARG_FLAG, .out = &a.json},
        {.name = "threads", .type = PN_ARG_INT, .out = &a.threads, .min = 1, .max = 1024},
        {.name = "cpu", .type = PN_ARG_TEXT, .out = &a.cpu},
        {.name = "exact", .type = PN_ARG_FLAG, .out = &a.net.exact},
        {.name = "preprocess", .type = PN_ARG_TEXT, .out = &a.net.preprocess},
        {.name = "labels", .type = PN_ARG_TEXT, .out = &a.net.labels},
        {.name = "scores", .type = PN_ARG_TEXT, .out = &a.scores},
        {.name = NULL},
    };
    pn_err err = {0};
    int operands = 0;
    pn_status st =
        pn_args_parse(&pn_command_classify, options, argc, argv, &operands, &err);
    a.net.path = argv[argc - operands];
    a.images = argv + argc - operands + 1;
    a.n_images = operands - 1;
    if (!st) st = check(&a, &err);
    if (st == PN_END) return PN_EXIT_OK;
    return st ? pn_cli_fail(&err, st) : classify(&a);
}

const pn_command pn_command_classify = {
    .name = "classify",
    .summary = "print the most probable classes of some images",
    .help = help,
    .run = run,
};
