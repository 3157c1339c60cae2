"""The gguf package reads what whit writes: gguf_write.py WHIT TESTS_DIR

- Every type and mix, from a GGUF file and from model folders, whole and in parts: names, shapes and
  types are those of the plan; the package's own decoder gives the values of `whit dequantize`, bit
  for bit.
- Keys made from a folder have the types and values that loaders insist on.
- Importance matrices in both forms are used: a file with one block has the bytes that the reference
  encoders gave for it.
Exit 77 where a package is missing."""
import glob, json, os, subprocess, sys, tempfile

try:
    import numpy as np
    from gguf import GGUFReader, GGUFValueType as V, GGUFWriter
    from gguf.quants import dequantize
except ImportError as missing:
    print("skip:", missing)
    sys.exit(77)

import models

TYPES = ("q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs tq1_0 tq2_0 mxfp4 f16 bf16 "
         "f32").split()
MIXES = "q2_k_s q2_k_m q3_k_s q3_k_m q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m".split()

# one row of 256 weights, each column weighed by 1 + its number modulo 7: FNV-1a of the block
WEIGHED = {"q4_0": 0xd5967c863c4e06e8, "q4_1": 0x31720a9092de5a7e, "q5_0": 0x67667f653f3f76b3,
           "q5_1": 0x8d8a9a626af7761a, "q2_k": 0x06cdf9406f4ae428, "q3_k": 0x932f0b82d8230688,
           "q4_k": 0x9fe318b046846b48, "q5_k": 0xf4373543e5793b86, "q6_k": 0x9592911d812f0155,
           "iq4_nl": 0x77867ea4652109ff, "iq4_xs": 0x0bd54a5854432434}
PLAIN = {"q4_0": 0xb02fd827ab017ff6, "q2_k": 0x460593bb8b76c5b7, "q3_k": 0x221fc81833f4e15d,
         "q4_k": 0xe0947ac0c1ead5a7, "q5_k": 0x864bab14d5a83243, "q6_k": 0x77cfb74f2b722ae3,
         "iq4_xs": 0x9198c4398b8dbaa3}

STRING, U32, F32, BOOL = [V.STRING], [V.UINT32], [V.FLOAT32], [V.BOOL]
COMMON = {
    "general.architecture": STRING, "general.type": STRING, "general.file_type": U32,
    "A.context_length": U32, "A.embedding_length": U32, "A.block_count": U32,
    "A.feed_forward_length": U32, "A.attention.head_count": U32, "A.attention.head_count_kv": U32,
    "A.attention.layer_norm_rms_epsilon": F32, "A.rope.freq_base": F32,
    "tokenizer.ggml.model": STRING, "tokenizer.ggml.pre": STRING,
    "tokenizer.ggml.tokens": [V.ARRAY, V.STRING], "tokenizer.ggml.token_type": [V.ARRAY, V.INT32],
    "tokenizer.ggml.eos_token_id": U32, "tokenizer.ggml.add_bos_token": BOOL,
    "whit.notes": STRING, "whit.recipe": STRING, "whit.sha256": STRING, "whit.version": STRING}
BYTE_LEVEL = {"tokenizer.ggml.merges": [V.ARRAY, V.STRING]}
OPTIONAL = {
    "general.name": STRING, "general.quantization_version": U32, "whit.options": STRING,
    "A.rope.dimension_count": U32, "A.vocab_size": U32, "A.attention.key_length": U32,
    "A.attention.value_length": U32, "A.attention.sliding_window": U32,
    "tokenizer.ggml.scores": [V.ARRAY, V.FLOAT32], "tokenizer.ggml.bos_token_id": U32,
    "tokenizer.ggml.unknown_token_id": U32, "tokenizer.ggml.padding_token_id": U32,
    "tokenizer.ggml.eot_token_id": U32, "tokenizer.ggml.add_eos_token": BOOL,
    "tokenizer.ggml.add_space_prefix": BOOL, "tokenizer.chat_template": STRING}


def whit(*args):
    run = subprocess.run([WHIT, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode: sys.exit(f"{' '.join(args)}: {run.stderr}")
    return run.stdout


# ---- tensors --------------------------------------------------------------------------------

def values_of(tensor):
    kind = tensor.tensor_type.name
    if kind in ("F32", "F16"): return np.asarray(tensor.data)
    return dequantize(np.asarray(tensor.data), tensor.tensor_type).astype(np.float32, copy=False)


def check_values(files, plain):
    """What whit decodes from the first file equals what the package decodes from all of them."""
    whit("dequantize", files[0], "-o", plain, "-f", "-q")
    ours, count = models.read_safetensors(plain), 0
    for path in files:
        for t in GGUFReader(path).tensors:
            shape = tuple(int(n) for n in reversed(t.shape))
            mine = ours[t.name]
            if mine.shape != shape or mine.tobytes() != values_of(t).tobytes():
                sys.exit(f"{path}: {t.name} ({t.tensor_type.name}) differs")
            count += 1
    return count


def write(source, out, *args):
    """Write, and compare the package's list of tensors with the plan."""
    plan = json.loads(whit("quantize", source, "-o", out, "-f", "--json", *args))
    files = sorted(glob.glob(out[:-5] + "-0*.gguf")) if "--shard-size" in args else [out]
    listed = {t.name: t for f in files for t in GGUFReader(f).tensors}
    for t in plan["tensors"] if source.endswith(".gguf") else []:
        u = listed[t["name"]]
        if (u.tensor_type.name.lower(), [int(n) for n in reversed(u.shape)], int(u.n_bytes)) != (
                t["dtype"].lower() if t["kept"] else t["scheme"], t["shape"], t["bytes_out"]):
            sys.exit(f"{out}: {t['name']} is not what the plan says")
    tail = 64 if "rope_freqs.weight" in listed else 0
    if sum(t["bytes_out"] for t in plan["tensors"]) + tail != sum(int(t.n_bytes) for t in listed.values()):
        sys.exit(f"{out}: other sizes than those of the plan")
    return files


def check_types(source, folder, plain):
    out, count = os.path.join(folder, "out.gguf"), 0
    for scheme in TYPES:
        more = ["--embeddings", scheme, "--head", scheme]
        count += check_values(write(source, out, "--scheme", scheme, *more), plain)
    for scheme in MIXES:
        count += check_values(write(source, out, "--scheme", scheme), plain)
    parts = write(source, out, "--scheme", "q5_k_m", "--shard-size", "9000")
    if len(parts) < 4: sys.exit("parts are missing")
    return count + check_values(parts, plain)


# ---- keys -----------------------------------------------------------------------------------

def contents(reader, key):
    field = reader.fields.get(key)
    return None if field is None else field.contents()


def check_kinds(reader, arch, byte_level):
    own = lambda keys: {k.replace("A.", arch + ".", 1) if k.startswith("A.") else k: v
                        for k, v in keys.items()}
    wanted = own(COMMON | (BYTE_LEVEL if byte_level else {}))
    known = wanted | own(OPTIONAL) | {k: None for k in reader.fields if k.startswith("GGUF.")}
    for key in wanted.keys() - reader.fields.keys(): sys.exit(f"{arch}: {key} is missing")
    for key, field in reader.fields.items():
        if key not in known: sys.exit(f"{arch}: {key} is not expected")
        if known[key] and field.types != known[key]: sys.exit(f"{arch}: {key}: {field.types}")


def check_model_keys(reader, kind):
    """Values, from the configuration that was written here."""
    config, arch = models.config_of(kind), models.KINDS[kind]["model_type"].replace("mistral", "llama")
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    odd = head * config["num_attention_heads"] != config["hidden_size"] or arch == "qwen3"
    for key, value in (("context_length", config["max_position_embeddings"]),
                       ("embedding_length", config["hidden_size"]),
                       ("block_count", config["num_hidden_layers"]),
                       ("feed_forward_length", config["intermediate_size"]),
                       ("attention.head_count", config["num_attention_heads"]),
                       ("attention.head_count_kv", config["num_key_value_heads"]),
                       ("attention.layer_norm_rms_epsilon", float(np.float32(config["rms_norm_eps"]))),
                       ("rope.freq_base", config["rope_theta"]),
                       ("rope.dimension_count", head if arch == "llama" else None),
                       ("vocab_size", config["vocab_size"] if arch == "llama" else None),
                       ("attention.key_length", head if odd else None),
                       ("attention.value_length", head if odd else None)):
        found = contents(reader, f"{arch}.{key}")
        if found != value: sys.exit(f"{kind}: {key} is {found}, not {value}")
    check_kinds(reader, arch, True)
    check_tokens(reader, kind, config)


def check_tokens(reader, kind, config):
    ids, qwen = models.vocabulary(), "qwen" in kind
    tokens, types = (contents(reader, "tokenizer.ggml." + k) for k in ("tokens", "token_type"))
    padding = [f"[PAD{i}]" for i in range(len(ids), config["vocab_size"])]
    wanted = [1] * (len(ids) - 2) + [3, 3] + [5] * len(padding)
    if tokens != list(ids) + padding or list(types) != wanted: sys.exit(f"{kind}: tokens")
    for key, value in (("model", "gpt2"), ("pre", "qwen2" if qwen else "llama-bpe"),
                       ("merges", models.MERGES), ("add_bos_token", not qwen),
                       ("bos_token_id", None if qwen else ids[models.BOS]),
                       ("eos_token_id", ids[models.EOS])):
        found = contents(reader, "tokenizer.ggml." + key)
        if found != value: sys.exit(f"{kind}: tokenizer.ggml.{key} is {found}, not {value}")


def check_folders(tests, folder, plain):
    out, count = os.path.join(folder, "out.gguf"), 0
    for kind in models.KINDS:
        source = os.path.join(folder, kind)
        models.write_folder(kind, source)
        count += check_values(write(source, out, "--scheme", "q4_k_m"), plain)
        check_model_keys(GGUFReader(out), kind)
    write(os.path.join(tests, "data/stories260K"), out, "--scheme", "q8_0", "--search", "reference")
    reader = GGUFReader(out)
    check_kinds(reader, "llama", False)
    scores = contents(reader, "tokenizer.ggml.scores")
    if len(scores) != 512 or contents(reader, "tokenizer.ggml.pre") != "default":
        sys.exit("stories260K: scores or pre-tokenizer")
    if contents(reader, "whit.options") != "search=reference": sys.exit("stories260K: options")
    return count + check_values([out], plain)


# ---- importance -----------------------------------------------------------------------------

def fnv(data):
    h = 14695981039346656037
    for octet in data: h = (h ^ octet) * 1099511628211 % 2 ** 64
    return h


def hard_row():
    s, out = 1, []
    for _ in range(256):
        s = (s * 1664525 + 1013904223) % 2 ** 32
        out.append(((s >> 20) - 2048) / 1024)
    return np.array([out, out], np.float32)  # a single row would be a vector to GGUF


def check_importance(folder):
    path, out = os.path.join(folder, "row.gguf"), os.path.join(folder, "out.gguf")
    writer, entry = GGUFWriter(path, "llama"), {"blk.0.ffn_up.weight": 1 + np.arange(256) % 7}
    writer.add_tensor("blk.0.ffn_up.weight", hard_row())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    matrices = [None, os.path.join(folder, "m.dat"), os.path.join(folder, "m.gguf")]
    entry = {k: v.astype(np.float32) for k, v in entry.items()}
    models.write_dat(matrices[1], entry, 4)
    models.write_imatrix_gguf(matrices[2], entry, 4)
    count = 0
    for matrix in matrices:
        for scheme, wanted in (WEIGHED if matrix else PLAIN).items():
            write(path, out, "--search", "reference", "--rule", f"*={scheme}",
                  *(["--calibration", matrix] if matrix else []))
            row = GGUFReader(out).tensors[0].data
            if fnv(row[0].tobytes()) != wanted or row[0].tobytes() != row[1].tobytes():
                sys.exit(f"{scheme} with {matrix}: other octets than the reference's")
            count += 1
    return count


def main(tests):
    with tempfile.TemporaryDirectory() as folder:
        plain, layers = os.path.join(folder, "plain.safetensors"), os.path.join(folder, "l.gguf")
        models.write_layers(layers, layers=8)
        count = check_types(layers, folder, plain) + check_folders(tests, folder, plain)
        weighed = check_importance(folder)
    print(f"{count} tensors equal, {weighed} blocks as the reference's")


WHIT = sys.argv[1]
main(sys.argv[2])
