/*
 * The only file that calls libspng. Its 8-bit RGB is what Pillow's convert("RGB") makes
 * for every kind of PNG but 16-bit grey, which Pillow cuts off at 255.
 */
#include "stages/transform/decode_png.h"

#include <stdbool.h>

#include <spng.h>

#include "stages/transform/exif.h"

/* Of text and profiles, which libspng unpacks and nobody here reads. */
#define MAX_CHUNK_BYTES ((size_t)32 << 20)
/* deflate spends two bits on 258 equal bytes at best */
#define MAX_BYTES_PER_BYTE 1032

static pn_status fail(pn_item *item, int code, const char *what)
{
    pn_reason reason = PN_REASON_DAMAGED;
    switch (code) {
    case SPNG_EMEM:
        return PN_ENOMEM;
    case SPNG_IO_EOF:
    case SPNG_EIDAT_TOO_SHORT:
        reason = PN_REASON_TRUNCATED;
        break;
    case SPNG_ECHUNK_LIMITS:
    case SPNG_EUSER_WIDTH:
    case SPNG_EUSER_HEIGHT:
    case SPNG_EOVERFLOW:
        reason = PN_REASON_TOO_LARGE;
        break;
    default:
        break;
    }
    pn_item_fail(item, reason, "PNG: %s: %s", what, spng_strerror(code));
    return PN_OK;
}

static bool fits_file(const struct spng_ihdr *h, size_t file_bytes)
{
    static const uint8_t channels[7] = {1, 0, 3, 1, 2, 0, 4};
    uint64_t bits = (uint64_t)h->width * h->bit_depth * channels[h->color_type % 7];
    uint64_t bytes = (bits / 8 + 1) * h->height;
    return bytes / MAX_BYTES_PER_BYTE <= file_bytes;
}

/* v/255 rounded, for v up to 255 * 255 */
static uint8_t div255(unsigned v)
{
    v += 128;
    return (uint8_t)(((v >> 8) + v) >> 8);
}

static void swap_red_blue(uint8_t *p, size_t n_pixels)
{
    for (size_t i = 0; i < n_pixels; i++, p += 3) {
        uint8_t t = p[0];
        p[0] = p[2];
        p[2] = t;
    }
}

static void blend(uint8_t *bgr, const uint8_t *rgba, size_t n_pixels, unsigned ground)
{
    for (size_t i = 0; i < n_pixels; i++, bgr += 3, rgba += 4) {
        unsigned a = rgba[3];
        for (int c = 0; c < 3; c++)
            bgr[c] = div255(rgba[2 - c] * a + ground * (255 - a));
    }
}

/* The samples stand at the front of the buffer, two bytes each, and become three from the
 * back. `clear` is the value that is transparent, -1 if none is. */
static void bgr_of_grey16(uint8_t *buf, size_t n_pixels, int clear, unsigned ground)
{
    for (size_t i = n_pixels; i-- > 0;) {
        unsigned v = (unsigned)buf[2 * i] << 8 | buf[2 * i + 1];
        uint8_t b = (uint8_t)((int)v == clear ? ground : v > 255 ? 255 : v);
        buf[3 * i] = buf[3 * i + 1] = buf[3 * i + 2] = b;
    }
}

static pn_status decode_grey16(spng_ctx *ctx, pn_bitmap *out, pn_item *item, int clear,
                               unsigned ground)
{
    size_t n = (size_t)out->width * (size_t)out->height;
    int e = spng_decode_image(ctx, out->bgr, n * 2, SPNG_FMT_RAW, 0);
    if (e) return fail(item, e, "pixels");
    bgr_of_grey16(out->bgr, n, clear, ground);
    return PN_OK;
}

static pn_status decode_rgba(spng_ctx *ctx, pn_bitmap *out, pn_png_scratch *scratch,
                             pn_item *item, unsigned ground)
{
    size_t n = (size_t)out->width * (size_t)out->height;
    pn_status st = pn_scratch_reserve(&scratch->wide, &scratch->capacity, n * 4);
    if (st) return st;
    int e =
        spng_decode_image(ctx, scratch->wide, n * 4, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS);
    if (e) return fail(item, e, "pixels");
    blend(out->bgr, scratch->wide, n, ground);
    return PN_OK;
}

static pn_status decode_rgb(spng_ctx *ctx, pn_bitmap *out, pn_item *item)
{
    size_t n = (size_t)out->width * (size_t)out->height;
    int e = spng_decode_image(ctx, out->bgr, n * 3, SPNG_FMT_RGB8, 0);
    if (e) return fail(item, e, "pixels");
    swap_red_blue(out->bgr, n);
    return PN_OK;
}

static pn_status decode(spng_ctx *ctx, pn_bitmap *out, pn_png_scratch *scratch,
                        pn_item *item, pn_alpha alpha)
{
    int e = spng_set_chunk_limits(ctx, MAX_CHUNK_BYTES, MAX_CHUNK_BYTES);
    if (!e) e = spng_set_crc_action(ctx, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
    if (!e) e = spng_set_png_buffer(ctx, item->data, item->data_size);
    struct spng_ihdr h;
    if (!e) e = spng_get_ihdr(ctx, &h);
    if (e) return fail(item, e, "header");
    pn_status st = pn_bitmap_prepare(out, item, h.width, h.height);
    if (st || item->reason) return st;
    if (!fits_file(&h, item->data_size)) {
        pn_item_fail(item, PN_REASON_TRUNCATED, "PNG: %zu bytes cannot hold %ux%u pixels",
                     item->data_size, h.width, h.height);
        return PN_OK;
    }

    bool has_alpha = (h.color_type & SPNG_COLOR_TYPE_GRAYSCALE_ALPHA) != 0;
    int clear = -1;
    struct spng_trns trns;
    if (alpha != PN_ALPHA_IGNORE && !has_alpha && spng_get_trns(ctx, &trns) == 0) {
        has_alpha = true;
        clear = trns.gray;
    }
    unsigned ground = alpha == PN_ALPHA_WHITE ? 255 : 0;
    if (h.color_type == SPNG_COLOR_TYPE_GRAYSCALE && h.bit_depth == 16)
        return decode_grey16(ctx, out, item, clear, ground);
    if (has_alpha && alpha != PN_ALPHA_IGNORE)
        return decode_rgba(ctx, out, scratch, item, ground);
    return decode_rgb(ctx, out, item);
}

pn_status pn_decode_png(pn_bitmap *out, pn_png_scratch *scratch, pn_item *item,
                        pn_alpha alpha, int *orientation)
{
    if (orientation) *orientation = 1;
    spng_ctx *ctx = spng_ctx_new(0);
    if (!ctx) return PN_ENOMEM;
    pn_status st = decode(ctx, out, scratch, item, alpha);
    struct spng_exif exif;
    if (!st && !item->reason && orientation && spng_get_exif(ctx, &exif) == 0)
        *orientation = pn_exif_orientation((const uint8_t *)exif.data, exif.length);
    spng_ctx_free(ctx);
    return st;
}
