#!/bin/sh
# The archive defines only names with our prefixes, and no writable global data but one atomic: what
# the CPU said it has (src/base/cpu.c).
set -u
${NM:-nm} -g "$LIBWHIT" >/dev/null 2>&1 || { echo "skipped: no nm"; exit 77; }
symbols=$(${NM:-nm} -g "$LIBWHIT" 2>/dev/null | awk 'NF == 3 && $2 ~ /[A-TV-Z]/ { print $2, $3 }')
[ -n "$symbols" ] || { echo "no symbols found in $LIBWHIT"; exit 1; }
foreign=$(echo "$symbols" | awk '$2 !~ /^_?(whit_|wh_)/ && $2 !~ /^_?_(_)?(asan|odr_asan|ubsan|gcov|llvm)/ { print $2 }')
[ -z "$foreign" ] || { echo "names without our prefix:" $foreign; exit 1; }
# b, B and C are zeroed data that may be written; .data, where there is an objdump to tell it from
# constants with addresses, what begins with a value. With sanitizers they add their own.
if [ -z "${SANITIZE:-}" ]; then
    state=$(${NM:-nm} "$LIBWHIT" 2>/dev/null | awk 'NF == 3 && $2 ~ /^[bBC]$/ && $3 !~ /^_?known_features$/ { print $3 }')
    state="$state$(${OBJDUMP:-objdump} -h "$LIBWHIT" 2>/dev/null |
        awk '/file format/ { file = $1 } $2 ~ /^\.t?data$/ && $3 !~ /^0+$/ { print file $2 }')"
    [ -z "$state" ] || { echo "global state:" $state; exit 1; }
fi
echo "$(echo "$symbols" | wc -l) symbols"
