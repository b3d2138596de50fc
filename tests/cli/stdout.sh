# results that did not arrive are a failure, and never land in a file that was opened later
exec 2>&1
"$PENULT" -h > /dev/full
echo "exit $?"
"$PENULT" --version >&-
echo "exit $?"
"$PENULT" --version 2>&- <&-
echo "exit $?"
"$PENULT" nonsense 2>&-
echo "exit $?"
