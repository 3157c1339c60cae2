# tests/cli/terminal.sh - on a terminal there is a bar, wiped at the end, and colour, unless
# NO_COLOR. Needs python3 for the terminal.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null && python3 -c 'import pty' 2>/dev/null || skip_all 'no python3 with pty'
cat >"$scratch/log/terminal.py" <<'P'
import os, pty, sys

pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while True:
    try:
        part = os.read(fd, 65536)
    except OSError:
        part = b""
    if not part:
        break
    seen += part
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if hasattr(os, "waitstatus_to_exitcode")
         else 0)
P

# on_terminal EXIT ARGUMENT.. - as run, with stdout and stderr on one terminal, all of it in $out.
on_terminal() {
    want=$1
    shift
    said="$* (terminal)"
    python3 "$scratch/log/terminal.py" "$whit" "$@" >"$out" </dev/null
    got=$?
    checks=$((checks + 1))
    [ $got -eq "$want" ] || fail "exit $got, not $want"
}
has_not() {
    checks=$((checks + 1))
    ! grep -qF -e "$1" "$out" || fail "'$1' is on the terminal"
}

TERM=xterm
export TERM
escape=$(printf '\033')
zeros big.safetensors 131072

on_terminal 0 quantize big.safetensors -o a.safetensors -T 1
if grep -q '%.*MB/s' "$out"; then
    wiped=$(printf '\r *\r')
    check 'the bar is not wiped before the table' grep -q "$wiped.*tensor" "$out"
else
    skip 'the job was over before a bar was due'
fi
out_has "$escape"
for word in -q --progress=none; do
    on_terminal 0 quantize big.safetensors -o a.safetensors -T 1 --force $word
    has_not 'MB/s  '
done
on_terminal 0 quantize big.safetensors -o a.safetensors -T 1 --force --color never
has_not "$escape"
on_terminal 2 quantize big.safetensors -o a.safetensors
out_has "${escape}[1;31mwhit:${escape}[0m"
export NO_COLOR=1
on_terminal 2 quantize big.safetensors -o a.safetensors
has_not "$escape"
on_terminal 0 inspect a.safetensors --tensors
has_not "$escape"
only a.safetensors big.safetensors
finish
