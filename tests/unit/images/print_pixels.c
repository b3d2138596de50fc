/*
 * For compare_with_pillow.py:
 *     print_pixels GEOMETRY FILTER HEIGHT WIDTH SHORT_SIDE ALPHA EXIF
 * with the enums as numbers. Each line of stdin is a path; stdout gets "REASON TEXT\n"
 * and, for "none", the pixels. One decoder does them all, as in a run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "penult/image.h"

static pn_status print_one(pn_decoder *decoder, pn_batch *batch, const char *path,
                           pn_err *err)
{
    pn_file *file = NULL;
    pn_item *it = &batch->items[0];
    pn_batch_reset(batch);
    pn_status st = pn_file_open(&file, path, err);
    if (!st) st = pn_item_set_data(it, file->data, file->size);
    if (!st) st = pn_decoder_apply(decoder, it);
    pn_file_close(&file);
    if (st) return st;
    printf("%s %s\n", pn_reason_name(it->reason), it->text);
    if (!it->reason)
        fwrite(it->pixels, 1,
               (size_t)batch->shape.height * (size_t)batch->shape.width * 3, stdout);
    return PN_OK;
}

int main(int argc, char **argv)
{
    if (argc != 8) return 64;
    int v[7];
    for (int i = 0; i < 7; i++)
        v[i] = atoi(argv[i + 1]);
    pn_preprocess p = {.geometry = (pn_geometry)v[0],
                       .filter = (pn_filter)v[1],
                       .height = v[2],
                       .width = v[3],
                       .short_side = v[4],
                       .alpha = (pn_alpha)v[5],
                       .exif = (pn_exif)v[6],
                       .scale = 1,
                       .std = {1, 1, 1}};
    pn_batch_shape shape = {.capacity = 1, .height = p.height, .width = p.width};
    pn_decoder *decoder = NULL;
    pn_batch *batch = NULL;
    pn_err err = {0};
    pn_status st = pn_decoder_new(&decoder, &p);
    if (!st) st = pn_batch_new(&batch, &shape);
    char path[4096];
    while (!st && fgets(path, sizeof(path), stdin)) {
        path[strcspn(path, "\n")] = '\0';
        st = print_one(decoder, batch, path, &err);
    }
    if (st) fprintf(stderr, "print_pixels: %s\n", pn_err_text(&err));
    pn_batch_free(&batch);
    pn_decoder_free(&decoder);
    pn_err_clear(&err);
    return st ? 1 : 0;
}
