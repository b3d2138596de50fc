/* A run's config: defaults, kinds, overrides, and the words of every refusal. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/config.h"
#include "stages/sink/write_lmdb.h"
#include "stages/source/read_files.h"
#include "stages/source/read_lmdb.h"

#define SMALL                                                                            \
    "model: {path: m.onnx}\n"                                                            \
    "input: {path: photos/}\n"                                                           \
    "output: {path: ../out.lmdb}\n"

static pn_status parse(pn_config **c, const char *text, const char *const *sets,
                       int n_sets, pn_err *err)
{
    return pn_config_parse(c, text, strlen(text), "run.yaml", "/none/job", sets, n_sets,
                           err);
}

static void a_small_config_gets_every_default(void **state)
{
    (void)state;
    pn_config *c = NULL;
    assert_int_equal(parse(&c, SMALL, NULL, 0, NULL), PN_OK);
    assert_string_equal(c->model.path, "/none/job/m.onnx");
    assert_string_equal(c->model.features, "");
    assert_null(c->model.preprocess);
    assert_null(c->model.labels);
    assert_int_equal(c->model.top_k, 5);
    assert_int_equal(c->model.scores, PN_SCORES_MODEL);
    assert_string_equal(c->input.kind, "files");
    assert_int_equal(c->input.in_flight, 32);
    assert_ptr_equal(c->source, &pn_source_read_files);
    const pn_read_files_opts *in = c->source_opts;
    assert_string_equal(in->path, "/none/job/photos");
    assert_true(in->recursive);
    assert_ptr_equal(c->sink, &pn_sink_write_lmdb);
    const pn_write_lmdb_opts *out = c->sink_opts;
    assert_string_equal(out->path, "/none/out.lmdb");
    assert_int_equal(out->on_exists, 0);
    assert_string_equal(pn_config_input_path(c), in->path);
    assert_string_equal(pn_config_output_path(c), out->path);
    assert_int_equal(c->run.threads, 0);
    assert_int_equal(c->run.batch, 0);
    assert_true(c->run.max_failures.value == 0 && !c->run.max_failures.is_percent);
    assert_int_equal(c->run.cpu, PN_CPU_AUTO);
    pn_config_free(&c);
    assert_null(c);
}

static void exact_is_off_unless_said(void **state)
{
    (void)state;
    const char *set = "engine.exact=true";
    for (int n = 0; n < 2; n++) {
        pn_config *c = NULL;
        assert_int_equal(parse(&c, SMALL, &set, n, NULL), PN_OK);
        assert_int_equal(c->engine.exact, n);
        pn_config_free(&c);
    }
}

static void cpu_words_follow_the_enum(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        pn_cpu cpu;
    } cases[] = {{"run.cpu=auto", PN_CPU_AUTO},
                 {"run.cpu=c", PN_CPU_C},
                 {"run.cpu=openblas", PN_CPU_OPENBLAS},
                 {"run.cpu=avx2", PN_CPU_AVX2},
                 {"run.cpu=avx512", PN_CPU_AVX512}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pn_config *c = NULL;
        assert_int_equal(parse(&c, SMALL, &cases[i].set, 1, NULL), PN_OK);
        assert_int_equal(c->run.cpu, cases[i].cpu);
        pn_config_free(&c);
    }
}

static void kind_brings_its_own_keys(void **state)
{
    (void)state;
    static const char text[] = "model: {path: m.onnx}\n"
                               "input: {kind: lmdb, path: in.lmdb, format: datum}\n"
                               "output: {kind: \"null\"}\n";
    pn_config *c = NULL;
    assert_int_equal(parse(&c, text, NULL, 0, NULL), PN_OK);
    assert_ptr_equal(c->source, &pn_source_read_lmdb);
    assert_string_equal(((const pn_read_lmdb_opts *)c->source_opts)->path,
                        "/none/job/in.lmdb");
    assert_string_equal(c->sink->info.name, "null");
    assert_null(pn_config_output_path(c));
    pn_config_free(&c);
}

static void sets_win_over_the_file_and_are_relative_to_here(void **state)
{
    (void)state;
    static const char *const sets[] = {"run.threads=3", "output.path=x/y.lmdb",
                                       "run.threads=4", "run.max_failures=1.5%",
                                       "input.extensions=[png]"};
    char here[4096], want[4200];
    pn_config *c = NULL;
    assert_non_null(getcwd(here, sizeof(here)));
    snprintf(want, sizeof(want), "%s/x/y.lmdb", strcmp(here, "/") ? here : "");
    assert_int_equal(parse(&c, SMALL "run: {threads: 2}\n", sets, 5, NULL), PN_OK);
    assert_int_equal(c->run.threads, 4);
    assert_string_equal(pn_config_output_path(c), want);
    assert_true(c->run.max_failures.is_percent && c->run.max_failures.value == 1.5);
    assert_string_equal(((const pn_read_files_opts *)c->source_opts)->extensions[0],
                        "png");
    pn_config_free(&c);
}

static void a_set_may_give_what_is_required_and_choose_the_kind(void **state)
{
    (void)state;
    static const char *const sets[] = {"input.kind=lmdb", "input.path=/in.lmdb",
                                       "output.kind=null"};
    pn_config *c = NULL;
    assert_int_equal(parse(&c, "model: {path: m.onnx}\n", sets, 3, NULL), PN_OK);
    assert_string_equal(pn_config_input_path(c), "/in.lmdb");
    assert_string_equal(c->input.kind, "lmdb");
    pn_config_free(&c);
}

static void refusals_say_where_and_which_rule(void **state)
{
    (void)state;
    static const struct {
        const char *text, *set, *message;
        pn_status st;
    } cases[] = {
        {"input: {path: a}\noutput: {path: b}\n", NULL,
         "run.yaml: model.path is missing: the ONNX file made by `penult convert`",
         PN_ECONFIG},
        {SMALL "run: {threads: 5x}\n", NULL,
         "run.yaml:4:16: run.threads: \"5x\" is not auto or a whole number from 1 to "
         "1024",
         PN_ECONFIG},
        {SMALL "run: {threads: 0}\n", NULL,
         "run.yaml:4:16: run.threads: \"0\" is not auto or a whole number from 1 to 1024",
         PN_ECONFIG},
        {SMALL "run: {batch: 257}\n", NULL,
         "run.yaml:4:14: run.batch: \"257\" is not auto or a whole number from 1 to 256",
         PN_ECONFIG},
        {SMALL "run: {max_failures: 2.5}\n", NULL,
         "run.yaml:4:21: run.max_failures: \"2.5\" is not a count such as 10 or a "
         "percentage such as 0.5%",
         PN_ECONFIG},
        {SMALL "run: {cpu: sse}\n", NULL,
         "run.yaml:4:12: run.cpu: \"sse\" is not one of auto, c, openblas, avx2, avx512",
         PN_ECONFIG},
        {"modle: {path: x}\n", NULL,
         "run.yaml:1:1: unknown key modle; did you mean model?", PN_ECONFIG},
        {"model: {path: m, topk: 5}\n", NULL,
         "run.yaml:1:18: unknown key model.topk; did you mean top_k?", PN_ECONFIG},
        {"input:\n  kind: tar\n", NULL,
         "run.yaml:2:9: input.kind: \"tar\" is not one of files, lmdb", PN_ECONFIG},
        {"input:\n  kind: lmdb\n  recursive: true\n", NULL,
         "run.yaml:3:3: unknown key input.recursive; there are: kind, in_flight, "
         "max_file_bytes, path, format, database",
         PN_ECONFIG},
        {"output:\n  kind: null\n", NULL, "run.yaml:2:9: output.kind: there is no value",
         PN_ECONFIG},
        {SMALL, "output.kind=nul", "--set: output.kind: \"nul\" is not one of lmdb, null",
         PN_ECONFIG},
        {SMALL, "run.thread=3", "--set: unknown key run.thread; did you mean threads?",
         PN_ECONFIG},
        {SMALL, "runn.threads=3", "--set: unknown key runn; did you mean run?",
         PN_ECONFIG},
        {SMALL, "run.threads",
         "--set run.threads: SECTION.KEY=VALUE is wanted, as in run.threads=4",
         PN_EINVAL},
        {SMALL, "=4", "--set =4: SECTION.KEY=VALUE is wanted, as in run.threads=4",
         PN_EINVAL},
        {"model: {path: m}\ninput: {path: /a/b}\noutput: {path: /a/b/}\n", NULL,
         "run.yaml: output.path is input.path: /a/b", PN_ECONFIG},
        {"model: {path: /a/b}\ninput: {path: /a}\noutput: {path: /a/b/}\n", NULL,
         "run.yaml: output.path is model.path: /a/b", PN_ECONFIG},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pn_config *c = NULL;
        pn_err err = {0};
        pn_status st =
            parse(&c, cases[i].text, &cases[i].set, cases[i].set != NULL, &err);
        assert_string_equal(pn_err_text(&err), cases[i].message);
        assert_int_equal(st, cases[i].st);
        assert_null(c);
        pn_err_clear(&err);
    }
}

static void what_is_printed_reads_back_the_same(void **state)
{
    (void)state;
    static const char *const sets[] = {"model.labels=/l/\xc3\xa4 \"q\".txt",
                                       "model.features=null",
                                       "run.threads=7",
                                       "run.max_failures=0.1%",
                                       "input.extensions=all",
                                       "model.scores=as-is",
                                       "output.features=float16",
                                       "output.on_exists=overwrite"};
    pn_config *a = NULL, *b = NULL;
    char *first = NULL, *second = NULL;
    pn_err err = {0};
    assert_int_equal(parse(&a, SMALL, sets, 8, NULL), PN_OK);
    assert_int_equal(pn_config_print(a, &first), PN_OK);
    assert_non_null(
        strstr(first, "model:\n  path: /none/job/m.onnx\n  features: \"null\"\n"));
    assert_int_equal(
        pn_config_parse(&b, first, strlen(first), "printed", "/elsewhere", NULL, 0, &err),
        PN_OK);
    assert_int_equal(pn_config_print(b, &second), PN_OK);
    assert_string_equal(first, second);
    free(first);
    free(second);
    pn_config_free(&a);
    pn_config_free(&b);
}

static void json_holds_every_section_once(void **state)
{
    (void)state;
    pn_config *c = NULL;
    char *json = NULL;
    assert_int_equal(parse(&c, SMALL, NULL, 0, NULL), PN_OK);
    assert_int_equal(pn_config_print_json(c, &json), PN_OK);
    assert_string_equal(
        json,
        "{\"model\": {\"path\": \"/none/job/m.onnx\", \"features\": \"\", \"top_k\": 5, "
        "\"scores\": \"model\"}, "
        "\"input\": {\"kind\": \"files\", \"in_flight\": 32, \"max_file_bytes\": "
        "67108864, "
        "\"path\": \"/none/job/photos\", \"extensions\": [\"jpg\", \"jpeg\", \"png\"], "
        "\"recursive\": true, \"on_duplicate\": \"error\"}, "
        "\"output\": {\"kind\": \"lmdb\", \"path\": \"/none/out.lmdb\", \"on_exists\": "
        "\"error\", \"features\": \"float32\"}, "
        "\"engine\": {\"exact\": false}, \"run\": {\"threads\": \"auto\", \"batch\": "
        "\"auto\", \"max_failures\": 0, "
        "\"cpu\": \"auto\"}}");
    free(json);
    pn_config_free(&c);
}

static void every_file_in_configs_is_read(void **state)
{
    (void)state;
    static const char *const names[] = {"label-folder", "features-from-lmdb",
                                        "imagenet11k-resnet152"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char path[4096];
        pn_config *c = NULL;
        pn_err err = {0};
        snprintf(path, sizeof(path), PN_SOURCE_DIR "/configs/%s.yaml", names[i]);
        pn_status st = pn_config_read(&c, path, NULL, 0, &err);
        if (st) print_error("%s\n", pn_err_text(&err));
        assert_int_equal(st, PN_OK);
        pn_config_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_config_gets_every_default),
        cmocka_unit_test(exact_is_off_unless_said),
        cmocka_unit_test(cpu_words_follow_the_enum),
        cmocka_unit_test(kind_brings_its_own_keys),
        cmocka_unit_test(sets_win_over_the_file_and_are_relative_to_here),
        cmocka_unit_test(a_set_may_give_what_is_required_and_choose_the_kind),
        cmocka_unit_test(refusals_say_where_and_which_rule),
        cmocka_unit_test(what_is_printed_reads_back_the_same),
        cmocka_unit_test(json_holds_every_section_once),
        cmocka_unit_test(every_file_in_configs_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
