# tests/cli/output.sh - what stands in the way of an output: it exists, it is the input, another
# run holds it. Nothing is changed then, and nothing left behind.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# It exists.
run 0 quantize "$model" -o a.safetensors -q
cp a.safetensors "$scratch/log/a"
refused 2 'try: --force' quantize "$model" -o a.safetensors --scheme int8
check 'the old output was changed' cmp -s a.safetensors "$scratch/log/a"
only a.safetensors
run 0 quantize "$model" -o a.safetensors --scheme int8 --force -q
check '--force did not replace the output' test "$(size_of a.safetensors)" -gt \
    "$(size_of "$scratch/log/a")"
run 0 quantize "$model" -o folder -q
refused 2 'try: --force' quantize "$model" -o folder
refused 2 'try: --force' quantize "$model" -o folder/
run 0 quantize "$model" -o folder --scheme int8 --force -q
run 0 inspect folder --tensors
out_has 'int8-channel'
refused 2 'try: --force' dequantize folder -o a.safetensors
run 0 dequantize folder -o a.safetensors --force -q
only a.safetensors folder

# A folder that holds other things is accepted, and they stay.
mkdir mine
echo text >mine/notes.txt
run 0 quantize "$model" -o mine -q
check 'a file of the user is gone' grep -qx text mine/notes.txt
rm -r mine folder a.safetensors

# It is the input: as itself, through a link, a hard link, a longer path; --force or not.
cp "$model/model.safetensors" in.safetensors
ln -s in.safetensors link.safetensors
ln in.safetensors hard.safetensors
mkdir sub
for name in in.safetensors link.safetensors hard.safetensors sub/../in.safetensors; do
    refused 2 "$(basename $name)" quantize in.safetensors -o $name
    refused 2 'input' quantize in.safetensors -o $name --force
    refused 2 'input' dequantize in.safetensors -o $name --force
    refused 2 'input' quantize $name -o in.safetensors --force
done
mkdir model
cp "$model"/* model/
ln -s model model-link
for name in model model/ model/. model-link; do
    refused 2 'input' quantize model -o $name --force
done
check 'the input was changed' cmp -s in.safetensors "$model/model.safetensors"
check 'the input folder was changed' diff -r "$model" model
only in.safetensors link.safetensors hard.safetensors sub model model-link
rm -r ./*

# Another run holds it. That run is stopped as soon as it has begun, and goes on afterwards.
zeros big.safetensors 32768
# began PID - wait until the run has put something beside the input.
began() {
    while [ "$(ls -A | wc -l)" -le 1 ]; do
        kill -0 "$1" 2>/dev/null || return 1
    done
}
"$whit" quantize big.safetensors -o out.safetensors -T 1 -q &
pid=$!
if began $pid && kill -STOP $pid && [ ! -e out.safetensors ]; then
    refused 2 'out.safetensors' quantize big.safetensors -o out.safetensors
    refused 2 'out.safetensors' quantize big.safetensors -o out.safetensors --force
    run 0 quantize big.safetensors -o other.safetensors --scheme int2 -q
    rm other.safetensors
else
    skip 'the run was over before it could be stopped'
fi
kill -CONT $pid
check 'the run that held the output failed' wait $pid
run 0 inspect out.safetensors --check -q
only big.safetensors out.safetensors
finish
