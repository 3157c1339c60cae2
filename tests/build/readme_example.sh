#!/bin/sh
# README's library example compiles with warnings as errors, links and runs.
set -u
root=$1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$root/README.md" >"$tmp/example.c"
grep -q 'int main' "$tmp/example.c" || { echo "README has no example"; exit 1; }
flags="-std=c11 -Wall -Wextra -Werror -I$root/include"
[ -n "${SANITIZE:-}" ] && flags="$flags -fsanitize=$SANITIZE"
${CC:-cc} $flags "$tmp/example.c" "$LIBWHIT" -lm -lpthread -o "$tmp/example" || exit 1
cd "$root" || exit 1
"$tmp/example" tests/data/stories260K "$tmp/out.safetensors" >"$tmp/text" || { cat "$tmp/text"; exit 1; }
cat "$tmp/text"
grep -q 'dB' "$tmp/text" && [ -s "$tmp/out.safetensors" ]
