# tests/cli/models.sh - parts of published models of other kinds (data/models): 0 to 5 dimensions,
# odd shapes, integers, bools, through inspect --stats, quantize and compare. What is quantized
# follows from type and shape; what is kept has the octets it had; errors have the bound of int8.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# objects - the tensors of a JSON object on stdin, one a line; names hold no quotes or braces here.
objects() { sed 's/{"name":/\
&/g' | grep '^{"name":.*"scheme":'; }

# list - of the output of inspect: name dtype shape scheme offset bytes min max, tab between them.
list() {
    objects | awk '
        function get(key) {
            if (!match($0, "\"" key "\":(\"[^\"]*\"|\\[[^]]*\\]|[^,}]*)")) return "none"
            value = substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3)
            gsub(/["\[\]]/, "", value)
            return value == "" ? "scalar" : value
        }
        { print get("name") "\t" get("dtype") "\t" get("shape") "\t" get("scheme") "\t" \
            get("offset") "\t" get("bytes") "\t" get("min") "\t" get("max") }' | sort
}

# judge BEFORE AFTER COMPARISON - says what is wrong; nothing: all is well.
judge() {
    awk -F '\t' '
        function get(key) {
            if (!match($0, "\"" key "\":(\"[^\"]*\"|[^,}]*)")) return "none"
            value = substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3)
            gsub(/"/, "", value)
            return value
        }
        function wrong(what) { print name ": " what }
        FILENAME == ARGV[1] {
            rank[$1] = $3 == "scalar" ? 0 : split($3, dim, ",")
            elements[$1] = 1
            for (d = 1; d <= rank[$1]; d++) elements[$1] *= dim[d]
            cols[$1] = rank[$1] ? elements[$1] / (dim[1] ? dim[1] : 1) : 1
            wants[$1] = $2 ~ /F/ && rank[$1] > 1 && cols[$1] >= 32 && elements[$1] >= 1024
            low[$1] = $7; high[$1] = $8; type[$1] = $2; shape[$1] = $3
            tensors++
            next
        }
        FILENAME == ARGV[2] {
            name = $1
            if (!(name in type)) wrong("has come from nowhere")
            if ($4 != (wants[name] ? "int8-channel" : "keep")) wrong("became " $4)
            if ($2 != type[name] || $3 != shape[name]) wrong("is " $2 " " $3 " now")
            after++
            next
        }
        {
            name = get("name"); mse = get("mse"); most = get("max_abs_error"); db = get("sqnr_db")
            cosine = get("cosine"); share = get("share")
            compared++
            if (get("elements") + 0 != elements[name]) wrong("has " get("elements") " elements")
            if (get("differs") != "false") wrong("differs")
            if (mse !~ /^[0-9.e-]+$/ || most !~ /^[0-9.e-]+$/ || share !~ /^[0-9.e-]+$/)
                wrong("mse " mse ", error " most ", share " share)
            if (!wants[name]) {
                if (mse + 0 != 0 || most + 0 != 0 || share + 0 != 0 || db != "null")
                    wrong("was kept: mse " mse ", " db " dB")
                next
            }
            # Half a step of the largest row, and what is lost in float32 and nine digits.
            amax = -low[name] > high[name] + 0 ? -low[name] : high[name] + 0
            if (most + 0 <= 0 || most + 0 > amax / 254 * (1 + 1e-6)) wrong("error " most " of " amax)
            if (mse + 0 <= 0 || mse + 0 > most * most) wrong("mse " mse ", error " most)
            # A row has at least the power of its largest weight, and no error above half a step.
            least = 20 * log(254 / sqrt(cols[name])) / log(10)
            if (db !~ /^[0-9.]+$/ || db + 0 < least) wrong(db " dB, at least " least)
            if (cosine + 0 > 1 || cosine + 0 < 1 - exp(-db / 10 * log(10))) wrong("cosine " cosine)
            if (share + 0 > 1) wrong("share " share)
        }
        END {
            name = ARGV[1]
            if (!tensors || after != tensors || compared != tensors)
                wrong(tensors " tensors, then " after ", compared " compared)
        }' "$@"
}

# octets FILE OFFSET BYTES
octets() { tail -c +$(($2 + 1)) "$1" | head -c "$3"; }

# same_octets FILE - of every tensor that was kept, there and in q.safetensors.
same_octets() {
    while IFS="$(printf '\t')" read -r name dtype shape scheme offset bytes rest; do
        [ "$scheme" = keep ] || continue
        from=$(awk -F '\t' -v name="$name" '$1 == name { print $5 }' before)
        octets q.safetensors "$offset" "$bytes" >kept
        octets "$1" "$from" "$bytes" | cmp -s - kept || echo "$name, $dtype $shape: other octets"
        echo "$dtype" >>kept.types
    done <after
}

: >kept.types
: >ranks
for file in "$tests"/data/models/*.safetensors "$tests"/data/models/*.gguf \
    "$tests"/data/models/*.npy; do
    run 0 inspect "$file" --stats --json
    list <"$out" >before
    run 0 quantize "$file" -o q.safetensors --scheme int8-channel --force -q
    run 0 inspect q.safetensors --check --json
    list <"$out" >after
    run 0 compare "$file" q.safetensors --json
    objects <"$out" >compared
    judge before after compared >found
    case $file in
    *-fortran*.npy | *-big.npy) ;; # turned on the way; compare has said that they are the same
    *) same_octets "$file" >>found ;;
    esac
    empty found
    awk -F '\t' '$4 == "int8-channel" { print split($3, dim, ",") }' after >>ranks
done
for rank in 2 3 4 5; do
    check "nothing of $rank dimensions was quantized" grep -qx "$rank" ranks
done
for dtype in F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL; do
    check "no $dtype was kept" grep -qx "$dtype" kept.types
done
finish
