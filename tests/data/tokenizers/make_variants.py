#!/usr/bin/env python3
"""Writes variants.json, and shakespeare.model where it is not there, with the reference libraries.

    make_variants.py TEXT     TEXT: tinyshakespeare.txt, to train shakespeare.model on (else not read)

Needs the packages tokenizers and sentencepiece. Run in this folder. A variant is a tokenizer.json
whose vocabulary and merges are those of a base (docs-llama or ../stories260K; "@" stands for them),
or shakespeare.model with octets behind it, which override fields of its normalizer.
SPDX-License-Identifier: MIT
"""
import json
import os
import random
import sys
import unicodedata

import sentencepiece
import tokenizers

CASES = 40
MARK = "\u2581"

BITS = ["'s", "'S", "'ll", "'LL", "'re", "'Ve", "'t", "'d", "'m", "'\u017f", "'", "''", " ", "  ",
        "   ", "\n", "\r\n", "\t", "\n\n", " \n", "\u3000", "\u00a0", "\u2581", "\u2581\u2581", "0",
        "12", "1234", "\u0661", "\u00bd", "\u2460", "<|a|>", "<|ab|>", "<|a|><|b|>", "<|a|", "WORDX",
        "nor mal", "\u00e9", "z\u00e9", "ze\u0301", "e\u0301", "e\u0301x", "[X]", "<s>", "</s>",
        "<unk>", "<|bos|>", "<|eos|>", "<0x41>", "\u200d", "\u0300", "\u0323\u0301", "_", "x",
        "Hello", " the", "!", "...", "?!\n", "--- ", "\u4e2d\u6587", "\ud55c",
        "\u1112\u1161\u11ab", "\U0001f600", "\0", "\x7f", " little", " once upon a time",
        "There was", " file", " default"]

ADDED = [dict(content="<|a|>", special=True), dict(content="<|ab|>", lstrip=True, special=True),
         dict(content="<|a|><|b|>", rstrip=True), dict(content="WORDX", single_word=True),
         dict(content="nor mal", normalized=True),
         dict(content="z\u00e9", normalized=True, lstrip=True, rstrip=True), dict(content="  "),
         dict(content="e\u0301x", normalized=True),
         dict(content="[X]", lstrip=True, rstrip=True, single_word=True)]

WORDS = r"'s|'t|'re|'ve|'m|'ll|'d"
GPT2 = WORDS + r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def llama3(digits):
    return (f"(?i:{WORDS})" + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits +
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def bytelevel(prefix, regex):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True,
            "use_regex": regex}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert},
        bytelevel(False, False)]}


def metaspace(scheme):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": False}


def with_added(tokenizer, first):
    for i, entry in enumerate(ADDED):
        flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
        flags.update(entry)
        tokenizer["added_tokens"].append({"id": first + i, **flags})
    return tokenizer


def copy(value):
    return json.loads(json.dumps(value))


def json_variants(docs, stories):
    """name, base, tokenizer"""
    def byte_level(pre, nfc=False, ignore=False, added=False):
        t = copy(docs)
        t["pre_tokenizer"] = pre
        t["normalizer"] = {"type": "NFC"} if nfc else None
        t["model"]["ignore_merges"] = ignore
        return with_added(t, 4096) if added else t

    def spm(**members):
        t = copy(stories)
        t["model"].update(members.pop("model", {}))
        added = members.pop("added", False)
        t.update(members)
        return with_added(t, 512) if added else t

    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    legacy = copy(stories["normalizer"])
    plain_decoder = copy(stories["decoder"])
    plain_decoder["decoders"].remove(strip)
    eos = copy(stories["post_processor"])
    eos["single"].append({"SpecialToken": {"id": "</s>", "type_id": 0}})
    eos["special_tokens"]["</s>"] = {"id": "</s>", "ids": [2], "tokens": ["</s>"]}
    normalized = spm()
    for token in normalized["added_tokens"]:
        token["normalized"] = True
    digits = {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True}, bytelevel(False, True)]}

    yield "gpt-2", "docs-llama", byte_level(bytelevel(False, True), added=True)
    yield "gpt-2 with a space before", "docs-llama", byte_level(bytelevel(True, True), added=True)
    yield "gpt-2 as a pattern", "docs-llama", byte_level(split(GPT2), ignore=True)
    yield "llama 3", "docs-llama", byte_level(split(llama3(r"\p{N}{1,3}")), added=True)
    yield "llama 3, gaps removed", "docs-llama", byte_level(
        split(llama3(r"\p{N}{1,3}"), "Removed", True), ignore=True)
    yield "qwen 2", "docs-llama", byte_level(split(llama3(r"\p{N}")), nfc=True, added=True)
    yield "smollm", "docs-llama", byte_level(digits)
    yield "legacy", "stories260K", spm(added=True)
    yield "legacy, normalized specials", "stories260K", normalized
    yield "legacy with NFC", "stories260K", spm(added=True, normalizer={
        "type": "Sequence", "normalizers": [{"type": "NFC"}] + legacy["normalizers"]})
    yield "spaces marked, none before", "stories260K", spm(
        normalizer=legacy["normalizers"][1], decoder=plain_decoder)
    for scheme in ("first", "always", "never"):
        yield "metaspace " + scheme, "stories260K", spm(
            added=True, normalizer=None, pre_tokenizer=metaspace(scheme),
            decoder=plain_decoder if scheme == "never" else stories["decoder"])
    yield "unknown, fused", "stories260K", spm(model={"byte_fallback": False, "fuse_unk": True})
    yield "unknown, each", "stories260K", spm(model={"byte_fallback": False, "fuse_unk": False})
    yield "eos behind", "stories260K", spm(post_processor=eos)


def without_vocabulary(tokenizer):
    t = copy(tokenizer)
    del t["model"]["vocab"], t["model"]["merges"]
    t["model"]["@"] = 0
    return json.dumps(t, ensure_ascii=True).replace('"@": 0', "@")


def texts(seed):
    r = random.Random(seed)
    for _ in range(CASES):
        parts = []
        for _ in range(r.randrange(1, 12)):
            if r.random() < 0.8:
                parts.append(r.choice(BITS))
                continue
            c = r.choice((r.randrange(0x20, 0x7f), r.randrange(0x80, 0x3000),
                          r.randrange(0x3000, 0xffff), r.randrange(0x10000, 0x1ffff)))
            if unicodedata.category(chr(c)) not in ("Cn", "Cs"):
                parts.append(chr(c))
        yield "".join(parts)


def json_cases(tokenizer, seed):
    reference = tokenizers.Tokenizer.from_str(json.dumps(tokenizer))
    for text in texts(seed):
        reference.encode_special_tokens = False
        case = {"text": text, "ids": reference.encode(text).ids}
        reference.encode_special_tokens = True
        plain = reference.encode(text).ids
        if plain != case["ids"]:
            case["plain"] = plain
        yield case


# Fields of normalizer_spec (number 3 of the model): 3 add_dummy_prefix, 4 remove_extra_whitespaces.
MODELS = [("as it is", b""), ("no space before", b"\x1a\x02\x18\x00"),
          ("extra white space removed", b"\x1a\x02\x20\x01"),
          ("both", b"\x1a\x04\x18\x00\x20\x01")]


def model_cases(octets, seed):
    reference = sentencepiece.SentencePieceProcessor(model_proto=octets)
    for text in texts(seed):
        text = text.replace("\0", "")
        ids = reference.encode(text)
        yield {"text": text, "plain": ids, "decoded": reference.decode(ids)}


def main():
    if not os.path.exists("shakespeare.model"):
        sentencepiece.SentencePieceTrainer.train(
            input=sys.argv[1], model_prefix="shakespeare", vocab_size=900, model_type="bpe",
            normalization_rule_name="identity", byte_fallback=True, remove_extra_whitespaces=False,
            split_by_whitespace=False, minloglevel=2)
        os.remove("shakespeare.vocab")
    with open("docs-llama/tokenizer.json", encoding="utf-8") as file:
        docs = json.load(file)
    with open("../stories260K/tokenizer.json", encoding="utf-8") as file:
        stories = json.load(file)
    with open("shakespeare.model", "rb") as file:
        model = file.read()
    out = {"made_with": f"tokenizers {tokenizers.__version__}, "
                        f"sentencepiece {sentencepiece.__version__}",
           "json": [{"name": name, "base": base, "file": without_vocabulary(t),
                     "cases": list(json_cases(t, name))}
                    for name, base, t in json_variants(docs, stories)],
           "sentencepiece": [{"name": name, "append": tail.hex(),
                              "cases": list(model_cases(model + tail, name))}
                             for name, tail in MODELS]}
    with open("variants.json", "w", encoding="ascii") as file:
        text = json.dumps(out, separators=(",", ":"))
        file.write(text.replace('{"text"', '\n{"text"').replace('{"name"', '\n{"name"') + "\n")


if __name__ == "__main__":
    main()
