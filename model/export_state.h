/**
 * @file export_state.h  A network's weights as PyTorch reads them: a state dict, in a
 * .safetensors and in a .pth file. Constants go from where they lie to the file.
 */
#ifndef PN_MODEL_EXPORT_STATE_H
#define PN_MODEL_EXPORT_STATE_H

#include "base/outset.h"
#include "penult/graph.h"

/** One entry of the state dict. */
typedef struct pt_tensor {
    const char *key;    /**< within its member: "weight", "conv1.bias" */
    int value;          /**< constant of the graph; PN_NONE: int64 0, how many batches a
                             BatchNorm has seen */
    bool is_transposed; /**< the constant has two dimensions, the other way round */
    float factor;       /**< of every element */
    pn_shape shape;     /**< in the state dict */
} pt_tensor;

typedef struct pt_state {
    const pn_graph *g;
    pt_tensor *items;
    int n;
} pt_state;

/** Key of the .safetensors metadata that says by which version of this program it was
 * written: nobody else has it. */
#define PT_META_VERSION "penult.version"

/** Bytes of a tensor in the file: float32, or one int64. */
uint64_t pt_tensor_bytes(const pt_tensor *t);
typedef pn_status pt_sink(void *to, const void *bytes, size_t size, pn_err *err);
/** Its elements in order, converted, scaled and turned as the tensor says. */
PN_MUST_CHECK pn_status pt_tensor_stream(const pt_state *s, const pt_tensor *t,
                                         pt_sink *sink, void *to, pn_err *err);

/** With the graph's metadata, {"format": "pt"} and
 * PT_META_VERSION. */
PN_MUST_CHECK pn_status pt_write_safetensors(const pt_state *s, const char *path,
                                             pn_outset *to, pn_err *err);
/** A zip file of stored entries with a protocol-2 pickle of an OrderedDict: what
 * torch.load(weights_only=True) takes since PyTorch 1.6. */
PN_MUST_CHECK pn_status pt_write_pth(const pt_state *s, const char *path, pn_outset *to,
                                     pn_err *err);

#endif
