#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""By hand: what the methods of quantize cost and win on a model, as lines of JSON.

    method_figures.py WHIT MODEL CALIB.txt EVAL.txt OUT.jsonl [--plant] [--only REGEX] [--tokens N]

Every scheme by every method that can hold it: perplexity and KL against the float model, with
their standard errors, on windows of 256 tokens; calibration on 128 of them. --plant first puts
outlier channels into a copy of the model (a Llama folder of F16 or F32): in each norm four channels
times 30, the columns behind it divided by 30, which changes nothing but what is easy to quantize.
Needs numpy and safetensors for --plant only.
"""
import argparse, json, os, re, shutil, subprocess, tempfile

PLANTED, FACTOR = 4, 30.0


def plant(model, folder):
    import numpy as np
    from safetensors.numpy import load_file, save_file

    os.makedirs(folder)
    for name in os.listdir(model):
        if name.endswith(".json"):
            shutil.copy(os.path.join(model, name), folder)
    tensors = load_file(os.path.join(model, "model.safetensors"))
    draw = np.random.default_rng(1)
    for name in sorted(tensors):
        found = re.fullmatch(r"(.*layers\.\d+\.)(input|post_attention)_layernorm\.weight", name)
        if not found:
            continue
        columns = draw.choice(tensors[name].size, PLANTED, replace=False)
        inputs = (["self_attn.%s_proj.weight" % k for k in "qkv"] if found[2] == "input"
                  else ["mlp.%s_proj.weight" % k for k in ("gate", "up")])
        kind = tensors[name].dtype
        # what the stored norm really is, so that the columns make up for it
        norm = tensors[name].astype(np.float32)
        norm[columns] = (norm[columns] * FACTOR).astype(kind).astype(np.float32)
        change = norm[columns] / tensors[name][columns].astype(np.float32)
        tensors[name] = norm.astype(kind)
        for tail in inputs:
            w = tensors[found[1] + tail].astype(np.float32)
            w[:, columns] /= change
            tensors[found[1] + tail] = w.astype(np.float32)
    # divided columns would lose their small values in F16
    save_file({k: v.astype(np.float32) for k, v in tensors.items()},
              os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def runs(width):
    rows = []
    groups = [g for g in (128, 64, 32) if width % g == 0]
    schemes = ["int4-g%d" % g for g in groups] + ["int3-g64", "int2-g32", "nf4-g64"]
    if width == 64:
        schemes.append("int3-g32")
    blocks = ["q4_k", "q3_k", "q2_k"] if width % 256 == 0 else ["q4_0", "q4_1", "q5_0"]
    for s in schemes + blocks:
        for m in ("", "awq", "gptq", "gptq --act-order", "awq+gptq"):
            rows.append((s, "rtn" if not m else m, ["--method", *m.split()] if m else []))
        if s not in blocks:
            rows.append((s, "rtn minmax", ["--clip", "minmax"]))
        if s.startswith("int"):
            rows.append((s + "-asym", "rtn", []))
            rows.append((s + "-asym", "hqq", ["--method", "hqq"]))
            rows.append((s + "-asym", "gptq", ["--method", "gptq"]))
    for m in ("", "smoothquant", "smoothquant+gptq"):
        rows.append(("int8-channel-a8", m or "rtn", ["--method", m] if m else []))
    return rows


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("whit", "model", "calib", "eval", "out"):
        p.add_argument(name)
    p.add_argument("--plant", action="store_true")
    p.add_argument("--only", default="")
    p.add_argument("--tokens", default="20000")
    p.add_argument("--learn", default="32640")
    p.add_argument("--threads", default="0")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        model = a.model
        if a.plant:
            model = os.path.join(work, "planted")
            plant(a.model, model)
        with open(os.path.join(model, "config.json")) as f:
            width = json.load(f)["hidden_size"]
        for scheme, method, options in runs(width):
            if not re.search(a.only, scheme + " " + method):
                continue
            out = os.path.join(work, "out.gguf" if scheme[0] == "q" else "out")
            learns = ["--text", a.calib, "--context", "256", "--tokens", a.learn]
            learns = learns if options and options[0] == "--method" and "hqq" not in options else []
            q = subprocess.run([a.whit, "quantize", model, "-o", out, "-f", "-q", "--scheme", scheme,
                                "-T", a.threads, "--json", *options, *learns], capture_output=True, text=True)
            row = {"scheme": scheme, "method": method, "planted": a.plant}
            if q.returncode:
                row["error"] = q.stderr.strip()
            else:
                e = subprocess.run([a.whit, "eval", out, "--base", model, "--text", a.eval,
                                    "--context", "256", "--protocol", "chunk", "--tokens", a.tokens,
                                    "-T", a.threads, "--json", "-q"], capture_output=True, text=True)
                if e.returncode:
                    row["error"] = e.stderr.strip()
                else:
                    r, s = json.loads(e.stdout), json.loads(q.stdout)
                    row |= {"ppl": r["perplexity"], "ppl_stderr": r["stderr"], "kl": r["kl"]["mean"],
                            "kl_stderr": r["kl"]["stderr"], "p99": r["kl"]["p99"], "top1": r["top1"],
                            "seconds": s["seconds"], "peak": s["peak_rss_bytes"]}
            with open(a.out, "a") as f:
                f.write(json.dumps(row) + "\n")
            shutil.rmtree(out, ignore_errors=True)
            if os.path.isfile(out):
                os.remove(out)


if __name__ == "__main__":
    main()
