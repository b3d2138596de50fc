"""penult beside MMdnn: from an MXNet checkpoint to the IR, timed on one machine, in turns.

usage: convert.py PENULT MMDNN_BIN PREFIX EPOCH C,H,W [ROUNDS]

PENULT is the program, MMDNN_BIN the folder with MMdnn's mmtoir and mmtocode (a virtual environment's bin: MMdnn 0.3.1
wants mxnet 1.9.1, numpy 1.23, protobuf 3.20). One round is each of these once:
  penult ir, onnx, pytorch   `convert` to .pb (with .json and .npy), .onnx, .py (with .safetensors and .pth), each with
                             its parity report
  mmtoir, mmtocode           `mmtoir -f mxnet`, then `mmtocode -f pytorch`; neither compares anything
Prints a JSON line: of every step the seconds of each round, their median, and the peak of RssAnon (read every 10 ms); MMdnn's
two steps by penult's `convert` to the IR, of the medians, as `ratio`. Exit 1 if that is below 3, or if a conversion
of penult's takes more than 2.2 times the weights in memory. Needs Linux.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from run import cpu_text

LEAST_RATIO = 3
MOST_MEMORY = 2.2  # of the weights
ROUNDS = 5


def rss_anon(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return next((int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon:")), 0)
    except OSError:  # it is gone
        return 0


def measure(command):
    """Seconds, and the most anonymous memory that was seen."""
    with tempfile.TemporaryFile("w+") as said:
        begin, peak = time.monotonic(), 0
        with subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT) as process:
            while process.poll() is None:
                peak = max(peak, rss_anon(process.pid))
                try:
                    process.wait(0.01)
                except subprocess.TimeoutExpired:
                    pass
        seconds = time.monotonic() - begin
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)}: exit {process.returncode}: {said.read()[-500:]}")
    return seconds, peak


def versions(mmdnn):
    python = os.path.join(mmdnn, "python")
    code = ("from importlib.metadata import version\n"
            "print(*(f'{p} {version(p)}' for p in ('mmdnn', 'mxnet', 'numpy')), sep=', ')")
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def commands(penult, mmdnn, symbol, params, shape, folder):
    ours = [penult, "convert", symbol, params, "--input-shape", shape, "-o"]
    ir = f"{folder}/mmdnn-ir"
    return {
        "penult_ir": ours + [f"{folder}/ir.pb"],
        "mmtoir": [f"{mmdnn}/mmtoir", "-f", "mxnet", "-n", symbol, "-w", params, "--inputShape", shape, "-d", ir],
        "mmtocode": [f"{mmdnn}/mmtocode", "-f", "pytorch", "-n", f"{ir}.pb", "-w", f"{ir}.npy", "-d", f"{folder}/mmdnn.py",
                     "-dw", f"{folder}/mmdnn.npy"],
        "penult_onnx": ours + [f"{folder}/net.onnx"],
        "penult_pytorch": ours + [f"{folder}/net.py"]}


def main(penult, mmdnn, prefix, epoch, shape, rounds=ROUNDS):
    symbol, params = f"{prefix}-symbol.json", f"{prefix}-{int(epoch):04d}.params"
    size = os.path.getsize(params)
    with tempfile.TemporaryDirectory() as folder:
        steps = commands(penult, mmdnn, symbol, params, shape, folder)
        found = {name: [] for name in steps}
        for path in (symbol, params):  # both from the page cache
            with open(path, "rb") as f:
                f.read()
        for _ in range(int(rounds)):
            for name, command in steps.items():
                found[name].append(measure(command))
    median = {name: statistics.median(s for s, _ in runs) for name, runs in found.items()}
    peak = {name: max(p for _, p in runs) for name, runs in found.items()}
    mmdnn_s = statistics.median(a + b for (a, _), (b, _) in zip(found["mmtoir"], found["mmtocode"]))
    ratio = mmdnn_s / median["penult_ir"]
    most = max(peak[name] for name in peak if name.startswith("penult")) / size
    print(json.dumps({
        "cpu": cpu_text(), "peers": versions(mmdnn),
        "penult": subprocess.run([penult, "--version"], capture_output=True, text=True, check=True).stdout.strip(),
        "model": os.path.basename(prefix), "params_mb": round(size / 1e6, 1), "rounds": int(rounds),
        "ratio": round(ratio, 2), "mmdnn_median_s": round(mmdnn_s, 2),
        **{f"{name}_median_s": round(s, 2) for name, s in median.items()},
        **{f"{name}_peak_anon_mb": round(p / 1e6) for name, p in peak.items()},
        **{f"{name}_s": [round(s, 2) for s, _ in runs] for name, runs in found.items()}}))
    return 0 if ratio >= LEAST_RATIO and most <= MOST_MEMORY else 1


if __name__ == "__main__":
    if not 6 <= len(sys.argv) <= 7:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
