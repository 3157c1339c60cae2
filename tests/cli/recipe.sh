# tests/cli/recipe.sh - --recipe: how its lines rank, what is refused, and that the recipe which an
# output carries makes the same output again.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# carried FILE - the metadata value whit.recipe of a safetensors file, as a file would hold it.
carried() {
    LC_ALL=C sed -n '1s/.*"whit\.recipe":"\(\([^"\\]\|\\.\)*\)".*/\1/p' "$1" | head -1 |
        awk '{ gsub(/\\n|\\u000a/, "\n"); printf "%s", $0 }'
}

# scheme_is TENSOR SCHEME - in the plan that is in $out.
scheme_is() {
    checks=$((checks + 1))
    tr -s ' ' <"$out" | grep -q "^$1 [^ ]* $2" || fail "$1 is not $2: $(grep "^$1" "$out")"
}

cat >mixed.txt <<'T'
# everything in int4, but
* int4-g32

model.layers.{0,4}.*proj   int8     # the ends
T
refused 2 'mixed.txt:4: a comment needs a line of its own' quantize "$model" -o x --recipe mixed.txt
cat >mixed.txt <<'T'
# everything in int4, but
* int4-g32

model.layers.{0,4}.*proj   int8
*.down_proj                INT6-G64
T
run 0 plan "$model" --recipe mixed.txt -v
scheme_is model.layers.0.self_attn.q_proj.weight int8-channel
scheme_is model.layers.1.self_attn.q_proj.weight int4-g32
scheme_is model.layers.4.mlp.down_proj.weight int6-g64
scheme_is model.embed_tokens.weight keep
run 0 plan "$model" --recipe mixed.txt --scheme nf4 --head int8 --embeddings int5 \
    --rule '*.q_proj=int2-g32' -v
scheme_is model.layers.0.self_attn.q_proj.weight int2-g32
scheme_is model.layers.0.self_attn.k_proj.weight int8-channel
scheme_is model.layers.1.self_attn.k_proj.weight nf4-g64
scheme_is model.embed_tokens.weight int5-g128

# What an output carries makes it again: alone, with the options that made it, in another order.
options="--scheme nf4 --embeddings int8 --rule *.q_proj=int5 --rule *.0.*q_proj=keep --rule *.q_proj=int6-asym"
set -f
for how in "$options" "--recipe mixed.txt" "--recipe mixed.txt $options" "--scheme keep" \
    "--embeddings f32 --head int8 --rule *norm*=f32"; do
    # shellcheck disable=SC2086 # lists of words
    run 0 quantize "$model" -o a.safetensors -fq $how
    carried a.safetensors >again.txt
    check "no recipe in the output of $how" test -s again.txt
    check "the recipe does not begin with the default: $(head -1 again.txt)" \
        grep -q '^\* [a-z0-9-]*$' again.txt
    # shellcheck disable=SC2086
    for again in "" "$how"; do
        case $again in *--recipe*) again=$(echo "$again" | sed 's/--recipe mixed.txt//') ;; esac
        run 0 quantize "$model" -o b.safetensors -fq --recipe again.txt $again
        check "another output from its recipe: $how, then $again" cmp -s a.safetensors b.safetensors
    done
done
set +f
rm a.safetensors b.safetensors again.txt

# Lines without a match, and lines that are there twice: a warning, or exit 3.
printf 'nothing.* int8\n*.q_proj int8\n*.q_proj int4\n' >odd.txt
run 0 plan "$model" --recipe odd.txt
err_has "warning: odd.txt:1: 'nothing.*' matches no tensor" \
    "warning: odd.txt:3: '*.q_proj' is on line 2 too"
run 0 plan "$model" --recipe odd.txt -q
empty "$err"
refused 3 "odd.txt:1: 'nothing.*' matches no tensor" quantize "$model" -o x --recipe odd.txt --strict
printf '*.q_proj int8\n*.q_proj int4\n' >odd.txt
refused 3 "odd.txt:2: '*.q_proj' is on line 1 too" quantize "$model" -o x --recipe odd.txt --strict

# What is refused names file and line.
printf '* int4\n\n*.q_proj int9\n' >odd.txt
refused 2 "odd.txt:3: " quantize "$model" -o x --recipe odd.txt
err_has "int9" "try: "
printf '*.q_proj\n' >odd.txt
refused 2 'odd.txt:1: a glob without a scheme; try: GLOB SCHEME' plan "$model" --recipe odd.txt
printf 'a\033[2J int4\n' >odd.txt
refused 2 'odd.txt:1: a control character' plan "$model" --recipe odd.txt
awk 'BEGIN { for (i = 0; i <= 100000; i++) print "# " i }' >odd.txt
refused 2 'odd.txt: a recipe has at most 100000 lines' plan "$model" --recipe odd.txt
awk 'BEGIN { for (i = 0; i < 20000; i++) print "# a comment that fills a line of this many bytes" }' \
    >odd.txt
run 0 plan "$model" --recipe odd.txt -q
awk 'BEGIN { for (i = 0; i < 40000; i++) print "# a comment that fills a line of this many bytes" }' \
    >odd.txt
refused 2 'odd.txt: ' plan "$model" --recipe odd.txt
refused 1 'none.txt: ' plan "$model" --recipe none.txt
refused 4 'whit: ' plan "$model" --recipe .
refused 2 '--recipe needs a value' plan "$model" --recipe
only mixed.txt odd.txt
finish
