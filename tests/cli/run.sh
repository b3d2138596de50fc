# a run from its plan to its result
. $SRC/tests/cli/lite0.sh.inc
run() { "$PENULT" run $SRC/configs/label-folder.yaml --set model.path=lite0.onnx --set output.path=out.lmdb --set run.threads=1 "$@"; echo "exit $?"; }
run --dry-run
ls -d out.lmdb
run
run --set output.on_exists=error
run --set output.on_exists=resume
run --set model.features=nowhere --set output.path=other.lmdb
run --set output.path=nowhere/other.lmdb
run --set input.path=nowhere --set output.path=other.lmdb
mkdir none
run --set input.path=none --set output.path=other.lmdb --dry-run
mkdir photos
cp $SRC/examples/photos/coffee.png photos
printf 'no image' > photos/text.jpg
run --set input.path=photos
run --set input.path=photos --set run.max_failures=1 --json | head -n 1 > summary.json
python3 -c '
import json
s = json.load(open("summary.json"))
print({k: s[k] for k in ("seen", "ok", "failed", "reasons", "complete", "over_budget", "threads", "batch", "output")})
print([(x["name"], x["threads"]) for x in s["stages"]], s["elapsed_s"] > 0, s["img_per_s"] > 0)'
run --set input.path=photos --set run.max_failures=50%
run --set input.path=photos --set run.max_failures=49% --set engine.exact=true
"$PENULT" show out.lmdb
echo "exit $?"
"$PENULT" show out.lmdb --key text.jpg | tail -n 2
"$PENULT" show out.lmdb --key nowhere.jpg
echo "exit $?"
"$PENULT" show out.lmdb --json --key coffee.png | python3 -c '
import json, sys
r = json.load(sys.stdin)
print(r["kind"], r["counts"], r["record"]["top"][0], len(r["record"]["features"]))
print(r["model"]["preprocess"]["channels"], r["config"]["run"], r["features"], r["model"]["exact"])'
ls -A
