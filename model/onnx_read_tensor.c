/* One TensorProto: raw bytes are used where they lie in the file; numbers in typed fields
 * are copied once their count is known to be what the shape says. */
#include "model/onnx_read.h"

#include <stdlib.h>
#include <string.h>

#include "model/graph_order.h"

typedef struct tensor {
    pn_bytes message, name, raw;
    bool has_raw;
    int64_t type;
    pn_shape shape;
    uint32_t field; /* which typed field holds the data; 0: none */
    size_t n_fields;
    pn_bytes packed; /* the last occurrence of it, if it is one of BYTES */
    bool is_external;
    pn_onnx_external external;
} tensor;

static pn_status tensor_fail(pn_onnx *o, const tensor *t, pn_status st, const char *rule)
{
    const char *name = t->name.size ? pn_onnx_text(o, t->name) : "";
    return pn_fail(o->err, st, "byte %zu: tensor \"%s\": %s",
                   pn_onnx_place(o, t->message), name ? name : "", rule);
}

static pn_status read_dims(pn_onnx *o, tensor *t, const pn_wire_field *f)
{
    size_t at = 0;
    uint64_t dim;
    pn_status st;
    while (!(st = pn_wire_each(f, PN_WIRE_VARINT, "dims", &at, &dim, o->err))) {
        if (t->shape.ndim == PN_MAX_DIMS)
            return tensor_fail(o, t, PN_EUNSUPPORTED, "more than 8 dimensions");
        if (dim > INT32_MAX)
            return tensor_fail(o, t, PN_EFORMAT, "a dimension is not within 0..2^31-1");
        t->shape.dim[t->shape.ndim++] = (int64_t)dim;
    }
    return st == PN_END ? PN_OK : st;
}

static pn_status tensor_field(pn_onnx *o, tensor *t, const pn_wire_field *f)
{
    int64_t location;
    pn_status st;
    switch (f->number) {
    case 1:
        return read_dims(o, t, f);
    case 2:
        return pn_wire_int(f, "data_type", &t->type, o->err);
    case 3:
        return tensor_fail(o, t, PN_EUNSUPPORTED, "segments are not supported");
    case 6:
        return tensor_fail(o, t, PN_EUNSUPPORTED, "strings are not supported");
    case 4:
    case 5:
    case 7:
    case 10:
    case 11:
        if (t->field && t->field != f->number)
            return tensor_fail(o, t, PN_EFORMAT, "its data is in two fields");
        t->field = f->number;
        t->n_fields++;
        t->packed = f->type == PN_WIRE_BYTES ? f->bytes : (pn_bytes){0};
        return PN_OK;
    case 8:
        return pn_wire_text(f, "tensor name", &t->name, o->err);
    case 9:
        t->raw = f->bytes;
        t->has_raw = true;
        return pn_wire_expect(f, PN_WIRE_BYTES, "raw_data", o->err);
    case 13:
        st = pn_wire_expect(f, PN_WIRE_BYTES, "external_data", o->err);
        return st ? st : pn_onnx_read_external(o, &t->external, f->bytes);
    case 14:
        st = pn_wire_int(f, "data_location", &location, o->err);
        if (!st) t->is_external = location == 1;
        return st;
    default:
        return PN_OK;
    }
}

/* the typed field that ONNX stores this type in; 0: raw only */
static uint32_t field_of_type(pn_dtype type)
{
    switch (type) {
    case PN_F32:
        return 4;
    case PN_I64:
        return 7;
    case PN_F64:
        return 10;
    case PN_U32:
    case PN_U64:
        return 11;
    default:
        return 5;
    }
}

static bool fits(pn_dtype type, uint64_t bits)
{
    int64_t v = (int64_t)bits;
    switch (type) {
    case PN_BOOL:
        return v == 0 || v == 1;
    case PN_U8:
        return v >= 0 && v <= UINT8_MAX;
    case PN_I8:
        return v >= INT8_MIN && v <= INT8_MAX;
    case PN_I16:
        return v >= INT16_MIN && v <= INT16_MAX;
    case PN_U16:
    case PN_F16:
    case PN_BF16:
        return v >= 0 && v <= UINT16_MAX;
    case PN_I32:
        return v >= INT32_MIN && v <= INT32_MAX;
    case PN_U32:
        return v >= 0 && v <= UINT32_MAX;
    default:
        return true;
    }
}

/* to NULL: only count; else there is room for all of them */
static pn_status walk_numbers(pn_onnx *o, const tensor *t, unsigned char *to,
                              size_t *count)
{
    pn_wire_type element = t->field == 4    ? PN_WIRE_FIXED32
                           : t->field == 10 ? PN_WIRE_FIXED64
                                            : PN_WIRE_VARINT;
    size_t size = pn_dtype_size((pn_dtype)t->type);
    pn_wire w = pn_onnx_wire(o, t->message, 3);
    pn_wire_field f;
    pn_status st;
    *count = 0;
    while (!(st = pn_wire_next(&w, &f, o->err))) {
        size_t at = 0;
        uint64_t bits;
        if (f.number != t->field) continue;
        while (!(st = pn_wire_each(&f, element, "tensor data", &at, &bits, o->err))) {
            if (!fits((pn_dtype)t->type, bits))
                return tensor_fail(o, t, PN_EFORMAT, "a number does not fit its type");
            if (to) memcpy(to + *count * size, &bits, size);
            ++*count;
        }
        if (st != PN_END) return st;
    }
    return st == PN_END ? PN_OK : st;
}

/* size: bytes that shape and type ask for */
static pn_status typed_data(pn_onnx *o, const tensor *t, size_t size, const void **data)
{
    size_t element = pn_dtype_size((pn_dtype)t->type), count;
    if (t->field && t->field != field_of_type((pn_dtype)t->type))
        return tensor_fail(o, t, PN_EFORMAT, "its data is in a field of another type");
    if (t->n_fields == 1 && t->packed.size == size && (t->field == 4 || t->field == 10)) {
        *data = t->packed.at; /* floats packed at once are the same bytes as raw ones */
        return PN_OK;
    }
    pn_status st = walk_numbers(o, t, NULL, &count);
    if (st) return st;
    if (count != size / element)
        return tensor_fail(o, t, PN_EFORMAT, "its data is not as long as its shape says");
    unsigned char *copy = pn_graph_alloc(o->g, size);
    if (!copy) return PN_ENOMEM;
    *data = copy;
    return walk_numbers(o, t, copy, &count);
}

bool pn_onnx_is_narrowed(int64_t dtype)
{
    return dtype == PN_F16 || dtype == PN_BF16 || dtype == PN_F64;
}

static pn_status read_tensor(pn_onnx *o, tensor *t, size_t *size)
{
    pn_wire w = pn_onnx_wire(o, t->message, 3);
    pn_wire_field f;
    pn_status st;
    while (!(st = pn_wire_next(&w, &f, o->err))) {
        st = tensor_field(o, t, &f);
        if (st) return st;
    }
    if (st != PN_END) return st;
    size_t element =
        t->type > 0 && t->type <= PN_BF16 ? pn_dtype_size((pn_dtype)t->type) : 0;
    if (!element) {
        char rule[64];
        snprintf(rule, sizeof(rule), "element type %lld is not supported",
                 (long long)t->type);
        return tensor_fail(o, t, PN_EUNSUPPORTED, rule);
    }
    int64_t count = pn_shape_count(&t->shape);
    if (count < 0 || __builtin_mul_overflow((size_t)count, element, size))
        return tensor_fail(o, t, PN_EFORMAT, "its size does not fit 63 bits");
    return PN_OK;
}

static pn_status find_data(pn_onnx *o, tensor *t, size_t size, const void **data)
{
    if (t->has_raw + (t->field != 0) + t->is_external > 1)
        return tensor_fail(o, t, PN_EFORMAT, "its data is in two fields");
    if (t->is_external) {
        const char *name = pn_onnx_text(o, t->name);
        char *copy = name ? strdup(name) : NULL;
        pn_status st = copy ? pn_onnx_map_external(o, &t->external, &t->raw) : PN_ENOMEM;
        if (st && st != PN_ENOMEM) pn_err_prefix(o->err, "tensor \"%.200s\"", copy);
        free(copy);
        if (st) return st;
        t->has_raw = true;
    }
    if (t->has_raw && t->raw.size != size)
        return tensor_fail(o, t, PN_EFORMAT, "its data is not as long as its shape says");
    *data = t->raw.at;
    return t->has_raw ? PN_OK : typed_data(o, t, size, data);
}

/* the same numbers as float32 */
static pn_status widen(pn_onnx *o, tensor *t, size_t *size, const void **data)
{
    const size_t count = *size / pn_dtype_size((pn_dtype)t->type);
    const pn_value v = {.dtype = (pn_dtype)t->type, .data = *data, .size_bytes = *size};
    float *wide = pn_graph_alloc(o->g, count * sizeof(*wide) + !count);
    if (!wide) return PN_ENOMEM;
    if (count && pn_value_to_f32(&v, 0, (int64_t)count, wide))
        return tensor_fail(o, t, PN_EFORMAT, "its data cannot be read");
    t->type = PN_F32;
    *size = count * sizeof(*wide);
    *data = wide;
    o->n_narrowed++;
    return PN_OK;
}

pn_status pn_onnx_add_tensor(pn_onnx *o, pn_bytes message, const pn_bytes *name)
{
    tensor t = {.message = message, .external.length = -1};
    size_t size = 0;
    const void *data = NULL;
    pn_status st = read_tensor(o, &t, &size);
    if (name) t.name = *name;
    if (!st) st = pn_onnx_check_name(o, t.name, pn_onnx_place(o, message));
    if (!st) st = find_data(o, &t, size, &data);
    if (!st && pn_onnx_is_narrowed(t.type)) st = widen(o, &t, &size, &data);
    if (st) return st;
    const char *text = pn_onnx_text(o, t.name);
    return text ? pn_graph_add_const(o->g, text, (pn_dtype)t.type, &t.shape, data, size,
                                     true, NULL, o->err)
                : PN_ENOMEM;
}

pn_status pn_onnx_add_constant_node(pn_onnx *o)
{
    pn_onnx_node *n = &o->node;
    pn_bytes name = n->outputs.items[0];
    const pn_onnx_attr *a = n->n_attrs == 1 ? &n->attrs[0] : NULL;
    if (a && a->kind == PN_ONNX_TENSOR && pn_bytes_are(a->name, "value"))
        return pn_onnx_add_tensor(o, a->tensor, &name);
    pn_status st = pn_onnx_check_name(o, name, pn_onnx_place(o, name));
    const char *text = pn_onnx_text(o, name);
    if (st || !text) return st ? st : PN_ENOMEM;
    pn_shape one = {0}, many = {.ndim = 1, .dim = {a ? (int64_t)a->n : 0}};
    if (a && a->kind == PN_ONNX_FLOAT && pn_bytes_are(a->name, "value_float"))
        return pn_graph_add_const(o->g, text, PN_F32, &one, &a->f, sizeof(a->f), false,
                                  NULL, o->err);
    if (a && a->kind == PN_ONNX_INT && pn_bytes_are(a->name, "value_int"))
        return pn_graph_add_const(o->g, text, PN_I64, &one, &a->i, sizeof(a->i), false,
                                  NULL, o->err);
    if (a && a->kind == PN_ONNX_FLOATS && pn_bytes_are(a->name, "value_floats"))
        return pn_graph_add_const(o->g, text, PN_F32, &many,
                                  a->n ? n->floats + a->first : NULL,
                                  a->n * sizeof(float), false, NULL, o->err);
    if (a && a->kind == PN_ONNX_INTS && pn_bytes_are(a->name, "value_ints"))
        return pn_graph_add_const(o->g, text, PN_I64, &many,
                                  a->n ? n->ints + a->first : NULL,
                                  a->n * sizeof(int64_t), false, NULL, o->err);
    pn_onnx_refuse(o, "only value, value_float(s) and value_int(s) are supported");
    return pn_graph_add_value(o->g, text, PN_F32, NULL, NULL, o->err);
}
