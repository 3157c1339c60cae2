"""NumPy, zipfile, zlib and pickle write, whit reads: archives.py WHIT

Random arrays of all types and both orders through savez, savez_compressed and zipfile at every
level; checkpoints in PyTorch's layout by Python's own pickler, protocols 2 to 5 (the names of torch
are stubs: the package is not needed), views of shared storages included. What `whit quantize
--scheme keep` writes must be those values, bit for bit. Exit 77 where NumPy is missing."""
import collections, io, json, os, pickle, random, struct, subprocess, sys, tempfile, types, zipfile

try:
    import numpy as np
except ImportError as missing:
    print("skip:", missing)
    sys.exit(77)

NAMES = {"f2": "F16", "f4": "F32", "f8": "F64", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64",
         "u1": "U8", "u2": "U16", "u4": "U32", "u8": "U64", "b1": "BOOL"}
STORAGES = {"f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i4": "Int", "i2": "Short",
            "i1": "Char", "u1": "Byte", "b1": "Bool"}


def random_array(rng, kinds):
    kind = rng.choice(kinds)
    shape = [rng.choice([1, 2, 3, 7, 40, 130]) for _ in range(rng.randrange(4))]
    if rng.random() < 0.05: shape = [0, 3]
    a = np.frombuffer(rng.randbytes(int(np.prod(shape, dtype=int)) * int(kind[1]) or 1), np.uint8)
    if rng.random() < 0.5: a = a & 3  # compressible
    a = (a & 1).astype(np.uint8) if kind == "b1" else a
    a = a[:int(np.prod(shape, dtype=int)) * int(kind[1])].view(kind).reshape(shape)
    return np.asfortranarray(a) if rng.random() < 0.3 else a


def check(whit, path, arrays):
    out = path + ".safetensors"
    subprocess.run([whit, "quantize", path, "-o", out, "--scheme", "keep", "-f", "-q"], check=True)
    with open(out, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    header.pop("__metadata__", None)
    if set(header) != set(arrays): sys.exit(f"{path}: other names: {set(header) ^ set(arrays)}")
    for name, a in arrays.items():
        t = header[name]
        want = np.ascontiguousarray(a).astype(a.dtype.newbyteorder("<")).tobytes()
        if t["shape"] != list(a.shape) or t["dtype"] != NAMES[a.dtype.str[1:]] or \
                data[slice(*t["data_offsets"])] != want:
            sys.exit(f"{path}: {name} differs")


def write_npz(rng, path):
    arrays = {f"layer.{i}/w": random_array(rng, list(NAMES)) for i in range(rng.randrange(1, 6))}
    how = rng.randrange(3)
    if how == 0: np.savez(path, **arrays)
    if how == 1: np.savez_compressed(path, **arrays)
    if how == 2:
        with zipfile.ZipFile(path, "w", rng.choice([0, 8]), compresslevel=rng.randrange(10)) as z:
            for name, a in arrays.items():
                body = io.BytesIO()
                np.save(body, a.astype(a.dtype.newbyteorder(rng.choice("<>"))))
                with z.open(name + ".npy", "w", force_zip64=rng.random() < 0.5) as f:
                    f.write(body.getvalue())
            z.comment = b"PK" * rng.randrange(30)
    return arrays


class Storage:
    def __init__(self, key, cls, count): self.key, self.cls, self.count = key, cls, count


def stub_torch():
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in STORAGES.values():
        setattr(torch, name + "Storage", type(name + "Storage", (), {"__module__": "torch"}))
    def _rebuild_tensor_v2(*args): raise NotImplementedError
    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    torch._utils = utils
    sys.modules.update({"torch": torch, "torch._utils": utils})
    return torch


class Tensor:
    def __init__(self, *args): self.args = args

    def __reduce__(self): return sys.modules["torch._utils"]._rebuild_tensor_v2, self.args


class Pickler(pickle.Pickler):
    def persistent_id(self, o):
        return ("storage", o.cls, o.key, "cpu", o.count) if isinstance(o, Storage) else None


def write_torch(rng, path, torch):
    arrays, state, storages = {}, collections.OrderedDict(), []
    for i in range(rng.randrange(1, 5)):
        base = random_array(rng, list(STORAGES)).ravel()
        if base.size == 0: base = np.zeros(4, np.float32)
        kind = base.dtype.str[1:]
        storage = Storage(str(i), getattr(torch, STORAGES[kind] + "Storage"), base.size)
        storages.append(base)
        for k in range(rng.randrange(1, 4)):
            size = [rng.choice([1, 2, 3, 5]) for _ in range(rng.randrange(4))]
            stride = [rng.choice([0, 1, 2, 5, 30]) for _ in size]
            while sum((n - 1) * s for n, s in zip(size, stride)) >= base.size:
                stride = [s // 2 for s in stride]
            last = sum((n - 1) * s for n, s in zip(size, stride))
            offset = rng.randrange(base.size - last)
            view = np.lib.stride_tricks.as_strided(base[offset:], size, [s * base.itemsize for s in stride])
            name = f"block{i}.w{k}"
            arrays[name] = view.copy()
            state[name] = Tensor(storage, offset, tuple(size), tuple(stride), False,
                                 collections.OrderedDict())
    body = io.BytesIO()
    root = {"state_dict": state, "epoch": 3, "best": 0.5, "name": "n"} if rng.random() < 0.4 else state
    Pickler(body, rng.randrange(2, 6)).dump(root)
    with zipfile.ZipFile(path, "w", rng.choice([0, 8])) as z:
        z.writestr("run/data.pkl", body.getvalue())
        z.writestr("run/version", "3\n")
        for i, base in enumerate(storages): z.writestr(f"run/data/{i}", base.tobytes())
    return arrays


def main(whit):
    rng, torch = random.Random(12), stub_torch()
    with tempfile.TemporaryDirectory() as folder:
        for i in range(60):
            path = os.path.join(folder, f"a{i}.npz")
            check(whit, path, write_npz(rng, path))
            path = os.path.join(folder, f"t{i}.pt")
            check(whit, path, write_torch(rng, path, torch))
    print("60 archives of NumPy, 60 checkpoints: equal")


main(sys.argv[1])
