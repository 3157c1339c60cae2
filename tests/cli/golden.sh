# tests/cli/golden.sh - the bytes of every scheme: checksums of written files, at 1, 2 and 8 threads
# (or those of WHIT_GOLDEN_THREADS), at the level of WHIT_GOLDEN_ISA if that is set.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

if [ -n "${WHIT_GOLDEN_ISA:-}" ]; then
    export WHIT_ISA="$WHIT_GOLDEN_ISA"
    "$whit" inspect "$model" >"$out" 2>"$err" || skip_all "$(cat "$err")"
fi

golden=$tests/golden/native/checksums.txt
if [ "${WHIT_GOLDEN:-}" = write ]; then
    while read -r _ _ arguments; do
        # shellcheck disable=SC2086 # a list of words
        run 0 quantize "$model" -o out.safetensors --force $arguments
        echo "$(cksum <out.safetensors) $arguments"
    done <"$golden"
    exit
fi

lines=0
while read -r sum size arguments; do
    lines=$((lines + 1))
    for threads in ${WHIT_GOLDEN_THREADS:-1 2 8}; do
        # shellcheck disable=SC2086 # a list of words
        run 0 quantize "$model" -o out.safetensors --force -T $threads $arguments
        check "$arguments at $threads threads: $(cksum <out.safetensors), not $sum $size" \
            test "$(cksum <out.safetensors)" = "$sum $size"
    done
done <"$golden"
check "no cases in $golden" test $lines -gt 10

finish
