"""Write docs/mmdnn.md: which families and operators penult writes as MMdnn's IR, and what MMdnn's own code then answers.

usage: table.py PENULT MMTOCODE TORCH_PYTHON [--write FILE.md]

MMTOCODE is that of mmdnn 0.3.1, TORCH_PYTHON an interpreter with torch; run on request by one with numpy. Each golden of
../mxnet, a narrow net of every family, goes this way: `penult convert -o ir.pb`, `mmtocode -f pytorch`, the code run on the
golden's input, its outputs held against MXNet's answers. Of the graphs of ../onnx_ops it is noted what penult refuses.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../mxnet"))
import checkpoints  # noqa: E402
from inputs import golden_input  # noqa: E402
import numpy as np  # noqa: E402

BAR = 1e-4
REASON = re.compile(r'(\w+) "[^"]*" \(([^()]*(?:\([^()]*\)[^()]*)*)\)')


def run(*command):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def distance(a, b):
    return float(np.abs(a.astype("f8") - b).max() / max(np.abs(b).max(), 1e-30)) if a.shape == b.shape else float("inf")


class Table:
    def __init__(self, penult, mmtocode, torch):
        self.penult, self.mmtocode, self.torch = penult, mmtocode, torch
        self.refusals = {}  # (operator, reason) -> names of nets

    def refused(self, name, text):
        """The reasons, noted under each operator."""
        found = REASON.findall(text.split("in MMdnn's IR: ", 1)[-1])
        for pair in found:
            self.refusals.setdefault(pair, [])
            if name not in self.refusals[pair]:
                self.refusals[pair].append(name)
        reasons = list(dict.fromkeys(f"{op}: {why}" for op, why in found))
        return "refused: " + "; ".join(reasons) if found else "refused: " + text.strip().splitlines()[-1]

    def answer(self, name, folder, x, wanted):
        """What becomes of folder/net.onnx; wanted: the outputs in order."""
        done = run(self.penult, "convert", f"{folder}/net.onnx", "-o", f"{folder}/ir.pb")
        if done.returncode:
            return self.refused(name, done.stderr)
        done = run(self.mmtocode, "-f", "pytorch", "-n", f"{folder}/ir.pb", "-w", f"{folder}/ir.npy", "-d", f"{folder}/code.py",
                   "-dw", f"{folder}/code.npy")
        if done.returncode or not os.path.exists(f"{folder}/code.py"):
            return "**mmtocode failed**"
        np.save(f"{folder}/x.npy", x)
        done = run(self.torch, f"{HERE}/run_code.py", f"{folder}/code.py", f"{folder}/code.npy", f"{folder}/x.npy", f"{folder}/y.npz")
        if done.returncode:
            return "**its code failed**: " + done.stderr.strip().splitlines()[-1]
        with np.load(f"{folder}/y.npz") as y:
            got = [y[k] for k in y.files][-len(wanted):]
        off = max(distance(a.reshape(b.shape) if a.size == b.size else a, b) for a, b in zip(got, wanted))
        return f"{off:.0e}" if off <= BAR else f"**{off:.0e}**"

    def family(self, folder, about, files):
        name = os.path.basename(folder)
        with tempfile.TemporaryDirectory() as tmp:
            checkpoints.convert(self.penult, about, files, tmp + "/net.onnx")
            shown = json.loads(run(self.penult, "show", tmp + "/net.onnx", "--json").stdout)
            outputs = [o["name"] for o in shown["outputs"]]
            known = {t["name"]: np.load(f"{folder}/{t['float32']}") for t in about["tensors"]}
            x = golden_input((about["batch"], *about["input_shape"]), about["seed"], about["shift"], about["scale"])
            return name, self.answer(name, tmp, x.astype("f4"), [known[o] for o in outputs if o in known])

    def operators(self):
        """How many graphs of ../onnx_ops there are, and how many are written."""
        paths = sorted(glob.glob(f"{HERE}/../onnx_ops/*.onnx"))
        written = 0
        for path in paths:
            with tempfile.TemporaryDirectory() as tmp:
                done = run(self.penult, "convert", path, "-o", f"{tmp}/ir.pb")
            written += not done.returncode
            if done.returncode:
                self.refused(os.path.basename(path)[:-5], done.stderr)
        return len(paths), written


def main():
    write = sys.argv[sys.argv.index("--write") + 1] if "--write" in sys.argv else None
    table = Table(*sys.argv[1:4])
    rows = []
    for golden in checkpoints.goldens():
        if not golden[2][0].endswith(".json"):
            continue
        rows.append(table.family(*golden))
        print(*rows[-1], flush=True)
    of_nets = {pair: list(names) for pair, names in table.refusals.items()}
    total, written = table.operators()
    print(written, "of", total, "graphs are written", flush=True)
    if write:
        fill(write, rows, table.refusals, of_nets, total, written)


def fill(path, rows, refusals, of_nets, total, written):
    reasons = [f"| {op} | {why} | {', '.join(of_nets.get((op, why), [])[:4])} |" for op, why in sorted(refusals)]
    said = {"nets": len(rows), "good": sum(not said.startswith(("refused", "**")) for _, said in rows),
            "refused": sum(said.startswith("refused") for _, said in rows), "graphs": total, "written": written,
            "families": "\n".join(f"| {name} | {said} |" for name, said in rows), "operators": "\n".join(reasons)}
    with open(f"{HERE}/mmdnn.md.in", encoding="utf-8") as f:
        text = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(re.sub(r"@(\w+)@", lambda m: str(said[m.group(1)]), text))


if __name__ == "__main__":
    main()
