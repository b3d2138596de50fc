/** @file decode.h  The stage that turns bytes into pixels. */
#ifndef PN_STAGES_DECODE_H
#define PN_STAGES_DECODE_H

#include "penult/preprocess.h"
#include "penult/stage.h"

typedef struct pn_decode_opts {
    const pn_preprocess *preprocess; /**< borrowed for the run */
} pn_decode_opts;

extern const pn_transform_ops pn_transform_decode;

#endif
