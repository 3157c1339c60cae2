# tests/cli/calibrate.sh - calibrate: runs, merging, comparing, inspecting, what quantize does with a
# state, interruption, what goes together. The figures are checked in test_calibrate.c and
# interop/calibrate.py.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

excerpt 2000 >a.txt
tail -c 2000 "$stories" >b.txt

# Runs: a table, JSON, any number of threads, stdin, ids.
run 0 calibrate "$model" --text a.txt -o a.state
out_has 'inputs  21 with 1 884 columns' 'in 2 windows'
empty "$err"
run 0 calibrate "$model" --text b.txt --context 200 -o b.state --json
out_has '"command":"calibrate"' '"inputs":21,' '"context":200,' '"hessian":false,' '"spilled":false'
run 0 calibrate "$model" --text b.txt --text a.txt --context 200 -o ba.state -q -T3
empty "$out"
run 0 calibrate "$model" --text a.txt --context 200 -o a200.state -q
run 0 calibrate --merge a200.state b.state -o ab.state
empty "$out"
check 'merged is not one run over both' cmp ba.state ab.state
"$whit" calibrate "$model" --text - -o stdin.state -q <a.txt
check 'standard input is another text' cmp a.state stdin.state
"$whit" tokenize "$model" --text a.txt --json >ids.json
run 0 calibrate "$model" --text a.txt -o a.again --json
tokens=$(sed -n 's/.*\("tokens":[0-9]*\).*/\1/p' "$out")
run 0 calibrate "$model" --ids ids.json -o ids.state --json
out_has "$tokens," # their start of text is that of the window
run 0 calibrate --compare a.state ids.state
out_has 'rank' 'model.layers.0.mlp.down_proj.weight' 'mean '
run 0 calibrate "$model" --text a.txt --tokens 10 -o few.state --json
out_has '"tokens":11,' '"windows":1,'
run 0 calibrate --compare a.state few.state --json
out_has '{"schema":1,"command":"calibrate","compare":[{"name":"model.' '"rank":' '"outside":'

# A state is inspected as what it is.
run 0 inspect a.state
out_has 'format   calibration state' 'inputs   21' 'text ' 'in windows of 512'
run 0 inspect a.state --stats
out_has 'mean |x|' 'p99.9' 'model.layers.4.self_attn.q_proj.weight'
run 0 inspect a.state --json
out_has '"format":"calibration state"' '"outlier_ratio":' '"linears":["model.layers.0.self_attn.q_proj.weight","model.layers.0.self_attn.k_proj.weight",'
run 0 inspect a.state --svg a.svg --tensor model.layers.0.mlp.up_proj.weight -q
check 'no picture of channels' grep -q 'range of each channel' a.svg
check 'of another input' grep -q 'model.layers.0.mlp.gate_proj.weight' a.svg
refused 2 'no such matrix' inspect a.state --svg b.svg --tensor nothing
refused 2 'is the input' inspect a.state --json=a.state

refused 2 'is the input' inspect a.state --json=a.state -f
run 0 calibrate "$model" --text a.txt --tokens 60 --hessian -o h.state
out_has 'X^T X'
run 0 inspect h.state --check
out_has 'with Hessians' 'check    sound'
refused 1 'try: --max-memory' calibrate --merge a.state b.state -o no --max-memory 1MiB

# Mixtures are final.
run 0 calibrate --merge a.state:0.7 few.state:0.3 -o mix.state
run 0 inspect mix.state
out_has 'a weighed mixture'
refused 4 'merges no more' calibrate --merge mix.state a.state -o no
refused 2 'a weight for each' calibrate --merge a.state:2 few.state -o no
refused 2 'a weight is above 0' calibrate --merge a.state:0 few.state:1 -o no

# quantize: what the state is for, in every format, by content.
run 0 quantize "$model" -o plain.safetensors --scheme int4-g32 -q
run 0 quantize "$model" -o weighed.safetensors --scheme int4-g32 --calibration a.state -q
check 'a calibration changes nothing' test "$(cmp -s plain.safetensors weighed.safetensors; echo $?)" = 1
run 0 inspect weighed.safetensors --json
out_has '"whit.calibration":"'
check 'the hash is not that of the state' grep -q "$(sha256sum a.state | cut -c1-64)" "$out"
run 0 calibrate "$model" --text a.txt -o a.dat -q
run 0 calibrate --merge a.state -o a.gguf
run 0 inspect a.gguf
out_has 'GGUF'
for form in a.dat a.gguf; do
    run 0 quantize "$model" -o other.safetensors -f --scheme int4-g32 --calibration $form -q
    check "$form does not weigh as a state does" \
        "$whit" compare weighed.safetensors other.safetensors --min-sqnr 50 -q
done
for isa in scalar avx2 avx512 neon; do
    WHIT_ISA=$isa "$whit" quantize "$model" -o isa.safetensors -f --scheme int4-g32 \
        --calibration a.state -q 2>"$err" || { skip "$isa: this machine lacks it"; continue; }
    check "$isa writes other bytes" cmp weighed.safetensors isa.safetensors
done
run 0 quantize "$model" -o q.gguf --scheme q4_0 -q
run 0 quantize "$model" -o qw.gguf --scheme q4_0 --calibration a.state -q
empty "$err"
check 'GGUF takes no notice of a state' test "$(cmp -s q.gguf qw.gguf; echo $?)" = 1
run 0 quantize "$model" -o eight.safetensors --scheme int8 --calibration a.state
err_has 'not used; try: --clip mse'
run 0 calibrate "$tests/data/gguf/stories260K-q4_0.gguf" --text a.txt -o gguf.state -q
run 0 quantize "$model" -o byname.safetensors --scheme int4-g32 --calibration gguf.state -q
empty "$err"
python=$(command -v python3 || :)
if [ -n "$python" ]; then
    "$python" - <<'PY'
import struct
head = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }".ljust(117) + "\n"
with open("x.npy", "wb") as f:
    f.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() +
            struct.pack("<6f", 1, 2, 3, 4, 5, -6))
PY
    run 0 calibrate --activations other=x.npy -o x.state
    out_has 'inputs  1 with 2 columns' 'tokens  3'
    run 0 inspect x.state --stats
    out_has 'model    -' '3 samples of other'
    refused 4 'has an entry for no tensor of this model' quantize "$model" -o no.safetensors \
        --scheme int4-g32 --calibration x.state
    refused 4 'a state of another model' calibrate --merge a.state x.state -o no
else
    skip 'no python3: no dump of activations'
fi

# Interrupted: exit 75, a state of what was done; the same command goes on to the same bytes.
excerpt 12000 >long.txt
run 0 calibrate "$model" --text long.txt -o long.state -q -T1
"$whit" calibrate "$model" --text long.txt -o cut.state --resume -q -T1 &
pid=$!
sleep 0.3
kill -TERM $pid
wait $pid
got=$?
if [ $got -eq 75 ]; then
    check 'an output is there' test ! -e cut.state
    [ ! -e cut.state.partial ] || {
        run 0 inspect cut.state.partial/state.safetensors
        out_has 'calibration state'
        refused 2 'another plan' calibrate "$model" --text a.txt -o cut.state --resume
    }
    run 0 calibrate "$model" --text long.txt -o cut.state --resume -q -T1
else
    skip "the signal came too late: exit $got"
fi
check 'taken up, the state is another one' cmp long.state cut.state
check 'what was kept is still there' test ! -e cut.state.partial

# What goes together, and what is refused before anything is written.
refused 2 'nothing to read; try: --text FILE' calibrate "$model" -o no
refused 2 'a model is missing' calibrate --text a.txt -o no
refused 2 'needs no model' calibrate "$model" --text a.txt --activations a=b -o no
refused 2 "takes NAME=FILE, not 'x.npy'" calibrate --activations x.npy -o no
refused 2 'no output; try: -o STATE' calibrate "$model" --text a.txt
refused 2 'exists; try: --force' calibrate "$model" --text a.txt -o a.state
refused 2 'is the input' calibrate "$model" --text a.txt -o a.txt -f
refused 2 'exclude each other' calibrate --merge --compare a.state b.state
refused 2 'takes two states' calibrate --compare a.state
refused 2 '--context with states has no meaning' calibrate --merge a.state --context 5 -o no
refused 2 'read once' calibrate "$model" --text - --ids - -o no
refused 2 'cannot read standard input again' calibrate "$model" --text - --resume -o no
refused 2 'holds no Hessians' calibrate "$model" --text a.txt --hessian -o no.dat
refused 4 'no calibration state' calibrate --merge "$model/model.safetensors" -o no
refused 1 'No such file' calibrate "$model" --text none.txt -o no
refused 1 'try: --max-memory' calibrate "$model" --text a.txt -o no --max-memory 1MiB
check 'something was written' test ! -e no

finish
