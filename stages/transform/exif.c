/* Broken EXIF is common in photos that are otherwise fine, so nothing here can fail an
 * image: what cannot be read is taken as absent. */
#include "stages/transform/exif.h"

#include <stdbool.h>
#include <stddef.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT 3
#define TYPE_LONG 4
#define TIFF_HEADER 8
#define IFD_ENTRY 12

static uint32_t get16(const uint8_t *p, bool big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t get32(const uint8_t *p, bool big)
{
    return big ? get16(p, big) << 16 | get16(p + 2, big)
               : get16(p + 2, big) << 16 | get16(p, big);
}

int pn_exif_orientation(const uint8_t *tiff, size_t size)
{
    if (size < TIFF_HEADER) return 1;
    bool big = tiff[0] == 'M';
    if (tiff[0] != tiff[1] || (tiff[0] != 'M' && tiff[0] != 'I')) return 1;
    if (get16(tiff + 2, big) != 42) return 1;
    size_t ifd = get32(tiff + 4, big);
    if (ifd > size - 2) return 1;
    size_t n = get16(tiff + ifd, big);
    size_t room = (size - ifd - 2) / IFD_ENTRY;
    for (size_t i = 0; i < n && i < room; i++) {
        const uint8_t *e = tiff + ifd + 2 + i * IFD_ENTRY;
        if (get16(e, big) != TAG_ORIENTATION) continue;
        uint32_t type = get16(e + 2, big), count = get32(e + 4, big);
        if (count != 1 || (type != TYPE_SHORT && type != TYPE_LONG)) return 1;
        uint32_t v = type == TYPE_SHORT ? get16(e + 8, big) : get32(e + 8, big);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 1;
}

pn_status pn_bitmap_orient(pn_bitmap *dst, const pn_bitmap *src, int orientation,
                           pn_item *item)
{
    bool swaps = orientation >= 5;
    int64_t w = src->width, h = src->height;
    pn_status st = pn_bitmap_prepare(dst, item, (uint64_t)(swaps ? h : w),
                                     (uint64_t)(swaps ? w : h));
    if (st || item->reason) return st;

    /* where the first pixel shown is stored, and the way from one shown pixel to the next
     * to its right (dx) and below (dy), in stored pixels */
    bool from_right =
        orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool from_bottom =
        orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    int64_t along_x = from_right ? -1 : 1, along_y = from_bottom ? -w : w;
    int64_t dx = swaps ? along_y : along_x, dy = swaps ? along_x : along_y;
    int64_t row = (from_right ? w - 1 : 0) + (from_bottom ? (h - 1) * w : 0);

    uint8_t *out = dst->bgr;
    for (int y = 0; y < dst->height; y++, row += dy) {
        int64_t at = row;
        for (int x = 0; x < dst->width; x++, at += dx, out += 3) {
            const uint8_t *p = src->bgr + at * 3;
            out[0] = p[0];
            out[1] = p[1];
            out[2] = p[2];
        }
    }
    return PN_OK;
}
