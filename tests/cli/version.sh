"$PENULT" --version
echo "exit $?"
