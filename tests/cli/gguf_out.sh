# tests/cli/gguf_out.sh - GGUF files from GGUF files: every type and mix, keys and kept octets, parts,
# calibration, rules. From model folders: gguf_folder.sh.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"
cp "$tests/data/gguf/layers.gguf" "$tests/data/gguf/layers.dat" .

# Its tensors as "NAME TYPE BYTES OFFSET", in the order of the file.
tensors_of() {
    "$whit" inspect "$1" -q --json | tr '{' '\n' |
        sed -n 's/^"name":"\([^"]*\)","dtype":"\([^"]*\)".*"bytes":\([0-9]*\),"offset":\([0-9]*\),.*/\1 \2 \3 \4/p'
}
# All data, padding included.
data_sum() {
    tail -c +$(($(tensors_of "$1" | awk '{ print $4 }' | sort -n | head -1) + 1)) "$1" | cksum
}
count_of() { tensors_of "$1" | awk -v type="$2" '$2 == type' | wc -l | tr -d ' '; }
octets_of() { # FILE NAME
    tensors_of "$1" | while read -r name _ bytes offset; do
        [ "$name" != "$2" ] || tail -c +$((offset + 1)) "$1" | head -c "$bytes" | cksum
    done
}
is() { check "$1: '$2', not '$3'" test "$2" = "$3"; }

# What llama-quantize made of the same file, with and without importance, type by type.
lines=0
while read -r sum size arguments; do
    lines=$((lines + 1))
    # shellcheck disable=SC2086 # a list of words
    run 0 quantize layers.gguf -o out.gguf -f -q --search reference $arguments
    is "$arguments" "$(data_sum out.gguf)" "$sum $size"
done <"$tests/golden/gguf/reference.txt"
is 'cases in reference.txt' $lines 52

# Every type plans and writes; of the 37 matrices one has rows of 192 and one of 48.
while read -r scheme type number many; do
    run 0 quantize layers.gguf -o out.gguf -f -q --scheme $scheme --embeddings $scheme --head $scheme
    run 0 inspect out.gguf --check
    out_line 'check ok' " general.file_type = $number"
    is "$scheme" "$(count_of out.gguf $type)" $many
done <<EOF
q4_0 Q4_0 2 36
q4_1 Q4_1 3 36
q5_0 Q5_0 8 36
q5_1 Q5_1 9 36
q8_0 Q8_0 7 36
q2_k Q2_K 10 35
q3_k Q3_K 11 35
q4_k Q4_K 14 35
q5_k Q5_K 16 35
q6_k Q6_K 18 35
iq4_nl IQ4_NL 25 36
iq4_xs IQ4_XS 30 35
tq1_0 TQ1_0 36 35
tq2_0 TQ2_0 37 35
mxfp4 MXFP4 38 36
f16 F16 1 38
bf16 BF16 32 37
f32 F32 0 45
EOF
while read -r scheme number default many q6; do
    run 0 quantize layers.gguf -o out.gguf -f -q --scheme $scheme
    run 0 inspect out.gguf --check
    out_line 'check ok' " general.file_type = $number"
    is "$scheme" "$(count_of out.gguf $default) $(count_of out.gguf Q6_K)" "$many $q6"
done <<EOF
q2_k_s 21 Q2_K 25 1
q2_k_m 10 Q3_K 16 1
q3_k_s 11 Q3_K 34 1
q3_k_m 12 Q4_K 22 1
q3_k_l 13 Q5_K 24 1
q4_k_s 14 Q5_K 5 1
q4_k_m 15 Q4_K 26 9
q5_k_s 16 Q5_K 34 1
q5_k_m 17 Q5_K 26 9
EOF

# Fallbacks are named, and strict does not allow them; a rule that asks for what fits, does.
run 0 plan layers.gguf --scheme q4_k_m
err_has 'blk.0.half.weight: q5_0 (its columns are no multiple of 256)' \
    'blk.0.narrow.weight: f16 (its columns are no multiple of 256)'
out_line 'blk.0.half.weight 6x192 q5_0 5.500 792 its columns are no multiple of 256' 'search best'
refused 3 'blk.0.narrow.weight: f16 (its columns are no multiple of 256), and --strict' \
    quantize layers.gguf -o no.gguf --scheme q4_k_m --strict
run 0 quantize layers.gguf -o out.gguf -f -q --scheme q4_k_m --strict --rule '*.half=q5_1' \
    --rule '*.narrow=keep'
refused 3 'its columns are no multiple of 32' \
    quantize layers.gguf -o no.gguf --scheme q8_0 --strict

# Rules and recipes outrank a mix; the recipe of an output makes that output again.
printf '* q3_k_m\n*.attn_v q8_0\n' >recipe
run 0 quantize layers.gguf -o out.gguf -f -q --recipe recipe --rule 'blk.{1,2}.attn_v=bf16' \
    --embeddings q4_1 --head keep
is 'attn_v' "$(tensors_of out.gguf | awk '/attn_v/ { print $2 }' | tr '\n' ' ')" \
    'Q8_0 BF16 BF16 Q8_0 Q8_0 Q8_0 Q8_0 Q8_0 '
is 'ends' "$(tensors_of out.gguf | awk '/token|^output/ { print $2 }' | tr '\n' ' ')" 'Q4_1 F16 '
run 0 inspect out.gguf -q --json
printf '%b' "$(sed 's/.*"whit.recipe":"\([^"]*\)".*/\1/; s/\\u000a/\\n/g' "$out")" >again
run 0 quantize layers.gguf -o again.gguf -q --recipe again
check 'the recipe makes another file' cmp -s out.gguf again.gguf
rm again again.gguf

# The report names the search, in words and in JSON, and how many tensors it weighs.
run 0 quantize layers.gguf -o out.gguf -f --calibration layers.dat
out_has 'search    best, errors of 4 tensors weighed'
err_has 'layers.dat: says nothing about tensors that become blocks, 30 of them'
run 0 inspect out.gguf
out_line ' quantize.imatrix.entries_count = 4' ' quantize.imatrix.dataset = text' \
    ' quantize.imatrix.chunks_count = 3'
run 0 quantize layers.gguf -o out.gguf -f -q --json --search reference
out_has '"format":"gguf","search":"reference","tensors_weighed":0,'
run 0 plan layers.gguf -o out.gguf -q --json --calibration layers.dat
out_has '"format":"gguf","search":"best","tensors_weighed":4,'

# Every key is kept with its type and value, as are the octets of what is kept.
run 0 quantize layers.gguf -o kept.gguf -q --scheme keep
run 0 inspect layers.gguf -q --json
sed 's/.*"metadata":{\(.*\)},"tensors".*/\1/' "$out" >keys
check 'no keys' test "$(size_of keys)" -gt 500
run 0 inspect kept.gguf -q --json
checks=$((checks + 1))
grep -qF "\"metadata\":{$(cat keys),\"whit.notes\":" "$out" || fail "other keys: $(cat "$out")"
is 'kept' "$(data_sum kept.gguf)" "$(data_sum layers.gguf)"
run 0 quantize layers.gguf -o out.gguf -f -q --scheme q8_0
for name in blk.0.codes ids blk.3.attn_norm.weight blk.0.one.weight; do
    is "$name" "$(octets_of out.gguf $name)" "$(octets_of layers.gguf $name)"
done
refused 3 'blk.0.codes: kept (type is carried as it is), and --strict does not allow that' \
    quantize layers.gguf -o no.gguf --scheme keep --rule 'blk.0.codes=q8_0' --strict

# What is quantized: once more only on demand; what is of the type already is not touched.
refused 4 'out.gguf: is quantized already (q8_0); try: the model it was made from, or --requantize' \
    quantize out.gguf -o no.gguf
run 0 quantize out.gguf -o twice.gguf --requantize --scheme q8_0 --rule '*.attn_v=q6_k'
err_has '8 tensors were quantized before (q8_0): their weights lose twice'
is 'attn_v' "$(count_of twice.gguf Q6_K) $(count_of twice.gguf Q8_0)" '8 26'
for name in blk.1.ffn_up.weight blk.0.ffn_gate_exps.weight; do
    is "$name" "$(octets_of twice.gguf $name)" "$(octets_of out.gguf $name)"
done
rm twice.gguf

run 0 quantize out.gguf -o split.gguf -q --scheme q8_0 --rule '*.narrow=keep' --shard-size 20KB
run 0 compare out.gguf split-00001-of-*.gguf --min-sqnr inf
refused 4 'is quantized already' quantize out.gguf -o no.gguf --scheme keep --rule '*.attn_v=f16'
rm split-*

# Parts: none is larger, the first one names them all, and back to one file.
run 0 quantize layers.gguf -o part.gguf --scheme keep --shard-size 20000
for part in part-0000?-of-00005.gguf; do
    check "$part is larger" test "$(size_of "$part")" -le 20000
done
run 0 inspect part-00003-of-00005.gguf --check
out_line 'format GGUF v3, 5 files, '"$(cat part-* | wc -c | sed 's/...$/ &/') bytes" 'check ok'
run 0 compare layers.gguf part-00001-of-00005.gguf --min-sqnr inf
refused 2 'exists; try: --force to replace it' \
    quantize layers.gguf -o part.gguf --scheme keep --shard-size 20000
cksum part-* >before
run 0 quantize layers.gguf -o part.gguf -q --scheme keep --shard-size 20000 --force
check 'other parts' test "$(cksum part-*)" = "$(cat before)"
run 0 quantize part-00001-of-00005.gguf -o whole.gguf -q --scheme keep
check 'another whole' cmp -s whole.gguf kept.gguf
run 0 quantize layers.gguf -o tiny.gguf -q --scheme keep --shard-size 2500
run 0 inspect tiny-00001-of-00047.gguf --check
out_line 'check ok'
refused 2 'part-00002-of-00005.gguf: is the input, which is never replaced' quantize part-00001-of-00005.gguf -o part.gguf --scheme keep -f \
    --shard-size 20000
run 0 quantize layers.gguf -o part.gguf -q --scheme keep
refused 2 'part.gguf: exists; try: --force to replace it' \
    quantize layers.gguf -o part.gguf --scheme keep --shard-size 30000
run 0 quantize layers.gguf -o part.gguf -q --scheme keep --shard-size 30000 -f
check 'the file of before is there' test ! -e part.gguf
rm part-* tiny-* whole.gguf kept.gguf before keys recipe

# Another calibration: of another shape, of another model, none at all.
printf '\1\0\0\0\21\0\0\0output_no.weightx\1\0\0\0\1\0\0\0\0\0\200\77' >other.dat
refused 4 'other.dat: has an entry for no tensor of this model' \
    quantize layers.gguf -o no.gguf --calibration other.dat
printf '\1\0\0\0\23\0\0\0blk.0.attn_v.weight\1\0\0\0\1\0\0\0\0\0\200\77' >narrow.dat
refused 4 'narrow.dat: blk.0.attn_v.weight: 1 values, for 256 columns; try: the importance matrix' \
    quantize layers.gguf -o no.gguf --calibration narrow.dat
refused 4 'layers.gguf: a GGUF file, but no importance matrix' \
    quantize layers.gguf -o no.gguf --calibration layers.gguf
refused 1 'none.dat: No such file' quantize layers.gguf -o no.gguf --calibration none.dat
run 0 quantize layers.gguf -o out.gguf -f --scheme q8_0 --calibration layers.dat
err_has 'layers.dat: no tensor becomes a type that weighs errors; not used'
rm other.dat narrow.dat

# Hostile files get their verdicts, and leave nothing behind.
for file in "$tests"/data/malformed/gguf/*.gguf; do
    case $(basename "$file") in
    ok-* | good.gguf)
        run 0 quantize "$file" -o whole.gguf -q --scheme keep
        run 0 inspect whole.gguf --check
        out_line 'check ok'
        rm whole.gguf
        ;;
    *) refused 4 "$(basename "$file")" quantize "$file" -o no.gguf ;;
    esac
done

only layers.gguf layers.dat out.gguf
finish
