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
# layers are those that run: what is fused into another has no line
"$PENULT" bench lite0.onnx --layers --json --batch 2 --threads 1 --repeats 2 | python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
assert [r["layer"] for r in rows] == list(range(len(rows)))
assert abs(sum(r["share"] for r in rows) - 1) < 1e-6 and all(r["ms"] >= 0 for r in rows)
print(sum(r["macs"] for r in rows), sum(r["operator"] == "Conv" for r in rows), rows[1]["name"], rows[1]["shape"], sorted(rows[0]))'
"$PENULT" bench lite0.onnx --layers --batch 1 --threads 2 --repeats 2 > table
sed -n 1,2p table | cut -d ' ' -f 1
tail -1 table
for bad in --json "--layers --batch 1,2" "--layers --threads 1,2"; do
    "$PENULT" bench lite0.onnx $bad
    echo "exit $?"
done
