"""Compare penult's engine with the engines of others, on one machine.

usage: run.py MODEL.onnx... [--peers onnxruntime,openvino,ncnn] [--batches 1,8] [--threads 2] [--rounds 5]
              [--seconds 2] [--penult PATH] [--venv FOLDER] [--out FOLDER]

Rounds alternate between the engines, so that a machine that slows down slows all of them. The peers are installed
into a venv under build/ on the first call (Debian: python3-venv). A figure is the median over the rounds of each
round's median; an engine's is the better of its batches. --out also writes the table (peers.md), a plot (peers.svg)
and every round (peers.json) there.
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
PINNED = ["onnxruntime==1.32.0", "openvino==2026.4.1", "ncnn==1.0.20261020", "pnnx==20261020", "onnx==1.23.2",
          "numpy==2.4.6", "matplotlib==3.11.2"]
ONE_AT_A_TIME = {"ncnn"}


def peer_python(folder):
    python = os.path.join(folder, "bin", "python")
    stamp = os.path.join(folder, "installed")
    wanted = "\n".join(PINNED)
    if not os.path.exists(stamp) or open(stamp, encoding="utf-8").read() != wanted:
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PINNED], check=True)
        with open(stamp, "w", encoding="utf-8") as f:
            f.write(wanted)
    return python


def cpu_text():
    """Model, cores and vector width, as the reader of a table needs them."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        text = f.read()

    def field(name):
        return next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith(name)), "?")

    width = "AVX-512" if " avx512f" in text else "AVX2" if " avx2" in text else "no AVX2"
    return f"{field('model name')} (family {field('cpu family')}, model {field('model')}; {width}), " \
           f"{os.cpu_count()} cores, {platform.system()}"


def one_line(command):
    """The JSON of the last line; None, with the reason told, where the engine cannot run the model."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        print(f"  {' '.join(command[1:4])}: exit {done.returncode}: {reason[-1] if reason else ''}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def commands(a, model):
    """(engine, batch) to the command that times it."""
    sides = {}
    for batch in a.batches:
        rest = [str(batch), str(a.threads), str(a.seconds)]
        sides["penult", batch] = [a.penult, "bench", model, "--batch", rest[0], "--threads", rest[1], "--seconds", rest[2]]
        for peer in a.peers:
            if batch == 1 or peer not in ONE_AT_A_TIME:
                sides[peer, batch] = [a.python, os.path.join(HERE, "peers.py"), peer, model, *rest]
    return sides


def measure(a, model, versions):
    """(engine, batch) to images a second, one figure a round."""
    sides, found = commands(a, model), {}
    for i in range(a.rounds):
        for side in list(sides) if i % 2 == 0 else reversed(list(sides)):
            answer = one_line(sides[side])
            if answer is None:
                sides.pop(side)
                continue
            versions.setdefault(side[0], answer.get("version", ""))
            found.setdefault(side, []).append(1e3 * side[1] / answer["median_ms"])
        print(f"  round {i + 1} of {a.rounds}", file=sys.stderr)
    return found


def best(found):
    """Engine to (images a second, batch)."""
    speeds = {}
    for (engine, batch), rounds in found.items():
        speeds[engine] = max(speeds.get(engine, (0, 0)), (statistics.median(rounds), batch))
    return speeds


def table(a, results, versions):
    engines = ["penult", *a.peers]
    lines = [f"Images a second, float32, {a.threads} threads, the better of batch {' and '.join(map(str, a.batches))} "
             f"(in brackets), median of {a.rounds} interleaved rounds.",
             f"CPU: {cpu_text()}.", "",
             "| model | " + " | ".join(f"{e} {versions.get(e, '')}".strip() for e in engines) + " | penult / best peer | at batch 1 |",
             "|---|" + "---:|" * (len(engines) + 2)]
    for model, found in results.items():
        speeds = best(found)
        at_one = {e: statistics.median(r) for (e, b), r in found.items() if b == 1}
        cells = [f"{speeds[e][0]:.1f} ({speeds[e][1]})" if e in speeds else "-" for e in engines]
        lines.append(f"| {model} | " + " | ".join(cells) + f" | {ratio(speeds)} | "
                     f"{ratio({e: (s, 1) for e, s in at_one.items()})} |")
    return "\n".join(lines) + "\n"


def ratio(speeds):
    peers = [s for e, (s, _) in speeds.items() if e != "penult"]
    return f"{speeds['penult'][0] / max(peers):.2f}" if peers and "penult" in speeds else "-"


def write(a, results, versions):
    os.makedirs(a.out, exist_ok=True)
    with open(os.path.join(a.out, "peers.md"), "w", encoding="utf-8") as f:
        f.write(table(a, results, versions))
    rounds = {m: {f"{e}, batch {b}": r for (e, b), r in found.items()} for m, found in results.items()}
    with open(os.path.join(a.out, "peers.json"), "w", encoding="utf-8") as f:
        json.dump({"cpu": cpu_text(), "threads": a.threads, "versions": versions, "images_per_second": rounds}, f, indent=1)
    relative = {m: {e: s / max(v[0] for k, v in best(r).items() if k != "penult") for e, (s, _) in best(r).items()}
                for m, r in results.items() if any(k != "penult" for k in best(r))}
    subprocess.run([a.python, os.path.join(HERE, "plot.py"), os.path.join(a.out, "peers.svg")], check=True, text=True,
                   input=json.dumps({"title": f"{a.threads} threads, {cpu_text()}", "speeds": relative}))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+", metavar="MODEL.onnx")
    p.add_argument("--peers", type=lambda s: s.split(","), default=["onnxruntime", "openvino", "ncnn"])
    p.add_argument("--batches", type=lambda s: [int(b) for b in s.split(",")], default=[1, 8])
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--penult", default=os.path.join(ROOT, "build/release/penult"))
    p.add_argument("--venv", default=os.path.join(ROOT, "build/peers-venv"))
    p.add_argument("--out")
    a = p.parse_args()
    a.python = peer_python(a.venv)

    version = subprocess.run([a.penult, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    versions, results = {"penult": version}, {}
    for path in a.models:
        name = os.path.basename(path).removesuffix(".onnx")
        print(name, file=sys.stderr)
        results[name] = measure(a, path, versions)
        if a.out:
            write(a, results, versions)
    print(table(a, results, versions), end="")


if __name__ == "__main__":
    main()
