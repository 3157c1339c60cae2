# tests/cli/blocks.sh - a GGUF model that is quantized, through every command.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"
q4=$tests/data/gguf/stories260K-q4_0.gguf

# 31 matrices, 204288 weights in blocks of 32 weights and 18 octets.
run 0 inspect "$q4" --tensors
empty "$err"
out_line 'format GGUF v3, 1 file, 242 336 bytes' \
    ' q4_0 31 tensors 204 288 weights 114 912 bytes 4.500 bpw' \
    ' F16 5 tensors 55 040 weights 110 080 bytes 16.000 bpw' \
    'token_embd.weight Q4_0 512x64 q4_0 4.500 18432' \
    'blk.0.ffn_down.weight F16 64x172 keep 16.000 22016'
run 0 inspect "$q4" --json
out_has '"name":"blk.0.ffn_up.weight","dtype":"Q4_0","shape":[172,64],"scheme":"q4_0","bytes":6192,' \
    '"bits_per_weight":4.5}' '"name":"blk.0.ffn_down.weight","dtype":"F16"'
run 0 inspect "$q4" --check
out_line 'check ok'
run 0 inspect "$q4" --svg grid.svg --scheme int4-g32 --tensor token_embd
refused 2 'q4_0 has no grid to draw' inspect "$q4" --svg no.svg --scheme q4_0

# Decoded, it is the same model in floats: same values, same statistics.
run 0 dequantize "$q4" -o plain.safetensors
out_has '47 tensors, 31 of them decoded to F32'
run 0 compare plain.safetensors "$q4" --min-sqnr inf
run 0 inspect "$q4" --stats --json
sed 's/.*"tensors"//' "$out" | tr '{}' '\n\n' | grep '"min"' | sort >ours
run 0 inspect plain.safetensors --stats --json
sed 's/.*"tensors"//' "$out" | tr '{}' '\n\n' | grep '"min"' | sort >theirs
check 'statistics differ' test "$(wc -l <ours)" -eq 47
check 'statistics differ' cmp -s ours theirs
rm ours theirs grid.svg

# Quantizing it again: only on demand; the second loss is said.
refused 4 'is quantized already (q4_0); try: the model it was made from, or --requantize' \
    quantize "$q4" -o no
refused 4 '--requantize' plan "$q4"
run 0 plan "$q4" --requantize -q --json
out_has '"dry_run":true' '"source_scheme":"q4_0","scheme":"int4-g128"'
run 0 quantize "$q4" -o again --requantize
err_has '30 tensors were quantized before (q4_0): their weights lose twice' \
    '1 quantized tensors that are kept become F32'
out_line 'token_embd.weight 512x64 f32 32.000 exact 0' \
    'notes 30 tensors were quantized before: this error comes on top of the one they had'
run 0 quantize "$q4" -o again --requantize --force --json -q
out_has '"warnings":["30 tensors were quantized before (q4_0): their weights lose twice'
run 0 quantize plain.safetensors -o once -q
run 0 compare once again --min-sqnr inf
refused 4 'is quantized already (int4-g128)' quantize once -o no
run 0 quantize once -o thrice --requantize -q

# Types of GGUF are schemes, but not of another format; what comes nearest is said.
refused 2 "scheme 'q4_k' is a type of GGUF, and the output no NAME.gguf; try: int4-g32-asym" \
    quantize "$model" -o no --scheme Q4_K
refused 2 "scheme 'q8_0' is a type of GGUF" plan "$model" --rule '*.v_proj=q8_0'
refused 2 'unknown kind; try: q6_k' plan "$model" --scheme q6k
refused 2 'this kind has no such part; try: iq4_nl' plan "$model" --scheme iq4_nl-g64
only plain.safetensors again once thrice
finish
