# help is data: on stdout, examples first, exit 0
penult() { "$PENULT" "$@"; echo "exit $?"; }
penult --help
for command in convert run classify show compare bench completion manual; do
    penult $command -h
done
diff <("$PENULT" -h) <("$PENULT" --help) && echo same
diff <("$PENULT" run -h) <("$PENULT" run nonsense --help) && echo same
