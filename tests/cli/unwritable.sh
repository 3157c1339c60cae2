# tests/cli/unwritable.sh - a folder that cannot be written: exit 1 with the system's words.
# SPDX-License-Identifier: MIT

# Root may write everywhere: be nobody, where the checkout lets nobody read it.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null 2>&1; then
    nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
    if $nobody test -x "$1" -a -r "$0" -a -r "$2/data/stories260K/config.json"; then
        TMPDIR=${TMPDIR:-/tmp} exec $nobody sh "$0" "$@"
    fi
fi
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" -ne 0 ] || skip_all 'root may write everywhere'
mkdir locked
chmod a-w locked
for job in 'quantize -o locked/out' 'quantize -o locked/out.safetensors' \
    'dequantize -o locked/out.safetensors' 'quantize --dry-run --json=locked/out.json'; do
    # shellcheck disable=SC2086 # a list of words
    refused 1 'ermission denied' $job "$model"
done
check 'something was written' test -z "$(ls -A locked)"
only locked
finish
