# tests/cli/reads.sh - whatever the command line names as something to read stays as it is, whatever
# the name of a result or an output, with --force too: the file itself, through links, a file of a
# model's folder, one that is read beside a model's file.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

cp -R "$model" m
cp -R "$model" base
i=0
while [ $i -lt 40 ]; do
    echo 'Once upon a time there was a girl who had a red ball and a dog.'
    i=$((i + 1))
done >text.txt
printf '%s\n' 403 407 261 378 403 407 261 378 >ids.txt
printf '* int4-g32\n' >recipe.txt
printf '{"prompt": "Once upon", "choices": [" a time", " dog"], "answer": 0}\n' >choices.txt
run 0 calibrate m --text text.txt --context 32 --tokens 64 -o state -q
cp state other.state
printf '\223NUMPY\001\000v\000%-117s\n' \
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 32), }" >x.npy
dd if=/dev/zero bs=128 count=1 2>/dev/null >>x.npy
cp state c.safetensors
cp recipe.txt r.safetensors
cp text.txt t.safetensors
mkdir d
cp recipe.txt d/config.json
cp state d/model.safetensors
ln -s "$PWD/m/config.json" link.json
ln -s text.txt text.link
cp m/model.safetensors .r.json.whit-result
ln m/model.safetensors .s.json.whit-result
cp -R m q.partial
mv q.partial/model.safetensors q.partial/state.safetensors
mkdir out.partial odd
cp text.txt out.partial/solutions
cp text.txt .out.spill.whit-tmp
cp m/config.json odd
cp m/model.safetensors odd/weights.safetensors
cp -R . "$scratch/log/before"

# kept ARGUMENT.. - the command is refused, and nothing is another than before.
kept() {
    refused 2 'try: another name' "$@"
    checks=$((checks + 1))
    diff -r "$scratch/log/before" . >/dev/null || {
        fail "changed: $(diff -rq "$scratch/log/before" . | head -3)"
        cp -R "$scratch/log/before"/. .
    }
}

# Results.
for name in m/model.safetensors m/config.json m/tokenizer.json ./m/../m/config.json link.json; do
    kept quantize m -o o -f --json=$name
    kept plan m -f --json=$name
    kept plan m --sweep -f --csv $name
    kept plan m --sweep -f --svg $name
    kept inspect m -f --svg $name
    kept inspect m -f --provenance --json=$name
    kept compare m base -f --json=$name
    kept compare base m -f --json=$name
    kept verify base --against m -f --json=$name
    kept eval m --text text.txt -f --json=$name
    kept eval base --base m --text text.txt -f --json=$name
    kept calibrate m --text text.txt -o new -f --json=$name
    kept tokenize m --text text.txt -f --json=$name
    kept bench model m -f --seconds 0.01 --json=$name
    kept bench --model m -f --seconds 0.01 --json=$name
done
for name in text.txt text.link ./text.txt; do
    kept quantize m -o o --method gptq --text text.txt -f --json=$name
    kept plan m --method gptq --text text.link -f --json=$name
    kept eval m --text text.txt -f --json=$name
    kept calibrate m --text text.txt -o new -f --json=$name
    kept tokenize m --text text.txt -f --json=$name
done
kept quantize m -o o --method gptq --ids ids.txt -f --json=ids.txt
kept quantize m -o o --recipe recipe.txt -f --json=recipe.txt
kept plan m --sweep --recipe recipe.txt -f --csv recipe.txt
kept quantize m -o o --calibration state -f --json=state
kept verify m --against base --calibration state -f --json=state
kept eval m --choices choices.txt -f --json=choices.txt
kept calibrate m --ids ids.txt -o new -f --json=ids.txt
kept calibrate --activations x=x.npy -o new -f --json=x.npy
kept calibrate --compare state other.state -f --json=state
kept calibrate --compare state other.state -f --json=other.state
kept inspect state -f --json=state
kept inspect state -f --svg state
kept inspect m/config.json -f --json=m/config.json
kept inspect m/model.safetensors -f --json=m/config.json
kept tokenize m/tokenizer.json --text text.txt -f --json=m/tokenizer_config.json

# Outputs: a file, and the files of a folder.
kept quantize m -o c.safetensors --calibration c.safetensors -f
kept quantize m -o r.safetensors --recipe r.safetensors -f
kept quantize m -o t.safetensors --method gptq --text t.safetensors -f
kept quantize m -o d --recipe d/config.json -f
kept quantize m -o d --calibration d/model.safetensors -f
kept dequantize m -o m/model.safetensors -f
for name in text.txt m/tokenizer.json m/config.json; do
    kept calibrate m --text text.txt -o $name -f
done
kept calibrate m/model.safetensors --text text.txt -o m/tokenizer.json -f
kept calibrate --merge state other.state -o state -f

# Names under which things are kept while they are made, and a configuration that is read and would
# be written anew.
kept inspect .r.json.whit-result --json=r.json
kept inspect m/model.safetensors --json=s.json
kept calibrate q.partial --text text.txt -o q
kept quantize m -o out --method gptq --text out.partial/solutions
kept quantize m -o out --method gptq --text out.partial/solutions --resume
kept calibrate m --text .out.spill.whit-tmp -o out
kept calibrate m --text .out.spill.whit-tmp -o out --hessian --max-memory 13MiB
kept quantize odd -o odd --format compressed-tensors --rule '*_proj=int8-channel' -f

# What a killed run left of a result goes; what another one is writing stays.
echo half >.t.json.whit-result
run 0 inspect m --json=t.json -q
check 'debris of a killed run' test ! -e .t.json.whit-result
rm t.json
if mkfifo pipe 2>/dev/null; then
    exec 3<>pipe # whoever opens it need not wait
    "$whit" calibrate m --text - -o new --json=t.json <pipe 3>&- >"$scratch/log/writing" 2>&1 &
    writing=$!
    i=0
    while [ ! -e .t.json.whit-result ] && [ $i -lt 300 ]; do
        sleep 0.1
        i=$((i + 1))
    done
    refused 2 't.json: another run is writing it; try: another name' inspect m --json=t.json
    check 'the file of another run' test -e .t.json.whit-result
    kill -TERM $writing
    wait $writing
    check 'a signal left .t.json.whit-result' test ! -e .t.json.whit-result
    check 'a signal left t.json' test ! -e t.json
    exec 3>&-
    rm pipe
else
    skip 'no mkfifo'
fi

# A name that is free may be anywhere; what is there stays when nothing reads it.
run 0 inspect m --json=m/new.json -q
run 0 inspect m --json=m/new.json -q -f
refused 2 'm/config.json: may be read with the model in its folder; try: another name' \
    inspect m --json=m/config.json -f
run 0 inspect m/model.safetensors --json=m/new.json -q -f
refused 2 'm/config.json: may be read with a file beside it; try: another name' \
    inspect m/model.safetensors --json=m/config.json -f
run 0 calibrate m --text text.txt --tokens 32 -o recipe.txt -fq
run 0 plan m -o m/model.safetensors -q
run 0 quantize m -o m/x.gguf --scheme q8_0 -q
run 0 quantize m -o m/x.gguf --scheme q4_0 -q -f
finish
