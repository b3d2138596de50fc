#!/usr/bin/env python3
"""torchvision's nets at full width, exported in many ways: penult's engine against ONNX Runtime.

usage: check.py BUILD [--nets NAME...] [--only OPTION] [--table FILE]
BUILD is a build folder with the program test_onnx_zoo; needs torch, torchvision, onnx, onnxscript, onnxruntime.
Random weights; statistics from two forward passes; images of 96 x 96 but where the net asks for more. Ends with 1
where a difference is above 1e-4 of the greatest value. The table is what docs/onnx-zoo.md shows.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph

import zoo

BOUND = 1e-4
N = zoo.NEWEST
# exporter, opset, batch in the file, options
PLAIN = [("torchscript", 9, "free", ""), ("torchscript", 13, "free", "unfolded"), ("torchscript", 20, 1, ""),
         ("dynamo", 18, "free", "external"), ("dynamo", 21, 1, ""), ("dynamo", N, "free", "")]
HALF = [("dynamo", N, "free", "half weights"), ("torchscript", 17, "free", "half")]
MORE = {"resnet18": [("torchscript", o, "free", "") for o in (10, 11, 12, 14, 15, 16, 17, 18, 19)] +
        [("dynamo", o, 2, "external") for o in range(19, N)],
        "convnext_tiny": [("torchscript", 17, "free", ""), ("dynamo", 20, "free", ""),
                          ("dynamo", 25, "free", "")],
        "shufflenet_v2_x1_0": [("torchscript", 17, 1, "unfolded"), ("torchscript", 20, "free", "unfolded")]}


def halve_weights(path):
    """Every float32 weight as float16 behind a Cast, as tools that shrink files do it."""
    m = onnx.load(path)
    for t in list(m.graph.initializer):
        if t.data_type != onnx.TensorProto.FLOAT:
            continue
        a = onnx.numpy_helper.to_array(t)
        m.graph.initializer.remove(t)
        m.graph.initializer.append(onnx.numpy_helper.from_array(a.astype(np.float16), t.name + ".half"))
        m.graph.node.insert(0, onnx.helper.make_node("Cast", [t.name + ".half"], [t.name], to=onnx.TensorProto.FLOAT))
    onnx.save(m, path)


def widened(path):
    """The same file in float32. ONNX Runtime would round to float16 after each node, we do not: a fair judge is
    the same graph with the same weights, computed as we say it is."""
    m = onnx.load(path)
    half, whole = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT

    def widen(t):
        if t.data_type == half:
            t.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(t).astype(np.float32), t.name))

    for t in m.graph.initializer:
        widen(t)
    for node in m.graph.node:
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR:
                widen(a.t)
            if node.op_type == "Cast" and a.name == "to" and a.i == half:
                a.i = whole
    del m.graph.value_info[:]
    for v in [*m.graph.input, *m.graph.output]:
        if v.type.tensor_type.elem_type == half:
            v.type.tensor_type.elem_type = whole
    onnx.save(m, path + ".wide")
    return path + ".wide"


def one(build, folder, net, size, exporter, opset, batch, option):
    path = os.path.join(folder, "net.onnx")
    dtype = torch.float16 if option == "half" else torch.float32
    zoo.export(net, size, path, exporter, opset, batch, option != "unfolded", dtype)
    if option == "half weights":
        halve_weights(path)
    elif exporter == "dynamo" and option != "external" and os.path.exists(path + ".data"):
        onnx.save(onnx.load(path), path)
        os.remove(path + ".data")
    if option == "external" and not os.path.exists(path + ".data"):
        onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.onnx.data")
    x = np.random.default_rng(3).standard_normal((2 if batch == "free" else batch, 3, size, size), np.float32)
    x = x.astype(np.float16).astype(np.float32)
    y = zoo.answers(widened(path) if option == "half" else path, x)
    files = [os.path.join(folder, f) for f in ("x.npy", "y.npy")]
    np.save(files[0], x)
    np.save(files[1], np.ascontiguousarray(y, np.float32))
    r = subprocess.run([os.path.join(build, "tests/golden/onnx_zoo/test_onnx_zoo"), path, *files],
                       capture_output=True, text=True)
    if r.returncode:
        return None, r.stderr.strip().replace(path, "")[:200]
    return float(r.stdout), r.stdout.strip()


def rows(build, nets, only):
    for name in nets:
        net, size = zoo.full(name)
        for row in PLAIN + MORE.get(name, []) + HALF:  # the last: exporting it rounds the net
            if only and row[3] != only:
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    distance, text = one(build, folder, net, size, *row)
                except (torch.onnx.errors.SymbolicValueError, torch.onnx.errors.UnsupportedOperatorError):
                    distance, text = 0, "PyTorch does not export it so"
                except (InvalidGraph, Fail):
                    distance, text = 0, "PyTorch's file is not one that ONNX Runtime opens"
            print(name, *row, text, flush=True)
            yield name, row, distance, text


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--nets", nargs="*", default=zoo.FULL)
    p.add_argument("--only", help="one option: unfolded, external, half, half weights")
    p.add_argument("--table")
    a = p.parse_args()
    bad, lines = 0, []
    for name, (exporter, opset, batch, option), distance, text in rows(a.build, a.nets, a.only):
        bad += distance is None or not distance <= BOUND
        what = f"{opset}{', ' + option if option else ''}"
        lines.append(f"| {name} | {exporter} | {what} | {'N' if batch == 'free' else batch} | {text} |")
    if a.table:
        with open(a.table, "w") as f:
            f.write("| net | exporter | opset | batch | engine against ONNX Runtime |\n|---|---|---|---|---|\n")
            f.write("\n".join(lines) + "\n")
    print(f"{len(lines)} files, {bad} beyond {BOUND}; torch {torch.__version__}, torchvision "
          f"{torchvision.__version__}, onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
    sys.exit(bad > 0)


main()
