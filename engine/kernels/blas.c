/* OpenBLAS. Every call must run on one BLAS thread and have a size that does not depend
 * on batch or team: only then are its bits repeatable. engine/ops/team.c sees to the
 * first. */
#include <cblas.h>
#include <string.h>

#include "engine/kernels/kernels.h"

PN_DECL_PACK_FLOATS(pn_f32_pack_floats_blas)
{
    return n * k;
}

PN_DECL_PACK(pn_f32_pack_blas)
{
    for (size_t i = 0; i < k; i++)
        b[i * n_all + j] = w[i];
}

PN_DECL_PACK(pn_f32_pack_rows_blas)
{
    (void)n_all;
    memcpy(b + j * k, w, k * sizeof(float));
}

PN_DECL_GEMM(pn_f32_gemm_blas)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)g->m, (blasint)g->n,
                (blasint)g->k, 1, g->a, (blasint)g->lda, g->b + g->n0, (blasint)g->n_all,
                0, g->c, (blasint)g->ldc);
}

PN_DECL_GEMM(pn_f32_gemv_blas)
{
    cblas_sgemv(CblasRowMajor, CblasNoTrans, (blasint)g->n, (blasint)g->k, 1,
                g->b + g->n0 * g->k, (blasint)g->k, g->a, 1, 0, g->c, 1);
}

void pn_f64_gemm_blas(const pn_product64 *p)
{
    cblas_dgemm(CblasRowMajor, p->a_turned ? CblasTrans : CblasNoTrans,
                p->b_turned ? CblasTrans : CblasNoTrans, (blasint)p->m, (blasint)p->n,
                (blasint)p->k, 1, p->a, (blasint)p->lda, p->b, (blasint)p->ldb,
                p->adds ? 1 : 0, p->c, (blasint)p->ldc);
}
