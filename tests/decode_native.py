"""Decode a native file with nothing but its specification (src/pack/native.c) and the standard
library, and compare with a file of float32 values, bit for bit: decode_native.py NATIVE FLOATS"""
import json, struct, sys

NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
       -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
       0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
       0.7229568362236023, 1.0]
f32 = lambda x: struct.unpack("<f", struct.pack("<f", x))[0]  # round to float32
READ = {"F32": ("f", 4), "F16": ("e", 2), "U8": ("B", 1), "BF16": ("H", 2)}

def load(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    return head.pop("__metadata__", {}), head, raw[8 + n:]

def values(head, data, name):
    begin, end = head[name]["data_offsets"]
    code, size = READ[head[name]["dtype"]]
    v = struct.unpack("<%d%s" % ((end - begin) // size, code), data[begin:end])
    return [struct.unpack("<f", struct.pack("<I", x << 16))[0] for x in v] if code == "H" else v

def decode(head, data, name, info):
    parts = info["scheme"].split("-")
    bits = 4 if parts[0] == "nf4" else int(parts[0][3:])
    rows = info["shape"][0]
    cols, width = 1, head[name + ".q"]["shape"][1]
    for d in info["shape"][1:]: cols *= d
    scale = values(head, data, name + ".scale")
    zero = values(head, data, name + ".zero") if "asym" in parts else None
    group = next((int(p[1:]) for p in parts if p[0] == "g"), cols)
    per_row = 0 if "tensor" in parts else -(-cols // group)
    begin, out = head[name + ".q"]["data_offsets"][0], []
    for r in range(rows):
        row = int.from_bytes(data[begin + r * width:begin + (r + 1) * width], "little")
        for c in range(cols):
            u, s = row >> (c * bits) & (1 << bits) - 1, r * per_row + (c // group if per_row else 0)
            step = f32(NF4[u]) if parts[0] == "nf4" else u - (zero[s] if zero else 1 << bits - 1)
            out.append(f32(scale[s] * step))
    return out

meta, head, data = load(sys.argv[1])
_, plain_head, plain = load(sys.argv[2])
tensors = json.loads(meta["whit.tensors"])
for name, info in tensors.items():
    ours = values(head, data, name) if name in head else decode(head, data, name, info)
    want = values(plain_head, plain, name)
    if struct.pack("<%df" % len(ours), *ours) != struct.pack("<%df" % len(want), *want):
        sys.exit("%s: differs" % name)
sys.exit(0 if tensors else "no quantized tensor in %s" % sys.argv[1])
