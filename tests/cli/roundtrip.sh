# tests/cli/roundtrip.sh - quantize, inspect, compare, dequantize on a real model.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# To a folder, with the files beside the weights.
run 0 quantize "$model" -o out --scheme int4-g64 --rule '*.down_proj=int8-channel'
empty "$err"
# 172 rows of 64 weights: 172 * (32 + 2) octets; 64 rows of 172 with a scale in F32: 64 * (172 + 4).
out_line 'model.layers.0.mlp.gate_proj.weight 172x64 int4-g64 4.250 20.99 0.0864' \
    'model.layers.0.mlp.down_proj.weight 64x172 int8-channel 8.186 43.32 0.00279' \
    'kept 12 tensors, 33 472 weights, 66 944 bytes: 1 embedding, 11 1-dimensional' \
    'total 47 tensors, 260 032 weights, 520 064 -> 214 384 bytes, ratio 2.43, 6.596 bpw' \
    'error sqnr 22.22 dB over what was quantized, max|e| 0.243'
only out
check 'config.json is not the same' cmp -s "$model/config.json" out/config.json
check 'tokenizer.json is not the same' cmp -s "$model/tokenizer.json" out/tokenizer.json
check 'there is no model.safetensors' test -s out/model.safetensors

run 0 quantize "$model" -o verbose --scheme int4-g64 -v
out_line 'model.norm.weight 64 keep (F16) 16.000 1-dimensional'
err_has 'instruction set' 'threads' 'bytes of buffers'

# inspect says what is in there, as folder and as file.
for input in out out/model.safetensors; do
    run 0 inspect $input
    empty "$err"
    out_line 'tensors 47, 260 032 weights, 214 384 bytes, 6.596 bpw' \
        ' F16 12 tensors 33 472 weights 66 944 bytes 16.000 bpw' \
        ' int8-channel 5 tensors 55 040 weights 56 320 bytes 8.186 bpw' \
        ' int4-g64 30 tensors 171 520 weights 91 120 bytes 4.250 bpw' ' whit.format = 1' \
        ' whit.recipe = * int4-g64;*.down_proj int8-channel'
    out_has 'format    whit native, 1 file, '
    run 0 inspect $input --tensors
    out_line 'model.layers.0.mlp.gate_proj.weight F16 172x64 int4-g64 4.250 5848' \
        'model.layers.0.mlp.down_proj.weight F16 64x172 int8-channel 8.186 11264' \
        'model.norm.weight F16 64 keep 16.000 128'
    run 0 inspect $input --check
    out_line 'check ok'
done
run 0 inspect "$model"
out_has 'safetensors'

# compare: worst first, as many as asked for, a bar with its own exit code.
run 0 compare "$model" out
empty "$err"
out_line 'model.layers.1.self_attn.q_proj.weight int4-g64 21.59 0.99653 0.243 8.6%' \
    'all 47 25.12 0.99846 0.243 100.0%'
check 'compare does not list ten tensors by default' test "$(grep -c proj "$out")" -eq 10
run 0 compare "$model" out --top 1
check 'compare --top 1 does not list one tensor' test "$(grep -c proj "$out")" -eq 1
run 0 compare "$model" out --top 0
check 'compare --top 0 does not list every matrix' test "$(grep -c proj "$out")" -eq 35
run 0 compare "$model" out --min-sqnr 10
empty "$err"
run 3 compare "$model" out --min-sqnr 90
out_has 'int4-g64'
err_has 'whit: out: model.layers.' 'SQNR' 'is below the bar of 90 dB'
check 'the missed bar is not one line' test "$(wc -l <"$err")" -eq 1
run 0 compare "$model" "$model" --min-sqnr inf

# dequantize: the file of floats is what the quantized one decodes to.
run 0 dequantize out -o plain.safetensors
empty "$err"
out_line 'plain.safetensors: 47 tensors, 35 of them decoded to F32'
run 0 compare out plain.safetensors --min-sqnr inf
run 0 dequantize out -o f16.safetensors --dtype f16
run 0 inspect f16.safetensors
out_line ' F16 47 tensors 260 032 weights 520 064 bytes 16.000 bpw'
run 0 dequantize out -o bf16.safetensors --dtype bf16
run 0 inspect bf16.safetensors
out_line ' BF16 35 tensors 226 560 weights 453 120 bytes 16.000 bpw'
for dtype in f16 bf16; do
    run 0 compare out $dtype.safetensors --min-sqnr 40
done
run 0 dequantize "$model" -o same.safetensors
check 'a plain model is changed by dequantize' \
    test "$(size_of same.safetensors)" -ge 519936
run 0 compare "$model" same.safetensors --min-sqnr inf

# Quantized twice is refused.
run 4 quantize out -o twice
only out verbose plain.safetensors f16.safetensors bf16.safetensors same.safetensors

# --clip where nothing has scales, or a method has its own.
run 0 quantize "$model" -o half.safetensors --scheme f16 --clip mse
err_has 'warning: --clip changes nothing'
run 0 plan "$model" --scheme int4-g32-asym --method hqq --clip mse
err_has 'warning: --clip changes nothing'
run 0 plan "$model" --scheme f16 --rule '*q_proj*=nf4-g64' --clip mse
check 'clip is told to change nothing' test ! -s "$err"
rm half.safetensors

# --clip: mse is what 4 bits get by default, minmax what 8 bits get.
for scheme in int4-g64 int8; do
    for clip in '' --clip=minmax --clip=mse; do
        # shellcheck disable=SC2086 # no word where there is no option
        run 0 quantize "$model" -o $scheme$clip.safetensors --scheme $scheme $clip -q
    done
done
run 0 compare int4-g64.safetensors int4-g64--clip=mse.safetensors --min-sqnr inf
run 3 compare int4-g64.safetensors int4-g64--clip=minmax.safetensors --min-sqnr inf
run 0 compare int8.safetensors int8--clip=minmax.safetensors --min-sqnr inf
run 3 compare int8.safetensors int8--clip=mse.safetensors --min-sqnr inf

# The number of threads changes no byte.
for threads in 1 2 8 0; do
    run 0 quantize "$model" -o t$threads.safetensors -T $threads --quiet
    check "the output of $threads threads differs" cmp -s t1.safetensors t$threads.safetensors
done
run 0 dequantize t1.safetensors -o d1.safetensors -T 1 -q
run 0 dequantize t1.safetensors -o d8.safetensors -T 8 -q
check 'the decoded output of 8 threads differs' cmp -s d1.safetensors d8.safetensors

# A ceiling that is too low names the smallest that works, and that one works.
refused 1 'max-memory' quantize "$model" -o low.safetensors --max-memory 1
smallest=$(sed 's/.*--max-memory //' "$err")
run 0 quantize "$model" -o low.safetensors --max-memory "$smallest" -q
check 'the output under a low ceiling differs' cmp -s t1.safetensors low.safetensors
# straight COUNT - the last so many lines of $out are equally long: columns keep to their places.
straight() {
    check "columns of $1 lines" [ "$(tail -n "$1" "$out" | awk '{ print length }' | sort -u | wc -l)" -eq 1 ]
}
for scheme in int8 fp8_e5m2-block128x128 int4-channel-asym-sbf16; do
    run 0 quantize "$model" -o wide.safetensors --scheme "$scheme" --force -q
    run 0 compare "$model" wide.safetensors
    straight 49
    run 0 inspect wide.safetensors --tensors
    straight 48
    run 0 plan "$model" --scheme "$scheme"
    head -36 "$out" >"$scratch/log/rows" && cp "$scratch/log/rows" "$out"
    straight 36
done

finish
