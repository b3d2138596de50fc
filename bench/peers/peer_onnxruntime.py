"""Time ONNX Runtime on a model; one JSON line. Run by run.py, in its venv.

usage: peer_onnxruntime.py MODEL BATCH THREADS SECONDS
"""
import json
import sys
import time

import numpy as np
import onnxruntime as ort

path, batch, threads, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
options = ort.SessionOptions()
options.intra_op_num_threads = threads
options.inter_op_num_threads = 1
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
feed = session.get_inputs()[0]
shape = [batch] + [int(d) for d in feed.shape[1:]]
x = np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)
for _ in range(2):
    session.run(None, {feed.name: x})
times, end = [], time.perf_counter() + seconds
while time.perf_counter() < end or len(times) < 3:
    start = time.perf_counter()
    session.run(None, {feed.name: x})
    times.append(time.perf_counter() - start)
print(json.dumps({"name": "onnxruntime", "version": ort.__version__, "median_ms": 1e3 * float(np.median(times)),
                  "min_ms": 1e3 * min(times), "runs": len(times)}))
