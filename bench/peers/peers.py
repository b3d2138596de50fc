"""One peer on one model, timed; one JSON line. Run by run.py, in its venv.

usage: peers.py PEER MODEL BATCH THREADS SECONDS [check]

Each runs in float32 on THREADS threads, the network alone, on one fixed input. With `check` its outputs are afterwards held
against ONNX Runtime's: who computes something else has no speed.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

MOST_OFF = 1e-3  # of the largest magnitude: a wrong network, not another order of sums


def input_of(path, batch):
    """Name and pixels of the one input."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    constants = {t.name for t in graph.initializer}
    value = next(v for v in graph.input if v.name not in constants)
    shape = [batch] + [d.dim_value for d in value.type.tensor_type.shape.dim[1:]]
    if 0 in shape:
        sys.exit(f"{path}: input {value.name} is {shape}: a side that is not fixed")
    return value.name, np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)


def onnxruntime(path, batch, threads):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name, x = input_of(path, batch)
    return ort.__version__, lambda: session.run(None, {name: x})


def openvino(path, batch, threads):
    import openvino as ov

    core = ov.Core()
    model = core.read_model(path)
    name, x = input_of(path, batch)
    model.reshape({name: list(x.shape)})
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False})
    request = compiled.create_infer_request()
    tensor = ov.Tensor(x)
    return ov.__version__.split("-")[0], lambda: list(request.infer({0: tensor}).values())


def ncnn_files(path, shape):
    """Translated once by pnnx, beside the venv, under a name that tells the file's size and age; the weights appear last."""
    stat = os.stat(path)
    folder = os.path.join(os.path.dirname(os.path.dirname(sys.executable)), "ncnn")
    name = f"{os.path.basename(path)[:-5]}_{stat.st_size}_{int(stat.st_mtime)}".replace(".", "_").replace("-", "_")
    kept = [os.path.join(folder, f"{name}.ncnn.{end}") for end in ("param", "bin")]
    if not os.path.exists(kept[1]):
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as made:  # pnnx leaves four more copies of the weights
            os.symlink(os.path.abspath(path), f"{made}/net.onnx")
            tool = os.path.join(os.path.dirname(sys.executable), "pnnx")
            subprocess.run([tool, "net.onnx", f"inputshape=[{','.join(map(str, shape))}]", "fp16=0"],
                           check=True, stdout=sys.stderr, cwd=made)
            for file in kept:
                os.replace(f"{made}/net.ncnn{os.path.splitext(file)[1]}", file)
    return kept


def ncnn(path, batch, threads):
    import importlib.metadata

    import ncnn as nn

    if batch != 1:
        sys.exit("ncnn: takes one image at a time")
    _, x = input_of(path, 1)
    param, weights = ncnn_files(path, x.shape)
    net = nn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    if net.load_param(param) or net.load_model(weights):
        sys.exit(f"ncnn: cannot load {param}")
    image = nn.Mat(x[0]).clone()  # ncnn loads whole vectors from where it aligned them; numpy does not align so
    outputs = sorted(net.output_names(), key=lambda name: (len(name), name))  # out0.., which pnnx counts as the graph does

    def run():
        extractor = net.create_extractor()
        extractor.input(net.input_names()[0], image)
        answers = [extractor.extract(o) for o in outputs]
        if any(code for code, _ in answers):
            sys.exit(f"ncnn: extract answers {[code for code, _ in answers]}")
        return [mat for _, mat in answers]

    return importlib.metadata.version("ncnn"), run


def check(peer, path, batch, threads, answers):
    """The outputs of both have one order, that of the graph."""
    expected = onnxruntime(path, batch, threads)[1]()
    for got, want in zip(answers, expected, strict=True):
        got = np.array(got)
        if got.size != want.size:
            sys.exit(f"{peer}: an output of {got.size} numbers, ONNX Runtime's has {want.size}")
        off = float(np.abs(got.ravel() - want.ravel()).max() / np.abs(want).max())
        if not off <= MOST_OFF:  # nor is NaN
            sys.exit(f"{peer}: its answer is off by {off:.2g} of the largest that ONNX Runtime gives")


def main():
    peer, path, batch, threads, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    version, run = {"onnxruntime": onnxruntime, "openvino": openvino, "ncnn": ncnn}[peer](path, batch, threads)
    for _ in range(2):
        run()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    if sys.argv[6:] == ["check"]:
        check(peer, path, batch, threads, run())
    print(json.dumps({"name": peer, "version": version, "median_ms": 1e3 * float(np.median(times)), "runs": len(times)}))


if __name__ == "__main__":
    main()
