#!/bin/sh
# Every #include in src and tools obeys the layers: a folder may include its own headers, those of
# the layers below it, and <whit/...>; siblings (quant, pack, io, kernels) do not know each other.
# The tools have their own headers and <whit/...>. Who asks the system about files says how wide an
# offset is, without which a machine of 32 bits does not open large ones.
set -u
root=$1
bad=0
allowed() {
    case $1 in
    base) echo "base" ;;
    tensor) echo "tensor base" ;;
    quant | pack | io | kernels) echo "$1 tensor base" ;;
    source) echo "source quant pack io kernels tensor base" ;;
    calib) echo "calib source quant pack io kernels tensor base" ;;
    model) echo "model calib source quant pack io kernels tensor base" ;;
    job) echo "job model calib source quant pack io kernels tensor base" ;;
    print) echo "print job model calib source quant pack io kernels tensor base" ;;
    bench) echo "bench print job model calib source quant pack io kernels tensor base" ;;
    *) echo "" ;;
    esac
}
for file in "$root"/src/*/*.[ch]; do
    layer=$(basename "$(dirname "$file")")
    may=" $(allowed "$layer") "
    for include in $(sed -n 's/^# *include *"\([^"]*\)".*/\1/p' "$file"); do
        case "$may" in
        *" ${include%%/*} "*) ;;
        *)
            echo "$layer: ${file##*/} includes $include"
            bad=1
            ;;
        esac
    done
done
for file in "$root"/tools/*.[ch]; do
    for include in $(sed -n 's/^# *include *"\([^"]*\)".*/\1/p' "$file"); do
        case $include in */*) own= ;; *) own=$root/tools/$include ;; esac
        [ -f "$own" ] || { echo "tools: ${file##*/} includes $include"; bad=1; }
    done
done
for file in $(grep -lE '^# *include *<(sys/stat|sys/statvfs|fcntl|dirent)\.h>' "$root"/src/*/*.[ch] \
    "$root"/tools/*.[ch]); do
    grep -q '^#define _FILE_OFFSET_BITS 64' "$file" ||
        { echo "${file##*/}: no _FILE_OFFSET_BITS before the system's headers"; bad=1; }
done
for file in "$root"/include/whit/*.h; do
    if grep -n '^# *include *"' "$file"; then
        echo "${file##*/}: public headers include only <whit/..> and the C library"
        bad=1
    fi
done
exit $bad
