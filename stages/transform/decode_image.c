/* From an item's bytes to the network's pixels: decode, turn upright, resize and crop. */
#include "penult/image.h"

#include <stdlib.h>
#include <string.h>

#include "stages/sniff.h"
#include "stages/transform/bitmap.h"
#include "stages/transform/decode_jpeg.h"
#include "stages/transform/decode_png.h"
#include "stages/transform/exif.h"
#include "stages/transform/geometry.h"
#include "stages/transform/resample.h"

#define MAX_NETWORK_SIDE 8192

struct pn_decoder {
    pn_preprocess preprocess;
    pn_bitmap decoded, oriented;
    pn_png_scratch png;
    pn_resampler resampler;
};

pn_status pn_decoder_new(pn_decoder **out, const pn_preprocess *p)
{
    if (p->width < 1 || p->height < 1 || p->width > MAX_NETWORK_SIDE ||
        p->height > MAX_NETWORK_SIDE)
        return PN_EINVAL;
    /* the window of a crop must lie within the resized picture */
    if (p->geometry == PN_GEOMETRY_SHORT_SIDE_CROP &&
        (p->short_side < p->width || p->short_side < p->height))
        return PN_EINVAL;
    pn_decoder *d = calloc(1, sizeof(*d));
    if (!d) return PN_ENOMEM;
    d->preprocess = *p;
    *out = d;
    return PN_OK;
}

void pn_decoder_free(pn_decoder **d)
{
    if (!d || !*d) return;
    pn_bitmap_fini(&(*d)->decoded);
    pn_bitmap_fini(&(*d)->oriented);
    free((*d)->png.wide);
    pn_resampler_fini(&(*d)->resampler);
    free(*d);
    *d = NULL;
}

static pn_status take_raw(pn_bitmap *out, pn_item *it)
{
    int c = it->raw_channels;
    if ((c != 1 && c != 3) || it->raw_width < 1 || it->raw_height < 1) {
        pn_item_fail(it, PN_REASON_RECORD,
                     "raw pixels of %d channels, %dx%d: 1 or 3 channels and at least "
                     "1 pixel a side",
                     c, it->raw_width, it->raw_height);
        return PN_OK;
    }
    uint64_t w = (uint64_t)it->raw_width, h = (uint64_t)it->raw_height;
    size_t n;
    if (__builtin_mul_overflow((size_t)(w * h), (size_t)c, &n) || n != it->data_size) {
        pn_item_fail(it, PN_REASON_RECORD,
                     "raw pixels of %d channels, %dx%d: %zu bytes do not fit that", c,
                     it->raw_width, it->raw_height, it->data_size);
        return PN_OK;
    }
    pn_status st = pn_bitmap_prepare(out, it, w, h);
    if (st || it->reason) return st;
    size_t plane = n / (size_t)c;
    const uint8_t *b = it->data, *g = c == 3 ? b + plane : b, *r = c == 3 ? g + plane : b;
    uint8_t *to = out->bgr;
    for (size_t i = 0; i < plane; i++, to += 3) {
        to[0] = b[i];
        to[1] = g[i];
        to[2] = r[i];
    }
    return PN_OK;
}

static pn_status decode(pn_decoder *d, pn_item *it, int *orientation)
{
    int *wanted = d->preprocess.exif == PN_EXIF_APPLY ? orientation : NULL;
    if (it->raw_channels) return take_raw(&d->decoded, it);
    if (!it->data_size) {
        pn_item_fail(it, PN_REASON_EMPTY, "no bytes at all");
        return PN_OK;
    }
    const char *name;
    switch (pn_sniff(it->data, it->data_size, &name)) {
    case PN_CONTENT_JPEG:
        return pn_decode_jpeg(&d->decoded, it, wanted);
    case PN_CONTENT_PNG:
        return pn_decode_png(&d->decoded, &d->png, it, d->preprocess.alpha, wanted);
    case PN_CONTENT_OTHER:
        pn_item_fail(it, PN_REASON_UNSUPPORTED,
                     "content is %s: only JPEG and PNG are read", name);
        return PN_OK;
    case PN_CONTENT_UNKNOWN:
        break;
    }
    pn_item_fail(it, PN_REASON_NOT_IMAGE, "%zu bytes that begin like no image format",
                 it->data_size);
    return PN_OK;
}

static pn_status fit(pn_decoder *d, const pn_bitmap *picture, pn_item *it)
{
    const pn_preprocess *p = &d->preprocess;
    pn_layout l;
    pn_layout_init(&l, p, picture->width, picture->height);
    if (l.width < p->width || l.height < p->height)
        memset(it->pixels, p->fill, (size_t)p->width * (size_t)p->height * 3);
    return pn_resample(&d->resampler, picture, &l, p->filter, it->pixels, p->width);
}

pn_status pn_decoder_apply(pn_decoder *d, pn_item *it)
{
    int orientation = 1;
    pn_status st = decode(d, it, &orientation);
    const pn_bitmap *picture = &d->decoded;
    if (!st && !it->reason && orientation != 1) {
        st = pn_bitmap_orient(&d->oriented, &d->decoded, orientation, it);
        picture = &d->oriented;
    }
    if (!st && !it->reason) st = fit(d, picture, it);
    pn_bitmap_trim(&d->decoded);
    pn_bitmap_trim(&d->oriented);
    pn_scratch_trim(&d->png.wide, &d->png.capacity);
    pn_resampler_trim(&d->resampler);
    return st;
}
