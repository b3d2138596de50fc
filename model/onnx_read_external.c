/*
 * Weights that lie in files beside the model. A model names them, so a model from
 * elsewhere could name any file: only plain names below its own folder are opened,
 * through no symbolic link, and nothing is read past a file's end.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/onnx_read.h"

enum { MAX_FILES = 4096 };

static pn_status read_number(pn_onnx *o, pn_bytes text, const char *what, int64_t *out)
{
    int64_t v = 0;
    bool fine = text.size > 0;
    for (size_t i = 0; fine && i < text.size; i++) {
        int digit = text.at[i] - '0';
        fine = digit >= 0 && digit <= 9 && !__builtin_mul_overflow(v, 10, &v) &&
               !__builtin_add_overflow(v, digit, &v);
    }
    if (!fine)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: %s of external data is no number",
                       pn_onnx_place(o, text), what);
    *out = v;
    return PN_OK;
}

pn_status pn_onnx_read_external(pn_onnx *o, pn_onnx_external *x, pn_bytes entry)
{
    pn_wire w = pn_onnx_wire(o, entry, 4);
    pn_wire_field f;
    pn_bytes key = {0}, value = {0};
    pn_status st;
    while (!(st = pn_wire_next(&w, &f, o->err))) {
        if (f.number == 1) st = pn_wire_text(&f, "key", &key, o->err);
        if (f.number == 2) st = pn_wire_text(&f, "value", &value, o->err);
        if (st) return st;
    }
    if (st != PN_END) return st;
    if (pn_bytes_are(key, "location")) x->location = value;
    if (pn_bytes_are(key, "offset")) return read_number(o, value, "offset", &x->offset);
    if (pn_bytes_are(key, "length")) return read_number(o, value, "length", &x->length);
    return PN_OK; /* a checksum, and what is still to come */
}

static pn_status open_weights(pn_onnx *o, const char *name, pn_file **out)
{
    for (size_t i = 0; i < o->n_weights; i++)
        if (strcmp(o->weights[i]->path, name) == 0) {
            *out = o->weights[i];
            return PN_OK;
        }
    if (o->n_weights == MAX_FILES)
        return pn_fail(o->err, PN_EFORMAT, "weights in more than %d files", MAX_FILES);
    if (pn_onnx_grow(&o->weights, &o->weights_capacity, o->n_weights,
                     sizeof(*o->weights)))
        return PN_ENOMEM;
    pn_status st = pn_file_open_beside(out, o->path, name, o->err);
    if (!st) o->weights[o->n_weights++] = *out;
    return st;
}

pn_status pn_onnx_map_external(pn_onnx *o, const pn_onnx_external *x, pn_bytes *out)
{
    if (!x->location.size)
        return pn_fail(o->err, PN_EFORMAT, "its external data says no location");
    const char *name = pn_onnx_text(o, x->location);
    if (!name) return PN_ENOMEM;
    if (!o->path)
        return pn_fail(o->err, PN_EUNSUPPORTED,
                       "external data \"%.200s\" of a model that is no file", name);
    pn_file *f = NULL;
    pn_status st = open_weights(o, name, &f);
    if (st) return st;
    int64_t size = (int64_t)f->size;
    int64_t length = x->length < 0 && x->offset <= size ? size - x->offset : x->length;
    if (x->offset > size || length > size - x->offset)
        return pn_fail(o->err, PN_EFORMAT,
                       "%" PRId64 " bytes from %" PRId64
                       " on of \"%.200s\", which has %" PRId64,
                       length, x->offset, f->path, size);
    *out = (pn_bytes){f->data + x->offset, (size_t)length};
    return PN_OK;
}
