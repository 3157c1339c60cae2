#!/bin/sh
# README's script for batches runs as it stands, on a folder and a file, and its bar holds.
set -u
root=$1
build=$2
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
awk '/^## / { here = /^## Batches/ } here && /^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' \
    "$root/README.md" >"$tmp/script"
grep -q 'whit quantize' "$tmp/script" || { echo "README has no script"; exit 1; }
[ -x "$build/whit" ] || { echo "skip: no whit in $build"; exit 77; }
PATH=$build:$PATH
export PATH
mkdir "$tmp/work" "$tmp/work/models" && cd "$tmp/work" || exit 1
cp -R "$root/tests/data/stories260K" models/a
cp "$root/tests/data/stories260K/model.safetensors" models/b.safetensors

sh "$tmp/script" || { echo "the script failed"; exit 1; }
[ "$(grep -c '"command":"quantize"' report.jsonl)" -eq 2 ] || { cat report.jsonl; exit 1; }
cmp out/a/model.safetensors out/b.safetensors || exit 1

# It stops before anything is written where a line matches nothing.
sed 's/^\*\.down_proj int8$/*.no_such int8/' "$tmp/script" >"$tmp/bad"
rm -r out
sh "$tmp/bad" 2>"$tmp/said" && { echo "a line without a match went through"; exit 1; }
[ ! -e out ] && grep -q 'recipe.txt:2: .* matches no tensor' "$tmp/said"
