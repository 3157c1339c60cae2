# tests/cli/batch.sh - several inputs: a folder with an output for each, the same bytes as one by
# one; what fails does not stop the others; names that clash stop all before anything is written.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

cp -R "$model" alpha
mkdir sub
cp "$model/model.safetensors" beta.safetensors
cp "$model/model.safetensors" sub/llama-3.1
printf 'no model' >broken.safetensors

run 0 quantize alpha beta.safetensors sub/llama-3.1 -o out/ --scheme int8
out_has 'alpha -> out/alpha' 'beta.safetensors -> out/beta.safetensors' \
    'sub/llama-3.1 -> out/llama-3.1.safetensors'
check 'three tables' test "$(grep -c '^file ' "$out")" -eq 3
run 0 quantize alpha -o one --scheme int8 -q
run 0 quantize beta.safetensors -o one.safetensors --scheme int8 -q
check 'a folder of a batch differs' diff -r one out/alpha
check 'a file of a batch differs' cmp one.safetensors out/beta.safetensors
check 'a file without extension differs' cmp one.safetensors out/llama-3.1.safetensors
check 'other names in the folder' test "$(ls -A out | tr '\n' ' ')" = \
    'alpha beta.safetensors llama-3.1.safetensors '
rm -r one one.safetensors

# They exist now: each says so, nothing changes; --force replaces.
run 2 quantize alpha beta.safetensors -o out
check 'two lines' test "$(grep -c 'try: --force' "$err")" -eq 2
run 0 quantize alpha beta.safetensors -o out --scheme int4 -fq
run 0 inspect out/beta.safetensors --tensors
out_has 'int4-g128'
rm -r out

# One fails, the others run; the code is the first failure's.
run 4 quantize alpha broken.safetensors beta.safetensors none -o out -q
empty "$out"
err_has 'broken.safetensors: ' 'none: '
check 'two lines' test "$(wc -l <"$err")" -eq 2
run 0 inspect out/alpha --check -q
run 0 inspect out/beta.safetensors --check -q
check 'debris' test "$(ls -A out | tr '\n' ' ')" = 'alpha beta.safetensors '
rm -r out
run 1 quantize none broken.safetensors beta.safetensors -o out -q
rm -r out
run 3 quantize alpha beta.safetensors broken.safetensors -o out -q --strict --rule 'no*=int8'
check 'an output in spite of --strict' test -z "$(ls -A out)"
rm -r out

# One object a line, on stdout or in a file.
run 4 quantize alpha broken.safetensors beta.safetensors -o out --json
check 'not one object a line' test "$(grep -c '^{"schema":1,"command":"quantize".*}$' "$out")" -eq 2
check 'more than two lines' test "$(wc -l <"$out")" -eq 2
check 'no names' grep -q '"output":"out/alpha"' "$out"
run 0 quantize alpha beta.safetensors -o out -f --json=report.json -q
check 'not one object a line' test "$(grep -c '^{"schema":1.*}$' report.json)" -eq 2
refused 2 'report.json: exists' quantize alpha beta.safetensors -o other --json=report.json
ln beta.safetensors link.json
for name in beta.safetensors link.json; do
    refused 2 "$name: is the input" quantize none alpha beta.safetensors -o other -f --json=$name
done
refused 2 'alpha/model.safetensors: may be read with the model in its folder' \
    quantize none alpha beta.safetensors -o other -f --json=alpha/model.safetensors
rm link.json
check 'an input was changed' cmp -s beta.safetensors "$model/model.safetensors"
check 'an input was changed' cmp -s alpha/model.safetensors "$model/model.safetensors"
refused 2 'new/beta.safetensors: is the output' quantize alpha beta.safetensors -o new -f \
    --json=new/beta.safetensors
run 0 quantize alpha beta.safetensors -o in --json=in/report.json -q
check 'the report in the folder' test "$(wc -l <in/report.json)" -eq 2
refused 2 'report.json: exists' quantize alpha beta.safetensors -o late --json=in/report.json
check 'a folder of a batch that never began' test ! -e late
check 'a folder of a batch that never began' test ! -e new -a ! -e other
rm -r out in report.json

# Names: clashes and odd ones.
cp beta.safetensors sub/beta.safetensors
refused 2 'would have the same output' quantize beta.safetensors sub/beta.safetensors -o out
refused 2 'would have the same output' quantize alpha alpha/ -o out
refused 2 'would have the same output' quantize alpha ./alpha/. alpha -o out
cp beta.safetensors beta.bin
refused 2 'beta.safetensors and beta.bin would have the same output' \
    quantize alpha beta.safetensors beta.bin -o out
refused 2 'several inputs need a folder; try: -o DIR/' quantize alpha beta.safetensors -o x.safetensors
refused 2 'no output' quantize alpha beta.safetensors
refused 2 'beta.bin: is no folder' quantize alpha sub/llama-3.1 -o beta.bin
refused 1 'none/out: ' quantize alpha sub/llama-3.1 -o none/out
only alpha beta.safetensors beta.bin broken.safetensors sub
cd alpha
run 0 quantize . ../sub/beta.safetensors -o ../out -q
cd ..
check 'a dot has the name of its folder' test -e out/alpha/model.safetensors
rm -r out

# The folder may be that of the inputs; none of them is touched.
run 2 quantize alpha beta.safetensors -o . -q -f
err_has 'beta.safetensors: ' 'input'
check 'the input was changed' cmp -s beta.safetensors "$model/model.safetensors"

# An index of shards becomes a folder, whatever the shards are.
run 0 quantize alpha -o shards --scheme f16 --shard-size 80kB -q
mv shards/model.safetensors.index.json shards/pytorch_model.bin.index.json
run 0 quantize alpha shards/pytorch_model.bin.index.json -o out --scheme int8 -q
check 'other names' test "$(ls -A out | tr '\n' ' ')" = 'alpha pytorch_model '
run 0 compare out/alpha out/pytorch_model --min-sqnr 100 -q
check 'small files' cmp alpha/tokenizer.json out/pytorch_model/tokenizer.json
run 0 quantize alpha/model.safetensors -o alone --scheme int8
err_has 'alpha/model.safetensors: config.json and tokenizer beside it are not copied; try: its folder'
run 0 quantize alpha/model.safetensors -o alone.safetensors --scheme int8
empty "$err"
rm -r alone alone.safetensors
rm -r out shards

# Shards as asked for.
run 0 quantize alpha -o out --shard-size 80kB -q
shards=$(find out -name 'model-*-of-*.safetensors' | wc -l | tr -d ' ')
check 'no shards' test "$shards" -gt 1
check 'other names' test -e "out/model-00001-of-0000$shards.safetensors"
check 'no index' test -e out/model.safetensors.index.json
for file in out/*.safetensors; do
    check "$file is too large" test "$(size_of "$file")" -le 80000
done
run 0 inspect out --check -q
run 0 quantize alpha -o whole -q
run 0 compare whole out --min-sqnr 200 -q
run 0 quantize alpha -o out --shard-size 1GB -fq
check 'an old shard is left' test -z "$(find out -name 'model-*')"
check 'shards of a small model' cmp -s out/model.safetensors whole/model.safetensors
refused 2 'is one file, and shards need a folder' quantize alpha -o x.safetensors --shard-size 1MB
refused 2 '--shard-size takes a size' quantize alpha -o x --shard-size 0
refused 2 'takes a number from 0 to' quantize alpha -o x -T -1
run 1 quantize none broken.safetensors -o nothing -q
check 'a folder without an output' test ! -e nothing
finish
