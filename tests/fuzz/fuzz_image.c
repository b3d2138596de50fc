/* An image file behind one byte of options: sniffed, decoded, turned, resized. Sizes that
 * only cost time are left out: what a large picture may take is bounded and tested
 * elsewhere. */
#include <stdlib.h>
#include <string.h>

#include "penult/image.h"
#include "tests/fuzz/fuzz.h"

enum { SIDE = 16, MAX_PIXELS = 1 << 18 };

static bool is_large(unsigned long width, unsigned long height)
{
    return width * height > MAX_PIXELS;
}

static unsigned long big_endian(const uint8_t *p, int n)
{
    unsigned long v = 0;
    while (n--)
        v = v << 8 | *p++;
    return v;
}

/* any marker that may begin a JPEG's frame, wherever it stands; a PNG's first chunk */
static bool takes_long(const uint8_t *p, size_t size)
{
    if (size >= 24 && p[0] == 0x89)
        return is_large(big_endian(p + 16, 4), big_endian(p + 20, 4));
    for (size_t i = 0; i + 9 <= size; i++)
        if (p[i] == 0xFF && p[i + 1] >= 0xC0 && p[i + 1] <= 0xCF &&
            is_large(big_endian(p + i + 7, 2), big_endian(p + i + 5, 2)))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || takes_long(data + 1, size - 1)) return 0;
    const unsigned bits = data[0];
    const pn_preprocess p = {.height = SIDE,
                             .width = SIDE,
                             .geometry = (pn_geometry)(bits % 4),
                             .short_side = SIDE,
                             .filter = (pn_filter)(bits / 4 % 3),
                             .exif = (pn_exif)(bits / 16 % 2),
                             .alpha = (pn_alpha)(bits / 32 % 3),
                             .scale = 1,
                             .std = {1, 1, 1}};
    uint8_t pixels[SIDE * SIDE * 3];
    pn_item it = {.pixels = pixels};
    pn_decoder *d = NULL;
    PN_FUZZ_CHECK(!pn_item_set_data(&it, data + 1, size - 1));
    PN_FUZZ_CHECK(!pn_decoder_new(&d, &p));
    memset(pixels, 0, sizeof(pixels));
    PN_FUZZ_CHECK(!pn_decoder_apply(d, &it));
    PN_FUZZ_CHECK((it.reason != PN_REASON_NONE) == (it.text[0] != '\0'));
    if (!it.reason) pn_fuzz_n_accepted++;
    pn_decoder_free(&d);
    pn_item_drop_data(&it);
    free(it.data);
    return 0;
}
