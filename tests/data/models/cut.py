#!/usr/bin/env python3
"""Cuts the files beside it out of the published models that README.md names.

    cut.py MODELS OUT      MODELS holds mnist.safetensors, silero_vad_16k.safetensors,
                           rwkv5-730k-f16.safetensors, tiny_face_detector.safetensors, at any depth

Needs nothing beyond Python 3; writes safetensors, NPY and GGUF itself, so that no file here comes
from whit. "derived" files hold the same weights in other shapes, types and layouts.
SPDX-License-Identifier: MIT
"""
import array
import json
import math
import pathlib
import struct
import sys

CUT = {
    "mnist": ("mnist.safetensors", [
        "conv1.weight", "conv1.bias", "norm1.weight", "norm1.running_var",
        "norm1.num_batches_tracked", "conv2.weight", "conv3.weight", "fc2.weight"]),
    "silero": ("silero_vad_16k.safetensors", ["conv3.weight", "conv3.bias", "final_conv.weight"]),
    "rwkv": ("rwkv5-730k-f16.safetensors", [
        "blocks.0.att.key.weight", "blocks.0.att.output.weight", "blocks.0.att.time_decay",
        "blocks.0.att.time_faaaa", "blocks.0.ln1.weight"]),
    "face": ("tiny_face_detector.safetensors", [
        "conv0/filters", "conv0/bias", "conv1/depthwise_filter", "conv1/pointwise_filter",
        "conv2/pointwise_filter", "conv3/depthwise_filter"]),
}
# safetensors: struct code, NPY, GGUF
TYPES = {
    "F64": ("d", "f8", 28), "F32": ("f", "f4", 0), "F16": ("e", "f2", 1),
    "I64": ("q", "i8", 27), "I32": ("i", "i4", 26), "I16": ("h", "i2", 25), "I8": ("b", "i1", 24),
    "U8": ("B", "u1", None), "BOOL": ("?", "b1", None), "BF16": (None, None, 30),
}


def pack(dtype, values, order="<"):
    if dtype == "BF16":  # rounded to nearest, ties to even
        out = b""
        for v in values:
            u = struct.unpack("<I", struct.pack("<f", v))[0]
            out += struct.pack("<H", (u + 0x7FFF + (u >> 16 & 1)) >> 16)
        return out
    return struct.pack("%s%d%s" % (order, len(values), TYPES[dtype][0]), *values)


def load(path):
    data = path.read_bytes()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, t in json.loads(data[8:end]).items():
        if name != "__metadata__":
            first, last = t["data_offsets"]
            tensors[name] = (t["dtype"], t["shape"], data[end + first:end + last])
    return tensors


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def fortran(values, shape):
    """Row-major values in the order in which the first index runs fastest."""
    out = []
    for place in range(len(values)):
        index, unit = 0, len(values)
        for n in shape:
            unit //= n
            index += place % n * unit
            place //= n
        out.append(values[index])
    return out


def write_npy(path, dtype, shape, values, order="<", by_columns=False):
    text = "{'descr': '%s%s', 'fortran_order': %s, 'shape': %s, }" % (
        "|" if TYPES[dtype][1][1] == "1" else order, TYPES[dtype][1], by_columns, tuple(shape))
    text += " " * (-(len(text) + 11) % 64) + "\n"
    raw = pack(dtype, fortran(values, shape) if by_columns else values, order)
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + raw)


def write_gguf(path, tensors):
    infos, data = b"", b""
    for name, (dtype, shape, raw) in tensors.items():
        data += bytes(-len(data) % 32)
        infos += struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", len(shape))
        infos += b"".join(struct.pack("<Q", n) for n in reversed(shape))
        infos += struct.pack("<IQ", TYPES[dtype][2], len(data))
        data += raw
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 0) + infos
    path.write_bytes(head + bytes(-len(head) % 32) + data + bytes(-len(data) % 32))


def derive(out, models):
    """The weights of one convolution, over and over."""
    weights = array.array("f", models["silero"]["conv3.weight"][2]).tolist()
    largest = max(abs(v) for v in weights)
    whole = [round(v / largest * 127) for v in weights]

    def part(dtype, shape, values=weights):
        return dtype, shape, pack(dtype, values[:math.prod(shape)])

    signs = [v > 0 for v in weights]
    write_safetensors(out / "derived.safetensors", {
        "five": part("F32", [5, 3, 7, 5, 3]), "four.f16": part("F16", [7, 5, 11, 3]),
        "three.bf16": part("BF16", [11, 13, 9]), "two.f64": part("F64", [31, 37]),
        "one row": part("F32", [1, 1153]), "one column": part("F32", [1153, 1]),
        "short rows": part("F32", [101, 31]), "vector": part("F32", [1153]),
        "vector.f64": part("F64", [3]), "small.bf16": part("BF16", [3, 5]),
        "number": part("F32", []), "no rows": part("F32", [0, 64]),
        "i8": part("I8", [37, 31], whole), "i16": part("I16", [5, 3, 7, 11], whole),
        "i32": part("I32", [129, 9], whole), "i64": part("I64", [33, 33], whole),
        "u8": part("U8", [3, 5, 7, 2, 6], [v & 255 for v in whole]),
        "bool": part("BOOL", [31, 41], signs)})
    write_gguf(out / "derived.gguf", {
        "four": part("F16", [7, 5, 3, 11]), "three": part("F32", [13, 9, 11]),
        "two": part("BF16", [31, 37]), "two.f64": part("F64", [33, 35]),
        "one": part("F32", [129]), "i8": part("I8", [5, 7, 33], whole),
        "i32": part("I32", [41, 29], whole)})
    for name, dtype, shape, values, order, by_columns in (
            ("five-fortran", "F32", [5, 3, 7, 5, 3], weights, "<", True),
            ("four-big", "F64", [3, 4, 5, 19], weights, ">", False),
            ("three-fortran-big", "F16", [11, 13, 9], weights, ">", True),
            ("two", "F32", [31, 37], weights, "<", False),
            ("one", "F16", [1153], weights, "<", False),
            ("bool-fortran", "BOOL", [5, 7, 3, 2, 4], signs, "<", True),
            ("i16-big", "I16", [33, 35], whole, ">", False),
            ("i64-number", "I64", [], whole, "<", False)):
        write_npy(out / (name + ".npy"), dtype, shape, values[:math.prod(shape)], order, by_columns)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    out, models = pathlib.Path(sys.argv[2]), {}
    for name, (file, tensors) in CUT.items():
        whole = load(next(pathlib.Path(sys.argv[1]).rglob(file)))
        models[name] = {t: whole[t] for t in tensors}
        write_safetensors(out / (name + ".safetensors"), models[name])
    derive(out, models)


main()
