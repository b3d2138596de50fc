/* One table for whoever asks, so that an image fails for the same reason from a folder
 * and from a database. Formats that are not read stand here to be called by their names.
 */
#include "stages/sniff.h"

#include <stdint.h>
#include <string.h>

typedef struct magic {
    pn_content content;
    size_t offset, size;
    const char *bytes;
    const char *name;
} magic;

static const magic magics[] = {
    {PN_CONTENT_JPEG, 0, 3, "\xFF\xD8\xFF", "JPEG"},
    {PN_CONTENT_PNG, 0, 8, "\x89PNG\r\n\x1A\n", "PNG"},
    {PN_CONTENT_OTHER, 0, 6, "GIF87a", "GIF"},
    {PN_CONTENT_OTHER, 0, 6, "GIF89a", "GIF"},
    {PN_CONTENT_OTHER, 8, 4, "WEBP", "WebP"},
    {PN_CONTENT_OTHER, 0, 4, "II*\0", "TIFF"},
    {PN_CONTENT_OTHER, 0, 4, "MM\0*", "TIFF"},
    {PN_CONTENT_OTHER, 0, 2, "BM", "BMP"},
    {PN_CONTENT_OTHER, 0, 3, "\x1F\x8B\x08", "gzip"},
    {PN_CONTENT_OTHER, 4, 8, "ftypavif", "AVIF"},
    {PN_CONTENT_OTHER, 4, 7, "ftypmif", "HEIF"},
    {PN_CONTENT_OTHER, 4, 7, "ftyphei", "HEIF"},
    {PN_CONTENT_OTHER, 4, 8, "jP  \r\n\x87\n", "JPEG 2000"},
    {PN_CONTENT_OTHER, 0, 4, "\xFF\x4F\xFF\x51", "JPEG 2000"},
    {PN_CONTENT_OTHER, 4, 8, "JXL \r\n\x87\n", "JPEG XL"},
    {PN_CONTENT_OTHER, 0, 4, "8BPS", "Photoshop"},
};

pn_content pn_sniff(const void *bytes, size_t size, const char **name)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        const magic *m = &magics[i];
        if (size < m->offset + m->size) continue;
        if (memcmp(p + m->offset, m->bytes, m->size)) continue;
        if (m->offset == 8 && memcmp(p, "RIFF", 4)) continue;
        if (name) *name = m->name;
        return m->content;
    }
    return PN_CONTENT_UNKNOWN;
}
