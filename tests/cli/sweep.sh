# tests/cli/sweep.sh - plan --sweep: the table, CSV, SVG and JSON agree, whatever the threads; what
# cannot be swept says so and leaves nothing.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

run 0 plan "$model" --sweep --csv a.csv --svg a.svg --json=a.json -T1
empty "$err"
out_line 'sweep 35 tensors of 226560 weights' '* no other has as few bits and as high an SQNR' \
    '* int4-g32-asym 4.771 22.49 135120' ' int4-g64 4.257 21.11 120560' ' mxfp4 4.257 19.11 120560'
cp "$out" "$scratch/log/table"
for threads in 2 8; do
    run 0 plan "$model" --sweep --csv b.csv --svg b.svg --json=b.json -fT$threads
    check "$threads threads change the table" cmp -s "$out" "$scratch/log/table"
    for kind in csv svg json; do
        check "$threads threads change the $kind" cmp -s a.$kind b.$kind
    done
done
rm b.csv b.svg b.json

# The same schemes in the same order, the same marks.
check 'not 63 lines of CSV' test "$(wc -l <a.csv)" -eq 63
check 'another header' test "$(head -1 a.csv)" = 'scheme,bits_per_weight,sqnr_db,bytes,pareto'
tail -n +2 a.csv | awk -F, '{ print ($5 ? "* " : "  ") $1, $4 }' >"$scratch/log/csv"
grep '^[* ] [a-z0-9_-]* *[0-9]' "$scratch/log/table" | awk '{ star = /^\*/ ? "* " : "  "
    sub(/^[* ] /, ""); print star $1, $4 }' >"$scratch/log/rows"
check 'table and CSV differ' cmp -s "$scratch/log/csv" "$scratch/log/rows"
check 'CSV is not sorted by bits' sh -c 'tail -n +2 a.csv | cut -d, -f2 | sort -gc'
front=$(grep -c ',1$' a.csv)
check 'names in the picture' test "$(grep -c 'class="lead"' a.svg)" -eq "$front"
check 'points in the picture' test "$(grep -c '<circle' a.svg)" -eq 62
has a.json '"command":"plan"' '"sweep":{"tensors":35,"weights":226560,"sampled":226560,' \
    '{"scheme":"int4-g32-asym","bits_per_weight":4.77118644,'
python=$(command -v python3 || :)
if [ -n "$python" ]; then
    check 'no XML' "$python" -c 'import sys, xml.dom.minidom as x; x.parse("a.svg")'
    check 'JSON and CSV differ' "$python" -c '
import csv, json
rows = json.load(open("a.json"))["sweep"]["rows"]
table = list(csv.DictReader(open("a.csv")))
assert len(rows) == len(table) == 62
for r, t in zip(rows, table):
    assert r["scheme"] == t["scheme"] and r["bytes"] == int(t["bytes"])
    assert r["sqnr_db"] == float(t["sqnr_db"]) and r["pareto"] == (t["pareto"] == "1")'
else
    skip 'no python3: XML and JSON are not parsed'
fi

# What quantize then does, for one of them.
run 0 quantize "$model" -o q.safetensors --scheme int4-g32-asym
out_has '22.49'
run 0 plan "$model" --sweep --clip minmax
out_line ' int4-g64 4.257 19.55 120560'
run 0 plan "$model" --sweep --rule '*=keep' --rule '*.0.*up_proj=int8'
out_has 'sweep     1 tensor of '
run 0 plan "$model" --sweep -q
empty "$out"
run 0 plan "$model" --sweep --json
check 'not one line of JSON' test "$(wc -l <"$out")" -eq 1
check 'another JSON' cmp -s "$out" a.json
run 0 plan "$model" --sweep --color always
out_has "$(printf '\033[1m* int2')"
run 0 plan "$model" --sweep -q --progress json
checks=$((checks + 1))
tail -1 "$err" | grep -q '"done":\([0-9]*\),"total":\1,' || fail 'progress does not reach its total'

# Names that XML does not like, and a sample.
zeros 'a<&">b.safetensors' 300
run 0 plan 'a<&">b.safetensors' --sweep --svg a.svg -f
out_has 'sweep     1 tensor of 1228800 weights, 1048576 of them measured: rows at equal distances' exact
has a.svg 'a&#60;&#38;&#34;&#62;b.safetensors'
[ -z "$python" ] || check 'no XML' "$python" -c 'import xml.dom.minidom as x; x.parse("a.svg")'

refused 2 '--csv is for the sweep; try: --sweep' plan "$model" --csv x
refused 2 '--svg is for the sweep; try: --sweep' plan "$model" --svg x
refused 2 '--sweep and --explain' plan "$model" --sweep --explain model.norm
refused 2 '--sweep takes one input' plan "$model" "$model" --sweep
printf 'a text' >text.txt
for option in '--method gptq' '--method blah' '--calibration st' '--observer mse' '--alpha x' \
    '--damping 7' '--text text.txt' '--ids none' '--context 5' '--tokens 5' --act-order \
    --static-groups '--cd-passes 1' '--qep 0.5'; do
    refused 2 "${option%% *}" plan "$model" --sweep $option
    err_has 'has no meaning with --sweep; try: without it'
done
rm text.txt
refused 2 '--csv and --svg name the same file' plan "$model" --sweep --csv x --svg x
refused 2 '--csv and --json name the same file' plan "$model" --sweep --csv x --json=x
refused 2 '--svg and --json name the same file' plan "$model" --sweep --svg x --json=x
refused 2 'a.csv: exists; try: --force' plan "$model" --sweep --csv a.csv
refused 2 'is the input' plan 'a<&">b.safetensors' --sweep --csv 'a<&">b.safetensors' -f
refused 2 'quantizes nothing' plan "$model" --sweep --rule '**=keep' --csv x --svg y
refused 1 'try: --max-memory' plan "$model" --sweep --max-memory 1MiB
[ ! -f "$odd" ] || refused 4 'column' plan "$odd" --sweep --rule 'w=int8' --csv x
only a.csv a.svg a.json q.safetensors 'a<&">b.safetensors'
finish
