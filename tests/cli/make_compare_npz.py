#!/usr/bin/env python3
"""Make compare.npz: what MXNet 1.9.1 computes inside the net of ../golden/mxnet/resnet-v2, at its narrow end, for
the golden's input. Needs MXNet; run by hand."""
import json
import os
import sys

os.environ["MXNET_SUBGRAPH_BACKEND"] = "NONE"  # the default backend cannot bind a group of internal outputs
import mxnet as mx  # noqa: E402
import numpy as np  # noqa: E402

here = os.path.dirname(os.path.abspath(__file__))
folder = os.path.join(here, "../golden/mxnet/resnet-v2")
sys.path.insert(0, os.path.dirname(folder))
from inputs import golden_input  # noqa: E402

NAMES = ["_plus3_output", "stage4_unit1_bn1_output", "stage4_unit1_conv3_output", "_plus4_output", "bn1_output",
         "relu1_output", "pool1_output", "flatten0_output", "fc1_output", "softmax_output"]

with open(os.path.join(folder, "golden.json"), encoding="utf-8") as f:
    golden = json.load(f)
x = golden_input([golden["batch"]] + golden["input_shape"], golden["seed"], golden["shift"], golden["scale"])
sym, arg, aux = mx.model.load_checkpoint(os.path.join(folder, "net"), 0)
internals = sym.get_internals()
group = mx.sym.Group([internals[n] for n in NAMES])
arg = dict(arg, data=mx.nd.array(x), softmax_label=mx.nd.zeros(len(x)))
bound = group.bind(mx.cpu(), {n: arg[n] for n in group.list_arguments()},
                   aux_states={n: aux[n] for n in group.list_auxiliary_states()})
arrays = {n: a.asnumpy() for n, a in zip(NAMES, bound.forward(is_train=False))}
np.savez_compressed(os.path.join(here, "compare.npz"), fc1_weight=arg["fc1_weight"].asnumpy(), **arrays)
