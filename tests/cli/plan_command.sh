# tests/cli/plan_command.sh - whit plan: the dry run of quantize as a command, and why a tensor gets
# what it gets.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

timeless() { grep -v '^time  *about [0-9.]* s$' "$1"; }

# The same plan as a dry run's, byte for byte but for the one number that is measured.
for options in '' '--scheme int8' '--embeddings int8 --rule *.q_proj=nf4 -v' '-o out.safetensors' \
    '--shard-size 100kB'; do
    set -f
    # shellcheck disable=SC2086 # lists of words
    run 0 plan "$model" $options
    timeless "$out" >"$scratch/log/plan"
    checks=$((checks + 1))
    grep -q '^time  *about [0-9.]* s$' "$out" || fail 'no time in the plan'
    # shellcheck disable=SC2086
    run 0 quantize "$model" --dry-run $options
    timeless "$out" >"$scratch/log/dry"
    check "plan and dry run differ: $options" cmp -s "$scratch/log/plan" "$scratch/log/dry"
    # shellcheck disable=SC2086
    run 0 plan "$model" --json $options
    cp "$out" "$scratch/log/plan"
    # shellcheck disable=SC2086
    run 0 quantize "$model" --json --dry-run $options
    check "their JSON differs: $options" cmp -s "$scratch/log/plan" "$out"
    out_has '"dry_run":true' '"estimated_seconds":null' '"memory_bytes":'
    set +f
done
run 0 plan "$model" -q
empty "$out"
run 0 plan "$model" --json=plan.json
out_has 'about '
check 'no figure beside the table' grep -q '"estimated_seconds":[0-9]' plan.json
rm plan.json
only

# Explanations: everyone who has a say, in order; the last one decides.
echo '*.mlp.* int8' >r.txt
echo '*.0.mlp.up_proj keep' >>r.txt
explain() { run 0 plan "$model" --recipe r.txt --rule '*.1.*=int3' --embeddings int5 --explain "$@"; }
explain model.layers.0.mlp.up_proj
out_line 'tensor model.layers.0.mlp.up_proj.weight' 'default int4-g128 ' \
    'recipe int8-channel *.mlp.*, r.txt:1' 'recipe keep *.0.mlp.up_proj, r.txt:2 <- decides'
out_has 'result     keep (rule), '
check 'not in order' test "$(cut -d' ' -f1 "$out" | tr '\n' ' ')" = \
    'tensor matrix default recipe recipe result '
explain model.layers.1.mlp.up_proj.weight
out_line 'recipe int8-channel *.mlp.*, r.txt:1' 'rule int3-g128 *.1.* <- decides'
out_has 'result     int3-g128, '
explain model.embed_tokens
out_line 'built-in keep (embedding)' 'embeddings int5-g128 <- decides'
explain model.norm
out_line 'built-in keep (1-dimensional) <- decides'
run 0 plan "$model" --rule '*norm=int8' --explain model.norm -q
empty "$out"
run 0 plan "$model" --rule '*norm=int8' --explain model.norm
out_line 'rule int8-channel *norm <- decides'
out_has 'result     keep (1-dimensional), '
explain model.layers.1.mlp.up_proj --json
out_has '"command":"plan"' '"explain":{"name":"model.layers.1.mlp.up_proj.weight"' \
    '{"by":"default","scheme":"int4-g128","glob":null,"file":null,"line":null,"decides":false}' \
    '{"by":"recipe","scheme":"int8-channel","glob":"*.mlp.*","file":"r.txt","line":1,"decides":false}' \
    '{"by":"rule","scheme":"int3-g128","glob":"*.1.*","file":null,"line":null,"decides":true}' \
    '"scheme":"int3-g128","kept":false,"reason":null,"rule":"*.1.*"'
refused 2 "no tensor 'model.nothing'" plan "$model" --explain model.nothing
refused 2 '--explain has no meaning here' quantize "$model" -o x --explain model.norm

# What would stop the job shows here, as far as the trial comes upon it; what stops the plan does so
# with the same exit code.
run 0 plan "$odd" --scheme int8 --rule '*=int8'
refused 3 "matches no tensor" plan "$model" --rule 'x*=int8' --strict
refused 1 'try: --max-memory' plan "$model" --max-memory 1MiB
refused 2 'int9' plan "$model" --scheme int9
refused 2 '--dry-run has no meaning here' plan "$model" --dry-run
refused 1 'nothing' plan nothing

# Several inputs, with and without a folder to name them after.
run 0 plan "$model" "$model/model.safetensors" -o dir/
out_has "$model -> dir/stories260K" "$model/model.safetensors -> dir/model.safetensors"
run 0 plan "$model" "$model" --json
check 'not one object a line' test "$(grep -c '^{"schema":1,.*}$' "$out")" -eq 2
check 'more than two lines' test "$(wc -l <"$out")" -eq 2
only r.txt
finish
