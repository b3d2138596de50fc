/** @file judge.h  The parity report with its two sides apart, so that a test can break
 * one of them. */
#ifndef PN_ENGINE_JUDGE_H
#define PN_ENGINE_JUDGE_H

#include "engine/net.h"
#include "engine/oracle/walk64.h"
#include "penult/parity.h"

/** The engine runs `run`, the walk `g`: the same values and nodes, but for the contents
 * of constants and attributes. */
PN_MUST_CHECK pn_status pn_parity_between(pn_parity *out, const pn_graph *g,
                                          const pn_graph *run, const pn_parity_opts *opts,
                                          pn_err *err);

/* judge.c: of one image of tensor t, at `floats` */

/** Write an image's numbers, rounded, to where the tensor has them. */
void pn_judge_set(const pn_tensor *t, float *floats, const double *x);
/** What layer l wrote against the walk's value of that tensor. */
void pn_judge_layer(const pn_layer *l, const pn_tensor *t, const float *floats,
                    const pn_array64 *want, pn_parity_layer *out);
/** Whether two images of what layer l wrote are the same to the bit. */
bool pn_judge_same(const pn_layer *l, const pn_tensor *t, const float *a, const float *b);
/** An output end to end. @return PN_ENOMEM */
PN_MUST_CHECK pn_status pn_judge_output(const pn_tensor *t, const float *floats,
                                        const pn_array64 *want, pn_parity_output *out);

#endif
