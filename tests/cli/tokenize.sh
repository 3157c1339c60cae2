# tests/cli/tokenize.sh - tokenize: the recorded ids, there and back; octets as they are.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

tokenizers=$tests/data/tokenizers
docs=$tokenizers/docs-llama

# ids WANT - stdout holds these, one a line.
ids() {
    checks=$((checks + 1))
    got=$(tr '\n' ' ' <"$out")
    [ "$got" = "$1 " ] || fail "ids '$got', not '$1'"
}

# One id a line, BOS in front; a file's octets as they are, the new line at its end too.
printf 'Once upon a time' >a.txt
run 0 tokenize "$model" --text a.txt
ids '1 403 407 261 378'
empty "$err"
printf 'Once upon a time\n' >b.txt
run 0 tokenize "$model" --text b.txt
ids '1 403 407 261 378 13'
: >empty.txt
run 0 tokenize "$model" --text empty.txt
ids '1'
"$whit" tokenize "$model" --text - <a.txt >"$out" 2>"$err"
check 'standard input' test $? -eq 0
ids '1 403 407 261 378'

# JSON, and beside the lines.
run 0 tokenize "$model" --text a.txt --json
check 'JSON' test "$(cat "$out")" = '{"schema":1,"ids":[1,403,407,261,378]}'
run 0 tokenize "$model" --text a.txt --json=ids.json
ids '1 403 407 261 378'
check 'JSON in a file' test "$(cat ids.json)" = '{"schema":1,"ids":[1,403,407,261,378]}'
refused 2 'ids.json: exists; try: --force' tokenize "$model" --text a.txt --json=ids.json
refused 2 'a.txt: is the input' tokenize "$model" --text a.txt --json=a.txt --force
check 'the text is gone' test "$(cat a.txt)" = 'Once upon a time'

# A folder with nothing but a tokenizer, its file, a model file, GGUF, llama2.c, SentencePiece.
mkdir only
cp "$model/tokenizer.json" only
for path in only only/tokenizer.json "$model/model.safetensors" "$tokenizers/tok512.bin" \
    "$tests/data/gguf/stories260K-q4_0.gguf"; do
    run 0 tokenize "$path" --text a.txt -v
    ids '1 403 407 261 378'
    err_has 'SentencePiece BPE' '512 ids'
done
run 0 tokenize "$tokenizers/shakespeare.model" --text a.txt
check 'no ids' test "$(wc -l <"$out")" -gt 3

# Every recorded vector: text to ids by the command, and back.
python=$(command -v python3 || :)
if [ -n "$python" ]; then
    check 'vectors' "$python" - "$whit" "$model" "$tokenizers" <<'P'
import json, subprocess, sys
whit, model, tokenizers = sys.argv[1:]

def call(*args, data):
    r = subprocess.run([whit, "tokenize", *args, "--text", "-"], input=data, capture_output=True)
    assert r.returncode == 0, (args, data, r.stderr)
    return r.stdout

n = 0
for path, vectors in ((model, "/stories260K-vectors.json"), (tokenizers + "/docs-llama",) * 2):
    name = tokenizers + vectors if vectors[-5:] == ".json" else path + "/vectors.json"
    with open(name) as f:
        cases = json.load(f)["cases"]
    for case in cases:
        text = case["text"].encode()
        made = call(path, "--json", data=text)
        got = json.loads(made)
        assert got["schema"] == 1 and got["ids"] == case["ids"], (path, case["text"], got["ids"])
        lines = "".join("%d\n" % i for i in got["ids"]).encode()
        back = call(path, "--decode", data=lines)
        assert back == call(path, "--decode", data=made)
        spelled = any(s in case["text"] for s in ("<s>", "</s>", "<unk>", "\u2581", "<|"))
        assert spelled or back == text, (path, text, back)
        n += 1
print(n, "vectors")
assert n > 170, n
P
else
    skip 'no python3: the recorded vectors are tried by test_tokenizer alone'
fi

# Any octets that are UTF-8 come back; NUL is one of them.
printf 'a\000b\r\n\303\244\360\237\230\200 \t end' >c.txt
for path in "$model" "$docs"; do
    run 0 tokenize "$path" --text c.txt --json
    cp "$out" c.json
    run 0 tokenize "$path" --text c.json --decode
    check 'another text came back' cmp -s "$out" c.txt
done

# Refused: the text is the input, so exit 4.
printf 'ab\377' >bad.txt
refused 4 'bad.txt: the text is not UTF-8 at byte 2' tokenize "$model" --text bad.txt
printf '1 2 three' >bad.ids
refused 4 'bad.ids: at byte 4 is no id' tokenize "$model" --text bad.ids --decode
printf '1 512' >bad.ids
refused 4 'there is no token 512; the last is 511' tokenize "$model" --text bad.ids --decode
printf '{"ids":[1' >bad.ids
refused 4 'bad.ids: not a list of ids in JSON' tokenize "$model" --text bad.ids --decode
printf 'ab\377' | "$whit" tokenize "$model" --text - >"$out" 2>"$err"
check 'standard input that is not UTF-8: no exit 4' test $? -eq 4
err_has 'whit: standard input: the text is not UTF-8 at byte 2'
refused 1 'nowhere' tokenize "$model" --text nowhere
refused 1 'nowhere' tokenize nowhere --text a.txt
refused 1 'only: Is a directory' tokenize "$model" --text only
refused 2 'no text; try: --text FILE' tokenize "$model"
refused 2 '--json has no meaning with --decode' tokenize "$model" --text a.txt --json --decode
refused 2 'unexpected argument' tokenize "$model" a.txt --text a.txt
refused 2 "--text needs a value, not ''" tokenize "$model" --text=
refused 2 "--text is there twice, once with 'b.txt'" tokenize "$model" --text a.txt --text b.txt
mkdir many
cp "$tests"/data/gguf/*.gguf many/
refused 4 'no GGUF file with a tokenizer (' tokenize many --text a.txt
cp -R "$model" twice
chmod -R u+w twice
printf '{"bos_token":"<s>","bos_token":"</s>"}' >twice/tokenizer_config.json
refused 4 'bos_token: is there twice' tokenize twice --text a.txt
rm -r many twice
for bad in id-huge merge-result-missing merge-unknown model-unigram unknown-pretokenizer; do
    refused 4 "tokenizer-$bad.json" tokenize "$tokenizers/malformed/tokenizer-$bad.json" --text a.txt
done
finish
