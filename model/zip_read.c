/* A zip reader that trusts nothing: PKWARE's APPNOTE 6.3 for the records, strict where
 * the note leaves room (no bytes between directory and end, no overlaps), because readers
 * that disagree about what is in an archive are how such files lie. */
#include "model/zip_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/bytes.h"
#include "base/utf8.h"

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    MAX_COMMENT = 0xFFFF,
    MAX_ENTRIES = 1 << 18,
    STORED = 0,
    DEFLATED = 8,
    ENCRYPTED = 1 << 0,      /* flags */
    SIZES_BEHIND = 1 << 3,   /* a data descriptor follows: the local sizes are 0 */
    DEFLATE_RATIO = 1032,    /* no stream says more with less: zlib's technical notes */
    INFLATE_FACTOR = 32,     /* what all compressed entries may hold, against the file */
    INFLATE_CHUNK = 1 << 30, /* zlib counts in 32 bits */
    ZIP64_EXTRA = 1,
};
#define INFLATE_SLACK (UINT64_C(64) << 20)
#define END_MAGIC UINT32_C(0x06054B50)
#define END64_MAGIC UINT32_C(0x06064B50)
#define LOCATOR_MAGIC UINT32_C(0x07064B50)
#define CENTRAL_MAGIC UINT32_C(0x02014B50)
#define LOCAL_MAGIC UINT32_C(0x04034B50)
#define ALL_ONES UINT32_C(0xFFFFFFFF)

typedef struct directory {
    uint64_t n, at, size;
    uint64_t end; /* where what closes the directory begins */
} directory;

/* where an entry begins and ends, local header included */
typedef struct extent {
    uint64_t begin, end;
    const char *name;
} extent;

typedef struct reader {
    const unsigned char *d;
    uint64_t size;
    const char *path;
    pn_err *err;
    pn_zip *zip;
    directory dir;
    extent *extents;
    uint64_t inflated; /* what the compressed entries claim */
} reader;

#define zip_fail(r, ...) pn_fail((r)->err, PN_EFORMAT, __VA_ARGS__)

/* the record of that magic and size at `at`; NULL if there is none */
static const unsigned char *record_at(const reader *r, uint64_t at, uint32_t magic,
                                      uint64_t size)
{
    if (at > r->size || size > r->size - at) return NULL;
    return pn_get_u32(r->d + at) == magic ? r->d + at : NULL;
}

/* the last end record whose comment reaches exactly to the end of the file */
static const unsigned char *find_end(const reader *r)
{
    for (uint64_t comment = 0; comment <= MAX_COMMENT; comment++) {
        if (r->size < END_BYTES + comment) break;
        const unsigned char *p =
            record_at(r, r->size - END_BYTES - comment, END_MAGIC, END_BYTES);
        if (p && pn_get_u16(p + 20) == comment) return p;
    }
    return NULL;
}

static pn_status read_end64(reader *r, const unsigned char *locator)
{
    const uint64_t at = pn_get_u64(locator + 8), before = (uint64_t)(locator - r->d);
    const unsigned char *p = record_at(r, at, END64_MAGIC, END64_BYTES);
    if (!p || at >= before || pn_get_u32(locator + 4) != 0 ||
        pn_get_u32(locator + 16) > 1 || pn_get_u64(p + 4) != before - at - 12 ||
        pn_get_u32(p + 16) != 0 || pn_get_u32(p + 20) != 0 ||
        pn_get_u64(p + 24) != pn_get_u64(p + 32))
        return zip_fail(r, "%s: its zip64 end record is damaged", r->path);
    r->dir = (directory){.n = pn_get_u64(p + 32),
                         .size = pn_get_u64(p + 40),
                         .at = pn_get_u64(p + 48),
                         .end = at};
    return PN_OK;
}

static pn_status read_end(reader *r)
{
    const unsigned char *p = find_end(r), *locator;
    if (!p)
        return zip_fail(r, "%s: is cut off: a zip archive without its directory",
                        r->path);
    if (pn_get_u16(p + 4) || pn_get_u16(p + 6) || pn_get_u16(p + 8) != pn_get_u16(p + 10))
        return pn_fail(r->err, PN_EUNSUPPORTED,
                       "%s: one part of a zip archive of several files", r->path);
    const uint64_t at = (uint64_t)(p - r->d);
    r->dir = (directory){.n = pn_get_u16(p + 10),
                         .size = pn_get_u32(p + 12),
                         .at = pn_get_u32(p + 16),
                         .end = at};
    locator = at < LOCATOR_BYTES
                  ? NULL
                  : record_at(r, at - LOCATOR_BYTES, LOCATOR_MAGIC, LOCATOR_BYTES);
    pn_status st = locator ? read_end64(r, locator) : PN_OK;
    const directory *d = &r->dir;
    if (!st && (d->at > d->end || d->size != d->end - d->at ||
                d->n > d->size / CENTRAL_BYTES || d->n > MAX_ENTRIES))
        st = zip_fail(r,
                      "%s: claims a directory of %" PRIu64 " entries in %" PRIu64
                      " bytes at byte %" PRIu64 ", which is not there",
                      r->path, d->n, d->size, d->at);
    return st;
}

/* Fields of 32 bits that are all ones stand, 64 bits wide and in this order, in an extra
 * record. false: it is not there. */
static bool widen(const unsigned char *extra, size_t size, uint64_t *const *fields, int n)
{
    size_t at = 0, length = 0;
    while (size - at >= 4) {
        length = pn_get_u16(extra + at + 2);
        if (length > size - at - 4) return false;
        if (pn_get_u16(extra + at) == ZIP64_EXTRA) break;
        at += 4 + length;
        length = 0;
    }
    at += 4;
    for (int i = 0; i < n; i++) {
        if (*fields[i] != ALL_ONES) continue;
        if (length < 8) return false;
        *fields[i] = pn_get_u64(extra + at);
        at += 8;
        length -= 8;
    }
    return true;
}

/* the entry's own header must say what the directory says */
static pn_status check_local(reader *r, const unsigned char *central, uint64_t at,
                             pn_zip_entry *e, extent *x)
{
    const unsigned char *p = record_at(r, at, LOCAL_MAGIC, LOCAL_BYTES);
    const uint16_t name_size = pn_get_u16(central + 28);
    uint64_t size, stored;
    if (!p) return zip_fail(r, "%s: no entry begins at byte %" PRIu64, e->name, at);
    const uint64_t head = LOCAL_BYTES + (uint64_t)pn_get_u16(p + 26) + pn_get_u16(p + 28);
    if (head > r->dir.at - at || e->stored_bytes > r->dir.at - at - head)
        return zip_fail(r,
                        "%s: %" PRIu64 " bytes at byte %" PRIu64 " reach into what is "
                        "behind the entries",
                        e->name, e->stored_bytes, at);
    size = pn_get_u32(p + 22);
    stored = pn_get_u32(p + 18);
    const size_t extra = LOCAL_BYTES + name_size;
    const bool has_sizes = !(pn_get_u16(p + 6) & SIZES_BEHIND);
    if (pn_get_u16(p + 26) != name_size ||
        memcmp(p + LOCAL_BYTES, central + CENTRAL_BYTES, name_size) != 0 ||
        pn_get_u16(p + 8) != pn_get_u16(central + 10) ||
        (has_sizes &&
         (!widen(p + extra, pn_get_u16(p + 28), (uint64_t *[]){&size, &stored}, 2) ||
          size != e->size_bytes || stored != e->stored_bytes ||
          pn_get_u32(p + 14) != e->crc32)))
        return zip_fail(r, "%s: its own header and the directory disagree", e->name);
    e->stored = p + head;
    *x = (extent){.begin = at, .end = at + head + e->stored_bytes, .name = e->name};
    return PN_OK;
}

static pn_status check_method(reader *r, const unsigned char *p, const pn_zip_entry *e)
{
    const uint16_t flags = pn_get_u16(p + 8), method = pn_get_u16(p + 10);
    if (flags & ENCRYPTED)
        return pn_fail(r->err, PN_EUNSUPPORTED, "%s: is encrypted", e->name);
    if (method != STORED && method != DEFLATED)
        return pn_fail(r->err, PN_EUNSUPPORTED,
                       "%s: compression method %u: only stored and deflated entries are "
                       "supported",
                       e->name, method);
    if (method == STORED && e->stored_bytes != e->size_bytes)
        return zip_fail(r, "%s: stored, but %" PRIu64 " bytes in %" PRIu64, e->name,
                        e->size_bytes, e->stored_bytes);
    const uint64_t limit = r->size * INFLATE_FACTOR + INFLATE_SLACK;
    if (method == STORED) return PN_OK;
    if (e->size_bytes / DEFLATE_RATIO > e->stored_bytes)
        return zip_fail(r, "%s: %" PRIu64 " bytes cannot inflate to %" PRIu64, e->name,
                        e->stored_bytes, e->size_bytes);
    if (e->size_bytes > limit - r->inflated)
        return zip_fail(r,
                        "%s: the compressed entries claim more than %" PRIu64
                        " bytes in a file of %" PRIu64,
                        e->name, limit, r->size);
    r->inflated += e->size_bytes;
    return PN_OK;
}

static pn_status read_entry(reader *r, uint64_t *at, int i)
{
    pn_zip_entry *e = &r->zip->entries[i];
    const unsigned char *p = record_at(r, *at, CENTRAL_MAGIC, CENTRAL_BYTES);
    if (!p || *at + CENTRAL_BYTES > r->dir.end)
        return zip_fail(r, "entry %d: no record of it at byte %" PRIu64, i, *at);
    const size_t name_size = pn_get_u16(p + 28), extra_size = pn_get_u16(p + 30);
    const uint64_t all = CENTRAL_BYTES + name_size + extra_size + pn_get_u16(p + 32);
    if (all > r->dir.end - *at)
        return zip_fail(r, "entry %d: its record reaches past the directory", i);
    const unsigned char *name = p + CENTRAL_BYTES;
    if (!name_size || memchr(name, 0, name_size) || !pn_utf8_valid(name, name_size))
        return zip_fail(r, "entry %d: its name must be UTF-8 without NUL", i);
    e->name = pn_arena_strndup(&r->zip->arena, (const char *)name, name_size);
    if (!e->name) return pn_fail(r->err, PN_ENOMEM, "out of memory");
    uint64_t local = pn_get_u32(p + 42);
    e->crc32 = pn_get_u32(p + 16);
    e->stored_bytes = pn_get_u32(p + 20);
    e->size_bytes = pn_get_u32(p + 24);
    e->is_deflated = pn_get_u16(p + 10) == DEFLATED;
    if (!widen(name + name_size, extra_size,
               (uint64_t *[]){&e->size_bytes, &e->stored_bytes, &local}, 3))
        return zip_fail(r, "%s: its sizes are missing", e->name);
    if (local >= r->dir.at)
        return zip_fail(r, "%s: begins at byte %" PRIu64 ", behind the entries", e->name,
                        local);
    pn_status st = check_method(r, p, e);
    if (!st) st = check_local(r, p, local, e, &r->extents[i]);
    *at += all;
    return st;
}

static int by_place(const void *a, const void *b)
{
    const extent *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const extent *)a)->name, ((const extent *)b)->name);
}

static pn_status check_extents(reader *r, size_t n)
{
    extent *x = r->extents;
    qsort(x, n, sizeof(*x), by_place);
    for (size_t i = 1; i < n; i++)
        if (x[i].begin < x[i - 1].end)
            return zip_fail(r, "%s and %s share bytes", x[i - 1].name, x[i].name);
    qsort(x, n, sizeof(*x), by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(x[i].name, x[i - 1].name) == 0)
            return zip_fail(r, "two entries are named %s", x[i].name);
    return PN_OK;
}

static pn_status read_directory(reader *r)
{
    const size_t n = (size_t)r->dir.n;
    pn_zip *z = r->zip;
    z->entries = pn_arena_alloc(&z->arena, (n + 1) * sizeof(*z->entries));
    r->extents = calloc(n + 1, sizeof(*r->extents));
    if (!z->entries || !r->extents) return pn_fail(r->err, PN_ENOMEM, "out of memory");
    uint64_t at = r->dir.at;
    pn_status st = PN_OK;
    for (; z->n < (int)n && !st; z->n++)
        st = read_entry(r, &at, z->n);
    if (!st && at != r->dir.end)
        st = zip_fail(r, "%" PRIu64 " bytes of the directory are no entry",
                      r->dir.end - at);
    return st ? st : check_extents(r, n);
}

pn_status pn_zip_open(pn_zip **out, const pn_file *file, pn_err *err)
{
    pn_zip *z = calloc(1, sizeof(*z));
    if (!z) return pn_fail(err, PN_ENOMEM, "%s: out of memory", file->path);
    z->path = file->path;
    reader r = {
        .d = file->data, .size = file->size, .path = file->path, .err = err, .zip = z};
    pn_status st = read_end(&r);
    if (!st && (st = read_directory(&r))) pn_err_prefix(err, "%s", file->path);
    free(r.extents);
    if (st)
        pn_zip_close(&z);
    else
        *out = z;
    return st;
}

void pn_zip_close(pn_zip **z)
{
    if (!*z) return;
    pn_arena_fini(&(*z)->arena);
    free(*z);
    *z = NULL;
}

/* exactly e->size_bytes out of exactly e->stored_bytes */
static bool inflate_entry(z_stream *s, const pn_zip_entry *e, unsigned char *to)
{
    unsigned char spare; /* zlib wants a place even for nothing */
    uint64_t in = e->stored_bytes, room = e->size_bytes;
    int code = Z_OK;
    s->next_in = (z_const Bytef *)(uintptr_t)e->stored;
    s->next_out = room ? to : &spare;
    while (code == Z_OK) {
        const uInt give = (uInt)(in < INFLATE_CHUNK ? in : INFLATE_CHUNK),
                   take = (uInt)(room < INFLATE_CHUNK ? room : INFLATE_CHUNK);
        s->avail_in = give;
        s->avail_out = take;
        code = inflate(s, Z_NO_FLUSH);
        in -= give - s->avail_in;
        room -= take - s->avail_out;
        if (give == s->avail_in && take == s->avail_out && code == Z_OK) break;
    }
    return code == Z_STREAM_END && in == 0 && room == 0;
}

static pn_status inflate_all(const pn_zip *z, const pn_zip_entry *e, void **memory,
                             pn_err *err)
{
    z_stream s = {0};
    unsigned char *to = malloc(e->size_bytes ? (size_t)e->size_bytes : 1);
    if (!to || inflateInit2(&s, -MAX_WBITS) != Z_OK) {
        free(to);
        return pn_fail(err, PN_ENOMEM, "%s: %s: out of memory", z->path, e->name);
    }
    const bool is_whole = inflate_entry(&s, e, to);
    inflateEnd(&s);
    if (!is_whole) {
        free(to);
        return pn_fail(err, PN_EFORMAT,
                       "%s: %s: does not inflate to the %" PRIu64 " bytes it claims",
                       z->path, e->name, e->size_bytes);
    }
    *memory = to;
    return PN_OK;
}

pn_status pn_zip_read(const pn_zip *z, int i, const unsigned char **data, void **memory,
                      pn_err *err)
{
    const pn_zip_entry *e = &z->entries[i];
    void *inflated = NULL;
    pn_status st = e->is_deflated ? inflate_all(z, e, &inflated, err) : PN_OK;
    if (st) return st;
    const unsigned char *bytes = inflated ? inflated : e->stored;
    if (crc32_z(crc32_z(0, NULL, 0), bytes, (size_t)e->size_bytes) != e->crc32) {
        free(inflated);
        return pn_fail(err, PN_EFORMAT, "%s: %s: its CRC does not match: damaged",
                       z->path, e->name);
    }
    *data = bytes;
    *memory = inflated;
    return PN_OK;
}
