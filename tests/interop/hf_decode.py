"""Decode a quantized checkpoint (a folder, or a safetensors file) with numpy alone, from the
descriptions of the formats: a judge of what is written.

    hf_decode.py WHIT FOLDER.. [--made PROGRAM]

The values are those of `whit dequantize`, bit for bit. A folder without weights stands for the folders
in it; PROGRAM writes such folders where it is told to. Exit 77 without numpy.

compressed-tensors (pack-, int-, float-quantized), GPTQ 1 and 2, AWQ gemm, bitsandbytes 4-bit and int8,
fp8 in blocks.
SPDX-License-Identifier: MIT"""
import json, os, struct, subprocess, sys, tempfile

try:
    import numpy as np
except ImportError as missing:
    print("skip:", missing)
    sys.exit(77)

F32 = np.float32
NUMPY = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "F64": "<f8", "I64": "<i8", "I32": "<u4", "I16": "<i2",
         "I8": "i1", "U8": "u1", "BOOL": "u1", "F8_E4M3": "u1"}


def read_file(path):
    """{name: (dtype, array)}; I32 as unsigned words."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    return {name: (t["dtype"], np.frombuffer(data[slice(*t["data_offsets"])], NUMPY[t["dtype"]]).reshape(t["shape"]))
            for name, t in header.items() if name != "__metadata__"}


def read_model(path):
    """Tensors of all files, and the quantization configuration ({}: there is none)."""
    folder, tensors, config = path if os.path.isdir(path) else os.path.dirname(path), {}, {}
    for name in sorted(os.listdir(path)) if os.path.isdir(path) else [os.path.basename(path)]:
        if name.endswith(".safetensors"):
            tensors.update(read_file(os.path.join(folder, name)))
    for name, key in (("config.json", "quantization_config"), ("quantize_config.json", None), ("quant_config.json", None)):
        if not config and os.path.exists(os.path.join(folder, name)):
            with open(os.path.join(folder, name)) as file:
                config = json.load(file)
            config = config.get(key, {}) if key else config
    return tensors, config


def floats(entry):
    dtype, a = entry
    if dtype == "BF16":
        return (a.astype(np.uint32) << 16).view(F32)
    if dtype == "F8_E4M3":
        e, m = (a >> 3 & 15).astype(int), (a & 7).astype(np.float64)
        v = np.where(e == 0, m / 8 * 2.0**-6, (1 + m / 8) * 2.0**(e - 7))
        return np.where(a & 127 == 127, np.nan, np.where(a > 127, -v, v)).astype(F32)
    return a.astype(F32)


def codes_in(words, bits, axis, count):
    """Bit strings along the axis, words of 32 bits, the first code in the lowest bits."""
    words = np.moveaxis(words, axis, -1)
    bit = (words[..., None] >> np.arange(32, dtype=np.uint32) & 1).astype(np.int64)
    bit = bit.reshape(words.shape[:-1] + (-1,))[..., :count * bits]
    codes = (bit.reshape(words.shape[:-1] + (count, bits)) << np.arange(bits)).sum(-1)
    return np.moveaxis(codes, -1, axis)


def part(t, layer, suffix):
    return t[layer + suffix][1]


def ct_packed(t, config, layer):
    rows, cols = (int(n) for n in part(t, layer, ".weight_shape"))
    scale, words = floats(t[layer + ".weight_scale"]), part(t, layer, ".weight_packed")
    asym, fits = layer + ".weight_zero_point" in t, [b for b in (2, 4, 8) if -(-cols * b // 32) == words.shape[1]]
    said = {g["weights"]["num_bits"] for g in config.get("config_groups", {}).values()}
    bits = [b for b in fits if not said or b in said][0]
    u = codes_in(words, bits, 1, cols)
    zero = np.full(scale.shape, 1 << (bits - 1))
    if asym:
        zero = codes_in(part(t, layer, ".weight_zero_point"), bits, 0, rows)
    g = np.arange(cols) // (cols // scale.shape[1])
    if layer + ".weight_g_idx" in t:
        g = part(t, layer, ".weight_g_idx").astype(int)
    return (u - zero[:, g]).astype(F32) * scale[:, g]


def ct_plain(t, config, layer):
    w, scale = floats(t[layer + ".weight"]), floats(t[layer + ".weight_scale"])
    if layer + ".weight_zero_point" in t:
        w = w - floats(t[layer + ".weight_zero_point"])
    if scale.ndim == 2 and scale.shape[0] != w.shape[0]:  # blocks, as the configuration has them
        blocks = [g["weights"]["block_structure"] for g in config.get("config_groups", {}).values()
                  if g["weights"]["strategy"] == "block"] or [[128, 128]]
        scale = np.repeat(np.repeat(scale, blocks[0][0], 0)[:w.shape[0]], blocks[0][1], 1)[:, :w.shape[1]]
    elif scale.ndim == 2:
        scale = np.repeat(scale, w.shape[1] // scale.shape[1], 1)
    elif scale.size > 1:
        scale = scale[:, None]
    return scale * w


def fp8(t, config, layer):
    w, scale = floats(t[layer + ".weight"]), floats(t[layer + ".weight_scale_inv"])
    down, across = config.get("weight_block_size") or [128, 128]
    return np.repeat(np.repeat(scale, down, 0)[:w.shape[0]], across, 1)[:, :w.shape[1]] * w


def gptq(t, config, layer):
    words, zeros, scale = (part(t, layer, ".qweight"), part(t, layer, ".qzeros"), floats(t[layer + ".scales"]))
    bits = zeros.shape[1] * 32 // scale.shape[1]
    cols = words.shape[0] * 32 // bits
    u, z = codes_in(words, bits, 0, cols), codes_in(zeros, bits, 1, scale.shape[1])
    if config.get("checkpoint_format", config.get("format", "gptq")) != "gptq_v2":
        z = z + 1 & (1 << bits) - 1
    size = config.get("group_size", -1)
    if size < 1 or -(-cols // size) != len(scale):
        size = cols // len(scale)
    g = np.arange(cols) // size
    if layer + ".g_idx" in t:
        g = part(t, layer, ".g_idx").astype(int)
    return (scale[g] * (u - z[g]).astype(F32)).T


def awq(t, config, layer):
    scale = floats(t[layer + ".scales"])
    place = np.array([0, 4, 1, 5, 2, 6, 3, 7])  # of output 8c + j in word c

    def unpack(words):
        codes = codes_in(words, 4, 1, words.shape[1] * 8).reshape(len(words), -1, 8)
        return codes[:, :, place].reshape(len(words), -1)

    u, z = unpack(part(t, layer, ".qweight")), unpack(part(t, layer, ".qzeros"))
    g = np.arange(len(u)) // (len(u) // len(scale))
    return (scale[g] * (u - z[g]).astype(F32)).T


def bnb4(t, config, layer):
    key = [k for k in t if k.startswith(layer + ".weight.quant_state.bitsandbytes__")][0]
    state = json.loads(bytes(t[key][1]).decode())
    octets, table, absmax = (part(t, layer, ".weight").ravel(), part(t, layer, ".weight.quant_map"),
                             part(t, layer, ".weight.absmax"))
    n = int(np.prod(state["shape"]))
    codes = np.stack([octets >> 4, octets & 15], 1).ravel()[:n]
    if "nested_offset" in state:
        block = np.arange(len(absmax)) // state["nested_blocksize"]
        absmax = (part(t, layer, ".weight.nested_quant_map")[absmax] *
                  part(t, layer, ".weight.nested_absmax")[block] + F32(state["nested_offset"]))
    return (table[codes] * absmax[np.arange(n) // state["blocksize"]]).reshape(state["shape"])


def bnb8(t, config, layer):
    return (part(t, layer, ".SCB") / F32(127))[:, None] * part(t, layer, ".weight").astype(F32)


def decode(path):
    """{name: float32} of the quantized layers."""
    t, config = read_model(path)
    out = {}
    for name in t:
        layer, _, last = name.rpartition(".")
        how = None
        if last == "weight_packed":
            how = ct_packed
        elif last == "weight_scale" and t.get(layer + ".weight", ("", 0))[0] in ("I8", "F8_E4M3"):
            how = ct_plain
        elif last == "weight_scale_inv" and t.get(layer + ".weight", ("", 0))[0] == "F8_E4M3":
            how = fp8
        elif last == "qweight":
            how = gptq if t[name][1].shape[1] == t[layer + ".scales"][1].shape[1] else awq
        elif last == "SCB":
            how = bnb8
        elif last.startswith("bitsandbytes__"):
            layer, how = layer[:-len(".weight.quant_state")], bnb4
        if how:
            out[layer + ".weight"] = np.ascontiguousarray(how(t, config, layer), dtype=F32)
    return out


def compare(whit, path):
    """How many layers there are; ends the program where whit decodes one to something else."""
    mine = decode(path)
    with tempfile.TemporaryDirectory() as tmp:
        plain = os.path.join(tmp, "plain.safetensors")
        subprocess.run([whit, "dequantize", path, "-o", plain, "-q"], check=True)
        theirs = read_file(plain)
    for name, values in mine.items():
        dtype, a = theirs[name]
        if dtype != "F32" or a.shape != values.shape or a.tobytes() != values.tobytes():
            sys.exit("%s: %s differs" % (path, name))
    return len(mine)


def models_in(path):
    inside = sorted(os.listdir(path))
    if any(name.endswith(".safetensors") for name in inside):
        return [path]
    return [os.path.join(path, name) for name in inside if os.path.isdir(os.path.join(path, name))]


def main(whit, *args):
    with tempfile.TemporaryDirectory() as tmp:
        paths = list(args)
        if "--made" in paths:
            program = paths[paths.index("--made") + 1]
            paths[-2:] = [tmp]
            subprocess.run([program, tmp], check=True)
        count = sum(compare(whit, model) for path in paths for model in models_in(path))
    print(count, "layers equal")
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
