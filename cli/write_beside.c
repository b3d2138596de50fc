/* A digest, the bytes and the disk take as long as half the proof, and need little of a
 * core. */
#include "cli/write_beside.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "penult/export.h"

struct pn_cli_writer {
    const pn_graph *g; /* fixed, as are these */
    const char *output;
    const pn_digest *digest;
    pthread_t thread;
    bool is_running, is_done; /* the beginner's */
    pn_written *files;        /* the writer's until it is joined, as are these */
    pn_status st;
    pn_err err;
    atomic_bool has_failed;
};

static void *write_all(void *arg)
{
    pn_cli_writer *w = arg;
    pn_digest_make(w->digest);
    w->st = pn_export_write(&w->files, w->g, w->output, &w->err);
    atomic_store(&w->has_failed, w->st != PN_OK);
    return NULL;
}

pn_cli_writer *pn_cli_write_begin(const pn_graph *g, const char *output,
                                  const pn_digest *d)
{
    pn_cli_writer *w = calloc(1, sizeof(*w));
    if (!w) return NULL;
    w->g = g;
    w->output = output;
    w->digest = d;
    /* what would stay behind is not made before it is wanted */
    w->is_running = pn_export_is_traceless(output) &&
                    pthread_create(&w->thread, NULL, write_all, w) == 0;
    return w;
}

static void wait_for(pn_cli_writer *w)
{
    if (w->is_running) pthread_join(w->thread, NULL);
    w->is_done |= w->is_running;
    w->is_running = false;
}

bool pn_cli_write_has_failed(void *w)
{
    return atomic_load(&((pn_cli_writer *)w)->has_failed);
}

pn_status pn_cli_write_end(pn_cli_writer *w, pn_err *err)
{
    wait_for(w);
    if (!w->is_done) write_all(w);
    w->is_done = true;
    if (w->st) return pn_fail(err, w->st, "%s", pn_err_text(&w->err));
    return pn_export_commit(&w->files, err);
}

void pn_cli_write_free(pn_cli_writer **writer)
{
    pn_cli_writer *w = *writer;
    if (!w) return;
    wait_for(w);
    pn_export_abort(&w->files);
    pn_err_clear(&w->err);
    free(w);
    *writer = NULL;
}
