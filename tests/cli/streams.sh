# tests/cli/streams.sh - results on stdout, narration on stderr; both can fail.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# Stdout holds the table and nothing else, whatever stderr is told.
run 0 quantize "$model" -o a.safetensors
empty "$err"
run 0 compare "$model" a.safetensors
cp "$out" "$scratch/log/table"
run 0 compare "$model" a.safetensors -v --progress plain
err_has 'whit: instruction set' 'whit: 100%'
check 'narration changes stdout' cmp -s "$out" "$scratch/log/table"

# No bar where stderr is no terminal, however long the job.
zeros big.safetensors 131072
run 0 quantize big.safetensors -o big-int4.safetensors -T 1
empty "$err"

# Quiet: errors only.
for words in "inspect a.safetensors --check" "compare $model a.safetensors" \
    "quantize $model -o b.safetensors --rule none=int8" "dequantize a.safetensors -o d.safetensors"; do
    # shellcheck disable=SC2086 # a list of words
    run 0 $words --quiet
    empty "$out"
    empty "$err"
done
refused 2 'b.safetensors' quantize "$model" -o b.safetensors --quiet

# Colours: only when asked for, since neither stream is a terminal here.
escape=$(printf '\033')
for mode in auto never; do
    run 2 quantize "$model" -o b.safetensors --color $mode
    checks=$((checks + 1))
    ! grep -q "$escape" "$err" || fail "escapes with --color $mode"
    run 0 compare "$model" a.safetensors --color $mode
    checks=$((checks + 1))
    ! grep -q "$escape" "$out" || fail "escapes with --color $mode"
done
run 2 quantize "$model" -o b.safetensors --color always
err_has "$escape"
run 0 compare "$model" a.safetensors --color always
out_has "$escape"
run 0 inspect a.safetensors --color always --json
checks=$((checks + 1))
! grep -q "$escape" "$out" || fail 'escapes in JSON'

# Stdout that cannot be written is an error, and the job's output stays whole.
if [ -c /dev/full ]; then
    "$whit" inspect a.safetensors >/dev/full 2>"$err"
    check 'a full stdout is no exit 1' test $? -eq 1
    err_has 'whit: standard output: '
    for words in "inspect a.safetensors --json=/dev/full" "compare $model a.safetensors --json=/dev/full" \
        "verify a.safetensors --json=/dev/full" "tokenize $model --text words --json=/dev/full" \
        "plan $model --json=/dev/full" "plan $model --sweep --csv /dev/full" \
        "plan $model --sweep --svg /dev/full" "inspect a.safetensors --svg /dev/full"; do
        echo 'Once upon a time' >words
        # shellcheck disable=SC2086 # a list of words
        run 1 $words
        err_has '/dev/full: not all could be written: '
    done
    rm words
else
    skip 'no /dev/full'
fi
"$whit" inspect a.safetensors >&- 2>"$err"
check 'a closed stdout is no exit 1' test $? -eq 1
# Closed streams: their numbers are not given to the output, which would then hold the messages.
"$whit" quantize big.safetensors -o closed.safetensors -T 1 --progress json <&- >&- 2>&-
check 'a table that nobody can read is no exit 1' test $? -eq 1
check 'messages got into the output' cmp -s big-int4.safetensors closed.safetensors
"$whit" quantize "$model" -o closed0.safetensors -q <&- >&- 2>&-
check 'a closed stdin is a failure' test $? -eq 0

# A reader that goes away ends it with exit 1, not with a signal.
mkfifo pipe
(exec 3<pipe) &
"$whit" inspect "$model" --tensors --json >pipe 2>"$err"
code=$?
wait
checks=$((checks + 1))
[ $code -eq 1 ] || [ $code -eq 0 ] || fail "exit $code when the reader is gone"
finish
