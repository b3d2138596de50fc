# a config that is wrong is answered with 78 and the place; nothing is written
exec 2>&1
mkdir photos
try() {
    printf "$1" > run.yaml
    shift
    "$PENULT" run run.yaml "$@"
    echo "exit $?"
}
good='model: {path: m.onnx}\ninput: {path: photos}\noutput: {path: out.lmdb}\n'
try ''
try 'model:\n  path: m.onnx\n  pth: x\n'
try "${good}run: {threads: 5x}\n"
try "${good}run: {threads: 010}\n"
try "${good}run: {threads: 1e99}\n"
try "input:\n  recursive: maybe\n"
try "input:\n  kind: s3\n"
try "model: {path: &a m.onnx}\ninput: {path: *a}\n"
try "${good}model: {path: n.onnx}\n"
try 'model: {path: m.onnx}\n'
try "$good" --set run.threads=five
try "$good" --set run.thread=5
try "$good" --set run.threads
try "$good"
"$PENULT" run nowhere.yaml
echo "exit $?"
ls
