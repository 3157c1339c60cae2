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

# A result is no file of the output, whatever it is called; beside them it may be.
run 0 quantize "$model" -o o -q
ln -s o o-link
cp -R o "$scratch/log/o"
for name in o.safetensors ./o.safetensors o/../o.safetensors "$PWD/o.safetensors"; do
    refused 2 'is the output' quantize "$model" -o o.safetensors --json="$name"
    refused 2 'is the output' \
        calibrate "$model" --text "$tests/data/eval/stories.txt" -o o.safetensors --json="$name"
    only o o-link
done
for name in o/model.safetensors o-link/model.safetensors ./o/config.json o/tokenizer.json; do
    refused 2 'is the output, or a file of it; try: another name' quantize "$model" -o o -f --json=$name
done
check 'the output was changed' diff -r "$scratch/log/o" o
ln -s o/config.json link.json
refused 2 'is the output, or a file of it' quantize "$model" -o o/ -f --json=link.json
run 0 quantize "$model" -o o -fq --json=o/report.json
check 'no report in the folder' grep -q '"command":"quantize"' o/report.json
rm o/report.json
check 'the output was changed' diff -r "$scratch/log/o" o
cp o/model.safetensors a.safetensors
run 0 dequantize a.safetensors -o b.safetensors -q
run 0 quantize "$model" b.safetensors -o both -q
cp -R both "$scratch/log/both"
ln -s both/stories260K/config.json both.json
for name in both/stories260K/config.json both/stories260K/new.json both.json; do
    refused 2 'is in the folder of an output; try: another name' \
        quantize "$model" b.safetensors -o both/ -f --json=$name
done
refused 2 'is the output' quantize "$model" b.safetensors -o both -f --json=./both/b.safetensors
check 'an output of a batch was changed' diff -r "$scratch/log/both" both
rm -r a.safetensors b.safetensors both both.json
refused 2 '--svg and --json name the same file' inspect "$model" --svg p.svg --json=./p.svg
refused 2 '--csv and --svg name the same file' plan "$model" --sweep --csv p --svg ./o/../p
only o o-link link.json
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
