/* libyaml's only caller. A file is read twice: once as events, where what we refuse can
 * still be seen (the document model hides aliases) and is met before it can cost
 * anything, and once as a document whose nodes know their places. */
#include "base/yaml.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "base/scalar.h"

enum { MAX_BYTES = 1 << 20, MAX_DEPTH = 32, WHERE = 4096 + 64 };

struct pn_yaml {
    char *name, *folder;
    yaml_document_t doc;
    bool loaded;
};

static const char *place(const pn_yaml *y, yaml_mark_t mark, char buf[WHERE])
{
    snprintf(buf, WHERE, "%s:%zu:%zu", y->name, mark.line + 1, mark.column + 1);
    return buf;
}

static pn_status parser_failed(const pn_yaml *y, const yaml_parser_t *p, pn_err *err)
{
    char where[WHERE];
    if (p->error == YAML_MEMORY_ERROR)
        return pn_fail(err, PN_ENOMEM, "%s: out of memory", y->name);
    if (p->error == YAML_READER_ERROR)
        return pn_fail(err, PN_ECONFIG, "%s: byte %zu: %s", y->name, p->problem_offset,
                       p->problem ? p->problem : "not UTF-8");
    return pn_fail(err, PN_ECONFIG, "%s: %s%s%s", place(y, p->problem_mark, where),
                   p->problem ? p->problem : "not YAML", p->context ? " " : "",
                   p->context ? p->context : "");
}

/* what of the language this kind of record has no use for */
static const char *refused(const yaml_event_t *e)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return "aliases are not allowed";
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor) return "anchors are not allowed";
    return tag ? "tags are not allowed" : NULL;
}

static void start_parser(yaml_parser_t *p, const void *text, size_t size)
{
    yaml_parser_set_encoding(p, YAML_UTF8_ENCODING);
    /* editors on Windows put one there; libyaml skips it only where it guesses encodings
     */
    static const char bom[] = "\xEF\xBB\xBF";
    const size_t skip = size >= 3 && memcmp(text, bom, 3) == 0 ? 3 : 0;
    yaml_parser_set_input_string(p, (const unsigned char *)text + skip, size - skip);
}

static pn_status scan_events(const pn_yaml *y, const void *text, size_t size, pn_err *err)
{
    yaml_parser_t p;
    pn_status st = PN_OK;
    int depth = 0, documents = 0;
    bool done = false;
    if (!yaml_parser_initialize(&p))
        return pn_fail(err, PN_ENOMEM, "%s: out of memory", y->name);
    start_parser(&p, text, size);
    while (!st && !done) {
        char where[WHERE];
        yaml_event_t e;
        if (!yaml_parser_parse(&p, &e)) {
            st = parser_failed(y, &p, err);
            break;
        }
        const char *why = refused(&e);
        if (e.type == YAML_MAPPING_START_EVENT || e.type == YAML_SEQUENCE_START_EVENT)
            depth++;
        if (e.type == YAML_MAPPING_END_EVENT || e.type == YAML_SEQUENCE_END_EVENT)
            depth--;
        if (depth > MAX_DEPTH) why = "nested more than 32 levels deep";
        if (e.type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
            why = "a second document is not allowed";
        if (why)
            st = pn_fail(err, PN_ECONFIG, "%s: %s", place(y, e.start_mark, where), why);
        done = e.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&p);
    return st;
}

static pn_status load_document(pn_yaml *y, const void *text, size_t size, pn_err *err)
{
    yaml_parser_t p;
    if (!yaml_parser_initialize(&p))
        return pn_fail(err, PN_ENOMEM, "%s: out of memory", y->name);
    start_parser(&p, text, size);
    pn_status st = PN_OK;
    if (yaml_parser_load(&p, &y->doc))
        y->loaded = true;
    else
        st = parser_failed(y, &p, err);
    yaml_parser_delete(&p);
    if (st) return st;
    const yaml_node_t *root = yaml_document_get_root_node(&y->doc);
    char where[WHERE];
    if (!root) return pn_fail(err, PN_ECONFIG, "%s:1:1: the file is empty", y->name);
    if (root->type != YAML_MAPPING_NODE)
        return pn_fail(err, PN_ECONFIG, "%s: a mapping (key: value) is wanted here",
                       place(y, root->start_mark, where));
    return PN_OK;
}

pn_status pn_yaml_parse(pn_yaml **out, const char *text, size_t size, const char *name,
                        const char *folder, pn_err *err)
{
    pn_yaml *y = calloc(1, sizeof(*y));
    if (!y) return pn_fail(err, PN_ENOMEM, "%s: out of memory", name);
    pn_status st = PN_OK;
    y->name = strdup(name);
    y->folder = folder ? strdup(folder) : NULL;
    if (!y->name || (folder && !y->folder))
        st = pn_fail(err, PN_ENOMEM, "%s: out of memory", name);
    else if (size > MAX_BYTES)
        st = pn_fail(err, PN_ECONFIG, "%s: %zu bytes: at most %d are allowed", name, size,
                     MAX_BYTES);
    if (!st) st = scan_events(y, text, size, err);
    if (!st) st = load_document(y, text, size, err);
    if (st)
        pn_yaml_close(&y);
    else
        *out = y;
    return st;
}

pn_status pn_yaml_open(pn_yaml **out, const char *path, pn_err *err)
{
    pn_file *file = NULL;
    pn_status st = pn_file_open(&file, path, err);
    if (st) return st;
    char *copy = strdup(path);
    if (copy)
        st = pn_yaml_parse(out, (const char *)file->data, file->size, path, dirname(copy),
                           err);
    else
        st = pn_fail(err, PN_ENOMEM, "%s: out of memory", path);
    free(copy);
    pn_file_close(&file);
    return st;
}

void pn_yaml_close(pn_yaml **yaml)
{
    pn_yaml *y = *yaml;
    if (!y) return;
    if (y->loaded) yaml_document_delete(&y->doc);
    free(y->name);
    free(y->folder);
    free(y);
    *yaml = NULL;
}

const char *pn_yaml_name(const pn_yaml *y)
{
    return y->name;
}

/* libyaml's getters want a document they may write to */
static const yaml_node_t *node(const pn_yaml *y, int id)
{
    return y->doc.nodes.start + id - 1;
}

static const char *scalar_text(const yaml_node_t *n)
{
    return (const char *)n->data.scalar.value;
}

static bool is_text(const yaml_node_t *n)
{
    return n->type == YAML_SCALAR_NODE && strlen(scalar_text(n)) == n->data.scalar.length;
}

static bool is_plain(const yaml_node_t *n)
{
    return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static const yaml_node_t *lookup(const pn_yaml *y, const yaml_node_t *map,
                                 const char *key)
{
    if (!map || map->type != YAML_MAPPING_NODE) return NULL;
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start;
         p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *k = node(y, p->key);
        if (is_text(k) && strcmp(scalar_text(k), key) == 0) return node(y, p->value);
    }
    return NULL;
}

const char *pn_yaml_peek(const pn_yaml *y, const char *section, const char *key,
                         char **where)
{
    char buf[WHERE];
    const yaml_node_t *map = node(y, 1);
    if (*section) map = lookup(y, map, section);
    const yaml_node_t *value = lookup(y, map, key);
    if (!value || !is_text(value)) return NULL;
    if (where) *where = strdup(place(y, value->start_mark, buf));
    return scalar_text(value);
}

/* quotes make a text of a number; words may stand in them */
static bool takes_quotes(const pn_field *f)
{
    return f->type == PN_FIELD_STRING || f->type == PN_FIELD_PATH ||
           f->type == PN_FIELD_STRINGS || f->type == PN_FIELD_ENUM ||
           f->type == PN_FIELD_LIMIT;
}

static pn_status check_scalar(const pn_yaml *y, const pn_section *s, const pn_field *f,
                              const yaml_node_t *n, pn_err *err)
{
    char where[WHERE];
    const char *why = NULL;
    if (n->type != YAML_SCALAR_NODE)
        why = "a plain value is wanted here";
    else if (!is_text(n))
        why = "a NUL byte is not allowed";
    else if (is_plain(n) && pn_scalar_is_null(scalar_text(n)))
        why = "there is no value";
    else if (!is_plain(n) && !takes_quotes(f))
        why = "no quotes round this kind of value";
    if (!why) return PN_OK;
    return pn_fail(err, PN_ECONFIG, "%s: %s%s%s: %s", place(y, n->start_mark, where),
                   s->name, *s->name ? "." : "", f->key, why);
}

static pn_status set_sequence(const pn_yaml *y, const pn_section *s, const pn_field *f,
                              const yaml_node_t *n, pn_err *err)
{
    char where[WHERE];
    const yaml_node_item_t *first = n->data.sequence.items.start;
    size_t count = (size_t)(n->data.sequence.items.top - first);
    const char **items = calloc(count + 1, sizeof(*items));
    pn_status st = PN_OK;
    if (!items) return pn_fail(err, PN_ENOMEM, "%s: out of memory", y->name);
    for (size_t i = 0; i < count && !st; i++) {
        const yaml_node_t *item = node(y, first[i]);
        st = check_scalar(y, s, f, item, err);
        if (!st) items[i] = scalar_text(item);
    }
    if (!st)
        st = pn_field_set_items(s, f, items, count, place(y, n->start_mark, where),
                                y->folder, err);
    free(items);
    return st;
}

static pn_status set_value(const pn_yaml *y, const pn_section *s, const pn_field *f,
                           const yaml_node_t *n, pn_err *err)
{
    char where[WHERE];
    if (n->type == YAML_SEQUENCE_NODE) return set_sequence(y, s, f, n, err);
    pn_status st = check_scalar(y, s, f, n, err);
    if (st) return st;
    const char *text = scalar_text(n);
    place(y, n->start_mark, where);
    /* `a, b` without brackets is a list of texts; numbers want their brackets */
    if (f->type == PN_FIELD_STRINGS && is_plain(n))
        return pn_field_set(s, f, text, where, y->folder, err);
    return pn_field_set_items(s, f, &text, 1, where, y->folder, err);
}

/* Called for known keys only, so there are never more pairs before this one than keys. */
static pn_status check_repeated(const pn_yaml *y, const yaml_node_t *map,
                                const yaml_node_pair_t *pair, pn_err *err)
{
    char where[WHERE], before[WHERE];
    const yaml_node_t *key = node(y, pair->key);
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *k = node(y, p->key);
        if (strcmp(scalar_text(k), scalar_text(key)) != 0) continue;
        return pn_fail(err, PN_ECONFIG, "%s: %s is given twice; first at %s",
                       place(y, key->start_mark, where), scalar_text(key),
                       place(y, k->start_mark, before));
    }
    return PN_OK;
}

static bool has_section(const pn_section *sections, int n, const char *name)
{
    bool found = false;
    for (int i = 0; i < n; i++)
        found = found || (*name && strcmp(sections[i].name, name) == 0);
    return found;
}

static pn_status fill_mapping(const pn_yaml *y, const yaml_node_t *map,
                              const char *section, const pn_section *sections, int n,
                              pn_err *err);

static pn_status fill_pair(const pn_yaml *y, const yaml_node_t *map,
                           const yaml_node_pair_t *pair, const char *section,
                           const pn_section *sections, int n, pn_err *err)
{
    char where[WHERE];
    const yaml_node_t *key = node(y, pair->key), *value = node(y, pair->value);
    const pn_section *in = NULL;
    place(y, key->start_mark, where);
    if (!is_text(key)) return pn_fail(err, PN_ECONFIG, "%s: a key must be a text", where);
    const char *name = scalar_text(key);
    bool deeper = !*section && has_section(sections, n, name);
    const pn_field *f = deeper ? NULL : pn_field_find(sections, n, section, name, &in);
    if (!deeper && !f) return pn_field_unknown(sections, n, section, name, where, err);
    pn_status st = check_repeated(y, map, pair, err);
    if (st) return st;
    if (f) return set_value(y, in, f, value, err);
    if (value->type != YAML_MAPPING_NODE)
        return pn_fail(err, PN_ECONFIG, "%s: %s: keys are wanted under it",
                       place(y, value->start_mark, where), name);
    return fill_mapping(y, value, name, sections, n, err);
}

static pn_status fill_mapping(const pn_yaml *y, const yaml_node_t *map,
                              const char *section, const pn_section *sections, int n,
                              pn_err *err)
{
    pn_status st = PN_OK;
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start;
         p < map->data.mapping.pairs.top && !st; p++)
        st = fill_pair(y, map, p, section, sections, n, err);
    return st;
}

pn_status pn_yaml_fill(const pn_yaml *y, const pn_section *sections, int n, pn_err *err)
{
    return fill_mapping(y, node(y, 1), "", sections, n, err);
}

pn_status pn_yaml_load(const char *path, const pn_section *sections, int n, pn_err *err)
{
    pn_yaml *y = NULL;
    pn_status st = PN_OK;
    for (int i = 0; i < n && !st; i++)
        st = pn_fields_defaults(&sections[i], err);
    if (!st) st = pn_yaml_open(&y, path, err);
    if (!st) st = pn_yaml_fill(y, sections, n, err);
    if (!st) st = pn_fields_required(sections, n, path, err);
    pn_yaml_close(&y);
    return st;
}
