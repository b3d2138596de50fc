/* The .safetensors file: a JSON header that tells where each tensor lies, then all of
 * them without a gap. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "model/export_state.h"

enum { ALIGN = 64, MAX_HEADER = 100000000 };

static pn_status to_file(void *f, const void *bytes, size_t size, pn_err *err)
{
    return pn_outfile_write(f, bytes, size, err);
}

static json_t *entry_of(const pt_tensor *t, uint64_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; shape && i < t->shape.ndim; i++)
        if (json_array_append_new(shape, json_integer(t->shape.dim[i]))) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->value == PN_NONE ? "I64" : "F32",
                     "shape", shape, "data_offsets", (json_int_t)begin,
                     (json_int_t)(begin + pt_tensor_bytes(t)));
}

/* counters in front: eight bytes each, so that those behind stay aligned too */
static bool is_in_pass(const pt_tensor *t, int pass)
{
    return (t->value == PN_NONE) == (pass == 0);
}

static json_t *header_of(const pt_state *s)
{
    json_t *header = json_object(), *meta = json_pack("{s:s, s:s}", "format", "pt",
                                                      PT_META_VERSION, PENULT_VERSION);
    uint64_t at = 0;
    bool is_whole = header && meta;
    for (int i = 0; is_whole && i < s->g->n_meta; i++)
        is_whole = json_object_set_new(meta, s->g->meta_keys[i],
                                       json_string(s->g->meta_values[i])) == 0;
    is_whole = is_whole && json_object_set(header, "__metadata__", meta) == 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; is_whole && i < s->n; i++) {
            if (!is_in_pass(&s->items[i], pass)) continue;
            is_whole = json_object_set_new(header, s->items[i].key,
                                           entry_of(&s->items[i], at)) == 0;
            at += pt_tensor_bytes(&s->items[i]);
        }
    json_decref(meta);
    if (is_whole) return header;
    json_decref(header);
    return NULL;
}

/* the header with its length in front, blanks behind it up to a multiple of ALIGN */
static char *header_bytes(const pt_state *s, size_t *size)
{
    json_t *header = header_of(s);
    char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    size_t length = text ? strlen(text) : 0;
    size_t whole = (sizeof(uint64_t) + length + ALIGN - 1) / ALIGN * ALIGN;
    char *bytes = text ? malloc(whole) : NULL;
    if (bytes) {
        memset(bytes, ' ', whole);
        memcpy(bytes + sizeof(uint64_t), text, length);
        pn_put_u64((uint8_t *)bytes, whole - sizeof(uint64_t));
        *size = whole;
    }
    free(text);
    json_decref(header);
    return bytes;
}

pn_status pt_write_safetensors(const pt_state *s, const char *path, pn_outset *to,
                               pn_err *err)
{
    pn_outfile *f = NULL;
    size_t size = 0;
    char *header = header_bytes(s, &size);
    pn_status st = header ? PN_OK : PN_ENOMEM;
    if (!st && size > MAX_HEADER)
        st = pn_fail(err, PN_EUNSUPPORTED,
                     "write %s: its header takes %zu bytes, the format has at most %d",
                     path, size, MAX_HEADER);
    if (!st) st = pn_outset_open(to, &f, path, err);
    if (!st) st = pn_outfile_write(f, header, size, err);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; !st && i < s->n; i++)
            if (is_in_pass(&s->items[i], pass))
                st = pt_tensor_stream(s, &s->items[i], to_file, f, err);
    if (st == PN_ENOMEM) pn_fail(err, st, "write %s: out of memory", path);
    free(header);
    return st;
}
