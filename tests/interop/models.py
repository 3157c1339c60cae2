"""Small models for the tests beside this file, written with no help from whit.

    models.py folder KIND OUT           a model folder with random weights: KINDS below
    models.py layers OUT.gguf [F32]     a GGUF file of 24 layers whose matrices have four rows
    models.py imatrix MODEL.gguf OUT    an importance matrix for it: OUT ends in .dat or .gguf
    models.py text OUT                  sentences of a few plain words
    models.py perplexity FOLDER TEXT N  what llama-perplexity -c N should say of a folder, computed
                                        here from its safetensors file and its merges
    models.py same A.gguf B.gguf        exit 1 unless types, shapes and octets of all tensors agree

The tokenizer has a token for each octet and a few merges of letters, none across words, so that any
way of splitting words gives the same ids. Needs numpy, and for GGUF the gguf package.
SPDX-License-Identifier: MIT
"""
import json
import os
import struct
import sys

import numpy as np

LLAMA3 = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
          "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
KINDS = {
    # gqa 4 and 8; heads * head_dim beside hidden_size; tied and not; padding rows of the embeddings
    "llama": {"model_type": "llama", "attention_bias": True, "tie_word_embeddings": False,
              "rope_theta": 500000.0, "rope_scaling": {
                  "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                  "high_freq_factor": 4.0, "original_max_position_embeddings": 64}},
    "mistral": {"model_type": "mistral", "head_dim": 64, "num_key_value_heads": 4,
                "tie_word_embeddings": False, "sliding_window": None},
    "qwen2": {"model_type": "qwen2", "tie_word_embeddings": True, "rope_theta": 1000000.0,
              "use_sliding_window": False, "extra_rows": 12},
    "qwen2-untied": {"model_type": "qwen2", "tie_word_embeddings": False,
                     "num_key_value_heads": 1, "rms_norm_eps": 1e-6},
    "qwen3": {"model_type": "qwen3", "head_dim": 64, "tie_word_embeddings": True,
              "attention_bias": False, "rms_norm_eps": 1e-6},
}
ARCHITECTURES = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM",
                 "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
MERGES = ["t h", "th e", "h e", "i n", "a n", "an d", "r e", "o n", "in g", "l e", "e r", "o u"]
BOS, EOS = "<|begin|>", "<|end|>"


# ---- the vocabulary -------------------------------------------------------------------------

def octet_letters():
    """The letter that stands for each octet in byte-level BPE."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in own]
    return {b: chr(b) for b in own} | {b: chr(256 + i) for i, b in enumerate(others)}


def vocabulary():
    tokens = list(octet_letters().values()) + [m.replace(" ", "") for m in MERGES] + [BOS, EOS]
    return {t: i for i, t in enumerate(tokens)}


def write_tokenizer(folder, qwen):
    ids = vocabulary()
    bos = {"type": "TemplateProcessing", "pair": [],
           "single": [{"SpecialToken": {"id": BOS, "type_id": 0}},
                      {"Sequence": {"id": "A", "type_id": 0}}],
           "special_tokens": {BOS: {"id": BOS, "ids": [ids[BOS]], "tokens": [BOS]}}}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
             "use_regex": False}
    split = {"type": "Split", "behavior": "Isolated", "invert": False,
             "pattern": {"Regex": QWEN2 if qwen else LLAMA3}}
    special = [{"id": ids[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True} for t in (BOS, EOS)]
    with open(os.path.join(folder, "tokenizer.json"), "w") as out:
        json.dump({"version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
                   "normalizer": {"type": "NFC"} if qwen else None,
                   "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]},
                   "post_processor": level if qwen else bos, "decoder": level,
                   "model": {"type": "BPE", "dropout": None, "unk_token": None,
                             "continuing_subword_prefix": None, "end_of_word_suffix": None,
                             "fuse_unk": False, "byte_fallback": False,
                             "ignore_merges": not qwen, "vocab": {
                                 t: i for t, i in ids.items() if t not in (BOS, EOS)},
                             "merges": MERGES}}, out)
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as out:
        json.dump({"bos_token": None if qwen else BOS, "eos_token": EOS,
                   "tokenizer_class": "PreTrainedTokenizerFast"}, out)


def tokenize(text):
    """Ids without BOS. Merges have letters only, so words need not be told apart."""
    letters, ids, rank = octet_letters(), vocabulary(), {m: i for i, m in enumerate(MERGES)}
    parts = [letters[b] for b in text.encode()]
    while True:
        pairs = [rank.get(a + " " + b, len(rank)) for a, b in zip(parts, parts[1:])]
        best = min(pairs, default=len(rank))
        if best == len(rank): return [ids[p] for p in parts]
        out, i = [], 0
        while i < len(parts):
            merged = i < len(pairs) and pairs[i] == best
            out.append(parts[i] + parts[i + 1] if merged else parts[i])
            i += 2 if merged else 1
        parts = out


# ---- model folders --------------------------------------------------------------------------

def config_of(kind):
    extra = dict(KINDS[kind])
    rows = len(vocabulary()) + extra.pop("extra_rows", 0)
    config = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 3,
              "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": rows,
              "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "hidden_act": "silu", "torch_dtype": "float32", "eos_token_id": vocabulary()[EOS],
              "architectures": [ARCHITECTURES[extra["model_type"]]]} | extra
    if "qwen" not in kind: config["bos_token_id"] = vocabulary()[BOS]
    return config


def shapes_of(config):
    dim, ffn, rows = (config[k] for k in ("hidden_size", "intermediate_size", "vocab_size"))
    head = config.get("head_dim") or dim // config["num_attention_heads"]
    q, kv = (head * config[k] for k in ("num_attention_heads", "num_key_value_heads"))
    llama_bias, kind = config.get("attention_bias"), config["model_type"]
    shapes = {"model.embed_tokens.weight": (rows, dim), "model.norm.weight": (dim,)}
    if not config["tie_word_embeddings"]: shapes["lm_head.weight"] = (rows, dim)
    for i in range(config["num_hidden_layers"]):
        attn, mlp = f"model.layers.{i}.self_attn.", f"model.layers.{i}.mlp."
        for name, shape in (("q", (q, dim)), ("k", (kv, dim)), ("v", (kv, dim)), ("o", (dim, q))):
            shapes[f"{attn}{name}_proj.weight"] = shape
            if llama_bias or (kind == "qwen2" and name != "o"):
                shapes[f"{attn}{name}_proj.bias"] = shape[:1]
        if kind == "qwen3":
            shapes |= {attn + "q_norm.weight": (head,), attn + "k_norm.weight": (head,)}
        shapes |= {mlp + "gate_proj.weight": (ffn, dim), mlp + "up_proj.weight": (ffn, dim),
                   mlp + "down_proj.weight": (dim, ffn),
                   f"model.layers.{i}.input_layernorm.weight": (dim,),
                   f"model.layers.{i}.post_attention_layernorm.weight": (dim,)}
    return shapes


def random_weights(shapes):
    """Attention is sharp enough that a wrong order of rows shows in every logit."""
    rng, out = np.random.default_rng(5), {}
    for name, shape in shapes.items():
        w = rng.standard_normal(shape) * (0.06 if len(shape) == 2 else 0.3)
        if "norm" in name: w = 1 + w
        if "q_proj" in name or "k_proj" in name: w *= 3
        out[name] = w.astype(np.float32)
    return out


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, w in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(w.shape), "data_offsets": [at, at + w.nbytes]}
        at += w.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for w in tensors.values(): out.write(w.tobytes())


def read_safetensors(path):
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    header.pop("__metadata__", None)
    types, out = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}, {}
    for name, t in header.items():
        w = np.frombuffer(data[slice(*t["data_offsets"])], types[t["dtype"]]).reshape(t["shape"])
        if t["dtype"] == "BF16": w = (w.astype(np.uint32) << 16).view(np.float32)
        out[name] = w
    return out


def write_folder(kind, folder):
    os.makedirs(folder, exist_ok=True)
    config = config_of(kind)
    with open(os.path.join(folder, "config.json"), "w") as out: json.dump(config, out)
    write_tokenizer(folder, "qwen" in kind)
    write_safetensors(os.path.join(folder, "model.safetensors"), random_weights(shapes_of(config)))


# ---- what such a model says ------------------------------------------------------------------

def frequencies(config, head):
    f = float(config["rope_theta"]) ** (-np.arange(0, head, 2) / head)
    scaling = config.get("rope_scaling")
    if not scaling: return f
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    s = (scaling["original_max_position_embeddings"] * f / (2 * np.pi) - low) / (high - low)
    s = np.clip(s, 0, 1)
    return (1 - s) * f / scaling["factor"] + s * f


def norm(x, w, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def rotate(x, angles):
    """Halves are pairs, as in a model folder."""
    a, b = np.split(x, 2, axis=-1)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def attention(x, w, config, eps, angles):
    head = angles.shape[1] * 2
    linear = lambda x, n: x @ w[n + "_proj.weight"].T + w.get(n + "_proj.bias", 0)
    q, k, v = (linear(x, n).reshape(len(x), -1, head) for n in "qkv")
    if "q_norm.weight" in w:
        q, k = norm(q, w["q_norm.weight"], eps), norm(k, w["k_norm.weight"], eps)
    q, k = rotate(q, angles), rotate(k, angles)
    k, v = (np.repeat(a, q.shape[1] // a.shape[1], axis=1) for a in (k, v))
    scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(head)
    scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
    p = np.exp(scores - scores.max(-1, keepdims=True))
    return linear(np.einsum("hij,jhd->ihd", p / p.sum(-1, keepdims=True), v).reshape(len(x), -1), "o")


def logits(ids, weights, config):
    eps = config["rms_norm_eps"]
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    angles = np.outer(np.arange(len(ids)), frequencies(config, head))
    x = weights["model.embed_tokens.weight"][ids].astype(np.float64)
    for i in range(config["num_hidden_layers"]):
        start = f"model.layers.{i}."
        w = {n[len(start):]: v for n, v in weights.items() if n.startswith(start)}
        own = {n[len("self_attn."):]: v for n, v in w.items() if n.startswith("self_attn.")}
        x = x + attention(norm(x, w["input_layernorm.weight"], eps), own, config, eps, angles)
        y = norm(x, w["post_attention_layernorm.weight"], eps)
        gate = y @ w["mlp.gate_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * (y @ w["mlp.up_proj.weight"].T)) @ w["mlp.down_proj.weight"].T
    x = norm(x, weights["model.norm.weight"], eps)
    return x @ weights.get("lm_head.weight", weights["model.embed_tokens.weight"]).T


def perplexity(folder, text, ctx):
    """The protocol of llama-perplexity: windows without overlap, BOS first where the model has one,
    the second half of each is scored."""
    with open(os.path.join(folder, "config.json")) as file: config = json.load(file)
    with open(text) as file: ids = tokenize(file.read())
    weights = {n: w.astype(np.float64) for n, w in
               read_safetensors(os.path.join(folder, "model.safetensors")).items()}
    bos, sum_, count = config.get("bos_token_id"), 0.0, 0
    if bos is not None: ids = [bos] + ids
    for at in range(0, len(ids) - ctx + 1, ctx):
        window = ids[at:at + ctx]
        if bos is not None: window[0] = bos
        out = logits(window, weights, config)[ctx // 2:-1]
        top = out.max(-1)
        total = top + np.log(np.exp(out - top[:, None]).sum(-1))
        wanted = window[ctx // 2 + 1:]
        sum_ += (total - out[np.arange(len(wanted)), wanted]).sum()
        count += len(wanted)
    return np.exp(sum_ / count)


def write_text(path):
    words = ("the and then there when with into little old red tall one day house tree bird dog "
             "cat boy girl river ran saw went said took made was in on under over home away").split()
    state, out = 1, ""

    def below(n):
        nonlocal state
        state = (state * 1103515245 + 12345) % 2 ** 31
        return (state >> 16) % n

    while len(out) < 1500:
        line = " ".join(words[below(len(words))] for _ in range(5 + below(7)))
        out += line.capitalize() + (".\n" if below(4) == 0 else ". ")
    with open(path, "w") as file: file.write(out)


# ---- GGUF -----------------------------------------------------------------------------------

def write_layers(path, cols=256, layers=24, tied=False):
    """Not to be run: only its names, its layers and its rows of whole blocks are right."""
    from gguf import GGUFWriter
    rng, writer = np.random.default_rng(9), GGUFWriter(path, "llama")
    for key, value in (("context_length", 512), ("embedding_length", cols), ("block_count", layers),
                       ("feed_forward_length", cols), ("attention.head_count", 8),
                       ("attention.head_count_kv", 2), ("rope.dimension_count", cols // 8)):
        writer.add_uint32("llama." + key, value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_string("tokenizer.ggml.model", "none")
    names = ["token_embd"] + ([] if tied else ["output"])
    for i in range(layers):
        names += [f"blk.{i}.{n}" for n in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate",
                                           "ffn_up", "ffn_down")]
        writer.add_tensor(f"blk.{i}.attn_norm.weight", np.ones(cols, np.float32))
    for n in names + ["blk.0.ffn_up_exps"]:
        shape = (3, 2, cols) if "exps" in n else (4, cols)
        w = rng.standard_normal(shape) * np.exp(rng.standard_normal(shape[:-1] + (1,)))
        w[rng.random(w.shape) < 0.002] *= 12  # outliers
        writer.add_tensor(n + ".weight", w.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def importance(model):
    """Means of squares for every matrix but the embeddings, some columns never used; of a stack one
    row after the other."""
    from gguf import GGUFReader
    rng, out = np.random.default_rng(4), {}
    for t in GGUFReader(model).tensors:
        if len(t.shape) < 2 or t.name == "token_embd.weight": continue
        matrices = int(t.shape[2]) if len(t.shape) > 2 else 1
        v = np.exp(rng.standard_normal(int(t.shape[0]) * matrices) * 1.5)
        v[rng.random(len(v)) < 0.02] = 0
        out[t.name] = v.astype(np.float32)
    return out


def write_dat(path, entries, calls=3):
    with open(path, "wb") as out:
        out.write(struct.pack("<i", len(entries)))
        for name, v in entries.items():
            out.write(struct.pack("<i", len(name)) + name.encode())
            out.write(struct.pack("<ii", calls, len(v)) + (v * np.float32(calls)).tobytes())
        out.write(struct.pack("<ii", calls, 4) + b"text")


def write_imatrix_gguf(path, entries, calls=4):
    from gguf import GGUFWriter
    writer = GGUFWriter(path, "")
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["text"])
    writer.add_uint32("imatrix.chunk_count", calls)
    writer.add_uint32("imatrix.chunk_size", 128)
    for name, v in sorted(entries.items()):
        writer.add_tensor(name + ".in_sum2", (v * np.float32(calls)).reshape(1, -1))
        writer.add_tensor(name + ".counts", np.full((1, 1), calls, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_imatrix(model, path):
    (write_dat if path.endswith(".dat") else write_imatrix_gguf)(path, importance(model))


def tensors_of(path):
    from gguf import GGUFReader
    shape = lambda t: "x".join(str(n) for n in t.shape).removesuffix("x1")
    return {t.name: (t.tensor_type.name, shape(t), t.data.tobytes()) for t in GGUFReader(path).tensors}


def same(a, b):
    a, b = tensors_of(a), tensors_of(b)
    wrong = sorted(n for n in a.keys() | b.keys() if a.get(n) != b.get(n))
    for n in wrong[:4]:
        x, y = a.get(n), b.get(n)
        print(n, x and x[:2], y and y[:2], "other octets" if x and y and x[:2] == y[:2] else "")
    if wrong: sys.exit(f"{len(wrong)} of {len(a)} tensors differ")
    print(len(a), "tensors equal")


def main(what, *args):
    if what == "perplexity": print(f"{perplexity(args[0], args[1], int(args[2])):.4f}")
    else: {"folder": write_folder, "layers": write_layers, "imatrix": write_imatrix,
           "text": write_text, "same": same}[what](*args)


if __name__ == "__main__":
    main(*sys.argv[1:])
