#!/usr/bin/env python3
"""Write the goldens of this folder: NAME.onnx (and its data file), NAME.npy with ONNX Runtime's answers.

usage: make.py [FAMILY...]
Written with torch 2.15, torchvision 0.29, onnx 1.23, onnxruntime 1.32.
"""
import os
import sys

import numpy as np
import onnx

import zoo

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "mxnet"))
from inputs import golden_input  # noqa: E402

OPSETS = {"torchscript": (9, 11, 13, 16, 18, 20), "dynamo": (18, 20, 21, 23, 26, zoo.NEWEST)}


def finish(path, x):
    m = onnx.load(path, load_external_data=False)
    for key in ("metadata_props", "doc_string"):  # where PyTorch's sources lay: half of a small file
        for n in m.graph.node:
            n.ClearField(key)
    del m.graph.value_info[:]
    m.graph.ClearField("metadata_props")
    open(path, "wb").write(m.SerializeToString())
    np.save(path[:-5] + ".npy", zoo.answers(path, x))


def main():
    x = golden_input((2, 3, 64, 64), 1, 127.5, 1 / 64)
    for i, name in enumerate(zoo.mini(None)):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        for exporter, opsets in OPSETS.items():
            path = os.path.join(HERE, f"{name}-{exporter}.onnx")
            net = zoo.mini(name)
            zoo.export(net, 64, path, exporter, opsets[i % len(opsets)], fold=i % 2 == 0)
            if exporter == "dynamo" and i % 6:  # some keep their weights beside them
                onnx.save(onnx.load(path), path)
                if os.path.exists(path + ".data"):
                    os.remove(path + ".data")
            finish(path, x)
            print(path, os.path.getsize(path))


main()
