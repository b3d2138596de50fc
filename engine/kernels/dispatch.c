/* Who fills the table: the references first, then each level what it does better. */
#include "engine/kernels/kernels.h"

static void init_c(pn_kernels *k)
{
    k->gemm_pack_floats = pn_f32_pack_floats_c;
    k->gemv_pack_floats = pn_f32_pack_floats_c;
    k->gemm_pack = pn_f32_pack_c;
    k->gemv_pack = pn_f32_pack_c;
    k->gemm = pn_f32_gemm_c;
    k->gemv = pn_f32_gemm_c;
    k->epilogue = pn_f32_epilogue_c;
    k->act = pn_f32_act_c;
    k->affine = pn_f32_affine_c;
    k->binary = pn_f32_binary_c;
    k->depthwise = pn_f32_depthwise_c;
    k->max_taps = pn_f32_max_taps_c;
    k->avg_taps = pn_f32_avg_taps_c;
    k->global_avg = pn_f32_global_avg_c;
    k->global_max = pn_f32_global_max_c;
}

static void init_blas(pn_kernels *k)
{
    k->gemm_pack_floats = pn_f32_pack_floats_blas;
    k->gemv_pack_floats = pn_f32_pack_floats_blas;
    k->gemm_pack = pn_f32_pack_blas;
    k->gemv_pack = pn_f32_pack_rows_blas;
    k->gemm = pn_f32_gemm_blas;
    k->gemv = pn_f32_gemv_blas;
}

void pn_kernels_init(pn_kernels *k, pn_cpu level)
{
    init_c(k);
#if defined(__x86_64__)
    if (pn_cpu_has_fma()) pn_kernels_init_fma(k);
#endif
    if (level == PN_CPU_C) return;
    init_blas(k);
}
