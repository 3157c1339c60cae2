# tests/cli/memory.sh - --max-memory is kept by every command, on a tensor many times as large: the
# system enforces it here. A ceiling that is too small names one that works, and that one works.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

base=8192 # KiB: the program itself, the C library, stacks
(ulimit -v $((base + 8192)) && "$whit" --version) >"$out" 2>&1 ||
    skip_all 'a limit on memory cannot be set here, or this build needs more of it (sanitizers)'

# within KIB ARGUMENT.. - whit under that limit, whose threads have small stacks.
within() {
    kib=$1
    shift
    said="$* (within $kib KiB)"
    (ulimit -s 256 && ulimit -v "$kib" && exec "$whit" "$@") >"$out" 2>"$err" </dev/null
    got=$?
    checks=$((checks + 1))
    [ "$got" -eq 0 ] || {
        fail "exit $got, not 0"
        sed 's/^/      stderr: /' "$err"
    }
}

# tensor FILE ROWS COLS - about 200 MB of F16, nearly all of it holes: values here and there.
tensor() {
    bytes=$(($2 * $3 * 2))
    header="{\"w\":{\"dtype\":\"F16\",\"shape\":[$2,$3],\"data_offsets\":[0,$bytes]}}"
    printf "\\$(printf %03o ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header" >"$1"
    for part in 0 1 2 3 4 5 6 7 8 9; do
        printf '\001\074\002\270\003\065' | # 1, -0.5, 0.3 or so
            dd of="$1" bs=1 seek=$((8 + ${#header} + bytes / 10 * part / 2 * 2)) conv=notrunc \
                2>/dev/null
    done
    dd if=/dev/null of="$1" bs=1 seek=$((8 + ${#header} + bytes)) 2>/dev/null
}

# matrices FILE ROWS.. - one of 1024 columns in F16 for each, all of it holes.
matrices() {
    file=$1
    shift
    header= end=0
    for rows; do
        begin=$end
        end=$((end + rows * 2048))
        header="$header${header:+,}\"w$begin\":{\"dtype\":\"F16\",\"shape\":[$rows,1024]"
        header="$header,\"data_offsets\":[$begin,$end]}"
    done
    header="{$header}"
    printf "\\$(printf %03o $((${#header} % 256)))\\$(printf %03o $((${#header} / 256)))" >"$file"
    printf '\0\0\0\0\0\0%s' "$header" >>"$file"
    dd if=/dev/null of="$file" bs=1 seek=$((8 + ${#header} + end)) 2>/dev/null
}

# kept ARGUMENT.. - refused with 1 MiB; the value that is named works, one less does not.
kept() {
    refused 1 ': 1 MiB of memory do not suffice; try: --max-memory ' "$@" --max-memory 1MiB
    refused 1 ': 98 KiB of memory do not suffice; try: --max-memory ' "$@" --max-memory 100kB
    least=$(sed -n 's/.*try: --max-memory \([0-9]*\)MiB$/\1/p' "$err")
    checks=$((checks + 1))
    [ -n "$least" ] && [ "$least" -lt 100 ] || {
        fail "no sensible value is named: '$least'"
        return
    }
    refused 1 "try: --max-memory ${least}MiB" "$@" --max-memory $((least - 1))MiB
    within $((base + least * 1024)) "$@" --max-memory "${least}MiB" -T 8
    [ "$1" != quantize ] || within $((base + least * 2048)) "$@" --max-memory "$((least * 2))MiB" -T 8
}

tensor wide.safetensors 25600 4096
tensor long.safetensors 1 104857600

# commands NAME SCHEME CLIP - every command on that input.
commands() {
    kept quantize "$1.safetensors" -o q.safetensors -fq --scheme "$2" --clip "$3"
    kept plan "$1.safetensors" --scheme "$2" --clip "$3"
    kept plan "$1.safetensors" --sweep --scheme "$2" --clip minmax -q
    kept inspect q.safetensors --check -q
    kept inspect "$1.safetensors" --check -q
    kept dequantize q.safetensors -o out.safetensors -fq --dtype f16
    kept compare "$1.safetensors" q.safetensors -q
    kept verify q.safetensors -q
    kept verify q.safetensors --against "$1.safetensors" --sample 1 -q
}
commands wide int4-g128 mse
commands long int8-tensor minmax
rm q.safetensors
kept quantize wide.safetensors -o out.safetensors -fq --scheme keep

# Methods hold whole matrices, one after the other: what is freed of one is not held with the next.
matrices many.safetensors 1000 1024 1024 1024 1024 3072 3072 3072
kept quantize many.safetensors -o out.safetensors -fq --method hqq --scheme int4-g32-asym
rm many.safetensors

# So too with a recipe of many lines.
awk 'BEGIN { for (i = 0; i < 20000; i++) print "layers." i ".{a,b}* int8" }' >r.txt
kept quantize wide.safetensors -o out.safetensors -fq --recipe r.txt --clip minmax
only long.safetensors wide.safetensors out.safetensors r.txt
finish
