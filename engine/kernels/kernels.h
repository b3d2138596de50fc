/**
 * @file kernels.h  The table of loops over plain arrays that everything else is made of.
 *
 * A kernel allocates nothing, locks nothing and cannot fail. Each has a plain C reference
 * (`_c`); a faster variant takes its place in the table and must give the same bits, as
 * both add in one order: k is cut into blocks of PN_K_BLOCK (k_block where a product says
 * so), inside a block one chain of fused multiply-adds from zero, the block sums added in
 * ascending order. (OpenBLAS has an order of its own.) Arrays are 64-byte aligned at
 * their start; PN_PAD_BYTES past their end may be read, never written; nothing past an
 * epilogue's bias, residual or slopes is.
 */
#ifndef PN_ENGINE_KERNELS_H
#define PN_ENGINE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "penult/model.h"

#define PN_PAD_BYTES 64
#define PN_K_BLOCK 128 /**< multiply-adds in one chain */
#define PN_PANEL 16    /**< output channels packed side by side */

/* On hardware without FMA the two roundings differ from fmaf's one, and fmaf in software
 * is a thousand times slower: there the bits are another machine's. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define PN_FMA(a, b, c) fmaf(a, b, c)
#else
#define PN_FMA(a, b, c) ((a) * (b) + (c))
#endif

typedef enum pn_act_kind {
    PN_ACT_CLAMP, /**< nothing beyond lo and hi: none, Relu, Clip */
    PN_ACT_LEAKY, /**< a times the negative */
    PN_ACT_PRELU, /**< slope[channel] times the negative */
    PN_ACT_ELU,
    PN_ACT_SELU,
    PN_ACT_SIGMOID,
    PN_ACT_HARD_SIGMOID,
    PN_ACT_HARD_SWISH,
    PN_ACT_TANH,
    PN_ACT_SOFTPLUS,
    PN_ACT_SOFTSIGN,
    PN_ACT_EXP,
    PN_ACT_LOG,
    PN_ACT_SQRT,
    PN_ACT_ERF,
    PN_ACT_NEG,
    PN_ACT_GELU,
    PN_ACT_GELU_TANH, /**< the approximation by tanh */
    PN_ACT_TRUNC,     /**< without its fraction */
    PN_ACT_WRAP,      /**< of the whole numbers 256 apart, the one in a .. a + 255 */
} pn_act_kind;

/** A function of one number: clamped to lo..hi first, then what kind says. NaN stays NaN,
 * -0 under Relu stays -0. */
typedef struct pn_act {
    pn_act_kind kind;
    float lo, hi; /**< -inf, inf: none */
    float a, b;
    const float *slope; /**< PRELU: one a channel */
} pn_act;

typedef enum pn_binary {
    PN_BINARY_ADD,
    PN_BINARY_SUB,
    PN_BINARY_MUL,
    PN_BINARY_DIV,
    PN_BINARY_POW,
    PN_BINARY_MAX,
    PN_BINARY_MIN,
    PN_BINARY_PRELU, /**< b is the slope */
} pn_binary;

/** What follows a convolution, on m pixels of n channels in place: y = act(y + bias + r).
 * bias and r may be NULL. */
typedef struct pn_epilogue {
    float *y;
    const float *bias, *r;
    size_t ldy, ldr, m, n;
    const pn_act *act;
} pn_epilogue;

/** c[m x n] = a[m x k] * b, b being columns n0 .. n0 + n of n_all packed ones. */
typedef struct pn_gemm {
    float *c;
    const float *a, *b;
    size_t ldc, lda; /**< floats from row to row */
    size_t m, n, k, n_all, n0;
    size_t k_block; /**< multiply-adds in one chain; 0: PN_K_BLOCK, which is the most */
    /** NULL, or what follows while the sums are in registers: its y is c, its m and n are
     * these, its act is a CLAMP or a PRELU. Only where gemm_is_chained. */
    const pn_epilogue *after;
} pn_gemm;

/** b may be read in tiles that start at multiples of PN_PANEL. */
#define PN_DECL_GEMM(name) void name(const pn_gemm *g)
typedef PN_DECL_GEMM((*pn_gemm_fn));

/** Floats of n columns of k, packed. */
#define PN_DECL_PACK_FLOATS(name) size_t name(size_t n, size_t k)
typedef PN_DECL_PACK_FLOATS((*pn_pack_floats_fn));
/** Put column j of n_all, k floats apart by `stride` at w, into its place. */
#define PN_DECL_PACK(name)                                                               \
    void name(float *b, const float *w, size_t j, size_t n_all, size_t k)
typedef PN_DECL_PACK((*pn_pack_fn));

#define PN_DECL_EPILOGUE(name) void name(const pn_epilogue *e)
typedef PN_DECL_EPILOGUE((*pn_epilogue_fn));

/** y[j] = act(x[j]); j is also the channel; y may be x. */
#define PN_DECL_ACT(name) void name(float *y, const float *x, size_t n, const pn_act *act)
typedef PN_DECL_ACT((*pn_act_fn));

/** y[j] = act(x[j] * scale[j] + shift[j]); y may be x. */
#define PN_DECL_AFFINE(name)                                                             \
    void name(float *y, const float *x, const float *scale, const float *shift,          \
              size_t n, const pn_act *act)
typedef PN_DECL_AFFINE((*pn_affine_fn));

/** y[i] = f(a[i * sa], b[i * sb]); y may be a or b where their stride is 1. */
#define PN_DECL_BINARY(name)                                                             \
    void name(pn_binary f, float *y, const float *a, ptrdiff_t sa, const float *b,       \
              ptrdiff_t sb, size_t n)
typedef PN_DECL_BINARY((*pn_binary_fn));

/** y[j] = sum over taps t, in order, of x[t][j] * w[t * ldw + j]. */
#define PN_DECL_DEPTHWISE(name)                                                          \
    void name(float *y, const float *const *x, const float *w, size_t ldw,               \
              size_t n_taps, size_t n)
typedef PN_DECL_DEPTHWISE((*pn_depthwise_fn));

/** A run of outputs of one row, one filter a channel, all taps within reach: the chain of
 * pn_depthwise, then y = clamp(sum + bias). */
typedef struct pn_depthwise_row {
    float *y;
    const float *x[5]; /**< by tap row: the pixel under output 0's first tap */
    size_t ldx[5];     /**< floats from pixel to pixel; 0: a row of padding, x is zeros */
    const float *w, *bias;
    size_t ldy, ldw, n; /**< n channels */
    size_t n_out;
    int k, stride; /**< k is 3 or 5, stride 1 or 2 */
    float lo, hi;
} pn_depthwise_row;
#define PN_DECL_DEPTHWISE_ROW(name) void name(const pn_depthwise_row *d)
typedef PN_DECL_DEPTHWISE_ROW((*pn_depthwise_row_fn));
/** y[j] = greatest x[t][j], -FLT_MAX of no tap. */
#define PN_DECL_MAX_TAPS(name)                                                           \
    void name(float *y, const float *const *x, size_t n_taps, size_t n)
typedef PN_DECL_MAX_TAPS((*pn_max_taps_fn));

/** y[j] = (sum of x[t][j] in order) / size. */
#define PN_DECL_AVG_TAPS(name)                                                           \
    void name(float *y, const float *const *x, size_t n_taps, size_t n, float size)
typedef PN_DECL_AVG_TAPS((*pn_avg_taps_fn));

/** Mean or maximum over h x w pixels, ldx floats apart, of n channels: row sums from left
 * to right, added from top to bottom. `row` is scratch of n floats. */
#define PN_DECL_GLOBAL(name)                                                             \
    void name(float *y, const float *x, size_t ldx, size_t h, size_t w, size_t n,        \
              float *row)
typedef PN_DECL_GLOBAL((*pn_global_fn));

/* Winograd's algorithm for 3x3 stride-1 convolutions, F(m x m, 3x3): m x m outputs from
 * (m + 2)^2 products. (Lavin and Gray, "Fast Algorithms for Convolutional Neural
 * Networks", 2015, with points of our own: pairs of both signs, whose sums and
 * differences are shared.) F(4, 3): 0, +-sqrt(1/2), +-sqrt(2), infinity. F(5, 3): +-9/32,
 * +-27/32, +-7/4, infinity, which float holds without error, as it does all that is made
 * of them. Relative L2 from double precision of a layer of 256 channels on what a ReLU
 * leaves (tests/kernels/check_winograd.c): 1.6e-7 as a direct product, 8.2e-7 by F(4, 3),
 * 1.1e-6 by F(5, 3), whose chains of 64 take a quarter off 1.6e-6. Transforms are
 * elementwise in the channel, so every width of vector gives the same bits. */
typedef enum pn_wino_size { PN_WINO_4, PN_WINO_5, PN_N_WINO_SIZES } pn_wino_size;
enum { PN_WINO_IN_MAX = 7, PN_WINO_OUT_MAX = 5, PN_WINO_PLANES_MAX = 49 };

/** One tile in: pixels[in * in], row-major, each n floats, to planes[f * plane +
 * channel]; n is a multiple of PN_PANEL. */
#define PN_DECL_WINO_INPUT(name)                                                         \
    void name(float *planes, size_t plane, const float *const *pixels, size_t n)
typedef PN_DECL_WINO_INPUT((*pn_wino_input_fn));

/** One tile out: planes as above to pixels[out * out], row-major; a pixel outside the map
 * points at a dump. y = act(sum + bias + residual[pixel]), act being a CLAMP or a PRELU;
 * residual may be NULL. */
#define PN_DECL_WINO_OUTPUT(name)                                                        \
    void name(float *const *pixels, const float *const *residual, const float *planes,   \
              size_t plane, size_t n, const float *bias, const pn_act *act)
typedef PN_DECL_WINO_OUTPUT((*pn_wino_output_fn));

typedef struct pn_wino {
    int in, out;            /**< a tile's pixels a side */
    size_t k_block;         /**< of its products */
    pn_wino_input_fn input; /**< NULL: this level does without Winograd */
    pn_wino_output_fn output;
} pn_wino;

typedef struct pn_kernels {
    pn_pack_floats_fn gemm_pack_floats, gemv_pack_floats;
    pn_pack_fn gemm_pack, gemv_pack;
    pn_gemm_fn gemm;
    bool gemm_is_chained; /**< an element's bits hang on its own k alone, not on m or n */
    pn_gemm_fn gemv;      /**< packed by gemv_pack; m is 1 unless gemm_is_chained */
    pn_epilogue_fn epilogue;
    pn_act_fn act;
    pn_affine_fn affine;
    pn_binary_fn binary;
    pn_depthwise_fn depthwise;
    pn_depthwise_row_fn depthwise_row;
    pn_max_taps_fn max_taps;
    pn_avg_taps_fn avg_taps;
    pn_global_fn global_avg, global_max;
    pn_wino wino[PN_N_WINO_SIZES];
} pn_kernels;

/** Fill the table for a level that pn_cpu_resolve() returned. */
void pn_kernels_init(pn_kernels *k, pn_cpu level);

/** What `level` means here: AUTO becomes the best one.
 * @return PN_EUNSUPPORTED if this machine or build lacks it */
PN_MUST_CHECK pn_status pn_cpu_resolve(pn_cpu *out, pn_cpu level, pn_err *err);
/** Whether AVX2 and FMA may be used. */
bool pn_cpu_has_fma(void);

/** Flush denormals to zero on this thread; @return what pn_denormals_restore() wants. */
uint32_t pn_denormals_off(void);
void pn_denormals_restore(uint32_t state);

PN_DECL_PACK_FLOATS(pn_f32_pack_floats_c);
PN_DECL_PACK(pn_f32_pack_c);
PN_DECL_GEMM(pn_f32_gemm_c);
PN_DECL_EPILOGUE(pn_f32_epilogue_c);
PN_DECL_ACT(pn_f32_act_c);
PN_DECL_AFFINE(pn_f32_affine_c);
PN_DECL_BINARY(pn_f32_binary_c);
PN_DECL_DEPTHWISE(pn_f32_depthwise_c);
PN_DECL_DEPTHWISE_ROW(pn_f32_depthwise_row_c);
PN_DECL_MAX_TAPS(pn_f32_max_taps_c);
PN_DECL_AVG_TAPS(pn_f32_avg_taps_c);
PN_DECL_GLOBAL(pn_f32_global_avg_c);
PN_DECL_GLOBAL(pn_f32_global_max_c);

PN_DECL_WINO_INPUT(pn_f32_wino4_input_c);
PN_DECL_WINO_OUTPUT(pn_f32_wino4_output_c);
PN_DECL_WINO_INPUT(pn_f32_wino5_input_c);
PN_DECL_WINO_OUTPUT(pn_f32_wino5_output_c);

/* OpenBLAS: b lies as k rows of n_all (gemm) or n_all rows of k (gemv). */
PN_DECL_PACK_FLOATS(pn_f32_pack_floats_blas);
PN_DECL_PACK(pn_f32_pack_blas);
PN_DECL_PACK(pn_f32_pack_rows_blas);
PN_DECL_GEMM(pn_f32_gemm_blas);
PN_DECL_GEMM(pn_f32_gemv_blas);

/** m x n product of doubles: c = a b + (adds ? c : 0), rows `ld*` apart; a is k x m if
 * a_turned, b is n x k if b_turned. The parity report's, on BLAS's own threads. */
typedef struct pn_product64 {
    int64_t m, n, k, lda, ldb, ldc;
    const double *a, *b;
    double *c;
    bool a_turned, b_turned, adds;
} pn_product64;
void pn_f64_gemm_blas(const pn_product64 *p);

/** Columns first .. n of what `e` says, for a variant that did the others itself. */
void pn_epilogue_columns(const pn_epilogue *e, size_t first);

#if defined(__x86_64__)
/** The references again, compiled for AVX2 and FMA (x86/references_fma.c). */
void pn_kernels_init_fma(pn_kernels *k);
/** Channels first .. n, for a variant that did the others itself. */
void pn_depthwise_row_channels(const pn_depthwise_row *d, size_t first);

PN_DECL_GEMM(pn_f32_gemm_avx2);
PN_DECL_DEPTHWISE_ROW(pn_f32_depthwise_row_avx2);
PN_DECL_WINO_INPUT(pn_f32_wino4_input_avx2);
PN_DECL_WINO_OUTPUT(pn_f32_wino4_output_avx2);
PN_DECL_WINO_INPUT(pn_f32_wino5_input_avx2);
PN_DECL_WINO_OUTPUT(pn_f32_wino5_output_avx2);

PN_DECL_GEMM(pn_f32_gemm_avx512);
PN_DECL_DEPTHWISE_ROW(pn_f32_depthwise_row_avx512);
PN_DECL_WINO_INPUT(pn_f32_wino4_input_avx512);
PN_DECL_WINO_OUTPUT(pn_f32_wino4_output_avx512);
PN_DECL_WINO_INPUT(pn_f32_wino5_input_avx512);
PN_DECL_WINO_OUTPUT(pn_f32_wino5_output_avx512);
#endif

#endif
