. $SRC/tests/cli/lite0.sh.inc
photos=$SRC/examples/photos
classify() { "$PENULT" classify lite0.onnx "$@"; echo "exit $?"; }
classify $photos/coffee.png
printf 'no image' > text.jpg
: > empty.png
mkfifo pipe.jpg
head -c 50000 $photos/rocket.jpg > half.jpg
classify --top-k 1 $photos/camera.png text.jpg empty.png nowhere.jpg pipe.jpg . half.jpg $photos/coffee.png
classify --top-k 1 --json $photos/coffee.png text.jpg
classify --top-k 2 --threads 1 $photos/*.{png,jpg} $photos/*.png
printf 'a\nb\n' > two.txt
classify --labels two.txt $photos/coffee.png
"$PENULT" convert $lite0/*-symbol.json $lite0/*.params --input-shape 3,224,224 -o bare.onnx 2> /dev/null
"$PENULT" classify bare.onnx $photos/coffee.png
echo "exit $?"
"$PENULT" classify bare.onnx --preprocess $lite0/preprocess.yaml --top-k 1 $photos/coffee.png
echo "exit $?"
"$PENULT" classify text.jpg $photos/coffee.png
echo "exit $?"
"$PENULT" classify nowhere.onnx $photos/coffee.png
echo "exit $?"
