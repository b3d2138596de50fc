"""How far the features of each family are from float64: penult's engine, with and without Winograd, and ONNX Runtime.

usage: accuracy.py --penult BIN --run RUN_ACCURACY --mxnet PYTHON --onnxruntime PYTHON --cache FOLDER [--data FOLDER]
                   [--only REGEX] [--redo] [--write FILE.md]

The nets are those of table.py, some at more sizes, and so are the interpreters; besides them the bundled net, and those trained
ones whose checkpoints lie under --data (what PENULT_TEST_DATA is). The float64 answer is penult's own walk of the graph in double
precision, which the suite holds against MXNet's. What was found is kept in the cache, one file a row, and a run goes on where
the last one stopped; the table holds all rows of the cache.
"""
import argparse
import glob
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import namedtuple

from table import Witness, cpu, run

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
SIDES = ("default", "exact", "onnxruntime")
BARS = {"default": 3, "exact": 1}  # times ONNX Runtime's own distance
FAR = 1e-5  # the bar of trained nets and of the flagship
GLUON = "Gluon model zoo"
LARGE = 224  # from here on a walk takes seconds
FLAGSHIP = "ResNet-152 v2, 11221 classes, at 224"
# penult takes tiles of 5 where they save an eighth of the products: in no 3x3 layer of a ResNet or VGG at 64, but at 80 in all
# of VGG (80, 40, 20, 10, 5) and all of a ResNet but its last stage, and where a map is 14 at 224
AT_80 = ("resnet18_v1", "resnet34_v1", "resnet50_v1", "resnet18_v2", "resnet34_v2", "resnet50_v2", "vgg16", "SE-ResNet-50")
AT_224 = ("resnet18_v1", "resnet18_v2")
MORE = ("resnet50_v2 at 224", "vgg16 at 224", FLAGSHIP, "SE-ResNet-50", "ResNeXt-50 32x4d", "LResNet50E-IR", "MobileFaceNet",
        "GoogLeNet", "Inception-BN", "LeNet")
LEFT_OUT = ("densenet161",)  # between the others in depth
Row = namedtuple("Row", "name net shape images real", defaults=[None])
# files without their ending, under the project or --data; a size to squash photos to; how bytes become pixels; the features
Real = namedtuple("Real", "name files shape bgr mean scale features")
REALS = (Real("EfficientNet-Lite0", "examples/efficientnet-lite0/efficientnet-lite0", (3, 224, 224), False, (127,) * 3, 1 / 128,
              "flatten0_output"),
         Real("SqueezeNet v1.0", "squeezenet-v1.0/squeezenet_v1.0", (3, 227, 227), True, (104, 117, 123), 1, "flatten_output"),
         Real("MobileFaceNet", "mobilefacenet/model", (3, 112, 112), False, (0,) * 3, 1, "conv_6dw7_7_batchnorm_output"))


def rows(a, listed):
    shapes = {name: tuple(shape) for name, _, shape in listed}
    zoo = [name for name, source, _ in listed if source == GLUON and " at " not in name and name not in LEFT_OUT]
    asked = [(n, n, shapes[n]) for n in (*zoo, *MORE)]
    asked += [(f"{n} at {size}", n, (3, size, size)) for size, nets in ((80, AT_80), (224, AT_224)) for n in nets]
    found = [Row(name, net, shape, 3 if shape[1] >= LARGE else 5) for name, net, shape in asked]
    for r in REALS:
        for folder in (ROOT, a.data):
            path = os.path.join(folder or ROOT, r.files)
            if os.path.exists(path + "-symbol.json"):
                found.append(Row(r.name + ", trained", None, r.shape, 5, r._replace(files=path)))
                break
        else:
            print(r.name, "is not there: no row", flush=True)
    return found


def make(row, mxnet, folder):
    """(files of a checkpoint without their ending, answer)"""
    if not row.real:
        return f"{folder}/net", mxnet.ask(net=row.net, shape=row.shape, images=row.images, folder=folder)
    found = sorted(p for end in ("jpg", "png") for p in glob.glob(f"{ROOT}/examples/photos/*.{end}"))[:row.images]
    made = mxnet.ask(photos=found, shape=row.shape, bgr=row.real.bgr, mean=row.real.mean, scale=row.real.scale, folder=folder)
    return row.real.files, {"feature": row.real.features, **made}


def measure(a, mxnet, ort, row):
    folder = tempfile.mkdtemp(dir=a.cache)
    try:
        files, made = make(row, mxnet, folder)
        if "error" in made:
            return made
        tensor = made["feature"] or made["output"]
        flags = ["--features", made["feature"]] if made["feature"] else []
        error = run(a.penult, "convert", f"{files}-symbol.json", f"{files}-0000.params", "--input-shape",
                    ",".join(map(str, row.shape)), *flags, "-o", f"{folder}/net.onnx")
        error = error or run(a.run, f"{folder}/net.onnx", f"{folder}/input.f32", str(row.images), tensor, f"{folder}/answers")
        if error:
            return {"error": error}
        return ort.ask(model=f"{folder}/net.onnx", input=f"{folder}/input.f32", shape=row.shape, images=row.images,
                       tensor=tensor, answers=f"{folder}/answers")
    finally:
        shutil.rmtree(folder)


def fill(a, mxnet, ort):
    results = []
    for row in rows(a, mxnet.ask(list=True)["nets"]):
        path = os.path.join(a.cache, "accuracy-" + re.sub(r"[^\w.]+", "-", row.name) + ".json")
        known = None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                known = json.load(f)
        if (not a.only or re.search(a.only, row.name)) and (a.redo or not known or "error" in known):
            known = {"net": row.name, "shape": row.shape, "has_far_bar": bool(row.real) or row.name == FLAGSHIP,
                     **measure(a, mxnet, ort, row)}
            with open(path, "w", encoding="utf-8") as f:
                json.dump(known, f)
            print(row.name, known.get("error") or known["l2"], flush=True)
        if known:
            results.append(known)
    return results


def ratios(result, side):
    return [mine / theirs for mine, theirs in zip(result["l2"][side], result["l2"]["onnxruntime"])]


def misses(good, side, of):
    """The nets beyond a side's bar by that statistic of their images, the furthest first."""
    found = sorted(((of(ratios(r, side)), r["net"]) for r in good), reverse=True)
    beyond = [f"{name} ({ratio:.2f})" for ratio, name in found if round(ratio, 2) > BARS[side]]
    return f"{len(beyond)} of {len(good)}" + (": " + "; ".join(beyond) if beyond else "")


def line_of(r):
    begin = f"| {r['net']} | {'x'.join(map(str, r['shape']))} | "
    if "l2" not in r:
        return begin + "| | **error** | | | | |"
    cells = [f"{statistics.median(r['l2'][s]):.1e}" for s in SIDES]
    cells += [f"{statistics.median(ratios(r, s)):.2f}, {max(ratios(r, s)):.2f}" for s in BARS]
    return begin + f"{r['features']} | {len(r['l2']['exact'])} | " + " | ".join(cells) + " |"


def far(good):
    told = []
    for r in good:
        if r["has_far_bar"]:
            most = max(r["l2"]["default"])
            told.append(f"{r['net']} ({most:.1e}" + (")" if most <= FAR else ", **missed**)"))
    return "; ".join(told)


def markdown(results, penult):
    good = [r for r in results if "l2" in r]
    with open(f"{HERE}/accuracy.md.in", encoding="utf-8") as f:
        text = f.read()
    lines = ["| net | input | features | images | penult | exact | ONNX Runtime | penult / ORT | exact / ORT |",
             "|---|---|---:|---:|---:|---:|---:|---:|---:|", *map(line_of, results)]
    said = {"penult": penult, "ort": good[0]["version"] if good else "not asked", "cpu": cpu(), "nets": len(good),
            "table": "\n".join(lines), "far": far(good)}
    for side in BARS:
        medians = [statistics.median(ratios(r, side)) for r in good] or [0]
        said[side + "_median"], said[side + "_most"] = f"{statistics.median(medians):.2f}", f"{max(medians):.2f}"
        said[side + "_missed"] = misses(good, side, statistics.median)
        said[side + "_missed_once"] = misses(good, side, max)
    return re.sub(r"@(\w+)@", lambda m: str(said[m.group(1)]), text)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--penult", "--run", "--mxnet", "--onnxruntime", "--cache"):
        p.add_argument(flag, required=True)
    p.add_argument("--data")
    p.add_argument("--only")
    p.add_argument("--redo", action="store_true")
    p.add_argument("--write")
    a = p.parse_args()
    os.makedirs(a.cache, exist_ok=True)
    mxnet, ort = Witness(a.mxnet, "witness_mxnet.py"), Witness(a.onnxruntime, "witness_accuracy.py")
    try:
        results = fill(a, mxnet, ort)
    finally:
        mxnet.close()
        ort.close()
    if a.write:
        version = subprocess.run([a.penult, "--version"], capture_output=True, text=True, check=False).stdout.split()[-1]
        with open(a.write, "w", encoding="utf-8") as f:
            f.write(markdown(results, version))
    return any("error" in r for r in results)


if __name__ == "__main__":
    sys.exit(main())
