# tests/cli/generate.sh - generate: the recorded stories, a story after int4, the lot, where texts
# end, what goes to which stream.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# is TEXT - stdout is the text and a new line.
is() {
    checks=$((checks + 1))
    printf '%s\n' "$1" | cmp -s - "$out" || {
        fail "another text:"
        cat "$out"
    }
}

# Greedy on the F16 weights, by the reference runner in float32: reference/generation.json of the
# project's data has the first one for F32 and F16 alike.
lily='Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.
Lily'"'"'s mom said, "Lily, let'"'"'s go to the park." Lily was sad and didn'"'"'t know what to do. She said, "I want to play with your ball, but I can'"'"'t find it."
Lily was sad and didn'"'"'t know what to do. She said, "I'"'"'m sorry, Lily. I didn'"'"'t know what to do."
Lily didn'"'"'t want to help her mom, so she said, "I'"'"'m sorry, mom. I didn'"'"'t know what to do." Her mom said, "Don'"'"'t worry, Lily. We can help you'

run 0 generate "$model" --tokens 255
is "$lily"
err_has 'whit: prompt 1 tokens, ' 'generated 255 tokens, ' ' tokens/s'
check 'narration is not one line' test "$(wc -l <"$err")" -eq 1
run 0 generate "$model" --prompt '' --tokens 255 -T1 -q
is "$lily"
empty "$err"
run 0 generate "$model/model.safetensors" --prompt 'Once upon a time, there was a little girl' -q \
    --tokens 20
check 'the prompt is not told, or not gone on with' \
    test "$(cat "$out")" = "$(printf '%s' "$lily" | head -c "$(($(wc -c <"$out") - 1))")"
run 0 generate "$model" # 256
check 'other than 256 tokens' grep -q 'generated 256 tokens' "$err"

# It ends where a story ends; the token that ends it is named. --temperature 0 is greedy.
max='Once upon a time, there was a little dog named Max.'
run 0 generate "$model" --prompt "$max" --temperature 0
err_has '; ended by token 1'
out_has 'Max loved to play with his toys'
printf '%s' "$max" >prompt.txt
cp "$out" "$scratch/log/story"
"$whit" generate "$model" --prompt - -q <prompt.txt >"$out" 2>"$err"
check 'the prompt from standard input gives another story' cmp -s "$out" "$scratch/log/story"

# A story after int4, the same for any threads and instruction set, with both activations.
run 0 quantize "$model" -o q4 --scheme int4-g32 -q
for acts in f32 q8; do
    run 0 generate q4 --prompt "$max" --tokens 60 --acts $acts -q
    check 'no story after int4' test "$(wc -c <"$out")" -gt 120
    check 'the prompt is not its beginning' grep -qF "$max" "$out"
    cp "$out" "$scratch/log/$acts"
    for setting in 'scalar 1' 'scalar 3' 'avx2 2' 'avx512 1' 'neon 2'; do
        WHIT_ISA=${setting% *}
        export WHIT_ISA
        "$whit" generate q4 --prompt "$max" --tokens 60 --acts $acts -q -T "${setting#* }" \
            >"$out" 2>"$err"
        case $? in
        0) check "another story with $setting" cmp -s "$out" "$scratch/log/$acts" ;;
        2) skip "$setting: not on this CPU" ;;
        *) fail "$setting: $(cat "$err")" ;;
        esac
        unset WHIT_ISA
    done
done
run 0 generate q4 --prompt "$max" --tokens 1 -v --acts q8
err_has 'whit: llama, 5 layers' 'layers.0.self_attn.q_proj.weight: 64x64 int4-g32 as q4g, activations q8' \
    'embed_tokens.weight: 512x64 f16 as f16, activations f32'
run 0 generate "$model" --tokens 1 --acts q8
err_has '--acts q8 changes nothing'
WHIT_ISA=scalar
export WHIT_ISA
refused 4 'bfloat16 activations need the tiles of AMX' generate "$model" --tokens 1 --acts bf16
unset WHIT_ISA

# By lot: the seed decides, and threads do not.
run 0 generate "$model" --temperature 1 --top-p 0.9 --seed 1 --tokens 80 -q -T1
cp "$out" "$scratch/log/one"
run 0 generate "$model" --temperature 1 --top-p 0.9 --seed 1 --tokens 80 -q -T3
check 'threads change the lot' cmp -s "$out" "$scratch/log/one"
run 0 generate "$model" --temperature 1 --top-p 0.9 --seed 18446744073709551615 --tokens 80 -q
check 'the seed changes nothing' sh -c '! cmp -s "$1" "$2"' - "$out" "$scratch/log/one"
run 0 generate "$model" --temperature 1 --seed 1 --tokens 80 -q
check 'top-p changes nothing' sh -c '! cmp -s "$1" "$2"' - "$out" "$scratch/log/one"
run 0 generate "$model" --temperature 1 --top-p 0.000001 --tokens 255 -q
is "$lily"
run 0 generate "$model" --seed 4 --tokens 1
err_has 'warning: --seed changes nothing without --temperature'
run 0 generate "$model" --top-p 0.5 --tokens 1
err_has 'warning: --top-p changes nothing without --temperature'

# GGUF brings its own vocabulary.
run 0 generate "$tests/data/gguf/stories260K-q4_0.gguf" --prompt "$max" --tokens 30
out_has "$max "

# The context: 512 positions.
yes 'Once upon a time there was a dog.' | head -100 >long.txt
said='generate --prompt - <long.txt'
"$whit" generate "$model" --prompt - <long.txt >"$out" 2>"$err"
check 'a prompt beyond the context is no exit 2' test $? -eq 2
empty "$out"
err_has 'the model was made for 512 positions; try: a shorter prompt'
check 'not one line' test "$(wc -l <"$err")" -eq 1
head -42 long.txt | tr '\n' ' ' >filled.txt
"$whit" generate "$model" --prompt - --tokens 400 --temperature 3 --seed 2 <filled.txt >"$out" 2>"$err"
check 'a prompt within the context is no exit 0' test $? -eq 0
err_has '; the context is full'

# A vocabulary and a model of different sizes: rows that no token has are never chosen; tokens that
# have no row are refused.
mkdir other
cp "$model/model.safetensors" "$model/config.json" other
cp "$tests/data/tokenizers/docs-llama"/tokenizer*.json other
refused 4 'of the vocabulary, but the model has 512 rows of embeddings' \
    generate other --prompt 'The function returns'

# Refused.
refused 2 '--tokens takes a number from 0 to 1000000000' generate "$model" --tokens=-1
refused 2 '--seed takes a number from 0 to 18446744073709551615' generate "$model" --seed x
refused 2 'temperature must be 0 or more' generate "$model" --temperature=-1
refused 2 'temperature must be 0 or more' generate "$model" --temperature inf
refused 2 'top_p must be above 0' generate "$model" --temperature 1 --top-p 0
refused 2 'top_p must be above 0' generate "$model" --temperature 1 --top-p 1.5
refused 2 'unexpected argument' generate "$model" "$model"
refused 2 'an input is missing' generate --prompt x
refused 2 '--max-memory has no meaning here' generate "$model" --max-memory 1GiB
refused 1 'nowhere' generate nowhere --prompt x
printf 'ab\377' >bad.txt
"$whit" generate "$model" --prompt - <bad.txt >"$out" 2>"$err"
check 'a prompt that is not UTF-8 is no exit 2' test $? -eq 2
err_has 'not UTF-8 at byte 2'
mkdir bare
cp "$model"/*.safetensors "$model/config.json" bare
refused 4 'bare: has no tokenizer.json' generate bare --prompt x

# A stop in between: what was told stays, the speed is told, exit 1.
mkfifo pipe
"$whit" generate "$model" --prompt "$max" --temperature 2 --tokens 400 -T1 >pipe 2>"$err" &
pid=$!
{
    head -c 60 >"$out" # then it waits, or goes on, until the pipe is read or closed
    kill -TERM $pid 2>/dev/null
    cat >>"$out"
} <pipe
wait $pid
code=$?
if [ $code -eq 0 ]; then
    skip 'the signal came too late'
else
    check "exit $code after a signal, not 1" test $code -eq 1
    err_has 'tokens/s' 'whit: interrupted'
    check 'the text does not end with a new line' test -z "$(tail -c 1 "$out" | tr -d '\n')"
fi

# What the container has to say is said, as by the other commands.
run 0 quantize "$model" -o "$scratch/log/shards" -q --shard-size 80kB
cp "$model/model.safetensors" "$scratch/log/shards"
run 0 generate "$scratch/log/shards" --tokens 1
err_has 'whit: warning: ' 'model.safetensors.index.json beside it is not'
run 0 generate "$scratch/log/shards" --tokens 1 -q
empty "$err"
printf 'Once upon a time, there was a little girl named Lily. She loved to play.\n' >few.txt
for command in 'bench model' eval calibrate; do # which have it from the model that they run
    case $command in
    bench*) set -- --type f32 --seconds 0.001 ;;
    eval) set -- --text few.txt --context 16 ;;
    *) set -- --text few.txt -o few.state ;;
    esac
    run 0 $command "$scratch/log/shards" "$@"
    check "$command does not say it once" test "$(grep -c 'json beside it is not' "$err")" -eq 1
done

# Standard output that cannot be written is an error, not an interruption.
if [ -c /dev/full ]; then
    "$whit" generate "$model" --prompt "$max" >/dev/full 2>"$err"
    check 'a full stdout is no exit 1' test $? -eq 1
    err_has 'whit: standard output: '
    check 'it was not interrupted' sh -c '! grep -q interrupted "$1"' - "$err"
fi
finish
