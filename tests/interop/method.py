"""GPTQ judged by a naive one: column after column in float64, with the inverse of H itself.

usage: method.py WHIT_BINARY TESTS

From the Hessians of a calibration state, the scales that whit wrote, and the weights: each column is
rounded, and what that leaves behind is spread over the columns that are still to come, by the inverse
of their part of H, which is made anew by elimination (Frantar et al. 2022, equation 3; no Cholesky
factor, no blocks). Codes must be the same but for ties, at most one for 10^4 codes, and what follows
from one in its row; the errors of all layers together within 0.1 %.

Then the activations of another architecture: a convolution net's, as dumps.
Skipped (77) without numpy and safetensors.
SPDX-License-Identifier: MIT
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from safetensors import safe_open
    from safetensors.numpy import load_file
except ImportError:
    print("skip: no numpy or safetensors")
    sys.exit(77)

WHIT, TESTS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
STORIES = TESTS + "/data/stories260K"
NET = TESTS + "/data/models/mnist.safetensors"
TEXT = TESTS + "/data/eval/stories.txt"
rng = np.random.default_rng(7)


def whit(*args):
    subprocess.run([WHIT, *args, "-q"], check=True)


def hessians(path):
    """H of each matrix of a state, by the matrix's name, over its tokens."""
    tensors, out = load_file(path), {}
    with safe_open(path, "numpy") as f:
        inputs = json.loads(f.metadata()["whit.state.inputs"])
    for i in inputs:
        n = i["columns"]
        h = np.zeros((n, n))
        h[np.triu_indices(n)] = tensors[i["name"] + ".hessian"]
        h += np.triu(h, 1).T
        for linear in i["linears"]:
            out[linear] = h / i["tokens"]
    return out


def damped(h, share):
    h = h.copy()
    d = np.diag(h).copy()
    mean = d[d > 0].mean()
    np.fill_diagonal(h, np.where(d > 0, d, mean) + share * mean)
    return h


def order_of(h, group, act_order):
    """Largest mean square first: of all columns, or in each group, groups by their largest."""
    d, n = np.diag(h), len(h)
    if act_order:
        return np.argsort(-d, kind="stable")
    runs = [np.arange(a, min(a + group, n)) for a in range(0, n, group)]
    runs = [r[np.argsort(-d[r], kind="stable")] for r in runs]
    return np.concatenate([runs[k] for k in np.argsort([-d[r].max() for r in runs], kind="stable")])


def naive(w, h, scale, group, order, low, high):
    """Decoded weights, and how far each quotient was from a tie. scale: [rows, groups], of any sign."""
    w, out, tie = w.copy(), np.zeros_like(w), np.ones_like(w)
    inverse = np.linalg.inv(h)
    left = np.ones(len(h), bool)
    for c in order:
        s = scale[:, c // group]
        with np.errstate(divide="ignore", invalid="ignore"):
            code = np.where(s != 0, np.clip(np.rint(w[:, c] / s), low, high), 0)
            tie[:, c] = np.where(s != 0, np.abs(np.abs(w[:, c] / s - np.rint(w[:, c] / s)) - 0.5), 1)
        out[:, c] = code * s
        error = (w[:, c] - out[:, c]) / inverse[c, c]
        left[c] = False
        w[:, left] -= np.outer(error, inverse[c, left])
        inverse -= np.outer(inverse[:, c], inverse[c, :]) / inverse[c, c]
    return out, tie


def loss(w, q, h):
    d = w - q
    return float(np.einsum("ri,ij,rj->", d, h, d))


def judge(folder, model, state, scheme, extra, low, high, group, names, source):
    """The matrices of a model in one scheme: codes and losses beside the naive ones."""
    out, plain = folder + "/out.safetensors", folder + "/plain.safetensors"
    rules = [a for n in names for a in ("--rule", f"{n}={scheme}")]
    whit("quantize", model, "-o", out, "-f", "--scheme", "keep", *rules, "--method", "gptq",
         "--calibration", state, "--static-groups", "--cd-passes", "0", *extra)
    whit("dequantize", out, "-o", plain, "-f", "--dtype", "f32")
    decoded, stored, h = load_file(plain), load_file(out), hessians(state)
    codes = wrong = rows = 0
    losses = np.zeros(2)
    for n in names:
        w = source[n].reshape(len(source[n]), -1).astype(np.float64)
        q = decoded[n].reshape(w.shape).astype(np.float64)
        scale = stored[n + ".scale"].astype(np.float64).reshape(len(w), -1)
        wide = group or w.shape[1]
        damp = damped(h[n], 0.01)
        order = order_of(h[n], wide, "--act-order" in extra)
        want, tie = naive(w, damp, scale, wide, order, low, high)
        step = np.repeat(scale, wide, axis=1)[:, :w.shape[1]]
        differ = np.abs(q - want) > 0.25 * np.abs(step)
        codes += q.size
        for r in np.flatnonzero(differ.any(axis=1)):  # one tie, and what follows from it
            first = order[np.argmax(differ[r, order])]
            assert tie[r, first] < 1e-3, (scheme, extra, n, r, first, tie[r, first])
            rows += 1
        wrong += int(differ.sum())
        a, b = loss(w, q, damp), loss(w, want, damp)
        losses += a, b
        assert abs(a - b) <= 1e-2 * b, (scheme, extra, n, a, b)
        rounded = step * np.clip(np.rint(w / np.where(step != 0, step, 1)), low, high)
        assert a < loss(w, rounded, damp), (scheme, n, "rounding is better")
    print(f"{scheme} {' '.join(extra)}: {len(names)} matrices, {codes} codes, {wrong} differ in "
          f"{rows} rows")
    assert rows <= max(1, 1e-4 * codes), (scheme, extra, rows, codes)
    assert abs(losses[0] - losses[1]) <= 1e-3 * losses[1], (scheme, extra, losses)


def patches(weight, count):
    """What a convolution sees: rows of in * kh * kw values, neighbours alike, as ReLU leaves them."""
    size = int(np.prod(weight.shape[1:]))
    mix = rng.standard_normal((size, size)) / np.sqrt(size) + np.eye(size)
    return np.maximum(rng.standard_normal((count, size)) @ mix, 0).astype(np.float32)


with tempfile.TemporaryDirectory() as temp:
    state = temp + "/state.safetensors"
    whit("calibrate", STORIES, "--text", TEXT, "--hessian", "-o", state)
    tensors = load_file(STORIES + "/model.safetensors")
    linears = [n for n in tensors if n.endswith("_proj.weight")]
    assert len(linears) == 35, linears
    for scheme, low, high, group in (("int4-g32", -8, 7, 32), ("int3-g64", -4, 3, 64),
                                     ("int8-channel", -127, 127, 0), ("int2-g16", -2, 1, 16)):
        judge(temp, STORIES, state, scheme, [], low, high, group, linears, tensors)
    judge(temp, STORIES, state, "int4-g32", ["--act-order"], -8, 7, 32, linears, tensors)

    tensors = load_file(NET)
    names = [n for n, t in tensors.items() if t.ndim in (2, 4) and t.size >= 1024 and t[0].size >= 32]
    assert names, "no matrix that is large enough"
    dumps = []
    for i, n in enumerate(names):
        np.save(f"{temp}/{i}.npy", patches(tensors[n], 3 * tensors[n][0].size))
        dumps += ["--activations", f"{n}={temp}/{i}.npy"]
    whit("calibrate", *dumps, "--hessian", "-o", temp + "/net.safetensors")
    judge(temp, NET, temp + "/net.safetensors", "int4-g32", [], -8, 7, 32, names, tensors)
print("ok")
