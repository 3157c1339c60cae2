#!/bin/sh
# README's table of schemes is what the library measures now.
set -u
root=$1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
"$SQNR_TABLE" "$root/tests/data/stories260K" >"$tmp/now" || exit 1
awk '/<!-- sqnr begin -->/ { on = 1; next } /<!-- sqnr end -->/ { on = 0 } on' "$root/README.md" \
    >"$tmp/readme"
if ! cmp -s "$tmp/now" "$tmp/readme"; then
    echo "README's table differs from what is measured:"
    diff "$tmp/readme" "$tmp/now"
    exit 1
fi
