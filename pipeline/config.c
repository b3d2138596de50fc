/* The one table of what a run's config may say. */
#include "pipeline/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"
#include "stages/registry.h"

#define PN_TEXT(x) #x
#define PN_TEXT_OF(x) PN_TEXT(x)

static const char *const scores_names[] = {"model", "softmax", "as-is", NULL};
/* in the order of pn_cpu */
static const char *const cpu_names[] = {"auto", "c", "openblas", "avx2", "avx512", NULL};

static const pn_field model_fields[] = {
    {.key = "path",
     .type = PN_FIELD_PATH,
     .offset = offsetof(pn_config, model.path),
     .required = true,
     .help = "the ONNX file made by `penult convert`"},
    {.key = "features",
     .type = PN_FIELD_STRING,
     .offset = offsetof(pn_config, model.features),
     .fallback = "",
     .help = "the tensor that is the feature vector; \"\" for the model's own, none for "
             "none"},
    {.key = "top_k",
     .type = PN_FIELD_INT,
     .offset = offsetof(pn_config, model.top_k),
     .fallback = "5",
     .min = 1,
     .max = 1000,
     .help = "classes kept for an image"},
    {.key = "scores",
     .type = PN_FIELD_ENUM,
     .offset = offsetof(pn_config, model.scores),
     .fallback = "model",
     .names = scores_names,
     .help = "whether a softmax turns the output into probabilities"},
    {.key = "preprocess",
     .type = PN_FIELD_PATH,
     .offset = offsetof(pn_config, model.preprocess),
     .help = "a preprocessing record that replaces the model's own"},
    {.key = "labels",
     .type = PN_FIELD_PATH,
     .offset = offsetof(pn_config, model.labels),
     .help = "a file of labels, one a line, that replaces the model's own"},
    {.key = NULL},
};

static const pn_field input_fields[] = {
    {.key = "kind",
     .type = PN_FIELD_STRING,
     .offset = offsetof(pn_config, input.kind),
     .fallback = "files",
     .help = "where images come from"},
    {.key = "in_flight",
     .type = PN_FIELD_INT,
     .offset = offsetof(pn_config, input.in_flight),
     .fallback = "32",
     .min = 1,
     .max = 1000, /* libuv has 1,024 threads at most, and a few are for other work */
     .help = "file reads under way at once; an lmdb is read in its own order"},
    {.key = "max_file_bytes",
     .type = PN_FIELD_INT,
     .offset = offsetof(pn_config, input.max_file_bytes),
     .fallback = PN_TEXT_OF(PN_USUAL_FILE_BYTES),
     .min = 1,
     .max = 2147483647,
     .help = "bytes of a file or record; a larger one is a failed image"},
    {.key = NULL},
};

static const pn_field output_fields[] = {
    {.key = "kind",
     .type = PN_FIELD_STRING,
     .offset = offsetof(pn_config, output.kind),
     .fallback = "lmdb",
     .help = "where results go"},
    {.key = NULL},
};

static const pn_field engine_fields[] = {
    {.key = "exact",
     .type = PN_FIELD_BOOL,
     .offset = offsetof(pn_config, engine.exact),
     .fallback = "false",
     .help = "no Winograd: slower, and the rounding error of a plain sum"},
    {.key = NULL},
};

static const pn_field run_fields[] = {
    {.key = "threads",
     .type = PN_FIELD_AUTO_INT,
     .offset = offsetof(pn_config, run.threads),
     .fallback = "auto",
     .min = 1,
     .max = 1024,
     .help = "threads that compute; auto: the cores this process may use"},
    {.key = "batch",
     .type = PN_FIELD_AUTO_INT,
     .offset = offsetof(pn_config, run.batch),
     .fallback = "auto",
     .min = 1,
     .max = 256,
     .help = "images that go through the network together"},
    {.key = "max_failures",
     .type = PN_FIELD_LIMIT,
     .offset = offsetof(pn_config, run.max_failures),
     .fallback = "0",
     .help = "more failed images than this make the exit status 65"},
    {.key = "cpu",
     .type = PN_FIELD_ENUM,
     .offset = offsetof(pn_config, run.cpu),
     .fallback = "auto",
     .names = cpu_names,
     .help = "which kernels compute"},
    {.key = NULL},
};

/* which keys a text gave, a word a section */
typedef struct given {
    uint64_t bits[PN_CONFIG_SECTIONS];
} given;

int pn_config_sections(const pn_config *config, pn_section out[PN_CONFIG_SECTIONS])
{
    /* a section's base is written to while reading, and only then */
    pn_config *c = (pn_config *)(uintptr_t)config;
    int n = 0;
    out[n++] = (pn_section){.name = "model", .fields = model_fields, .base = c};
    out[n++] = (pn_section){.name = "input", .fields = input_fields, .base = c};
    if (c->source && c->source->info.fields)
        out[n++] = (pn_section){
            .name = "input", .fields = c->source->info.fields, .base = c->source_opts};
    out[n++] = (pn_section){.name = "output", .fields = output_fields, .base = c};
    if (c->sink && c->sink->info.fields)
        out[n++] = (pn_section){
            .name = "output", .fields = c->sink->info.fields, .base = c->sink_opts};
    out[n++] = (pn_section){.name = "engine", .fields = engine_fields, .base = c};
    out[n++] = (pn_section){.name = "run", .fields = run_fields, .base = c};
    return n;
}

/* the value of --set NAME=..., the last one, or NULL */
static const char *find_set(const char *const *sets, int n, const char *name)
{
    size_t size = strlen(name);
    for (int i = n; i-- > 0;)
        if (strncmp(sets[i], name, size) == 0 && sets[i][size] == '=')
            return sets[i] + size + 1;
    return NULL;
}

/* "files, lmdb" of either table */
static void list_kinds(bool source, char *buf, size_t size)
{
    size_t used = 0;
    buf[0] = '\0';
    for (int i = 0; used < size; i++) {
        const pn_stage_info *info = NULL;
        if (source && pn_sources[i]) info = &pn_sources[i]->info;
        if (!source && pn_sinks[i]) info = &pn_sinks[i]->info;
        if (!info) return;
        used +=
            (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "", info->name);
    }
}

static pn_status unknown_kind(const char *section, const char *kind, const char *where,
                              pn_err *err)
{
    char kinds[256];
    list_kinds(strcmp(section, "input") == 0, kinds, sizeof(kinds));
    return pn_fail(err, PN_ECONFIG, "%s: %s.kind: \"%.60s\" is not one of %s", where,
                   section, kind, kinds);
}

/* `kind` decides which keys are known, so it is looked up before anything is read */
static pn_status choose_stage(pn_config *c, const pn_yaml *y, const char *section,
                              const char *const *sets, int n_sets, pn_err *err)
{
    bool source = strcmp(section, "input") == 0;
    char *where = NULL;
    const char *kind = find_set(sets, n_sets, source ? "input.kind" : "output.kind");
    bool from_set = kind != NULL;
    if (!kind) kind = pn_yaml_peek(y, section, "kind", &where);
    if (!kind) kind = source ? "files" : "lmdb";
    pn_status st = PN_OK;
    const char *place = from_set || !where ? "--set" : where;
    const pn_stage_info *info = NULL;
    if (source) {
        c->source = pn_source_find(kind);
        info = c->source ? &c->source->info : NULL;
    } else {
        c->sink = pn_sink_find(kind);
        info = c->sink ? &c->sink->info : NULL;
    }
    if (!info) st = unknown_kind(section, kind, place, err);
    free(where);
    if (st) return st;
    void *opts = calloc(1, info->opts_size ? info->opts_size : 1);
    if (!opts) return pn_fail(err, PN_ENOMEM, "%s: out of memory", section);
    if (source)
        c->source_opts = opts;
    else
        c->sink_opts = opts;
    return PN_OK;
}

static pn_status apply_sets(const pn_section *sections, int n, const char *const *sets,
                            int n_sets, pn_err *err)
{
    for (int i = 0; i < n_sets; i++) {
        const char *equals = strchr(sets[i], '=');
        if (!equals || equals == sets[i])
            return pn_fail(err, PN_EINVAL,
                           "--set %s: SECTION.KEY=VALUE is wanted, as in run.threads=4",
                           sets[i]);
        char *name = strndup(sets[i], (size_t)(equals - sets[i]));
        if (!name) return pn_fail(err, PN_ENOMEM, "--set: out of memory");
        pn_status st =
            pn_fields_set_named(sections, n, name, equals + 1, "--set", NULL, err);
        free(name);
        if (st) return st;
    }
    return PN_OK;
}

static const char *path_of(const pn_section *s)
{
    const pn_field *f = pn_field_find(s, 1, s->name, "path", NULL);
    if (!f || f->type != PN_FIELD_PATH) return NULL;
    return *(char *const *)((const char *)s->base + f->offset);
}

const char *pn_config_input_path(const pn_config *c)
{
    if (!c->source->info.fields) return NULL;
    const pn_section s = {
        .name = "", .fields = c->source->info.fields, .base = c->source_opts};
    return path_of(&s);
}

const char *pn_config_output_path(const pn_config *c)
{
    if (!c->sink->info.fields) return NULL;
    const pn_section s = {
        .name = "", .fields = c->sink->info.fields, .base = c->sink_opts};
    return path_of(&s);
}

/* what no single field can see */
static pn_status check_together(const pn_config *c, const char *name, pn_err *err)
{
    const char *in = pn_config_input_path(c), *out = pn_config_output_path(c);
    if (!out) return PN_OK;
    if (in && strcmp(in, out) == 0)
        return pn_fail(err, PN_ECONFIG, "%s: output.path is input.path: %s", name, out);
    if (strcmp(c->model.path, out) == 0)
        return pn_fail(err, PN_ECONFIG, "%s: output.path is model.path: %s", name, out);
    return PN_OK;
}

static pn_status read_document(pn_config **out, const pn_yaml *y, const char *const *sets,
                               int n_sets, pn_err *err)
{
    const char *name = pn_yaml_name(y);
    pn_section sections[PN_CONFIG_SECTIONS];
    given g = {0};
    int n = 0;
    pn_config *c = calloc(1, sizeof(*c));
    if (!c) return pn_fail(err, PN_ENOMEM, "%s: out of memory", name);
    pn_status st = choose_stage(c, y, "input", sets, n_sets, err);
    if (!st) st = choose_stage(c, y, "output", sets, n_sets, err);
    if (!st) n = pn_config_sections(c, sections);
    for (int i = 0; i < n && !st; i++) {
        sections[i].given = &g.bits[i];
        st = pn_fields_defaults(&sections[i], err);
    }
    if (!st) st = pn_yaml_fill(y, sections, n, err);
    if (!st) st = apply_sets(sections, n, sets, n_sets, err);
    if (!st) st = pn_fields_required(sections, n, name, err);
    if (!st) st = check_together(c, name, err);
    if (st)
        pn_config_free(&c);
    else
        *out = c;
    return st;
}

pn_status pn_config_read(pn_config **out, const char *path, const char *const *sets,
                         int n_sets, pn_err *err)
{
    pn_yaml *y = NULL;
    pn_status st = pn_yaml_open(&y, path, err);
    if (!st) st = read_document(out, y, sets, n_sets, err);
    pn_yaml_close(&y);
    return st;
}

pn_status pn_config_parse(pn_config **out, const char *text, size_t size,
                          const char *name, const char *folder, const char *const *sets,
                          int n_sets, pn_err *err)
{
    pn_yaml *y = NULL;
    pn_status st = pn_yaml_parse(&y, text, size, name, folder, err);
    if (!st) st = read_document(out, y, sets, n_sets, err);
    pn_yaml_close(&y);
    return st;
}

void pn_config_free(pn_config **config)
{
    pn_config *c = *config;
    if (!c) return;
    pn_section sections[PN_CONFIG_SECTIONS];
    int n = pn_config_sections(c, sections);
    for (int i = 0; i < n; i++)
        if (sections[i].base) pn_fields_fini(&sections[i]);
    free(c->source_opts);
    free(c->sink_opts);
    free(c);
    *config = NULL;
}
