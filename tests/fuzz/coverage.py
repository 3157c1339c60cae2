#!/usr/bin/env python3
"""The lines of each parser that the corpora of the fuzz targets reach, and those that none does.

    coverage.py BUILD [TARGET..]

BUILD is a folder for a build of its own, made with clang's counters; it may be there already.
Needs cmake, clang, llvm-profdata and llvm-cov. Printed is, for each target: its files, how many of
their lines its own corpus reaches and how many all corpora do (all that were asked for), then the
lines that are left, with their text.
SPDX-License-Identifier: MIT
"""
import os
import subprocess
import sys
from collections import defaultdict
from glob import glob

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FLAGS = "-O1 -fprofile-instr-generate -fcoverage-mapping"

# What each target is there for.
FILES = {
    "block": "src/pack/block.c src/pack/block_fields.c src/pack/block_k.c src/pack/block_simple.c "
             "src/pack/block_ternary.c",
    "calib": "src/calib/state_read.c src/calib/state_mix.c",
    "config": "src/model/config.c src/model/config_json.c src/model/config_raw.c",
    "gguf": "src/io/gguf.c src/io/gguf_cursor.c src/io/gguf_kv.c src/io/gguf_read.c "
            "src/io/gguf_split.c src/io/gguf_type.c",
    "gguf_config": "src/model/config_gguf.c",
    "glob": "src/job/glob.c",
    "hf": "src/source/codes.c src/source/hf.c src/source/hf_awq.c src/source/hf_bnb.c "
          "src/source/hf_ctensors.c src/source/hf_fp8.c src/source/hf_gptq.c "
          "src/source/hf_unread.c src/source/layouts.c",
    "hf_config": "src/source/hf_config.c src/pack/bnb_state.c",
    "ids": "src/model/ids.c",
    "imatrix": "src/calib/imatrix.c src/calib/imatrix_dat.c src/calib/imatrix_state.c",
    "inflate": "src/io/inflate.c",
    "journal": "src/io/journal.c",
    "json": "src/base/json.c",
    "llama2c": "src/io/llama2c.c src/source/llama2c.c src/model/config_llama2c.c",
    "npy": "src/io/npy.c src/io/raw.c src/io/view.c",
    "npz": "src/io/npz.c src/io/archive.c",
    "options": "tools/options.c",
    "packing": "src/pack/awq.c src/pack/bits.c src/pack/bnb.c src/pack/ctensors.c src/pack/gptq.c "
               "src/pack/native.c src/pack/pack.c src/pack/streams.c",
    "pickle": "src/io/pickle.c src/io/pickle_calls.c src/io/pickle_ops.c src/io/pickle_stack.c "
              "src/io/torch.c src/io/torch_zip.c src/io/torch_legacy.c",
    "questions": "src/job/eval_questions.c",
    "recipe": "src/job/recipe.c src/job/rule.c src/job/rules.c",
    "safetensors": "src/io/safetensors.c src/io/hfdir.c",
    "scheme": "src/quant/scheme_parse.c src/quant/scheme_near.c src/quant/scheme.c",
    "side": "src/job/side.c src/job/companions.c src/job/config_text.c "
            "src/io/old_model.c",
    "tokenize": "src/model/token_added.c src/model/token_decode.c src/model/token_encode.c "
                "src/model/token_merge.c src/model/token_score.c src/model/token_split.c "
                "src/model/token_text.c src/model/nfc.c",
    "verify": "src/job/verify.c src/job/check.c src/job/provenance.c src/job/digests.c "
              "src/source/fetch.c src/source/native.c src/source/source.c",
    "vocab": "src/model/vocab_added.c src/model/vocab_config.c src/model/vocab_extra.c "
             "src/model/vocab_folder.c src/model/vocab_gguf.c src/model/vocab_json.c "
             "src/model/vocab_llama2c.c src/model/vocab_make.c src/model/vocab_pre.c "
             "src/model/vocab_rules.c src/model/vocab_sentencepiece.c src/model/proto.c "
             "src/model/template.c",
    "words": "src/bench/parse.c src/model/names.c",
    "zip": "src/io/zip.c src/io/unzip.c",
}


def build(folder, targets):
    subprocess.run(["cmake", "-B", folder, "-S", ROOT, "-DCMAKE_C_COMPILER=clang",
                    "-DCMAKE_BUILD_TYPE=Debug", "-DWHIT_SIMD=OFF",
                    f"-DCMAKE_C_FLAGS_DEBUG={FLAGS}"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", folder, "-j", "2", "--target",
                    *("replay_" + t for t in targets)], check=True, stdout=subprocess.DEVNULL)


def reached(folder, target):
    """{file: {line: how often}} of one corpus."""
    program, raw = f"{folder}/tests/replay_{target}", f"{folder}/{target}.profraw"
    subprocess.run([program, f"{HERE}/corpus/{target}"], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "LLVM_PROFILE_FILE": raw})
    subprocess.run(["llvm-profdata", "merge", "-o", raw + ".data", raw], check=True)
    text = subprocess.run(["llvm-cov", "export", "-format=lcov", f"-instr-profile={raw}.data",
                           program], check=True, capture_output=True, text=True).stdout
    lines, name = defaultdict(dict), ""
    for entry in text.splitlines():
        if entry.startswith("SF:"):
            name = os.path.relpath(entry[3:], ROOT)
        elif entry.startswith("DA:"):
            number, count = entry[3:].split(",")[:2]
            lines[name][int(number)] = int(count)
    return lines


def union(all_lines, name):
    together = defaultdict(int)
    for lines in all_lines.values():
        for number, count in lines.get(name, {}).items():
            together[number] += count
    return together


def share(part, whole):
    return f"{part}/{whole} {100 * part / whole:.1f} %" if whole else "none"


def report(target, all_lines):
    own = every = total = 0
    left = []
    for name in FILES[target].split():
        mine, together = all_lines[target].get(name, {}), union(all_lines, name)
        with open(os.path.join(ROOT, name), encoding="utf-8") as f:
            text = f.read().split("\n")
        total += len(together)
        own += sum(mine.get(n, 0) > 0 for n in together)
        every += sum(count > 0 for count in together.values())
        left += [f"    {name}:{n}: {text[n - 1].strip()}" for n in sorted(together)
                 if together[n] == 0]
    print(f"{target}: own corpus {share(own, total)}, all corpora {share(every, total)}")
    print("\n".join(left))


def main():
    folder, targets = os.path.abspath(sys.argv[1]), sys.argv[2:] or sorted(FILES)
    there = {os.path.basename(p)[5:-2] for p in glob(f"{HERE}/fuzz_*.c")}
    if there != set(FILES):
        sys.exit(f"targets without files, or files without one: {there ^ set(FILES)}")
    build(folder, targets)
    all_lines = {t: reached(folder, t) for t in targets}
    for target in targets:
        report(target, all_lines)


if __name__ == "__main__":
    main()
