/* Field numbers of caffe.proto: channels 1, height 2, width 3, data 4, label 5,
 * float_data 6, encoded 7. Caffe writes the planes as C x H x W in OpenCV's order, BGR.
 */
#include "stages/source/datum.h"

#include <string.h>

#include "stages/sniff.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef struct wire {
    const uint8_t *p, *end;
} wire;

static bool get_varint(wire *w, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && w->p < w->end; shift += 7) {
        uint8_t b = *w->p++;
        if (shift == 63 && b > 1) return false; /* more than 64 bits */
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool get_bytes(wire *w, uint64_t size, const uint8_t **out)
{
    if (size > (uint64_t)(w->end - w->p)) return false;
    *out = w->p;
    w->p += size;
    return true;
}

typedef struct wire_field {
    uint64_t number, varint; /**< varint: also the size of bytes */
    unsigned type;
    const uint8_t *bytes; /**< of WIRE_BYTES */
} wire_field;

static const char *get_field(wire *w, wire_field *f)
{
    uint64_t tag;
    if (!get_varint(w, &tag)) return "a tag is cut short or too long";
    f->number = tag >> 3;
    f->type = (unsigned)(tag & 7);
    if (f->number == 0 || f->number > (1u << 29) - 1) return "no such field number";
    switch (f->type) {
    case WIRE_VARINT:
        return get_varint(w, &f->varint) ? NULL : "a number is cut short or too long";
    case WIRE_64:
        return get_bytes(w, 8, &f->bytes) ? NULL : "a field reaches past the end";
    case WIRE_32:
        return get_bytes(w, 4, &f->bytes) ? NULL : "a field reaches past the end";
    case WIRE_BYTES:
        if (!get_varint(w, &f->varint)) return "a length is cut short or too long";
        return get_bytes(w, f->varint, &f->bytes) ? NULL : "a field reaches past the end";
    default:
        return "a field of a kind that Datum has not";
    }
}

/* protobuf's int32: the low half of a sign-extended varint */
static int32_t as_int32(uint64_t v)
{
    uint32_t low = (uint32_t)v;
    int32_t i;
    memcpy(&i, &low, sizeof(i));
    return i;
}

static const char *store_field(pn_datum *d, const wire_field *f)
{
    static const char wrong[] = "a field of Datum has the wrong type";
    switch (f->number) {
    case 4:
        if (f->type != WIRE_BYTES) return wrong;
        d->data = f->bytes;
        d->data_size = (size_t)f->varint;
        return NULL;
    case 6:
        if (f->type == WIRE_BYTES && f->varint % 4 == 0)
            d->n_floats += (size_t)f->varint / 4;
        else if (f->type == WIRE_32)
            d->n_floats++;
        else
            return wrong;
        return NULL;
    case 1:
    case 2:
    case 3:
    case 5:
    case 7:
        break;
    default:
        return NULL;
    }
    if (f->type != WIRE_VARINT) return wrong;
    if (f->number == 1) d->channels = as_int32(f->varint);
    if (f->number == 2) d->height = as_int32(f->varint);
    if (f->number == 3) d->width = as_int32(f->varint);
    if (f->number == 5) d->label = as_int32(f->varint), d->has_label = true;
    if (f->number == 7) d->encoded = f->varint != 0;
    return NULL;
}

const char *pn_datum_parse(pn_datum *out, const void *bytes, size_t size)
{
    pn_datum d = {0};
    wire w = {bytes, (const uint8_t *)bytes + size};
    while (w.p < w.end) {
        wire_field f = {0};
        const char *rule = get_field(&w, &f);
        if (!rule) rule = store_field(&d, &f);
        if (rule) return rule;
    }
    *out = d;
    return NULL;
}

/* an image file of any kind: whether it can be read, the decoder says */
static bool is_image_file(const void *bytes, size_t size)
{
    return pn_sniff(bytes, size, NULL) != PN_CONTENT_UNKNOWN;
}

/* the planes must be there to the byte: a size that lies would shift every row */
static bool is_raw(const pn_datum *d)
{
    if ((d->channels != 1 && d->channels != 3) || d->height < 1 || d->width < 1)
        return false;
    uint64_t plane = (uint64_t)d->height * (uint64_t)d->width; /* below 2^62 */
    return plane <= d->data_size / (unsigned)d->channels &&
           plane * (unsigned)d->channels == d->data_size;
}

static pn_status item_from_datum(pn_item *it, const pn_datum *d)
{
    if (d->has_label) {
        float label = (float)d->label;
        pn_status st = pn_item_set_labels(it, &label, 1);
        if (st) return st;
    }
    if (d->data_size == 0) {
        if (d->n_floats)
            pn_item_fail(it, PN_REASON_RECORD, "float_data is not an image");
        else
            pn_item_fail(it, PN_REASON_RECORD, "Datum: no data");
        return PN_OK;
    }
    if (!d->encoded && is_raw(d)) {
        it->raw_channels = d->channels;
        it->raw_height = d->height;
        it->raw_width = d->width;
    } else if (!d->encoded && !is_image_file(d->data, d->data_size)) {
        pn_item_fail(it, PN_REASON_RECORD,
                     "Datum: channels x height x width is %ld x %ld x %ld, but data has "
                     "%zu bytes: must be equal, with 1 or 3 channels",
                     (long)d->channels, (long)d->height, (long)d->width, d->data_size);
        return PN_OK;
    }
    return pn_item_set_data(it, d->data, d->data_size);
}

pn_status pn_item_from_value(pn_item *it, pn_value_format format, const void *value,
                             size_t size)
{
    if (size == 0) {
        pn_item_fail(it, PN_REASON_EMPTY, "the value has no bytes");
        return PN_OK;
    }
    if (format == PN_VALUE_ENCODED ||
        (format == PN_VALUE_AUTO && is_image_file(value, size)))
        return pn_item_set_data(it, value, size);
    pn_datum d;
    const char *rule = pn_datum_parse(&d, value, size);
    if (!rule) return item_from_datum(it, &d);
    if (format == PN_VALUE_DATUM)
        pn_item_fail(it, PN_REASON_RECORD, "Datum: %s", rule);
    else
        pn_item_fail(it, PN_REASON_NOT_IMAGE, "neither an image file nor a Datum (%s)",
                     rule);
    return PN_OK;
}
