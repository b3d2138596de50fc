/* The layout of LMDB 0.9 files (64-bit, little-endian), as far as it takes to see that
 * nothing in them points outside. Everything is read at explicit offsets: the file is
 * foreign, and its pages need not be aligned to anything. */
#include "stages/lmdb_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

enum {
    PAGE_HEADER = 16,
    META_BYTES = 152,
    DB_BYTES = 48,
    NODE_HEADER = 8,
    MAX_DEPTH = 32,
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_OVERFLOW = 4,
    PAGE_META = 8,
    PAGE_KINDS = 0x6f, /* without the bits that only a writer's memory has */
    NODE_BIG = 1,
    NODE_SUB_DB = 2,
    DB_DUPSORT = 4
};
#define NO_PAGE UINT64_MAX
#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1u

typedef struct tree_db {
    uint32_t flags, depth;
    uint64_t root;
} tree_db;

typedef struct meta {
    uint32_t page_size;
    tree_db main;
    uint64_t last_page, txnid;
} meta;

static tree_db get_db(const uint8_t *p)
{
    return (tree_db){pn_get_u16(p + 4), pn_get_u16(p + 6), pn_get_u64(p + 40)};
}

static pn_status bad(pn_err *err, const char *path, uint64_t page, const char *rule)
{
    return pn_fail(err, PN_EFORMAT, "%s: damaged LMDB: page %llu: %s", path,
                   (unsigned long long)page, rule);
}

static pn_status parse_meta(meta *m, const uint8_t *p, unsigned number,
                            uint64_t size_bytes, const char *path, pn_err *err)
{
    const uint8_t *body = p + PAGE_HEADER;
    if (!(pn_get_u16(p + 10) & PAGE_META) || pn_get_u32(body) != META_MAGIC)
        return number == 0 ? pn_fail(err, PN_EFORMAT, "%s is not an LMDB", path)
                           : bad(err, path, number, "not a meta page");
    if (pn_get_u32(body + 4) != META_VERSION)
        return bad(err, path, number, "the format version is not 1");
    m->page_size = pn_get_u32(body + 24);
    m->main = get_db(body + 24 + DB_BYTES);
    m->last_page = pn_get_u64(body + 24 + 2 * DB_BYTES);
    m->txnid = pn_get_u64(body + 24 + 2 * DB_BYTES + 8);
    tree_db free_list = get_db(body + 24);
    if (m->page_size < 512 || m->page_size > 65536 || (m->page_size & (m->page_size - 1)))
        return bad(err, path, number, "the page size is no power of 2 of 512 to 65536");
    if (m->last_page < 1 || m->last_page >= size_bytes / m->page_size)
        return bad(err, path, number,
                   "the last page lies past the end of the file: it was cut short");
    const tree_db *both[] = {&free_list, &m->main};
    for (int i = 0; i < 2; i++) {
        if (both[i]->root != NO_PAGE &&
            (both[i]->root < 2 || both[i]->root > m->last_page))
            return bad(err, path, number, "a root page outside the file");
        if (both[i]->depth > MAX_DEPTH)
            return bad(err, path, number, "a tree deeper than 32 pages");
    }
    return PN_OK;
}

static pn_status read_meta(meta *m, int fd, unsigned number, uint32_t page_size,
                           uint64_t size_bytes, const char *path, pn_err *err)
{
    uint8_t page[PAGE_HEADER + META_BYTES];
    ssize_t n = pread(fd, page, sizeof(page), (off_t)number * (off_t)page_size);
    if (n < 0) return pn_fail(err, PN_EIO, "read %s: %s", path, strerror(errno));
    if ((size_t)n < sizeof(page))
        return number == 0 ? pn_fail(err, PN_EFORMAT, "%s is not an LMDB", path)
                           : bad(err, path, number, "past the end of the file");
    return parse_meta(m, page, number, size_bytes, path, err);
}

static pn_status read_metas(meta m[2], int fd, const char *path, uint64_t *size_bytes,
                            pn_err *err)
{
    struct stat sb;
    if (fstat(fd, &sb) != 0)
        return pn_fail(err, PN_EIO, "stat %s: %s", path, strerror(errno));
    if (!S_ISREG(sb.st_mode))
        return pn_fail(err, PN_ENOENT, "open %s: not a regular file", path);
    if (sb.st_size == 0)
        return pn_fail(err, PN_EFORMAT, "%s is empty: not an LMDB", path);
    *size_bytes = (uint64_t)sb.st_size;
    pn_status st = read_meta(&m[0], fd, 0, 0, *size_bytes, path, err);
    if (!st) st = read_meta(&m[1], fd, 1, m[0].page_size, *size_bytes, path, err);
    if (!st && m[1].page_size != m[0].page_size)
        st = bad(err, path, 1, "a page size other than page 0's");
    return st;
}

pn_status pn_lmdb_check_meta(int fd, const char *path, uint64_t *size_bytes, pn_err *err)
{
    meta m[2];
    return read_metas(m, fd, path, size_bytes, err);
}

typedef struct walk {
    const uint8_t *map;
    uint32_t page_size;
    uint64_t last_page, n_visited;
    const char *path;
    pn_err *err;
} walk;

static pn_status check_overflow(const walk *w, uint64_t page, uint64_t first,
                                uint64_t size_bytes)
{
    if (first < 2 || first > w->last_page)
        return bad(w->err, w->path, page, "a value's page lies outside the file");
    const uint8_t *p = w->map + first * w->page_size;
    uint64_t n = pn_get_u32(p + 12);
    if (!(pn_get_u16(p + 10) & PAGE_OVERFLOW) || pn_get_u64(p) != first)
        return bad(w->err, w->path, first, "not the page of a value");
    if (n == 0 || n - 1 > w->last_page - first)
        return bad(w->err, w->path, first, "a value reaches past the end of the file");
    if (size_bytes > n * w->page_size - PAGE_HEADER)
        return bad(w->err, w->path, first, "a value is longer than its pages");
    return PN_OK;
}

static pn_status check_db(walk *w, const tree_db *db, uint64_t page, bool is_main);

static pn_status check_leaf_node(walk *w, uint64_t page, const uint8_t *node,
                                 uint32_t room, bool is_main)
{
    uint32_t flags = pn_get_u16(node + 4), key_size = pn_get_u16(node + 6);
    uint32_t data_size = pn_get_u32(node), used = NODE_HEADER + key_size;
    uint32_t stored = flags & NODE_BIG ? 8 : data_size;
    /* databases with several values a key are not walked, so here none can be; liblmdb
     * would follow such a mark into a cursor that it has not made */
    if (flags & ~(uint32_t)(NODE_BIG | NODE_SUB_DB))
        return bad(w->err, w->path, page, "a record of an unknown kind");
    if (!key_size) return bad(w->err, w->path, page, "a record without a key");
    if (used > room || stored > room - used)
        return bad(w->err, w->path, page, "a record reaches past the page");
    const uint8_t *data = node + used;
    if (flags & NODE_BIG) {
        if (flags & NODE_SUB_DB)
            return bad(w->err, w->path, page, "a record of two kinds at once");
        return check_overflow(w, page, pn_get_u64(data), data_size);
    }
    if (!(flags & NODE_SUB_DB)) return PN_OK;
    if (!is_main || data_size != DB_BYTES)
        return bad(w->err, w->path, page, "a sub-database where none can be");
    tree_db sub = get_db(data);
    return check_db(w, &sub, page, false);
}

/* recursion is bounded by the depth, which was checked, and the number of pages */
static pn_status check_page(walk *w, uint64_t page, uint32_t levels, bool is_main)
{
    if (page < 2 || page > w->last_page)
        return bad(w->err, w->path, page, "a page number outside the file");
    /* more visits than pages: some page is reached twice */
    if (w->n_visited++ > w->last_page)
        return bad(w->err, w->path, page, "the tree runs in a circle");
    if (w->n_visited > PN_LMDB_MAX_CHECKED_PAGES) return PN_OK;
    const uint8_t *p = w->map + page * w->page_size;
    uint32_t kind = pn_get_u16(p + 10) & PAGE_KINDS;
    if (pn_get_u64(p) != page || kind != (levels > 1 ? PAGE_BRANCH : PAGE_LEAF))
        return bad(w->err, w->path, page, "not a page of this tree");
    uint32_t lower = pn_get_u16(p + 12), upper = pn_get_u16(p + 14);
    if (lower < PAGE_HEADER || lower > upper || upper > w->page_size || lower % 2)
        return bad(w->err, w->path, page, "free space outside the page");
    uint32_t n = (lower - PAGE_HEADER) / 2;
    if (n < (levels > 1 ? 2u : 1u))
        return bad(w->err, w->path, page, "fewer records than a page must have");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = pn_get_u16(p + PAGE_HEADER + 2 * i);
        if (at < upper || at > w->page_size - NODE_HEADER)
            return bad(w->err, w->path, page, "a record outside the page");
        const uint8_t *node = p + at;
        pn_status st;
        if (levels == 1)
            st = check_leaf_node(w, page, node, w->page_size - at, is_main);
        else if (NODE_HEADER + (uint32_t)pn_get_u16(node + 6) > w->page_size - at)
            st = bad(w->err, w->path, page, "a key reaches past the page");
        else
            st = check_page(w, pn_get_u32(node) | (uint64_t)pn_get_u16(node + 4) << 32,
                            levels - 1, is_main);
        if (st) return st;
    }
    return PN_OK;
}

static pn_status check_db(walk *w, const tree_db *db, uint64_t page, bool is_main)
{
    if (db->root == NO_PAGE) return PN_OK;
    if (db->flags & DB_DUPSORT) return PN_OK; /* whoever opens it refuses */
    if (db->depth < 1 || db->depth > MAX_DEPTH)
        return bad(w->err, w->path, page, "a tree of no depth, or deeper than 32 pages");
    return check_page(w, db->root, db->depth, is_main);
}

pn_status pn_lmdb_check_tree(int fd, const char *path, uint64_t txnid, pn_err *err)
{
    meta m[2];
    uint64_t size_bytes = 0;
    pn_status st = read_metas(m, fd, path, &size_bytes, err);
    if (st) return st;
    const meta *now = m[0].txnid == txnid ? &m[0] : &m[1];
    if (now->txnid != txnid) return PN_AGAIN;
    if (size_bytes > SIZE_MAX)
        return pn_fail(err, PN_ENOMEM, "map %s: larger than the address space", path);
    void *map = mmap(NULL, (size_t)size_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return pn_fail(err, errno == ENOMEM ? PN_ENOMEM : PN_EIO, "map %s: %s", path,
                       strerror(errno));
    walk w = {map, now->page_size, now->last_page, 0, path, err};
    st = check_db(&w, &now->main, now == &m[0] ? 0 : 1, true);
    munmap(map, (size_t)size_bytes);
    return st;
}
