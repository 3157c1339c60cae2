# tests/cli/diskfills.sh - a disk that is large enough when a job begins and fills up while it
# writes: exit 1, one line, no debris, and the job works when there is room again.
# Needs the right to mount.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

mkdir disk
mount -t tmpfs -o size=40m,nr_inodes=64 tmpfs disk 2>/dev/null ||
    skip_all 'no right to mount a small disk'
eater=
trap '[ -z "$eater" ] || kill $eater 2>/dev/null; umount "$scratch/work/disk"; rm -rf "$scratch"' EXIT
zeros big.safetensors 3000 # 12 million weights: 12 MiB as int8

# Takes all room but some as soon as the job has begun to write.
eat() { # KIB that are left
    (
        while [ -z "$(ls -A disk)" ]; do :; done
        exec dd if=/dev/zero of=disk/eaten bs=1024 count=$((40960 - $1)) 2>/dev/null
    ) &
    eater=$!
}

# The eater races with the job, which is made to wait; a busy machine gets more rounds.
failures_seen=0
for round in 1 2 3 4 5 6; do
    [ $failures_seen -eq 0 ] || break
    for left in 0 16 200 1000 3000 6000; do
        for command in 'quantize --scheme int8 -T 2' 'quantize --scheme int8 --shard-size 4MB -T 1' \
            'dequantize'; do
            output=disk/out.safetensors
            case $command in *shard*) output=disk/out ;; esac
            eat $left
            # shellcheck disable=SC2086 # a list of words
            nice -n 19 "$whit" ${command%% *} big.safetensors -o $output -q $(echo "$command" | cut -s -d' ' -f2-) \
                >"$out" 2>"$err"
            code=$?
            kill $eater 2>/dev/null
            wait $eater 2>/dev/null
            eater=
            case $code in
            0) check "$command, $left KiB: no output" test -e $output ;;
            1)
                failures_seen=$((failures_seen + 1))
                err_has 'whit: '
                check "$command: more than one line" test "$(wc -l <"$err")" -eq 1
                check "$command, $left KiB: an output" test ! -e $output
                ;;
            *) fail "$command, $left KiB: exit $code" ;;
            esac
            rm -rf disk/eaten $output
            check "$command, $left KiB: debris $(ls -A disk)" test -z "$(ls -A disk)"
        done
    done
done
[ $failures_seen -gt 0 ] || echo 'skip: the disk never filled up in time'

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
