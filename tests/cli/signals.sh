# tests/cli/signals.sh - a signal in the middle of a job: exit 1, "interrupted", no debris; after
# SIGKILL the next run cleans up.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

zeros big.safetensors 131072

find_unignored

# interrupt SIGNAL ARGUMENT.. - start whit and send the signal once its temporary files exist, again
# if the run was over before. $got is the exit code.
interrupt() {
    signal=$1
    shift
    said="$* (SIG$signal)"
    for attempt in 1 2 3 4 5; do
        if [ "$signal" = INT ]; then
            $unignored "$whit" "$@" >"$out" 2>"$err" &
        else
            "$whit" "$@" >"$out" 2>"$err" &
        fi
        pid=$!
        while [ -z "$(find . -name '*.whit-tmp')" ]; do
            kill -0 $pid 2>/dev/null || break
        done
        kill "-$signal" $pid 2>/dev/null
        wait $pid 2>/dev/null
        got=$?
        [ $got -eq 0 ] || return 0
        rm -rf out.safetensors folder d.safetensors out.json
    done
    fail "no signal stopped it in $attempt runs"
}

for signal in TERM INT HUP; do
    if [ $signal = INT ] && [ -z "$unignored" ]; then
        skip 'SIGINT: no env --default-signal and no python3'
        continue
    fi
    for job in 'quantize -o out.safetensors' 'quantize -o folder' 'dequantize -o d.safetensors' \
        'quantize -o out.safetensors --json=out.json' 'quantize -o out.safetensors -T 8 -q'; do
        # shellcheck disable=SC2086 # a list of words
        interrupt $signal $job big.safetensors
        check "exit $got, not 1" test "$got" -eq 1
        check 'stderr is not the one line "whit: interrupted"' \
            test "$(cat "$err")" = 'whit: interrupted'
        empty "$out"
        only big.safetensors
    done
done

# An old output survives a run with --force that is interrupted.
run 0 quantize "$model" -o out.safetensors -q
cp out.safetensors "$scratch/log/old"
interrupt TERM quantize big.safetensors -o out.safetensors --force
check 'the old output was changed' cmp -s out.safetensors "$scratch/log/old"
only big.safetensors out.safetensors
rm out.safetensors

# SIGKILL leaves temporary files under their own names; the next run removes them.
interrupt KILL quantize big.safetensors -o out.safetensors
check 'a killed run left a final name' test ! -e out.safetensors
run 0 quantize "$model" -o out.safetensors -q
only big.safetensors out.safetensors
run 0 inspect out.safetensors --check -q
finish
