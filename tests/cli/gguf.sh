# tests/cli/gguf.sh - GGUF as input of every command: typed metadata shown, strings carried over,
# what is not read refused by name. Quantized tensors: blocks.sh.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"
gguf=$tests/data/malformed/gguf

run 0 inspect "$gguf/ok-all-kv-types.gguf"
out_line 'format GGUF v3, 1 file, 800 bytes' 'metadata' ' general.architecture = test' ' t.u8 = 255' \
    ' t.i8 = -128' ' t.u16 = 65535' ' t.i16 = -32768' ' t.i32 = -1' ' t.f32 = 1.5' ' t.bool = true' \
    ' t.u64 = 18446744073709551615' ' t.i64 = -9223372036854775808' ' t.f64 = 1e+300' \
    ' test.block_count = 1' ' t.arr.u8 = [3 u8]' ' t.arr.empty = [0 f32]' ' t.arr.str = [3 string]'
run 0 inspect "$gguf/ok-all-kv-types.gguf" --json
out_has '"format":"GGUF v3"' '"metadata":{"general.architecture":"test","test.block_count":1,' \
    '"t.u64":18446744073709551615,"t.i64":-9223372036854775808,"t.f64":1e+300,' '"t.bool":true,' \
    '"t.arr.str":{"type":"string","count":3}'
run 0 inspect "$gguf/ok-version2.gguf" --check
out_has 'GGUF v2' 'check     ok'

# Text that a terminal might obey is not printed; in JSON it is repaired.
printf 'GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0k\10\0\0\0\2\0\0\0\0\0\0\0\2331' >odd.gguf
run 0 inspect odd.gguf
out_line ' k = [2 octets, not text]'
run 0 inspect odd.gguf --json
out_has '"k":"�1"'

# A GGUF file and a folder with one are models like any other; numbers do not become strings.
mkdir folder
cp "$gguf/good.gguf" folder/model.gguf
run 0 quantize "$gguf/ok-all-kv-types.gguf" -o q.safetensors --rule '*.weight=int8-channel' -q
run 0 inspect q.safetensors --check
out_line ' general.architecture = test' 'check ok'
checks=$((checks + 1))
grep -q 't\.u8\|block_count' "$out" && fail 'a number was carried over as a string'
run 0 compare "$gguf/ok-all-kv-types.gguf" q.safetensors --min-sqnr 30
run 0 quantize folder -o out --rule '*.weight=int8-channel' -q
run 0 compare folder out --min-sqnr 30
run 0 dequantize q.safetensors -o back.safetensors -q
run 0 compare q.safetensors back.safetensors

# What is not read: the tensor and the type are named.
refused 4 'a.weight: rows of 8 elements, which blocks of 32 (Q8_0) cannot make' \
    inspect "$gguf/tensor-type-row-not-multiple.gguf"
refused 4 'a.weight: rows of 8' quantize "$gguf/tensor-type-row-not-multiple.gguf" -o no
refused 4 'a.weight: type number 200 is a type of ik_llama.cpp' \
    inspect "$gguf/tensor-type-unknown.gguf"
refused 4 'big-endian' inspect "$gguf/big-endian.gguf"
refused 4 'GGUF version 99' compare "$gguf/version-99.gguf" folder
refused 4 'n: arrays of arrays' quantize "$gguf/array-nested-deep.gguf" -o no
only odd.gguf folder q.safetensors out back.safetensors
finish
