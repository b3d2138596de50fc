"""ONNX Runtime's features, and how far everybody's are from float64. Started by accuracy.py with an interpreter that has it."""
import numpy as np
import onnxruntime

from witness import serve


def answer(question):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(question["model"], options, providers=["CPUExecutionProvider"])
    shape = (1, *question["shape"])
    x = np.fromfile(question["input"], "<f4", int(np.prod(shape))).reshape(shape)
    got = session.run([question["tensor"]], {session.get_inputs()[0].name: x})[0]
    want = np.fromfile(question["answers"] + ".f64", "<f8")
    sides = {"onnxruntime": got.ravel().astype("f8")}
    for side in ("default", "exact"):
        sides[side] = np.fromfile(f"{question['answers']}.{side}", "<f4").astype("f8")
    size = np.linalg.norm(want)
    if not np.isfinite(size) or size == 0:
        raise ValueError(f"features of length {size} are no yardstick")
    return {"l2": {side: float(np.linalg.norm(a - want) / size) for side, a in sides.items()},
            "features": int(want.size), "version": onnxruntime.__version__}


serve(answer)
