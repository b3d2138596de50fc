/*
 * For compare_with_pillow.py. Each line of stdin is
 *     GEOMETRY FILTER HEIGHT WIDTH SHORT_SIDE ALPHA EXIF PATH
 * with the enums as numbers; stdout gets "REASON TEXT\n" and, for "none", the pixels.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "penult/image.h"

static int print_one(const pn_preprocess *p, const char *path)
{
    pn_err err = {0};
    pn_decoder *decoder = NULL;
    pn_batch *batch = NULL;
    pn_file *file = NULL;
    pn_batch_shape shape = {.capacity = 1, .height = p->height, .width = p->width};
    pn_status st = pn_decoder_new(&decoder, p);
    if (!st) st = pn_batch_new(&batch, &shape);
    if (!st) st = pn_file_open(&file, path, &err);
    if (!st) {
        pn_batch_reset(batch);
        st = pn_item_set_data(&batch->items[0], file->data, file->size);
    }
    if (!st) st = pn_decoder_apply(decoder, &batch->items[0]);
    if (st) {
        fprintf(stderr, "%s: %s\n", path, pn_err_text(&err));
    } else {
        const pn_item *it = &batch->items[0];
        printf("%s %s\n", pn_reason_name(it->reason), it->text);
        if (!it->reason)
            fwrite(it->pixels, 1, (size_t)p->height * (size_t)p->width * 3, stdout);
    }
    pn_file_close(&file);
    pn_batch_free(&batch);
    pn_decoder_free(&decoder);
    pn_err_clear(&err);
    return st ? 1 : 0;
}

int main(void)
{
    char line[4096], path[4096];
    while (fgets(line, sizeof(line), stdin)) {
        int geometry, filter, alpha, exif;
        pn_preprocess p = {.scale = 1, .std = {1, 1, 1}};
        if (sscanf(line, "%d %d %d %d %d %d %d %4095[^\n]", &geometry, &filter, &p.height,
                   &p.width, &p.short_side, &alpha, &exif, path) != 8)
            return 64;
        p.geometry = (pn_geometry)geometry;
        p.filter = (pn_filter)filter;
        p.alpha = (pn_alpha)alpha;
        p.exif = (pn_exif)exif;
        if (print_one(&p, path)) return 1;
    }
    return 0;
}
