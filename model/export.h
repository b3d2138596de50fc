/** @file export.h  What a writer of one format is. */
#ifndef PN_MODEL_EXPORT_H
#define PN_MODEL_EXPORT_H

#include "base/outset.h"
#include "penult/export.h"

/** As pn_export_write, for one ending: opens the files in `to`, the one at `path` last,
 * and need not sync them. */
typedef pn_status pn_export_fn(const pn_graph *g, const char *path, pn_outset *to,
                               pn_err *err);

/** ONNX, one file. */
pn_export_fn pn_export_onnx;

/** MMdnn's IR: NAME.pb, NAME.json and NAME.npy, whichever of the first two is named. */
pn_export_fn pn_export_mmdnn;

/** NAME.py, and beside it NAME.safetensors and NAME.pth. */
pn_export_fn pn_export_pytorch;
/** @return PN_EINVAL for a name that would be taken for another module's */
PN_MUST_CHECK pn_status pn_pytorch_check_name(const char *path, pn_err *err);

#endif
