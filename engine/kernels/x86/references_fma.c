/* The C references once more, compiled for AVX2 and FMA: fmaf in hardware instead of a
 * call, and eight lanes instead of four. Same source, same order, so the same bits. */
#define pn_f32_pack_floats_c pack_floats_fma
#define pn_f32_pack_c pack_fma
#define pn_f32_gemm_c gemm_fma
#define pn_f32_epilogue_c epilogue_fma
#define pn_f32_act_c act_fma
#define pn_f32_affine_c affine_fma
#define pn_f32_binary_c binary_fma
#define pn_f32_depthwise_c depthwise_fma
#define pn_f32_depthwise_row_c depthwise_row_fma
#define pn_f32_max_taps_c max_taps_fma
#define pn_f32_avg_taps_c avg_taps_fma
#define pn_f32_global_avg_c global_avg_fma
#define pn_f32_global_max_c global_max_fma
#define pn_f32_wino4_input_c wino4_input_fma
#define pn_f32_wino4_output_c wino4_output_fma
#define pn_f32_wino5_input_c wino5_input_fma
#define pn_f32_wino5_output_c wino5_output_fma

#include "engine/kernels/kernels.h"

/* NOLINTBEGIN(bugprone-suspicious-include): compiling them again is the point */
#include "engine/kernels/gemm.c"
#include "engine/kernels/eltwise.c"
#include "engine/kernels/taps.c"
#include "engine/kernels/winograd.c"
/* NOLINTEND(bugprone-suspicious-include) */

void pn_depthwise_row_channels(const pn_depthwise_row *d, size_t first)
{
    for (size_t p = 0; first < d->n && p < d->n_out; p++)
        depthwise_output(d, p, first);
}

void pn_kernels_init_fma(pn_kernels *k)
{
    k->gemm_pack_floats = pack_floats_fma;
    k->gemv_pack_floats = pack_floats_fma;
    k->gemm_pack = pack_fma;
    k->gemv_pack = pack_fma;
    k->gemm = gemm_fma;
    k->gemv = gemm_fma;
    k->epilogue = epilogue_fma;
    k->act = act_fma;
    k->affine = affine_fma;
    k->binary = binary_fma;
    k->depthwise = depthwise_fma;
    k->depthwise_row = depthwise_row_fma;
    k->max_taps = max_taps_fma;
    k->avg_taps = avg_taps_fma;
    k->global_avg = global_avg_fma;
    k->global_max = global_max_fma;
    k->wino[PN_WINO_4].input = wino4_input_fma;
    k->wino[PN_WINO_4].output = wino4_output_fma;
    k->wino[PN_WINO_5].input = wino5_input_fma;
    k->wino[PN_WINO_5].output = wino5_output_fma;
}
