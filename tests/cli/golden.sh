# tests/cli/golden.sh - the bytes of every scheme: checksums of written files, at 1, 2 and 8 threads
# (or those of WHIT_GOLDEN_THREADS), at the level of WHIT_GOLDEN_ISA if that is set.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

if [ -n "${WHIT_GOLDEN_ISA:-}" ]; then
    export WHIT_ISA="$WHIT_GOLDEN_ISA"
    "$whit" inspect "$model" >"$out" 2>"$err" || skip_all "$(cat "$err")"
fi
ln -s "$model" model
cp "$tests/data/gguf/layers.gguf" "$tests/data/gguf/layers.dat" .

write_list() { # FILE LEAST OUTPUT INPUT..
    list=$1
    shift 2
    while read -r _ _ arguments; do
        # shellcheck disable=SC2086 # a list of words
        run 0 quantize -f -q -o "$@" $arguments
        echo "$(cksum <"$1") $arguments"
    done <"$list"
}

# Lines "SUM SIZE ARGUMENTS"; in the list for GGUF the first argument is the input.
check_list() { # FILE LEAST OUTPUT INPUT..
    list=$1
    least=$2
    shift 2
    lines=0
    while read -r sum size arguments; do
        lines=$((lines + 1))
        for threads in ${WHIT_GOLDEN_THREADS:-1 2 8}; do
            # shellcheck disable=SC2086 # a list of words
            run 0 quantize -f -q -T $threads -o "$@" $arguments
            check "$arguments at $threads threads: $(cksum <"$1"), not $sum $size" \
                test "$(cksum <"$1")" = "$sum $size"
        done
    done <"$list"
    check "no cases in $list" test $lines -gt "$least"
}

if [ "${WHIT_GOLDEN:-}" = write ]; then
    write_list "$tests/golden/native/checksums.txt" 0 out.safetensors "$model"
    write_list "$tests/golden/gguf/checksums.txt" 0 out.gguf
    exit
fi
check_list "$tests/golden/native/checksums.txt" 10 out.safetensors "$model"
check_list "$tests/golden/gguf/checksums.txt" 20 out.gguf

finish
