# tests/cli/checkpoints.sh - checkpoints of other programs: what is written whatever the threads,
# what is left alone, and what is refused before anything is written. That the tensors decode to the
# right values is tests/interop/checkpoints.py's.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

to() { # FORMAT SCHEME OUT, more options
    to_format=$1 to_scheme=$2 to_out=$3
    shift 3
    run 0 quantize "$model" -o "$to_out" --format "$to_format" --scheme "$to_scheme" "$@"
}

# The same files at any number of threads; whole folders.
for case in 'compressed-tensors int4-g4' 'compressed-tensors int8-channel-a8' \
    'compressed-tensors fp8_e4m3' 'gptq int8-channel' 'gptq int8-g4-asym' 'bitsandbytes nf4' \
    'bitsandbytes int8'; do
    set -- $case
    to $1 $2 one -q -T 1
    to $1 $2 many -q -T 3
    check "$case: threads show" diff -r one many
    for file in config.json tokenizer.json tokenizer_config.json; do
        check "$case: no $file" test -s one/$file
    done
    check "$case: config.json" grep -q "\"quant_method\":\"$1\"" one/config.json
    rm -r one many
done
to gptq int8-channel out -q
check 'no quantize_config.json' grep -q '"bits":8,"group_size":-1,"desc_act":false,"sym":true' \
    out/quantize_config.json
rm -r out

# Words of Python's json module in config.json stay as they are.
cp -r "$model" python
chmod -R u+w python
sed '1s/{/{"time_step_limit": [0.0, Infinity], "x": NaN,/' "$model/config.json" >python/config.json
run 0 quantize python -o out --format compressed-tensors --scheme int4-g4 -q
check 'words of Python' grep -q '"time_step_limit": \[0.0, Infinity\], "x": NaN,' out/config.json
run 0 inspect out -q
rm -r out python

# What JSON calls the output is the word that asks for it.
for case in 'native int8' 'gptq int8' 'awq int4-g4' 'compressed-tensors int8' 'bitsandbytes int8'; do
    set -- $case
    run 0 quantize "$model" -o out --format $1 --scheme $2 --dry-run --json
    out_has "\"format\":\"$1\",\"tensors\":"
done
run 0 quantize "$model" -o out --scheme int8 --fake-quant --dry-run --json
out_has '"format":"safetensors","tensors":'

# Shards and index as they are asked for.
to compressed-tensors int4-g4 parts -q --shard-size 100KB
check 'no index' grep -q 'layers.0.mlp.down_proj.weight_packed' parts/model.safetensors.index.json
rm -r parts

# What does not fit is kept and named, where the format has a word for it.
to compressed-tensors int4-g32 out
err_has 'model.layers.0.mlp.down_proj.weight and 4 more: kept (its shape does not fit the format)'
check 'not in the list' grep -q '"ignore":\["lm_head","model.layers.0.mlp.down_proj",' out/config.json
rm -r out
refused 3 'its shape does not fit' quantize "$model" -o out --format compressed-tensors \
    --scheme int4-g32 --strict
refused 2 'loaders of gptq expect every linear' quantize "$model" -o out --format gptq --scheme int4-g32
to compressed-tensors int4-g4 out --head int8 --rule '*embed*=int8'
err_has 'embed_tokens.weight: kept (embeddings stay as they are'
rm -r out

# One scheme where there is room for one, alike where layers are fused.
refused 2 'this format has one scheme for all' quantize "$model" -o out --format bitsandbytes \
    --scheme nf4 --rule '*o_proj=fp4bnb'
refused 2 'loaders make one layer of both' quantize "$model" -o out --format compressed-tensors \
    --scheme int4-g4 --rule '*q_proj=int8'
refused 2 'loaders make one layer of both' quantize "$model" -o out --format compressed-tensors \
    --scheme int4-g4 --rule '*up_proj=keep'
to compressed-tensors int4-g4 out -q --rule '*{q,k,v}_proj=int8-channel'
check 'two groups' grep -q '"group_1":{"targets":\["model' out/config.json
rm -r out

# Schemes that a format cannot hold: the rule, and the nearest that it can.
refused 2 'try: int8' quantize "$model" -o out --format bitsandbytes --scheme int8-g32
refused 2 'try: int4' quantize "$model" -o out --format awq --scheme nf4
refused 2 'try: ' quantize "$model" -o out --format gptq --scheme int5-g4
refused 2 'try: ' quantize "$model" -o out --format compressed-tensors --scheme int8-channel-asym-a8
refused 2 'activations' quantize "$model" -o out --format gptq --scheme int8-a8
refused 2 'a checkpoint of this format is a folder' quantize "$model" -o out.safetensors --format awq
refused 2 'no linear layer is quantized' quantize "$model" -o out --format gptq --scheme keep
refused 2 'fake quantization' quantize "$model" -o out --format gptq --scheme int8 --fake-quant
refused 4 'made from a model folder' quantize "$model/model.safetensors" -o out --format gptq \
    --scheme int8
refused 2 'gptq-version' quantize "$model" -o out --format awq --scheme int4-g4 --gptq-version 2

# A configuration that is no object.
cp -r "$model" broken
chmod -R u+w broken
echo '[1]' >broken/config.json
refused 4 'not a JSON object' quantize broken -o out --format gptq --scheme int8
only broken
finish
