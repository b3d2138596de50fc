"""Holds the PyTorch modules that penult writes against MXNet's answers and ONNX Runtime's.

usage: check.py PENULT [MODEL.onnx | GOLDEN ...]
       without models: every golden of tests/golden whose checkpoint is on this machine, and every file of onnx_ops

Needs torch >= 2, safetensors, onnx, onnxscript and onnxruntime from PyPI; run on request. For each model: convert, import
the module, load both weight files strictly, compare outputs and features, train one step, change the number of
classes, export by both of PyTorch's exporters and compare the result again.
"""
import glob
import importlib.util
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../mxnet")
import checkpoints  # noqa: E402
from inputs import golden_input  # noqa: E402

BOUND = 1e-4
BATCH = 2


def tuple_of(y):
    return y if isinstance(y, tuple) else (y,)


def off(a, b):
    assert a.shape == b.shape, f"shape {a.shape}, expected {b.shape}"
    return float(np.abs(a.astype(np.float64) - b).max() / max(np.abs(b).max(), 1e-30)) if a.size else 0.0


def convert(penult, files, out, shape=None):
    flags = ["--input-shape", ",".join(map(str, shape))] if shape else []
    done = subprocess.run([penult, "convert", *files, *flags, "--force", "-o", out], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])


def module_of(path):
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def class_of(module):
    return getattr(module, open(module.__file__, encoding="utf-8").read().split(",")[0].strip('"'))


def run_onnx(path, x, names=None):
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = names or [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: x})))


def exports_again(model, x, expected, folder):
    worst = 0.0
    for dynamo in (False, True):
        path = f"{folder}/again-{dynamo}.onnx"
        with warnings.catch_warnings(), open(os.devnull, "w", encoding="utf-8") as null:
            warnings.simplefilter("ignore")
            stdout, sys.stdout = sys.stdout, null
            try:
                torch.onnx.export(model, (torch.from_numpy(x),), path, dynamo=dynamo)
            finally:
                sys.stdout = stdout
        worst = max([worst] + [off(a, b) for a, b in zip(run_onnx(path, x).values(), expected)])
    return worst


def train_step(model, x, module):
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    loss = sum(y.square().mean() for y in tuple_of(model(torch.from_numpy(x))))
    loss.backward()
    optimizer.step()
    changed = sum(not torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert changed or not before, "a step of SGD changes nothing"
    model.eval()


def check(penult, files, shape, x, answers, features, whole=True):
    """answers: {name: array} of the model's own outputs in order, then perhaps the features."""
    with tempfile.TemporaryDirectory() as tmp:
        path = f"{tmp}/net.py"
        convert(penult, files, path, shape)
        module = module_of(path)
        cls = class_of(module)
        model = cls()
        model.load_state_dict(torch.load(f"{tmp}/net.pth", weights_only=True))
        for file in ("net.safetensors", "net.pth"):
            loaded = module.load(f"{tmp}/{file}")
            for key, value in model.state_dict().items():
                assert torch.equal(value, loaded.state_dict()[key]) and value.dtype == loaded.state_dict()[key].dtype, key
        model = module.load()
        with torch.no_grad():
            found = [y.numpy() for y in tuple_of(model(torch.from_numpy(x)))]
            own = [a for name, a in answers.items()][:len(found)]
            worst = max(off(a, b) for a, b in zip(found, own, strict=True))
            if features:
                worst = max(worst, off(model.forward_features(torch.from_numpy(x)).numpy(), answers[features]))
        again = exports_again(model, x, own, tmp) if whole else 0.0
        classes = "-"
        if "num_classes" in cls.__init__.__code__.co_varnames:
            ten = module.load(num_classes=10)
            with torch.no_grad():
                assert ten(torch.from_numpy(x)).shape[1] == 10
            train_step(ten, x, module)
            torch.save(ten.state_dict(), f"{tmp}/tuned.pt")
            for key, value in module.load(f"{tmp}/tuned.pt", num_classes=10).state_dict().items():
                assert torch.equal(value, ten.state_dict()[key]), f"{key} is not as it was saved"
            classes = "10"
        if whole:
            train_step(model, x, module)
        lines = len(open(path, encoding="utf-8").readlines())
    assert max(worst, again) <= BOUND, f"off by {worst:.1e}, exported again by {again:.1e}"
    return f"{worst:8.1e} {again:8.1e} {classes:>4} {lines:5} lines"


def golden_case(penult, folder, about, files):
    x = golden_input((about["batch"], *about["input_shape"]), about["seed"], about["shift"], about["scale"])
    answers = {t["name"]: np.load(f"{folder}/{t['float32']}") for t in about["tensors"]}
    features = about["default_features"]
    return check(penult, files, about["input_shape"], x, answers, features)


def onnx_case(penult, path, whole):
    model = onnx.load(path)
    x = next((onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name == "expected input"), None)
    if x is None:
        dims = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
        x = np.random.default_rng(1).uniform(-1, 1, (dims[0] or BATCH, *dims[1:])).astype(np.float32)
    features = next((p.value for p in model.metadata_props if p.key == "penult.features"), None)
    return check(penult, [path], None, x, run_onnx(path, x), features, whole)


def main(penult, models):
    cases = {}
    for folder, about, files in checkpoints.goldens():
        cases[os.path.basename(folder)] = lambda a=(folder, about, files): golden_case(penult, *a)
    for path in sorted(glob.glob(HERE + "/../onnx_ops/*.onnx")):
        cases["onnx_ops/" + os.path.basename(path)[:-5]] = lambda p=path: onnx_case(penult, p, False)
    if models:
        cases = {m: cases.get(m, lambda p=m: onnx_case(penult, p, True)) for m in models}
    print(f"{'model':44} {'off by':>8} {'again':>8} {'classes':>4}")
    failed = 0
    for name, run in cases.items():
        try:
            print(f"{os.path.basename(name):44} {run()}", flush=True)
        except Exception as e:  # pylint: disable=broad-except
            failed += 1
            print(f"{os.path.basename(name):44} FAILED: {type(e).__name__}: {str(e)[:300]}", flush=True)
    print(f"{len(cases)} models, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    torch.manual_seed(1)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
