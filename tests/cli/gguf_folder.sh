# tests/cli/gguf_folder.sh - GGUF files from model folders: names, order of rows, the output matrix,
# metadata, and what is refused. From GGUF files: gguf_out.sh.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

cp -R "$model" m
chmod -R u+w m
cp "$tests/data/stories260K-f32/model.safetensors" m/
plain=m/model.safetensors

is() { check "$1: '$2', not '$3'" test "$2" = "$3"; }
names_of() { # with types, in the order of the file
    "$whit" inspect "$1" -q --json | tr '{' '\n' |
        sed -n 's/^"name":"\([^"]*\)","dtype":"\([^"]*\)".*/\1 \2/p'
}
data_sum() {
    "$whit" inspect "$1" -q --json | tr '{' '\n' | sed -n 's/^"name".*"offset":\([0-9]*\),.*/\1/p' |
        sort -n | {
            read -r first
            tail -c +$((first + 1)) "$1" | cksum
        }
}
# config KEY VALUE - the folder's configuration with another value; without one: as it was.
config() {
    cp "$model/config.json" m/
    [ $# -eq 0 ] || sed "s/\"$1\": .*[^,]\(,*\)\$/\"$1\": $2\1/" "$model/config.json" >m/config.json
}

# second NAME ROWS - the folder gets another tensor, in a second shard.
second() {
    size=$(($2 * 128))
    header="{\"$1\":{\"dtype\":\"F16\",\"shape\":[$2,64],\"data_offsets\":[0,$size]}}"
    {
        printf "\\$(printf %03o ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header"
        tail -c "$size" "$model/model.safetensors"
    } >m/model-2.safetensors
    mv $plain m/model-1.safetensors
    {
        printf '{"weight_map":{"%s":"model-2.safetensors"' "$1"
        "$whit" inspect m/model-1.safetensors -q --json | tr '{' '\n' |
            sed -n 's/^"name":"\([^"]*\)","dtype".*/,"\1":"model-1.safetensors"/p'
        printf '}}\n'
    } >m/model.safetensors.index.json
}
only_one() {
    rm m/model-2.safetensors m/model.safetensors.index.json
    mv m/model-1.safetensors $plain
}

# The published GGUF files of the model, from its folder and from the F32 GGUF file. Rows of q and k
# have another order there.
lines=0
run 0 quantize m -o f32.gguf --scheme f32 -q
while read -r sum size arguments; do
    lines=$((lines + 1))
    # shellcheck disable=SC2086 # a list of words
    run 0 quantize m -o folder.gguf -f -q --search reference $arguments
    is "$arguments" "$(data_sum folder.gguf)" "$sum $size"
    # shellcheck disable=SC2086
    run 0 quantize f32.gguf -o gguf.gguf -f -q --search reference $arguments
    is "$arguments, from GGUF" "$(data_sum gguf.gguf)" "$sum $size"
done <"$tests/golden/gguf/stories260K.txt"
is 'cases in stories260K.txt' $lines 5
rm gguf.gguf folder.gguf

# Metadata: every key with its type is tests/interop/gguf_write.py's.
run 0 inspect f32.gguf --check
out_line ' general.architecture = llama' ' llama.attention.head_count_kv = 4' \
    ' llama.rope.dimension_count = 8' ' llama.vocab_size = 512' ' general.file_type = 0' \
    ' tokenizer.ggml.model = llama' ' tokenizer.ggml.pre = default' \
    ' tokenizer.ggml.scores = [512 f32]' ' tokenizer.ggml.bos_token_id = 1' 'check ok'
is 'order' "$(names_of f32.gguf | sed -n '1,2p; 11p; 46,47p' | tr '\n' ' ')" \
    'token_embd.weight F32 blk.0.attn_norm.weight F32 blk.1.attn_norm.weight F32 blk.4.ffn_down.weight F32 output_norm.weight F32 '
rm f32.gguf

# What GGUF cannot say is a warning of who writes it, not of who runs the model.
cp -R m dynamic
sed 's/"rope_scaling": null/"rope_scaling":{"type":"dynamic","factor":2}/' m/config.json \
    >dynamic/config.json
run 0 plan dynamic -o dynamic.gguf
err_has 'dynamic: rope scaling dynamic: ' 'which GGUF cannot say'
run 0 generate dynamic --prompt Once --tokens 2
check 'a word of GGUF' test "$(grep -c GGUF "$err")" -eq 0
run 0 inspect dynamic/config.json
check 'a word of GGUF' test "$(grep -c GGUF "$out")" -eq 0
rm -r dynamic

# Tied, the embeddings are the output: of the type of that, and there is no other. A copy of them
# that the folder has is left out, and said to be.
tied=$(run 0 quantize m -o tied.gguf -q --scheme q4_k_m && names_of tied.gguf | head -1)
is 'tied' "$tied" 'token_embd.weight Q8_0'
second lm_head.weight 512
run 0 quantize m -o copy.gguf -v --scheme q4_k_m
out_line 'lm_head.weight 512x64 keep (F16) 0.000 is the matrix of the embeddings (tie_word_embeddings)'
check 'a copy of the embeddings changes the model' cmp -s tied.gguf copy.gguf
config tie_word_embeddings false
run 0 quantize m/model.safetensors.index.json -o untied.gguf -q --scheme q4_k_m
is 'untied' "$(names_of untied.gguf | grep '^token\|^output' | tr '\n' ' ')" \
    'token_embd.weight Q5_0 output_norm.weight F32 output.weight Q8_0 '
run 0 inspect untied.gguf --check
out_line 'check ok'
only_one
run 0 quantize m -o none.gguf --scheme q4_k_m # nothing else can be the output
err_has 'lm_head.weight: is missing, so the output is the matrix of the embeddings'
is 'no lm_head' "$(names_of none.gguf | head -1)" 'token_embd.weight Q8_0'
config
run 0 plan m -o x.gguf --scheme q8_0
check 'a word of the output' test "$(grep -c lm_head "$err")" -eq 0
run 0 plan m -o x.gguf --scheme q8_0 --rule '*norm*=f16'
err_has 'kept (1-dimensional)'
rm ./*.gguf

# What was quantized by whit: only on demand.
run 0 quantize m -o native -q --scheme int8-channel
refused 4 'is quantized already (int8-channel)' quantize native -o no.gguf
run 0 quantize native -o again.gguf --requantize --scheme f16 --embeddings f16
run 0 dequantize native -o back.safetensors -q
mv m/model.safetensors kept
cp back.safetensors $plain
run 0 quantize m -o back.gguf -q --scheme f16 --embeddings f16
is 'from codes' "$(data_sum again.gguf)" "$(data_sum back.gguf)"
mv kept $plain
rm -r native again.gguf back.safetensors back.gguf

# Hostile configurations.
for file in "$tests"/data/malformed/json/config-*.json; do
    cp "$file" m/config.json
    refused 4 'm/config.json: ' quantize m -o no.gguf
done
config

# Nothing but a folder of a known kind; each thing that is wrong is named.
refused 4 'a GGUF file is made from a model folder or another GGUF file; try: the folder' \
    quantize $plain -o no.gguf
printf '{"architectures":["GemmaForCausalLM"],"hidden_size":64}' >m/config.json
refused 4 'm/config.json: architecture GemmaForCausalLM is not known; known are LlamaForCausalLM' \
    quantize m -o no.gguf
rm m/config.json
refused 4 'm: config.json: is missing' quantize m -o no.gguf
config
rm m/tokenizer.json
refused 4 'm: has neither a tokenizer.json nor a tokenizer.model' quantize m -o no.gguf
sed 's/"<unk>": 0,/"<unk>": 0, "one more": 512,/' "$model/tokenizer.json" >m/tokenizer.json
refused 4 '513 tokens' quantize m -o no.gguf
cp "$model/tokenizer.json" m/
config num_hidden_layers 6
refused 4 'model.layers.5.input_layernorm.weight: is missing' quantize m -o no.gguf
config num_hidden_layers 4
refused 4 'model.layers.4.input_layernorm.weight: config.json says that the model has fewer layers' \
    quantize m -o no.gguf
config hidden_size 128
refused 4 'has another shape than its configuration says' quantize m -o no.gguf
config attention_bias true
refused 4 'model.layers.0.self_attn.q_proj.bias: is missing' quantize m -o no.gguf
config
second model.layers.0.mlp.router.weight 4
refused 4 'model.layers.0.mlp.router.weight: no tensor of this architecture has that name' \
    quantize m -o no.gguf
only_one
config tie_word_embeddings false
second lm_head.weight 500
refused 4 'lm_head.weight: has 500 rows, and embed_tokens.weight 512' quantize m -o no.gguf
only_one
config
refused 2 "scheme 'int4-g32' is no type of GGUF; try: q4_0" quantize m -o no.gguf --scheme int4-g32
refused 2 "scheme 'nf4-g64' is no type of GGUF; try: iq4_nl" \
    quantize m -o no.gguf --scheme q8_0 --rule '*=nf4'
refused 2 'the encoders of GGUF types have no --clip' quantize m -o no.gguf --clip mse
refused 2 'fake quantization writes safetensors, not GGUF' quantize m -o no.gguf --fake-quant
refused 2 "scheme 'q4_k_m' is a mix of GGUF types, and the output is no GGUF file; try: -o NAME.gguf" \
    quantize m -o no --scheme q4_k_m
refused 2 'types, and the output is no GGUF file' plan m -o no.safetensors --search reference
refused 2 '--search is about GGUF types' plan m -o no.safetensors --search best
refused 1 'x: No such file' plan m -o no --calibration x
refused 2 'no.bin: a GGUF file ends in .gguf' quantize m -o no.bin --format gguf
refused 2 'no.gguf: a native model is a folder' quantize m -o no.gguf --format native

only m
finish
