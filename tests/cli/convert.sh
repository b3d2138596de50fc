# one ONNX file, or a reason and nothing at all
exec 2>&1
lite0=$SRC/examples/efficientnet-lite0
symbol=$lite0/efficientnet-lite0-symbol.json params=$lite0/efficientnet-lite0-0000.params
convert() { echo "\$ convert ${*//$SRC\/examples\/efficientnet-lite0/LITE0}"; "$PENULT" convert "$@"; echo "exit $?"; }
convert $symbol $params --labels $lite0/synset.txt --preprocess $lite0/preprocess.yaml -o full.onnx
convert $symbol $params --input-shape 3,224,224 --features stage2_block1_dw --scores softmax -o other.onnx
convert full.onnx --features none -o dressed.onnx
convert $symbol $params --input-shape 3,224,224 --features nowhere -o a.onnx
convert $symbol $params --preset nowhere -o a.onnx
head -n 999 $lite0/synset.txt > short.txt
convert $symbol $params --labels short.txt --preprocess $lite0/preprocess.yaml -o a.onnx
head -c 1000000 $params > cut.params
convert $symbol cut.params -o a.onnx
convert $symbol nowhere.params -o a.onnx
convert $symbol $params --input-shape 3,224,224 -o nowhere/a.onnx
convert $symbol $params -o full.onnx.onnx --preprocess /dev/null
# the proof: with an image, without what it takes, of damaged weights
cp $SRC/examples/photos/coffee.png .
convert $symbol $params --preprocess $lite0/preprocess.yaml --sample coffee.png -o sampled.onnx
convert $symbol $params --input-shape 3,224,224 --sample short.txt -o a.onnx
convert $symbol $params --preprocess $lite0/preprocess.yaml --sample short.txt -o a.onnx
convert $symbol $params --preprocess $lite0/preprocess.yaml --sample nowhere.jpg -o a.onnx
cat $params > nan.params
printf '\377\377\377\377\377\377\377' | dd of=nan.params bs=1 seek=3000000 conv=notrunc 2> /dev/null
convert $symbol nan.params --preprocess $lite0/preprocess.yaml -o a.onnx
convert $symbol nan.params --preprocess $lite0/preprocess.yaml --force -o forced.onnx
# what must not be written over: an input, a folder, an array
mkdir m.py
printf '\223NUMPY\001\000' > sampled.npy
convert sampled.onnx -o sampled.onnx
convert sampled.onnx -o m.py
convert sampled.onnx -o sampled.pb
"$PENULT" show sampled.onnx --dot -o sampled.onnx
rmdir m.py
rm sampled.npy
ls
