# tests/cli/bench.sh - bench: every row and key is there, options go together or are refused, the
# ceiling on memory is kept. How fast anything is, is not tested.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

quick='--seconds 0.001 --max-memory 64MiB -T2'
python=$(command -v python3 || :)
[ -n "$python" ] || skip 'no python3: the JSON is not parsed'

# shellcheck disable=SC2086 # $quick is several words
{
# The table.
run 0 bench --shape 64x96,40x64 --tokens 1,17 $quick
out_has 'cpu  ' 'read  ' 'peak  ' 'others  ' 'cold  ' '64x96, 1 token, cold' \
    '64x96, 17 tokens, warm' '40x64, 1 token, cold' 'over f32'
for type in f32 f16 int8-channel int4-g128 int4-g32 nf4-g64; do
    check "not four rows of $type" test "$(grep -c "^$type .* [0-9]" "$out")" -eq 4
done
check 'int8-channel is not measured with q8' grep -q '^int8-channel  *q8 ' "$out"
check 'nf4 is not measured with q8' grep -q '^nf4-g64  *q8 ' "$out"
err_has 'cold weights come round after'
run 0 bench matmul --shape 64x96 --type F16,int4 --acts f32 --warm --tokens 1 -q $quick
empty "$out"
empty "$err"
run 0 bench --shape 64x96 --type F16,int4 --acts f32 --warm --tokens 1 $quick
out_has '64x96, 1 token, warm'
check 'int4 is not measured with f32' grep -q '^int4-g128  *f32 ' "$out"
run 0 bench --shape 64x96 --type int8-g48,nf4-g48,int8,f16 --acts q8 --tokens 20 --cold $quick
err_has 'int8-g48: left out' 'nf4-g48: left out' 'decoded to float32'
check 'rows that are left out' test "$(grep -c '^int8-g48\|^nf4' "$out")" -eq 0
out_has '64x96, 20 tokens, cold'

# Codes of every width and blocks are multiplied as they are.
run 0 bench --shape 64x256 --tokens 1,17 $quick \
    --type int2-g32,int3,int5,int6,q4_0,q2_k,q4_k,q6_k,iq4_nl,iq4_xs,gguf:MXFP4,tq1_0,tq2_0,mxfp4
for type in int2-g32 int3-g128 int5-g128 int6-g128 q4_0 q2_k q4_k q6_k iq4_nl iq4_xs gguf:mxfp4 \
    tq1_0 tq2_0 mxfp4; do
    check "not two rows of $type with q8" test "$(grep -c "^$type  *q8 " "$out")" -eq 2
done
check 'codes are decoded' test "$(grep -c 'decoded to float32' "$err")" -eq 0
run 0 bench --shape 64x256 --type q1_0,gguf:nvfp4 --tokens 1 $quick
out_has 'q1_0 ' 'gguf:nvfp4 '
check 'codes are decoded' test "$(grep -c 'decoded to float32\|no kernel' "$err")" -eq 0
refused 2 "'gguf:q9' is no type of GGUF; try: gguf:mxfp4" bench --type gguf:q9

# JSON: one object, all keys.
run 0 bench --shape 64x96 --tokens 1,17 --json $quick
check 'not one line of JSON' test "$(wc -l <"$out")" -eq 1
cp "$out" a.json
run 0 bench --shape 64x96 --tokens 1,17 --json=b.json --seconds 0.001 --max-memory 64MiB -T1
out_has '64x96, 1 token, cold'
run 0 bench quantize --shape 8x256 --json=q.json $quick
out_has 'Mweights/s' 'int4-g128        mse' 'bf16 ' 'q4_0             reference' \
    'q4_0             best' 'q2_k             reference' 'tq1_0            best'
run 0 bench quantize --shape 8x256,8x96 --type q4_k,Q8_0 $quick
check 'not two rows of q4_k' test "$(grep -c '^q4_k ' "$out")" -eq 2
check 'not four rows of q8_0' test "$(grep -c '^q8_0 ' "$out")" -eq 4
err_has '8x96: left out, since rows are no whole blocks: q4_k'
run 0 bench memory --json=m.json --max-memory 40MiB -T2
out_has '2 MiB pages' '16 KiB'
run 0 bench gptq --shape 40x256,8x96 --json=g.json $quick
out_has '40x256, from H to codes, seconds' 'int4-g128             0 ' 'q4_k                  3 '
err_has '8x96: left out, since rows are no whole blocks: q4_k'
run 0 bench gptq --shape 40x256,8x96 --json=g1.json --seconds 0.001 --max-memory 64MiB -T1 -q
run 0 bench --model "$model" --tokens 1,17 --json=f.json $quick
out_has '10 172x64' 'left out' 'model.norm.weight: fewer than two dimensions' '17 tokens:'
run 0 bench --list --json=l.json
out_has 'operation ' 'gemm_q4_q8 ' 'encode ' 'encode_block '

# Whole models: as stored, and as other types; from a file and made up.
run 0 bench model "$model" --json=w.json $quick
out_has 'model     llama, 5 layers of width 64' 'prefill: 512 tokens into an empty text' \
    'decode: a token behind 255 others' 'of matmul' 'of read'
for type in f32 f16 int8-channel int4-g128 nf4-g64; do
    check "not two rows of $type" test "$(grep -c "^$type .*x$" "$out")" -eq 2
done
check 'int4 is not measured with q8' grep -q '^int4-g128  *q8 ' "$out"
run 0 bench model "$model" --type int4-g128,f16 --json=w1.json --seconds 0.001 \
    --max-memory 64MiB -T1 -q
run 0 bench model --synthetic 64x2 --type f16,INT4,nf4 --acts f32 --json=s.json --seconds 0.001 \
    --max-memory 256MiB -T2
out_has 'model     llama, 2 layers of width 64, 1 heads of 64'
check 'int4 is not measured with f32' grep -q '^int4-g128  *f32 ' "$out"
run 0 bench model "$model" --type int8-g48 --acts q8 $quick
err_has 'int8-g48: no kernel multiplies the codes of 36 of 36 matrices' \
    'int8-g48: no kernel takes int8 activations'
}
[ -z "$python" ] || check 'JSON' "$python" - <<'P'
import json

def load(name):
    def refuse(text):
        raise ValueError(text)
    with open(name) as f:
        j = json.load(f, parse_constant=refuse)
    assert j["schema"] == 1 and j["command"] == "bench", name
    return j

machine = "cpu isa threads pages noisy stolen foreign rotation_bytes probe results".split()
probe = "read_gbps read_gbps_low read_gbps_one read_bytes peak peak_one fork_join_us".split()
row = ("op type acts rows cols tokens count bytes cold isa runs us_min us_median gbps gflops "
       "read_gbps peak peak_gops pct_bw pct_peak pct_bound bound noisy checksum").split()
a, b, q, m, f = [load(n + ".json") for n in "abqmf"]
for j in (a, b, q, m, f):
    assert all(j[k] is not None for k in machine), machine
    assert all(j["probe"][k] is not None for k in probe), probe
    assert all(r["noisy"] is j["noisy"] for r in j["results"])
for j in (a, b, f):
    for r in j["results"]:
        assert all(r[k] is not None for k in row), r
        assert r["us_min"] <= r["us_median"] and r["checksum"] < 2**53
        assert r["bound"] in ("read", "compute") and r["peak"] in j["probe"]["peak"]
key = lambda r: (r["type"], r["acts"], r["rows"], r["cols"], r["tokens"], r["checksum"])
assert [key(r) for r in a["results"]] == [key(r) for r in b["results"]]
assert a["threads"] == 2 and b["threads"] == 1 and len(a["results"]) == 12
assert all(r["over_f32"] > 0 and r["over_f16"] > 0 for r in a["results"])
for r in q["results"]:
    assert r["op"] == "quantize" and r["mweights_per_core"] > 0 and r["us_min"] > 0, r
assert [r["clip"] for r in q["results"]].count("mse") == 2
blocks = [(r["type"], r["search"]) for r in q["results"] if r["search"]]
assert len(blocks) == len(set(blocks)) == 36, blocks
assert all(r["clip"] is None for r in q["results"] if r["search"])
pages = [r["pages"] for r in m["results"]]
assert pages == sorted(pages) and set(pages) == {"2m", "4k"} and len(pages) % 2 == 0
assert all(r["gbps"] > 0 and r["latency_ns"] > 0 for r in m["results"])
one = [r for r in f["results"] if r["tokens"] == 1]
total = sum(r["count"] * r["us_min"] for r in one)
assert abs(total - f["token_us_min"]) < 1e-6 * total
assert sum(r["count"] for r in one) == 36 # 7 in each of 5 layers, and the embedding as the head
assert sum(r["rows"] * r["cols"] * r["count"] for r in one) == 226560 + 512 * 64
assert len(f["left_out"]) == 11
g, one = load("g.json"), load("g1.json")
row = ("op type rows cols passes bytes isa runs us_min us_median factor_us round_us gflops peak "
       "peak_gops pct_peak noisy checksum").split()
for r in g["results"]:
    assert all(r[k] is not None for k in row) and "peak_bytes" in r, r
    assert r["op"] == "gptq" and r["peak"] in g["probe"]["peak"] and r["checksum"] < 2**53
    assert r["us_min"] <= r["us_median"] and (r["passes"] or r["pass_us"] is None), r
assert g["what"] == "gptq" and [r["passes"] for r in g["results"]] == [0, 3] * 7
assert [r["type"] for r in g["results"]][::2] == [
    "int4-g128", "int3-g64", "nf4-g64", "q4_k", "int4-g128", "int3-g64", "nf4-g64"]
key = lambda r: (r["type"], r["rows"], r["cols"], r["passes"], r["checksum"])
assert [key(r) for r in g["results"]] == [key(r) for r in one["results"]]
w, one, s = load("w.json"), load("w1.json"), load("s.json")
row = ("op type acts tokens bytes isa runs us_min us_median tokens_per_second gbps gflops read_gbps "
       "pct_bw matmul_us matmul_gflops pct_matmul noisy checksum").split()
for j in (w, one, s):
    assert j["what"] == "model" and all(j[k] is not None for k in machine if k != "model")
    for r in j["results"]:
        assert all(r[k] is not None for k in row), r
        assert r["over_f16"] > 0 and r["us_min"] <= r["us_median"] and r["checksum"] < 2**53
        # both have nine digits
        assert abs(r["tokens_per_second"] * r["us_min"] / (1e6 * r["tokens"]) - 1) < 2e-8
        assert abs(r["pct_matmul"] - 100 * r["matmul_us"] / r["us_min"]) < 1e-3 * r["pct_matmul"]
    assert [r["op"] for r in j["results"]] == ["prefill", "decode"] * (len(j["results"]) // 2)
assert w["model"]["weights"] == 226560 + 512 * 64 and w["model"]["stored"] == "f16"
key = lambda r: (r["op"], r["type"], r["acts"], r["tokens"], r["checksum"])
assert {key(r) for r in w["results"]} > {key(r) for r in one["results"]}
assert len(one["results"]) == 4
assert [r["type"] for r in w["results"]][::2] == ["f16", "f32", "int8-channel", "int4-g128", "nf4-g64"]
# an F16 model as F32 is the same model; as int4 it is not
sums = [r["checksum"] for r in w["results"]]
assert sums[:2] == sums[2:4] and len(set(sums)) == len(sums) - 2, sums
assert [r["tokens"] for r in w["results"][:2]] == [512, 1]
assert s["model"]["stored"] is None and s["model"]["vocabulary"] == 32000
assert all(r["acts"] == "f32" for r in s["results"]) and len(s["results"]) == 6
entries = load("l.json")["list"]
ops = {e["op"] for e in entries}
for op in ops:
    states = [e["state"] for e in entries if e["op"] == op]
    tiles = op.startswith("many_") or op == "qact_bf16" # only levels with tiles have them
    assert states.count("serves") == 1 or (tiles and states.count("serves") == 0), op
assert all((e["state"] == "none") == bool(e["reason"]) for e in entries)
P

# A quantized model is measured as it is.
run 0 quantize "$model" -o q.safetensors --scheme int4-g32 -q
cp "$model/config.json" .
zeros alone.safetensors 1
# shellcheck disable=SC2086
run 0 bench --model q.safetensors $quick
check 'its codes are not multiplied' grep -q '10 172x64  *int4-g32  *q8 ' "$out"
check 'the head is not in its type' grep -q ' 1 512x64  *f16  *f32 ' "$out"
# shellcheck disable=SC2086
run 0 bench model q.safetensors --type f16 $quick
check 'it is not measured as it is' test "$(grep -c '^own  *q8 ' "$out")" -eq 2
check 'nor as f16' test "$(grep -c '^f16  *f32 ' "$out")" -eq 2

# The cap names the level that serves.
export WHIT_ISA=scalar
run 0 bench --list --json
tr '}' '\n' <"$out" | grep '"state":"serves"' >"$scratch/log/serving"
check 'no operation is served' test -s "$scratch/log/serving"
check 'a level above the cap serves' sh -c '! grep -qv "\"isa\":\"scalar\"" "$1"' - "$scratch/log/serving"
check 'something above the cap is said to run' sh -c '! grep -q "\"state\":\"idle\"" "$1"' - "$out"
# shellcheck disable=SC2086
refused 4 'bfloat16 activations need the tiles of AMX' bench --shape 64x96 --acts bf16 $quick
export WHIT_ISA=nonsense
refused 2 'WHIT_ISA=nonsense' bench --list
unset WHIT_ISA

# Refused.
refused 2 "'quantise' is no bench; try: matmul, quantize, memory, model or gptq" bench quantise
refused 2 'unexpected argument' bench matmul memory
refused 2 'unexpected argument' bench model a b
refused 2 'one model is measured; try: whit bench model MODEL, or --synthetic 1024x8' bench model
refused 2 'one model is measured' bench model a --synthetic 64x1
for bad in 64 64x 65x1 0x1 64x1025 65536x1 64x1,64x2 axb; do
    refused 2 "'$bad' is no synthetic model" bench model --synthetic $bad
done
refused 2 '--synthetic has no meaning for matmul' bench --synthetic 64x1
refused 2 '--tokens has no meaning for model' bench model a --tokens 1
refused 2 "'q4_k' has blocks of 256 weights" bench model --synthetic 64x1 --type q4_k
refused 1 'try: --max-memory' bench model "$model" --max-memory 1MiB
refused 1 'nowhere' bench model nowhere
refused 4 'alone.safetensors' bench model alone.safetensors
refused 2 "'int9'" bench --type int9
refused 2 "'keep' is no type of weights" bench --type keep
refused 2 "'q4_k' has blocks of 256 weights" bench --type int4,q4_k --shape 64x96
refused 2 "'4x' is no shape" bench --shape 4x
refused 2 "'0' is no number of tokens" bench --tokens 0
refused 2 "--acts takes f32|q8|bf16, not 'q4'" bench --acts q4
refused 2 '--threads takes a number from 0 to 256' bench --threads 257
refused 2 '--seconds takes' bench --seconds=-1
refused 2 '--seconds takes' bench --seconds inf
for pair in 'quantize --cold' 'quantize --tokens=1' 'quantize --acts=f32' 'memory --type=f16' \
    'memory --shape=4x4' 'memory --seconds=1' 'matmul --clip=mse' 'gptq --clip=mse' \
    'gptq --tokens=1' 'gptq --cold' 'gptq --acts=f32' "quantize --model=x"; do
    # shellcheck disable=SC2086
    refused 2 "has no meaning for ${pair%% *}" bench $pair
done
refused 2 '--type has no meaning with --model' bench --model x --type f16
refused 2 '--cold has no meaning with --list' bench --list --cold
refused 2 'f32 is what the encoders read' bench quantize --type f32
refused 2 'q4_k: blocks are not clipped' bench quantize --type q4_k --clip mse
refused 2 'no shape has rows of whole blocks' bench quantize --type q4_k --shape 64x96
refused 2 'no shape has rows of whole blocks' bench gptq --type q4_k --shape 64x96
refused 2 'f16 has no codes to find; try: int4-g128' bench gptq --type f16
refused 2 'nested scales are found before' bench gptq --type nf4-g64-dq
refused 1 'try: --max-memory' bench gptq --max-memory 100MiB
refused 1 'try: --max-memory' bench --max-memory 1MiB
refused 1 'no-such-model' bench --model no-such-model
refused 2 'b.json: exists; try: --force' bench --list --json=b.json
only a.json b.json g.json g1.json q.json m.json f.json l.json q.safetensors w.json w1.json s.json config.json \
    alone.safetensors
finish
