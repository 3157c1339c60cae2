"""Quantized checkpoints of other programs, made with numpy alone: what tests/data/hf holds.

    hf_golden.py OUT                  write the folders and expected.txt
    hf_golden.py --check WHIT TESTS   the committed folders are what this script writes, and the
                                      values that whit decodes from them are those decoded here,
                                      bit for bit; exit 77 without numpy

Codes, scales and zero points are random over their whole range; nothing is shared with the program
under test. A line of expected.txt: folder, tensor, scheme, "-" or "scattered", the FNV-1a hash of
its float32 values. SPDX-License-Identifier: MIT"""
import json, os, struct, subprocess, sys, tempfile

try:
    import numpy as np
except ImportError as missing:
    print("skip:", missing)
    sys.exit(77)

F32 = np.float32
TYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4", "I64": "<i8", "I8": "i1", "U8": "u1",
         "F8_E4M3": "u1"}


class Bf16(np.ndarray):
    """Bits of bfloat16 in uint16."""


def bf16(values):
    u = np.asarray(values, F32).view(np.uint32)
    return ((u + 0x7FFF + ((u >> 16) & 1)) >> 16).astype(np.uint16).view(Bf16)


def as_f32(a):
    return (a.view(np.ndarray).astype(np.uint32) << 16).view(F32) if isinstance(a, Bf16) else a.astype(F32)


def e4m3(codes):
    """E4M3FN: sign, 4 bits of exponent with bias 7, 3 of mantissa; no infinity."""
    e, m = (codes >> 3 & 15).astype(int), (codes & 7).astype(np.float64)
    v = np.where(e == 0, m * 2.0**-9, (1 + m / 8) * 2.0**(e - 7))
    return np.where(codes >> 7 == 1, -v, v).astype(F32)


def stream(codes, bits, axis):
    """Codes along the axis as words of 32 bits, the first in the lowest bits, padded with zeros."""
    codes = np.moveaxis(np.asarray(codes, np.uint32), axis, 0)
    pad = -codes.shape[0] * bits % 32
    bit = (codes[:, None] >> np.arange(bits, dtype=np.uint32).reshape((1, bits) + (1,) * (codes.ndim - 1)) & 1)
    bit = bit.reshape((-1,) + codes.shape[1:])
    bit = np.concatenate([bit, np.zeros((pad,) + codes.shape[1:], np.uint32)])
    bit = bit.reshape((-1, 32) + codes.shape[1:])
    words = (bit << np.arange(32, dtype=np.uint32).reshape((1, 32) + (1,) * (codes.ndim - 1))).sum(1, dtype=np.uint32)
    return np.moveaxis(words, 0, axis).view(np.int32)


class Folder:
    """One checkpoint: tensors with their types, a configuration, and what it decodes to."""

    def __init__(self, name, config, seed, config_name="config.json"):
        self.name, self.config, self.config_name = name, config, config_name
        self.rng = np.random.RandomState(seed)  # its streams never change
        self.tensors, self.expected, self.shards = {}, [], 1
        self.put("model.norm.weight", self.rng.randint(1, 9, 64).astype(np.float16))

    def put(self, name, values, dtype=None):
        if dtype is None:
            dtype = "BF16" if isinstance(values, Bf16) else {"f2": "F16", "f4": "F32", "i4": "I32", "i8": "I64",
                                                            "i1": "I8", "u1": "U8"}[values.dtype.str[1:]]
        self.tensors[name] = (dtype, np.array(values, order="C", copy=True, subok=True))

    def codes(self, shape, bits):
        return self.rng.randint(0, 1 << bits, shape).astype(np.int64)

    def scales(self, shape, kind="F16"):
        v = np.ldexp(self.rng.randint(1, 1 << 16, shape).astype(np.float64), -26) * self.rng.choice([1, 1, 1, -1], shape)
        v = v.astype(F32)
        return bf16(v) if kind == "BF16" else v.astype(np.float16) if kind == "F16" else v

    def expect(self, layer, scheme, values, scattered=False):
        values = np.ascontiguousarray(values, dtype=F32)
        self.expected.append((layer + ".weight", scheme, scattered, values))

    def write(self, root):
        path = os.path.join(root, self.name)
        os.makedirs(path)
        names = sorted(self.tensors)
        # the parts of one layer in different files, where there are several
        groups = [names[k::self.shards] for k in range(self.shards)]
        files = ["model.safetensors"] if self.shards == 1 else [
            "model-%05d-of-%05d.safetensors" % (k + 1, self.shards) for k in range(self.shards)]
        for file, group in zip(files, groups):
            write_safetensors(os.path.join(path, file), {n: self.tensors[n] for n in group})
        if self.shards > 1:
            write_json(os.path.join(path, "model.safetensors.index.json"),
                       {"weight_map": {n: f for f, g in zip(files, groups) for n in g}})
        if self.config is not None:
            write_json(os.path.join(path, self.config_name), self.config)


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def write_safetensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, values) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [at, at + values.nbytes]}
        at += values.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for dtype, values in tensors.values():
            file.write(np.asarray(values).view(np.ndarray).astype(TYPES[dtype]).tobytes())


def spread(scales, group, cols):
    """[rows, groups] for every column."""
    return np.repeat(scales, group, axis=1)[:, :cols]


# ---- compressed-tensors: q signed; words hold q + 2^(b-1) -------------------------------------------

def ct_weights(bits, strategy, group=None, symmetric=True, kind="int", block=None, actorder=None):
    return {"targets": ["Linear"], "input_activations": None, "output_activations": None,
            "weights": {"num_bits": bits, "type": kind, "symmetric": symmetric, "strategy": strategy,
                        "group_size": group, "dynamic": False, "actorder": actorder, "block_structure": block,
                        "observer": "minmax", "observer_kwargs": {}}}


def ct_config(fmt, *groups):
    return {"model_type": "llama", "torch_dtype": "bfloat16",
            "quantization_config": {"quant_method": "compressed-tensors", "format": fmt,
                                    "quantization_status": "compressed",
                                    "config_groups": {"group_%d" % i: g for i, g in enumerate(groups)},
                                    "ignore": ["lm_head"], "kv_cache_scheme": None,
                                    "global_compression_ratio": None}}


def ct_packed(f, layer, rows, cols, bits, group, asym, kind, scheme, order=None, shape_type=np.int64):
    groups = -(-cols // group)
    u, scale = f.codes((rows, cols), bits), f.scales((rows, groups), kind)
    f.put(layer + ".weight_packed", stream(u, bits, 1))
    f.put(layer + ".weight_scale", scale)
    f.put(layer + ".weight_shape", np.array([rows, cols], shape_type))
    zero = np.full((rows, groups), 1 << (bits - 1))
    if asym:
        zero = f.codes((rows, groups), bits)
        f.put(layer + ".weight_zero_point", stream(zero, bits, 0))
    g = np.arange(cols) // group if order is None else order
    if order is not None:
        f.put(layer + ".weight_g_idx", g.astype(np.int32))
    f.expect(layer, scheme, as_f32(scale)[:, g] * (u - zero[:, g]).astype(F32),
             order is not None and (g != np.arange(cols) // group).any())


def ct_plain(f, layer, rows, cols, kind, shape, scheme, values, block=None, asym=False):
    scale = f.scales(shape, kind)
    f.put(layer + ".weight_scale", scale)
    s = as_f32(scale).reshape(shape if len(shape) == 2 else (-1, 1))
    if block:
        s = np.repeat(np.repeat(s, block[0], 0)[:rows], block[1], 1)[:, :cols]
    elif len(shape) == 2:
        s = spread(s, -(-cols // shape[1]), cols)
    if values == "int":
        q, zero = f.rng.randint(-128, 128, (rows, cols)), np.zeros((rows, 1), int)
        f.put(layer + ".weight", q.astype(np.int8))
        if asym:
            zero = f.rng.randint(-128, 128, shape)
            f.put(layer + ".weight_zero_point", zero.astype(np.int8))
        w = (q - zero).astype(F32)
    else:
        codes = f.rng.randint(0, 127, (rows, cols)) + 128 * f.rng.randint(0, 2, (rows, cols))  # no NaN
        f.put(layer + ".weight", codes.astype(np.uint8), "F8_E4M3")
        w = e4m3(codes)
    f.expect(layer, scheme, s * w)


def make_ct():
    f = Folder("ct-packed", ct_config("pack-quantized", ct_weights(4, "group", 32), ct_weights(4, "group", 32, False),
                                      ct_weights(8, "channel"), ct_weights(8, "channel", None, False),
                                      ct_weights(4, "channel"), ct_weights(8, "group", 43, False)), 1)
    attn, mlp = "model.layers.0.self_attn.", "model.layers.0.mlp."
    ct_packed(f, attn + "q_proj", 64, 64, 4, 32, False, "BF16", "int4-g32-sbf16")
    ct_packed(f, attn + "k_proj", 30, 64, 4, 32, True, "F16", "int4-g32-asym")
    ct_packed(f, attn + "v_proj", 32, 64, 8, 64, False, "BF16", "int8-channel-sbf16")
    ct_packed(f, attn + "o_proj", 10, 64, 8, 64, True, "F32", "int8-channel-asym", None, np.int32)
    ct_packed(f, mlp + "gate_proj", 7, 61, 4, 61, False, "F32", "int4-channel")
    ct_packed(f, mlp + "down_proj", 21, 172, 8, 43, True, "F16", "int8-g43-asym")
    yield f

    f = Folder("ct-actorder", ct_config("pack-quantized", ct_weights(4, "group", 16, actorder="group"),
                                        ct_weights(4, "group", 16, False, actorder="group")), 2)
    ct_packed(f, attn + "q_proj", 24, 64, 4, 16, False, "F16", "int4-g16", f.rng.permutation(64) // 16)
    ct_packed(f, attn + "k_proj", 24, 64, 4, 16, True, "F16", "int4-g16-asym", f.rng.permutation(64) // 16)
    ct_packed(f, attn + "v_proj", 24, 64, 4, 16, True, "F16", "int4-g16-asym", np.arange(64) // 16)
    yield f

    # no configuration, and parts of a layer in different files
    f = Folder("ct-bare", None, 3)
    f.shards = 3
    ct_packed(f, attn + "q_proj", 16, 64, 4, 32, False, "F16", "int4-g32")
    ct_packed(f, attn + "k_proj", 16, 64, 2, 64, True, "F16", "int2-channel-asym-sf16")
    ct_packed(f, attn + "v_proj", 16, 64, 8, 32, True, "F16", "int8-g32-asym")
    ct_plain(f, mlp + "up_proj", 24, 16, "F32", (24, 1), "int8-channel", "int")
    yield f

    f = Folder("ct-plain", ct_config("mixed-precision", ct_weights(8, "channel"), ct_weights(8, "tensor"),
                                     ct_weights(8, "channel", None, False), ct_weights(8, "group", 32),
                                     ct_weights(8, "channel", kind="float"), ct_weights(8, "tensor", kind="float"),
                                     ct_weights(8, "block", kind="float", block=[32, 16])), 4)
    ct_plain(f, attn + "q_proj", 64, 64, "BF16", (64, 1), "int8-channel-sbf16", "int")
    ct_plain(f, attn + "k_proj", 32, 64, "F32", (1,), "int8-tensor", "int")
    ct_plain(f, attn + "v_proj", 32, 64, "F32", (32, 1), "int8-channel-asym", "int", asym=True)
    ct_plain(f, attn + "o_proj", 8, 64, "F16", (8, 2), "int8-g32", "int")
    f.put(attn + "q_proj.input_scale", np.array([0.5], np.float32))
    ct_plain(f, mlp + "gate_proj", 17, 64, "F32", (17, 1), "fp8_e4m3-channel", "float")
    ct_plain(f, mlp + "up_proj", 17, 64, "F32", (), "fp8_e4m3-tensor", "float")
    ct_plain(f, mlp + "down_proj", 70, 41, "BF16", (3, 3), "fp8_e4m3-block32x16-sbf16", "float", (32, 16))
    yield f


# ---- fp8 in blocks, as DeepSeek-V3: the scale is multiplied, whatever its name says -----------------

def fp8(f, layer, rows, cols, block, kind, scheme):
    scale = f.scales((-(-rows // block[0]), -(-cols // block[1])), kind)
    codes = f.rng.randint(0, 127, (rows, cols)) + 128 * f.rng.randint(0, 2, (rows, cols))  # no NaN
    f.put(layer + ".weight", codes.astype(np.uint8), "F8_E4M3")
    f.put(layer + ".weight_scale_inv", scale)
    s = np.repeat(np.repeat(as_f32(scale), block[0], 0)[:rows], block[1], 1)[:, :cols]
    f.expect(layer, scheme, s * e4m3(codes))


def make_fp8():
    attn, mlp = "model.layers.0.self_attn.", "model.layers.0.mlp."
    f = Folder("fp8", {"quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                                               "weight_block_size": [16, 32]}}, 41)
    fp8(f, attn + "q_proj", 32, 64, (16, 32), "F32", "fp8_e4m3-block16x32")
    fp8(f, attn + "k_proj", 17, 33, (16, 32), "F32", "fp8_e4m3-block16x32")
    fp8(f, mlp + "down_proj", 7, 5, (16, 32), "BF16", "fp8_e4m3-block16x32-sbf16")
    yield f

    f = Folder("fp8-bare", None, 42)  # nothing says anything: blocks of 128 x 128
    f.shards = 2
    fp8(f, attn + "q_proj", 130, 129, (128, 128), "F32", "fp8_e4m3-block128x128")
    yield f


# ---- GPTQ: inputs down, outputs across; version 1 stores zero points less 1 ------------------------

def gptq_config(bits, group, sym, desc_act=False, version="gptq"):
    return {"quant_method": "gptq", "bits": bits, "group_size": group, "desc_act": desc_act, "sym": sym,
            "damp_percent": 0.01, "true_sequential": True, "static_groups": False, "lm_head": False,
            "checkpoint_format": version, "pack_dtype": "int32", "meta": {"quantizer": ["hand:1"]}}


def gptq(f, layer, rows, cols, bits, group, scheme, asym=False, v2=False, order=None, kind="F16", g_idx=True):
    group = cols if group == -1 else group
    groups = -(-cols // group)
    u, scale = f.codes((rows, cols), bits), f.scales((groups, rows), kind)
    zero = f.codes((groups, rows), bits) if asym else np.full((groups, rows), 1 << (bits - 1))
    f.put(layer + ".qweight", stream(u.T, bits, 0))
    f.put(layer + ".qzeros", stream(zero if v2 else (zero - 1) & ((1 << bits) - 1), bits, 1))
    f.put(layer + ".scales", scale)
    g = np.arange(cols) // group if order is None else order
    if g_idx:
        f.put(layer + ".g_idx", g.astype(np.int32))
    f.expect(layer, scheme, (as_f32(scale)[g] * (u.T - zero[g]).astype(F32)).T, order is not None)


def make_gptq():
    attn, mlp = "model.layers.0.self_attn.", "model.layers.0.mlp."
    f = Folder("gptq-4", {"quantization_config": gptq_config(4, 32, True)}, 11)
    gptq(f, attn + "q_proj", 64, 64, 4, 32, "int4-g32")
    gptq(f, attn + "k_proj", 40, 64, 4, 32, "int4-g32", g_idx=False)
    gptq(f, attn + "v_proj", 24, 72, 4, 32, "int4-g32")  # a short last group
    gptq(f, attn + "o_proj", 24, 64, 4, 32, "int4-g32-asym", True)  # whatever sym says
    gptq(f, mlp + "gate_proj", 8, 64, 4, 32, "int4-g32-sbf16", kind="BF16")
    f.put(attn + "q_proj.bias", np.ones(64, np.float16))
    yield f

    f = Folder("gptq-4-act", {"quantization_config": gptq_config(4, 16, False, True, "gptq_v2")}, 12)
    for name, rows in (("q_proj", 64), ("k_proj", 8), ("v_proj", 16)):
        gptq(f, attn + name, rows, 64, 4, 16, "int4-g16-asym", True, True, f.rng.permutation(64) // 16)
    gptq(f, attn + "o_proj", 8, 64, 4, 16, "int4-g16", False, True, f.rng.permutation(64) // 16)
    yield f

    f = Folder("gptq-3", {"quantization_config": gptq_config(3, -1, False, False, "gptq_v2")}, 13)
    gptq(f, attn + "q_proj", 64, 96, 3, -1, "int3-channel-asym-sf16", True, True)
    gptq(f, attn + "k_proj", 32, 32, 3, -1, "int3-channel-sf16", False, True)
    yield f

    f = Folder("gptq-3-v1", gptq_config(3, 32, False), 14, "quantize_config.json")
    gptq(f, attn + "q_proj", 64, 96, 3, 32, "int3-g32-asym", True)
    gptq(f, attn + "k_proj", 32, 64, 3, 32, "int3-g32")
    yield f

    newer = gptq_config(2, 64, False, False, "gptq_v2")
    newer["method"], newer["format"] = newer.pop("quant_method"), newer["checkpoint_format"]
    f = Folder("gptq-2", {"quantization_config": newer}, 15)
    gptq(f, attn + "q_proj", 48, 64, 2, 64, "int2-channel-asym-sf16", True, True)
    gptq(f, attn + "k_proj", 16, 128, 2, 64, "int2-g64", False, True)
    yield f

    mixed = dict(gptq_config(4, 32, False), dynamic={"+:.*down.*": {"bits": 8, "group_size": 43}})
    f = Folder("gptq-dynamic", {"quantization_config": mixed}, 16)
    gptq(f, attn + "q_proj", 8, 64, 4, 32, "int4-g32-asym", True)
    gptq(f, mlp + "down_proj", 20, 172, 8, 43, "int8-g43-asym", True)
    yield f

    f = Folder("gptq-bare", None, 17)  # nothing says anything: version 1
    f.shards = 2
    gptq(f, attn + "q_proj", 16, 64, 8, 32, "int8-g32-asym", True)
    gptq(f, attn + "k_proj", 12, 64, 8, 64, "int8-channel-sf16", g_idx=False)
    yield f


# ---- AWQ: outputs in words, not in their order ------------------------------------------------------

def awq_words(codes):
    """[lines, outputs] as words of eight outputs."""
    order = np.array([0, 2, 4, 6, 1, 3, 5, 7])
    return stream(codes.reshape(len(codes), -1, 8)[:, :, order].reshape(codes.shape), 4, 1)


def awq(f, layer, rows, cols, group, scheme, asym=True, kind="F16"):
    groups = cols // group
    u, scale = f.codes((rows, cols), 4), f.scales((groups, rows), kind)
    zero = f.codes((groups, rows), 4) if asym else np.full((groups, rows), 8)
    f.put(layer + ".qweight", awq_words(u.T))
    f.put(layer + ".qzeros", awq_words(zero))
    f.put(layer + ".scales", scale)
    g = np.arange(cols) // group
    f.expect(layer, scheme, ((u.T - zero[g]).astype(F32) * as_f32(scale)[g]).T)


def make_awq():
    attn, mlp = "model.layers.0.self_attn.", "model.layers.0.mlp."
    config = {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": "gemm",
              "modules_to_not_convert": None}
    f = Folder("awq", {"quantization_config": config}, 21)
    awq(f, attn + "q_proj", 64, 64, 32, "int4-g32-asym")
    awq(f, attn + "k_proj", 40, 96, 32, "int4-g32-asym")
    awq(f, attn + "v_proj", 8, 64, 32, "int4-g32", False)
    awq(f, mlp + "gate_proj", 176, 64, 32, "int4-g32-asym-sbf16", kind="BF16")
    yield f

    older = {"zero_point": True, "q_group_size": 43, "w_bit": 4, "version": "GEMM"}
    f = Folder("awq-older", older, 22, "quant_config.json")
    awq(f, mlp + "down_proj", 24, 172, 43, "int4-g43-asym")
    yield f

    f = Folder("awq-bare", None, 23)
    awq(f, attn + "q_proj", 64, 64, 64, "int4-channel-asym-sf16")
    awq(f, attn + "k_proj", 8, 8, 4, "int4-g4-asym")
    gptq(f, mlp + "up_proj", 8, 64, 4, 32, "int4-g32-asym", True)  # told from it by its shapes
    yield f


# ---- bitsandbytes: flat blocks, the first code in the high nibble ----------------------------------

NF4 = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
                -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
                0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
                0.7229568362236023, 1.0], F32)
FP4 = np.array([0, 0.0625, 8, 12, 4, 6, 2, 3, -0.0, -0.0625, -8, -12, -4, -6, -2, -3], F32) / F32(12)
FP4[8] = 0


def dynamic_map():
    values = [0.0, 1.0]
    for i in range(7):
        bounds = np.linspace(0.1, 1, 2**i + 1)
        means = (bounds[:-1] + bounds[1:]) / 2 * 10.0**(i - 6)
        values += list(means) + list(-means)
    return np.array(sorted(values)).astype(F32)


def bnb4(f, layer, shape, block, kind, scheme, nested=False, table=None, scattered=False, dtype="bfloat16"):
    own = table is not None
    table = table if own else NF4 if kind == "nf4" else FP4
    n = int(np.prod(shape))
    codes, blocks = f.codes(n, 4), -(-n // block)
    padded = np.append(codes, np.zeros(n % 2, int)).reshape(-1, 2)
    state = {"quant_type": kind, "blocksize": block, "dtype": dtype, "shape": list(shape)}
    if nested:
        offset, map8 = F32(f.rng.randint(1, 1 << 20) * 2.0**-24), dynamic_map()
        c, a = f.codes(blocks, 8), np.abs(f.scales(-(-blocks // 256), "F32"))
        absmax = map8[c] * a[np.arange(blocks) // 256] + offset
        f.put(layer + ".weight.absmax", c.astype(np.uint8))
        f.put(layer + ".weight.nested_absmax", a)
        f.put(layer + ".weight.nested_quant_map", map8)
        state.update({"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": float(offset)})
    else:
        absmax = np.abs(f.scales(blocks, "F32"))
        f.put(layer + ".weight.absmax", absmax)
    f.put(layer + ".weight", (padded[:, 0] << 4 | padded[:, 1]).astype(np.uint8)[:, None])
    f.put(layer + ".weight.quant_map", table)
    f.put(layer + ".weight.quant_state.bitsandbytes__" + kind, np.frombuffer(json.dumps(state).encode(), np.uint8))
    values = table[codes] * absmax.astype(F32)[np.arange(n) // block]
    f.expect(layer, scheme, values.reshape(shape), scattered or own)


def make_bnb():
    attn, mlp = "model.layers.0.self_attn.", "model.layers.0.mlp."
    config = {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": "nf4",
              "bnb_4bit_use_double_quant": False, "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_storage": "uint8",
              "llm_int8_threshold": 6.0, "llm_int8_skip_modules": ["lm_head"], "llm_int8_has_fp16_weight": False,
              "llm_int8_enable_fp32_cpu_offload": False}
    f = Folder("bnb-4", {"quantization_config": config}, 31)
    bnb4(f, attn + "q_proj", (64, 64), 64, "nf4", "nf4-g64-sf32")
    bnb4(f, attn + "k_proj", (32, 128), 32, "fp4", "fp4bnb-g32-sf32", dtype="float16")
    bnb4(f, mlp + "gate_proj", (60, 64), 128, "nf4", "nf4-g128-sf32", scattered=True)  # two rows a block
    bnb4(f, mlp + "down_proj", (24, 172), 64, "nf4", "nf4-g64-sf32", scattered=True)
    bnb4(f, mlp + "odd_proj", (7, 7), 32, "fp4", "fp4bnb-g32-sf32", scattered=True, dtype="float32")
    bnb4(f, mlp + "one_row", (1, 83), 64, "nf4", "nf4-g64-sf32")
    own = NF4.copy()
    own[3] *= F32(0.99)
    bnb4(f, mlp + "up_proj", (16, 64), 64, "nf4", "nf4-g64-sf32", table=own)
    yield f

    f = Folder("bnb-dq", {"quantization_config": dict(config, bnb_4bit_use_double_quant=True)}, 32)
    bnb4(f, attn + "q_proj", (70, 256), 64, "nf4", "nf4-g64-dq", nested=True)  # 280 blocks
    bnb4(f, mlp + "down_proj", (6, 172), 32, "fp4", "fp4bnb-g32-dq", nested=True, scattered=True)
    yield f

    config = dict(config, load_in_4bit=False, load_in_8bit=True)
    f = Folder("bnb-int8", {"quantization_config": config}, 33)
    for name, rows, cols in (("q_proj", 64, 64), ("k_proj", 7, 33)):
        q, scb = f.rng.randint(-127, 128, (rows, cols)), np.abs(f.scales(rows, "F32"))
        f.put(attn + name + ".weight", q.astype(np.int8))
        f.put(attn + name + ".SCB", scb)
        if name == "q_proj":
            f.put(attn + name + ".weight_format", np.array(0, np.uint8))
        f.expect(attn + name, "int8-channel", (scb / F32(127))[:, None] * q.astype(F32))
    yield f

    f = Folder("bnb-bare", None, 34)
    f.shards = 2
    bnb4(f, attn + "q_proj", (8, 64), 64, "nf4", "nf4-g64-dq", nested=True)
    yield f


# ---- all of them ------------------------------------------------------------------------------------

def folders():
    yield from make_ct()
    yield from make_gptq()
    yield from make_awq()
    yield from make_bnb()
    yield from make_fp8()


def fnv(data):
    h = 14695981039346656037
    for byte in data:
        h = (h ^ byte) * 1099511628211 & (1 << 64) - 1
    return h


def write_all(root):
    lines = []
    for f in folders():
        f.write(root)
        for name, scheme, scattered, values in f.expected:
            lines.append("%s %s %s %s %016x" % (f.name, name, scheme, "scattered" if scattered else "-",
                                                fnv(values.astype("<f4").tobytes())))
    with open(os.path.join(root, "expected.txt"), "w") as file:
        file.write("\n".join(lines) + "\n")


def files_below(root):
    return sorted(os.path.relpath(os.path.join(d, f), root) for d, _, names in os.walk(root) for f in names)


def read_floats(path):
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    return {name: np.frombuffer(data[slice(*t["data_offsets"])], F32).reshape(t["shape"])
            for name, t in header.items() if name != "__metadata__" and t["dtype"] == "F32"}


def check(whit, tests):
    committed, checked = os.path.join(tests, "data", "hf"), 0
    with tempfile.TemporaryDirectory() as tmp:
        made, plain = os.path.join(tmp, "made"), os.path.join(tmp, "plain.safetensors")
        os.makedirs(made)
        write_all(made)
        if files_below(made) != files_below(committed):
            sys.exit("tests/data/hf holds other files")
        for name in files_below(made):
            with open(os.path.join(made, name), "rb") as a, open(os.path.join(committed, name), "rb") as b:
                if a.read() != b.read():
                    sys.exit("tests/data/hf/%s is not what this script writes" % name)
        for f in folders():
            subprocess.run([whit, "dequantize", os.path.join(committed, f.name), "-o", plain, "-f", "-q"], check=True)
            ours = read_floats(plain)
            for name, scheme, _, values in f.expected:
                if ours[name].shape != values.shape or ours[name].tobytes() != values.tobytes():
                    sys.exit("%s: %s (%s) differs" % (f.name, name, scheme))
                checked += 1
    print(checked, "tensors equal")
    return 0 if checked else 1


if __name__ == "__main__":
    if sys.argv[1] == "--check":
        sys.exit(check(*sys.argv[2:]))
    write_all(sys.argv[1])
