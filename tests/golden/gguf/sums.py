#!/usr/bin/env python3
"""Prints the lists beside it, sums of tensors that other programs wrote.

    sums.py stories FOLDER             stories260K-{f32,f16,bf16,q8_0,q4_0}.gguf, as published there
    sums.py reference LLAMA_QUANTIZE LAYERS.gguf LAYERS.dat       what llama.cpp makes of the model

A line is what cksum(1) says of all tensors in whit's order, each padded to 32 octets, and whit's
arguments for them. Needs the gguf package, and nothing of whit.
SPDX-License-Identifier: MIT
"""
import os
import re
import subprocess
import sys
import tempfile

from gguf import GGUFReader

PARTS = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up",
         "ffn_down"]
# of llama-quantize; whit's scheme
MIXES = {"Q2_K": "q2_k_m", **{t: t.lower() for t in ("Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S",
                                                     "Q4_K_M", "Q5_K_S", "Q5_K_M")}}
PURE = {"Q3_K_S": "q3_k", "Q4_K_S": "q4_k", "Q5_K_S": "q5_k", "MXFP4_MOE": "mxfp4",
        **{t: t.lower() for t in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q6_K", "IQ4_NL",
                                  "IQ4_XS", "TQ1_0", "TQ2_0", "F16", "BF16", "F32")}}


def octets(path, order):
    tensors = {t.name: t.data.tobytes() for t in GGUFReader(path).tensors}
    return b"".join(tensors[n] + bytes(-len(tensors[n]) % 32) for n in sorted(tensors, key=order))


def show(data, arguments):
    run = subprocess.run(["cksum"], input=data, stdout=subprocess.PIPE, check=True)
    print(run.stdout.decode().strip(), arguments)


def of_model(name):
    """The order in which a model is computed."""
    layer = re.match(r"blk\.(\d+)\.(.*)\.weight", name)
    if layer: return 1, int(layer[1]), PARTS.index(layer[2])
    return (0, 0, 0) if name == "token_embd.weight" else (2, 0, 0)


def stories(folder):
    for scheme in ("f32", "f16", "bf16", "q8_0", "q4_0"):
        show(octets(os.path.join(folder, f"stories260K-{scheme}.gguf"), of_model),
             f"--scheme {scheme} --embeddings {scheme}")


def reference(quantize, layers, matrix):
    order = {t.name: i for i, t in enumerate(GGUFReader(layers).tensors)}
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.gguf")
        for known, pure in ((MIXES, False), (PURE, True)):
            for kind, scheme in known.items():
                more = f" --embeddings {scheme} --head {scheme}" if pure else ""
                for weighed in (False, True):
                    command = [quantize] + ["--pure"] * pure + ["--imatrix", matrix] * weighed
                    subprocess.run(command + [layers, out, kind, "1"], check=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    show(octets(out, order.get), f"--scheme {scheme}{more}" +
                         " --calibration layers.dat" * weighed)


{"stories": stories, "reference": reference}[sys.argv[1]](*sys.argv[2:])
