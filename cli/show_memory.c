/* What a run of the model takes: the compiled model's own figures. */
#include "cli/show.h"

/* more than there is says so as the most there is */
static int64_t total(const pn_run_memory *r, int64_t batch, int64_t threads)
{
    int64_t images, thread, all;
    if (__builtin_mul_overflow(r->image_bytes, batch, &images) ||
        __builtin_add_overflow(r->scratch_bytes, images, &thread) ||
        __builtin_mul_overflow(thread, threads, &all) ||
        __builtin_add_overflow(all, r->weight_bytes, &all))
        return INT64_MAX;
    return all;
}

pn_status pn_run_memory_find(pn_run_memory *out, const pn_graph *g, const pn_show_opts *o,
                             pn_err *err)
{
    const pn_model_opts opts = {.exact = o->exact, .threads = (int)o->threads};
    pn_model *m = NULL;
    pn_model_info i;
    pn_status st = pn_model_compile(&m, g, &opts, err);
    if (st) return st;
    pn_model_get_info(m, &i);
    pn_model_free(&m);
    *out = (pn_run_memory){.cpu = i.cpu,
                           .weight_bytes = i.weight_bytes,
                           .scratch_bytes = i.thread_bytes,
                           .image_bytes = i.image_bytes};
    out->total_bytes = total(out, o->batch, o->threads);
    return PN_OK;
}
