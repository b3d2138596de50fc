"""penult beside MMdnn: from an MXNet checkpoint to the IR, timed on one machine, in turns.

usage: convert.py PENULT MMDNN_BIN PREFIX EPOCH C,H,W [ROUNDS]

PENULT is the program, MMDNN_BIN the folder with MMdnn's mmtoir and mmtocode (a virtual environment's bin: MMdnn 0.3.1
wants mxnet 1.9.1, numpy 1.23, protobuf 3.20). One round is each of them once:
  penult  `convert` to .pb, .json and .npy, with its parity report
  mmdnn   `mmtoir -f mxnet`, then `mmtocode -f pytorch`; neither compares anything
Prints a JSON line with the seconds of every round, their medians and the ratio; exit 1 if it is below 3.
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


def seconds(*commands):
    begin = time.monotonic()
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: exit {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    return time.monotonic() - begin


def versions(mmdnn):
    python = os.path.join(mmdnn, "python")
    code = ("from importlib.metadata import version\n"
            "print(*(f'{p} {version(p)}' for p in ('mmdnn', 'mxnet', 'numpy')), sep=', ')")
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main(penult, mmdnn, prefix, epoch, shape, rounds="3"):
    symbol, params = f"{prefix}-symbol.json", f"{prefix}-{int(epoch):04d}.params"
    times = {"penult": [], "mmdnn": []}
    with tempfile.TemporaryDirectory() as tmp:
        ours = [penult, "convert", symbol, params, "--input-shape", shape, "-o", f"{tmp}/ours.pb"]
        theirs = [[f"{mmdnn}/mmtoir", "-f", "mxnet", "-n", symbol, "-w", params, "--inputShape", shape, "-d", f"{tmp}/ir"],
                  [f"{mmdnn}/mmtocode", "-f", "pytorch", "-n", f"{tmp}/ir.pb", "-w", f"{tmp}/ir.npy", "-d", f"{tmp}/net.py",
                   "-dw", f"{tmp}/net.npy"]]
        for path in (symbol, params):  # both from the page cache
            with open(path, "rb") as f:
                f.read()
        for _ in range(int(rounds)):
            times["penult"].append(seconds(ours))
            times["mmdnn"].append(seconds(*theirs))
    medians = {who: statistics.median(t) for who, t in times.items()}
    ratio = medians["mmdnn"] / medians["penult"]
    print(json.dumps({
        "cpu": cpu_text(), "peers": versions(mmdnn),
        "penult": subprocess.run([penult, "--version"], capture_output=True, text=True, check=True).stdout.strip(),
        "model": os.path.basename(prefix), "params_mb": round(os.path.getsize(params) / 1e6, 1),
        **{f"{who}_s": [round(t, 2) for t in ts] for who, ts in times.items()},
        **{f"{who}_median_s": round(m, 2) for who, m in medians.items()}, "ratio": round(ratio, 2)}))
    return 0 if ratio >= LEAST_RATIO else 1


if __name__ == "__main__":
    if not 6 <= len(sys.argv) <= 7:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
