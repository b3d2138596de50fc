# against what MXNet answered: its dump is compare.npz (make_compare_npz.py), its outputs are the golden's
golden=$SRC/tests/golden/mxnet/resnet-v2
dump=$SRC/tests/cli/compare.npz
"$PENULT" convert $golden/net-symbol.json $golden/net-0000.params --input-shape 3,40,56 -o net.onnx 2> /dev/null
"$PYTHON" - "$SRC" <<'PY'
import sys
import numpy as np
sys.path.insert(0, sys.argv[1] + "/tests/golden/mxnet")
from inputs import golden_input
x = golden_input((2, 3, 40, 56), 11, 0, 1)
dump = dict(np.load(sys.argv[1] + "/tests/cli/compare.npz"))
y, f = dump["softmax_output"], dump["flatten0_output"]
np.save("x.npy", x)
np.save("bytes.npy", x.astype("u1"))
np.save("turned.npy", np.asfortranarray(x.astype(">f8")))
np.savez_compressed("x.npz", data=x, other=y)
np.savez("unknown.npz", a=x, b=y)
np.save("second.npy", x[1])
np.save("second_y.npy", y[1])
np.save("many.npy", np.tile(x, (10, 1, 1, 1))[:19])
np.save("many_y.npy", np.tile(y, (10, 1))[:19])
np.save("larger.npy", np.zeros((1, 3, 48, 64), "f4"))
np.save("none.npy", x[:0])
np.save("wide.npy", f.reshape(2, 1, 16, 1))
np.save("objects.npy", np.array([None]), allow_pickle=True)
np.save("zeros.npy", y * 0)
for name, index, value in (("nan", (0, 3), np.nan), ("inf", (1, 2), -np.inf), ("off", (1, 9), 0.5)):
    z = y.copy()
    z[index] = value
    np.save(name + ".npy", z)
stray = dict(dump, pool1_output=dump["pool1_output"] + 1, softmax_output=y[::-1])
np.savez("stray.npz", **stray)
del stray["relu1_output"]
np.savez("gap.npz", **stray)
np.savez("misfits.npz", fc1_output=y[:1], bn1_output=f, softmax_output=y)
np.savez("weights.npz", **{f"w{i}": y for i in range(7)})
PY
compare() { echo "== $*"; "$PENULT" compare net.onnx "$@"; echo "exit $?"; }
compare --input x.npy --expect $golden/0-f32.npy
compare --input x.npy --expect $golden/0-f64.npy --expect $golden/1-f64.npy --tensor softmax --tensor flatten0
compare --input bytes.npy --expect wide.npy
compare --input turned.npy --expect $golden/0-f32.npy --cpu c --threads 1
compare --input x.npz --expect $dump --tensor fc1 --tensor relu1_output
compare --input x.npy --expect $dump
compare --input second.npy --expect second_y.npy
compare --input many.npy --expect many_y.npy
compare --input x.npy --expect stray.npz
compare --input x.npy --expect gap.npz --tensor pool1
compare --input x.npy --expect nan.npy
compare --input x.npy --expect inf.npy
compare --input x.npy --expect off.npy --tolerance 0.95
compare --input x.npy --expect off.npy --tolerance 0.1
compare --input x.npy --expect zeros.npy
compare --input x.npy --expect stray.npz --json | "$PYTHON" -c '
import json, sys
text = sys.stdin.read()
j = json.loads(text[text.index("{"):text.rindex("}") + 1])
print({k: j[k] for k in ("model", "input", "images", "tolerance", "skipped", "first_stray", "pass")})
print(*(t["tensor"] for t in j["tensors"] if not t["pass"]))
t = j["tensors"][-4]
print(sorted(t), t["operator"], t["shape"], t["file"], t["at"][2:], round(t["max_abs"], 3), round(t["rms"], 3))'
# the checkpoint itself, and MMdnn's form of it, answer as the ONNX file made of them does
"$PENULT" convert net.onnx -o net.pb 2> /dev/null
"$PENULT" compare net.onnx --input x.npy --expect $dump > onnx.table 2> /dev/null
"$PENULT" compare $golden/net-symbol.json $golden/net-0000.params --input-shape 3,40,56 --input x.npy --expect $dump \
    2> checkpoint.err | diff - onnx.table && echo the same
grep -c features checkpoint.err
"$PENULT" compare net.pb --input x.npy --expect $golden/0-f32.npy 2> /dev/null
"$PENULT" compare net.pb --input x.npy --expect off.npy --json 2> /dev/null | "$PYTHON" -c "
import json, sys
j = json.load(sys.stdin)
print(j['model'], j['files'], j['pass'])"
echo '== errors'
compare --input x.npy --expect misfits.npz
compare --input x.npy --expect weights.npz
compare --input x.npy --expect $dump --tensor flatten0 --tensor conv0
compare --input x.npy --expect second_y.npy
compare --input larger.npy --expect $dump --tensor bn1
compare --input none.npy --expect nan.npy
compare --input nan.npy --expect nan.npy
compare --input unknown.npz --expect nan.npy
compare --input x.npy --expect nan.npy --tensor flatten
compare --input x.npy --expect nan.npy --tensor fc1_weight
compare --input x.npy --expect nan.npy --expect inf.npy
compare --input x.npy --expect nan.npy --expect $dump
compare --input x.npy --expect objects.npy
compare --input x.npy --expect net.onnx
compare --input nowhere.npy --expect nan.npy
compare --input x.npy
