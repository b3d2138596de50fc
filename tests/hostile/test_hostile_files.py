#!/usr/bin/env python3
"""test_hostile_files.py PENULT N [sanitized]: models of N nodes, lists of N elements and files that lie, given to
`penult convert`. Each ends with the exit status written beside it, within 20 seconds of CPU and, where no sanitizer
swells the program, within 64 MiB, 2 KiB for each node or element, and 4 bytes of memory for each of the file's. The
suite takes 30,000; 10^6 takes half a minute.
"""
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile

OK, INPUT = 0, 66
EITHER = (OK, INPUT)  # -1 is an axis that may well be named


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def text(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def whole(number, value):
    return varint(number << 3) + varint(value)


def value_info(name, dims):
    shape = b"".join(text(1, text(2, b"N") if d == "N" else whole(1, d)) for d in dims)
    return text(1, name) + text(2, text(1, whole(1, 1) + text(2, shape)))


def model(nodes, output, dims=("N", 3, 4, 4)):
    graph = b"".join(nodes) + text(11, value_info(b"v0", dims)) + text(12, text(1, output))
    return whole(1, 7) + text(8, whole(2, 13)) + text(7, graph)


def node(op, inputs, output, attrs=b""):
    return text(1, b"".join(text(1, i) for i in inputs) + text(2, output) + text(4, op) + attrs)


def ints(name, *values):
    return text(5, text(1, name) + b"".join(whole(8, v) for v in values) + whole(20, 7))


def relu(k):
    return node(b"Relu", [b"v%d" % k], b"v%d" % (k + 1))


def onnx_cases(n):
    last = b"v%d" % n
    yield "a chain", OK, model([relu(k) for k in range(n)], last)
    yield "a chain written backwards", OK, model([relu(k) for k in reversed(range(n))], last)
    yield "unknown operators", INPUT, model([node(b"Foo", [b"v0"], b"v%d" % (k + 1)) for k in range(n)], last)
    yield "a wide sum", OK, model([node(b"Sum", [b"v0"] * n, b"y")], b"y")
    yield "a cycle", INPUT, model([node(b"Relu", [b"a"], b"b"), node(b"Relu", [b"b"], b"a")], b"a")
    yield "a node that reads itself", INPUT, model([node(b"Relu", [b"a"], b"a")], b"a")
    yield "a name that is made twice", INPUT, model([node(b"Relu", [b"v0"], b"a")] * 2, b"a")
    yield "a name that nothing makes", INPUT, model([node(b"Relu", [b"w"], b"a")], b"a")
    yield "a name of 16 MiB", INPUT, model([node(b"Relu", [b"v0"], b"a" * (1 << 24))], b"a")
    for claim in (1 << 31, (1 << 63) - 1, (1 << 64) - 1):
        yield "a graph of %d bytes" % claim, INPUT, whole(1, 7) + varint(7 << 3 | 2) + varint(claim) + b"abc"
    for edge in (-(1 << 63), (1 << 63) - 1, 1 << 31, -1):
        for op, names in ((b"MaxPool", ("kernel_shape", "strides", "pads", "dilations")), (b"Transpose", ("perm",)),
                          (b"ReduceMean", ("axes",)), (b"Concat", ("axis",)), (b"Flatten", ("axis",)),
                          (b"AveragePool", ("kernel_shape", "strides", "pads"))):
            for name in names:
                count = {"pads": 4, "perm": 4}.get(name, 2)
                attrs = ints(name.encode(), *[edge] * count)
                if name == "axis":
                    attrs = text(5, text(1, b"axis") + whole(3, edge) + whole(20, 2))
                elif op.endswith(b"Pool") and name != "kernel_shape":
                    attrs += ints(b"kernel_shape", 2, 2)
                yield "%s %s=%d" % (op.decode(), name, edge), EITHER, model([node(op, [b"v0"], b"y", attrs)], b"y")
    huge = (1 << 62, 1 << 31, 0x7FFFFFFF)
    for d in huge:
        yield "an input of 4 x %d" % d, INPUT, model([relu(0)], b"v1", ("N", d, d, d))


def symbol(nodes, heads):
    data = {"op": "null", "name": "data", "inputs": [], "attrs": {"__shape__": "(0, 3, 4, 4)"}}
    return json.dumps({"nodes": [data] + nodes, "heads": heads, "attrs": {"mxnet_version": ["int", 10901]}},
                      separators=(",", ":")).encode()


def op(name, inputs, of="relu", **attrs):
    return {"op": of, "name": name, "inputs": inputs, "attrs": attrs}


def json_cases(n):
    m = n * 3 // 10  # a symbol has at most 32 MiB
    yield "a chain", OK, symbol([op("r%d" % k, [[k, 0]]) for k in range(m)], [[m, 0]])
    yield "one name for all", OK, symbol([op("r", [[k, 0]]) for k in range(m // 3)], [[m // 3, 0]])
    yield "unknown operators", INPUT, symbol([op("r%d" % k, [[k, 0]], "Foo") for k in range(m)], [[m, 0]])
    yield "a wide sum", OK, symbol([op("a", [[0, 0]] * n, "add_n", num_args=str(n))], [[1, 0]])
    yield "heads", INPUT, symbol([op("a", [[0, 0]])], [[1, 0]] * max(n, 20000))
    yield "attributes", INPUT, symbol([op("a", [[0, 0]], **{"k%d" % k: "v" for k in range(max(n // 10, 2000))})], [[1, 0]])
    yield "a node that reads itself", INPUT, symbol([op("a", [[1, 0]])], [[1, 0]])
    yield "a node that reads a later one", INPUT, symbol([op("a", [[2, 0]]), op("b", [[1, 0]])], [[2, 0]])
    yield "nesting", INPUT, b'{"nodes":' * n
    yield "arrays in arrays", INPUT, b'{"nodes":' + b"[" * n
    for edge in ("9223372036854775807", "-9223372036854775808", "2147483648", "99999999999999999999"):
        for of, key in (("Pooling", "kernel"), ("Pooling", "stride"), ("Pooling", "pad"), ("Convolution", "kernel"),
                        ("Convolution", "num_filter"), ("Convolution", "dilate"), ("FullyConnected", "num_hidden"),
                        ("SliceChannel", "num_outputs"), ("expand_dims", "axis"), ("transpose", "axes"),
                        ("Reshape", "shape"), ("UpSampling", "scale"), ("SwapAxis", "dim1"), ("LRN", "nsize")):
            pair = key in ("kernel", "stride", "pad", "dilate", "axes", "shape")
            attrs = {"kernel": "(2, 2)", "num_filter": "1", "pool_type": "max", "sample_type": "nearest"}
            attrs[key] = "(%s, %s)" % (edge, edge) if pair else edge
            yield "%s %s=%s" % (of, key, edge), INPUT, symbol([op("a", [[0, 0]], of, **attrs)], [[1, 0]])


def limits():
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


def convert(program, inputs, output):
    child = subprocess.Popen([program, "convert"] + inputs + ["-o", output], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, preexec_fn=limits)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_maxrss * 1024


def main(program, n, is_plain):
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        params, file, output = (os.path.join(folder, name) for name in ("p", "in", "out.onnx"))
        with open(params, "wb") as f:
            f.write(struct.pack("<QQQQ", 0x112, 0, 0, 0))
        for cases, more in ((onnx_cases, []), (json_cases, [params])):
            for what, wanted, data in cases(n):
                with open(file, "wb") as f:
                    f.write(data)
                code, memory = convert(program, [file] + more, output)
                fits = code in (wanted if wanted == EITHER else (wanted,))
                allowed = (64 << 20) + 2048 * n + 4 * len(data)
                if not fits or os.path.exists(output) != (code == OK) or is_plain and memory > allowed:
                    broken += 1
                    print("%s: %s: exit %d, %d MiB of at most %d" %
                          (cases.__name__, what, code, memory >> 20, allowed >> 20))
                if os.path.exists(output):
                    os.unlink(output)
    return broken


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1], int(sys.argv[2]), len(sys.argv) == 3) else 0)
