"""Where the checkpoints of the goldens lie, and penult's conversion of them."""
import glob
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))


def goldens():
    """(folder, golden.json's content, paths of the checkpoint) of every golden whose checkpoint is on this machine."""
    for path in sorted(glob.glob(f"{ROOT}/tests/golden/*/golden.json") + glob.glob(f"{HERE}/**/golden.json", recursive=True)):
        folder = os.path.dirname(path)
        with open(path, encoding="utf-8") as f:
            about = json.load(f)
        found = [next((p for root in (folder, f"{ROOT}/examples", os.environ.get("PENULT_TEST_DATA", ""))
                       if os.path.exists(p := os.path.join(root, name))), None) for name in about["checkpoint"]]
        if all(found):
            yield folder, about, found


def convert(penult, about, files, out):
    shape = ",".join(map(str, about["input_shape"]))
    done = subprocess.run([penult, "convert", *files, "--input-shape", shape, "-o", out], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"penult convert {' '.join(files)}: exit {done.returncode}: {done.stderr}")
