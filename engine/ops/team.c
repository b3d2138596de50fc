/* One parallel region for a whole run, the tasks of each layer dealt out inside it.
 * Without OpenMP everything runs on the calling thread.
 *
 * OpenBLAS must do each call on one thread. Inside a region of several threads its OpenMP
 * build does; a caller that is alone asks for a team of one, on its own thread's setting,
 * and puts that back. */
#include <cblas.h>
#ifdef _OPENMP
#include <omp.h>
#else
#include <dlfcn.h>
#endif
#include <time.h>

#include "engine/ops/gate.h"
#include "engine/ops/ops.h"

#define BLAS_IS_OPENMP 2 /* of openblas_get_parallel() */

const pn_layer_ops *pn_ops_of(pn_layer_kind kind)
{
    static const pn_layer_ops *const table[PN_N_LAYER_KINDS] = {
        [PN_LAYER_CONV] = &pn_ops_conv,
        [PN_LAYER_CONV_WINO] = &pn_ops_conv_wino,
        [PN_LAYER_DEPTHWISE] = &pn_ops_depthwise,
        [PN_LAYER_FC] = &pn_ops_fc,
        [PN_LAYER_AFFINE] = &pn_ops_affine,
        [PN_LAYER_UNARY] = &pn_ops_unary,
        [PN_LAYER_BINARY] = &pn_ops_binary,
        [PN_LAYER_MAX_POOL] = &pn_ops_max_pool,
        [PN_LAYER_AVG_POOL] = &pn_ops_avg_pool,
        [PN_LAYER_GLOBAL_AVG] = &pn_ops_global,
        [PN_LAYER_GLOBAL_MAX] = &pn_ops_global,
        [PN_LAYER_SOFTMAX] = &pn_ops_softmax,
        [PN_LAYER_COPY] = &pn_ops_copy,
        [PN_LAYER_RESHAPE] = &pn_ops_reshape,
        [PN_LAYER_PAD] = &pn_ops_pad,
        [PN_LAYER_REDUCE] = &pn_ops_reduce,
        [PN_LAYER_LRN] = &pn_ops_lrn,
        [PN_LAYER_INSTANCE_NORM] = &pn_ops_instance_norm,
        [PN_LAYER_LAYER_NORM] = &pn_ops_layer_norm,
        [PN_LAYER_MATMUL] = &pn_ops_matmul,
        [PN_LAYER_CONV_TRANSPOSE] = &pn_ops_conv_transpose,
        [PN_LAYER_RESIZE] = &pn_ops_resize,
    };
    return table[kind];
}

pn_status pn_team_check(pn_err *err)
{
    if (openblas_get_parallel() == BLAS_IS_OPENMP) return PN_OK;
    return pn_fail(err, PN_EMISMATCH,
                   "OpenBLAS \"%s\": must be the OpenMP build (Debian package "
                   "libopenblas0-openmp), other builds cannot be called from our threads",
                   openblas_get_config());
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int64_t count_tasks(const pn_run *r, const pn_layer *l)
{
    const pn_layer_ops *ops = pn_ops_of(l->kind);
    if (ops->tasks) return ops->tasks(r, l);
    return l->is_batched ? l->n_tasks : l->n_tasks * r->n;
}

static void do_task(const pn_run *r, const pn_layer *l, int64_t task, float *scratch)
{
    const pn_layer_ops *ops = pn_ops_of(l->kind);
    if (l->is_batched || ops->tasks)
        ops->work(r, l, 0, task, scratch);
    else
        ops->work(r, l, task / l->n_tasks, task % l->n_tasks, scratch);
}

/* Layers first .. end - 1: by all members of the gate's team, or by this thread if there
 * is no gate. */
static void run_layers(const pn_run *r, pn_segment s, pn_gate *gate, float *scratch,
                       double *layer_s)
{
    for (int i = s.first; i < s.end; i++) {
        const pn_layer *l = &r->m->layers[i];
        const double start = layer_s ? now_s() : 0;
        const int64_t n = count_tasks(r, l);
        for (int64_t t, own = 0; (t = gate ? pn_gate_take(gate) : own++) < n;)
            do_task(r, l, t, scratch);
        if (gate) pn_gate_pass(gate);
        if (layer_s) layer_s[i] += now_s() - start;
    }
}

/* One image through a segment; member is this thread's number in the team. */
static void run_image(const pn_run *r, pn_segment s, int64_t image, int member,
                      float *scratch, double *layer_s)
{
    pn_run one = *r;
    one.first = r->first + image;
    one.own_slot = r->first + member + 1;
    one.n = one.threads = 1;
    run_layers(&one, s, NULL, scratch, layer_s);
}

static void run_alone(const pn_run *r, float *scratch, double *layer_s)
{
    const uint32_t state = pn_denormals_off();
    for (int i = 0; i < r->m->n_segments; i++) {
        const pn_segment s = r->m->segments[i];
        if (s.end - s.first == 1)
            run_layers(r, s, NULL, scratch, layer_s);
        else
            for (int image = 0; image < r->n; image++)
                run_image(r, s, image, 0, scratch, layer_s);
    }
    pn_denormals_restore(state);
}

#ifdef _OPENMP
/* The images from `first` on through a segment, by all members of the team. */
static void share_layers(const pn_run *r, pn_segment s, int first, pn_gate *gate,
                         float *scratch, double *layer_s)
{
    pn_run rest = *r;
    rest.first = r->first + first;
    rest.n = r->n - first;
    run_layers(&rest, s, gate, scratch, layer_s);
}

static void run_member(const pn_run *r, pn_gate *gate, float *scratch, double *layer_s)
{
    /* should the runtime give us a team of one, OpenBLAS must still not open its own */
    omp_set_num_threads(1);
    const uint32_t state = pn_denormals_off();
    const int me = omp_get_thread_num();
    float *mine = scratch + (size_t)me * r->m->scratch_floats;
    if (me) layer_s = NULL;
    for (int i = 0; i < r->m->n_segments; i++) {
        const pn_segment s = r->m->segments[i];
        /* as many images as the team has members go through it alone; what is left over
         * is shared layer by layer */
        const int alone = s.end - s.first > 1 ? r->n / r->threads * r->threads : 0;
        if (alone) {
            for (int64_t image; (image = pn_gate_take(gate)) < alone;)
                run_image(r, s, image, me, mine, layer_s);
            pn_gate_pass(gate);
        }
        if (alone < r->n) share_layers(r, s, alone, gate, mine, layer_s);
    }
    pn_denormals_restore(state);
}

int pn_team_alone(void)
{
    const int before = omp_get_max_threads();
    omp_set_num_threads(1);
    return before;
}

void pn_team_restore(int before)
{
    omp_set_num_threads(before);
}

void pn_team_run(const pn_run *r, int threads, float *scratch, double *layer_s)
{
    if (threads == 1) {
        const int before = pn_team_alone();
        run_alone(r, scratch, layer_s);
        pn_team_restore(before);
        return;
    }
    pn_gate gate;
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
        pn_gate_init(&gate, omp_get_num_threads());
        run_member(r, &gate, scratch, layer_s);
    }
}
#else
/* OpenBLAS brings its own OpenMP runtime; its setting for this thread is within reach. */
int pn_team_alone(void)
{
    void (*set)(int);
    *(void **)(&set) = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (set) set(1);
    return 1;
}

void pn_team_restore(int before)
{
    (void)before;
}

void pn_team_run(const pn_run *r, int threads, float *scratch, double *layer_s)
{
    (void)threads;
    pn_team_alone();
    run_alone(r, scratch, layer_s);
}
#endif
