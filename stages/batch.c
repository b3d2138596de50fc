/* The record that travels: one allocation a block, one set of growing buffers an item. */
#include "penult/batch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ALIGN 64

/* What an item may keep for its next journey. Encoded images are given back whole: kept,
 * every item would end up as large as the largest image it ever carried, and memory would
 * grow with the number of images. */
#define KEEP_DATA_BYTES ((size_t)16 << 10)
#define KEEP_NAME_BYTES ((size_t)1 << 10)
#define KEEP_LABELS ((size_t)256)

/* calloc's guarantee with an alignment: a block of count x each bytes; NULL on overflow
 */
static void *block_new(size_t count, size_t each)
{
    size_t size;
    if (__builtin_mul_overflow(count, each, &size) || size > PTRDIFF_MAX - BLOCK_ALIGN)
        return NULL;
    size = (size + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
    return aligned_alloc(BLOCK_ALIGN, size ? size : BLOCK_ALIGN);
}

static void point_into_blocks(pn_batch *b)
{
    const pn_batch_shape *s = &b->shape;
    size_t pixel_bytes = (size_t)s->height * (size_t)s->width * 3;
    for (int i = 0; i < s->capacity; i++) {
        pn_item *it = &b->items[i];
        it->pixels = b->pixel_block + (size_t)i * pixel_bytes;
        it->top = b->top_block + (size_t)i * (size_t)s->top_k;
        it->features =
            s->n_features ? b->feature_block + (size_t)i * s->n_features : NULL;
    }
}

pn_status pn_batch_new(pn_batch **out, const pn_batch_shape *shape)
{
    size_t pixel_bytes, feature_bytes;
    if (shape->capacity < 1 || shape->height < 0 || shape->width < 0 || shape->top_k < 0)
        return PN_EINVAL;
    if (__builtin_mul_overflow((size_t)shape->height, (size_t)shape->width,
                               &pixel_bytes) ||
        __builtin_mul_overflow(pixel_bytes, (size_t)3, &pixel_bytes) ||
        __builtin_mul_overflow(shape->n_features, sizeof(float), &feature_bytes))
        return PN_ENOMEM;

    pn_batch *b = calloc(1, sizeof(*b));
    if (!b) return PN_ENOMEM;
    size_t n = (size_t)shape->capacity;
    b->shape = *shape;
    b->items = calloc(n, sizeof(*b->items));
    b->pixel_block = block_new(n, pixel_bytes);
    b->top_block = block_new(n, (size_t)shape->top_k * sizeof(pn_score));
    if (shape->n_features) b->feature_block = block_new(n, feature_bytes);
    if (!b->items || !b->pixel_block || !b->top_block ||
        (shape->n_features && !b->feature_block)) {
        pn_batch_free(&b);
        return PN_ENOMEM;
    }
    point_into_blocks(b);
    *out = b;
    return PN_OK;
}

void pn_batch_free(pn_batch **b)
{
    if (!b || !*b) return;
    for (int i = 0; (*b)->items && i < (*b)->shape.capacity; i++) {
        pn_item *it = &(*b)->items[i];
        free(it->key);
        free(it->path);
        free(it->data);
        free(it->labels);
    }
    free((*b)->items);
    free((*b)->pixel_block);
    free((*b)->top_block);
    free((*b)->feature_block);
    free(*b);
    *b = NULL;
}

static void drop_key(pn_item *it)
{
    free(it->key);
    it->key = NULL;
    it->key_capacity = 0;
}

static void drop_path(pn_item *it)
{
    free(it->path);
    it->path = NULL;
    it->path_capacity = 0;
}

static void drop_labels(pn_item *it)
{
    free(it->labels);
    it->labels = NULL;
    it->labels_capacity = 0;
}

void pn_item_drop_data(pn_item *it)
{
    it->data_size = 0;
    if (it->data_capacity <= KEEP_DATA_BYTES) return;
    free(it->data);
    it->data = NULL;
    it->data_capacity = 0;
}

int64_t pn_batch_data_bytes(const pn_batch *b)
{
    int64_t sum = 0;
    for (int i = 0; i < b->n; i++)
        sum += (int64_t)b->items[i].data_capacity;
    return sum;
}

static void item_reset(pn_item *it)
{
    pn_item_drop_data(it);
    if (it->key_capacity > KEEP_NAME_BYTES) drop_key(it);
    if (it->path_capacity > KEEP_NAME_BYTES) drop_path(it);
    if (it->labels_capacity > KEEP_LABELS) drop_labels(it);
    it->seq = 0;
    it->key_size = 0;
    if (it->path) it->path[0] = '\0';
    it->raw_height = it->raw_width = it->raw_channels = 0;
    it->n_labels = 0;
    it->reason = PN_REASON_NONE;
    it->text[0] = '\0';
}

void pn_batch_reset(pn_batch *b)
{
    /* all items, not only the first n: a source that failed half-way never counted its */
    for (int i = 0; i < b->shape.capacity; i++)
        item_reset(&b->items[i]);
    b->n = 0;
    b->type = PN_TYPE_REFS;
    b->next = NULL;
}

/* Room for size bytes in *buf. Sizes go up in steps of an eighth, so that buffers freed
 * by one image fit the next and the heap does not splinter. */
static pn_status reserve(void **buf, size_t *capacity, size_t size)
{
    if (size <= *capacity && *buf) return PN_OK;
    if (size > PTRDIFF_MAX / 2) return PN_ENOMEM;
    size_t step = 64;
    while (step * 16 < size)
        step *= 2;
    size_t want = (size / step + 1) * step;
    void *p = realloc(*buf, want);
    if (!p) return PN_ENOMEM;
    *buf = p;
    *capacity = want;
    return PN_OK;
}

static pn_status reserve_bytes(uint8_t **buf, size_t *capacity, size_t size)
{
    void *p = *buf;
    pn_status st = reserve(&p, capacity, size);
    *buf = p;
    return st;
}

pn_status pn_item_set_key(pn_item *it, const void *key, size_t size)
{
    pn_status st = reserve_bytes(&it->key, &it->key_capacity, size);
    if (st) return st;
    if (size) memcpy(it->key, key, size);
    it->key_size = size;
    return PN_OK;
}

pn_status pn_item_set_path(pn_item *it, const char *path)
{
    size_t size = strlen(path) + 1;
    void *p = it->path;
    pn_status st = reserve(&p, &it->path_capacity, size);
    it->path = p;
    if (st) return st;
    memcpy(it->path, path, size);
    return PN_OK;
}

pn_status pn_item_reserve_data(pn_item *it, size_t size)
{
    return reserve_bytes(&it->data, &it->data_capacity, size);
}

pn_status pn_item_set_data(pn_item *it, const void *data, size_t size)
{
    pn_status st = pn_item_reserve_data(it, size);
    if (st) return st;
    if (size) memcpy(it->data, data, size);
    it->data_size = size;
    return PN_OK;
}

pn_status pn_item_set_labels(pn_item *it, const float *labels, size_t n)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, sizeof(*labels), &bytes)) return PN_ENOMEM;
    size_t capacity = it->labels_capacity * sizeof(*labels);
    void *p = it->labels;
    pn_status st = reserve(&p, &capacity, bytes);
    it->labels = p;
    if (st) return st;
    it->labels_capacity = capacity / sizeof(*labels);
    if (n) memcpy(it->labels, labels, bytes);
    it->n_labels = n;
    return PN_OK;
}

/* A text cut at PN_ITEM_TEXT must not end inside a UTF-8 sequence. */
static void trim_utf8_tail(char *s)
{
    size_t n = strlen(s), i = n;
    while (i && ((unsigned char)s[i - 1] & 0xC0) == 0x80)
        i--;
    if (!i) return;
    unsigned char lead = (unsigned char)s[i - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (n - (i - 1) < want) s[i - 1] = '\0';
}

void pn_item_fail(pn_item *it, pn_reason reason, const char *fmt, ...)
{
    if (it->reason != PN_REASON_NONE) return;
    it->reason = reason;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(it->text, sizeof(it->text), fmt, ap);
    va_end(ap);
    if (n < 0) it->text[0] = '\0';
    if (n >= (int)sizeof(it->text)) trim_utf8_tail(it->text);
}

const char *pn_reason_name(pn_reason r)
{
    static const char *const names[PN_N_REASONS] = {
#define X(id, name) name,
        PN_REASONS(X)
#undef X
    };
    return (unsigned)r < PN_N_REASONS ? names[r] : "unknown";
}
