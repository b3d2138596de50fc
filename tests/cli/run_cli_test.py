"""Run one case of this folder: CASE.sh by bash in an empty folder; its output must be CASE.out and CASE.err.

In the expected files <*> stands for any text within a line. Before comparing, the empty folder is
written TMP and the source tree SRC. With UPDATE=1 in the environment the expected files are written
anew (look at the difference, and put the <*> back).
"""
import difflib
import os
import re
import subprocess
import sys
import tempfile


def fits(want, got):
    pattern = "(?:.*)".join(re.escape(part) for part in want.split("<*>"))
    return re.fullmatch(pattern, got) is not None


def check(name, want, got):
    want, got = want.splitlines(), got.splitlines()
    if len(want) == len(got) and all(map(fits, want, got)):
        return True
    # lines that fit are shown as they were wanted, so that only the others stand out
    shown = [next((w for w in want if "<*>" in w and fits(w, g)), g) for g in got]
    print("\n".join(difflib.unified_diff(want, shown, f"{name} wanted", f"{name} got", lineterm="")))
    return False


def main():
    penult, source, script = map(os.path.abspath, sys.argv[1:])
    base = script[:-len(".sh")]
    with tempfile.TemporaryDirectory(prefix="penult-cli-") as tmp:
        tmp = os.path.realpath(tmp)
        env = dict(os.environ, PENULT=penult, SRC=source, PYTHON=sys.executable, LC_ALL="C")
        done = subprocess.run(["bash", script], cwd=tmp, env=env, capture_output=True, check=False)
    outputs = {}
    for end, data in ((".out", done.stdout), (".err", done.stderr)):
        text = data.decode("utf-8", "backslashreplace")
        outputs[base + end] = text.replace(tmp, "TMP").replace(source, "SRC")
    if os.environ.get("UPDATE"):
        for path, text in outputs.items():
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        return 0
    ok = done.returncode == 0
    if not ok:
        print(f"{script}: exit status {done.returncode}")
    for path, text in outputs.items():
        with open(path, encoding="utf-8") as f:
            ok = check(os.path.basename(path), f.read(), text) and ok
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
