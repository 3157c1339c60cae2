#!/usr/bin/env python3
"""Writes src/model/unicode_table.c from Python's unicodedata, or checks that it is what it writes.

    unicode_tables.py > src/model/unicode_table.c
    unicode_tables.py --check src/model/unicode_table.c

The check is skipped (77) under a Python whose unicodedata has another version of Unicode.
SPDX-License-Identifier: MIT
"""
import sys
import unicodedata as u

LAST = 0x10FFFF
WIDTH = 100

# As enum wh_unicode_kind has them.
OTHER, LETTER, NUMBER, NUMBER_WORD, SPACE, WORD = range(6)

# Characters that are alphabetic besides letters, marks and letter numbers: circled letters.
ALPHABETIC_SYMBOLS = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))
# White_Space; by category it would be 0085 and 0009-000D that are missing.
SPACES = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
          0x202F, 0x205F, 0x3000}
JOINERS = {0x200C, 0x200D}


def kind(c):
    category = u.category(chr(c))
    if c in SPACES:
        return SPACE
    if category[0] == "L":
        return LETTER
    if category[0] == "N":
        return NUMBER if category == "No" else NUMBER_WORD
    if category[0] == "M" or category == "Pc" or c in JOINERS:
        return WORD
    if any(first <= c <= last for first, last in ALPHABETIC_SYMBOLS):
        return WORD
    return OTHER


def is_hangul(c):
    return 0xAC00 <= c <= 0xD7A3


def decompositions():
    """code point -> one or two code points; Hangul syllables are arithmetic and not in it"""
    found = {}
    for c in range(LAST + 1):
        text = u.decomposition(chr(c))
        if text and not text.startswith("<"):
            found[c] = [int(part, 16) for part in text.split()]
    return found


def changes(value, bits):
    """(code point << bits | value) wherever the value changes"""
    words, before = [], None
    for c in range(LAST + 1):
        now = value(c)
        assert now < 1 << bits
        if now != before:
            words.append(c << bits | now)
        before = now
    return words


def write_words(out, name, comment, ctype, words, digits):
    out.append(f"/* {comment} */")
    out.append(f"const {ctype} {name}[{len(words)}] = {{")
    line = "   "
    for word in words:
        item = f" 0x{word:0{digits}x},"
        if len(line) + len(item) > WIDTH:
            out.append(line)
            line = "   "
        line += item
    out.append(line)
    out.append("};")
    out.append("")


def tables():
    parts = decompositions()
    pairs = [(c, p[0], p[1] if len(p) == 2 else 0) for c, p in sorted(parts.items())]
    # What composes again: pairs that NFC gives back, singletons and exclusions left out.
    composing = [i for i, (c, a, b) in enumerate(pairs)
                 if b and u.normalize("NFC", chr(c)) == chr(c)]
    composing.sort(key=lambda i: pairs[i][1:])
    seconds = {pairs[i][2] for i in composing} | set(range(0x1161, 0x1176)) | set(
        range(0x11A8, 0x11C3))

    def uneasy(c):
        if 0xD800 <= c < 0xE000:
            return 0
        text = chr(c)
        return int(u.combining(text) != 0 or c in seconds or u.normalize("NFC", text) != text)

    out = [
        "/* src/model/unicode_table.c - what Unicode says of characters: kinds and canonical",
        " * composition.",
        " *",
        " * Written by tests/unicode_tables.py; change that, not this.",
        " *",
        f" * Source: Unicode {u.unidata_version}, by way of Python's unicodedata.",
        " * SPDX-License-Identifier: MIT */",
        "/* clang-format off */",
        '#include "model/unicode.h"',
        "",
        f"/* Unicode {u.unidata_version} */",
        "",
    ]
    lists = [
        ("kinds", "code point << 3 | kind, from which on it is of that kind", changes(kind, 3)),
        ("classes", "code point << 8 | canonical combining class, from which on that is so",
         changes(lambda c: u.combining(chr(c)), 8)),
        ("uneasy", "code point << 1 | 1 where NFC may change a text that holds it",
         changes(uneasy, 1)),
    ]
    for name, comment, words in lists:
        write_words(out, f"wh_unicode_{name}", comment, "uint32_t", words, 6)
        out.append(f"const size_t wh_unicode_{name}_count = {len(words)};")
        out.append("")
    write_words(out, "wh_unicode_parts",
                "code point, what it decomposes into, the second part or 0", "uint32_t",
                [word for pair in pairs for word in pair], 1)
    out.append(f"const size_t wh_unicode_parts_count = {len(pairs)};")
    out.append("")
    write_words(out, "wh_unicode_composing",
                "indices of those that compose again, in the order of their parts", "uint16_t",
                composing, 1)
    out.append(f"const size_t wh_unicode_composing_count = {len(composing)};")
    out.append("/* clang-format on */")
    return "\n".join(out) + "\n"


def main():
    if sys.argv[1:2] != ["--check"]:
        sys.stdout.write(tables())
        return 0
    with open(sys.argv[2], encoding="ascii") as file:
        there = file.read()
    if f"Unicode {u.unidata_version}," not in there:
        print(f"skipped: this Python has Unicode {u.unidata_version}, the tables are of another")
        return 77
    same = there == tables()
    print("the tables are as written" if same else "the tables differ from what the script writes")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
