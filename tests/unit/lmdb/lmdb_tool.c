/* For the tests in Python: `make OUT float32|float16|none` writes a result of 20 images
 * and 8 features; `read DB FORMAT` prints what the source makes of a database, a line an
 * image: key, channels, height, width, labels, SHA-256 of the data or the reason. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "lmdb_fixture.h"
#include "stages/source/read_lmdb.h"

static int make(char *path, const char *features)
{
    pn_err err = {0};
    const pn_write_lmdb_opts opts = {
        .path = path,
        .features = !strcmp(features, "none") ? 2 : !strcmp(features, "float16"),
        .meta_labels = "[\"zero\", \"one\", \"two\", \"three\", \"four\"]"};
    pn_status st = pn_test_make_result(&opts, 20, 8, &err);
    if (st) fprintf(stderr, "%s\n", pn_err_text(&err));
    pn_err_clear(&err);
    return st ? 1 : 0;
}

static void print_item(const pn_item *it)
{
    char hex[PN_SHA256_HEX];
    printf("%.*s\t%d\t%d\t%d\t", (int)it->key_size, (const char *)it->key,
           it->raw_channels, it->raw_height, it->raw_width);
    for (size_t i = 0; i < it->n_labels; i++)
        printf("%g", (double)it->labels[i]);
    pn_sha256_hex(it->data, it->data_size, hex);
    printf("\t%s\n", it->reason ? pn_reason_name(it->reason) : hex);
}

static int read_all(char *path, const char *format)
{
    const pn_stage_info *info = &pn_source_read_lmdb.info;
    const pn_read_lmdb_opts opts = {
        .path = path,
        .format = !strcmp(format, "datum") ? 2 : !strcmp(format, "encoded")};
    void *shared = calloc(1, info->shared_size), *state = calloc(1, info->state_size);
    pn_err err = {0};
    pn_batch *b = pn_test_batch(3, 0);
    pn_status st = info->open(shared, &opts, &err);
    if (!st) st = info->start(state, shared, &err);
    while (!st) {
        pn_batch_reset(b);
        st = pn_source_read_lmdb.pull(state, b, NULL, &err);
        for (int i = 0; !st && i < b->n; i++)
            print_item(&b->items[i]);
    }
    if (st != PN_END) fprintf(stderr, "%s\n", pn_err_text(&err));
    info->stop(state);
    info->close(shared);
    free(state);
    free(shared);
    pn_batch_free(&b);
    pn_err_clear(&err);
    return st == PN_END ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "make")) return make(argv[2], argv[3]);
    if (argc == 4 && !strcmp(argv[1], "read")) return read_all(argv[2], argv[3]);
    fprintf(stderr, "usage: %s make OUT FEATURES | read DB FORMAT\n", argv[0]);
    return 64;
}
