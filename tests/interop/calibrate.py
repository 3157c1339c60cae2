"""Statistics of activation dumps against numpy in float64, and the file's names and forms.

usage: calibrate.py WHIT_BINARY

Dumps of several shapes and distributions go through `whit calibrate --activations`; every tensor of
the state is then computed again: sums exactly (integers of any size), histograms by their
definition, X^T X in float64. Skipped (77) without numpy.
SPDX-License-Identifier: MIT
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
from fractions import Fraction

try:
    import numpy as np
except ImportError:
    print("skip: no numpy")
    sys.exit(77)

WHIT = os.path.abspath(sys.argv[1])
checks = failures = 0


def check(ok, what):
    global checks, failures
    checks += 1
    if not ok:
        failures += 1
        print("FAIL:", what)


def read_state(path):
    with open(path, "rb") as f:
        raw = f.read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    meta = head.pop("__metadata__")
    types = {"F32": "<f4", "U64": "<u8", "F64": "<f8"}
    tensors = {}
    for name, t in head.items():
        a, b = t["data_offsets"]
        data = np.frombuffer(raw[8 + n + a:8 + n + b], dtype=types[t["dtype"]])
        tensors[name] = data.reshape(t["shape"])
    return meta, tensors


def rounded(x):
    """x * 2^64 to the nearest integer, ties to even: exact."""
    return round(Fraction(float(x)) * 2**64)


def as_integers(pairs, signed):
    out = []
    for low, high in pairs.tolist():
        v = low | high << 64
        out.append(v - (1 << 128) if signed and v >> 127 else v)
    return out


def check_input(name, x, meta, t):
    info = {i["name"]: i for i in json.loads(meta["whit.state.inputs"])}[name]
    rows, cols = x.shape
    check(info["columns"] == cols and info["tokens"] == rows, name + ": shape")
    check(info["linears"] == [name], name + ": linears")
    check(info["zeros"] == int((x == 0).sum()), name + ": zeros")
    check(np.array_equal(t[name + ".min"], x.min(axis=0) + 0.0), name + ": min")
    check(np.array_equal(t[name + ".max"], x.max(axis=0) + 0.0), name + ": max")
    wide = x.astype(np.float64)
    for part, values in ((".sum", wide), (".sum_abs", np.abs(wide)), (".sum_square", wide * wide)):
        got = as_integers(t[name + part], part == ".sum")
        want = [sum(rounded(v) for v in values[:, c]) for c in range(cols)]
        check(got == want, name + part)
    size = np.abs(x).ravel()
    keys = (size.view(np.uint32) >> 16)[size != 0]
    counts = np.bincount(keys, minlength=32768).astype(np.uint64)
    used = np.nonzero(counts)[0]
    if len(used):
        got = t[name + ".log_bins"]
        check(info["log_first"] == used[0], name + ": log_first")
        check(np.array_equal(got, counts[used[0]:used[-1] + 1]), name + ": log_bins")
    e = -60
    while float(size.max()) >= 2048 * 2.0**e:
        e += 1
    check(info["exponent"] == e, name + ": exponent")
    index = np.floor(np.abs(wide[wide != 0]).ravel() / 2.0**e).astype(np.int64)
    check(np.array_equal(t[name + ".bins"], np.bincount(index, minlength=2048).astype(np.uint64)),
          name + ": bins")
    if x.size < 65536:
        check(np.array_equal(t[name + ".samples"], np.sort(size)), name + ": samples")
    else:
        check(name + ".samples" not in t, name + ": samples of many values")
    h = wide.T @ wide
    got = t[name + ".hessian"]
    scale = np.sqrt(np.outer(np.diag(h), np.diag(h)))
    upper = np.triu_indices(cols)
    check(len(got) == len(upper[0]), name + ": triangle")
    check(np.all(np.abs(got - h[upper]) <= scale[upper] * 2.0**-16 + rows * 2.0**-126), name + ": hessian")


def main():
    rng = np.random.default_rng(5)
    dumps = {
        "normal": rng.standard_normal((300, 40)).astype(np.float32),
        "many": rng.standard_normal((1100, 64)).astype(np.float32),
        "tails": (rng.standard_t(2, (257, 33)) * 100).astype(np.float32),
        "tiny": (rng.standard_normal((9, 3)) * 1e-30).astype(np.float32),
        "large": (rng.standard_normal((50, 5)) * 2e6).astype(np.float32),
        "relu": np.maximum(rng.standard_normal((100, 70)), 0).astype(np.float32),
        "one": np.array([[-3.5]], dtype=np.float32),
        "zeros": np.zeros((4, 2), dtype=np.float32),
    }
    dumps["large"] = np.clip(dumps["large"], -2.0**24, 2.0**24)
    with tempfile.TemporaryDirectory() as folder:
        args = []
        for name, x in dumps.items():
            path = os.path.join(folder, name + ".npy")
            np.save(path, x)
            args += ["--activations", name + "=" + path]
        state = os.path.join(folder, "state")
        subprocess.run([WHIT, "calibrate", *args, "--hessian", "-q", "-o", state], check=True)
        meta, tensors = read_state(state)
        check(meta["whit.state"] == "1" and meta["whit.state.model"] == "", "metadata")
        for name, x in dumps.items():
            check_input(name, x, meta, tensors)
    print(checks, "checks,", failures, "failed")
    return 1 if failures else 0


sys.exit(main())
