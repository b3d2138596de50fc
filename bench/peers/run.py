"""Compare penult's engine with the engines of others, on one machine.

usage: run.py [--models NAME|FILE.onnx,...] [--peers onnxruntime,openvino,ncnn] [--batches 1,8] [--threads 2] [--rounds 5]
              [--seconds 2] [--penult PATH] [--venv FOLDER] [--mxnet PYTHON] [--work FOLDER] [--out FOLDER]
       run.py --list

Without --models it is all nets of --list. The ONNX file of a named net is made once, by MXNet 1.9.1 and `penult convert`, and
kept in --work (build/peers-nets); delete it to have it made anew. The peers, and MXNet unless --mxnet has it, are installed into
venvs under build/ on the first call (Debian: python3-venv). Rounds alternate between the engines, so that a machine that slows
down slows all of them. A figure is the median over the rounds of each round's median; an engine's is the better of its batches.
Before its first figure counts, a peer's answer is held against ONNX Runtime's. What fails is told in the table, and the rest goes
on. --out also writes the table (peers.md), a plot (peers.svg) and every round (peers.json) there. Exit 1 if a net was not made
or penult failed on one.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv

import nets

HERE, ROOT = nets.HERE, nets.ROOT
PINNED = ["onnxruntime==1.32.0", "openvino==2026.4.1", "ncnn==1.0.20261020", "pnnx==20261020", "onnx==1.23.2",
          "numpy==2.4.6", "matplotlib==3.11.2"]
MXNET = ["mxnet==1.9.1", "numpy==1.23.5"]  # wants Python 3.11 or older
PEERS = ["onnxruntime", "openvino", "ncnn"]
ONE_AT_A_TIME = {"ncnn"}
MOST_SECONDS = 1200  # of one engine's turn: pnnx's translation is part of ncnn's first


def venv_python(folder, pinned):
    """The interpreter of a venv that has just these packages; installed where they are not."""
    python = os.path.join(folder, "bin", "python")
    stamp = os.path.join(folder, "installed")
    wanted = "\n".join(pinned)
    if not os.path.exists(stamp) or open(stamp, encoding="utf-8").read() != wanted:
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *pinned], check=True)
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
    """(the JSON of the last line, None), or (None, why there is none)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        return None, f"not done after {MOST_SECONDS} s"
    if done.returncode:
        said = done.stderr.strip().splitlines()
        return None, f"exit {done.returncode}: {said[-1] if said else 'nothing on stderr'}"
    return json.loads(done.stdout.splitlines()[-1]), None


def commands(a, path):
    """(engine, batch) to the command that times it."""
    sides = {}
    for batch in a.batches:
        rest = [str(batch), str(a.threads), str(a.seconds)]
        sides["penult", batch] = [a.penult, "bench", path, "--batch", rest[0], "--threads", rest[1], "--seconds", rest[2]]
        for peer in a.peers:
            if batch == 1 or peer not in ONE_AT_A_TIME:
                sides[peer, batch] = [a.python, os.path.join(HERE, "peers.py"), peer, path, *rest]
    return sides


def measure(a, path, versions):
    """(engine, batch) to images a second, one figure a round; (engine, batch) to why it has none."""
    sides, found, failed = commands(a, path), {}, {}
    for i in range(a.rounds):
        for side in list(sides) if i % 2 == 0 else list(reversed(sides)):
            check = ["check"] if i == 0 and side[0] != "penult" else []
            answer, why = one_line(sides[side] + check)
            if why:
                failed[side] = why
                sides.pop(side)
                found.pop(side, None)
                print(f"  {side[0]}, batch {side[1]}: {why}", file=sys.stderr)
                continue
            versions.setdefault(side[0], answer.get("version", ""))
            found.setdefault(side, []).append(1e3 * side[1] / answer["median_ms"])
        print(f"  round {i + 1} of {a.rounds}", file=sys.stderr)
    return found, failed


def best(found):
    """Engine to (images a second, batch)."""
    speeds = {}
    for (engine, batch), rounds in found.items():
        speeds[engine] = max(speeds.get(engine, (0, 0)), (statistics.median(rounds), batch))
    return speeds


def ratio(speeds):
    """penult's speed by the best peer's, None where one of them has none."""
    peers = [s for e, (s, _) in speeds.items() if e != "penult"]
    return speeds["penult"][0] / max(peers) if peers and "penult" in speeds else None


def grid(a, results, versions, pick, text):
    """A row a net, a column an engine: text of what pick leaves of the net's rounds; the last column is penult's ratio."""
    engines = ["penult", *a.peers]
    lines = ["| model | " + " | ".join(f"{e} {versions.get(e, '')}".strip() for e in engines) + " | penult / best peer |",
             "|---|" + "---:|" * (len(engines) + 1)]
    for model, (found, reasons) in results.items():
        speeds, lost = best(pick(found)), {e for e, _ in reasons}
        cells = [text(*speeds[e]) if e in speeds else "failed" if e in lost else "-" for e in engines]
        quotient = ratio(speeds)
        lines.append(f"| {model} | " + " | ".join(cells) + (f" | {quotient:.2f} |" if quotient else " | - |"))
    return "\n".join(lines)


def batches_text(a):
    return " and ".join(map(str, a.batches))


def table(a, results, versions):
    parts = [f"CPU: {cpu_text()}. Float32, {a.threads} threads, medians of {a.rounds} interleaved rounds.",
             f"Images a second, the better of batch {batches_text(a)} (in brackets):",
             grid(a, results, versions, lambda found: found, lambda speed, batch: f"{speed:.1f} ({batch})")]
    if 1 in a.batches:
        parts += ["Milliseconds an image at batch 1; the ratio is of speeds, as above:",
                  grid(a, results, versions, lambda found: {side: r for side, r in found.items() if side[1] == 1},
                       lambda speed, batch: f"{1e3 / speed:.1f}")]
    failed = [f"- {model}: {engine}, batch {batch}: {why}" for model, (_, reasons) in results.items()
              for (engine, batch), why in reasons.items()]
    return "\n\n".join(parts + (["Failed:", "\n".join(failed)] if failed else [])) + "\n"


def write(a, results, versions):
    os.makedirs(a.out, exist_ok=True)
    with open(os.path.join(a.out, "peers.md"), "w", encoding="utf-8") as f:
        f.write(table(a, results, versions))
    rounds = {m: {f"{e}, batch {b}": r for (e, b), r in found.items()} for m, (found, _) in results.items()}
    with open(os.path.join(a.out, "peers.json"), "w", encoding="utf-8") as f:
        json.dump({"cpu": cpu_text(), "threads": a.threads, "versions": versions, "images_per_second": rounds,
                   "failed": {m: {f"{e}, batch {b}": why for (e, b), why in reasons.items()}
                              for m, (_, reasons) in results.items() if reasons}}, f, indent=1)
    speeds = {m: best(found) for m, (found, _) in results.items()}
    relative = {m: {e: s / max(v for k, (v, _) in of.items() if k != "penult") for e, (s, _) in of.items()}
                for m, of in speeds.items() if set(of) - {"penult"}}
    if relative:
        subprocess.run([a.python, os.path.join(HERE, "plot.py"), os.path.join(a.out, "peers.svg")], check=True, text=True,
                       input=json.dumps({"title": f"{a.threads} threads, the better of batch {batches_text(a)}; {cpu_text()}",
                                         "speeds": relative}))


def name_of(model):
    return os.path.basename(model).removesuffix(".onnx")


def measure_all(a, versions):
    """Net to what measure() says of it; the net that was not made failed in every engine for one reason."""
    results = {}
    for model in a.models:
        print(model, file=sys.stderr)
        name = name_of(model)
        try:
            path = nets.onnx_of(model, a.work, a.penult, lambda: a.mxnet or venv_python(f"{ROOT}/build/mxnet-venv", MXNET))
            results[name] = measure(a, path, versions)
        except nets.NotMade as why:
            print(f"  not made: {why}", file=sys.stderr)
            results[name] = {}, {("penult", 1): f"the net was not made: {why}"}
        if a.out:
            write(a, results, versions)
    return results


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--list", action="store_true")
    p.add_argument("--models", type=lambda s: s.split(","), default=list(nets.NETS))
    p.add_argument("--peers", type=lambda s: s.split(","), default=PEERS)
    p.add_argument("--batches", type=lambda s: [int(b) for b in s.split(",")], default=[1, 8])
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--penult", default=os.path.join(ROOT, "build/release/penult"))
    p.add_argument("--venv", default=os.path.join(ROOT, "build/peers-venv"))
    p.add_argument("--mxnet")
    p.add_argument("--work", default=os.path.join(ROOT, "build/peers-nets"))
    p.add_argument("--out")
    a = p.parse_args()
    wrong = [f"{m} is neither a net of --list nor a file" for m in nets.unknown(a.models)]
    names = [name_of(m) for m in a.models]
    wrong += [f"two models are called {name}" for name in sorted({n for n in names if names.count(n) > 1})]
    wrong += [f"{peer} is none of {', '.join(PEERS)}" for peer in a.peers if peer not in PEERS]
    if not a.list and not os.access(a.penult, os.X_OK):
        wrong.append(f"--penult {a.penult} is no program")
    if wrong:
        p.error("; ".join(wrong))
    return a


def main():
    a = arguments()
    if a.list:
        print(nets.listing())
        return 0
    a.python = venv_python(a.venv, PINNED)
    version = subprocess.run([a.penult, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    versions = {"penult": version}
    results = measure_all(a, versions)
    print(table(a, results, versions), end="")
    return int(any(engine == "penult" for _, failed in results.values() for engine, _ in failed))


if __name__ == "__main__":
    sys.exit(main())
