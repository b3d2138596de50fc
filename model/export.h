/** @file export.h  What a writer of one format is. */
#ifndef PN_MODEL_EXPORT_H
#define PN_MODEL_EXPORT_H

#include "penult/export.h"

/** As pn_export, for one ending. */
typedef pn_status pn_export_fn(const pn_graph *g, const char *path, pn_err *err);

/** MMdnn's IR: NAME.pb, NAME.json and NAME.npy, whichever of the first two is named. */
pn_export_fn pn_export_mmdnn;

/** NAME.py, and beside it NAME.safetensors and NAME.pth. */
pn_export_fn pn_export_pytorch;

#endif
