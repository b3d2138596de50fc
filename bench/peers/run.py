"""Compare penult's engine with ONNX Runtime on one model and one machine.

usage: run.py MODEL.onnx [--batch 8] [--threads 2] [--rounds 5] [--seconds 4] [--penult PATH]

The rounds alternate, so that a machine that slows down slows both. ONNX Runtime is installed into a venv
under build/ on the first call (Debian: python3-venv). The table shows the median over rounds of each round's median.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PINNED = ["onnxruntime==1.32.0", "numpy==2.4.6"]


def peer_python(folder):
    python = os.path.join(folder, "bin", "python")
    stamp = os.path.join(folder, "installed")
    if not os.path.exists(stamp):
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PINNED], check=True)
        with open(stamp, "w", encoding="utf-8") as f:
            f.write("\n".join(PINNED))
    return python


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())


def one_line(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=4)
    p.add_argument("--penult", default=os.path.join(ROOT, "build/release/penult"))
    p.add_argument("--venv", default=os.path.join(ROOT, "build/peers-venv"))
    a = p.parse_args()

    python = peer_python(a.venv)
    sides = {
        "penult": [a.penult, "bench", a.model, "--batch", str(a.batch), "--threads", str(a.threads), "--seconds", str(a.seconds)],
        "onnxruntime": [python, os.path.join(HERE, "peer_onnxruntime.py"), a.model, str(a.batch), str(a.threads), str(a.seconds)],
    }
    rounds, last = {name: [] for name in sides}, {}
    for i in range(a.rounds):
        for name, command in sides.items() if i % 2 == 0 else reversed(sides.items()):
            last[name] = one_line(command)
            rounds[name].append(last[name]["median_ms"])
            print(f"round {i + 1}: {name} {rounds[name][-1]:.1f} ms a batch", file=sys.stderr)

    version = subprocess.run([a.penult, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{os.path.basename(a.model)}, batch {a.batch}, {a.threads} threads, {cpu_model()}")
    print(f"{'':22}{'ms a batch':>12}{'images/s':>10}{'speed':>8}   rounds")
    base = statistics.median(rounds["onnxruntime"])
    for name, times in rounds.items():
        ms = statistics.median(times)
        label = version if name == "penult" else f"{name} {last[name]['version']}"
        print(f"{label:22}{ms:12.1f}{1e3 * a.batch / ms:10.2f}{base / ms:7.2f}x   {min(times):.1f} to {max(times):.1f}")


if __name__ == "__main__":
    main()
