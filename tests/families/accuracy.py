"""How far the features of each family are from float64: penult's engine, with and without Winograd, and ONNX Runtime.

usage: accuracy.py --penult BIN --run RUN_ACCURACY --mxnet PYTHON --onnxruntime PYTHON --cache FOLDER
                   [--only REGEX] [--redo] [--write FILE.md]

The nets are those of table.py, and so are the interpreters. The float64 answer is penult's own walk of the graph in double
precision, which the suite holds against MXNet's. What was found is kept in the cache, one file a net, and a run goes on where
the last one stopped; the table holds all nets of the cache.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

from table import Witness, cpu, run

HERE = os.path.dirname(os.path.abspath(__file__))
SIDES = ("default", "exact", "onnxruntime")


def measure(a, mxnet, ort, name, shape):
    folder = tempfile.mkdtemp(dir=a.cache)
    try:
        made = mxnet.ask(net=name, folder=folder)
        if "error" in made:
            return made
        tensor = made["feature"] or made["tensors"][0]["name"]
        flags = ["--features", made["feature"]] if made["feature"] else []
        error = run(a.penult, "convert", f"{folder}/net-symbol.json", f"{folder}/net-0000.params", "--input-shape",
                    ",".join(map(str, shape)), *flags, "-o", f"{folder}/net.onnx")
        error = error or run(a.run, f"{folder}/net.onnx", f"{folder}/input.f32", tensor, f"{folder}/answers")
        if error:
            return {"error": error}
        return ort.ask(model=f"{folder}/net.onnx", input=f"{folder}/input.f32", shape=shape, tensor=tensor,
                       answers=f"{folder}/answers")
    finally:
        shutil.rmtree(folder)


def fill(a, mxnet, ort):
    results = []
    for name, _, shape in mxnet.ask(list=True)["nets"]:
        path = os.path.join(a.cache, "accuracy-" + name.replace("/", "_").replace(" ", "-") + ".json")
        known = None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                known = json.load(f)
        if (not a.only or re.search(a.only, name)) and (a.redo or not known or "error" in known):
            known = {"net": name, "shape": shape, **measure(a, mxnet, ort, name, shape)}
            with open(path, "w", encoding="utf-8") as f:
                json.dump(known, f)
            print(name, known.get("error") or known["l2"], flush=True)
        if known:
            results.append(known)
    return results


def markdown(results, penult):
    good = [r for r in results if "l2" in r]

    def ratios(side):
        return [r["l2"][side] / r["l2"]["onnxruntime"] for r in good if r["l2"]["onnxruntime"]]

    with open(f"{HERE}/accuracy.md.in", encoding="utf-8") as f:
        text = f.read()
    lines = ["| net | input | features | penult | exact | ONNX Runtime | penult / ORT | exact / ORT |",
             "|---|---|---:|---:|---:|---:|---:|---:|"]
    for r in results:
        if "l2" not in r:
            lines.append(f"| {r['net']} | {'x'.join(map(str, r['shape']))} | | **error** | | | | |")
            continue
        l2 = r["l2"]
        cells = [f"{l2[s]:.1e}" for s in SIDES]
        cells += [f"{l2[s] / l2['onnxruntime']:.2f}" if l2["onnxruntime"] else "" for s in SIDES[:2]]
        lines.append(f"| {r['net']} | {'x'.join(map(str, r['shape']))} | {r['features']} | " + " | ".join(cells) + " |")
    said = {"penult": penult, "ort": good[0]["version"] if good else "not asked", "cpu": cpu(), "nets": len(good),
            "table": "\n".join(lines)}
    for side in SIDES[:2]:
        found = ratios(side) or [0]
        said[side + "_median"], said[side + "_most"] = f"{statistics.median(found):.2f}", f"{max(found):.2f}"
    return re.sub(r"@(\w+)@", lambda m: str(said[m.group(1)]), text)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--penult", "--run", "--mxnet", "--onnxruntime", "--cache"):
        p.add_argument(flag, required=True)
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
