# tests/cli/stats.sh - inspect --stats and --svg: the table and the JSON, plain and quantized, whatever the
# threads; what has no statistics says so.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# The layout of an array does not show.
npy=$tests/data/malformed/npy
run 0 inspect "$npy/good.npy" --stats
cp "$out" "$scratch/log/good"
grep '^good ' "$out" | sed 's/good *//' >"$scratch/log/row"
for name in ok-fortran ok-big-endian ok-f8; do
    run 0 inspect "$npy/$name.npy" --stats
    checks=$((checks + 1))
    grep "^$name " "$out" | sed "s/$name *//" | cmp -s - "$scratch/log/row" ||
        fail "$name has other statistics"
done

# F32 in little-endian octets: 1, -2, 3 / 0, 0, 4 / -8, 0, 0 - rows of 3, 4, 8.
printf '\000\000\200\077\000\000\000\300\000\000\100\100' >m.f32
printf '\000\000\000\000\000\000\000\200\000\000\200\100' >>m.f32
printf '\000\000\000\301\000\000\000\000\000\000\000\000' >>m.f32
run 0 inspect m.f32 --shape 3,3 --stats
out_line 'tensor min max mean std kurtosis zeros nan inf outlier' \
    'm -8 4 -0.2222 3.2241 4.2131 4 0 0 2'
run 0 inspect m.f32 --shape 3,3 --stats --json
out_has '"stats":{"min":-8,"max":4,"mean":-0.222222222,"std":3.22413736,"kurtosis":4.21313635,' \
    '"outlier_ratio":2,"zeros":4,"nan":0,"inf":0}'
run 0 inspect m.f32 --shape 9 --stats
out_line 'm -8 4 -0.2222 3.2241 4.2131 4 0 0 1'

# NaN and infinity are counted and left out; without a finite value there is nothing to say.
printf '\000\000\300\177\000\000\200\177\000\000\200\077\000\000\200\077' >n.f32
run 0 inspect n.f32 --shape 2,2 --stats --check
out_line 'n 1 1 1 0 - 0 1 1 2' 'check ok'
run 0 inspect n.f32 --shape 2,2 --stats --json
out_has '"std":0,"kurtosis":null,"outlier_ratio":2,"zeros":0,"nan":1,"inf":1}'
head -c 8 n.f32 >o.f32
run 0 inspect o.f32 --shape 2 --stats
out_line 'o - - - - - 0 1 1 -'

# Integers have none.
run 0 inspect "$tests/data/malformed/safetensors/ok-all-dtypes.safetensors" --stats
out_has ' I64' ' BOOL'
run 0 inspect "$tests/data/malformed/safetensors/ok-all-dtypes.safetensors" --stats --json
out_has '"stats":null'
run 0 inspect "$tests/data/malformed/safetensors/ok-empty-tensor.safetensors" --stats

# Any number of threads, and a ceiling.
run 0 quantize "$model" -o q.safetensors --scheme int4-g64 -q
for input in "$model" q.safetensors; do
    run 0 inspect "$input" --stats --json -T1
    cp "$out" "$scratch/log/one"
    for threads in 2 8; do
        run 0 inspect "$input" --stats --json -T$threads
        check "$threads threads change the statistics" cmp -s "$out" "$scratch/log/one"
    done
done
run 0 inspect q.safetensors --stats --tensors
out_has 'int4-g64' 'kurtosis'
refused 1 'try: --max-memory' inspect q.safetensors --stats --max-memory 1MiB
run 0 inspect q.safetensors --stats --max-memory 64MiB -q
empty "$out"
run 0 inspect q.safetensors --stats -q --progress json
checks=$((checks + 1))
tail -1 "$err" | grep -q '"done":\([0-9]*\),"total":\1,' || fail 'progress does not reach its total'

# Without the flag nothing of it appears.
run 0 inspect q.safetensors --json
checks=$((checks + 1))
! grep -q '"stats"' "$out" || fail 'statistics that nobody asked for'

# The picture: XML with one bar path, the grid of a scheme, the same for any number of threads.
python=$(command -v python3 || :)
[ -n "$python" ] || skip 'no python3: the XML is not parsed'
picture() { # FILE LINES_OF_THE_GRID
    checks=$((checks + 1))
    [ "$(grep -c 'class="bar"' "$1")" -eq 1 ] && [ "$(grep -c 'class="grid"' "$1")" -eq "$2" ] ||
        fail "$1 has not one bar path and $2 lines"
    if grep -qE 'nan|inf[^i]|null' "$1"; then fail "$1 holds what is no number"; fi
    [ -z "$python" ] || check "$1 is no XML" "$python" -c \
        'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' "$1"
}
run 0 inspect "$model" --svg a.svg -T1
out_has 'kurtosis'
picture a.svg 0
has a.svg 'model.embed_tokens.weight'
run 0 inspect "$model" --svg b.svg -T8 -q
empty "$out"
check 'threads change the picture' cmp -s a.svg b.svg
q_proj=model.layers.4.self_attn.q_proj
run 0 inspect "$model" --svg a.svg --tensor $q_proj --scheme nf4 --force -q
picture a.svg 15
has a.svg "$q_proj.weight" 'grid of nf4-g64 from'
run 0 inspect "$model" --svg a.svg --tensor $q_proj --scheme int8 --force -q
picture a.svg 232
run 0 inspect q.safetensors --svg a.svg --tensor $q_proj.weight --scheme int4-g64 --force -q
has a.svg 'grid of int4-g64'
[ ! -f "$odd" ] || {
    run 0 inspect "$odd" --svg a.svg --tensor w --scheme int4-g32-asym-sf32 --force -q
    has a.svg 'asinh axis' '1 NaN, 2 infinite'
}
run 0 inspect n.f32 --shape 2,2 --svg a.svg --scheme int4 --force -q
picture a.svg 4
cp m.f32 'a<&">b.f32'
run 0 inspect 'a<&">b.f32' --shape 9 --svg a.svg --force -q
picture a.svg 0

refused 2 'a.svg: exists; try: --force' inspect "$model" --svg a.svg
refused 2 'is the input' inspect q.safetensors --svg q.safetensors --force
refused 2 'name the same file' inspect "$model" --svg c --json=c
refused 2 'nowhere: no such tensor' inspect "$model" --svg c.svg --tensor nowhere
refused 2 'keep has no grid' inspect "$model" --svg c.svg --scheme keep
refused 2 'int44' inspect "$model" --svg c.svg --scheme int44
refused 2 '--tensor is for the picture; try: --svg FILE' inspect "$model" --tensor x
refused 2 '--scheme is for the picture' inspect "$model" --scheme int4 --stats
refused 2 'no finite values' inspect o.f32 --shape 2 --svg c.svg --tensor o
refused 2 'no tensor has values to draw' inspect o.f32 --shape 2 --svg c.svg
only 'a<&">b.f32' a.svg b.svg m.f32 n.f32 o.f32 q.safetensors
finish
