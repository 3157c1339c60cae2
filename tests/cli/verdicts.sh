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

# The small files of a model, each alone: recognised by content, judged as a runner would.
for folder in "$tests/data/malformed/json" "$tests/data/tokenizers/malformed"; do
    for path in "$folder"/*; do
        name=${path##*/}
        [ "$name" != manifest.json ] || continue
        manifest=$folder/manifest.json
        [ -f "$manifest" ] || manifest=$tests/data/malformed/manifest.json
        expect=$(tr -d '\n ' <"$manifest" | tr '}' '\n' | grep "$name\"" | sed 's/.*"expect":"\([a-z]*\)".*/\1/')
        cp "$path" alone.json
        case $expect in
        accept)
            run 0 inspect alone.json --check
            out_has 'check     ok'
            empty "$err"
            ;;
        reject) refused 4 'alone.json' inspect alone.json --check ;;
        either)
            "$whit" inspect alone.json --check >"$out" 2>"$err"
            code=$?
            check "$name: exit $code" test $code -eq 0 -o $code -eq 4
            ;;
        *) fail "$name: no verdict in the manifest but '$expect'" ;;
        esac
    done
done
cp "$tests/data/malformed/json/config-unknown-arch.json" alone.json
refused 4 'architecture FooForCausalLM is not known; known are Llama' inspect alone.json
cp "$model/config.json" alone.json
run 0 inspect alone.json --check --json
out_has '"format":"config.json","architecture":"llama"' '"tensors":[]' '"check":{"ok":true'
run 0 inspect alone.json
out_has 'llama' '5 layers of width 64' '512 tokens'
refused 2 'is a config.json, which has no tensors' inspect alone.json --stats
refused 2 'alone.json: is the input' inspect alone.json --json=alone.json --force
cp "$model/tokenizer.json" alone.json
run 0 inspect alone.json --check --json=alone.out
out_has 'SentencePiece BPE' 'BOS before it'
check 'JSON' grep -q '"format":"tokenizer.json","model":"SentencePiece BPE"' alone.out
rm alone.json alone.out

# In a folder: what a runner does not know is a note, what is wrong a problem.
mkdir folder
cp "$model"/* folder
run 0 inspect folder --check
check 'a note on a sound model' sh -c '! grep -q ^note "$1"' - "$out"
cp "$tests/data/malformed/json/config-unknown-arch.json" folder/config.json
run 0 inspect folder --check
out_has 'note      folder/config.json: architecture FooForCausalLM is not known' 'check     ok'
echo '{"_class_name": "of another kind"}' >folder/config.json
run 0 inspect folder --check -q
for bad in kv-not-dividing truncated; do
    cp "$tests/data/malformed/json/config-$bad.json" folder/config.json
    run 4 inspect folder --check
    out_has 'problem   folder/config.json: '
    check 'it is said twice' test "$(grep -c ^problem "$out")" -eq 1
    run 0 inspect folder
done
cp "$model/config.json" folder
cp "$tests/data/tokenizers/malformed/tokenizer-model-unigram.json" folder/tokenizer.json
run 0 inspect folder --check
out_has 'note      tokenizer.json: model is Unigram'
cp "$tests/data/tokenizers/malformed/tokenizer-merge-unknown.json" folder/tokenizer.json
refused 4 'the check found 1 problem, the first: tokenizer.json: merge 0' inspect folder --check -q
cp "$tests/data/tokenizers/docs-llama/tokenizer.json" folder/tokenizer.json
run 0 inspect folder --check
out_has 'note      the vocabulary has 4096 tokens, the model 512 rows'
rm -r folder

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
