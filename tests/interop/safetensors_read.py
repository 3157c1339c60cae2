"""The safetensors package reads what whit writes: safetensors_read.py WHIT TESTS_DIR

Every native output opens, its planes have the documented types and shapes, and the values that
numpy decodes from them equal those of `whit dequantize`. Exit 77 where a package is missing."""
import json, os, subprocess, sys, tempfile

try:
    import numpy as np
    from safetensors import safe_open
    from safetensors.numpy import load_file
except ImportError as missing:
    print("skip:", missing)
    sys.exit(77)

NF4 = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
                -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
                0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], np.float32)


def codes_of(packed, cols, bits):
    bit = np.unpackbits(packed, axis=1, bitorder="little")[:, :cols * bits]
    return bit.reshape(len(packed), cols, bits).astype(np.int32) @ (1 << np.arange(bits))


def decode(planes, name, info):
    parts = info["scheme"].split("-")
    rows, cols = info["shape"][0], int(np.prod(info["shape"][1:]))
    bits = 4 if parts[0] == "nf4" else int(parts[0][3:])
    codes = codes_of(planes[name + ".q"], cols, bits)
    scale = planes[name + ".scale"].astype(np.float32)
    group = next((int(p[1:]) for p in parts if p[0] == "g"), cols)
    spread = lambda a: np.broadcast_to(np.repeat(a, group, axis=1)[:, :cols], (rows, cols))
    if parts[0] == "nf4":
        steps = NF4[codes]
    else:
        zero = spread(planes[name + ".zero"].astype(np.int32)) if "asym" in parts else 1 << bits - 1
        steps = (codes - zero).astype(np.float32)
    return (spread(scale) * steps).reshape(info["shape"])


def main(whit, tests):
    model, checked = os.path.join(tests, "data", "stories260K"), 0
    with tempfile.TemporaryDirectory() as tmp:
        q, plain = os.path.join(tmp, "q.safetensors"), os.path.join(tmp, "plain.safetensors")
        for scheme in ["int2-g32", "int3-g7", "int4-g64", "int4-g128-asym", "int4-tensor",
                       "int5-channel", "int6-g64-sf32", "int7-g48", "int8-channel",
                       "int8-channel-asym", "nf4-g64", "nf4-channel"]:
            for args in (["quantize", model, "-o", q, "--scheme", scheme], ["dequantize", q, "-o", plain]):
                subprocess.run([whit, *args, "--force", "--quiet"], check=True)
            planes, values = load_file(q), load_file(plain)
            with safe_open(q, "numpy") as f:
                meta = f.metadata()
            assert meta["format"] == "pt" and meta["whit.format"] == "1", meta.keys()
            for name, info in json.loads(meta["whit.tensors"]).items():
                mine = decode(planes, name, info)
                assert mine.dtype == np.float32 and np.array_equal(mine, values[name]), (scheme, name)
                checked += 1
            for name in values.keys() & planes.keys():
                assert np.array_equal(values[name], planes[name]), (scheme, name)
    print(checked, "tensors equal")
    return 0 if checked else 1


sys.exit(main(*sys.argv[1:]))
