# tests/cli/verdicts.sh - the input's own faults: exit 4, one line that says where.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# Not there, not a model.
refused 1 'nowhere' quantize nowhere -o out
refused 1 'nowhere' compare "$model" nowhere
mkdir empty
run 4 inspect empty
echo 'this is no model' >text.safetensors
refused 4 'text.safetensors' inspect text.safetensors
refused 4 'text.safetensors' quantize text.safetensors -o out
printf 'GGUF\003\000\000\000' >x.gguf
run 4 inspect x.gguf
err_has 'GGUF'

# Truncated: the message says where the data ends and where the file does.
head -c 300000 "$model/model.safetensors" >short.safetensors
refused 4 'short.safetensors' inspect short.safetensors
refused 4 '300000' quantize short.safetensors -o out
only empty text.safetensors x.gguf short.safetensors

# Other shapes cannot be compared.
zeros z.safetensors 4
run 0 quantize z.safetensors -o zq.safetensors -q
refused 4 'zq.safetensors: no tensor has the name of one in' compare "$model" zq.safetensors
refused 4 'GGUF has names of its own; try: both as GGUF' \
    compare "$model" "$tests/data/malformed/gguf/good.gguf"
run 0 inspect zq.safetensors --check -q

# However bad, without a bar it is only told.
cp z.safetensors ones.safetensors
printf '\000\074' | dd of=ones.safetensors bs=1 seek=$(($(size_of ones.safetensors) - 2)) \
    conv=notrunc 2>/dev/null
run 0 compare z.safetensors ones.safetensors
out_line 'w keep -inf 0.00000 1 100.0%'
refused 3 'ones.safetensors: w: SQNR -inf dB' compare z.safetensors ones.safetensors --min-sqnr 0 -q
rm ones.safetensors

# A scale that is NaN: the last octets of the file are the last scale, F16 1.0 = 00 3c.
cp zq.safetensors bad.safetensors
printf '\176' | dd of=bad.safetensors bs=1 seek=$(($(size_of bad.safetensors) - 1)) conv=notrunc \
    2>/dev/null
run 0 inspect bad.safetensors
run 4 inspect bad.safetensors --check
out_line 'check failed'
err_has 'whit: bad.safetensors: ' 'problem' 'w'
check 'the verdict is not one line' test "$(wc -l <"$err")" -eq 1
refused 4 'bad.safetensors' inspect bad.safetensors --check -q
run 4 inspect bad.safetensors --check --json
out_has '"ok":false'
rm bad.safetensors

# NaN and Inf: refused where they would be quantized, carried where they are kept.
[ -f "$odd" ] || {
    skip 'no odd-values.safetensors'
    finish
}
run 0 inspect "$odd" --check
out_has 'NaN'
run 0 quantize "$odd" -o kept.safetensors -q
refused 4 "w" quantize "$odd" -o nan.safetensors --rule 'w=int8'
err_has 'row ' 'column ' 'try: --nonfinite zero, or --rule'
only empty text.safetensors x.gguf short.safetensors z.safetensors zq.safetensors kept.safetensors
finish
