/* A network as PyTorch: NAME.py that builds it, NAME.safetensors and NAME.pth that fill
 * it. The source is meant to be read and changed by a person: what repeats is a class,
 * what does not stands flat, and no argument is written that PyTorch takes anyway. */
#include "model/export_pytorch.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/export.h"
#include "model/export_state.h"
#include "penult/convert.h"
#include "penult/preprocess.h"

enum {
    MANY_MEMBERS = 24
}; /* more, and layers of convolution and BatchNorm get a class */

/* the step whose module has one output a class: behind it are only steps that keep what
 * was computed a class apart */
static void find_classifier(pt_export *e)
{
    const pn_graph *g = e->g;
    if (e->n_results != 1 || g->values[g->outputs[0]].shape.ndim < 2) return;
    int value = e->same_as[g->outputs[0]];
    int64_t n_classes = g->values[value].shape.dim[1];
    for (int i = e->n_steps - 1; i >= 0; i--) {
        pt_step *s = &e->steps[i];
        if (s->n_outputs != 1 || s->outputs[0] != value) continue;
        const pt_member *m = s->n_members == 1 ? s->members[0] : NULL;
        if (m && m->make &&
            (!strcmp(m->make, "nn.Linear") || !strncmp(m->make, "nn.Conv2", 8))) {
            bool is_whole =
                m->make[3] == 'L' || !strcmp(m->args[6].text, "1"); /* groups */
            const char *count = pt_format(e, "%lld", (long long)n_classes);
            if (!is_whole || strcmp(m->args[1].text, count) != 0) return;
            s->is_alone = true;
            e->head = s->members[0];
            e->head->args[1].text = "num_classes";
            e->n_classes = n_classes;
            return;
        }
        bool keeps = s->op == PN_OP_SOFTMAX || s->op == PN_OP_LOG_SOFTMAX ||
                     s->op == PN_OP_DROPOUT || s->op == PN_OP_RELU ||
                     s->op == PN_OP_SIGMOID || s->op == PN_OP_GLOBAL_AVERAGE_POOL ||
                     s->op == PN_OP_GLOBAL_MAX_POOL || s->op == PN_OP_AVERAGE_POOL ||
                     s->op == PN_OP_REDUCE_MEAN ||
                     !strcmp(s->text, "torch.flatten($0, 1)");
        if (!keeps) return;
        value = s->inputs[0];
        if (g->values[value].shape.ndim < 2 || g->values[value].shape.dim[1] != n_classes)
            return;
    }
}

/* what all names of the network begin with says nothing in its own class */
static void strip_prefix(pt_export *e)
{
    size_t prefix = pt_common_prefix(e->steps, e->n_steps);
    const char *of = "";
    for (int i = 0; i < e->n_steps && !*of; i++)
        if (e->steps[i].n_members && e->steps[i].members[0]->make) of = e->steps[i].name;
    for (int i = 0; i < e->n_steps; i++) {
        pt_step *s = &e->steps[i];
        if (strlen(s->name) > prefix && !strncmp(s->name, of, prefix)) s->name += prefix;
        for (int k = 0; k < s->n_members; k++) {
            pt_member *m = s->members[k];
            if (strlen(m->name) > prefix && !strncmp(m->name, of, prefix))
                m->name += prefix;
        }
    }
}

/* Every step of its own is made anew where layers become classes first: what was folded
 * before them would hide them. */
static void build(pt_export *e)
{
    pt_step *room = e->steps;
    for (int with_layers = 0; with_layers < 2 && !e->is_failed; with_layers++) {
        e->classes = NULL;
        e->class_names = (pt_names){0};
        e->head = NULL;
        e->steps = room;
        pt_unique(e, &e->class_names, e->class_name);
        pt_make_steps(e);
        if (e->is_failed || e->n_refused) return;
        strip_prefix(e);
        find_classifier(e);
        if (with_layers) pt_fold_layers(e);
        pt_fold_repeats(e);
        if (!e->is_failed) pt_fold_chains(e);
        if (e->is_failed || pt_count_members(e) <= MANY_MEMBERS) break;
    }
    if (e->is_failed) return;
    pt_name_members(e, e->steps, e->n_steps);
    if (e->head) e->classifier = e->head->name;
}

void pt_collect_state(pt_export *e, pt_state *out)
{
    int n = 0;
    for (int i = 0; i < e->n_steps; i++)
        for (int k = 0; k < e->steps[i].n_members; k++)
            n += e->steps[i].members[k]->n_tensors;
    *out =
        (pt_state){.g = e->g, .items = pt_alloc(e, (size_t)n + 1, sizeof(*out->items))};
    for (int i = 0; i < e->n_steps && !e->is_failed; i++)
        for (int k = 0; k < e->steps[i].n_members; k++) {
            const pt_member *m = e->steps[i].members[k];
            for (int t = 0; t < m->n_tensors; t++) {
                pt_tensor *to = &out->items[out->n++];
                *to = m->tensors[t];
                to->key = *to->key ? pt_format(e, "%s.%s", m->name, to->key) : m->name;
            }
        }
}

static const char *numbers_text(pt_export *e, const double *v)
{
    return pt_format(e, "(%.6g, %.6g, %.6g)", v[0], v[1], v[2]);
}

static void put_preprocessing(pt_export *e, FILE *to)
{
    static const char *const filters[] = {"nearest", "bilinear", "bicubic"};
    pn_preprocess p;
    const char *json = pn_graph_meta(e->g, PN_META_PREPROCESS);
    if (!json || pn_preprocess_from_json(&p, json, "metadata", NULL)) return;
    const char *way;
    switch (p.geometry) {
    case PN_GEOMETRY_SQUASH:
        way = pt_format(e, "resized to %d x %d", p.height, p.width);
        break;
    case PN_GEOMETRY_SHORT_SIDE_CROP:
        way = pt_format(e, "short side to %d, then the centre of %d x %d", p.short_side,
                        p.height, p.width);
        break;
    case PN_GEOMETRY_LETTERBOX:
        way = pt_format(e, "fitted into %d x %d on %d", p.height, p.width, p.fill);
        break;
    default:
        way = pt_format(e, "the centre square, resized to %d x %d", p.height, p.width);
    }
    fprintf(to, "Pixels: %s (Pillow's %s), %s,\n", way, filters[p.filter],
            p.channels == PN_CHANNELS_RGB ? "RGB" : "BGR");
    if (p.scale == 1)
        fprintf(to, "    0..255, ");
    else
        fprintf(to, "    0..255 times %.9g, ", p.scale);
    fprintf(to, "minus %s, divided by %s.\n", numbers_text(e, p.mean),
            numbers_text(e, p.std));
}

static void put_labels(pt_export *e, FILE *to)
{
    pn_labels l = {0};
    if (pn_labels_of_graph(&l, e->g, NULL) == PN_OK && l.n)
        fprintf(
            to,
            "Classes: %zu, from \"%.80s\" to \"%.80s\";\n"
            "    all lines are \"penult.labels\" in the metadata of %s.safetensors.\n",
            l.n, pt_comment(e, l.lines[0]), pt_comment(e, l.lines[l.n - 1]),
            e->module_name);
    pn_labels_fini(&l);
}

static void put_source(pt_export *e, FILE *to)
{
    const char *json = pn_graph_meta(e->g, PN_META_SOURCE);
    json_t *list = json ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : NULL;
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry)
    {
        const char *file = json_string_value(json_object_get(entry, "file"));
        const char *sha = json_string_value(json_object_get(entry, "sha256"));
        if (file && sha)
            fprintf(to, "%s%s (SHA-256 %.64s)\n",
                    i ? "    " : "Made from: ", pt_comment(e, file), pt_comment(e, sha));
    }
    json_decref(list);
}

static void put_docstring(pt_export *e, FILE *to)
{
    const pn_graph *g = e->g;
    char shape[PN_SHAPE_TEXT];
    fprintf(to, "\"\"\"%s" PN_PYTORCH_MARK "%s.\n\n", e->class_name, PENULT_VERSION);
    for (int i = 0; i < g->n_inputs; i++)
        fprintf(to, "Input: %s\n",
                pn_shape_text(&g->values[g->inputs[i]].shape, shape, sizeof(shape)));
    put_preprocessing(e, to);
    for (int i = 0; i < e->n_results; i++)
        fprintf(to, "Output: %s, %.200s\n",
                pn_shape_text(&g->values[g->outputs[i]].shape, shape, sizeof(shape)),
                pt_comment(e, g->values[g->outputs[i]].name));
    put_labels(e, to);
    if (e->features != PN_NONE)
        fprintf(to, "Features: forward_features(), %s, %.200s\n",
                pn_shape_text(&g->values[e->features].shape, shape, sizeof(shape)),
                pt_comment(e, g->values[e->features].name));
    else
        fprintf(to, "Features: none, so there is no forward_features().\n");
    put_source(e, to);
    fprintf(to, "\n");
    const char *module = pt_put_import(e, to);
    fprintf(to, "    model = %s.load()                 # trained, in eval mode\n",
            module);
    if (e->classifier)
        fprintf(
            to,
            "    model = %s.load(num_classes=10)   # the classifier fresh, to train\n",
            module);
    else
        fprintf(to, "\nIt ends in no classifying layer whose outputs could be others in "
                    "number:\nload() takes no num_classes.\n");
    fprintf(to, "\"\"\"\n");
}

static void put_load(pt_export *e, FILE *to)
{
    const char *name = e->class_name;
    fprintf(to, "\n\ndef load(path=None%s):\n",
            e->classifier ? pt_format(e, ", num_classes=%lld", (long long)e->n_classes)
                          : "");
    fprintf(to,
            "    \"\"\"The trained network, from a .safetensors file or one of "
            "torch.save.\n\n"
            "    Without a path from the one beside this module: .safetensors if that "
            "package is\n    installed, else .pth.");
    if (e->classifier)
        fprintf(to,
                " With another number of classes than\n"
                "    the file's, %s is left as it was born.",
                e->classifier);
    fprintf(to,
            "\n    \"\"\"\n"
            "    if path is None:  # what has no name in UTF-8, safetensors cannot open\n"
            "        is_safe = load_file and __file__.isprintable()\n"
            "        path = Path(__file__).with_suffix(\".safetensors\" if is_safe else "
            "\".pth\")\n"
            "    if str(path).endswith(\".safetensors\"):\n"
            "        if not load_file:\n"
            "            raise ImportError(f\"{path}: safetensors is not installed\")\n"
            "        state = load_file(path)\n"
            "    else:\n"
            "        state = torch.load(path, map_location=\"cpu\", weights_only=True)\n"
            "    model = %s(%s)\n",
            name, e->classifier ? "num_classes" : "");
    if (e->classifier)
        fprintf(to,
                "    if num_classes != %lld:\n"
                "        for key, fresh in "
                "model.%s.state_dict(prefix=\"%s.\").items():\n"
                "            if key in state and state[key].shape != fresh.shape:\n"
                "                state[key] = fresh\n",
                (long long)e->n_classes, e->classifier, e->classifier);
    fprintf(to, "    model.load_state_dict(state)\n    return model.eval()\n");
}

/* imports of what the classes use, and the classes */
static void put_source_file(pt_export *e, FILE *to)
{
    char *classes = NULL;
    size_t size = 0;
    FILE *part = open_memstream(&classes, &size);
    if (!part) {
        e->is_failed = true;
        return;
    }
    pt_put_module(e, part);
    if (fclose(part) != 0) e->is_failed = true;
    if (!e->is_failed) {
        put_docstring(e, to);
        fprintf(to,
                "from pathlib import Path\n\nimport torch\n%sfrom torch import nn\n\n",
                strstr(classes, "F.") ? "import torch.nn.functional as F\n" : "");
        fprintf(to,
                "try:\n    from safetensors.torch import load_file\n"
                "except ImportError:  # the .pth needs PyTorch alone\n"
                "    load_file = None\n\n\n%s",
                classes);
        put_load(e, to);
    }
    free(classes);
}

/* NAME of folder/NAME.py, and the network's class after it */
static void choose_names(pt_export *e, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    e->stem = pt_format(e, "%.*s", (int)strlen(name) - 3, name);
    e->module_name = pt_comment(e, e->stem);
    e->class_name = pt_camel_case(e, e->module_name, "Net");
    const char *features = pn_graph_meta(e->g, PN_META_FEATURES);
    e->features = features ? pn_graph_find(e->g, features) : PN_NONE;
    e->n_results = e->g->n_outputs;
    /* the feature tensor, where it is no result of the model's own, stands last */
    if (e->n_results > 1 && e->g->outputs[e->n_results - 1] == e->features)
        e->n_results--;
}

static pn_status check(pt_export *e, const char *path, pn_err *err)
{
    if (fflush(e->refusals) != 0) e->is_failed = true;
    if (e->n_refused && !e->is_failed)
        return pn_fail(err, PN_EUNSUPPORTED,
                       "write %s: PyTorch has no words for %d node%s: %s", path,
                       e->n_refused, e->n_refused == 1 ? "" : "s", e->refused);
    return e->is_failed ? PN_ENOMEM : PN_OK;
}

static pn_status write_text(const char *path, const char *text, size_t size,
                            pn_outset *to, pn_err *err)
{
    pn_outfile *f;
    pn_status st = pn_outset_open(to, &f, path, err);
    return st ? st : pn_outfile_write(f, text, size, err);
}

static pn_status write_files(pt_export *e, const char *path, pn_outset *set, pn_err *err)
{
    pt_state state;
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to) return PN_ENOMEM;
    put_source_file(e, to);
    pt_collect_state(e, &state);
    if (fclose(to) != 0) e->is_failed = true;
    const char *stem = pt_format(e, "%.*s", (int)strlen(path) - 3, path);
    const char *safetensors = pt_format(e, "%s.safetensors", stem);
    const char *pth = pt_format(e, "%s.pth", stem);
    pn_status st = e->is_failed ? PN_ENOMEM : PN_OK;
    if (!st) st = pt_write_safetensors(&state, safetensors, set, err);
    if (!st) st = pt_write_pth(&state, pth, set, err);
    if (!st) st = write_text(path, text, size, set, err);
    free(text);
    return st;
}

pn_status pn_export_pytorch(const pn_graph *g, const char *path, pn_outset *to,
                            pn_err *err)
{
    pt_export e = {.g = g};
    pn_status st = PN_OK;
    e.refusals = open_memstream(&e.refused, &e.refused_size);
    e.steps = pt_alloc(&e, (size_t)g->n_nodes + 1, sizeof(*e.steps));
    e.same_as = pt_alloc(&e, (size_t)g->n_values + 1, sizeof(*e.same_as));
    if (!e.refusals) e.is_failed = true;
    if (!e.is_failed) {
        choose_names(&e, path);
        build(&e);
    }
    st = e.refusals ? check(&e, path, err) : PN_ENOMEM;
    if (!st) st = write_files(&e, path, to, err);
    if (st == PN_ENOMEM) pn_fail(err, st, "write %s: out of memory", path);
    if (e.refusals) fclose(e.refusals);
    free(e.refused);
    pn_arena_fini(&e.arena);
    return st;
}
