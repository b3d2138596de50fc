/* The functions that a pickled array may call, and what numpy's objects make of their
 * state: numpy/core/src/multiarray/methods.c (array_setstate), descriptor.c. */
#include "model/pickle_vm.h"

#include <string.h>

enum global { RECONSTRUCT, SCALAR, FROM_BUFFER, NDARRAY, DTYPE, ENCODE, ORDERED_DICT };

static bool bytes_are(pn_bytes b, const char *text)
{
    return b.size == strlen(text) && memcmp(b.at, text, b.size) == 0;
}

bool pn_pickle_find_global(pn_bytes module, pn_bytes name, int64_t *out)
{
    static const struct {
        const char *module, *name;
        enum global is;
    } known[] = {{"numpy.core.multiarray", "_reconstruct", RECONSTRUCT},
                 {"numpy._core.multiarray", "_reconstruct", RECONSTRUCT},
                 {"numpy.core.multiarray", "scalar", SCALAR},
                 {"numpy._core.multiarray", "scalar", SCALAR},
                 {"numpy.core.numeric", "_frombuffer", FROM_BUFFER},
                 {"numpy._core.numeric", "_frombuffer", FROM_BUFFER},
                 {"numpy", "ndarray", NDARRAY},
                 {"numpy", "dtype", DTYPE},
                 {"_codecs", "encode", ENCODE},
                 {"collections", "OrderedDict", ORDERED_DICT}};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (bytes_are(module, known[i].module) && bytes_are(name, known[i].name)) {
            *out = known[i].is;
            return true;
        }
    return false;
}

static const pn_pickle_item *part(const pn_pickle_item *tuple, size_t i,
                                  pn_pickle_kind kind)
{
    return i < tuple->n && tuple->items[i]->kind == kind ? tuple->items[i] : NULL;
}

/* ---- arrays ---- */

static pn_status set_shape(pn_pickle *p, const pn_pickle_item *tuple, pn_shape *out)
{
    if (tuple->n > PN_MAX_DIMS)
        return pn_pickle_fail(p, PN_EUNSUPPORTED,
                              "an array of %zu dimensions, at most %d", tuple->n,
                              PN_MAX_DIMS);
    out->ndim = (int)tuple->n;
    for (size_t i = 0; i < tuple->n; i++) {
        if (tuple->items[i]->kind != PN_PICKLE_INT || tuple->items[i]->i < 0)
            return pn_pickle_fail(p, PN_EFORMAT, "an array's shape is no whole number");
        out->dim[i] = tuple->items[i]->i;
    }
    return PN_OK;
}

/* its elements: as many bytes as shape and type ask for */
static pn_status set_data(pn_pickle *p, pn_npy_array *a, const pn_pickle_item *dtype,
                          pn_bytes data)
{
    if (dtype->text.size > 3)
        return pn_pickle_fail(p, PN_EUNSUPPORTED, "an array of an unknown type");
    a->descr[0] = dtype->order ? dtype->order : '=';
    memcpy(a->descr + 1, dtype->text.at, dtype->text.size);
    pn_npy_find_dtype(a);
    if (!a->has_dtype)
        return pn_pickle_fail(p, PN_EUNSUPPORTED, "an array of type %s: must be numbers",
                              a->descr);
    int64_t n = pn_shape_count(&a->shape);
    size_t bytes = 0;
    if (n < 0 || __builtin_mul_overflow((size_t)n, pn_dtype_size(a->dtype), &bytes) ||
        bytes != data.size)
        return pn_pickle_fail(p, PN_EFORMAT,
                              "an array of %lld elements of %s has %zu bytes",
                              (long long)n, a->descr, data.size);
    a->data = data.at;
    a->size_bytes = data.size;
    int longer = 0;
    for (int i = 0; i < a->shape.ndim; i++)
        longer += a->shape.dim[i] > 1;
    if (longer < 2) a->is_fortran = false; /* the orders are one */
    return PN_OK;
}

static pn_status new_array(pn_pickle *p, pn_pickle_item *to, const pn_pickle_item *shape,
                           bool is_fortran)
{
    to->array = pn_arena_alloc(&p->arena, sizeof(*to->array));
    if (!to->array) return PN_ENOMEM;
    to->array->is_fortran = is_fortran;
    return shape ? set_shape(p, shape, &to->array->shape) : PN_OK;
}

/* (version, shape, dtype, is_fortran, bytes or list) */
static pn_status build_array(pn_pickle *p, pn_pickle_item *to,
                             const pn_pickle_item *state)
{
    size_t at = state->n == 5 ? 1 : 0; /* the version was left out in the beginning */
    const pn_pickle_item *shape = part(state, at, PN_PICKLE_TUPLE),
                         *dtype = part(state, at + 1, PN_PICKLE_DTYPE),
                         *order = at + 2 < state->n ? state->items[at + 2] : NULL,
                         *data = part(state, at + 3, PN_PICKLE_TEXT),
                         *objects = part(state, at + 3, PN_PICKLE_LIST);
    bool has_order =
        order && (order->kind == PN_PICKLE_BOOL || order->kind == PN_PICKLE_INT);
    if (!shape || !dtype || !has_order || (!data && !objects) || to->array || to->n)
        return pn_pickle_fail(p, PN_EFORMAT, "an array's state is none");
    if (objects) {
        to->items = objects->items;
        to->n = to->capacity = objects->n;
        return PN_OK;
    }
    pn_status st = new_array(p, to, shape, order->i != 0);
    return st ? st : set_data(p, to->array, dtype, data->text);
}

/* (version, byte order, subtype, names, fields, size, alignment, flags): numbers have
 * neither subtype nor names nor fields */
static pn_status build_dtype(pn_pickle *p, pn_pickle_item *to,
                             const pn_pickle_item *state)
{
    const pn_pickle_item *order = part(state, 1, PN_PICKLE_TEXT);
    if (!order || order->text.size != 1 || !strchr("<>|=", order->text.at[0]) ||
        !order->text.at[0] || state->n < 5)
        return pn_pickle_fail(p, PN_EFORMAT, "an element type's state is none");
    for (size_t i = 2; i < 5; i++)
        if (!part(state, i, PN_PICKLE_NONE))
            return pn_pickle_fail(p, PN_EUNSUPPORTED, "an element type with fields");
    to->order = (char)order->text.at[0];
    return PN_OK;
}

pn_status pn_pickle_build(pn_pickle *p, pn_pickle_item *object,
                          const pn_pickle_item *state)
{
    if (state->kind == PN_PICKLE_TUPLE && object->kind == PN_PICKLE_ARRAY)
        return build_array(p, object, state);
    if (state->kind == PN_PICKLE_TUPLE && object->kind == PN_PICKLE_DTYPE)
        return build_dtype(p, object, state);
    return pn_pickle_fail(p, PN_EFORMAT, "sets the state of what has none");
}

/* ---- functions ---- */

/* dtype("f4", ...): the rest is how to copy it */
static pn_status call_dtype(pn_pickle *p, const pn_pickle_item *args,
                            pn_pickle_item **out)
{
    const pn_pickle_item *code = part(args, 0, PN_PICKLE_TEXT);
    if (!code) return pn_pickle_fail(p, PN_EFORMAT, "dtype() of no text");
    *out = pn_pickle_new(p, PN_PICKLE_DTYPE);
    if (!*out) return PN_ENOMEM;
    (*out)->text = code->text;
    if (code->text.size && memchr("<>|=", code->text.at[0], 4)) {
        (*out)->order = (char)code->text.at[0];
        (*out)->text.at++;
        (*out)->text.size--;
    }
    return PN_OK;
}

/* text that stands for bytes below 256: how Python 3 writes bytes in protocol 2 */
static pn_status call_encode(pn_pickle *p, const pn_pickle_item *args,
                             pn_pickle_item **out)
{
    const pn_pickle_item *text = part(args, 0, PN_PICKLE_TEXT),
                         *codec = part(args, 1, PN_PICKLE_TEXT);
    if (!text || !codec ||
        (!bytes_are(codec->text, "latin1") && !bytes_are(codec->text, "latin-1")))
        return pn_pickle_fail(p, PN_EUNSUPPORTED, "encode() to what is not latin1");
    pn_bytes from = text->text;
    p->copied_bytes += from.size;
    if (p->copied_bytes > (size_t)(p->end - p->begin))
        return pn_pickle_fail(p, PN_EUNSUPPORTED,
                              "encodes the same text again and again");
    unsigned char *to = pn_arena_alloc(&p->arena, from.size + 1);
    *out = pn_pickle_new(p, PN_PICKLE_TEXT);
    if (!to || !*out) return PN_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < from.size; i++) {
        unsigned char c = from.at[i];
        if (c >= 0x80) {
            unsigned char next = i + 1 < from.size ? from.at[++i] : 0;
            if (c < 0xC2 || c > 0xC3 || (next & 0xC0) != 0x80)
                return pn_pickle_fail(p, PN_EFORMAT, "encode() of no latin1");
            c = (unsigned char)(c << 6 | (next & 0x3F));
        }
        to[n++] = c;
    }
    (*out)->text = (pn_bytes){to, n};
    return PN_OK;
}

/* _frombuffer(bytes, dtype, shape, order), scalar(dtype, bytes) */
static pn_status call_array(pn_pickle *p, const pn_pickle_item *args, bool is_scalar,
                            pn_pickle_item **out)
{
    const pn_pickle_item *data = part(args, is_scalar ? 1 : 0, PN_PICKLE_TEXT),
                         *dtype = part(args, is_scalar ? 0 : 1, PN_PICKLE_DTYPE),
                         *shape = part(args, 2, PN_PICKLE_TUPLE),
                         *order = part(args, 3, PN_PICKLE_TEXT);
    if (!data || !dtype || (!is_scalar && (!shape || !order)))
        return pn_pickle_fail(p, PN_EFORMAT, "an array is made of something else");
    *out = pn_pickle_new(p, PN_PICKLE_ARRAY);
    if (!*out) return PN_ENOMEM;
    pn_status st = new_array(p, *out, is_scalar ? NULL : shape,
                             !is_scalar && bytes_are(order->text, "F"));
    return st ? st : set_data(p, (*out)->array, dtype, data->text);
}

pn_status pn_pickle_call(pn_pickle *p, const pn_pickle_item *f,
                         const pn_pickle_item *args, pn_pickle_item **out)
{
    switch ((enum global)f->i) {
    case RECONSTRUCT:
        if (!part(args, 0, PN_PICKLE_GLOBAL) || args->items[0]->i != NDARRAY) break;
        *out = pn_pickle_new(p, PN_PICKLE_ARRAY);
        return *out ? PN_OK : PN_ENOMEM;
    case SCALAR:
    case FROM_BUFFER:
        return call_array(p, args, f->i == SCALAR, out);
    case DTYPE:
        return call_dtype(p, args, out);
    case ENCODE:
        return call_encode(p, args, out);
    case ORDERED_DICT:
        if (args->n) break;
        *out = pn_pickle_new(p, PN_PICKLE_DICT);
        return *out ? PN_OK : PN_ENOMEM;
    case NDARRAY:
        break;
    }
    return pn_pickle_fail(p, PN_EUNSUPPORTED, "a call that numpy does not make");
}
