/* What a result says about how it was made. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/run_parts.h"

enum { MAX_META_BYTES = 64 << 20 };

/* takes `value`; a failed allocation shows in the end, as jansson answers NULL to it */
static bool add(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

/* a JSON text of ours or of the model as a value; null if it cannot be read */
static json_t *parsed(const char *text)
{
    json_t *j = text && strlen(text) <= MAX_META_BYTES ? json_loads(text, 0, NULL) : NULL;
    return j ? j : json_null();
}

/* paths may hold bytes that are no UTF-8, which JSON cannot */
static json_t *text_value(const char *text)
{
    json_t *j = json_string(text);
    if (j) return j;
    char *clean = strdup(text);
    for (char *p = clean; p && *p; p++)
        if (*p & 0x80) *p = '?';
    j = clean ? json_string(clean) : NULL;
    free(clean);
    return j;
}

static char *dump(json_t *j, bool ok)
{
    char *text = ok ? json_dumps(j, 0) : NULL;
    json_decref(j);
    return text;
}

static char *model_json(const pn_network *net, const char *preprocess)
{
    json_t *j = json_object();
    bool ok = add(j, "path", text_value(net->path));
    ok = ok && add(j, "sha256", json_string(net->sha256));
    ok = ok && add(j, "bytes", json_integer(net->file_bytes));
    ok = ok && add(j, "source", parsed(net->source));
    ok = ok && add(j, "preprocess", parsed(preprocess));
    ok = ok && add(j, "classes", json_integer((json_int_t)net->classes));
    ok = ok && add(j, "scores", json_string(net->softmax ? "softmax" : "as-is"));
    ok = ok && add(j, "cpu", json_string(pn_cpu_name(net->info.cpu)));
    ok = ok && add(j, "exact", json_boolean(net->info.exact));
    ok = ok && add(j, "penult", json_string(PENULT_VERSION));
    return dump(j, ok);
}

static char *labels_json(const pn_network *net)
{
    json_t *j = json_array();
    bool ok = j != NULL;
    for (size_t i = 0; i < net->labels.n && ok; i++)
        ok = json_array_append_new(j, text_value(net->labels.lines[i])) == 0;
    return dump(j, ok);
}

static char *features_json(const pn_network *net, const char *dtype)
{
    json_t *j = json_object();
    bool none = net->features_tap < 0;
    bool ok = add(j, "tensor", none ? json_null() : json_string(net->features_name));
    ok = ok && add(j, "count", json_integer(none ? 0 : (json_int_t)net->n_features));
    ok = ok && add(j, "dtype", none ? json_null() : json_string(dtype));
    if (!none) {
        const pn_shape *s = pn_model_tap_shape(net->model, net->features_tap);
        json_t *shape = json_array();
        for (int i = 0; i < s->ndim && ok; i++)
            ok = json_array_append_new(shape, json_integer(s->dim[i])) == 0;
        ok = add(j, "shape", shape) && ok;
    }
    return dump(j, ok);
}

pn_status pn_run_meta_init(pn_run_meta *m, const pn_config *c, const pn_network *net,
                           const char *dtype, pn_err *err)
{
    char *preprocess = NULL;
    pn_status st = pn_preprocess_to_json(&net->preprocess, &preprocess);
    if (!st) st = pn_config_print_json(c, &m->config);
    if (!st) {
        m->model = model_json(net, preprocess);
        m->labels = labels_json(net);
        m->features = features_json(net, dtype);
        if (!m->model || !m->labels || !m->features) st = PN_ENOMEM;
    }
    free(preprocess);
    if (!st) return PN_OK;
    pn_run_meta_fini(m);
    return pn_fail(err, st, "describe the run: %s", pn_status_name(st));
}

void pn_run_meta_fini(pn_run_meta *m)
{
    free(m->config);
    free(m->model);
    free(m->labels);
    free(m->features);
    *m = (pn_run_meta){0};
}
