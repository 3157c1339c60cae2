# tests/cli/eval.sh - eval: perplexity as recorded, the comparison with a base, choices, bars, what
# goes together and what is refused. The figures themselves are checked in test_eval_run.c.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

data=$tests/data/eval
choices=$data/stories-choices.jsonl
gguf=$tests/data/gguf/stories260K-q4_0.gguf
python=$(command -v python3 || :)
[ -n "$python" ] || skip 'no python3: the JSON is not parsed'

# golden PROTOCOL CONTEXT NAME - as numpy has it
golden() { sed -n "s/^$1 $2 $3 //p" "$tests/golden/eval/figures.txt"; }

# value KEY - the first number of that key in $out
value() { sed -n "s/^[^{]*{.*\"$1\":\([-0-9.e]*\)[,}].*/\1/p" "$out"; }

# near WHAT NUMBER WANTED - within 0.01 %
near() {
    checks=$((checks + 1))
    echo "$2 $3" | awk '{ d = $1 - $2; if (d < 0) d = -d; exit !(NF == 2 && d <= 1e-4 * $2) }' ||
        fail "$1 is $2, not $3"
}

# Perplexity: the base's figures of the golden, which is this model.
run 0 eval "$model" --text "$stories" --context 128 -T1
out_has 'ppl' ' 5.5577 +- 0.58' \
    'window of 128 tokens, with a start of text; windows 11, tokens scored 1 397'
empty "$err"
for case in 'window 128' 'chunk 100' 'half 128' 'story 200'; do
    # shellcheck disable=SC2086 # two words
    set -- $case
    run 0 eval "$model" --text "$stories" --protocol "$1" --context "$2" --json -T1
    near "perplexity of $case" "$(value perplexity)" "$(golden "$1" "$2" base.perplexity)"
    near "stderr of $case" "$(value stderr)" "$(golden "$1" "$2" base.stderr)"
    near "tokens of $case" "$(value tokens)" "$(golden "$1" "$2" tokens)"
    out_has "\"protocol\":\"$1\",\"context\":$2," '"kl":null' '"ratio":null' '"worst":[]'
done
run 0 eval "$model" --text "$stories" --json -T1 # window, the model's context
out_has '"protocol":"window","context":512,'
cp "$out" "$scratch/log/default"
run 0 eval "$model" --text "$stories" --protocol window --context 512 --acts f32 --json -T1
check 'the defaults are other ones' test "$(value perplexity)" = \
    "$(out=$scratch/log/default value perplexity)"
run 0 eval "$model/model.safetensors" --text "$stories" --tokens 600 --json -T1
out_has '"text_tokens":600,' '"windows":1,' '"tokens":511,'

# Against a base.
run 0 eval "$gguf" --base "$model" --text "$stories" --context 128 -T1
out_has 'kl mean' 'top-1 same' 'rms dp' 'ratio ' '1.10020 (1.05877 to 1.14325, 95 %)' 'worst at' \
    'He wanted to see[ the]  base [ w]  now [k]'
check 'not ten worst positions' test "$(grep -c ']  base \[' "$out")" -eq 10
run 0 eval "$gguf" --base "$model" --text "$stories" --context 128 --json=c.json -T1
out_has 'kl mean'
empty "$err"
run 0 eval "$gguf" --base "$model" --choices "$choices" --json=q.json -T1
out_has 'questions' 'all ' 'pronoun ' 'lost' 'gained'
run 0 eval "$model" --choices "$choices" -T1
out_line 'all 40 0.8500 +- 0.057 0.8500 +- 0.057'
[ -z "$python" ] || check 'JSON' "$python" - "$tests/golden/eval/figures.txt" <<'P'
import json, sys

def load(name):
    def refuse(text):
        raise ValueError(text)
    with open(name, encoding="utf-8") as f:
        j = json.load(f, parse_constant=refuse)
    assert j["schema"] == 1 and j["command"] == "eval", name
    return j

def find(j, name):
    for key in name.split("."):
        j = j[key]
    return j

c, q = load("c.json"), load("q.json")
used = 0
for line in open(sys.argv[1]):
    protocol, context, name, value = line.split(" ", 3)
    j = c if (protocol, context) == ("window", "128") else q if protocol == "choices" else None
    if not j:
        continue
    if name == "worst":
        assert [w["position"] for w in j["worst"]] == [int(v) for v in value.split()]
    else:
        got, want = find(j, name), float(value)
        assert abs(got - want) <= 1e-4 * abs(want), (name, got, want)
    used += 1
assert used == 29, used
for key in "model base_model text protocol context acts vocabulary bos seconds isa threads".split():
    assert c[key] is not None, key
assert c["choices"] is None and q["text"] is None and q["protocol"] is None
w = c["worst"][0]
assert w["text"] == " the" and w["before"].endswith("He wanted to see") and w["window"] == 9
assert w["kl"] == c["kl"]["max"] and 0 <= w["p"] < w["p_base"] <= 1
assert [t["tag"] for t in q["tags"]] == ["phrase", "pronoun", "grammar", "sense", "ending"]
assert sum(t["questions"] for t in q["tags"]) == q["questions"] == 40
assert sum(t["flips"]["lost"] for t in q["tags"]) == q["flips"]["lost"]
P

# The same figures on every instruction set, with any number of threads.
figures() { sed 's/"seconds":.*"threads":[0-9]*//' "$out"; }
run 0 eval "$gguf" --base "$model" --text "$stories" --json -T1
figures >"$scratch/log/one"
for isa in scalar default; do
    [ $isa = default ] || { WHIT_ISA=$isa; export WHIT_ISA; }
    run 0 eval "$gguf" --base "$model" --text "$stories" --json -T3
    unset WHIT_ISA
    figures >"$scratch/log/other"
    check "other figures: $isa" cmp -s "$scratch/log/one" "$scratch/log/other"
done

# int8 activations: other figures, near by.
run 0 quantize "$model" -o q --scheme int8 -q
run 0 eval q --base "$model" --text "$stories" --json -T1
f32=$(value mean)
run 0 eval q --base "$model" --text "$stories" --acts q8 --json -T1
out_has '"acts":"q8"'
check "q8 changes nothing, or too much: $f32, $(value mean)" \
    awk "BEGIN { exit !($f32 > 0 && $(value mean) > $f32 && $(value mean) < 0.02) }"
run 0 eval "$model" --text "$stories" --acts q8 -T1
err_has 'warning:' 'no matrix of it is multiplied with int8 activations'
WHIT_ISA=scalar
export WHIT_ISA
refused 4 'bfloat16 activations need the tiles of AMX' eval "$model" --text "$stories" --acts bf16
unset WHIT_ISA

# Bars.
set -- eval "$gguf" --base "$model" --text "$stories" --context 128 -T1
run 0 "$@" --fail-if 'kl.mean>0.2'
run 0 "$@" --fail-if 'kl.mean>0.2,top1<0.5' --fail-if 'ratio.high >= 2' --json
run 3 "$@" --fail-if 'kl.mean>0.02'
out_has 'kl mean'
err_has 'stories260K-q4_0.gguf: kl.mean is 0.107935, and the bar is kl.mean>0.02'
run 3 "$@" --fail-if 'kl.mean>0.2' --fail-if 'top1<0.5,perplexity>6' -q
empty "$out"
err_has 'perplexity is 6.11463, and the bar is perplexity>6'
run 3 "$@" --fail-if 'tokens<=1397' --json
out_has '"perplexity"'
refused 2 'eval: standard input is not read, only files; try: --text FILE' eval "$model" --text -
refused 2 'standard input is not read, only files; try: --choices FILE' eval "$model" --choices -
refused 2 "'kl.meen>0.1' names no result" "$@" --fail-if 'kl.meen>0.1'
refused 2 "'kl.mean' is no condition" "$@" --fail-if kl.mean
refused 2 'does not end with a number' "$@" --fail-if 'kl.mean>x'
refused 2 'is about choices' "$@" --fail-if 'accuracy<0.5'
refused 2 "'kl.mean>0.1' compares with a base; try: --base" eval "$model" --text "$stories" \
    --fail-if 'kl.mean>0.1'
run 3 eval "$model" --choices "$choices" --fail-if 'accuracy<0.9' -T1
err_has 'accuracy is 0.85'

# What does not go together.
refused 2 'an input is missing' eval --text "$stories"
refused 2 "unexpected argument" eval "$model" "$model" --text "$stories"
refused 2 'nothing to read; try: --text FILE or --choices FILE' eval "$model"
refused 2 'exclude each other' eval "$model" --text "$stories" --choices "$choices"
refused 2 '--protocol has no meaning with --choices' eval "$model" --choices "$choices" \
    --protocol half
refused 2 '--tokens has no meaning with --choices' eval "$model" --choices "$choices" --tokens 5
refused 2 '--protocol takes window|chunk|half|story' eval "$model" --text "$stories" --protocol full
refused 2 'a context of 1 tokens' eval "$model" --text "$stories" --context 1

# Bad input: one line each.
refused 4 '100 tokens do not fill one window of 512; try: a longer text, or --context' \
    eval "$model" --text "$stories" --tokens 100
refused 1 'no-such-text' eval "$model" --text no-such-text
refused 1 'no-such-model' eval no-such-model --text "$stories"
refused 1 'no-such-base' eval "$model" --base no-such-base --text "$stories"
refused 1 'try: --max-memory' eval "$model" --text "$stories" --max-memory 100kB
refused 4 'whit: ' eval "$tests/data/models/silero.safetensors" --text "$stories"
echo '{"prompt":"a","choices":["b","c"],"answer":2}' >bad.jsonl
refused 4 'bad.jsonl: line 1: "answer" is beyond the choices' eval "$model" --choices bad.jsonl

# Warnings: octets that are not UTF-8, a context beyond the model's, a vocabulary beyond the rows.
printf 'Once upon a time \377\376 there was a dog.' >octets.txt
run 0 eval "$model" --text octets.txt --protocol story -T1
err_has 'warning: octets.txt: octets that are not UTF-8, taken as byte tokens: 2'
out_has 'windows 1,'
run 0 eval "$model" --text "$stories" --context 600 -T1
err_has 'was made for 512 positions, not 600'
mkdir more
cp "$model"/*.json "$model/model.safetensors" more
[ -z "$python" ] || {
    "$python" - <<'P'
import json
j = json.load(open("more/tokenizer.json"))
j["added_tokens"].append({"id": 512, "content": "<zebra>", "special": True, "single_word": False,
                          "lstrip": False, "rstrip": False, "normalized": False})
json.dump(j, open("more/tokenizer.json", "w"))
P
    run 0 eval more --text "$stories" -T1
    err_has 'warning: more: the vocabulary has 513 tokens, the embeddings 512 rows'
    (cat "$stories"; echo '<zebra>') >zebra.txt
    refused_by() { # EXIT TEXT ARGUMENT.. - beside warnings
        code=$1 line=$2
        shift 2
        run "$code" "$@"
        empty "$out"
        err_has "$line"
    }
    refused_by 4 'more: the text has token 512, but the embeddings have 512 rows' \
        eval more --text zebra.txt -T1
    refused_by 4 'its vocabulary gives other ids for the text' eval "$model" --base more \
        --text zebra.txt -T1
}

# A tokenizer that puts no start of text: window goes without, chunk takes the one that is known,
# and is refused where none is.
[ -z "$python" ] || {
    "$python" - <<'P'
import json
j = json.load(open("more/tokenizer.json"))
j["added_tokens"].pop()
j["post_processor"] = None
json.dump(j, open("more/tokenizer.json", "w"))
for name in "tokenizer_config.json", "config.json", "generation_config.json":
    j = json.load(open("more/" + name))
    j = {k: v for k, v in j.items() if not k.startswith("add_")}
    json.dump(j, open("more/" + name, "w"))
P
    run 0 eval more --text "$stories" -T1
    out_has 'without a start of text; windows 2'
    run 0 eval more --text "$stories" --protocol chunk --context 100 --json -T1
    near 'perplexity of chunk' "$(value perplexity)" "$(golden chunk 100 base.perplexity)"
    echo '{"prompt":"","choices":["b","c"],"answer":1}' >bare.jsonl
    refused 4 'line 1: the prompt is empty, and the tokenizer puts no start' \
        eval more --choices bare.jsonl -T1
    run 0 eval "$model" --choices bare.jsonl -T1
    for file in tokenizer tokenizer_config special_tokens_map config generation_config; do
        "$python" -c 'import json, sys
t = open(sys.argv[1]).read().replace("\"<s>\"", "\"<q>\"")
j = {k: v for k, v in json.loads(t).items() if not k.startswith("bos")}
json.dump(j, open(sys.argv[1], "w"))' more/$file.json
    done
    refused 4 'more: no start of text is known' eval more --text "$stories" --protocol chunk -T1
    run 0 eval more --text "$stories" -T1
}

# Nothing that is read is written over.
cp "$stories" text.txt
refused 2 'is the input' eval "$model" --text text.txt --json=text.txt --force
refused 2 'is the input' eval q --text text.txt --json=q/model.safetensors --force
refused 2 'c.json: exists; try: --force' eval "$model" --text text.txt --json=c.json
run 0 eval "$model" --text text.txt --json=c.json --force -q -T1
empty "$out"
check 'the text was changed' cmp -s "$stories" text.txt

# Progress for machines: the last line reaches its total.
run 0 eval "$model" --text "$stories" -q --progress json -T1
checks=$((checks + 1))
tail -1 "$err" | grep -q '"tensor":"window 2 of 2","done":\([0-9]*\),"total":\1,' ||
    fail 'progress does not reach its total'
run 0 eval "$model" --choices "$choices" -q --progress json -T1
checks=$((checks + 1))
tail -1 "$err" | grep -q '"done":40,"total":40,' || fail 'progress of choices'
only bad.jsonl c.json more octets.txt q q.json text.txt \
    $([ -z "$python" ] || echo bare.jsonl zebra.txt)
finish
