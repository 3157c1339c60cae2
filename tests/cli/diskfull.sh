# tests/cli/diskfull.sh - a disk too small: exit 1, the message says how much is missing, no debris.
# Needs the right to mount.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

mkdir disk
mount -t tmpfs -o size=200k tmpfs disk 2>/dev/null || skip_all 'no right to mount a small disk'
trap 'umount "$scratch/work/disk"; rm -rf "$scratch"' EXIT

nothing_left() {
    check 'something was left on the full disk' test -z "$(ls -A disk)"
}
for name in out out.safetensors; do
    refused 1 'disk' quantize "$model" -o disk/$name --scheme int8
    nothing_left
    refused 1 'disk' dequantize "$model" -o disk/d.safetensors
    nothing_left
done

# What fits is written, and survives a second one that does not.
run 0 quantize "$model" -o disk/small.safetensors --scheme int2 --embeddings int2 -q
refused 1 'disk' quantize "$model" -o disk/small.safetensors --scheme int8 --force
run 0 inspect disk/small.safetensors --check -q
check 'more than the first output is there' test "$(ls -A disk)" = small.safetensors
finish
