. $SRC/tests/cli/lite0.sh.inc
"$PENULT" show lite0.onnx --dot | tee lite0.dot
"$PENULT" show lite0.onnx --dot -o other.dot && cmp lite0.dot other.dot && echo the same
"$PENULT" show lite0.onnx --dot --all | grep -c 'fillcolor='
# Graphviz itself reads what we write, where it is installed
if command -v dot > /dev/null; then
    python3 -c '
b = open("lite0.onnx", "rb").read()
for old, new in ((b"flatten0_output", b"\"]; \\N|}&lt;\xc3\xbc\n"), (b"pool1_output", b"-> <b>\\\\\\\"z]")):
    assert len(old) == len(new)
    b = b.replace(old, new)
open("foreign.onnx", "wb").write(b)'
    "$PENULT" show foreign.onnx --dot | dot -Tplain > plain && grep -c ^node plain > nodes
    [ "$(cat nodes)" = "$("$PENULT" show foreign.onnx --dot | grep -c fillcolor=)" ] || echo "dot sees other boxes"
    "$PENULT" show lite0.onnx --svg | grep -q "<svg" || echo "no picture"
fi
# whatever is called dot is fed the graph and gives the picture
mkdir fake
cat > fake/dot <<'DOT'
#!/bin/sh
[ "$*" = -Tsvg ] || exit 9
/usr/bin/cat > "$SAW"
echo "<svg/>"
exit ${STATUS:-0}
DOT
chmod +x fake/dot
export SAW=$PWD/saw
PATH=$PWD/fake "$PENULT" show lite0.onnx --svg
cmp saw lite0.dot && echo fed
PATH=$PWD/fake "$PENULT" show lite0.onnx --svg -o lite0.svg
cat lite0.svg
STATUS=3 PATH=$PWD/fake "$PENULT" show lite0.onnx --svg -o no.svg
echo "exit $?"
PATH=$PWD/nowhere "$PENULT" show lite0.onnx --svg -o no.svg
echo "exit $?"
ls *.svg
"$PENULT" show lite0.onnx --dot -o nowhere/x.dot
echo "exit $?"
