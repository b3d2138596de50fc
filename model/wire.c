/* Protobuf's wire format. Nothing is copied, nothing allocated by a claimed length, and
 * nothing recurses: a message inside is entered only where the schema has one. */
#include "model/wire.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void pn_wire_init(pn_wire *w, const void *file, size_t size)
{
    const unsigned char *p = file;
    *w = (pn_wire){.file = p, .at = p, .end = p + size};
}

static bool get_varint(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 70 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        if (shift == 63 && byte > 1) return false; /* more than 64 bits */
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool get_fixed(const unsigned char **at, const unsigned char *end, size_t size,
                      uint64_t *out)
{
    if ((size_t)(end - *at) < size) return false;
    uint64_t v = 0;
    memcpy(&v, *at, size); /* little-endian, as we are */
    *at += size;
    *out = v;
    return true;
}

pn_status pn_wire_next(pn_wire *w, pn_wire_field *f, pn_err *err)
{
    if (w->at == w->end) return PN_END;
    uint64_t tag, size;
    *f = (pn_wire_field){.place = (size_t)(w->at - w->file)};
    if (!get_varint(&w->at, w->end, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return pn_fail(err, PN_EFORMAT, "byte %zu: no field tag, or cut off", f->place);
    f->number = (uint32_t)(tag >> 3);
    f->type = (pn_wire_type)(tag & 7);
    bool fine;
    switch (f->type) {
    case PN_WIRE_VARINT:
        fine = get_varint(&w->at, w->end, &f->value);
        break;
    case PN_WIRE_FIXED64:
        fine = get_fixed(&w->at, w->end, 8, &f->value);
        break;
    case PN_WIRE_FIXED32:
        fine = get_fixed(&w->at, w->end, 4, &f->value);
        break;
    case PN_WIRE_BYTES:
        fine = get_varint(&w->at, w->end, &size) && size <= (uint64_t)(w->end - w->at);
        if (!fine) break;
        f->bytes = (pn_bytes){w->at, (size_t)size};
        w->at += size;
        break;
    default: /* groups, which ONNX never had, and what does not exist */
        return pn_fail(err, PN_EFORMAT, "byte %zu: field %u has wire type %d", f->place,
                       (unsigned)f->number, (int)f->type);
    }
    if (fine) return PN_OK;
    return pn_fail(err, PN_EFORMAT,
                   "byte %zu: field %u is cut off or longer than what surrounds it",
                   f->place, (unsigned)f->number);
}

pn_status pn_wire_expect(const pn_wire_field *f, pn_wire_type type, const char *what,
                         pn_err *err)
{
    if (f->type == type) return PN_OK;
    return pn_fail(err, PN_EFORMAT, "byte %zu: %s has wire type %d, must have %d",
                   f->place, what, (int)f->type, (int)type);
}

pn_status pn_wire_enter(pn_wire *inner, const pn_wire *w, const pn_wire_field *f,
                        const char *what, pn_err *err)
{
    pn_status st = pn_wire_expect(f, PN_WIRE_BYTES, what, err);
    if (st) return st;
    if (w->depth >= PN_WIRE_MAX_DEPTH)
        return pn_fail(err, PN_EFORMAT, "byte %zu: %s is nested over %d deep", f->place,
                       what, PN_WIRE_MAX_DEPTH);
    *inner = (pn_wire){.file = w->file,
                       .at = f->bytes.at,
                       .end = f->bytes.at + f->bytes.size,
                       .depth = w->depth + 1};
    return PN_OK;
}

pn_status pn_wire_int(const pn_wire_field *f, const char *what, int64_t *out, pn_err *err)
{
    pn_status st = pn_wire_expect(f, PN_WIRE_VARINT, what, err);
    if (!st) *out = (int64_t)f->value;
    return st;
}

pn_status pn_wire_text(const pn_wire_field *f, const char *what, pn_bytes *out,
                       pn_err *err)
{
    pn_status st = pn_wire_expect(f, PN_WIRE_BYTES, what, err);
    if (st) return st;
    if (f->bytes.size && (memchr(f->bytes.at, 0, f->bytes.size) ||
                          !pn_utf8_valid(f->bytes.at, f->bytes.size)))
        return pn_fail(err, PN_EFORMAT, "byte %zu: %s is not UTF-8 text", f->place, what);
    *out = f->bytes;
    return PN_OK;
}

pn_status pn_wire_each(const pn_wire_field *f, pn_wire_type element, const char *what,
                       size_t *at, uint64_t *out, pn_err *err)
{
    if (f->type == element && element != PN_WIRE_BYTES) {
        *out = f->value;
        return (*at)++ == 0 ? PN_OK : PN_END;
    }
    pn_status st = pn_wire_expect(f, PN_WIRE_BYTES, what, err);
    if (st) return st;
    if (*at >= f->bytes.size) return PN_END;
    const unsigned char *p = f->bytes.at + *at, *end = f->bytes.at + f->bytes.size;
    bool fine = element == PN_WIRE_VARINT
                    ? get_varint(&p, end, out)
                    : get_fixed(&p, end, element == PN_WIRE_FIXED32 ? 4 : 8, out);
    if (!fine)
        return pn_fail(err, PN_EFORMAT, "byte %zu: %s ends inside a number", f->place,
                       what);
    *at = (size_t)(p - f->bytes.at);
    return PN_OK;
}

void pn_wire_out_fini(pn_wire_out *w)
{
    free(w->bytes);
    *w = (pn_wire_out){0};
}

void pn_wire_put_raw(pn_wire_out *w, const void *bytes, size_t size)
{
    if (w->failed || size == 0) return;
    if (size > w->capacity - w->size) {
        size_t more = w->capacity ? w->capacity : 256;
        while (more - w->size < size && more <= SIZE_MAX / 4)
            more *= 2;
        unsigned char *bigger = more - w->size < size ? NULL : realloc(w->bytes, more);
        if (!bigger) {
            w->failed = true;
            return;
        }
        w->bytes = bigger;
        w->capacity = more;
    }
    memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

void pn_wire_put_varint(pn_wire_out *w, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;
    for (; v >= 128; v >>= 7)
        bytes[n++] = (unsigned char)(v | 128);
    bytes[n++] = (unsigned char)v;
    pn_wire_put_raw(w, bytes, n);
}

void pn_wire_put_tag(pn_wire_out *w, uint32_t number, pn_wire_type type)
{
    pn_wire_put_varint(w, (uint64_t)number << 3 | type);
}

void pn_wire_put_int(pn_wire_out *w, uint32_t number, int64_t v)
{
    pn_wire_put_tag(w, number, PN_WIRE_VARINT);
    pn_wire_put_varint(w, (uint64_t)v);
}

void pn_wire_put_float(pn_wire_out *w, uint32_t number, float v)
{
    pn_wire_put_tag(w, number, PN_WIRE_FIXED32);
    pn_wire_put_raw(w, &v, sizeof(v));
}

void pn_wire_put_bytes(pn_wire_out *w, uint32_t number, const void *bytes, size_t size)
{
    pn_wire_put_tag(w, number, PN_WIRE_BYTES);
    pn_wire_put_varint(w, size);
    pn_wire_put_raw(w, bytes, size);
}

void pn_wire_put_text(pn_wire_out *w, uint32_t number, const char *text)
{
    pn_wire_put_bytes(w, number, text, strlen(text));
}

void pn_wire_put_message(pn_wire_out *w, uint32_t number, pn_wire_out *inner)
{
    pn_wire_put_bytes(w, number, inner->bytes, inner->size);
    w->failed |= inner->failed;
    inner->size = 0;
}
