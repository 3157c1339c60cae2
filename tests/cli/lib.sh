# tests/cli/lib.sh - what the tests of the command line share. Not a test itself.
#
# A test is `sh tests/cli/NAME.sh WHIT_BINARY TESTS_DIR`; it sources this file first and ends with
# `finish`. It works in an empty folder that is removed at the end. Exit 0 passed, 1 failed, 77
# skipped; a part that cannot be tested here says "skip: why".
# SPDX-License-Identifier: MIT

set -u
LC_ALL=C
export LC_ALL
unset WHIT_ISA NO_COLOR

absolute() { (cd "$(dirname "$1")" && printf '%s/%s\n' "$(pwd -P)" "$(basename "$1")"); }

[ $# -eq 2 ] || { echo "usage: sh $0 WHIT_BINARY TESTS_DIR"; exit 1; }
whit=$(absolute "$1")
tests=$(absolute "$2")
model=$tests/data/stories260K
odd=$tests/data/malformed/safetensors/odd-values.safetensors

scratch=$(mktemp -d "${TMPDIR:-/tmp}/whit-cli.XXXXXX") || exit 1
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$scratch/log" "$scratch/work"
out=$scratch/log/out
err=$scratch/log/err
cd "$scratch/work" || exit 1

checks=0
failures=0
said=

fail() {
    failures=$((failures + 1))
    echo "FAIL: $*"
    [ -z "$said" ] || echo "      after: whit $said"
}

skip() { echo "skip: $*"; }
skip_all() { skip "$@"; exit 77; }

# excerpt OCTETS - the first ones of the stories, which come four times in a row; with WHIT_SHORTER=N
# one N-th of them: under valgrind a method learns for minutes from what takes a second otherwise.
stories=$tests/data/eval/stories.txt
excerpt() {
    cat "$stories" "$stories" "$stories" "$stories" | head -c $(($1 / ${WHIT_SHORTER:-1}))
}

# run EXIT ARGUMENT.. - runs whit; what it says is in $out and $err.
run() {
    want=$1
    shift
    said=$*
    "$whit" "$@" >"$out" 2>"$err" </dev/null
    got=$?
    checks=$((checks + 1))
    [ "$got" -eq "$want" ] || {
        fail "exit $got, not $want"
        sed 's/^/      stderr: /' "$err"
    }
}

# out_has TEXT.., err_has TEXT.. - each text is somewhere in the stream.
has() {
    file=$1
    shift
    for text; do
        checks=$((checks + 1))
        grep -qF -e "$text" "$file" || {
            fail "'$text' is not in $(basename "$file"), which holds:"
            head -5 "$file"
        }
    done
}
out_has() { has "$out" "$@"; }
err_has() { has "$err" "$@"; }

# out_line TEXT.. - each text is a line of $out, whatever the width of the gaps.
out_line() {
    for text; do
        checks=$((checks + 1))
        tr -s ' ' <"$out" | grep -qxF -e "$text" || {
            fail "no line '$text', but"
            head -5 "$out"
        }
    done
}

empty() {
    checks=$((checks + 1))
    [ ! -s "$1" ] || {
        fail "$(basename "$1") is not empty:"
        head -5 "$1"
    }
}

# refused EXIT TEXT ARGUMENT.. - the run fails with nothing on stdout and one line on stderr, which
# begins with "whit: " and holds the text.
refused() {
    code=$1
    line=$2
    shift 2
    run "$code" "$@"
    empty "$out"
    err_has "$line"
    checks=$((checks + 1))
    [ "$(wc -l <"$err")" -eq 1 ] && grep -q '^whit: ' "$err" || {
        fail "stderr is not one line that begins with 'whit: '"
        cat "$err"
    }
}

# check WHAT COMMAND.. - the command succeeds.
check() {
    what=$1
    shift
    checks=$((checks + 1))
    "$@" || fail "$what"
}

size_of() { wc -c <"$1" | tr -d ' '; }

# only NAME.. - the working folder holds these and nothing else, hidden files included.
only() {
    checks=$((checks + 1))
    there=$(ls -A | sort | tr '\n' ' ')
    expected=$([ $# -eq 0 ] || printf '%s\n' "$@" | sort | tr '\n' ' ')
    [ "$there" = "$expected" ] || fail "the folder holds '$there', not '$expected'"
}

# zeros FILE ROWS - a safetensors file with one F16 tensor w of [ROWS, 4096], all holes.
zeros() {
    bytes=$(($2 * 8192))
    header="{\"w\":{\"dtype\":\"F16\",\"shape\":[$2,4096],\"data_offsets\":[0,$bytes]}}"
    printf "\\$(printf %03o ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header" >"$1"
    dd if=/dev/null of="$1" bs=1 seek=$((8 + ${#header} + bytes)) 2>/dev/null
}

# find_unignored - commands that a shell starts with & ignore SIGINT, and whit respects that;
# $unignored before a command undoes it, and is empty where nothing does.
find_unignored() {
    unignored=
    if env --default-signal=INT true 2>/dev/null; then
        unignored='env --default-signal=INT'
    elif command -v python3 >/dev/null; then
        cat >"$scratch/log/unignored.py" <<'P'
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
P
        unignored="python3 $scratch/log/unignored.py"
    fi
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$failures" -eq 0 ] && [ "$checks" -gt 0 ]
    exit
}
