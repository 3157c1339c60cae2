"""Write the logits of tiny models with made-up weights, as transformers computes them in float64.

usage: make.py (from this folder); needs torch 2.15.0, transformers 5.23.0

For each CASE.json, a config.json, it writes CASE.npy: float32 logits [40][vocabulary] for the ids
(7 t + 3) % vocabulary. Weights come from the names of the tensors, by the rule of weight() below;
tests/models.h makes the same. stories260K.npy: of the model in tests/data/stories260K for the ids
(7 t + 3) % 512 behind the start of a text. SPDX-License-Identifier: MIT
"""
import glob
import json
import os
import shutil
import tempfile

os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="")
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

TOKENS = 40
M64 = (1 << 64) - 1


def weight(name, shape):
    """splitmix64 from the FNV-1a hash of the name: 24 bits to [-1, 1), times a scale."""
    seed = 0xCBF29CE484222325
    for c in name.encode():
        seed = ((seed ^ c) * 0x100000001B3) & M64
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = ((z >> np.uint64(40)).astype(np.int64) - (1 << 23)).astype(np.float64) / (1 << 23)
    if len(shape) == 1:
        u = u * 0.25 + (0.0 if name.endswith("bias") else 1.0)
    elif "embed" not in name:
        u = u * (0.75 if "q_proj" in name or "k_proj" in name else 0.375)
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def run(path):
    folder = tempfile.mkdtemp()
    shutil.copy(path, os.path.join(folder, "config.json"))
    config = AutoConfig.from_pretrained(folder)
    shutil.rmtree(folder)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    tied = config.tie_word_embeddings
    with torch.no_grad():
        for name, p in model.named_parameters():
            if not (tied and name == "lm_head.weight"):
                p.copy_(weight(name, tuple(p.shape)))
        model = model.double()
        ids = torch.tensor([[(7 * t + 3) % config.vocab_size for t in range(TOKENS)]])
        logits = model(input_ids=ids).logits[0]
    print("%-24s largest logit %.4f" % (path, logits.abs().max()))
    np.save(path[:-5] + ".npy", logits.numpy().astype(np.float32))


def run_stories():
    model = AutoModelForCausalLM.from_pretrained(
        "../../data/stories260K", attn_implementation="eager", dtype=torch.float64
    ).eval()
    ids = torch.tensor([[1] + [(7 * t + 3) % 512 for t in range(1, TOKENS)]])
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0]
    print("stories260K: largest logit %.4f" % logits.abs().max())
    np.save("stories260K.npy", logits.numpy().astype(np.float32))


for path in sorted(glob.glob("*.json")):
    run(path)
run_stories()
