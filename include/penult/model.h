/**
 * @file model.h  Run a model: compile a graph once, execute it on any number of threads.
 *
 * pn_model is the compiled network (passes done, weights packed, memory planned):
 * read-only and shared. pn_exec is the working memory of one caller: used by one thread
 * at a time. Running allocates nothing. The same image gives the same bits in any batch,
 * slot and thread count, and the levels c, avx2 and avx512 give each other's bits
 * wherever the CPU has FMA; OpenBLAS has bits of its own on each kind of CPU.
 */
#ifndef PENULT_MODEL_H
#define PENULT_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include "penult/graph.h"
#include "penult/status.h"

typedef struct pn_model pn_model;
typedef struct pn_exec pn_exec;

typedef enum pn_cpu {
    PN_CPU_AUTO,     /**< the best the machine has */
    PN_CPU_C,        /**< plain C references: slow, for comparison */
    PN_CPU_OPENBLAS, /**< im2col and sgemm */
    PN_CPU_AVX2,     /**< own kernels, 256 bits; Winograd for 3x3 */
    PN_CPU_AVX512,   /**< own kernels, 512 bits */
} pn_cpu;

/** "auto", "c", "openblas", ... to the enum. @return PN_EINVAL listing the levels */
PN_MUST_CHECK pn_status pn_cpu_parse(pn_cpu *out, const char *name, pn_err *err);
const char *pn_cpu_name(pn_cpu cpu);

typedef struct pn_model_opts {
    pn_cpu cpu;
    bool exact; /**< no Winograd: slower, and the error of a plain sum */
    const char *const
        *taps; /**< value names (NODE or NODE_output); NULL: the graph's outputs */
    int n_taps;
    int height, width; /**< input size; 0: what the graph says */
    int threads;       /**< that pack weights; less than 2: the caller alone */
} pn_model_opts;

typedef struct pn_model_info {
    pn_cpu cpu;                  /**< what was chosen */
    bool exact;                  /**< as was asked for */
    int channels, height, width; /**< of the one image input; 1 x 1 of a row of numbers, 0
                                    x 0 where the input has one or three axes */
    int64_t weight_bytes;        /**< packed weights, shared by all pn_execs */
    int64_t image_bytes;  /**< working memory of a pn_exec per image of its batch */
    int64_t thread_bytes; /**< working memory of a pn_exec per thread */
    int n_taps;
} pn_model_info;

/**
 * Compile. The graph is not changed, and may be freed afterwards: what is needed is
 * copied. opts may be NULL: all defaults.
 * @return PN_EINVAL for an unknown tap (the message lists near names), PN_EUNSUPPORTED
 * listing every node the engine cannot run or more than one input, PN_ENOMEM,
 * PN_EMISMATCH if OpenBLAS is a build that cannot be called from our threads
 */
PN_MUST_CHECK pn_status pn_model_compile(pn_model **out, const pn_graph *g,
                                         const pn_model_opts *opts, pn_err *err);
/** *m becomes NULL and may be NULL; no pn_exec of it may be alive. */
void pn_model_free(pn_model **m);
void pn_model_get_info(const pn_model *m, pn_model_info *info);
/** Floats of tap `tap` for one image, and its shape without the batch (NCHW order). */
size_t pn_model_tap_count(const pn_model *m, int tap);
const pn_shape *pn_model_tap_shape(const pn_model *m, int tap);

/** Working memory for up to max_batch images, run by a team of `threads` threads (1: the
 * caller alone, and then any number of pn_execs may run at once on their own threads). */
PN_MUST_CHECK pn_status pn_exec_new(pn_exec **out, const pn_model *m, int max_batch,
                                    int threads, pn_err *err);
void pn_exec_free(pn_exec **x);
/** Where image `slot` of the next run is put: H x W x C floats (channels innermost),
 * lent. */
float *pn_exec_input(pn_exec *x, int slot);
/** The same from C x H x W floats (copied). */
void pn_exec_set_input_chw(pn_exec *x, int slot, const float *chw);
/** Run slots 0..n-1, 1 <= n <= max_batch. @return PN_EINVAL */
PN_MUST_CHECK pn_status pn_exec_run(pn_exec *x, int n);
/** Result of the last run: pn_model_tap_count floats in C order of pn_model_tap_shape;
 * lent until the next run. */
const float *pn_exec_output(const pn_exec *x, int tap, int slot);

/** One class of a ranking. */
typedef struct pn_score {
    uint32_t index;
    float probability;
} pn_score;
/** The k greatest of n, descending, ties by the lower index, NaN last. k <= n. */
void pn_top_k(const float *scores, size_t n, pn_score *out, size_t k);
/** Softmax in place: subtract the maximum, expf, divide by the sum (double). */
void pn_softmax(float *x, size_t n);

#endif
