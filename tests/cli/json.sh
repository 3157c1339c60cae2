# tests/cli/json.sh - --json: stdout holds one object with the documented keys, nothing else;
# --json=FILE: the table as ever, the object in FILE, which appears whole or not at all.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

python=$(command -v python3 || :)
[ -n "$python" ] && "$python" -c 'import json' 2>/dev/null || {
    python=
    skip 'no python3: keys are searched, the JSON is not parsed'
}

# keys FILE PATH.. - the object has a value at each path; the first part of "tensors.name" is a list.
keys() {
    file=$1
    shift
    checks=$((checks + 1))
    if [ -n "$python" ]; then
        "$python" - "$file" "$@" <<'P' || fail "JSON of $file"
import json, sys

def refuse(text):
    raise ValueError("not JSON: " + text)

with open(sys.argv[1]) as f:
    top = json.load(f, parse_constant=refuse)
bad = []
for path in sys.argv[2:]:
    at = top
    for key in path.split("."):
        if isinstance(at, list):
            if not at:
                bad.append(path + " (empty list)")
                break
            at = at[0]
        if key not in at:
            bad.append(path)
            break
        at = at[key]
if top.get("schema") != 1:
    bad.append("schema is not 1")
if bad:
    sys.exit("missing: " + ", ".join(bad))
P
    else
        for path; do
            grep -q "\"${path##*.}\"" "$file" || fail "$path is not in $file"
        done
    fi
}

row='tensors.name tensors.shape tensors.dtype tensors.scheme tensors.kept tensors.reason
    tensors.bytes_in tensors.bytes_out tensors.bits_per_weight'
measured='tensors.mse tensors.sqnr_db tensors.max_abs_error'
totals='totals.weights totals.bytes_in totals.bytes_out totals.bits_per_weight totals.ratio'
# shellcheck disable=SC2086 # lists of words
quantize_keys() {
    keys "$1" schema command input output format $row $measured $totals warnings seconds \
        peak_rss_bytes isa threads
}

run 0 quantize "$model" -o a.safetensors --json
empty "$err"
quantize_keys "$out"

# shellcheck disable=SC2086
run 0 quantize "$model" --dry-run --json
# shellcheck disable=SC2086
keys "$out" schema command input $row $totals

run 0 inspect a.safetensors --json
keys "$out" schema format metadata tensors.name tensors.dtype tensors.shape tensors.scheme \
    tensors.bytes tensors.offset tensors.bits_per_weight
run 0 inspect a.safetensors --json --check
keys "$out" schema format check.ok check.problems

run 0 compare "$model" a.safetensors --json
keys "$out" schema tensors.name tensors.mse tensors.sqnr_db tensors.cosine tensors.max_abs_error \
    tensors.share total.mse total.sqnr_db passed
run 0 compare "$model" "$model" --json # exact: no "Infinity" may come out
keys "$out" schema tensors.sqnr_db
run 3 compare "$model" a.safetensors --json --min-sqnr 90
keys "$out" passed
out_has '"passed"' 'false'
err_has 'is below the bar'
run 0 compare "$model" a.safetensors --json --min-sqnr 1
checks=$((checks + 1))
grep -q '"passed" *: *true' "$out" || fail 'a bar that is met is not "passed": true'
only a.safetensors

# JSON in a file: the table stays.
run 0 quantize "$model" -o b.safetensors --json=b.json
out_has 'int4-g128'
quantize_keys b.json
run 0 inspect b.safetensors --json=i.json --quiet
empty "$out"
keys i.json schema tensors.name
only a.safetensors b.safetensors b.json i.json

# "-" is standard output, as it is elsewhere.
run 0 inspect a.safetensors --json=-
cp "$out" "$scratch/log/dash.json"
run 0 inspect a.safetensors --json
check 'other JSON with =-' cmp -s "$out" "$scratch/log/dash.json"
only a.safetensors b.safetensors b.json i.json

# An existing one needs --force; an input or the output is never taken.
refused 2 'b.json: exists; try: --force' quantize "$model" -o c.safetensors --json=b.json
refused 2 'exists' inspect a.safetensors --json=b.json
run 0 inspect a.safetensors --json=b.json --force -q
keys b.json metadata
refused 2 'is the input' inspect a.safetensors --json=a.safetensors --force
ln -s a.safetensors link
refused 2 'is the input' inspect a.safetensors --json=link --force
refused 2 'is the output' quantize "$model" -o c.safetensors --json=c.safetensors
refused 1 'no-folder/c.json' quantize "$model" -o c.safetensors --json=no-folder/c.json
check 'the input was changed' cmp -s a.safetensors b.safetensors
only a.safetensors b.safetensors b.json i.json link

# A job that fails leaves no JSON behind.
refused 2 'a.safetensors' quantize "$model" -o a.safetensors --json=fail.json
only a.safetensors b.safetensors b.json i.json link

# A pipe is written as it is.
mkfifo pipe
cat pipe >piped.json &
run 0 inspect a.safetensors --json=pipe -q
check 'the pipe is gone' test -p pipe
[ -p pipe ] || kill $!
wait $!
keys piped.json schema tensors.name

# Progress for machines: one object a line on stderr, the last with done == total.
run 0 quantize "$model" -o p.safetensors --progress json -q
empty "$out"
checks=$((checks + 1))
[ "$(grep -c '^{"tensor":"[^"]*","done":[0-9]*,"total":[0-9]*,"seconds":[0-9.]*}$' "$err")" -eq \
    "$(wc -l <"$err")" ] || fail 'a line of progress is no such object'
checks=$((checks + 1))
tail -1 "$err" | grep -q '"done":\([0-9]*\),"total":\1,' || fail 'progress does not reach its total'
finish
