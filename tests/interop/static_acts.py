"""Static scales of activations on a convolution net, judged by numpy.

usage: static_acts.py WHIT_BINARY TESTS

Activations of the convolutions of tests/data/models/mnist.safetensors (made-up images, taken apart
into the patches that each position sees) with far outliers planted, one value of a million, about 30
times as large. whit calibrates on them (--activations) and finds scales; here the products are made
again in float64, weights and activations as the file decodes them. With percentile and mse the
error must be less than with minmax, and each scale must be the one that its definition gives.
Skipped (77) without numpy and safetensors.
SPDX-License-Identifier: MIT
"""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from safetensors.numpy import load_file
except ImportError:
    print("skip: no numpy or safetensors")
    sys.exit(77)

WHIT, TESTS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
MODEL = TESTS + "/data/models/mnist.safetensors"
rng = np.random.default_rng(7)


def whit(*args):
    subprocess.run([WHIT, *args, "-q"], check=True)


def patches(weight, count):
    """Rows of what a convolution sees: [count, in * kh * kw], as ReLU leaves them."""
    size = int(np.prod(weight.shape[1:]))
    x = rng.standard_normal((count, size)).astype(np.float32)
    x = np.maximum(x, 0)
    far = rng.choice(x.size, x.size // 1000000, replace=False)
    x.flat[far] = 30 * np.abs(rng.standard_normal(far.size)) + 20
    return x


def decoded(folder, name):
    whit("dequantize", folder + "/model.safetensors", "-o", folder + "/plain.safetensors", "-f")
    return load_file(folder + "/plain.safetensors")[name]


with tempfile.TemporaryDirectory() as temp:
    tensors = load_file(MODEL)
    names = [n for n, t in tensors.items() if t.ndim == 4 and t.size >= 1024 and t[0].size >= 32]
    assert names, "no convolution large enough"
    dumps, x = [], {}
    for i, n in enumerate(names):
        x[n] = patches(tensors[n], 20000)
        np.save(f"{temp}/{i}.npy", x[n])
        dumps += ["--activations", f"{n}={temp}/{i}.npy"]
    whit("calibrate", *dumps, "-o", temp + "/state.safetensors")
    error = {}
    for observer in ("minmax", "percentile:99.99", "mse", "entropy"):
        out = f"{temp}/{observer}"
        os.mkdir(out)
        rules = [a for n in names for a in ("--rule", f"{n}=int8-channel-a8s")]
        whit("quantize", MODEL, "-o", out + "/model.safetensors", "--scheme", "keep", *rules,
             "--calibration", temp + "/state.safetensors", "--observer", observer)
        stored = load_file(out + "/model.safetensors")
        for n in names:
            w = tensors[n].reshape(len(tensors[n]), -1).astype(np.float64)
            q = decoded(out, n).reshape(w.shape).astype(np.float64)
            s = float(stored[n + ".act_scale"][0])
            rounded = s * np.clip(np.rint(x[n].astype(np.float64) / s), -127, 127)
            y = x[n].astype(np.float64) @ w.T
            error[n, observer] = float(np.mean((y - rounded @ q.T) ** 2) / np.mean(y ** 2))
            most = float(np.abs(x[n]).max())
            if observer == "minmax":
                assert abs(s * 127 - most) <= 1e-6 * most, (n, s, most)
            if observer.startswith("percentile"):
                order = np.sort(np.abs(x[n]).ravel())
                want = order[int(np.ceil(0.9999 * order.size)) - 1]
                # beyond 65535 values the upper edge of a bin, less than 2^-7 above
                assert want <= s * 127 * (1 + 1e-6) and s * 127 <= want * (1 + 2.0 ** -7), (n, s, want)
            if observer == "mse":
                grid = [float(np.mean((x[n] - t / 127 * np.clip(np.rint(x[n] * 127 / t), -127, 127)) ** 2))
                        for t in np.linspace(most / 200, most, 200)]
                mine = float(np.mean((x[n] - rounded) ** 2))
                # searched in 2048 bins of |x|, not in the values
                assert mine <= 1.05 * min(grid), (n, mine, min(grid))
    for n in names:
        e = {o: error[n, o] for o in ("minmax", "percentile:99.99", "mse", "entropy")}
        print(n, " ".join(f"{o} {v:.3g}" for o, v in e.items()))
        assert e["mse"] < e["minmax"] and e["percentile:99.99"] < e["minmax"], (n, e)
    print(len(names), "convolutions")
