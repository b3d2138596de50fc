# what is typed wrong is answered with 64, and with what was probably meant
penult() { echo "\$ penult $*"; "$PENULT" "$@"; echo "exit $?"; }
exec 2>&1
penult
penult frobnicate
penult clasify
penult run
penult run a.yaml b.yaml
penult run a.yaml --dryrun
penult run a.yaml --dry
penult run a.yaml --dry-ru
penult run --hel
penult run a.yaml --se input.path=x
penult run a.yaml --se=--set
penult run a.yaml --quux
penult run a.yaml -x
penult run a.yaml --set
penult run a.yaml --dry-run=yes
penult classify
penult classify model.onnx
penult classify model.onnx x.jpg --top-k 0
penult classify model.onnx x.jpg --top-k 5x
penult classify model.onnx x.jpg --cpu mmx
penult classify model.onnx x.jpg --scores softmx
penult convert
penult convert net.json
penult convert net.json -o net.pth
penult convert net.json -o net.onnx --preset tutorial --preprocess x.yaml
penult show
penult show model.onnx --key x
penult bench
penult bench model.onnx --batch 8,,1
penult bench model.onnx --batch 257
penult bench model.onnx --threads 0
penult bench model.onnx --seconds nan
