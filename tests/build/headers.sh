#!/bin/sh
# Each public header compiles alone, as C11 and as C++17.
set -u
root=$1
bad=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
strict="-Wall -Wextra -Werror -pedantic -fsyntax-only -I$root/include"
for header in "$root"/include/whit/*.h; do
    name=whit/${header##*/}
    printf '#include <%s>\nint main(void) { return 0; }\n' "$name" >"$tmp/alone.c"
    ${CC:-cc} -std=c11 $strict "$tmp/alone.c" || { echo "$name: not C11"; bad=1; }
done
cxx=
for candidate in "${CXX:-}" c++ g++ clang++; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 && { cxx=$candidate; break; }
done
if [ -z "$cxx" ]; then
    echo "no C++ compiler: the C++17 half is skipped"
    [ $bad = 0 ] && exit 77
    exit 1
fi
for header in "$root"/include/whit/*.h; do
    name=whit/${header##*/}
    printf '#include <%s>\nint main() { return 0; }\n' "$name" >"$tmp/alone.cc"
    $cxx -std=c++17 $strict "$tmp/alone.cc" || { echo "$name: not C++17"; bad=1; }
done
exit $bad
