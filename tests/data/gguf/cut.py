#!/usr/bin/env python3
"""Makes layers.gguf and layers.dat beside it: cut.py MODEL_FOLDER OUT

A model of eight layers in name only: its matrices have four rows of 256 weights, which are F16
weights of the model (stories260K) one after the other. It has keys of most types, a stack of
matrices, blocks of a type that whit only lists (IQ2_XS), vectors and integers.
layers.dat is an importance matrix in the old form: squares of other weights for some tensors.

Needs nothing beyond Python 3 and writes GGUF itself, so that no octet comes from whit.
SPDX-License-Identifier: MIT
"""
import pathlib
import struct
import sys

ALIGNMENT = 32
F32, F16, IQ2_XS, I32 = 0, 1, 17, 26
SIZES = {F32: 4, F16: 2, I32: 4}


def text(s):
    return struct.pack("<Q", len(s.encode())) + s.encode()


def key(name, kind, value, array=False):
    pack = {"u8": (0, "<B"), "i8": (1, "<b"), "u16": (2, "<H"), "i16": (3, "<h"), "u32": (4, "<I"),
            "i32": (5, "<i"), "f32": (6, "<f"), "bool": (7, "<?"), "u64": (10, "<Q"),
            "i64": (11, "<q"), "f64": (12, "<d"), "str": (8, None)}
    number, code = pack[kind]
    raw = [text(v) if code is None else struct.pack(code, v) for v in (value if array else [value])]
    head = struct.pack("<IIQ", 9, number, len(raw)) if array else struct.pack("<I", number)
    return text(name) + head + b"".join(raw)


def keys():
    out = [key("general.architecture", "str", "llama"),
           key("general.name", "str", "layers \u00fc"), key("general.file_type", "u32", 1)]
    for name, n in (("context_length", 64), ("embedding_length", 256), ("block_count", 8),
                    ("feed_forward_length", 256), ("attention.head_count", 8),
                    ("attention.head_count_kv", 2), ("rope.dimension_count", 32)):
        out.append(key("llama." + name, "u32", n))
    for kind, n in (("u8", 200), ("i8", -100), ("u16", 60000), ("i16", -30000), ("i32", -2 ** 31),
                    ("bool", True), ("u64", 2 ** 64 - 1), ("i64", -2 ** 63)):
        out.append(key("test." + kind, kind, n))
    out += [key("llama.attention.layer_norm_rms_epsilon", "f32", 1e-5),
            key("general.quantization_version", "u32", 2),
            key("test.f64", "f64", 1e-300), key("test.empty", "str", ""),
            key("test.words", "str", ["a", "", "b c"], True), key("test.none", "f32", [], True),
            key("test.flags", "bool", [True, False, True], True),
            key("test.halves", "i16", [-1, 2, -3], True),
            key("quantize.imatrix.entries_count", "u32", 5)]
    return out


class Weights:
    def __init__(self, folder):
        data = (pathlib.Path(folder) / "model.safetensors").read_bytes()
        self.raw = data[8 + struct.unpack("<Q", data[:8])[0]:]
        self.at = 0

    def take(self, octets):
        self.at += octets
        return self.raw[self.at - octets:self.at]


def tensors(w):
    out = [("token_embd.weight", F16, [256, 8], w.take(4096))]
    for i in range(8):
        for name in ("attn_v", "attn_output", "ffn_up", "ffn_down"):
            out.append((f"blk.{i}.{name}.weight", F16, [256, 4], w.take(2048)))
        out.append((f"blk.{i}.attn_norm.weight", F32, [3], struct.pack("<3f", i, 0.5, -0.0)))
    out += [("blk.0.codes", IQ2_XS, [256, 2], w.take(2 * 74)),
            ("blk.0.ffn_gate_exps.weight", F16, [256, 3, 2], w.take(3072)),
            ("blk.0.narrow.weight", F16, [48, 30], w.take(2880)),
            ("blk.0.half.weight", F16, [192, 6], w.take(2304)),
            ("blk.0.one.weight", F16, [256, 1], w.take(512)),
            ("ids", I32, [5], struct.pack("<5i", 3, 1, 4, 1, -5)),
            ("output.weight", F16, [256, 8], w.take(4096))]
    return out


def write_gguf(path, kvs, infos):
    head, data = b"", b""
    for name, kind, ne, raw in infos:
        data += bytes(-len(data) % ALIGNMENT)
        head += text(name) + struct.pack(f"<I{len(ne)}QIQ", len(ne), *ne, kind, len(data))
        data += raw
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(kvs)) + b"".join(kvs) + head
    path.write_bytes(head + bytes(-len(head) % ALIGNMENT) + data + bytes(-len(data) % ALIGNMENT))


def write_imatrix(path, w):
    entries = [(f"blk.{i}.ffn_down.weight", 256) for i in (0, 7)]
    entries += [("blk.0.attn_v.weight", 256), ("blk.0.ffn_gate_exps.weight", 512)]
    out = struct.pack("<i", len(entries))
    for name, count in entries:
        values = [4 * v * v for v in struct.unpack(f"<{count}e", w.take(2 * count))]
        out += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 2, count)
        out += struct.pack(f"<{count}f", *values)
    path.write_bytes(out + struct.pack("<ii", 3, 4) + b"text")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    w, out = Weights(sys.argv[1]), pathlib.Path(sys.argv[2])
    write_gguf(out / "layers.gguf", keys(), tensors(w))
    write_imatrix(out / "layers.dat", w)


main()
