/* The weights as numpy pickles them: a dict of dicts of arrays inside an array of one
 * object. Nothing is memoised, so every array stands for itself and can be streamed. */
#include "model/export_mmdnn.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { CHUNK_FLOATS = 1 << 16, HEADER_BYTES = 128 };

static void put_text(pn_wire_out *o, const char *text)
{
    pn_wire_put_raw(o, text, strlen(text));
}

static void put_u32(pn_wire_out *o, char opcode, uint32_t v)
{
    uint8_t bytes[5] = {(uint8_t)opcode};
    pn_put_u32(bytes + 1, v);
    pn_wire_put_raw(o, bytes, sizeof(bytes));
}

static void put_string(pn_wire_out *o, const char *s)
{
    size_t n = strlen(s);
    put_u32(o, 'X', (uint32_t)n);
    pn_wire_put_raw(o, s, n);
}

/* numpy.core: every numpy knows that name, only the newest has another */
static void put_reconstruct(pn_wire_out *o)
{
    put_text(o, "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(");
    pn_wire_put_raw(o, "K\0tC\1btR", 8);
}

/* dtype('f4') and the like, in protocol 2 and later */
static void put_dtype(pn_wire_out *o, const char *code, char order, int flags)
{
    char byte_order[2] = {order, '\0'};
    put_text(o, "cnumpy\ndtype\n(");
    put_string(o, code);
    put_text(o, "\x89\x88tR(K\x03");
    put_string(o, byte_order);
    put_text(o, "NNN");
    put_u32(o, 'J', UINT32_MAX);
    put_u32(o, 'J', UINT32_MAX);
    pn_wire_put_raw(o, (char[]){'K', (char)flags}, 2);
    put_text(o, "tb");
}

/* magic, version 1.0, a dict padded so that what follows is aligned */
static void put_header(pn_wire_out *o)
{
    static const char dict[] = "{'descr': '|O', 'fortran_order': False, 'shape': (), }";
    char header[HEADER_BYTES];
    memset(header, ' ', sizeof(header));
    memcpy(header, "\x93NUMPY\1\0", 8);
    pn_put_u16((uint8_t *)header + 8, HEADER_BYTES - 10);
    memcpy(header + 10, dict, sizeof(dict) - 1);
    header[HEADER_BYTES - 1] = '\n';
    pn_wire_put_raw(o, header, sizeof(header));
}

static uint64_t bytes_of(const pn_ir_array *a)
{
    return (uint64_t)a->n * sizeof(float);
}

static bool is_long(const pn_ir_array *a)
{
    return bytes_of(a) > UINT32_MAX;
}

/* everything of an array but its elements */
static void put_array(pn_wire_out *o, const pn_ir_array *a)
{
    put_string(o, a->key);
    put_reconstruct(o);
    put_text(o, "(K\1(");
    for (int i = 0; i < a->ndim; i++)
        put_u32(o, 'J', (uint32_t)a->dim[i]);
    put_text(o, "t");
    put_dtype(o, "f4", '<', 0);
    put_text(o, a->is_fortran ? "\x88" : "\x89");
    if (is_long(a)) {
        uint8_t size[9] = {0x8e};
        pn_put_u64(size + 1, bytes_of(a));
        pn_wire_put_raw(o, size, sizeof(size));
    } else {
        put_u32(o, 'B', (uint32_t)bytes_of(a));
    }
}

typedef struct stream {
    const pn_ir *w;
    pn_outfile *to;
    pn_err *err;
    float *in, *out; /* a chunk each */
} stream;

static pn_status read_floats(const stream *s, const pn_ir_array *a, size_t first,
                             size_t n)
{
    if (a->own) {
        memcpy(s->in, a->own + first, n * sizeof(float));
        return PN_OK;
    }
    return pn_value_to_f32(&s->w->g->values[a->value], (int64_t)first, (int64_t)n, s->in);
}

static pn_status write_floats(const stream *s, const float *x, size_t n)
{
    return pn_outfile_write(s->to, x, n * sizeof(float), s->err);
}

static pn_status stream_straight(const stream *s, const pn_ir_array *a)
{
    const pn_value *v = a->own ? NULL : &s->w->g->values[a->value];
    pn_status st = PN_OK;
    if (v && v->dtype == PN_F32 && v->size_bytes == bytes_of(a))
        return pn_outfile_write(s->to, v->data, v->size_bytes, s->err);
    for (size_t at = 0, n; at < a->n && !st; at += n) {
        n = a->n - at < CHUNK_FLOATS ? a->n - at : CHUNK_FLOATS;
        st = read_floats(s, a, at, n);
        if (!st) st = write_floats(s, s->in, n);
    }
    return st;
}

/* as many matrices as a chunk holds at a time, each turned over */
static pn_status stream_turned(const stream *s, const pn_ir_array *a)
{
    size_t matrix = a->rows * a->columns, step = CHUNK_FLOATS / matrix * matrix;
    pn_status st = PN_OK;
    for (size_t at = 0, n; at < a->n && !st; at += n) {
        n = a->n - at < step ? a->n - at : step;
        st = read_floats(s, a, at, n);
        float *to = s->out;
        for (size_t m = 0; m < n; m += matrix)
            for (size_t c = 0; c < a->columns; c++)
                for (size_t r = 0; r < a->rows; r++)
                    *to++ = s->in[m + r * a->columns + c];
        if (!st) st = write_floats(s, s->out, n);
    }
    return st;
}

/* too large for a chunk, or of elements that are rows themselves: gathered */
static pn_status stream_gathered(const stream *s, const pn_ir_array *a)
{
    size_t matrix = a->rows * a->columns * a->unit;
    pn_status st = PN_OK;
    for (size_t m = 0; m < a->n; m += matrix)
        for (size_t c = 0; c < a->columns; c++)
            for (size_t r = 0; r < a->rows; r++)
                for (size_t u = 0, n; u < a->unit; u += n) {
                    size_t from = m + (r * a->columns + c) * a->unit + u;
                    n = a->unit - u < CHUNK_FLOATS ? a->unit - u : CHUNK_FLOATS;
                    st = read_floats(s, a, from, n);
                    if (!st) st = write_floats(s, s->in, n);
                    if (st) return st;
                }
    return st;
}

static pn_status stream_array(const stream *s, const pn_ir_array *a)
{
    if (a->rows < 2) return stream_straight(s, a);
    bool fits = a->unit == 1 && a->rows <= CHUNK_FLOATS / a->columns;
    return fits ? stream_turned(s, a) : stream_gathered(s, a);
}

static pn_status flush(const stream *s, pn_wire_out *o)
{
    if (o->failed) return PN_ENOMEM;
    pn_status st = pn_outfile_write(s->to, o->bytes, o->size, s->err);
    o->size = 0;
    return st;
}

/* the arrays of a layer stand together */
static pn_status write_all(const stream *s, pn_wire_out *o)
{
    const pn_ir *w = s->w;
    const char *layer = NULL;
    bool is_any_long = false;
    for (size_t i = 0; i < w->n_arrays; i++)
        is_any_long |= is_long(&w->arrays[i]);
    put_header(o);
    put_text(o, is_any_long ? "\x80\x04" : "\x80\x03");
    put_reconstruct(o);
    put_text(o, "(K\1)");
    put_dtype(o, "O8", '|', 63);
    put_text(o, "\x89]}(");
    pn_status st = PN_OK;
    for (size_t i = 0; i < w->n_arrays && !st; i++) {
        const pn_ir_array *a = &w->arrays[i];
        if (a->layer != layer) {
            if (layer) put_text(o, "u");
            put_string(o, a->layer);
            put_text(o, "}(");
            layer = a->layer;
        }
        put_array(o, a);
        st = flush(s, o);
        if (!st) st = stream_array(s, a);
        put_text(o, "tb");
    }
    put_text(o, layer ? "uuatb." : "uatb.");
    return st ? st : flush(s, o);
}

pn_status pn_ir_write_npy(const pn_ir *w, pn_outfile *to, pn_err *err)
{
    stream s = {.w = w, .to = to, .err = err};
    pn_wire_out o = {0};
    s.in = malloc(CHUNK_FLOATS * sizeof(float));
    s.out = malloc(CHUNK_FLOATS * sizeof(float));
    pn_status st = s.in && s.out ? write_all(&s, &o) : PN_ENOMEM;
    free(s.in);
    free(s.out);
    pn_wire_out_fini(&o);
    return st;
}
