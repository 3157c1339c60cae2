# tests/cli/usage.sh - bad usage is one line on stderr that says what to do, exit 2, nothing written.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# Commands: near misses are named, others are not guessed.
refused 2 "'quantise' is no command; try: whit quantize" quantise
refused 2 'try: whit quantize' qantize
refused 2 'try: whit compare' comprae
refused 2 'try: whit compare' ocmpar
refused 2 'ntiz'"'"' is no command; try: whit help' ntiz
refused 2 'try: whit help' xyzzy
refused 2 'try: whit inspect' help inspct
refused 2 'unexpected argument' help inspect compare
refused 2 'is no command' ''
refused 2 'is no command' --quiet quantize

# Options: the same, and each only where it has a meaning.
refused 2 'unknown option --schem; try: --scheme' quantize in --schem int4
refused 2 'try: --threads' inspect in --thraeds 2
refused 2 'unknown option --xyzzy; try: whit help inspect' inspect in --xyzzy
refused 2 'unknown option -z' inspect in -z
refused 2 'unknown option -Z' inspect in -qZ
while read -r option commands; do
    case $option in '#'*) continue ;; esac
    for command in quantize plan dequantize inspect compare verify bench eval calibrate generate tokenize; do
        case " $commands " in
        *" $command "*)
            run 0 "$command" "$option" --help
            out_has "${option%%=*}"
            ;;
        *) refused 2 "$command: ${option%%=*} has no meaning here" "$command" in "$option" ;;
        esac
    done
done <"$tests/cli/options.txt"

# Values.
refused 2 '--scheme needs a value' quantize in --scheme
refused 2 '-o needs a value; try: --output=-f' quantize in -o -f
refused 2 '--output needs a value' quantize in --output=
refused 2 '--force takes no value' quantize in --force=yes
refused 2 "--clip takes minmax|mse|percentile:P with P above 0, at most 100, not 'max'" quantize in -o x --clip max
refused 2 '--progress takes auto|plain|json|none' inspect in --progress bar
refused 2 '--color needs a value' inspect in --color ''
refused 2 "not 'f64'" dequantize in -o x.safetensors --dtype f64
for number in x -1 1.5 2x 99999 18446744073709551617; do
    refused 2 '--threads takes a number from 0 to 1024' inspect in "--threads=$number"
done
refused 2 '--shard-size takes a size such as' quantize in --shard-size 0
for size in x 0 -1 4Gi 4GiBB 1.5GB ' 1' 18446744073709551616 99999999999999TiB; do
    refused 2 '--max-memory takes a size such as' inspect in "--max-memory=$size"
done
for bar in x nan 1dB; do
    refused 2 '--min-sqnr takes a number' compare a b "--min-sqnr=$bar"
done

# Outputs.
refused 2 '-o writes files, not standard output; try: -o ./-' quantize in -o -
refused 2 '-o writes files' calibrate in --text x --output=-
refused 2 '--csv writes files' plan in --sweep --csv -
refused 2 '--svg writes files' inspect in --stats --svg=-

# Operands.
refused 2 'an input is missing; usage: whit quantize IN.. -o OUT' quantize -o x
refused 2 'no output; usage: whit quantize IN.. -o OUT' quantize in
refused 2 'no output' dequantize in
refused 2 'an input is missing; usage: whit plan IN..' plan
refused 2 "unexpected argument 'y'" dequantize in y -o x
refused 2 'an input is missing' compare a
refused 2 "quantize: an input has no name: ''; usage: whit quantize IN.. -o OUT" quantize '' -o x
refused 2 "compare: an input has no name: ''" compare in ''
refused 2 "bench: an input has no name: ''" bench model ''
refused 2 "unexpected argument '-q'" inspect in -- -q
refused 1 'whit: -: ' inspect -

# Text from outside cannot break the line.
refused 2 'one?two' inspect in "$(printf -- '--one\ntwo')"

# Schemes and rules: the text is quoted, the nearest scheme named.
refused 2 "int4-g128" quantize "$model" -o x --scheme int4-g127x
refused 2 "nf4" quantize "$model" -o x --scheme nf5
refused 2 "int9" quantize "$model" -o x --scheme int9
refused 2 "int44" quantize "$model" -o x --rule '*=int44'
refused 2 "no-equals-sign" quantize "$model" -o x --rule no-equals-sign
refused 2 "int44" quantize "$model" -o x --embeddings int44
refused 2 "int44" quantize "$model" -o x --head int44
refused 2 ".safetensors" dequantize "$model" -o x.gguf

# A level of WHIT_ISA that is none, or that no CPU of this kind has.
export WHIT_ISA=sse9
refused 2 'sse9' inspect "$model"
case $(uname -m) in
x86_64 | amd64) WHIT_ISA=neon ;;
aarch64 | arm64) WHIT_ISA=avx2 ;;
*) skip 'no level of another CPU is known here' ;;
esac
refused 2 "$WHIT_ISA" inspect "$model"
WHIT_ISA=scalar
run 0 inspect "$model" --quiet
unset WHIT_ISA

only

# What is accepted: options anywhere, letters together, values attached; the last one wins.
run 0 quantize -qT2 "$model" --scheme int8 -oa.safetensors --scheme=int4-g32
run 0 inspect --tensors -- a.safetensors
out_has 'int4-g32'
run 0 quantize -fqo a.safetensors --scheme int4-g32 "$model" --scheme int8
run 0 inspect a.safetensors --tensors
out_has 'int8-channel'
run 0 inspect -- a.safetensors
only a.safetensors
finish
