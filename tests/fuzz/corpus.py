#!/usr/bin/env python3
"""The fuzzers' inputs: in the tree as one file a target, for libFuzzer as a folder.

corpus.py unpack FILE FOLDER   one file an input
corpus.py pack FOLDER FILE     each with its length (u32) in front, shortest first; minimise the folder first:
                               fuzz_NAME -merge=1 FOLDER GROWN_FOLDER
corpus.py seeds NAME FOLDER    what the corpus of a target began with, out of the files of other tests
"""
import glob
import hashlib
import json
import os
import re
import struct
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def read(path):
    with open(os.path.join(ROOT, path), "rb") as f:
        return f.read()


def files(pattern, most=1 << 30):
    paths = sorted(glob.glob(os.path.join(ROOT, pattern)))
    return [read(p) for p in paths if os.path.getsize(p) <= most]


def blocks(data):
    """length-prefixed (u32) stretches"""
    at = 0
    while at < len(data):
        size, = struct.unpack_from("<I", data, at)
        yield data[at + 4:at + 4 + size]
        at += 4 + size


def onnx_inputs():
    parts = list(blocks(read("tests/unit/model/onnx_cases.bin")))
    return parts[1::4] + files("tests/golden/onnx_ops/*.onnx", 4096)


def mxnet_ops():
    """symbol, params and input shape of every case of make_mxnet_ops.py"""
    data, at = read("tests/unit/import/mxnet_ops.bin"), 0
    while at < len(data):
        name, symbol, params, n = struct.unpack_from("<4I", data, at)
        shape = struct.unpack_from("<%dI" % n, data, at + 16)
        answer, = struct.unpack_from("<I", data, at + 16 + 4 * n)
        at += 20 + 4 * n + name
        yield data[at:at + symbol], data[at + symbol:at + symbol + params], shape
        at += symbol + params + 4 * answer


def with_shape(symbol, shape):
    """the same net in few bytes, its input's shape written beside it"""
    net = json.loads(symbol)
    key = next((k for k in ("attrs", "attr", "param") for n in net["nodes"] if k in n), "attrs")
    for node in net["nodes"]:
        if node["name"] == "data":
            node.setdefault(key, {})["__shape__"] = str(tuple(shape))
    return json.dumps(net, separators=(",", ":")).encode()


def mxnet_archives():
    """a fully connected layer whose weights are an .npz: stored, inflated, of the other endianness"""
    import io

    import numpy as np
    nodes = [{"op": "null", "name": name, "inputs": []} for name in ("data", "w", "b")]
    nodes.append({"op": "FullyConnected", "name": "fc", "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0]],
                  "attrs": {"num_hidden": "4"}})
    symbol = with_shape(json.dumps({"nodes": nodes, "heads": [[3, 0, 0]]}), (0, 3, 2, 2))
    for save in (np.savez, np.savez_compressed):
        to = io.BytesIO()
        save(to, **{"arg:w": np.arange(48, dtype="<f4").reshape(4, 12), "arg:b": np.arange(4, dtype=">f4")})
        yield symbol + b"\0" + to.getvalue()


def mxnet():
    inputs = [with_shape(s, shape) + b"\0" + p for s, p, shape in mxnet_ops()]
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/golden/mxnet/*/net-symbol.json"))):
        golden = json.loads(read(os.path.join(os.path.dirname(path), "golden.json")))
        inputs.append(with_shape(read(path), [0] + golden["input_shape"]))
    return inputs + list(mxnet_archives())


def mmdnn():
    """The goldens' graphs with their weights, and other pickles behind a graph that needs none of them."""
    pairs = [(read(p), weights) for p in sorted(glob.glob(os.path.join(ROOT, "tests/golden/mmdnn/*/ir.pb")))
             for weights in files(os.path.join(os.path.dirname(p), "[ip]*.npy"))]
    smallest = min((graph for graph, _ in pairs), key=len)
    pairs += [(smallest, pickle) for pickle in files("tests/golden/mmdnn/pickles/*.npy")]
    return [struct.pack("<I", len(graph)) + graph + weights for graph, weights in pairs]


def params():
    source = read("tests/unit/import/test_mxnet_params.c").decode()
    assert "put_array" in source
    shape = struct.pack("<iqq", 2, 2, 3)
    data = struct.pack("<6f", *range(6))
    ones = struct.pack("<q", 3), struct.pack("<3q", 0, 1, 3), struct.pack("<3q", 0, 2, 1)
    head = struct.pack("<QQ", 0x112, 0)
    arrays = {
        0: struct.pack("<III", 2, 2, 3) + struct.pack("<iii", 1, 0, 0) + data,
        1: struct.pack("<I", 0xF993FAC8) + shape + struct.pack("<iii", 1, 0, 0) + data,
        2: struct.pack("<Ii", 0xF993FAC9, 0) + shape + struct.pack("<iii", 1, 0, 0) + data,
        3: struct.pack("<Ii", 0xF993FACA, 0) + shape + struct.pack("<iii", 1, 0, 0) + data,
        "rows": struct.pack("<Ii", 0xF993FAC9, 1) + struct.pack("<iqq", 2, 1, 3) + shape +
        struct.pack("<iii", 1, 0, 0) + struct.pack("<iiq", 6, 1, 1) + data[:12] + struct.pack("<q", 1),
        "csr": struct.pack("<Ii", 0xF993FAC9, 2) + struct.pack("<iq", 1, 3) + shape + struct.pack("<iii", 1, 0, 0) +
        struct.pack("<iiq", 6, 1, 3) + struct.pack("<iiq", 6, 1, 3) + data[:12] + ones[1] + ones[2],
        "none": struct.pack("<Ii", 0xF993FACA, 0) + struct.pack("<i", -1),
    }
    inputs = []
    for a in arrays.values():
        for names in ([], [b"arg:w"]):
            tail = struct.pack("<Q", len(names)) + b"".join(struct.pack("<Q", len(n)) + n for n in names)
            inputs.append(head + struct.pack("<Q", 1) + a + tail)
    for flag, size in ((1, 8), (2, 2), (3, 1), (4, 4), (5, 1), (6, 8), (7, 1), (8, 2), (12, 2)):
        inputs.append(head + struct.pack("<Q", 1) + struct.pack("<Ii", 0xF993FAC9, 0) + struct.pack("<iq", 1, 3) +
                      struct.pack("<iii", 1, 0, flag) + bytes(3 * size) + struct.pack("<Q", 0))
    return inputs + [p for _, p, _ in mxnet_ops()][:20]


def labels():
    return [b"n1 a\nn2 b\n", b"a\r\nb\r\n", b"\xef\xbb\xbfa\n", b"a", "é\n\U0001f600\n".encode(),
            b"\n".join(read("examples/efficientnet-lite0/synset.txt").split(b"\n")[:20])]


def record():
    yaml = read("examples/efficientnet-lite0/preprocess.yaml")
    text = read("tests/unit/import/test_preprocess.c").decode()
    lines = re.findall(r'"((?:[a-z_]+: [^"\\]*\\n"?)+)', text)
    full = (b"size: [16, 24]\ngeometry: short_side_crop\nshort_side: 32\nfilter: pillow-bicubic\nchannels: bgr\n"
            b"scale: 0.0039\nmean: [1, 2, 3.5]\nstd: [0.1, 1e2, 3]\nexif: apply\nalpha: white\nfill: 0\n")
    geometries = [full.replace(b"short_side_crop\nshort_side: 32", g)
                  for g in (b"squash", b"letterbox", b"centre_square")]
    objects = [b'{"size": [16, 24], "geometry": "squash", "filter": "pillow-nearest", "channels": "rgb", '
               b'"scale": 1, "mean": [0, 0, 0], "std": [1.0, 1e-3, 1]}',
               b'{"size": [8, 8], "geometry": "letterbox", "filter": "pillow-bilinear", "channels": "bgr", "fill": 9}']
    return [yaml, full] + geometries + objects + [l.replace("\\n", "\n").encode() for l in lines]


def config():
    return files("configs/*.yaml") + [
        b"model: {path: a.onnx, top_k: 3}\ninput: {kind: files, path: p}\noutput: {kind: null}\n",
        b"model:\n  path: a.onnx\n  scores: softmax\ninput:\n  kind: lmdb\n  path: p\noutput:\n  kind: lmdb\n"
        b"  path: o\n  on_exists: overwrite\nrun:\n  threads: 2\n  batch: auto\n  max_failures: 1%\n  cpu: avx2\n"]


def image():
    inputs = files("tests/golden/images/*.jpg", 6000) + files("tests/golden/images/*.png", 6000)
    return [bytes([i * 7 % 96]) + data for i, data in enumerate(inputs)]


def datum():
    def field(number, value):
        if isinstance(value, int):
            return bytes([number << 3, value])
        return bytes([number << 3 | 2]) + bytes([len(value)]) + value
    raw = field(1, 3) + field(2, 2) + field(3, 2) + field(4, bytes(12)) + field(5, 7)
    grey = field(1, 1) + field(2, 2) + field(3, 2) + field(4, bytes(4))
    encoded = field(4, b"\xff\xd8\xff" + bytes(8)) + field(5, 1) + field(7, 1)
    floats = field(1, 2) + field(2, 1) + field(3, 1) + bytes([6 << 3 | 2, 8]) + bytes(8)
    odd = raw + bytes([9 << 3 | 1]) + bytes(8) + bytes([10 << 3 | 5]) + bytes(4) + bytes([6 << 3 | 5]) + bytes(4)
    bodies = [raw, grey, encoded, floats, odd, b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"]
    return [bytes([mode]) + body for mode in range(3) for body in bodies]


def npz():
    import io

    import numpy as np
    inputs = []
    arrays = [np.arange(6, dtype=t).reshape(2, 3) for t in ("<f4", ">f4", "<f8", "<f2", "|u1", "|i1", "<i4", "<i8")]
    arrays += [np.asfortranarray(arrays[0]), np.float32(3).reshape(()), np.zeros((0, 2), "f4"), np.ones(3, bool)]
    for a in arrays:
        to = io.BytesIO()
        np.save(to, a)
        inputs.append(to.getvalue())
    for save in (np.savez, np.savez_compressed):
        to = io.BytesIO()
        save(to, a=arrays[0], **{"arg:w": arrays[3], "b": arrays[8]})
        inputs.append(to.getvalue())
    return inputs


def external():
    """the models of make_onnx_cases.py with a weight moved out"""
    import onnx
    inputs = []
    for data in onnx_inputs():
        model = onnx.load_model_from_string(data)
        moved = [t for t in model.graph.initializer if t.raw_data and len(t.raw_data) < 2048]
        at = 0
        for t in moved:
            for key, value in (("location", "w"), ("offset", str(at)), ("length", str(len(t.raw_data)))):
                t.external_data.add(key=key, value=value)
            at += len(t.raw_data) // 2
            t.data_location = onnx.TensorProto.EXTERNAL
            t.ClearField("raw_data")
        if moved and len(inputs) < 60:
            inputs.append(model.SerializeToString())
    return inputs


def pickle():
    import pickle as writer

    import numpy as np
    values = [{"a": np.arange(6, dtype="f4").reshape(2, 3)}, {"l": {"weights": np.ones((2, 2), ">f8"), "n": 1.5}},
              [None, True, -1, 1 << 40, "é", b"b", (1, 2), []], np.float32(2), np.array({"a": np.zeros(3)}, dtype=object)]
    return [writer.dumps(v, protocol) for v in values for protocol in range(2, 6)] + [
        npy[10 + int.from_bytes(npy[8:10], "little"):] for npy in files("tests/golden/mmdnn/*/*.npy") if b"|O" in npy[:64]]


SEEDS = {"onnx": onnx_inputs, "external": external, "mxnet": mxnet, "params": params, "npz": npz, "mmdnn": mmdnn,
         "pickle": pickle, "labels": labels, "record": record, "config": config, "image": image, "datum": datum}


def store(folder, inputs):
    os.makedirs(folder, exist_ok=True)
    for data in inputs:
        with open(os.path.join(folder, hashlib.sha1(data).hexdigest()), "wb") as f:
            f.write(data)


def main(verb, source, to):
    if verb == "unpack":
        store(to, blocks(read(os.path.abspath(source))))
    elif verb == "seeds":
        store(to, SEEDS[source]())
    else:
        inputs = sorted((read(os.path.abspath(os.path.join(source, n))) for n in os.listdir(source)),
                        key=lambda b: (len(b), b))
        with open(to, "wb") as f:
            for data in inputs:
                f.write(struct.pack("<I", len(data)) + data)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("pack", "unpack", "seeds"):
        sys.exit(__doc__)
    main(*sys.argv[1:])
