/* File reads through libuv, at most in_flight at once over all batches handed over, so
 * that a cold disk or a network mount is not read one file after the other.
 *
 * Each read is a chain of callbacks on one slot: open, fstat, read until the end, close.
 * A slot counts as taken until its file is closed, hence in_flight also bounds the
 * descriptors.
 *
 * Memory is bounded where a batch is begun, and not inside one: whatever is under way
 * then can come to its end and give its bytes back. So nothing waits for ever, and what
 * is read passes max_bytes by no more than the files in flight and the rest of one batch.
 */
#include "pipeline/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* O_NONBLOCK: opening a FIFO without a writer would take a pool thread away for ever. For
 * regular files it changes nothing. O_NOCTTY: nor shall a terminal become ours. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* what is asked for first of a file whose size says nothing (/proc says 0) */
#define FIRST_READ_BYTES 4096

/* of opening a file when there is no descriptor and none of the open ones is ours */
#define MAX_RETRIES 20

/* one batch under way */
typedef struct reading {
    pn_batch *batch; /* NULL: free */
    int begun;       /* items looked at so far */
    int left;        /* items being read */
    int64_t n_bytes; /* counted in pn_loop.n_bytes */
} reading;

typedef struct slot {
    uv_fs_t req;
    pn_loop *loop;
    reading *of; /* NULL: free */
    pn_item *item;
    int fd;
    bool is_parked; /* waits for a descriptor to become free */
    int n_retries;  /* a library that holds one for a moment must not cost an item */
    uint64_t begin_ns, size;
} slot;

struct pn_loop {
    pn_loop_opts opts; /* fixed after new */
    uv_loop_t uv;      /* the loop's thread only, from here on */
    uv_async_t wake;
    uv_signal_t signals[3];
    bool has_uv, has_wake;
    int n_signals;
    slot *slots;
    reading *readings;
    int n_busy, n_parked;   /* slots */
    pn_batch *next, *last;  /* taken over, not under way yet */
    reading *current;       /* the batch that still has items to begin */
    bool skip, ended, told; /* copies of what others asked for; on_end was called */

    _Atomic int64_t n_bytes; /* read and not given back */

    pthread_mutex_t lock;
    pn_batch *in_head, *in_tail; /* guarded by lock, as what follows */
    bool ask_skip, ask_end, ask_finish;
};

static void begin_reads(pn_loop *l);
static void on_open(uv_fs_t *req);
static void on_stat(uv_fs_t *req);
static void on_data(uv_fs_t *req);
static void on_close(uv_fs_t *req);

static void count_bytes(pn_loop *l, reading *r, int64_t n)
{
    r->n_bytes += n;
    atomic_fetch_add(&l->n_bytes, n);
}

static void finish_batch(pn_loop *l, reading *r)
{
    pn_batch *b = r->batch;
    /* and small buffers that the items had from a journey before */
    count_bytes(l, r, pn_batch_data_bytes(b) - r->n_bytes);
    r->batch = NULL;
    if (l->current == r) l->current = NULL;
    b->type = PN_TYPE_BYTES;
    l->opts.on_read(l->opts.cookie, b);
}

/* the file is closed: the slot is free again */
static void end_read(slot *s)
{
    pn_loop *l = s->loop;
    reading *r = s->of;
    s->of = NULL;
    l->n_busy--;
    l->opts.on_busy(l->opts.cookie, uv_hrtime() - s->begin_ns);
    r->left--;
    if (!r->left && r->begun == r->batch->n) finish_batch(l, r);
    begin_reads(l);
}

static void close_file(slot *s)
{
    int error = uv_fs_close(&s->loop->uv, &s->req, s->fd, on_close);
    if (error) end_read(s);
}

static void on_close(uv_fs_t *req)
{
    slot *s = req->data;
    uv_fs_req_cleanup(req);
    end_read(s);
}

static void fail_and_close(slot *s, const char *what, int error)
{
    pn_item_fail(s->item, PN_REASON_READ, "cannot %s the file: %s", what,
                 uv_strerror(error));
    close_file(s);
}

static void too_large(slot *s, uint64_t size)
{
    pn_item_fail(s->item, PN_REASON_TOO_LARGE,
                 "the file's %" PRIu64 " bytes are over the limit of %" PRId64, size,
                 s->loop->opts.max_file_bytes);
    s->item->data_size = 0;
    close_file(s);
}

static bool reserve(slot *s, uint64_t size)
{
    size_t before = s->item->data_capacity;
    if (pn_item_reserve_data(s->item, (size_t)size) == PN_OK) {
        count_bytes(s->loop, s->of, (int64_t)(s->item->data_capacity - before));
        return true;
    }
    char text[PN_ITEM_TEXT];
    snprintf(text, sizeof(text), "read a file: no memory for %" PRIu64 " bytes", size);
    pn_item_fail(s->item, PN_REASON_READ, "%s", text);
    s->loop->opts.on_error(s->loop->opts.cookie, PN_ENOMEM, text);
    close_file(s);
    return false;
}

/* ask for what the buffer still holds */
static void read_on(slot *s)
{
    pn_item *it = s->item;
    size_t room = it->data_capacity - it->data_size;
    if (room > INT32_MAX) room = INT32_MAX; /* Linux reads no more at once */
    uv_buf_t buf = {.base = (char *)it->data + it->data_size, .len = room};
    int error = uv_fs_read(&s->loop->uv, &s->req, s->fd, &buf, 1, -1, on_data);
    if (error) fail_and_close(s, "read", error);
}

static void end_of_file(slot *s)
{
    if (!s->item->data_size) pn_item_fail(s->item, PN_REASON_EMPTY, "the file is empty");
    close_file(s);
}

static void on_data(uv_fs_t *req)
{
    slot *s = req->data;
    pn_item *it = s->item;
    int64_t got = req->result;
    uv_fs_req_cleanup(req);
    if (got < 0) {
        it->data_size = 0;
        fail_and_close(s, "read", (int)got);
        return;
    }
    uint64_t limit = (uint64_t)s->loop->opts.max_file_bytes;
    size_t asked = it->data_capacity - it->data_size;
    it->data_size += (size_t)got;
    if (it->data_size > limit) {
        too_large(s, it->data_size);
    } else if (!got || (it->data_size == s->size && (size_t)got < asked)) {
        end_of_file(s); /* short and as long as fstat said: no need to ask for a 0 */
    } else if (it->data_size < it->data_capacity ||
               reserve(s, it->data_size * 2 > limit ? limit + 1 : it->data_size * 2)) {
        read_on(s); /* it shrank or grew meanwhile: what counts is where it ends now */
    }
}

static const char *kind_name(uint64_t mode)
{
    return S_ISDIR(mode)    ? "a folder"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

static void on_stat(uv_fs_t *req)
{
    slot *s = req->data;
    int error = (int)req->result;
    uint64_t mode = req->statbuf.st_mode;
    s->size = req->statbuf.st_size;
    uv_fs_req_cleanup(req);
    if (error < 0) {
        fail_and_close(s, "look at", error);
    } else if (!S_ISREG(mode)) {
        pn_item_fail(s->item, PN_REASON_READ, "not a regular file but %s",
                     kind_name(mode));
        close_file(s);
    } else if (s->size > (uint64_t)s->loop->opts.max_file_bytes) {
        too_large(s, s->size);
    } else {
        /* one byte more than it has, or the read could not show that it ends there */
        s->item->data_size = 0;
        if (reserve(s, s->size ? s->size + 1 : FIRST_READ_BYTES)) read_on(s);
    }
}

static void open_file(slot *s)
{
    pn_loop *l = s->loop;
    int error = uv_fs_open(&l->uv, &s->req, s->item->path, OPEN_FLAGS, 0, on_open);
    if (!error) return;
    pn_item_fail(s->item, PN_REASON_READ, "cannot open the file: %s", uv_strerror(error));
    end_read(s);
}

static void on_open(uv_fs_t *req)
{
    slot *s = req->data;
    pn_loop *l = s->loop;
    int64_t fd = req->result;
    uv_fs_req_cleanup(req);
    if ((fd == UV_EMFILE || fd == UV_ENFILE) && l->n_busy - l->n_parked > 1) {
        s->is_parked = true; /* our own reads hold descriptors: wait for one of them */
        l->n_parked++;
        return;
    }
    if ((fd == UV_EMFILE || fd == UV_ENFILE) && s->n_retries++ < MAX_RETRIES) {
        open_file(s);
        return;
    }
    if (fd < 0) {
        pn_item_fail(s->item, PN_REASON_READ, "cannot open the file: %s",
                     uv_strerror((int)fd));
        end_read(s);
        return;
    }
    s->fd = (int)fd;
    int error = uv_fs_fstat(&l->uv, &s->req, s->fd, on_stat);
    if (error) fail_and_close(s, "look at", error);
}

static slot *free_slot(pn_loop *l)
{
    for (int i = 0; i < l->opts.in_flight; i++)
        if (!l->slots[i].of) return &l->slots[i];
    return NULL;
}

/* the next batch that was handed over, under way; NULL if there is none, or no memory for
 * it yet */
static reading *next_reading(pn_loop *l)
{
    pn_batch *b = l->next;
    if (!b || (!l->skip && atomic_load(&l->n_bytes) > l->opts.max_bytes)) return NULL;
    l->next = b->next;
    if (!l->next) l->last = NULL;
    b->next = NULL;
    reading *r = l->readings;
    while (r->batch)
        r++; /* there are as many as batches */
    *r = (reading){.batch = b};
    return r;
}

/* the next item to read, skipping those that failed already; NULL if there is none */
static pn_item *next_item(pn_loop *l)
{
    while (l->current || (l->current = next_reading(l))) {
        reading *r = l->current;
        while (r->begun < r->batch->n) {
            pn_item *it = &r->batch->items[r->begun++];
            if (it->reason == PN_REASON_NONE && !l->skip) return it;
        }
        l->current = NULL;
        if (!r->left) finish_batch(l, r);
    }
    return NULL;
}

static void retry_parked(pn_loop *l)
{
    for (int i = 0; l->n_parked && i < l->opts.in_flight; i++) {
        slot *s = &l->slots[i];
        if (!s->of || !s->is_parked) continue;
        s->is_parked = false;
        l->n_parked--;
        open_file(s);
        return;
    }
}

static void begin_reads(pn_loop *l)
{
    /* parked ones first, and while there are any no others: descriptors are short */
    if (l->n_parked) {
        retry_parked(l);
        return;
    }
    while (l->n_busy < l->opts.in_flight) {
        pn_item *it = next_item(l);
        if (!it) break;
        slot *s = free_slot(l);
        *s = (slot){.loop = l, .of = l->current, .item = it, .begin_ns = uv_hrtime()};
        s->req.data = s;
        l->n_busy++;
        l->current->left++;
        open_file(s);
    }
    if (l->ended && !l->told && !l->n_busy && !l->next && !l->current) {
        l->told = true;
        l->opts.on_end(l->opts.cookie);
    }
}

static void on_wake(uv_async_t *handle)
{
    pn_loop *l = handle->data;
    pthread_mutex_lock(&l->lock);
    pn_batch *head = l->in_head, *tail = l->in_tail;
    l->in_head = l->in_tail = NULL;
    l->skip = l->ask_skip;
    l->ended = l->ask_end;
    bool finish = l->ask_finish;
    pthread_mutex_unlock(&l->lock);

    if (head && l->last)
        l->last->next = head;
    else if (head)
        l->next = head;
    if (head) l->last = tail;
    begin_reads(l);
    if (finish) uv_stop(&l->uv);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    pn_loop *l = handle->data;
    l->opts.on_signal(l->opts.cookie, signum);
}

static pn_status open_handles(pn_loop *l)
{
    static const int signums[] = {SIGINT, SIGTERM, SIGHUP};
    int error = uv_loop_init(&l->uv);
    if (error) goto fail;
    l->has_uv = true;
    error = uv_async_init(&l->uv, &l->wake, on_wake);
    if (error) goto fail;
    l->has_wake = true;
    l->wake.data = l;
    for (int i = 0; l->opts.handle_signals && i < 3; i++) {
        struct sigaction before; /* nohup means what it says */
        if (!sigaction(signums[i], NULL, &before) && before.sa_handler == SIG_IGN)
            continue;
        uv_signal_t *h = &l->signals[l->n_signals];
        error = uv_signal_init(&l->uv, h);
        if (error) goto fail;
        l->n_signals++;
        h->data = l;
        error = uv_signal_start(h, on_signal, signums[i]);
        if (error) goto fail;
    }
    return PN_OK;
fail:
    return error == UV_ENOMEM ? PN_ENOMEM : PN_EIO;
}

pn_status pn_loop_new(pn_loop **out, const pn_loop_opts *opts, pn_err *err)
{
    if (opts->in_flight < 1 || opts->max_batches < 1 || opts->max_bytes < 1 ||
        opts->max_file_bytes < 1 || opts->max_file_bytes > PTRDIFF_MAX / 4)
        return pn_fail(err, PN_EINVAL,
                       "reads in flight, batches, bytes of a file and of all: each at "
                       "least 1");
    pn_loop *l = calloc(1, sizeof(*l));
    if (!l) return pn_fail(err, PN_ENOMEM, "event loop: out of memory");
    pthread_mutex_init(&l->lock, NULL);
    l->opts = *opts;
    l->slots = calloc((size_t)opts->in_flight, sizeof(*l->slots));
    l->readings = calloc((size_t)opts->max_batches, sizeof(*l->readings));
    pn_status st = l->slots && l->readings ? open_handles(l) : PN_ENOMEM;
    if (st) {
        pn_loop_free(&l);
        return pn_fail(err, st, "event loop: %s", pn_status_name(st));
    }
    *out = l;
    return PN_OK;
}

uv_loop_t *pn_loop_uv(pn_loop *l)
{
    return &l->uv;
}

void pn_loop_read(pn_loop *l, pn_batch *batch)
{
    batch->next = NULL;
    pthread_mutex_lock(&l->lock);
    if (l->in_tail)
        l->in_tail->next = batch;
    else
        l->in_head = batch;
    l->in_tail = batch;
    pthread_mutex_unlock(&l->lock);
    uv_async_send(&l->wake);
}

void pn_loop_give_back(pn_loop *l, int64_t n_bytes)
{
    int64_t before = atomic_fetch_sub(&l->n_bytes, n_bytes);
    if (before > l->opts.max_bytes && before - n_bytes <= l->opts.max_bytes)
        uv_async_send(&l->wake);
}

static void ask(pn_loop *l, bool *flag)
{
    pthread_mutex_lock(&l->lock);
    *flag = true;
    pthread_mutex_unlock(&l->lock);
    uv_async_send(&l->wake);
}

void pn_loop_end(pn_loop *l)
{
    ask(l, &l->ask_end);
}

void pn_loop_skip(pn_loop *l)
{
    ask(l, &l->ask_skip);
}

void pn_loop_finish(pn_loop *l)
{
    ask(l, &l->ask_finish);
}

void pn_loop_run(pn_loop *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void pn_loop_free(pn_loop **l)
{
    if (!l || !*l) return;
    pn_loop *p = *l;
    for (int i = 0; i < p->n_signals; i++)
        uv_close((uv_handle_t *)&p->signals[i], NULL);
    if (p->has_wake) uv_close((uv_handle_t *)&p->wake, NULL);
    if (p->has_uv) {
        uv_run(&p->uv, UV_RUN_DEFAULT);
        uv_loop_close(&p->uv);
    }
    pthread_mutex_destroy(&p->lock);
    free(p->slots);
    free(p->readings);
    free(p);
    *l = NULL;
}
