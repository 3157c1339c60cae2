# tests/cli/plan.sh - --dry-run writes nothing and knows the exact size; --strict stops before
# writing.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

for scheme in int4-g128 int8 int3-g32-asym nf4 f32 keep; do
    run 0 quantize "$model" --scheme $scheme --dry-run
    empty "$err"
    out_has 'total'
    run 0 quantize "$model" -o $scheme.safetensors --scheme $scheme --dry-run -v
    promised=$(sed -n 's/.* \([0-9][0-9]*\) bytes of output$/\1/p' "$err")
    only
    run 0 quantize "$model" -o $scheme.safetensors --scheme $scheme -q
    empty "$out"
    empty "$err"
    checks=$((checks + 1))
    [ "$promised" = "$(size_of $scheme.safetensors)" ] ||
        fail "$scheme: the plan says $promised bytes, the file has $(size_of $scheme.safetensors)"
    only $scheme.safetensors
    rm $scheme.safetensors
done
run 0 quantize "$model" --scheme int4-g128 --dry-run --embeddings int8 -v
out_has 'int8-channel' 'int4-g128' 'model.embed_tokens'

# A rule that matches nothing: a warning, or the end under --strict.
run 0 quantize "$model" --dry-run --rule '*nothing*=int8'
err_has 'whit: warning: ' '*nothing*'
run 0 quantize "$model" --dry-run --rule '*nothing*=int8' --quiet
empty "$err"
empty "$out"
refused 3 '*nothing*' quantize "$model" -o s --rule '*nothing*=int8' --strict
run 0 quantize "$model" -o s --rule '*.o_proj=int8' --strict -q

# So with a scheme for a head or embeddings that are not there: the head of this model is tied.
run 0 quantize "$model" --dry-run --head int8
err_has 'whit: warning: --head: no tensor is an output head'
refused 3 '--head: no tensor is an output head' quantize "$model" -o t --head int8 --strict
run 0 quantize "$model" --dry-run --embeddings int8 --rule '*embed*=keep' --strict
empty "$err"
zeros head.safetensors 4
run 0 quantize head.safetensors --dry-run --embeddings int8
err_has 'whit: warning: --embeddings: no tensor is an embedding'
refused 3 '--embeddings: no tensor' quantize head.safetensors -o t --embeddings int8 --strict
rm head.safetensors
only s
finish
