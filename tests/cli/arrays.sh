# tests/cli/arrays.sh - single arrays as input: NumPy's, and raw ones with --shape and --dtype.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

npy=$tests/data/malformed/npy

# NumPy: any order and endianness gives the same values.
for name in good ok-fortran ok-big-endian ok-version2 ok-version3; do
    run 0 inspect "$npy/$name.npy" --tensors --check
    out_line 'format npy, 1 file, 256 bytes' "$name F32 4x8 keep 32.000 128" 'check ok'
    cp "$npy/$name.npy" w.npy
    run 0 dequantize w.npy -o "$name.safetensors" -q
    check "$name differs" cmp -s "$name.safetensors" good.safetensors
    rm w.npy
done
refused 4 'object-dtype.npy: descr |O: pickled Python objects, which are never loaded' \
    inspect "$npy/object-dtype.npy"
refused 4 'code-in-header.npy: NPY header' quantize "$npy/code-in-header.npy" -o x
rm ./*.safetensors

# A folder as output gets the usual name.
head -c 8192 /dev/zero >w.weight.bin
run 0 quantize w.weight.bin --shape 32,64 --dtype f32 -o out --rule '*=int4-g32'
out_line 'w.weight 32x64 int4-g32 4.500 exact 0'
check 'no model.safetensors' test -f out/model.safetensors
run 0 inspect out --tensors
out_has 'w.weight' 'int4-g32'
run 0 compare w.weight.bin out --shape=32,64
out_has 'w.weight' 'exact'
rm -r out

# Each type, each command; the size must be exact.
run 0 inspect w.weight.bin --shape 64,64 --dtype f16 --tensors
out_line 'format raw, 1 file, 8 192 bytes' 'w.weight F16 64x64 keep 16.000 8192'
check 'metadata is announced where there is none' test -z "$(grep metadata "$out")"
run 0 inspect w.weight.bin --shape 4,16,64 --dtype bf16 --tensors
out_line 'w.weight BF16 4x16x64 keep 16.000 8192'
run 0 inspect w.weight.bin --shape 2048 --tensors
out_line 'w.weight F32 2048 keep 32.000 8192'
run 0 dequantize w.weight.bin --shape 64,64 --dtype f16 -o w.safetensors -q
run 0 compare w.weight.bin w.safetensors --shape 64,64 --dtype f16
mkdir other
cp w.weight.bin other
run 0 compare w.weight.bin other/w.weight.bin --shape 64,64 --dtype f16
refused 4 'w.weight.bin: shape and type make 8448 bytes of data' inspect w.weight.bin --shape 33,64
refused 4 'w.weight.bin: 256 bytes behind its 7936 bytes' inspect w.weight.bin --shape 31,64
refused 4 'make 8448 bytes' compare w.weight.bin w.safetensors --shape 33,64
refused 4 'below 2^61' inspect w.weight.bin --shape 4294967296,4294967296
refused 4 'jobs take raw arrays with --shape R,C' inspect w.weight.bin
refused 1 'nowhere' inspect nowhere --shape 1

# Usage.
for shape in x 1,x '1,' ',1' -1 1.5 ' 1' 1x2 1,1,1,1,1,1,1,1,1 18446744073709551616; do
    refused 2 'inspect: --shape takes up to 8 whole numbers' inspect w.weight.bin "--shape=$shape"
done
refused 2 "not 'f64'" inspect w.weight.bin --shape 1 --dtype f64
for command in quantize inspect compare; do
    refused 2 'try: --shape R,C' $command w.weight.bin --dtype f16
done
only w.safetensors w.weight.bin other
finish
