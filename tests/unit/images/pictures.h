/** @file pictures.h  The golden pictures, and a decoder run on bytes. */
#ifndef PN_TESTS_PICTURES_H
#define PN_TESTS_PICTURES_H

#include <stddef.h>
#include <stdint.h>

#include "penult/batch.h"
#include "penult/image.h"

/** A file of tests/golden/images, malloc'd; fails the test if it is not there. */
uint8_t *picture_load(const char *name, size_t *size);

/** A squash to height x width by nearest, all else as by default. */
pn_preprocess plain_record(int height, int width);

/** One decoder and a batch of three items; bytes go through the middle one, and its
 * neighbours' pixels are canaries. */
typedef struct bench {
    pn_preprocess preprocess;
    pn_decoder *decoder;
    pn_batch *batch;
    pn_item *item;
    size_t pixel_bytes; /**< of one item */
} bench;
void bench_init(bench *b, const pn_preprocess *p);
void bench_fini(bench *b);
/** Decode a copy of the bytes that ends where its memory ends. Fails the test if memory
 * or a neighbour's pixels were harmed. @return the item's reason */
pn_reason bench_decode(bench *b, const void *data, size_t size);

/** A small generator with a fixed seed: the same bytes on every machine. */
uint32_t next_random(uint32_t *state);

#endif
