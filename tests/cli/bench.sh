. $SRC/tests/cli/lite0.sh.inc
"$PENULT" bench lite0.onnx --batch 1,2 --threads 1 --repeats 2 | python3 -c '
import json, sys
for line in sys.stdin:
    r = json.loads(line)
    assert 0 < r["min_ms"] <= r["median_ms"] and r["img_per_s"] > 0
    print(r["batch"], r["threads"], r["runs"], round(r["gmacs_per_img"], 4), sorted(r))'
echo "exit ${PIPESTATUS[0]}"
"$PENULT" bench nowhere.onnx
echo "exit $?"
