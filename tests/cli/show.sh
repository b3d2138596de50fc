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
