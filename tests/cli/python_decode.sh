# tests/cli/python_decode.sh - an independent decoder in Python reads what whit writes.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null 2>&1 || skip_all 'no python3'
for scheme in int2-g32 int3-g7 int3-channel int4-g64 int4-g128-asym int4-tensor int5-g48-asym \
    int6-g64-sbf16 int7-channel int8-channel int8-channel-asym nf4-g64 nf4-channel f16 bf16; do
    run 0 quantize "$model" -o q.safetensors --scheme $scheme --force
    run 0 dequantize q.safetensors -o plain.safetensors --force
    case $scheme in
    *f16) continue ;; # stays in its type, which dequantize leaves alone
    esac
    check "$scheme: the independent decoder disagrees" \
        python3 "$tests/decode_native.py" q.safetensors plain.safetensors
done
finish
