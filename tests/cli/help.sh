# tests/cli/help.sh - help goes to stdout with exit 0 and ends with an example; without a command a
# short usage goes to stderr with exit 2.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

ends_with_example() { # COMMAND
    empty "$err"
    checks=$((checks + 1))
    tail -2 "$out" | head -1 | grep -qx 'example:' || fail "the help does not end with an example"
    tail -1 "$out" | grep -q "^  whit $1" || fail "the example does not call whit $1"
    check "a line of the help is longer than 100 characters" \
        awk 'length($0) > 100 { bad = 1 } END { exit bad }' "$out"
}

for words in help --help -h 'help help'; do
    # shellcheck disable=SC2086 # two words
    run 0 $words
    ends_with_example ''
done

run 0 help
out_has '75 interrupted'
for command in quantize plan dequantize inspect compare verify bench eval calibrate generate tokenize help; do
    out_has "  $command "
done

for command in quantize plan dequantize inspect compare verify bench eval calibrate generate tokenize; do
    run 0 help $command
    ends_with_example "$command "
    out_has "usage: whit $command " '[OPTIONS]' '--quiet' '--color' '--help'
    case $command in
    generate) out_has '--threads' '--prompt TEXT' '--top-p P' ;;
    tokenize) out_has '--text FILE' '--decode' ;;
    *) out_has '--threads' '--max-memory' '--progress' ;;
    esac
    cp "$out" "$scratch/log/help"
    for flag in --help -h; do
        run 0 $command $flag
        empty "$err"
        check "whit $command $flag differs from whit help $command" cmp -s "$out" "$scratch/log/help"
    done
    run 0 $command a b c --help # help needs no sensible operands
done
run 0 help quantize
out_has '--rule GLOB=SCHEME' '--dry-run' 'int4-g128' '-f, --force' '--json[=FILE]' '--clip minmax|mse|percentile:P'

# What an option means for one command is not said of another.
run 0 help dequantize
out_has 'that of decoded tensors'
run 0 help inspect
out_has 'config.json and tokenizer.json'
check 'inspect decodes nothing' test -z "$(grep 'decoded tensors' "$out")"
run 0 help compare
check 'compare has no table of every tensor' test -z "$(grep 'every tensor' "$out")"

run 0 help plan
out_has '--sweep' '--csv FILE' '--svg FILE' 'about a million weights'

run 0 --version
out_has 'whit '
empty "$err"
checks=$((checks + 1))
grep -qx 'whit [0-9]*\.[0-9]*\.[0-9]*' "$out" || fail "the version is not three numbers"
run 0 inspect --version

run 2
empty "$out"
err_has 'usage: whit COMMAND' 'quantize' 'help'

# A wrong WHIT_ISA does not stand in the way of help.
export WHIT_ISA=nonsense
run 0 help
run 0 inspect --help
unset WHIT_ISA

only
finish
