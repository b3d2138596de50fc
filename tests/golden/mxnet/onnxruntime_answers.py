"""What ONNX Runtime answers for the files penult writes: kept beside MXNet's answers, as another witness.

usage: onnxruntime_answers.py PENULT

Needs `pip install onnxruntime onnx numpy`. Every tensor of a golden becomes an output of the model before it is run.
"""
import json
import os
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

import checkpoints
from inputs import golden_input

for folder, about, files in checkpoints.goldens():
    with tempfile.TemporaryDirectory() as tmp:
        path = tmp + "/model.onnx"
        checkpoints.convert(sys.argv[1], about, files, path)
        model = onnx.load(path)
        have = {o.name for o in model.graph.output}
        for t in about["tensors"]:
            if t["name"] not in have:
                model.graph.output.append(onnx.helper.make_tensor_value_info(t["name"], onnx.TensorProto.FLOAT, None))
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        x = golden_input((about["batch"], *about["input_shape"]), about["seed"], about["shift"], about["scale"])
        answers = session.run([t["name"] for t in about["tensors"]], {session.get_inputs()[0].name: x})
    for i, (t, a) in enumerate(zip(about["tensors"], answers)):
        b = np.load(f"{folder}/{t['float32']}")
        off = np.abs(a.reshape(b.shape) - b).max() / np.abs(b).max()
        print(f"{os.path.basename(folder):20} {t['name']:32} off MXNet by {off:.1e}")
        t["onnxruntime"] = f"{i}-ort.npy"
        np.save(f"{folder}/{i}-ort.npy", a.astype("<f4"))
    about["onnxruntime"] = onnxruntime.__version__
    with open(f"{folder}/golden.json", "w", encoding="utf-8") as f:
        json.dump(about, f, indent=1)
        f.write("\n")
