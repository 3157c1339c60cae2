# tests/cli/verify.sh - whit verify: content with what quantize writes, exit 4 for any other octet;
# tensors made again; inspect --provenance.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# flip FILE OFFSET - another octet there
flip() {
    octet=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    printf "\\$(printf '%03o' $(((octet + 1) % 256)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

run 0 quantize "$model" -o q.safetensors --scheme int4-g64 --rule '*.v_proj=int8' -q
size=$(size_of q.safetensors)
run 0 verify q.safetensors
empty "$err"
out_line 'check ok' 'verify ok'
out_has '82 of 82 stored tensors as written by whit 0.1.0, '
run 0 verify q.safetensors -q
empty "$out"
run 0 verify q.safetensors --against "$model" --sample 0 -T 2
out_line 'against 47 of 47 tensors made again, 47 with the same bytes'
run 0 verify q.safetensors --against "$model" --json
out_has '{"schema":1,"command":"verify","file":"q.safetensors","format":"whit native","version":"0.1.0"' \
    '"digests":{"present":true,"stored":82,"checked":82,"wrong":0,"bytes":' '"of":47,' '"ok":true}'
check '16 tensors are the sample' test "$(grep -o '"identical":true' "$out" | wc -l)" -eq 16
run 0 verify q.safetensors --against "$model" --sample 3 --json=v.json -q
check '3 tensors are the sample' test "$(grep -o '"identical":true' v.json | wc -l)" -eq 3
run 2 verify q.safetensors --json=q.safetensors
check 'the file itself was written over' test "$(size_of q.safetensors)" -eq "$size"

# One octet, in the last tensor of the file: which one it is is said, and what it was.
cp q.safetensors bad.safetensors
flip bad.safetensors $((size - 1))
run 4 verify bad.safetensors
out_line 'verify failed'
out_has '81 of 82 stored tensors' 'problem   model.'
err_has 'whit: bad.safetensors: model.' 'its SHA-256 is '
refused 4 'its SHA-256 is ' verify bad.safetensors -q
run 4 verify bad.safetensors --json
out_has '"wrong":1,' '"ok":false}'
run 4 verify bad.safetensors --against "$model" --sample 0 -q
err_has 'and more of this kind'
head -c $((size - 1)) q.safetensors >short.safetensors
refused 4 'short.safetensors: ' verify short.safetensors

# The recipe is not the one that made it; nor is the source.
sed 's/\*\.v_proj int8-channel/*.k_proj int8-channel/' q.safetensors >other.safetensors
run 4 verify other.safetensors --against "$model" --sample 0
out_has 'has another shape than the source gives'
run 4 verify q.safetensors --against "$tests/data/gguf/layers.gguf" -q

# Another group, with as many scales: the same octets, and other weights.
sed 's/"int4-g64\\"/"int4-g65\\"/g' q.safetensors >other.safetensors
check 'the group is not in the header' test "$(cmp q.safetensors other.safetensors | wc -l)" -eq 1
run 0 verify other.safetensors
run 4 verify other.safetensors --against "$model" --sample 1
out_has 'is described as another tensor than the source gives, which is int4-g64'
# Codes that nothing describes are octets, and no weights.
LC_ALL=C sed 's/"whit.format":"1"/"whit.farmat":"1"/' q.safetensors >other.safetensors
check 'the key is not in the header' test "$(cmp q.safetensors other.safetensors | wc -l)" -eq 1
run 4 verify other.safetensors --against "$model" --sample 1
out_has 'is not described as the tensor that the source gives, which is int4-g64'
run 1 verify q.safetensors --against nothing
LC_ALL=C sed 's/"whit.version":"0.1.0"/"whit.version":"0.0.9"/' q.safetensors >old.safetensors
run 0 verify old.safetensors
refused 2 'made by whit 0.0.9, and this is 0.1.0; try: that version' \
    verify old.safetensors --against "$model"
rm old.safetensors

# Every output of quantize: folders, shards, decoded values, checkpoints, GGUF.
run 0 quantize "$model" -o folder --shard-size 60KB -q
run 0 verify folder --against "$model" --sample 0
out_line 'verify ok'
part=model-00003-of-00006.safetensors
cp folder/$part $part
LC_ALL=C sed 's/"whit.sha256"/"whit.sha257"/' $part >folder/$part
run 4 verify folder
err_has "$part: has no whit.sha256, other files of the model have"
LC_ALL=C sed 's/"whit.recipe":"\* int/"whit.recipe":"? int/' $part >folder/$part
run 4 verify folder
err_has "$part: has another whit.recipe than the first file of the model"
run 0 quantize "$model" -o fake.safetensors --fake-quant --clip percentile:99.5 -q
run 0 verify fake.safetensors --against "$model" --sample 0
out_has '47 of 47 stored tensors' '47 with the same bytes'
for scheme in nf4-g64 int8-channel; do
    run 0 quantize "$model" -o "bnb-$scheme" --format bitsandbytes --scheme $scheme -q
    run 0 verify "bnb-$scheme" --against "$model" --sample 0
    out_has '47 with the same bytes'
done
run 0 quantize "$model" -o m.gguf --scheme q4_0 --search reference -q
run 0 verify m.gguf --against "$model" --sample 0
out_has '47 of 47 stored tensors as written by whit 0.1.0, ' '47 with the same bytes'
cp m.gguf bad.gguf
flip bad.gguf $(($(size_of m.gguf) - 40))
run 4 verify bad.gguf
err_has 'whit: bad.gguf: ' 'its SHA-256 is '
run 0 quantize "$model" -o part.gguf --scheme q4_0 --shard-size 80KB -q
run 0 verify part-00001-of-00004.gguf --against "$model" --sample 0
out_has '47 of 47 stored tensors as written by whit 0.1.0, ' '47 with the same bytes'
flip part-00003-of-00004.gguf $(($(size_of part-00003-of-00004.gguf) - 40))
run 4 verify part-00001-of-00004.gguf
err_has 'its SHA-256 is '
run 0 verify "$model"
out_has 'digests   none in this file' 'verify    ok'
refused 2 'says nothing of how it was made (whit.recipe); try: whit compare' verify "$model" \
    --against "$model"

# With a calibration: it has to be there, and to be the same.
run 0 calibrate "$model" --text "$tests/data/eval/stories.txt" --tokens 300 -o a.state -q
run 0 calibrate "$model" --text "$tests/data/eval/stories.txt" --tokens 400 -o b.state -q
run 0 quantize "$model" -o c.safetensors --scheme int4-g64 --calibration a.state -q
run 0 verify c.safetensors
refused 2 'made with a calibration of SHA-256 ' verify c.safetensors --against "$model"
refused 2 'b.state: is not the calibration that was used' verify c.safetensors --against "$model" \
    --calibration b.state
run 0 verify c.safetensors --against "$model" --calibration a.state --sample 0
out_has '47 with the same bytes'
run 0 quantize "$model" -o s.safetensors --scheme int8-channel-a8s --calibration a.state -q
refused 2 'made with a calibration of SHA-256 ' verify s.safetensors --against "$model"
refused 2 'b.state: is not the calibration that was used' verify s.safetensors --against "$model" \
    --calibration b.state
run 0 verify s.safetensors --against "$model" --calibration a.state --sample 0
run 0 quantize "$model" -o c.gguf --scheme q4_0 --calibration a.state -q
refused 2 'made with a calibration of SHA-256 ' verify c.gguf --against "$model"
refused 2 'b.state: is not the calibration that was used' verify c.gguf --against "$model" \
    --calibration b.state
run 0 verify c.gguf --against "$model" --calibration a.state --sample 0
run 0 quantize c.gguf -o again.gguf --scheme q8_0 --requantize -q # without one
run 0 verify again.gguf --against c.gguf --sample 0
run 0 inspect again.gguf
check 'an importance matrix that was not used' test "$(grep -c imatrix "$out")" -eq 0
refused 2 '--sample is about --against' verify q.safetensors --sample 2
refused 2 'made without a calibration; try: no --calibration' \
    verify q.safetensors --against "$model" --calibration a.state
refused 2 '--calibration is about --against' verify q.safetensors --calibration a.state

# Who made it how.
run 0 inspect q.safetensors --provenance
out_line 'version 0.1.0' 'recipe * int4-g64' ' *.v_proj int8-channel' 'options all by default' \
    'calibration -' 'digests 82 of 82 stored tensors'
run 0 inspect c.safetensors --provenance --json
out_has "\"calibration\":\"$(sha256sum a.state 2>/dev/null | cut -d' ' -f1)" '"recipe":"* int4-g64\u000a"' \
    '"provenance":{"version":"0.1.0",' '"sha256":{"'
run 0 inspect "$model" --provenance
out_line 'version -' 'recipe -' 'options -' 'digests 0 of 47 stored tensors'
run 0 inspect "$model" --provenance --json
out_has '"recipe":null' '"sha256":null}}'
run 0 inspect m.gguf --provenance
out_line 'version 0.1.0' 'recipe * q4_0' 'options search=reference' \
    'digests 47 of 47 stored tensors'
refused 2 '--provenance goes alone' inspect q.safetensors --provenance --check

# Other programs take the same sums.
if command -v python3 >/dev/null; then
    run 0 inspect q.safetensors --provenance
    cp "$out" sums
    check 'Python has other sums' python3 - sums <<'PYTHON'
import hashlib, json, struct, sys
data = open("q.safetensors", "rb").read()
n = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + n])
said = dict(reversed(l.split()) for l in open(sys.argv[1]) if l.startswith("  ") and len(l.split()[0]) == 64)
def digest(t):
    begin, end = t["data_offsets"]
    return hashlib.sha256(data[8 + n + begin:8 + n + end]).hexdigest()
header.pop("__metadata__")
sys.exit(said != {k: digest(t) for k, t in header.items()})
PYTHON
else
    skip 'sums by Python: no python3'
fi

finish
