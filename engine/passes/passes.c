/* The order of the passes: padding before folding, as a BatchNorm may stand behind the
 * convolution; folding before residuals, residuals before activations, as each must see
 * the plain result of the one before; slices last, when it is settled who writes what. */
#include "engine/passes/passes.h"

pn_status pn_passes_run(struct pn_model *m)
{
    pn_status (*const passes[])(struct pn_model *) = {
        pn_pass_merge_pad, pn_pass_fold_affine, pn_pass_fuse_residual,
        pn_pass_fuse_act,  pn_pass_flatten_fc,  pn_pass_slice_concat,
    };
    for (size_t i = 0; i < sizeof(passes) / sizeof(*passes); i++) {
        pn_status st = passes[i](m);
        if (st) return st;
        pn_net_compact(m);
    }
    return PN_OK;
}
