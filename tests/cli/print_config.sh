# what is printed is complete, absolute, and reads back as the same
mkdir job here
printf 'model: {path: m.onnx}\ninput: {path: ../photos}\noutput: {path: out.lmdb}\n' > job/run.yaml
cd here
"$PENULT" run ../job/run.yaml --set output.path=out.lmdb --set run.max_failures=1% --print-config > printed.yaml
echo "exit $?"
cat printed.yaml
mv printed.yaml ..
cd ..
"$PENULT" run printed.yaml --print-config | diff - printed.yaml && echo same
