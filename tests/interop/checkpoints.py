"""Checkpoints of other programs, decoded by their own rules: checkpoints.py WHIT

A small model folder is written in every format and scheme, and each linear is decoded here from the
tensors, with nothing but the layouts' definitions. The values must be those of whit's native file of
the same scheme, bit for bit, where scales are of the same type (--clip minmax: scales are positive
in both). Everything that is no linear must be as it was. Exit 77 where a package is missing."""
import json, os, subprocess, sys, tempfile

try:
    import numpy as np
    from safetensors.numpy import load_file, save_file
except ImportError as missing:
    print("skip:", missing)
    sys.exit(77)

WHIT = sys.argv[1]
DIM, FFN, VOCAB, LAYERS = 64, 256, 96, 2
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)


def make_model(folder):
    rng = np.random.default_rng(11)
    shapes = {"q_proj": (DIM, DIM), "k_proj": (DIM // 2, DIM), "v_proj": (DIM // 2, DIM),
              "o_proj": (DIM, DIM), "gate_proj": (FFN, DIM), "up_proj": (FFN, DIM),
              "down_proj": (DIM, FFN)}
    tensors = {"model.embed_tokens.weight": rng.standard_normal((VOCAB, DIM)),
               "lm_head.weight": rng.standard_normal((VOCAB, DIM)),
               "model.norm.weight": rng.standard_normal(DIM)}
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            part = "mlp" if shape[0] == FFN or shape[1] == FFN else "self_attn"
            w = rng.standard_normal(shape)
            if name == "o_proj": w = np.abs(w)  # zero points of 0, but for GPTQ 1
            if name == "v_proj": w[3] = 0  # rows of zeros
            tensors[f"model.layers.{layer}.{part}.{name}.weight"] = w
        tensors[f"model.layers.{layer}.self_attn.q_proj.bias"] = rng.standard_normal(DIM)
    os.mkdir(folder)
    save_file({k: v.astype(np.float32) for k, v in tensors.items()}, folder + "/model.safetensors",
              {"format": "pt"})
    with open(folder + "/config.json", "w") as f:
        f.write('{\n  "architectures": ["LlamaForCausalLM"],\n  "quantization_config": {"old": [1, "}"]},'
                '\n  "hidden_size": 64,\n  "odd": {"a": [ 1 , 2 ]}\n}\n')
    with open(folder + "/tokenizer.json", "w") as f: f.write("{ }")


def read_scheme(text):
    parts = text.split("-")
    bits = int(parts[0][3:]) if parts[0].startswith("int") else 4
    group = next((int(p[1:]) for p in parts if p[0] == "g" and p[1:].isdigit()), 0)
    return bits, group, "asym" in parts


def unpack(words, bits, count):
    """Codes along the last axis of 32-bit words, lowest bits first, as one stream."""
    octets = np.ascontiguousarray(words.view(np.uint32).astype("<u4")).view(np.uint8)
    stream = np.unpackbits(octets, axis=-1, bitorder="little")[..., :count * bits]
    stream = stream.reshape(stream.shape[:-1] + (count, bits)).astype(np.int64)
    return (stream << np.arange(bits)).sum(-1)


def spread(scale, rows, cols):
    """A scale for each weight."""
    return np.repeat(scale, -(-cols // scale.shape[1]), axis=1)[:, :cols]


def from_compressed(t, stem, shape, bits, group, asym):
    rows, cols = shape
    scale = t[stem + ".weight_scale"].astype(np.float32)
    if stem + ".weight_packed" in t:
        assert list(t[stem + ".weight_shape"]) == [rows, cols] and t[stem + ".weight_shape"].dtype == np.int64
        q = unpack(t[stem + ".weight_packed"], bits, cols) - (1 << bits - 1)
        zero = np.zeros(scale.shape, np.int64)
        if asym:
            packed = np.ascontiguousarray(t[stem + ".weight_zero_point"].T)
            zero = unpack(packed, bits, rows).T - (1 << bits - 1)
        assert asym == (stem + ".weight_zero_point" in t)
        return (q - spread(zero, rows, cols)).astype(np.float32) * spread(scale, rows, cols)
    w = t[stem + ".weight"]
    if w.dtype == np.int8:
        return w.astype(np.float32) * (spread(scale, rows, cols) if scale.ndim == 2 else scale)
    raise SystemExit(f"{stem}: {w.dtype}")


def from_gptq(t, stem, shape, bits, group, asym, version):
    rows, cols = shape
    assert stem + ".weight" not in t
    code = unpack(np.ascontiguousarray(t[stem + ".qweight"].T), bits, cols)
    zero = unpack(t[stem + ".qzeros"], bits, rows) + (version == 1)
    scale, index = t[stem + ".scales"].astype(np.float32), t[stem + ".g_idx"]
    assert t[stem + ".scales"].dtype == np.float16 and t[stem + ".qzeros"].dtype == np.int32
    assert list(index) == [i // (group or cols) for i in range(cols)]
    if not asym: assert (zero == 1 << bits - 1).all()
    return ((code - zero[index].T).astype(np.float32)) * scale[index].T


def from_awq(t, stem, shape, bits, group, asym):
    rows, cols = shape
    order = np.argsort([0, 2, 4, 6, 1, 3, 5, 7])
    def columns(words):
        return unpack(words, 4, rows).reshape(words.shape[0], -1, 8)[:, :, order].reshape(words.shape[0], rows)
    code, zero = columns(t[stem + ".qweight"]), columns(t[stem + ".qzeros"])
    scale = t[stem + ".scales"].astype(np.float32)
    each = cols // scale.shape[0]
    if not asym: assert (zero == 8).all()
    return ((code - np.repeat(zero, each, 0)).astype(np.float32) * np.repeat(scale, each, 0)).T


def from_bnb(t, stem, shape, kind):
    rows, cols = shape
    if kind == "int8":
        scb, w = t[stem + ".SCB"], t[stem + ".weight"]
        assert w.dtype == np.int8 and t[stem + ".weight_format"].shape == ()
        return w.astype(np.float32) * (scb * np.float32(1 / 127))[:, None], 1e-6
    state = next(k for k in t if k.startswith(stem + ".weight.quant_state.bitsandbytes__"))
    facts = json.loads(bytes(t[state]))
    assert facts["shape"] == [rows, cols] and facts["quant_type"] == ("nf4" if kind.startswith("nf4") else "fp4")
    codes = t[stem + ".weight"].reshape(-1)
    codes = np.stack([codes >> 4, codes & 15], 1).reshape(-1)[:rows * cols]
    absmax = t[stem + ".weight.absmax"]
    if "nested_offset" in facts:
        nested = np.repeat(t[stem + ".weight.nested_absmax"], 256)[:absmax.size]
        absmax = t[stem + ".weight.nested_quant_map"][absmax] * nested + np.float32(facts["nested_offset"])
    scale = np.repeat(absmax, facts["blocksize"])[:rows * cols]
    return (t[stem + ".weight.quant_map"][codes] * scale).reshape(rows, cols), 0


def run(*args):
    subprocess.run([WHIT, *args, "-q"], check=True)


def check_config(text, fmt):
    config = json.loads(text)
    assert list(config)[-1] == "quantization_config" and "old" not in config["quantization_config"]
    assert config["odd"] == {"a": [1, 2]} and '"odd": {"a": [ 1 , 2 ]}' in text
    assert config["quantization_config"]["quant_method"] == fmt
    return config["quantization_config"]


def decode(t, stem, shape, fmt, scheme, config):
    bits, group, asym = read_scheme(scheme)
    if fmt == "compressed-tensors": return from_compressed(t, stem, shape, bits, group, asym), 0
    if fmt == "gptq":
        version = {"gptq": 1, "gptq_v2": 2}[config["checkpoint_format"]]
        assert config["sym"] == (not asym) and config["group_size"] == (group or -1)
        return from_gptq(t, stem, shape, bits, group, asym, version), 0
    if fmt == "awq": return from_awq(t, stem, shape, bits, group, asym), 0
    return from_bnb(t, stem, shape, scheme.split("-g")[0])


def check(temp, fmt, scheme, native, extra):
    out, plain = f"{temp}/{fmt}-{scheme}", f"{temp}/plain.safetensors"
    run("quantize", temp + "/model", "-o", out, "--format", fmt, "--scheme", scheme, "--clip", "minmax", *extra)
    run("quantize", temp + "/model", "-o", temp + "/native.safetensors", "-f", "--scheme", native, "--clip", "minmax")
    run("dequantize", temp + "/native.safetensors", "-o", plain, "-f")
    t, want, source = load_file(out + "/model.safetensors"), load_file(plain), load_file(temp + "/model/model.safetensors")
    config = check_config(open(out + "/config.json").read(), fmt)
    assert open(out + "/tokenizer.json").read() == "{ }"
    for name, w in source.items():
        if not name.endswith("_proj.weight"):
            assert (t[name] == w).all() and t[name].dtype == w.dtype, name
            continue
        got, near = decode(t, name[:-len(".weight")], w.shape, fmt, scheme, config)
        if "asym" in scheme and fmt == "gptq" and config["checkpoint_format"] == "gptq" or fmt == "bitsandbytes" and scheme == "int8":
            limit = np.abs(w).max() / (7 if "4" in scheme else 2 if "2" in scheme else 100)
            assert np.abs(got - w).max() <= limit, (fmt, scheme, name)
        else:
            same = (got == want[name]) if near == 0 else np.abs(got - want[name]) <= near
            assert same.all(), (fmt, scheme, name, got[~same][:4], want[name][~same][:4])


CASES = [
    ("compressed-tensors", "int4-g32", None), ("compressed-tensors", "int4-g32-asym", None),
    ("compressed-tensors", "int4-channel", None), ("compressed-tensors", "int8-channel", None),
    ("compressed-tensors", "int8-g64-asym", None), ("compressed-tensors", "int8-channel-a8", None),
    ("gptq", "int4-g32", None), ("gptq", "int4-g32-asym", None), ("gptq", "int8-g64", None),
    ("gptq", "int3-g32", None), ("gptq", "int2-g32", None), ("gptq", "int3-g64-asym", None),
    ("gptq", "int4-channel", "int4-channel-sf16"), ("gptq", "int4-g32", None, "--gptq-version", "2"),
    ("gptq", "int4-g32-asym", None, "--gptq-version", "1"), ("gptq", "int2-g32-asym", None, "--gptq-version", "1"),
    ("awq", "int4-g32", None), ("awq", "int4-g64-asym", None),
    ("bitsandbytes", "nf4-g64", "nf4-g64-sf32"), ("bitsandbytes", "nf4-g32-dq", None),
    ("bitsandbytes", "fp4bnb-g64", "fp4bnb-g64-sf32"), ("bitsandbytes", "int8", "int8-channel"),
]

with tempfile.TemporaryDirectory() as temp:
    make_model(temp + "/model")
    for fmt, scheme, native, *extra in CASES:
        check(temp, fmt, scheme, native or scheme, extra)
        subprocess.run(["rm", "-r", f"{temp}/{fmt}-{scheme}"], check=True)
    print(len(CASES), "checkpoints decoded alike")
