/* The .pth file. A zip archive whose entries are stored and begin at multiples of 64
 * bytes (the filling is an extra field of their headers, as PyTorch's own writer does
 * it): the pickled dictionary, then one entry a tensor. Every entry is read twice, once
 * for its checksum, so that the header in front of it can be true. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/file.h"
#include "model/export_state.h"
#include "model/wire.h"

enum {
    ALIGN = 64,
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    MAX_NAME = 64,
    UTF8_NAMES = 0x0800,
    FIRST_OF_1980 = 0x0021,
    STORED = 20, /* version needed to extract */
    ZIP64 = 45,
};
#define TOO_LONG UINT32_MAX /* stands for "see the 64-bit field" */

typedef struct zip {
    pn_outfile *f;
    uint64_t at; /* bytes written */
    uint64_t n_entries;
    pn_wire_out central;
    pn_err *err;
} zip;

static void put_u16(pn_wire_out *w, uint16_t v)
{
    uint8_t b[2];
    pn_put_u16(b, v);
    pn_wire_put_raw(w, b, sizeof(b));
}

static void put_u32(pn_wire_out *w, uint32_t v)
{
    uint8_t b[4];
    pn_put_u32(b, v);
    pn_wire_put_raw(w, b, sizeof(b));
}

static void put_u64(pn_wire_out *w, uint64_t v)
{
    uint8_t b[8];
    pn_put_u64(b, v);
    pn_wire_put_raw(w, b, sizeof(b));
}

static uint32_t short_size(uint64_t size)
{
    return size >= TOO_LONG ? TOO_LONG : (uint32_t)size;
}

/* from "version needed" to the length of the name: the same in both kinds of header */
static void put_common(pn_wire_out *w, uint32_t crc, uint64_t size, bool is_long,
                       const char *name)
{
    put_u16(w, is_long ? ZIP64 : STORED);
    put_u16(w, UTF8_NAMES);
    put_u16(w, 0); /* stored */
    put_u16(w, 0); /* midnight */
    put_u16(w, FIRST_OF_1980);
    put_u32(w, crc);
    put_u32(w, short_size(size));
    put_u32(w, short_size(size));
    put_u16(w, (uint16_t)strlen(name));
}

/* the local header, its extra field as long as the alignment wants it */
static void put_local(pn_wire_out *w, const zip *z, const char *name, uint32_t crc,
                      uint64_t size)
{
    bool is_long = size >= TOO_LONG;
    size_t long_bytes = is_long ? 20 : 0, fill_head = 4;
    size_t fixed = LOCAL_BYTES + strlen(name) + long_bytes + fill_head;
    size_t fill = (ALIGN - (z->at + fixed) % ALIGN) % ALIGN;
    put_u32(w, 0x04034b50);
    put_common(w, crc, size, is_long, name);
    put_u16(w, (uint16_t)(long_bytes + fill_head + fill));
    pn_wire_put_raw(w, name, strlen(name));
    if (is_long) {
        put_u16(w, 1);
        put_u16(w, 16);
        put_u64(w, size);
        put_u64(w, size);
    }
    pn_wire_put_raw(w, "FB", 2);
    put_u16(w, (uint16_t)fill);
    for (size_t i = 0; i < fill; i++)
        pn_wire_put_raw(w, "Z", 1);
}

static void put_central(zip *z, const char *name, uint32_t crc, uint64_t size,
                        uint64_t at)
{
    pn_wire_out *w = &z->central;
    bool is_long = size >= TOO_LONG, is_far = at >= TOO_LONG;
    uint16_t extra = (uint16_t)((is_long ? 16 : 0) + (is_far ? 8 : 0));
    put_u32(w, 0x02014b50);
    put_u16(w, is_long || is_far ? ZIP64 : STORED);
    put_common(w, crc, size, is_long || is_far, name);
    put_u16(w, extra ? extra + 4 : 0);
    put_u16(w, 0); /* comment */
    put_u16(w, 0); /* disk */
    put_u16(w, 0); /* attributes */
    put_u32(w, 0);
    put_u32(w, short_size(at));
    pn_wire_put_raw(w, name, strlen(name));
    if (extra) {
        put_u16(w, 1);
        put_u16(w, extra);
    }
    if (is_long) {
        put_u64(w, size);
        put_u64(w, size);
    }
    if (is_far) put_u64(w, at);
}

static pn_status to_file(void *to, const void *bytes, size_t size, pn_err *err)
{
    zip *z = to;
    z->at += size;
    return pn_outfile_write(z->f, bytes, size, err);
}

static pn_status to_crc(void *to, const void *bytes, size_t size, pn_err *err)
{
    uLong *crc = to;
    (void)err;
    *crc = crc32_z(*crc, bytes, size);
    return PN_OK;
}

static pn_status put_head(zip *z, const char *name, uint32_t crc, uint64_t size)
{
    pn_wire_out head = {0};
    put_central(z, name, crc, size, z->at);
    put_local(&head, z, name, crc, size);
    pn_status st = head.failed || z->central.failed
                       ? PN_ENOMEM
                       : to_file(z, head.bytes, head.size, z->err);
    pn_wire_out_fini(&head);
    z->n_entries++;
    return st;
}

static pn_status put_entry(zip *z, const char *name, const void *bytes, size_t size)
{
    uint32_t crc = (uint32_t)crc32_z(crc32(0, Z_NULL, 0), bytes, size);
    pn_status st = put_head(z, name, crc, size);
    return st ? st : to_file(z, bytes, size, z->err);
}

static pn_status put_tensor(zip *z, const pt_state *s, int index)
{
    char name[MAX_NAME];
    uLong crc = crc32(0, Z_NULL, 0);
    snprintf(name, sizeof(name), "archive/data/%d", index);
    pn_status st = pt_tensor_stream(s, &s->items[index], to_crc, &crc, z->err);
    if (!st) st = put_head(z, name, (uint32_t)crc, pt_tensor_bytes(&s->items[index]));
    return st ? st : pt_tensor_stream(s, &s->items[index], to_file, z, z->err);
}

static pn_status put_end(zip *z)
{
    uint64_t begin = z->at, size = z->central.size;
    bool is_long = begin >= TOO_LONG || size >= TOO_LONG || z->n_entries >= UINT16_MAX;
    pn_wire_out *w = &z->central;
    if (is_long) {
        put_u32(w, 0x06064b50);
        put_u64(w, 44); /* of this record, from here */
        put_u16(w, ZIP64);
        put_u16(w, ZIP64);
        put_u32(w, 0);
        put_u32(w, 0);
        put_u64(w, z->n_entries);
        put_u64(w, z->n_entries);
        put_u64(w, size);
        put_u64(w, begin);
        put_u32(w, 0x07064b50);
        put_u32(w, 0);
        put_u64(w, begin + size);
        put_u32(w, 1);
    }
    uint16_t n = z->n_entries >= UINT16_MAX ? UINT16_MAX : (uint16_t)z->n_entries;
    put_u32(w, 0x06054b50);
    put_u16(w, 0);
    put_u16(w, 0);
    put_u16(w, n);
    put_u16(w, n);
    put_u32(w, short_size(size));
    put_u32(w, short_size(begin));
    put_u16(w, 0);
    return w->failed ? PN_ENOMEM : to_file(z, w->bytes, w->size, z->err);
}

static void put_text(pn_wire_out *p, const char *text)
{
    pn_wire_put_raw(p, "X", 1); /* BINUNICODE */
    put_u32(p, (uint32_t)strlen(text));
    pn_wire_put_raw(p, text, strlen(text));
}

static void put_number(pn_wire_out *p, int64_t v)
{
    uint8_t byte = (uint8_t)v;
    if (v <= UINT8_MAX) {
        pn_wire_put_raw(p, "K", 1); /* BININT1 */
        pn_wire_put_raw(p, &byte, 1);
    } else if (v <= UINT16_MAX) {
        pn_wire_put_raw(p, "M", 1); /* BININT2 */
        put_u16(p, (uint16_t)v);
    } else if (v <= INT32_MAX) {
        pn_wire_put_raw(p, "J", 1); /* BININT */
        put_u32(p, (uint32_t)v);
    } else {
        pn_wire_put_raw(p, "\x8a\x08", 2); /* LONG1 of eight bytes */
        put_u64(p, (uint64_t)v);
    }
}

static void put_tuple(pn_wire_out *p, const int64_t *v, int n)
{
    pn_wire_put_raw(p, "(", 1);
    for (int i = 0; i < n; i++)
        put_number(p, v[i]);
    pn_wire_put_raw(p, "t", 1);
}

static void put_op(pn_wire_out *p, const char *op)
{
    pn_wire_put_raw(p, op, strlen(op));
}

/* _rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict()) */
static void put_value(pn_wire_out *p, const pt_tensor *t, int index)
{
    int64_t stride[PN_MAX_DIMS], count = pn_shape_count(&t->shape);
    char key[16];
    for (int i = t->shape.ndim - 1, last = i; i >= 0; i--)
        stride[i] = i == last ? 1 : stride[i + 1] * t->shape.dim[i + 1];
    snprintf(key, sizeof(key), "%d", index);
    put_op(p, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(p, "storage");
    put_op(p, t->value == PN_NONE ? "ctorch\nLongStorage\n" : "ctorch\nFloatStorage\n");
    put_text(p, key);
    put_text(p, "cpu");
    put_number(p, count);
    put_op(p, "tQ"); /* BINPERSID */
    put_number(p, 0);
    put_tuple(p, t->shape.dim, t->shape.ndim);
    put_tuple(p, stride, t->shape.ndim);
    put_op(p, "\x89"
              "ccollections\nOrderedDict\n)RtR");
}

static void put_pickle(pn_wire_out *p, const pt_state *s)
{
    put_op(p, "\x80\x02"
              "ccollections\nOrderedDict\n)R(");
    for (int i = 0; i < s->n; i++) {
        put_text(p, s->items[i].key);
        put_value(p, &s->items[i], i);
    }
    put_op(p, "u.");
}

pn_status pt_write_pth(const pt_state *s, const char *path, pn_outset *to, pn_err *err)
{
    zip z = {.err = err};
    pn_wire_out pickle = {0};
    put_pickle(&pickle, s);
    pn_status st = pickle.failed ? PN_ENOMEM : pn_outset_open(to, &z.f, path, err);
    if (!st) st = put_entry(&z, "archive/data.pkl", pickle.bytes, pickle.size);
    if (!st) st = put_entry(&z, "archive/byteorder", "little", 6);
    for (int i = 0; !st && i < s->n; i++)
        st = put_tensor(&z, s, i);
    if (!st) st = put_entry(&z, "archive/version", "3\n", 2);
    if (!st) st = put_end(&z);
    if (st == PN_ENOMEM) pn_fail(err, st, "write %s: out of memory", path);
    pn_wire_out_fini(&pickle);
    pn_wire_out_fini(&z.central);
    return st;
}
