# tests/cli/method.sh - quantize --method: what it learns from, what it says, what goes together;
# --resume whenever a signal stops it. Figures and octets are test_method*.c's.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"
find_unignored

excerpt 1500 >a.txt
tail -c 1500 "$stories" >b.txt
: >empty.txt
run 0 calibrate "$model" --text a.txt --hessian -o h.state -q
run 0 calibrate "$model" --text a.txt -o plain.state -q
"$whit" tokenize "$model" --text a.txt --json >ids.json

# quick ARGUMENT.. - a run that must go well, to out.safetensors.
quick() { run 0 quantize "$model" -o out.safetensors -f -q -T1 --scheme int4-g32 "$@"; }

# Each method says what it is, in the output too; each changes something.
run 0 quantize "$model" -o rounded.safetensors -q --scheme int4-g32
for method in gptq awq smoothquant hqq awq+gptq smoothquant+gptq; do
    scheme=int4-g32
    [ $method != hqq ] || scheme=int4-g32-asym
    learn='--text a.txt'
    [ $method != hqq ] || learn=
    # shellcheck disable=SC2086 # a list of words
    run 0 quantize "$model" -o $method.safetensors --scheme $scheme --method $method $learn -T1
    out_has "method    $method"
    empty "$err"
    run 0 inspect $method.safetensors --json
    out_has "method=$method"
    run 0 inspect $method.safetensors --check -q
    check "$method changes nothing" test "$(cmp -s rounded.safetensors $method.safetensors; echo $?)" = 1
done
run 0 inspect gptq.safetensors --json
out_has "\"whit.calibration\":\"$(sha256sum a.txt | cut -c1-64)\""

# The report as JSON: of each matrix what became of it, of the others null.
run 0 quantize "$model" -o out.safetensors -f --scheme int4-g32 --method awq+gptq --text a.txt --json
out_has '"method":"awq+gptq"' '"method":{"name":"awq+gptq","fallback":null,"before":' '"after":' \
    '"damping":0.01,' '"scaling":' '"reason":"embedding"'
if command -v python3 >/dev/null; then
    check 'the JSON holds together' python3 - "$out" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
rows = [t["method"] for t in d["tensors"] if t.get("method")]
assert len(rows) == 35 and all(0 < r["after"] < r["before"] for r in rows), rows
assert sum(t["method"] is None for t in d["tensors"]) == len(d["tensors"]) - 35
PY
else
    skip 'no python3: JSON is not read'
fi

# Progress ends at its total, which is known when the texts are taken apart: nothing is rounded, and
# no pass over weights made, that it does not count.
for case in 'gptq int4-g32 --text a.txt' 'gptq int4-g32 --calibration h.state' \
    'gptq nvfp4 --text a.txt' 'awq int8-tensor --text a.txt' 'smoothquant int8-tensor-a8 --text a.txt' \
    'gptq nf4-g64-dq --text a.txt' 'hqq int4-g32-asym'; do
    # shellcheck disable=SC2086 # a list of words
    set -- $case
    method=$1 scheme=$2
    shift 2
    run 0 quantize "$model" -o out.safetensors -f -q --method "$method" --scheme "$scheme" "$@" \
        --rule '*v_proj=int8-tensor' --progress json
    check "progress of $case: $(tail -1 "$err")" \
        grep -q '"tensor":"model.norm.weight","done":\([0-9]*\),"total":\1,' "$err"
done
rm out.safetensors

# Every option changes octets, or is what is the default.
quick --method gptq --text a.txt
cp out.safetensors gptq.safetensors
for same in '--damping 0.01' '--qep 0.5' '--text - ' '-T3' '--tokens 100000' \
    '--progress plain'; do
    case $same in
    '--text - ') "$whit" quantize "$model" -o out.safetensors -f -q --scheme int4-g32 --method gptq \
        --text - <a.txt || fail 'standard input' ;;
    # shellcheck disable=SC2086 # a list of words
    *) quick --method gptq --text a.txt $same 2>"$err" ;;
    esac
    "$whit" dequantize out.safetensors -o x.safetensors -f -q
    "$whit" dequantize gptq.safetensors -o y.safetensors -f -q
    check "$same changes values" "$whit" compare y.safetensors x.safetensors --min-sqnr 300 -q
done
for other in '--damping 0.5' '--act-order' '--static-groups' '--cd-passes 0' '--cd-passes 9' \
    '--qep 0' '--qep 1' '--tokens 100' '--context 50' '--text b.txt'; do
    # shellcheck disable=SC2086 # a list of words
    quick --method gptq --text a.txt $other
    "$whit" dequantize out.safetensors -o x.safetensors -f -q
    check "$other changes nothing" test "$(cmp -s x.safetensors y.safetensors; echo $?)" = 1
    [ "$other" != '--text b.txt' ] || continue
    run 0 inspect out.safetensors --json
    out_has "$(echo "${other#--}" | tr ' ' '=')"
done
for alpha in 0 0.5 1 auto; do
    run 0 quantize "$model" -o alpha$alpha.safetensors -q --scheme int8-a8 --method smoothquant -T1 \
        --text a.txt --alpha $alpha
done
check 'alpha changes nothing' test "$(cmp -s alpha0.safetensors alpha1.safetensors; echo $?)" = 1
run 0 quantize "$model" -o out.safetensors -f -q --scheme int8-a8 --method smoothquant --text a.txt
check 'auto is the default' cmp out.safetensors alphaauto.safetensors
quick --method gptq --calibration h.state
run 0 quantize "$model" -o i8.safetensors --scheme int8 --method gptq --calibration h.state
check 'the state is said to be unused' sh -c "! grep -q 'not used' '$err'"
quick --method gptq --ids ids.json
run 0 quantize "$model" -o out.gguf -f -q --scheme q4_k_m --method gptq --text a.txt
run 0 inspect out.gguf --json
out_has 'method=gptq'
for format in compressed-tensors awq bitsandbytes; do
    case $format in
    awq) scheme=int4-g32-asym ;;
    bitsandbytes) scheme=nf4-g64 ;;
    *) scheme=int4-g32 ;;
    esac
    run 0 quantize "$model" -o folder -f -q --format $format --scheme $scheme --method awq+gptq \
        --text a.txt
    run 0 inspect folder --check -q
done

# A plan looks at the same options and does nothing.
run 0 plan "$model" --scheme int4-g32 --method gptq --text a.txt
out_has 'method    gptq, codes of 35 matrices'
run 0 quantize "$model" -o no --dry-run --method gptq --text a.txt
out_has 'method    gptq'

# Blocks of GGUF that are kept as they are have no factors, nor has what would be scaled with them.
run 0 quantize "$model" -o q8.gguf --scheme q8_0 -q
run 0 quantize q8.gguf -o kept.gguf --scheme q4_0 --requantize --method awq \
    --calibration h.state --rule '*attn_v*=keep' -q
run 0 eval kept.gguf --base q8.gguf --text b.txt --fail-if 'kl.mean>0.1' -q
rm q8.gguf kept.gguf

# Fallbacks: a warning, or with --strict the end.
run 0 quantize "$model" -o out.safetensors -f --scheme int4-g32 --method gptq --text a.txt \
    --tokens 20
err_has 'self_attn.q_proj.weight: rounded only: fewer than 64 tokens came into it'
run 0 inspect out.safetensors --json
out_has 'whit.fallbacks' 'fewer than 64 tokens'
refused 3 '--strict does not allow that' quantize "$model" -o no --scheme int4-g32 --method gptq \
    --text a.txt --tokens 20 --strict
yes 'One day' | head -40 >repeated.txt
run 0 quantize "$model" -o out.safetensors -f --scheme keep --rule '*.0.self_attn.q_proj=int4-g32' \
    --method gptq --damping 1e-30 --text repeated.txt
err_has 'model.layers.0.self_attn.q_proj.weight: damping raised to '
run 0 inspect out.safetensors
out_has 'whit.fallbacks' 'damping raised to '
refused 3 'damping raised to ' quantize "$model" -o no --scheme keep --damping 1e-30 --strict \
    --rule '*.0.self_attn.q_proj=int4-g32' --method gptq --text repeated.txt
rm repeated.txt
refused 3 'no codes of its scheme, and --strict' quantize "$model" -o no --scheme nf4-g64-dq \
    --method gptq --text a.txt --strict

# What goes together, and what is refused before anything is written.
refused 2 'needs something to learn from; try: --text FILE' quantize "$model" -o no --method gptq
refused 2 'needs something to learn from' quantize "$model" -o no --method smoothquant
refused 2 'needs something to learn from' quantize "$model" -o no --method awq --calibration a.txt
refused 2 'has no Hessians; try: whit calibrate --hessian' quantize "$model" -o no --method gptq \
    --calibration plain.state
for again in '- --text -' '- --ids -'; do
    # shellcheck disable=SC2086 # a list of words
    refused 2 'quantize: standard input can be read once' quantize "$model" -o no --method gptq --text $again
done
refused 2 'plan: standard input can be read once' plan "$model" a.safetensors --method gptq --text -
refused 2 'quantize: standard input can be read once; try: a file' \
    quantize "$model" a.safetensors -o no --method gptq --text -
refused 2 'quantize: --resume cannot read standard input again; try: a file' \
    quantize "$model" -o no --method gptq --text - --resume
refused 2 "no method 'best'; try: gptq, awq" quantize "$model" -o no --method best --text a.txt
refused 2 "no method 'gptq+awq'" quantize "$model" -o no --method gptq+awq --text a.txt
for lone in '--text a.txt' '--ids ids.json' '--tokens 5' '--context 5' '--damping 0.1' '--act-order' \
    '--static-groups' '--cd-passes 1' '--qep 0.5' '--alpha 0.5' '--resume'; do
    # shellcheck disable=SC2086 # a list of words
    refused 2 'of --method; try: --method gptq' quantize "$model" -o no $lone
done
for unused in '--damping 0.1' '--act-order' '--static-groups' '--cd-passes 1' '--qep 0.5'; do
    # shellcheck disable=SC2086 # a list of words
    refused 2 'about gptq' quantize "$model" -o no --method awq --text a.txt $unused
done
refused 2 '--alpha is about smoothquant' quantize "$model" -o no --method awq --text a.txt --alpha 0.1
refused 2 'gptq with --text' quantize "$model" -o no --method gptq --calibration h.state --qep 0.5
refused 2 'are about --text' quantize "$model" -o no --method gptq --calibration h.state --tokens 5
refused 2 'hqq learns from no text' quantize "$model" -o no --method hqq --text a.txt
refused 2 'no scheme has any; try: int4-g64-asym' quantize "$model" -o no --method hqq
for damping in 0 -1 1.5 nan; do
    refused 2 'damping takes a' quantize "$model" -o no --method gptq --text a.txt --damping=$damping
done
for share in -0.1 1.1; do
    refused 2 'from 0 to 1' quantize "$model" -o no --method gptq --text a.txt --qep=$share
    refused 2 'from 0 to 1' quantize "$model" -o no --method smoothquant --text a.txt --alpha=$share
done
refused 2 'from 0 to 1' quantize "$model" -o no --method smoothquant --text a.txt --alpha=often
refused 2 'takes a number from 0 to 100' quantize "$model" -o no --method gptq --text a.txt \
    --cd-passes 101
refused 2 'a context of 1 tokens' quantize "$model" -o no --method gptq --text a.txt --context 1
refused 2 'no matrix that it could help' quantize "$model" -o no --method gptq --text a.txt --scheme f16
refused 2 'knows no scales by percentile' quantize "$model" -o no --method gptq --text a.txt \
    --clip percentile:99
refused 2 'know no --method' quantize "$model" -o no.gguf --method gptq --text a.txt --search reference
refused 2 '--resume has no meaning here' plan "$model" --method gptq --text a.txt --resume
refused 1 'none.state: No such file' quantize "$model" -o no --method gptq --calibration none.state
refused 1 'No such file' quantize "$model" -o no --method gptq --text none.txt
refused 4 'has no tokens' quantize "$model" -o no --method gptq --text empty.txt
refused 1 'try: --max-memory' quantize "$model" -o no --method gptq --text a.txt --max-memory 1MiB
check 'something was written' test ! -e no -a ! -e no.gguf -a ! -e no.partial

# ---- interrupted -----------------------------------------------------------------------------

rm -rf ./*.safetensors out.gguf folder
excerpt 12000 >long.txt
long="--scheme int4-g32 --method gptq --text long.txt -q -T1"

# shellcheck disable=SC2086 # lists of words
whole() { run 0 quantize "$model" -o whole.safetensors $long; }
whole

# stop SIGNAL ARGUMENT.. - the run gets the signal once it has begun to find codes; $got its exit.
stop() {
    signal=$1
    shift
    # shellcheck disable=SC2086 # lists of words
    $unignored "$whit" quantize "$model" -o cut.safetensors $long "$@" >"$out" 2>"$err" &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        [ -s cut.safetensors.partial/solutions ] && break
        [ $# -gt 0 ] || { sleep 0.1; break; }
    done
    kill "-$signal" $pid 2>/dev/null
    wait $pid 2>/dev/null
    got=$?
}

for signal in TERM INT; do
    [ $signal = TERM ] || [ -n "$unignored" ] || {
        skip 'SIGINT: no env --default-signal and no python3'
        continue
    }
    stop $signal --resume
    if [ $got -eq 0 ]; then
        skip "SIG$signal came too late"
        rm -f cut.safetensors
        continue
    fi
    check "SIG$signal: exit $got, not 75" test $got -eq 75
    check "SIG$signal: an output is there" test ! -e cut.safetensors
    check "SIG$signal: nothing is kept" test -s cut.safetensors.partial/solutions
    refused 2 'another plan; try: the same command' quantize "$model" -o cut.safetensors \
        --scheme int3-g32 --method gptq --text long.txt -q --resume
    refused 2 'another plan' quantize "$model" -o cut.safetensors --scheme int4-g32 --method gptq \
        --text a.txt -q --resume
    # shellcheck disable=SC2086 # a list of words
    run 0 quantize "$model" -o cut.safetensors $long --resume
    check "SIG$signal: taken up, it has other octets" cmp whole.safetensors cut.safetensors
    check "SIG$signal: OUT.partial is left" test ! -e cut.safetensors.partial
    rm cut.safetensors
    stop $signal
    [ $got -eq 0 ] || {
        check "SIG$signal without --resume: exit $got, not 1" test $got -eq 1
        check "SIG$signal: 'interrupted' is not said" grep -qx 'whit: interrupted' "$err"
    }
    rm -f cut.safetensors
    only a.txt b.txt empty.txt h.state plain.state ids.json long.txt whole.safetensors
done

# So with several inputs.
# shellcheck disable=SC2086 # a list of words
"$whit" quantize "$model" none -o cut $long --resume >"$out" 2>"$err" &
pid=$!
while kill -0 $pid 2>/dev/null && [ ! -s cut/stories260K.partial/solutions ]; do :; done
kill -TERM $pid 2>/dev/null
wait $pid 2>/dev/null
got=$?
if [ -e cut/stories260K ]; then
    skip 'SIGTERM to several inputs came too late'
else
    check "several inputs: exit $got, not 75" test $got -eq 75
    check 'several inputs: nothing is kept' test -s cut/stories260K.partial/solutions
fi
rm -rf cut

# SIGKILL after any time, again and again; what goes on ends with the octets of an unbroken run.
kills=0
ends=0
attempt=0
while [ $kills -lt 20 ] && [ $attempt -lt 80 ]; do
    attempt=$((attempt + 1))
    # shellcheck disable=SC2086 # a list of words
    "$whit" quantize "$model" -o cut.safetensors $long --resume >"$out" 2>"$err" &
    pid=$!
    sleep "0.$(printf %02d $((attempt * 7 % 23)))"
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    got=$?
    case $got in
    0)
        ends=$((ends + 1))
        check 'exit 0 without an output' test -e cut.safetensors
        ;;
    137) kills=$((kills + 1)) ;; # of one that had just come to its end, too
    *) fail "exit $got after SIGKILL" ;;
    esac
    [ ! -e cut.safetensors ] || {
        check "after $kills kills other octets" cmp whole.safetensors cut.safetensors
        rm cut.safetensors
    }
done
# shellcheck disable=SC2086 # a list of words
run 0 quantize "$model" -o cut.safetensors $long --resume -f
check "after $kills kills and $ends ends other octets" cmp whole.safetensors cut.safetensors
echo "killed $kills times, $ends came to their end"
[ $kills -ge 20 ] || skip "killed $kills times of 20: this machine is too fast"
rm cut.safetensors
only a.txt b.txt empty.txt h.state plain.state ids.json long.txt whole.safetensors

finish
