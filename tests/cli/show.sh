. $SRC/tests/cli/lite0.sh.inc
"$PENULT" show lite0.onnx
echo "exit $?"
"$PENULT" show lite0.onnx --json | python3 -c '
import json, sys
m = json.load(sys.stdin)
print(m["kind"], m["inputs"], m["outputs"], m["totals"])
print(len(m["layers"]), m["layers"][1], sorted(m["metadata"]))'
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
