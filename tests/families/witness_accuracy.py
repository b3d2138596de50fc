"""ONNX Runtime's features, and how far everybody's are from float64. Started by accuracy.py with an interpreter that has it."""
import numpy as np
import onnxruntime

from witness import serve


def answer(question):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(question["model"], options, providers=["CPUExecutionProvider"])
    n, name = question["images"], session.get_inputs()[0].name
    x = np.fromfile(question["input"], "<f4").reshape(n, 1, *question["shape"])
    want = np.fromfile(question["answers"] + ".f64", "<f8").reshape(n, -1)
    sides = {"onnxruntime": np.stack([session.run([question["tensor"]], {name: one})[0].ravel() for one in x])}
    for side in ("default", "exact"):
        sides[side] = np.fromfile(f"{question['answers']}.{side}", "<f4").reshape(n, -1)
    size = np.linalg.norm(want, axis=1)
    if not np.isfinite(size).all() or not size.all():
        raise ValueError(f"features of length {size} are no yardstick")
    return {"l2": {side: (np.linalg.norm(a.astype("f8") - want, axis=1) / size).tolist() for side, a in sides.items()},
            "features": int(want.shape[1]), "version": onnxruntime.__version__}


serve(answer)
