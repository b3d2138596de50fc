"""The table of families: every net that penult claims to convert, made, converted and asked.

usage: table.py --penult BIN --engine RUN_ENGINE --mxnet PYTHON --onnxruntime PYTHON [--torch PYTHON]
                --cache FOLDER [--only REGEX] [--redo] [--write FILE.md]

Each PYTHON is an interpreter that has the library of its name: MXNet 1.9.1 with numpy 1.23.5; onnxruntime with onnx and numpy;
torch with numpy. They run as witnesses (witness_*.py) and are asked one net after the other. RUN_ENGINE is built from
run_engine.c. What was found is kept in the cache, one file a net, and a run goes on where the last one stopped; the weights
are thrown away. A bar is 1e-4, or four times MXNet's own distance between float32 and float64 where that is more.
"""
import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 2
BAR = 1e-4
CHAOS = 1e-3  # a net whose own float32 is further off than that proves nothing
COLUMNS = ("ort", "engine", "torch")


class Witness:
    """One interpreter with a library, asked by lines of JSON."""

    def __init__(self, python, script):
        self.python, self.script, self.process = python, script, None

    def ask(self, **question):
        if not self.process:
            env = {**os.environ, "OMP_NUM_THREADS": "1", "MXNET_CPU_WORKER_NTHREADS": "1",
                   "MXNET_SUBGRAPH_VERBOSE": "0"}
            self.process = subprocess.Popen([self.python, f"{HERE}/{self.script}"], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True, env=env)
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            code, self.process = self.process.wait(), None
            return {"error": f"{self.script} ended with {code}"}
        return json.loads(line)

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"exit {done.returncode}: {done.stderr.strip()[:2000]}"


class Table:
    def __init__(self, a):
        self.a = a
        self.mxnet = Witness(a.mxnet, "witness_mxnet.py")
        self.ort = Witness(a.onnxruntime, "witness_onnxruntime.py")
        self.torch = Witness(a.torch, "witness_torch.py") if a.torch else None

    def close(self):
        for w in (self.mxnet, self.ort, self.torch):
            if w:
                w.close()

    def convert(self, folder, shape, made, params, out):
        flags = ["--input-shape", ",".join(map(str, shape))]
        if made["feature"]:
            flags += ["--features", made["feature"]]
        return run(self.a.penult, "convert", f"{folder}/net-symbol.json", f"{folder}/{params}", *flags, "-o", f"{folder}/{out}")

    def ask_engine(self, folder, names):
        error = run(self.a.engine, f"{folder}/net.onnx", f"{folder}/input.f32", str(BATCH), f"{folder}/engine.f32", *names)
        if error:
            return {"error": error}
        return self.mxnet.ask(raw=f"{folder}/engine.f32", answers=f"{folder}/answers.npz")

    def ask_torch(self, folder, names):
        error = run(self.a.penult, "convert", f"{folder}/net.onnx", "-o", f"{folder}/module.py")
        if error:
            return {"error": error}
        return self.torch.ask(module=f"{folder}/module.py", answers=f"{folder}/answers.npz", tensors=len(names))

    def check_structured(self, folder, shape, made):
        """Gluon's save_parameters names must give the very same model."""
        if not os.path.exists(f"{folder}/structured.params"):
            return None
        error = self.convert(folder, shape, made, "structured.params", "structured.onnx")
        if error:
            return {"error": error}
        return self.ort.ask(same=[f"{folder}/net.onnx", f"{folder}/structured.onnx"])

    def row(self, name, source, shape):
        folder = tempfile.mkdtemp(dir=self.a.cache)
        try:
            made = self.mxnet.ask(net=name, folder=folder, structured=" at " not in name)
            result = {"net": name, "source": source, "shape": shape, "made": made}
            if "error" in made:
                return result
            error = self.convert(folder, shape, made, "net-0000.params", "net.onnx")
            if error:
                return {**result, "error": error}
            names = [t["name"] for t in made["tensors"]]
            result["ort"] = self.ort.ask(model=f"{folder}/net.onnx", answers=f"{folder}/answers.npz", tensors=names)
            result["engine"] = self.ask_engine(folder, names)
            if self.torch:
                result["torch"] = self.ask_torch(folder, names)
            result["structured"] = self.check_structured(folder, shape, made)
            return result
        finally:
            shutil.rmtree(folder)


def worst(result, column):
    """(worst distance, held): over all tensors; None where the column is empty."""
    answer = result.get(column)
    if not answer or "off" not in answer:
        return None
    bars = [max(BAR, 4 * (t["self"] or 0)) for t in result["made"]["tensors"]]
    return max(answer["off"]), all(o <= b for o, b in zip(answer["off"], bars))


def own(result):
    known = [t["self"] for t in result["made"].get("tensors", []) if t["self"] is not None]
    return max(known) if known else None


def is_whole(result, columns):
    return all(worst(result, c) for c in columns)


def is_good(result, columns):
    structured = result.get("structured")
    return (is_whole(result, columns) and all(worst(result, c)[1] for c in columns) and (own(result) or 0) < CHAOS and
            (structured is None or structured.get("same") is True))


def cell(result, column):
    found = worst(result, column)
    if found:
        return f"{found[0]:.0e}" if found[1] else f"**{found[0]:.0e}**"
    answer = result.get(column) or {}
    return "**error**" if answer.get("error") or result.get("error") or "error" in result["made"] else ""


def names_cell(result):
    structured = result.get("structured")
    return "" if structured is None else "same" if structured.get("same") else "**no**"


def cpu():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            return next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def version_of(results, column):
    return next((r[column]["version"] for r in results if "version" in (r.get(column) or {})), "not asked")


def markdown(results, columns, penult):
    n_good = sum(is_good(r, columns) for r in results)
    with open(f"{HERE}/families.md.in", encoding="utf-8") as f:
        text = f.read()
    lines = ["| net | source | input | tensors | parameters | MXNet | ORT on our ONNX | penult engine | torch module | Gluon's names |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for r in results:
        made = r["made"]
        tensors = len(made.get("tensors", []))
        parameters = f"{made['parameters'] / 1e6:.2f} M" if "parameters" in made else ""
        mine = f"{own(r):.0e}" if own(r) is not None else "no float64"
        lines.append(f"| {r['net']} | {r['source']} | {'x'.join(map(str, r['shape']))} | {tensors} | {parameters} | {mine} | "
                     f"{cell(r, 'ort')} | {cell(r, 'engine')} | {cell(r, 'torch')} | {names_cell(r)} |")
    said = {"good": n_good, "nets": len(results), "penult": penult, "cpu": cpu(), "mxnet": version_of(results, "made"),
            "ort": version_of(results, "ort"), "torch": version_of(results, "torch"), "table": "\n".join(lines)}
    return re.sub(r"@(\w+)@", lambda m: str(said[m.group(1)]), text)


def fill(table, a, columns):
    listed = table.mxnet.ask(list=True)["nets"]
    results = []
    for name, source, shape in listed:
        path = os.path.join(a.cache, name.replace("/", "_").replace(" ", "-") + ".json")
        known = None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                known = json.load(f)
        wanted = not a.only or re.search(a.only, name)
        if wanted and (a.redo or not known or not is_good(known, columns)):
            known = table.row(name, source, shape)
            with open(path, "w", encoding="utf-8") as f:
                json.dump(known, f, indent=1)
            state = "good" if is_good(known, columns) else "BAD"
            print(f"{state:5} {name:32}", "self", own(known), *[f"{c} {cell(known, c) or '-'}" for c in columns],
                  names_cell(known), flush=True)
            for c in ("made", *columns, "structured"):
                if (known.get(c) or {}).get("error"):
                    print(f"      {c}: {known[c]['error']}", flush=True)
            if known.get("error"):
                print("      convert:", known["error"], flush=True)
        if known:
            results.append(known)
    return results


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--penult", "--engine", "--mxnet", "--onnxruntime", "--cache"):
        p.add_argument(flag, required=True)
    p.add_argument("--torch")
    p.add_argument("--only")
    p.add_argument("--redo", action="store_true")
    p.add_argument("--write")
    a = p.parse_args()
    os.makedirs(a.cache, exist_ok=True)
    columns = [c for c in COLUMNS if c != "torch" or a.torch]
    table = Table(a)
    try:
        results = fill(table, a, columns)
    finally:
        table.close()
    bad = [r["net"] for r in results if not is_good(r, columns)]
    print(f"{len(results) - len(bad)} of {len(results)} good", *bad)
    if a.write:
        version = subprocess.run([a.penult, "--version"], capture_output=True, text=True, check=False).stdout.split()[-1]
        with open(a.write, "w", encoding="utf-8") as f:
            f.write(markdown(results, columns, version))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
