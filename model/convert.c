/* From files that a person names to a graph with everything on board that `run` will ask.
 */
#include "penult/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "model/convert_choose.h"
#include "model/convert_source.h"
#include "model/import_mmdnn.h"
#include "model/import_mxnet.h"
#include "model/onnx_read.h"
#include "penult/log.h"

enum { MAX_DIM = 1 << 20, MAX_NUMBERS = 1 << 28, IMAGE_CHANNELS = 3 };

typedef enum kind {
    KIND_SYMBOL,
    KIND_PARAMS,
    KIND_ONNX,
    KIND_IR,
    KIND_IR_WEIGHTS,
    N_KINDS
} kind;
static const char *const kind_names[N_KINDS] = {"a symbol JSON", "a .params file",
                                                "an ONNX model", "a graph of MMdnn",
                                                "the weights of MMdnn"};

typedef struct converter {
    const pn_convert_opts *o;
    pn_err *err;
    pn_graph *g;
    pn_file *files[N_KINDS]; /* at most one of each kind */
    pn_preprocess record;
    bool has_record;
    pn_mx_input_shape *shapes; /* one a flag, then one of the record */
    char **shape_names;
    int n_shapes;
    pn_source source;
} converter;

static pn_status out_of_memory(const converter *c)
{
    return pn_fail(c->err, PN_ENOMEM, "convert: out of memory");
}

/* ---- what is asked for ---- */

static pn_status read_record(converter *c)
{
    const pn_convert_opts *o = c->o;
    if (o->preset && o->preprocess)
        return pn_fail(c->err, PN_EINVAL,
                       "--preset and --preprocess: both name a preprocessing record");
    if (!o->preset && !o->preprocess) return PN_OK;
    c->has_record = true;
    return o->preset ? pn_preprocess_preset(&c->record, o->preset, c->err)
                     : pn_preprocess_read_yaml(&c->record, o->preprocess, c->err);
}

/* "[NAME=]C,H,W", or as many numbers as the input has dimensions without the batch;
 * name_size is 0 where there is no name */
static bool parse_shape(const char *text, size_t *name_size, pn_shape *s)
{
    const char *equals = strrchr(text, '='), *at = equals ? equals + 1 : text;
    size_t size = strlen(at);
    pn_mx_tuple t;
    char list[256];
    if (equals == text || size == 0 || at[size - 1] == ',' ||
        strspn(at, "0123456789,") != size ||
        snprintf(list, sizeof(list), "(%s)", at) >= (int)sizeof(list))
        return false;
    if (!pn_mx_parse_tuple(list, &t) || t.n < 1 || t.n >= PN_MAX_DIMS) return false;
    s->ndim = t.n;
    for (int i = 0; i < t.n; i++) {
        s->dim[i] = t.v[i];
        if (t.v[i] < 1 || t.v[i] > MAX_DIM) return false;
    }
    *name_size = equals ? (size_t)(equals - text) : 0;
    return true;
}

static pn_status read_shapes(converter *c)
{
    int n = c->o->n_input_shapes;
    c->shapes = calloc((size_t)n + 1, sizeof(*c->shapes));
    c->shape_names = calloc((size_t)n + 1, sizeof(*c->shape_names));
    if (!c->shapes || !c->shape_names) return out_of_memory(c);
    for (int i = 0; i < n; i++) {
        pn_mx_input_shape *s = &c->shapes[i];
        const char *text = c->o->input_shapes[i];
        size_t name_size;
        if (!parse_shape(text, &name_size, &s->shape))
            return pn_fail(c->err, PN_EINVAL, "--input-shape %s: must be [NAME=]C,H,W",
                           text);
        const int64_t numbers = pn_shape_count(&s->shape);
        if (numbers < 0 || numbers > MAX_NUMBERS)
            return pn_fail(c->err, PN_EINVAL,
                           "--input-shape %s: an image of more than %d numbers", text,
                           MAX_NUMBERS);
        if (name_size && !(c->shape_names[i] = strndup(text, name_size)))
            return out_of_memory(c);
        s->name = c->shape_names[i];
    }
    c->n_shapes = n;
    if (c->has_record) {
        pn_mx_input_shape *s = &c->shapes[c->n_shapes++];
        s->is_fallback = true;
        s->shape = (pn_shape){.ndim = 3,
                              .dim = {IMAGE_CHANNELS, c->record.height, c->record.width}};
    }
    return PN_OK;
}

/* ---- what is given ---- */

static bool begins_with(const pn_file *f, const char *bytes, size_t n)
{
    return f->size >= n && !memcmp(f->data, bytes, n);
}

/* A message's first field: the version of the IR as a rule, else any of a model's. A
 * damaged .params file begins like a producer's name, but for the zeros behind. */
static bool looks_like_onnx(const pn_file *f)
{
    if (f->size < 3) return false;
    switch (f->data[0]) {
    case 0x08:
    case 0x3A:
        return true;
    case 0x12:
    case 0x1A:
    case 0x42:
        return f->data[2] >= ' ' && f->data[2] < 0x7F;
    default:
        return false;
    }
}

static bool sniff(const pn_file *f, kind *out)
{
    size_t at = begins_with(f, "\xEF\xBB\xBF", 3) ? 3 : 0;
    while (at < f->size && at < 4096 && strchr(" \t\r\n", f->data[at]) && f->data[at])
        at++;
    if (at < f->size && f->data[at] == '{') {
        *out = KIND_SYMBOL;
        return true;
    }
    if (pn_mmdnn_is_graph(f) || pn_mmdnn_is_weights(f)) {
        *out = pn_mmdnn_is_graph(f) ? KIND_IR : KIND_IR_WEIGHTS;
        return true;
    }
    if (begins_with(f, "\x12\x01\0\0\0\0\0\0", 8) ||
        begins_with(f, "\0\0\0\0\0\0\x01\x12", 8) || begins_with(f, "PK\x03\x04", 4) ||
        begins_with(f, "\x93NUMPY", 6)) {
        *out = KIND_PARAMS;
        return true;
    }
    *out = KIND_ONNX;
    return looks_like_onnx(f);
}

static bool holds_weights(kind k)
{
    return k == KIND_PARAMS || k == KIND_ONNX || k == KIND_IR_WEIGHTS;
}

/* "a .params file" is what MXNet calls all of these */
static const char *kind_name(const pn_file *f, kind k)
{
    if (k == KIND_PARAMS && begins_with(f, "PK", 2)) return "an .npz archive";
    if (k == KIND_PARAMS && begins_with(f, "\x93NUMPY", 6)) return "an .npy array";
    return kind_names[k];
}

/* weights of PyTorch: a zip whose first entry is the pickle, or a header of JSON behind
 * its length */
static const char *pytorch_name(const pn_file *f)
{
    static const char entry[] = "/data.pkl";
    enum { NAME_AT = 30 };
    if (begins_with(f, "PK\3\4", 4) && f->size > NAME_AT) {
        const size_t size = pn_get_u16(f->data + 26), n = sizeof(entry) - 1;
        if (size > n && size <= f->size - NAME_AT &&
            !memcmp(f->data + NAME_AT + size - n, entry, n))
            return ".pth";
    }
    return f->size > 10 && pn_get_u64(f->data) <= f->size - 8 &&
                   !memcmp(f->data + 8, "{\"", 2)
               ? ".safetensors"
               : NULL;
}

static pn_status open_input(converter *c, const char *path)
{
    pn_file *f;
    kind k = N_KINDS;
    pn_status st = pn_file_open(&f, path, c->err);
    if (st) return st;
    if (!f->size)
        st = pn_fail(c->err, PN_EFORMAT, "%s: is empty", path);
    else if (pn_mmdnn_is_json(f->data, f->size) || begins_with(f, "node {", 6))
        st = pn_fail(c->err, PN_EUNSUPPORTED,
                     "%s: is MMdnn's IR as text: name the binary .pb that lies beside it",
                     path);
    else if (pytorch_name(f))
        st = pn_fail(c->err, PN_EUNSUPPORTED,
                     "%s: is a %s of PyTorch, weights without the network: "
                     "torch.onnx.export() writes both, to be converted from there",
                     path, pytorch_name(f));
    else if (!sniff(f, &k))
        st = pn_fail(
            c->err, PN_EFORMAT,
            "%s: is no symbol JSON, no .params file, no ONNX model and no MMdnn IR",
            path);
    else if (c->files[k])
        st = pn_fail(c->err, PN_EINVAL, "%s: is %s, and %s is %s", path, kind_name(f, k),
                     c->files[k]->path, kind_name(c->files[k], k));
    if (st) {
        pn_file_close(&f);
        return st;
    }
    c->files[k] = f;
    return PN_OK;
}

/* X.npy of X.pb, where only the latter is named */
static pn_status open_weights_beside(converter *c)
{
    if (!c->files[KIND_IR] || c->files[KIND_IR_WEIGHTS]) return PN_OK;
    const char *path = c->files[KIND_IR]->path, *dot = strrchr(path, '.');
    size_t stem = dot && !strchr(dot, '/') ? (size_t)(dot - path) : strlen(path);
    char *beside = malloc(stem + sizeof(".npy"));
    if (!beside) return out_of_memory(c);
    memcpy(beside, path, stem);
    memcpy(beside + stem, ".npy", sizeof(".npy"));
    pn_status st = open_input(c, beside);
    if (!st && !c->files[KIND_IR_WEIGHTS])
        st = pn_fail(c->err, PN_EFORMAT, "%s: holds no weights of MMdnn", beside);
    if (st) pn_err_prefix(c->err, "the weights of %s", path);
    free(beside);
    return st;
}

static pn_status check_inputs(const converter *c)
{
    static const unsigned together[] = {1 << KIND_SYMBOL | 1 << KIND_PARAMS,
                                        1 << KIND_ONNX,
                                        1 << KIND_IR | 1 << KIND_IR_WEIGHTS};
    char given[1024] = " nothing";
    unsigned kinds = 0;
    size_t used = 0;
    for (int k = 0; k < N_KINDS; k++) {
        if (!c->files[k]) continue;
        kinds |= 1U << k;
        used += (size_t)snprintf(given + used, sizeof(given) - used, "%s %.150s (%s)",
                                 used ? "," : "", c->files[k]->path,
                                 kind_name(c->files[k], k));
    }
    for (size_t i = 0; i < sizeof(together) / sizeof(*together); i++)
        if (kinds == together[i]) return PN_OK;
    return pn_fail(c->err, PN_EINVAL,
                   "convert takes a symbol JSON and its .params file, one ONNX model, or "
                   "MMdnn's .pb and .npy; given:%s",
                   given);
}

static pn_status open_inputs(converter *c)
{
    for (int i = 0; i < c->o->n_inputs; i++) {
        pn_status st = open_input(c, c->o->inputs[i]);
        if (st) return st;
    }
    pn_status st = open_weights_beside(c);
    if (!st) st = check_inputs(c);
    if (st) return st;
    for (int k = 0; k < N_KINDS && !st; k++)
        if (c->files[k])
            st = pn_source_add(&c->source, c->files[k],
                               holds_weights(k) ? c->o->digest : NULL);
    return st ? out_of_memory(c) : PN_OK;
}

/* ---- the graph ---- */

static pn_status check_shapes_used(const converter *c)
{
    for (int i = 0; i < c->o->n_input_shapes; i++)
        if (!c->shapes[i].is_used)
            return pn_fail(c->err, PN_EINVAL,
                           "--input-shape %s: the model has no such input",
                           c->o->input_shapes[i]);
    return PN_OK;
}

/* weights that do not fit may fit another size, which nobody has named in so many words
 */
static void say_where(const converter *c, const char *symbol)
{
    if (c->has_record && c->shapes[c->o->n_input_shapes].is_used)
        pn_err_prefix(c->err, "%s, for images of %dx%d as %s %s makes them", symbol,
                      c->record.height, c->record.width,
                      c->o->preset ? "--preset" : "--preprocess",
                      c->o->preset ? c->o->preset : c->o->preprocess);
    else
        pn_err_prefix(c->err, "%s", symbol);
}

static pn_status import_mxnet(converter *c)
{
    pn_file *symbol = c->files[KIND_SYMBOL], *params = c->files[KIND_PARAMS];
    pn_mx_symbol *s = NULL;
    pn_mx_params *p = NULL;
    pn_status st =
        pn_mx_symbol_read(&s, symbol->data, symbol->size, symbol->path, c->err);
    if (!st) st = pn_mx_params_read(&p, params, c->err);
    if (!st) {
        st = pn_mx_import_graph(&c->g, s, p, c->shapes, c->n_shapes, c->err);
        if (st) say_where(c, symbol->path);
    }
    pn_mx_symbol_free(&s);
    pn_mx_params_free(&p);
    if (!st) st = pn_graph_adopt_file(c->g, params);
    if (!st) c->files[KIND_PARAMS] = NULL; /* the graph's now */
    if (!st) st = check_shapes_used(c);
    return st;
}

static pn_status import_mmdnn(converter *c)
{
    pn_file *weights = c->files[KIND_IR_WEIGHTS];
    pn_status st = pn_mmdnn_import(&c->g, c->files[KIND_IR], weights, c->err);
    if (!st) st = pn_graph_adopt_file(c->g, weights);
    if (!st) c->files[KIND_IR_WEIGHTS] = NULL; /* the graph's now */
    return st;
}

static pn_status read_onnx(converter *c)
{
    const pn_file *model = c->files[KIND_ONNX], *f;
    pn_status st = pn_onnx_read_file(&c->g, c->files[KIND_ONNX], c->err);
    if (st) return st;
    c->files[KIND_ONNX] = NULL; /* the graph's now, as are weights beside the model */
    for (int i = 0; !st && (f = pn_graph_file(c->g, i)); i++)
        if (f != model) st = pn_source_add(&c->source, f, NULL);
    return st ? out_of_memory(c) : PN_OK;
}

/* a whole model brings its sizes along: a flag can only agree */
static pn_status read_model(converter *c)
{
    pn_status st = c->files[KIND_IR] ? import_mmdnn(c) : read_onnx(c);
    for (int i = 0; i < c->o->n_input_shapes && !st; i++) {
        pn_mx_input_shape *s = &c->shapes[i];
        for (int k = 0; k < c->g->n_inputs && !s->is_used; k++) {
            const pn_value *v = &c->g->values[c->g->inputs[k]];
            char is[PN_SHAPE_TEXT];
            if (s->name && strcmp(s->name, v->name) != 0) continue;
            s->is_used = true;
            bool fits = v->shape.ndim == s->shape.ndim + 1;
            for (int d = 0; fits && d < s->shape.ndim; d++)
                fits = v->shape.dim[d + 1] == s->shape.dim[d];
            if (!fits)
                return pn_fail(c->err, PN_EINVAL,
                               "--input-shape %s: the model's input \"%s\" is %s",
                               c->o->input_shapes[i], v->name,
                               pn_shape_text(&v->shape, is, sizeof(is)));
        }
    }
    return st ? st : check_shapes_used(c);
}

/* ---- what goes with it ---- */

static pn_status set_meta(converter *c, const char *key, const char *value)
{
    pn_status st = pn_graph_set_meta(c->g, key, value);
    return st ? pn_fail(c->err, st, "%s: %s", key, pn_status_name(st)) : PN_OK;
}

static pn_status add_record(converter *c)
{
    char is[PN_SHAPE_TEXT], *json = NULL;
    if (!c->has_record) {
        if (!pn_graph_meta(c->g, PN_META_PREPROCESS))
            pn_log(PN_LOG_WARN,
                   "no preprocessing record and no preset: run and classify will "
                   "refuse this model until it has one (--preprocess, --preset)");
        return PN_OK;
    }
    bool fits = false;
    const pn_value *v = NULL;
    for (int i = 0; i < c->g->n_inputs && !fits; i++) {
        v = &c->g->values[c->g->inputs[i]];
        fits = v->shape.ndim == 4 && v->shape.dim[1] == IMAGE_CHANNELS &&
               v->shape.dim[2] == c->record.height && v->shape.dim[3] == c->record.width;
    }
    if (!fits)
        return pn_fail(
            c->err, PN_EMISMATCH,
            "the preprocessing record makes 3x%dx%d, but the model's input is %s",
            c->record.height, c->record.width,
            v ? pn_shape_text(&v->shape, is, sizeof(is)) : "none");
    pn_status st = pn_preprocess_to_json(&c->record, &json);
    if (!st) st = set_meta(c, PN_META_PREPROCESS, json);
    free(json);
    return st;
}

static pn_status check_labels(const converter *c, const pn_labels *l, const char *where)
{
    const pn_value *v = &c->g->values[c->g->outputs[0]];
    int64_t classes = pn_shape_count(&v->shape);
    if (classes >= 0 && (uint64_t)classes == l->n) return PN_OK;
    return pn_fail(c->err, PN_EMISMATCH,
                   "%s: %zu labels, but the output \"%s\" has %lld classes", where, l->n,
                   v->name, (long long)classes);
}

static pn_status add_labels(converter *c)
{
    pn_labels l = {0};
    const char *path = c->o->labels;
    pn_status st =
        path ? pn_labels_read(&l, path, c->err) : pn_labels_of_graph(&l, c->g, c->err);
    if (st) return st;
    if (path || l.n) st = check_labels(c, &l, path ? path : PN_META_LABELS);
    if (path && !st) {
        char *text = NULL;
        size_t size = 0;
        FILE *to = open_memstream(&text, &size);
        for (size_t i = 0; to && i < l.n; i++)
            fprintf(to, "%s%s", i ? "\n" : "", l.lines[i]);
        st = to && fclose(to) == 0 ? set_meta(c, PN_META_LABELS, text) : out_of_memory(c);
        free(text);
    }
    pn_labels_fini(&l);
    return st;
}

static pn_status convert_all(converter *c)
{
    pn_status st = read_record(c);
    if (!st) st = read_shapes(c);
    if (!st) st = open_inputs(c);
    if (!st) st = c->files[KIND_SYMBOL] ? import_mxnet(c) : read_model(c);
    if (!st && c->g->n_outputs == 0)
        st = pn_fail(c->err, PN_EFORMAT, "%s: the graph has no output", c->o->inputs[0]);
    if (!st) st = add_record(c);
    if (!st) st = add_labels(c);
    if (!st) st = pn_choose_features(c->g, c->o->features, c->err);
    if (!st) st = pn_choose_scores(c->g, c->o->scores, c->err);
    if (!st && pn_source_store(&c->source, c->g)) st = out_of_memory(c);
    return st;
}

pn_status pn_convert(pn_graph **out, const pn_convert_opts *opts, pn_err *err)
{
    converter c = {.o = opts, .err = err};
    pn_status st = convert_all(&c);
    pn_source_fini(&c.source);
    for (int k = 0; k < N_KINDS; k++)
        if (c.files[k]) pn_file_close(&c.files[k]);
    for (int i = 0; i < opts->n_input_shapes && c.shape_names; i++)
        free(c.shape_names[i]);
    free(c.shape_names);
    free(c.shapes);
    if (st)
        pn_graph_free(&c.g);
    else
        *out = c.g;
    return st;
}
