# what shells complete is what the commands take
source <("$PENULT" completion bash)
complete_words() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _penult
    echo "$*: ${COMPREPLY[*]}"
}
complete_words penult c
complete_words penult sho
complete_words penult show --j
complete_words penult show --output ""
complete_words penult show -o net
complete_words penult convert --scores ""
complete_words penult convert --scores = a
complete_words penult convert net-s
complete_words penult completion ""
complete_words penult nonsense --x
# every option that is offered is known to its command, and every command is offered
for command in $("$PENULT" -h | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    COMP_WORDS=(penult $command -) COMP_CWORD=2
    _penult
    [ ${#COMPREPLY[@]} -ge 2 ] || echo "$command has no options"
    for option in "${COMPREPLY[@]}"; do
        case $option in -h | --help) continue ;; esac
        "$PENULT" $command $option x --no-such 2>&1 | grep "unknown option $option[;?]"
    done
    COMP_WORDS=(penult $command) COMP_CWORD=1
    _penult
    [ "${COMPREPLY[0]}" = $command ] || echo "$command is not offered"
done
for shell in zsh fish; do
    "$PENULT" completion $shell > script.$shell || echo "exit $?"
    ! command -v $shell > /dev/null || $shell -n script.$shell || echo "$shell cannot read it"
done
grep -c -- "--scores=.*:(softmax as-is)" script.zsh
grep -c -- "-l scores -xa 'softmax as-is'" script.fish
for words in "completion" "completion tcsh" "completion bash zsh" "manual x"; do
    "$PENULT" $words
    echo "exit $?"
done
# roff has nothing to say of the page, which says what --help says
"$PENULT" manual > penult.1
! command -v groff > /dev/null || groff -man -ww -z penult.1
head -1 penult.1 | cut -d " " -f 1-3
for command in convert show; do
    "$PENULT" $command -h | sed -n 's/^  -o, --\([a-z]*\) \([A-Z]*\) .*/\1 \2/p'
    sed -n "/^.SS penult $command/,/^.SS/s/^.fB.-o.*-.-\([a-z]*\).fR .fI\([A-Z]*\).*/\1 \2/p" penult.1
done
