/* A result LMDB: how many, how made, and one record of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/show.h"
#include "stages/sink/read_result.h"
#include "stages/sink/result_format.h"

enum { SHOWN_FEATURES = 8 };

/* a JSON text of the result's own; NULL if it has none or it is damaged */
static json_t *parse(const char *text)
{
    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}

static const char *label_of(const json_t *labels, uint32_t index, char *buf, size_t size)
{
    const char *label = json_string_value(json_array_get(labels, index));
    if (label) return label;
    snprintf(buf, size, "class %u", index);
    return buf;
}

static void print_counts(const pn_result_info *i)
{
    printf("images: %" PRIu64 ", %" PRIu64 " labelled, %" PRIu64 " failed%s\n",
           i->n_items, i->n_predictions, i->n_errors,
           i->is_complete ? "" : " (the run did not come to its end)");
    for (int r = 0; r < PN_N_REASONS; r++)
        if (r != PN_REASON_NONE && i->by_reason[r])
            printf("  %s: %" PRIu64 "\n", pn_reason_name((pn_reason)r), i->by_reason[r]);
}

static void print_made(const pn_result_info *i)
{
    json_t *model = parse(i->model), *features = parse(i->features);
    const char *path = json_string_value(json_object_get(model, "path"));
    const char *digest = json_string_value(json_object_get(model, "sha256"));
    const char *tensor = json_string_value(json_object_get(features, "tensor"));
    const char *dtype = json_string_value(json_object_get(features, "dtype"));
    printf("schema: version %d\n", i->version);
    if (path) pn_print_line(stdout, "model: %s", path);
    if (digest) pn_print_line(stdout, "model's SHA-256: %s", digest);
    if (tensor)
        pn_print_line(stdout, "features: %s, %" PRIu64 " vectors of %lld %s", tensor,
                      i->n_features,
                      (long long)json_integer_value(json_object_get(features, "count")),
                      dtype ? dtype : "");
    else
        printf("features: none\n");
    json_decref(model);
    json_decref(features);
}

static void print_record(const pn_record *r, const json_t *labels)
{
    char key[4 * PN_KEY_TEXT], buf[32];
    printf("\nrecord %s\n", pn_key_text(r->key, r->key_size, key, sizeof(key)));
    if (r->failed) {
        pn_print_line(stdout, "  failed: %s: %s", r->reason, r->text);
        return;
    }
    for (size_t i = 0; i < r->n_top; i++)
        pn_print_line(stdout, "  %.2f%% -> %s", 100.0 * (double)r->top[i].probability,
                      label_of(labels, r->top[i].index, buf, sizeof(buf)));
    if (r->n_labels) {
        printf("  the source's labels:");
        for (size_t i = 0; i < r->n_labels; i++)
            printf(" %g", (double)r->labels[i]);
        putchar('\n');
    }
    if (!r->features) return;
    printf("  features (%zu%s):", r->n_features, r->is_f16 ? ", float16" : "");
    for (size_t i = 0; i < r->n_features && i < SHOWN_FEATURES; i++)
        printf(" %.6g", (double)r->features[i]);
    puts(r->n_features > SHOWN_FEATURES ? " ..." : "");
}

static json_t *record_json(const pn_record *r, const json_t *labels)
{
    char buf[32];
    json_t *j = json_object();
    json_object_set_new(j, "key", pn_cli_json_text((const char *)r->key, r->key_size));
    if (r->failed) {
        json_object_set_new(j, "error",
                            json_pack("{s:o, s:o}", "reason",
                                      pn_cli_json_text(r->reason, strlen(r->reason)),
                                      "text",
                                      pn_cli_json_text(r->text, strlen(r->text))));
        return j;
    }
    json_t *top = json_array(), *own = json_array(), *features = json_array();
    for (size_t i = 0; i < r->n_top; i++)
        json_array_append_new(
            top,
            json_pack("{s:I, s:s, s:o}", "class", (json_int_t)r->top[i].index, "label",
                      label_of(labels, r->top[i].index, buf, sizeof(buf)), "probability",
                      pn_cli_json_number((double)r->top[i].probability)));
    for (size_t i = 0; i < r->n_labels; i++)
        json_array_append_new(own, pn_cli_json_number((double)r->labels[i]));
    for (size_t i = 0; r->features && i < r->n_features; i++)
        json_array_append_new(features, pn_cli_json_number((double)r->features[i]));
    json_object_set_new(j, "top", top);
    json_object_set_new(j, "source_labels", own);
    json_object_set_new(j, "features", r->features ? features : json_null());
    if (!r->features) json_decref(features);
    return j;
}

static json_t *or_null(json_t *j)
{
    return j ? j : json_null();
}

static pn_status print_json(const pn_show_opts *o, const pn_result_info *i,
                            const pn_record *r, const json_t *labels)
{
    json_t *reasons = json_object();
    for (int k = 0; k < PN_N_REASONS; k++)
        if (k != PN_REASON_NONE && i->by_reason[k])
            json_object_set_new(reasons, pn_reason_name((pn_reason)k),
                                json_integer((json_int_t)i->by_reason[k]));
    return pn_cli_print_json(
        json_pack("{s:s, s:o, s:i, s:b, s:{s:I, s:I, s:I, s:I, s:o}, s:o, s:o, s:o, "
                  "s:o}",
                  "kind", "result", "path",
                  pn_cli_json_text(o->files.paths[0], strlen(o->files.paths[0])),
                  "version", i->version, "complete", (int)i->is_complete, "counts",
                  "items", (json_int_t)i->n_items, "predictions",
                  (json_int_t)i->n_predictions, "features", (json_int_t)i->n_features,
                  "errors", (json_int_t)i->n_errors, "reasons", reasons, "model",
                  or_null(parse(i->model)), "features", or_null(parse(i->features)),
                  "config", or_null(parse(i->config)), "record",
                  r ? record_json(r, labels) : json_null()),
        1);
}

pn_status pn_show_result(const pn_show_opts *o, pn_err *err)
{
    pn_result *r = NULL;
    pn_record record;
    pn_status st = pn_result_open(&r, o->files.paths[0], err);
    if (st) return st;
    const pn_result_info *info = pn_result_get_info(r);
    st = o->key ? pn_result_find(r, o->key, strlen(o->key), &record, err)
                : pn_result_next(r, &record, err);
    bool empty = st == PN_END;
    json_t *labels = parse(info->labels);
    if (empty) st = PN_OK;
    if (!st && o->form == PN_SHOW_JSON) {
        st = print_json(o, info, empty ? NULL : &record, labels);
    } else if (!st) {
        pn_print_line(stdout, "result %s", o->files.paths[0]);
        print_counts(info);
        print_made(info);
        if (!empty) print_record(&record, labels);
    }
    json_decref(labels);
    pn_result_close(&r);
    return st;
}
