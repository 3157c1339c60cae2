# tests/interop/llama_cpp.sh - llama.cpp's own programs as judges of the GGUF files that whit writes.
#
# WHIT_LLAMA names the folder with llama-perplexity, llama-quantize and llama-imatrix (made for ggml
# 0c1e57098; others may choose other types), PYTHON an interpreter with numpy and gguf. With
# WHIT_LLAMA_DATA, a folder with docs-llama, stories260K and text, published figures are compared.
#
# - llama-perplexity says of models made from folders (models.py) what their safetensors files say in
#   float64, of stories260K what it says of the GGUF file published with it.
# - llama-quantize gives every tensor the same type and the same octets as whit's reference search,
#   for every type and mix, with importance matrices of both forms and of llama-imatrix.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/../cli/lib.sh"

[ -n "${WHIT_LLAMA:-}" ] || skip_all 'WHIT_LLAMA names no folder with the programs of llama.cpp'
for tool in perplexity quantize imatrix; do
    [ -x "$WHIT_LLAMA/llama-$tool" ] || skip_all "$WHIT_LLAMA/llama-$tool is missing"
done
python=${PYTHON:-python3}
"$python" -c 'import gguf, numpy' 2>/dev/null || skip_all "$python has no numpy or gguf"
models() { "$python" "$tests/interop/models.py" "$@"; }

# perplexity FILE TEXT CONTEXT - the last running estimate: the log loses its tail now and then, so a
# run that ends before the last window is repeated. -nr: some builds crash on repacked weights.
perplexity() {
    for _ in 1 2 3 4 5; do
        "$WHIT_LLAMA/llama-perplexity" -m "$1" -f "$2" -c "$3" -b "$3" -t 1 -nr -ngl 0 -fa off \
            -ctk f32 -ctv f32 >"$scratch/log/ppl" 2>&1 || { echo failed && return; }
        windows=$(sed -n 's/.*calculating perplexity over \([0-9]*\) chunks.*/\1/p' "$scratch/log/ppl")
        said_last=$(tr ',' '\n' <"$scratch/log/ppl" | sed -n "s/^\\[${windows:-none}\\]//p")
        [ -z "$said_last" ] || break
    done
    echo "${said_last:-nothing}"
}
# near WHAT GOT WANTED SHARE - differs by no more than that share.
near() {
    echo "$1: $2, should be $3"
    check "$1: perplexity $2, should be $3" awk -v a="$2" -v b="$3" -v s="$4" \
        'BEGIN { exit !(a + 0 > 0 && a / b <= 1 + s && b / a <= 1 + s) }'
}
# same WHAT MODEL SCHEME FTYPE [OPTION-OF-WHIT..] - both quantizers agree; $matrix: importance, $pure.
same() {
    what=$1 source=$2 scheme=$3 ftype=$4
    shift 4
    # shellcheck disable=SC2086 # words
    "$WHIT_LLAMA/llama-quantize" ${pure:-} ${matrix:+--imatrix $matrix} "$source" theirs.gguf \
        "$ftype" 1 >"$scratch/log/quantize" 2>&1 || fail "$what: llama-quantize $ftype fails"
    # shellcheck disable=SC2086
    run 0 quantize "$from" -o ours.gguf -f -q --scheme "$scheme" --search reference \
        ${matrix:+--calibration $matrix} "$@"
    answer=$(models same theirs.gguf ours.gguf 2>&1)
    check "$what, $ftype${matrix:+, importance}: $answer" test $? -eq 0
}

models text text
matrix=
pure=

# Families, biases, norms, order of rows, rope scaling, tied and untied, rows without a token.
for kind in llama mistral qwen2 qwen2-untied qwen3; do
    models folder $kind $kind
    figure=$(models perplexity $kind text 128)
    for case in f32:0.0001 q8_0:0.02 q4_k_m:0.2; do
        scheme=${case%:*}
        run 0 quantize $kind -o $kind-$scheme.gguf -q --scheme $scheme
        near "$kind $scheme" "$(perplexity $kind-$scheme.gguf text 128)" "$figure" ${case#*:}
    done
    from=$kind
    same "$kind" $kind-f32.gguf q4_k_m Q4_K_M
    same "$kind" $kind-f32.gguf q3_k_l Q3_K_L
done
run 0 quantize qwen2 -o part.gguf -q --scheme q8_0 --shard-size 500KB
near 'qwen2 in parts' "$(perplexity part-00001-of-*.gguf text 128)" \
    "$(perplexity qwen2-q8_0.gguf text 128)" 0

# stories260K: figures of this tool for the GGUF files published with the model.
cp -R "$model" stories
chmod -R u+w stories
cp "$tests/data/stories260K-f32/model.safetensors" stories/
for case in f32:93.6468 q8_0:93.5894; do
    scheme=${case%:*}
    run 0 quantize stories -o stories.gguf -f -q --scheme $scheme --embeddings $scheme \
        --search reference
    near "stories260K $scheme" "$(perplexity stories.gguf text 128)" ${case#*:} 0.001
done
run 0 quantize stories -o stories.gguf -f -q --scheme q4_k_m
near 'stories260K q4_k_m' "$(perplexity stories.gguf text 128)" 93.6468 0.15

# Every mix and type, of a model with layers enough for all rules.
models layers layers.gguf
models imatrix layers.gguf layers.dat
models imatrix layers.gguf matrix.gguf
from=layers.gguf
for matrix in '' layers.dat matrix.gguf; do
    for mix in Q2_K:q2_k_m Q3_K_S:q3_k_s Q3_K_M:q3_k_m Q3_K_L:q3_k_l Q4_K_S:q4_k_s Q4_K_M:q4_k_m \
        Q5_K_S:q5_k_s Q5_K_M:q5_k_m ${matrix:+Q2_K_S:q2_k_s}; do
        same layers layers.gguf "${mix#*:}" "${mix%:*}"
    done
    pure=--pure
    for type in Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K_S:q3_k Q4_K_S:q4_k Q5_K_S:q5_k Q6_K IQ4_NL IQ4_XS \
        TQ1_0 TQ2_0 MXFP4_MOE:mxfp4 F16 BF16 F32; do
        scheme=$(echo "${type#*:}" | tr A-Z a-z)
        same layers layers.gguf "$scheme" "${type%:*}" --embeddings "$scheme" --head "$scheme"
    done
    pure=
done

# Figures published with the larger data, in this tool's protocol: those of stories260K in
# reference/perplexity.json; of docs-llama transformers 5.23 gives 44.2102 for its F16 weights.
data=${WHIT_LLAMA_DATA:-}
if [ -n "$data" ]; then
    run 0 quantize "$data/stories260K/hf-f32" -o big.gguf -q --scheme f32
    near 'stories260K f32, whole text' \
        "$(perplexity big.gguf "$data/text/tinystories-eval.txt" 512)" 4.627097 0.00002
    run 0 quantize "$data/docs-llama" -o big.gguf -f -q --scheme f16 --embeddings f16 --head f16
    near 'docs-llama f16' "$(perplexity big.gguf "$data/text/docs-eval.txt" 512)" 44.2102 0.00002
    run 0 quantize "$data/docs-llama" -o big.gguf -f -q --scheme q4_k_m
    near 'docs-llama q4_k_m' "$(perplexity big.gguf "$data/text/docs-eval.txt" 512)" 44.2102 0.01
else
    skip 'WHIT_LLAMA_DATA names no folder with docs-llama, stories260K and text'
fi

# An importance matrix that llama-imatrix measured.
from=qwen2
for form in gguf dat; do
    "$WHIT_LLAMA/llama-imatrix" -m qwen2-f32.gguf -f text -c 128 -b 128 -t 1 -nr -ngl 0 \
        -o measured.$form --output-format $form >"$scratch/log/imatrix" 2>&1
    check "llama-imatrix writes no .$form" test -s measured.$form
    matrix=measured.$form
    same measured qwen2-f32.gguf q4_k_m Q4_K_M
    pure=--pure
    same measured qwen2-f32.gguf q4_0 Q4_0 --embeddings q4_0
    pure=
done

finish
