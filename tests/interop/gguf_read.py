"""The gguf package and whit read the same values: gguf_read.py WHIT TESTS_DIR

A real Q4_0 model, and a file of the package's own writer with a tensor of each type that it can
decode: what `whit dequantize` writes is what the package decodes, bit for bit, under the same names
and shapes. Exit 77 where a package is missing."""
import json, os, struct, subprocess, sys, tempfile

try:
    import numpy as np
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader, GGUFWriter
    from gguf.quants import dequantize
except ImportError as missing:
    print("skip:", missing)
    sys.exit(77)

LISTED = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"}  # not decoded by whit
PLAIN = {"F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64", "Q8_1", "Q8_K"}


def write_types(path, leave_out):
    """The names of the types in the file: all that the package decodes, but for some."""
    rng, names = np.random.default_rng(3), []
    writer = GGUFWriter(path, "test")
    for kind in GGMLQuantizationType:
        weights, octets = GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 120, (6, 2 * octets), np.uint8)  # no NaN in any scale
        try:
            if kind.name in PLAIN | leave_out: continue
            dequantize(blocks, kind)
        except NotImplementedError:
            continue
        writer.add_tensor(kind.name + ".weight", blocks, raw_dtype=kind)
        names.append(kind.name)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return names


def read_safetensors(path):
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    types = {"F32": np.float32, "F16": np.float16}
    return {name: np.frombuffer(data[slice(*t["data_offsets"])], types[t["dtype"]]).reshape(t["shape"])
            for name, t in header.items() if name != "__metadata__"}


def check_values(whit, path, out):
    """The number of tensors compared: all of them."""
    subprocess.run([whit, "dequantize", path, "-o", out, "-f", "-q"], check=True)
    ours, tensors = read_safetensors(out), GGUFReader(path).tensors
    for tensor in tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        theirs = tensor.data if tensor.tensor_type.name in PLAIN else dequantize(
            np.asarray(tensor.data), tensor.tensor_type).astype(np.float32)
        mine = ours[tensor.name]
        if list(mine.shape) != shape or mine.tobytes() != theirs.reshape(shape).tobytes():
            sys.exit(f"{path}: {tensor.name} differs")
    if len(tensors) != len(ours): sys.exit(f"{path}: {len(tensors)} tensors, {len(ours)} written")
    return len(tensors)


def check_list(whit, path, names):
    run = subprocess.run([whit, "inspect", path, "-q", "--json"], check=True, stdout=subprocess.PIPE)
    tensors = json.loads(run.stdout)["tensors"]
    if [t["dtype"] for t in tensors] != names: sys.exit("other types are listed")
    for t in tensors:
        weights, octets = GGML_QUANT_SIZES[GGMLQuantizationType[t["dtype"]]]
        if t["shape"] != [6, 2 * weights] or t["bytes"] != 12 * octets:
            sys.exit(f"{t['name']}: shape or size")


def main(whit, tests):
    with tempfile.TemporaryDirectory() as folder:
        out, path = os.path.join(folder, "out.safetensors"), os.path.join(folder, "types.gguf")
        model = check_values(whit, os.path.join(tests, "data/gguf/stories260K-q4_0.gguf"), out)
        names = write_types(path, set())
        check_list(whit, path, names)
        decoded = write_types(path, LISTED)
        if check_values(whit, path, out) != len(decoded): sys.exit("a tensor is missing")
        print(f"{model} tensors of a model; {len(names)} types listed, {len(decoded)} decoded")


main(sys.argv[1], sys.argv[2])
