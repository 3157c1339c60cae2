"""Real loaders judge the checkpoints: clients.py WHIT

Runs only where the environment variable WHIT_CLIENTS names Pythons (one, or several with ':' in
between) that have transformers and the loaders' packages: compressed-tensors, bitsandbytes,
gptqmodel with optimum. A small random Llama is written in each format, loaded by its own client
(every key used, none missing), and its logits are compared with those of the weights that `whit
dequantize` finds in the same folder: the mean KL divergence must be 0 where the client computes with
the weights as they are, and small where it rounds activations or computes in bfloat16.
Exit 77 where nothing could be run."""
import json, os, shutil, subprocess, sys, tempfile

# format, scheme, package that loads it, largest mean KL: 0 means bit for bit
CASES = [
    ("compressed-tensors", "int4-g32", "compressed_tensors", 0),
    ("compressed-tensors", "int4-channel", "compressed_tensors", 0),
    ("compressed-tensors", "int4-g32-asym", "compressed_tensors", 0),
    ("compressed-tensors", "int8-channel", "compressed_tensors", 0),
    ("compressed-tensors", "int8-channel-a8", "compressed_tensors", 5e-3),
    ("compressed-tensors", "fp8_e4m3-channel", "compressed_tensors", 0),
    ("compressed-tensors", "fp8_e4m3-channel-a8", "compressed_tensors", 2e-2),
    ("compressed-tensors", "fp8_e4m3-block128x128", "compressed_tensors", 0),
    ("bitsandbytes", "nf4-g64", "bitsandbytes", 2e-3),
    ("bitsandbytes", "nf4-g64-dq", "bitsandbytes", 2e-3),
    ("bitsandbytes", "fp4bnb-g64", "bitsandbytes", 2e-3),
    ("bitsandbytes", "int8", "bitsandbytes", 5e-3),
    ("gptq", "int4-g32", "gptqmodel", 1e-5), ("gptq", "int4-g32-asym", "gptqmodel", 1e-5),
    ("gptq", "int8-g32", "gptqmodel", 1e-5), ("gptq", "int3-g32", "gptqmodel", 1e-5),
    ("gptq", "int2-g32", "gptqmodel", 1e-5), ("gptq", "int4-channel", "gptqmodel", 2e-3),
    ("awq", "int4-g32", "gptqmodel", 1e-5), ("awq", "int4-g32-asym", "gptqmodel", 1e-5),
]


def outside(whit):
    pythons = os.environ.get("WHIT_CLIENTS", "")
    if not pythons:
        print("skip: WHIT_CLIENTS names no Python with transformers")
        sys.exit(77)
    for python in pythons.split(":"):
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TRANSFORMERS_VERBOSITY": "error",
               "PATH": os.path.dirname(python) + ":" + os.environ["PATH"]}
        subprocess.run([python, __file__, "--inside", whit], check=True, env=env)


def installed(package):
    import importlib.metadata
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def make_model(folder):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    torch.manual_seed(1)
    config = LlamaConfig(hidden_size=256, intermediate_size=256, num_hidden_layers=2, num_attention_heads=8,
                         num_key_value_heads=4, vocab_size=128, max_position_embeddings=128,
                         initializer_range=0.08, tie_word_embeddings=False)
    LlamaForCausalLM(config).float().save_pretrained(folder)


def logits(folder):
    import torch
    from transformers import AutoModelForCausalLM
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu",
                                                       output_loading_info=True, local_files_only=True)
    left = {k: v for k, v in info.items() if v}
    if left: sys.exit(f"{folder}: keys not matched: {left}")
    ids = (torch.arange(96).reshape(2, 48) * 37) % 128
    with torch.no_grad():
        return model.eval()(input_ids=ids).logits.double().log_softmax(-1)


def judge(whit, temp, fmt, scheme, limit):
    out, plain = temp + "/out", temp + "/plain"
    for folder in out, plain: shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([whit, "quantize", temp + "/model", "-o", out, "--format", fmt, "--scheme", scheme, "-q"], check=True)
    shutil.copytree(temp + "/model", plain)
    subprocess.run([whit, "dequantize", out, "-o", plain + "/model.safetensors", "-f", "-q"], check=True)
    a, b = logits(plain), logits(out)
    kl = float((a.exp() * (a - b)).sum(-1).mean())
    print(f"{fmt:20} {scheme:24} mean KL {kl:.3g}, at most {limit:g}", flush=True)
    if not kl <= limit or (limit == 0 and not (a == b).all()): sys.exit(f"{fmt} {scheme}: KL {kl}")


def inside(whit):
    versions = {p: installed(p) for p in ("transformers", "torch", "compressed-tensors", "bitsandbytes", "gptqmodel")}
    print(versions)
    with tempfile.TemporaryDirectory() as temp:
        make_model(temp + "/model")
        for fmt, scheme, package, limit in CASES:
            version = versions.get(package.replace("_", "-"))
            if version is None:
                print(f"skip: {fmt} {scheme}: no {package} here")
            elif fmt == "compressed-tensors" and scheme.endswith("asym") and version.startswith("0.20."):
                print(f"skip: {fmt} {scheme}: compressed-tensors 0.20 loads no zero points, its own neither")
            else:
                judge(whit, temp, fmt, scheme, limit)


if __name__ == "__main__":
    inside(sys.argv[2]) if sys.argv[1] == "--inside" else outside(sys.argv[1])
