"""Write figures.txt: what evaluations of two small models must give, from numpy in float64.

usage: make.py (from this folder); needs numpy 2.x and gguf 0.19.0 (to read the GGUF file)

Nothing of whit takes part: the runner, the tokenizer (llama2.c's rule on tok512.bin), windows and
figures are written here from their definitions. Model: the Q4_0 GGUF file; base: the F16 folder.
A line is PROTOCOL CONTEXT NAME VALUE, the names as whit eval --json has them; "worst" lists the
positions of the ten largest divergences, "choices" are the questions. SPDX-License-Identifier: MIT
"""
import json
import math
import struct

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

DATA = "../../data/"
HEADS, KV, DIM, LAYERS, EPS = 8, 4, 8, 5, 1e-5


# ---- tokenizer -----------------------------------------------------------------------------------


def read_vocabulary():
    raw = open(DATA + "tokenizers/tok512.bin", "rb").read()
    at, pieces, scores = 4, [], []
    while at < len(raw):
        score, n = struct.unpack_from("<fi", raw, at)
        pieces.append(raw[at + 8 : at + 8 + n])
        scores.append(score)
        at += 8 + n
    return {p: i for i, p in reversed(list(enumerate(pieces)))}, scores


INDEX, SCORES = read_vocabulary()


def encode(text):
    """A space in front; characters, of unknown ones the octets; then the best merge, again."""
    ids = []
    for c in " " + text if text else "":
        b = c.encode()
        ids += [INDEX[b]] if b in INDEX else [3 + o for o in b]
    pieces = [next(p for p in INDEX if INDEX[p] == i) if i > 258 else None for i in ids]
    while True:
        best = None
        for k in range(len(ids) - 1):
            if pieces[k] is None or pieces[k + 1] is None:
                continue
            i = INDEX.get(pieces[k] + pieces[k + 1])
            if i is not None and (best is None or SCORES[i] > SCORES[best[1]]):
                best = (k, i)
        if best is None:
            return ids
        k, i = best
        pieces[k : k + 2] = [pieces[k] + pieces[k + 1]]
        ids[k : k + 2] = [i]


# ---- runner --------------------------------------------------------------------------------------


def read_folder():
    raw = open(DATA + "stories260K/model.safetensors", "rb").read()
    n = struct.unpack_from("<Q", raw)[0]
    head = json.loads(raw[8 : 8 + n])
    w = {}
    for name, t in head.items():
        if name == "__metadata__":
            continue
        begin, end = t["data_offsets"]
        v = np.frombuffer(raw[8 + n + begin : 8 + n + end], "<f2").reshape(t["shape"])
        w[name.replace("model.", "").replace(".weight", "")] = v.astype(np.float64)
    return w


def read_gguf():
    names = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
             "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
             "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
    w = {}
    for t in GGUFReader(DATA + "gguf/stories260K-q4_0.gguf").tensors:
        v = dequantize(t.data, t.tensor_type).astype(np.float64)
        part = t.name.split(".")
        if part[0] == "blk":
            name = "layers.%s.%s" % (part[1], names[part[2]])
            if part[2] in ("attn_q", "attn_k"):  # pairs side by side to halves
                v = v.reshape(-1, DIM // 2, 2, v.shape[1]).transpose(0, 2, 1, 3).reshape(v.shape)
            w[name] = v
        else:
            w[{"token_embd": "embed_tokens", "output_norm": "norm"}[part[0]]] = v
    return w


def norm(x, g):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * g


def turn(x):
    """Rotary embedding of [T][heads][DIM], halves."""
    half = DIM // 2
    angle = np.arange(len(x))[:, None] * 10000.0 ** (-np.arange(half) / half)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * c - b * s, b * c + a * s], -1)


def logits(w, ids):
    x = w["embed_tokens"][ids]
    n = len(ids)
    mask = np.where(np.tril(np.ones((n, n))) > 0, 0.0, -np.inf)
    for i in range(LAYERS):
        p = "layers.%d." % i
        h = norm(x, w[p + "input_layernorm"])
        q = turn((h @ w[p + "self_attn.q_proj"].T).reshape(n, HEADS, DIM))
        k = turn((h @ w[p + "self_attn.k_proj"].T).reshape(n, KV, DIM)).repeat(HEADS // KV, 1)
        v = (h @ w[p + "self_attn.v_proj"].T).reshape(n, KV, DIM).repeat(HEADS // KV, 1)
        a = np.einsum("thd,shd->hts", q, k) / math.sqrt(DIM) + mask
        a = np.exp(a - a.max(-1, keepdims=True))
        a /= a.sum(-1, keepdims=True)
        x = x + np.einsum("hts,shd->thd", a, v).reshape(n, -1) @ w[p + "self_attn.o_proj"].T
        h = norm(x, w[p + "post_attention_layernorm"])
        g = h @ w[p + "mlp.gate_proj"].T
        x = x + (g / (1 + np.exp(-g)) * (h @ w[p + "mlp.up_proj"].T)) @ w[p + "mlp.down_proj"].T
    return norm(x, w["norm"]) @ w["embed_tokens"].T


def log_softmax(z):
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


# ---- protocols -----------------------------------------------------------------------------------


def windows(protocol, context, text):
    """(ids of the window, position of each in the ids of the text, first scored one)."""
    if protocol == "story":
        first = 0
        for story in text.split("\n\n"):
            ids = encode(story.strip("\n"))
            n = min(len(ids), context - 1)
            yield [1] + ids[:n], [-1] + list(range(first, first + n)), 1
            first += len(ids)
        return
    ids = encode(text)
    if protocol == "chunk":
        for at in range(0, len(ids) - context + 2, context - 1):
            yield [1] + ids[at : at + context - 1], [-1] + list(range(at, at + context - 1)), 1
        return
    stream = [1] + ids
    for at in range(0, len(stream) - context + 1, context):
        w = stream[at : at + context]
        scored = 1
        if protocol == "half":
            w[0] = 1
            scored = context // 2 + 1
        yield w, list(range(at - 1, at + context - 1)), scored


def student(freedom):
    """97.5 % quantile, by adding up the density."""
    x = np.linspace(0, 60, 6000001)
    log = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    log -= 0.5 * math.log(freedom * math.pi)
    density = np.exp(log - (freedom + 1) / 2 * np.log1p(x * x / freedom))
    area = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2) * (x[1] - x[0])])
    return float(np.interp(0.475, area, x))


def by_windows(groups):
    n = sum(len(g) for g in groups)
    mean = sum(g.sum() for g in groups) / n
    squares = sum((g.sum() - mean * len(g)) ** 2 for g in groups)
    return mean, math.sqrt(len(groups) / (len(groups) - 1) * squares) / n


def figures(protocol, context, text, model, base):
    nll, base_nll, kl, dp, same, where, count = [], [], [], [], [], [], 0
    for ids, at, scored in windows(protocol, context, text):
        q, p = (log_softmax(logits(w, ids))[scored - 1 : -1] for w in (model, base))
        t = np.array(ids[scored:])
        i = np.arange(len(t))
        nll.append(-q[i, t])
        base_nll.append(-p[i, t])
        kl.append((np.exp(p) * (p - q)).sum(-1))
        dp.append(np.exp(q[i, t]) - np.exp(p[i, t]))
        same.append(q.argmax(-1) == p.argmax(-1))
        where += at[scored:]
        count += 1
    mean, error = by_windows(nll)
    base_mean, base_error = by_windows(base_nll)
    kl_mean, kl_error = by_windows(kl)
    apart, apart_error = by_windows([a - b for a, b in zip(nll, base_nll)])
    reach = student(count - 1) * apart_error
    flat, all_nll, all_dp = (np.concatenate(v) for v in (kl, nll, dp))
    n = len(flat)
    out = {
        "perplexity": math.exp(mean), "stderr": math.exp(mean) * error,
        "stderr_tokens": math.exp(mean) * math.sqrt(
            ((all_nll**2).mean() - all_nll.mean() ** 2) / (n - 1)),
        "nll": mean, "tokens": n, "windows": count,
        "base.perplexity": math.exp(base_mean), "base.stderr": math.exp(base_mean) * base_error,
        "base.nll": base_mean, "kl.mean": kl_mean, "kl.stderr": kl_error,
        "kl.median": np.quantile(flat, 0.5), "kl.p90": np.quantile(flat, 0.9),
        "kl.p99": np.quantile(flat, 0.99), "kl.p999": np.quantile(flat, 0.999),
        "kl.max": flat.max(), "top1": np.concatenate(same).mean(),
        "rms_dp": math.sqrt((all_dp**2).mean()), "ratio.value": math.exp(apart),
        "ratio.low": math.exp(apart - reach), "ratio.high": math.exp(apart + reach),
    }
    worst = " ".join(str(where[i]) for i in np.argsort(-flat, kind="stable")[:10])
    return out, worst


def answers(model, base):
    right = {k: 0 for k in ("accuracy", "accuracy_norm", "base.accuracy", "base.accuracy_norm",
                            "flips.lost", "flips.gained", "flips.changed")}
    lines = open(DATA + "eval/stories-choices.jsonl", encoding="utf-8").read().splitlines()
    for line in lines:
        question = json.loads(line)
        pick = {}
        for name, w in (("", model), ("base.", base)):
            ll, by_length = [], []
            for choice in question["choices"]:
                border = len(encode(question["prompt"].rstrip(" ")))
                ids = [1] + encode(question["prompt"] + choice)
                lp = log_softmax(logits(w, ids))
                ll.append(sum(lp[t - 1, ids[t]] for t in range(border + 1, len(ids))))
                by_length.append(ll[-1] / len(choice))
            pick[name] = int(np.argmax(ll))
            right[name + "accuracy"] += pick[name] == question["answer"]
            right[name + "accuracy_norm"] += int(np.argmax(by_length)) == question["answer"]
        now, before = pick[""] == question["answer"], pick["base."] == question["answer"]
        right["flips.lost"] += before and not now
        right["flips.gained"] += now and not before
        right["flips.changed"] += pick[""] != pick["base."]
    for k in right:
        right[k] = int(right[k]) / (1 if k.startswith("flips") else len(lines))
    return right


def main():
    model, base = read_gguf(), read_folder()
    text = open(DATA + "eval/stories.txt", encoding="utf-8", newline="").read()
    with open("figures.txt", "w") as f:
        for protocol, context in (("window", 128), ("chunk", 100), ("half", 128), ("story", 512),
                                  ("story", 200)):
            out, worst = figures(protocol, context, text, model, base)
            for k, v in out.items():
                f.write("%s %d %s %.12g\n" % (protocol, context, k, v))
            f.write("%s %d worst %s\n" % (protocol, context, worst))
        for k, v in answers(model, base).items():
            f.write("choices 512 %s %.12g\n" % (k, v))


main()
