"""The gguf package decodes blocks as whit does: gguf_blocks.py BLOCK_DECODE

Blocks of random octets, and of random codes under chosen extreme scales, of every type that both
know: the values are the same bits (where the package gives a NaN, ours is one too). Exit 77 where
the package is missing."""
import subprocess, sys

try:
    import numpy as np
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize
except ImportError as missing:
    print("skip:", missing)
    sys.exit(77)

# octets before d (and dmin or m) in a block
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
          "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0],
          "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64], "MXFP4": [], "NVFP4": [], "Q1_0": [0],
          "Q2_0": [0]}
# 0, -0, the smallest and largest subnormals, 1, the largest, infinity, NaN
EXTREMES = np.array([0, 0x8000, 1, 0x8001, 0x3ff, 0x3c00, 0xbc00, 0x7bff, 0xfbff, 0x7c00, 0xfc00,
                     0x7e01], np.uint16)


def blocks_of(rng, size, halves, count):
    blocks = rng.integers(0, 256, (count, size), np.uint8)
    for at in halves:
        scale = EXTREMES[rng.integers(0, len(EXTREMES), count // 2)]
        blocks[:count // 2, at:at + 2] = scale.astype("<u2")[:, None].view(np.uint8)
    return blocks


def main(decode):
    rng, checked = np.random.default_rng(7), 0
    for name, halves in HALVES.items():
        kind = getattr(GGMLQuantizationType, name, None)
        blocks = None
        if kind is not None:
            blocks = blocks_of(rng, GGML_QUANT_SIZES[kind][1], halves, 4000)
            try:
                with np.errstate(all="ignore"):
                    theirs = dequantize(blocks, kind).astype(np.float32, copy=False)
            except NotImplementedError:
                kind = None
        if kind is None:
            print("not in this version of the package:", name)
            continue
        run = subprocess.run([decode, name], input=blocks.tobytes(), stdout=subprocess.PIPE, check=True)
        ours = np.frombuffer(run.stdout, np.float32).reshape(theirs.shape)
        nan = np.isnan(theirs)
        assert np.array_equal(np.isnan(ours), nan), name
        differ = (ours.view(np.uint32) != theirs.view(np.uint32)) & ~nan
        assert not differ.any(), (name, int(differ.sum()), np.argwhere(differ)[0], ours[differ][0],
                                  theirs[differ][0])
        checked += theirs.size
    print(checked, "values equal")
    return 0 if checked else 1


sys.exit(main(*sys.argv[1:]))
