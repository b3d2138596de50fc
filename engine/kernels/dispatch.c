/* Who fills the table: the references first, then each level what it does better. */
#include "engine/kernels/kernels.h"

static void init_c(pn_kernels *k)
{
    k->gemm_pack_floats = pn_f32_pack_floats_c;
    k->gemv_pack_floats = pn_f32_pack_floats_c;
    k->gemm_pack = pn_f32_pack_c;
    k->gemv_pack = pn_f32_pack_c;
    k->gemm = pn_f32_gemm_c;
    k->gemm_is_chained = true;
    k->gemv = pn_f32_gemm_c;
    k->epilogue = pn_f32_epilogue_c;
    k->act = pn_f32_act_c;
    k->affine = pn_f32_affine_c;
    k->binary = pn_f32_binary_c;
    k->depthwise = pn_f32_depthwise_c;
    k->depthwise_row = pn_f32_depthwise_row_c;
    k->max_taps = pn_f32_max_taps_c;
    k->avg_taps = pn_f32_avg_taps_c;
    k->global_avg = pn_f32_global_avg_c;
    k->global_max = pn_f32_global_max_c;
    k->wino[PN_WINO_4] =
        (pn_wino){6, 4, PN_K_BLOCK, pn_f32_wino4_input_c, pn_f32_wino4_output_c};
    k->wino[PN_WINO_5] = (pn_wino){7, 5, 64, pn_f32_wino5_input_c, pn_f32_wino5_output_c};
}

static void init_blas(pn_kernels *k)
{
    k->gemm_pack_floats = pn_f32_pack_floats_blas;
    k->gemv_pack_floats = pn_f32_pack_floats_blas;
    k->gemm_pack = pn_f32_pack_blas;
    k->gemv_pack = pn_f32_pack_rows_blas;
    k->gemm = pn_f32_gemm_blas;
    k->gemm_is_chained = false;
    k->gemv = pn_f32_gemv_blas;
    /* Winograd's products are too small for a library */
    for (int i = 0; i < PN_N_WINO_SIZES; i++)
        k->wino[i].input = NULL;
}

#if defined(__x86_64__)
static void init_avx2(pn_kernels *k)
{
    k->gemm = pn_f32_gemm_avx2;
    k->gemv = pn_f32_gemm_avx2;
    k->depthwise_row = pn_f32_depthwise_row_avx2;
    k->wino[PN_WINO_4].input = pn_f32_wino4_input_avx2;
    k->wino[PN_WINO_4].output = pn_f32_wino4_output_avx2;
    k->wino[PN_WINO_5].input = pn_f32_wino5_input_avx2;
    k->wino[PN_WINO_5].output = pn_f32_wino5_output_avx2;
}

static void init_avx512(pn_kernels *k)
{
    k->gemm = pn_f32_gemm_avx512;
    k->gemv = pn_f32_gemm_avx512;
    k->depthwise_row = pn_f32_depthwise_row_avx512;
    k->wino[PN_WINO_4].input = pn_f32_wino4_input_avx512;
    k->wino[PN_WINO_4].output = pn_f32_wino4_output_avx512;
    k->wino[PN_WINO_5].input = pn_f32_wino5_input_avx512;
    k->wino[PN_WINO_5].output = pn_f32_wino5_output_avx512;
}
#endif

void pn_kernels_init(pn_kernels *k, pn_cpu level)
{
    init_c(k);
#if defined(__x86_64__)
    if (pn_cpu_has_fma()) pn_kernels_init_fma(k);
#endif
    if (level == PN_CPU_OPENBLAS) init_blas(k);
#if defined(__x86_64__)
    if (level == PN_CPU_AVX2) init_avx2(k);
    if (level == PN_CPU_AVX512) init_avx512(k);
#endif
}

void pn_epilogue_columns(const pn_epilogue *e, size_t first)
{
    pn_epilogue rest = *e;
    pn_act act = *e->act;
    if (act.slope) act.slope += first;
    rest.act = &act;
    rest.y += first;
    if (rest.bias) rest.bias += first;
    if (rest.r) rest.r += first;
    rest.n -= first;
    pn_f32_epilogue_c(&rest);
}
