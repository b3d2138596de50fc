. $SRC/tests/cli/lite0.sh.inc
"$PENULT" show lite0.onnx
echo "exit $?"
"$PENULT" show lite0.onnx --json | python3 -c '
import json, sys
m = json.load(sys.stdin)
print(m["kind"], m["inputs"], m["outputs"], m["totals"])
print(len(m["layers"]), m["layers"][1], m["blocks"], sorted(m["metadata"]))
def count(shape):
    n = 1
    for d in shape: n *= 1 if d == "N" else d
    return n
print(sum(4 * count(l["shape"]) for l in m["layers"]) == m["totals"]["output_bytes"])
print(sum(l["macs"] for l in m["layers"]) == m["totals"]["macs"])'
"$PENULT" show lite0.onnx --all | grep -c Nx
# a checkpoint as convert takes it shows the same, and the features that convert would choose
"$PENULT" show $lite0/efficientnet-lite0-symbol.json $lite0/efficientnet-lite0-0000.params --input-shape 3,224,224 2> checkpoint.err |
    sed -n '/^tensor/,/^memory/p' > checkpoint.out
"$PENULT" show lite0.onnx | sed -n '/^tensor/,/^memory/p' | diff - checkpoint.out && echo the same
grep -c features checkpoint.err
# the terms of the formula add up
"$PENULT" show lite0.onnx --memory --batch 4 --threads 3 --json | python3 -c '
import json, sys
r = json.load(sys.stdin)["run"]
print(sorted(r), r["weight_bytes"] + 3 * (r["scratch_bytes"] + 4 * r["image_bytes"]) == r["total_bytes"])'
"$PENULT" show lite0.onnx --memory --batch 4 --threads 3 | grep "^a run"
for bad in "--key x" "--json --dot" "-o x.svg" "--memory --svg"; do
    "$PENULT" show lite0.onnx $bad
    echo "exit $?"
done
"$PENULT" show . --all
echo "exit $?"
"$PENULT" show
echo "exit $?"
"$PENULT" show nowhere
echo "exit $?"
"$PENULT" show $SRC/README.md
echo "exit $?"
"$PENULT" show .
echo "exit $?"
# names and metadata of a foreign file stay text
python3 -c '
b = open("lite0.onnx", "rb").read()
open("foreign.onnx", "wb").write(b.replace(b"flatten0_output", b"flatten0_\x1b[2J\n\x07"))'
"$PENULT" show foreign.onnx | grep -a flatten0_
"$PENULT" run $SRC/configs/label-folder.yaml --set model.path=foreign.onnx --set model.features=$'no\e[2J' --set output.path=out.lmdb
echo "exit $?"
