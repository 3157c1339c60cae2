# tests/cli/diskfills.sh - a disk that is large enough when a job begins and fills up while it
# writes: exit 1, one line, no debris, and the job works when there is room again.
# Needs the right to mount.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

mkdir disk
mount -t tmpfs -o size=40m,nr_inodes=64 tmpfs disk 2>/dev/null ||
    skip_all 'no right to mount a small disk'
trap 'umount "$scratch/work/disk"; rm -rf "$scratch"' EXIT
zeros big.safetensors 3000 # 12 million weights: 12 MiB as int8, 24 as F16
run 0 quantize big.safetensors -o int8.safetensors --scheme int8 -q

# The job is stopped as soon as it has begun to write, and finds a full disk when it goes on.
filled=0
for left in 0 16 200 1000 3000 6000; do
    for command in 'quantize big.safetensors --scheme int8 -T 2' \
        'quantize big.safetensors --scheme int8 --shard-size 4MB -T 1' \
        'dequantize int8.safetensors --dtype f16'; do
        output=disk/out.safetensors
        case $command in *shard*) output=disk/out ;; esac
        # shellcheck disable=SC2086 # a list of words
        "$whit" $command -o $output -q >"$out" 2>"$err" &
        job=$!
        while [ -z "$(ls -A disk)" ] && kill -0 $job 2>/dev/null; do :; done
        kill -STOP $job 2>/dev/null
        dd if=/dev/zero of=disk/eaten bs=1024 2>/dev/null
        truncate -s -${left}K disk/eaten
        kill -CONT $job 2>/dev/null
        wait $job
        code=$?
        said="$command, with $left KiB left"
        case $code in
        0) check 'no output' test -e $output ;; # it had written all, or had room
        1)
            filled=$((filled + 1))
            err_has 'whit: '
            check 'more than one line' test "$(wc -l <"$err")" -eq 1
            check 'an output' test ! -e $output
            ;;
        *) fail "exit $code" ;;
        esac
        rm -rf disk/eaten $output
        check "debris: $(ls -A disk)" test -z "$(ls -A disk)"
    done
done
said=
check 'the disk never filled up in time' test $filled -gt 0
echo "$filled of 18 jobs found a full disk"

# No inodes left: nothing can be begun.
i=0
while touch "disk/f$i" 2>/dev/null; do i=$((i + 1)); done
run 1 quantize big.safetensors -o disk/out --scheme int8 -q
check 'something was left' test "$(ls -A disk | grep -vc '^f')" -eq 0
err_has 'whit: '
rm -f disk/f*
run 0 quantize big.safetensors -o disk/out.safetensors --scheme int8 -q
run 0 verify disk/out.safetensors -q
finish
