"""The PyTorch files of the small goldens, read without PyTorch.

usage: test_pytorch_files.py PENULT             compare with the modules committed here
       test_pytorch_files.py PENULT --write     write them anew; check.py must then pass again
"""
import ast
import hashlib
import io
import json
import os
import pickle
import pickletools
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile
from unittest import mock

import numpy as np

import stub_torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../mxnet")
import checkpoints  # noqa: E402

NAMES = ("alexnet", "densenet", "heads", "inception", "mobilenet", "resnet-v2", "squeeze-excite")
# what torch.load(weights_only=True) of PyTorch 1.13 takes; later ones take more
OPCODES = {"PROTO", "GLOBAL", "EMPTY_TUPLE", "REDUCE", "MARK", "BINUNICODE", "BINPERSID", "BININT1", "BININT2", "BININT",
           "LONG1", "TUPLE", "NEWFALSE", "SETITEMS", "STOP"}


def convert(penult, files, out, flags=()):
    return subprocess.run([penult, "convert", *files, *flags, "-o", out], capture_output=True, text=True, check=False)


def read_safetensors(path):
    with open(path, "rb") as f:
        data = f.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    meta, begin, end = header.pop("__metadata__"), 8 + size, 0
    tensors = {}
    for key, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        assert entry["data_offsets"][0] == end, f"{key}: a gap or an overlap"
        end = entry["data_offsets"][1]
        dtype = {"F32": "<f4", "I64": "<i8"}[entry["dtype"]]
        tensors[key] = np.frombuffer(data[begin + entry["data_offsets"][0]:begin + end], dtype).reshape(entry["shape"])
    assert begin + end == len(data) and begin % 64 == 0
    return tensors, meta


class Reader(pickle.Unpickler):
    """A state dict's pickle, without torch."""
    def __init__(self, data, storages):
        super().__init__(io.BytesIO(data))
        self.storages = storages

    def find_class(self, module, name):
        known = {"collections.OrderedDict": dict, "torch._utils._rebuild_tensor_v2": self.rebuild,
                 "torch.FloatStorage": "<f4", "torch.LongStorage": "<i8"}
        return known[f"{module}.{name}"]

    def persistent_load(self, pid):
        kind, dtype, key, place, count = pid
        assert (kind, place) == ("storage", "cpu")
        array = np.frombuffer(self.storages[key], dtype)
        assert array.size == count
        return array

    @staticmethod
    def rebuild(storage, offset, size, stride, grad, hooks):
        assert offset == 0 and grad is False and hooks == {}
        array = storage.reshape(size)
        assert tuple(s // storage.itemsize for s in array.strides) == stride or array.size <= 1
        return array


def read_pth(path):
    with zipfile.ZipFile(path) as z, open(path, "rb") as raw:
        assert z.testzip() is None, "a wrong checksum"
        assert z.namelist()[0] == "archive/data.pkl" and z.read("archive/version") == b"3\n"
        assert z.read("archive/byteorder") == b"little"
        for info in z.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            raw.seek(info.header_offset)
            head = struct.unpack("<4s5H3I2H", raw.read(30))
            assert head[6:9] == (info.CRC, info.file_size, info.file_size), "the local header differs"
            assert (info.header_offset + 30 + head[9] + head[10]) % 64 == 0, "not aligned"
        storages = {n[len("archive/data/"):]: z.read(n) for n in z.namelist() if n.startswith("archive/data/")}
        data = z.read("archive/data.pkl")
        used = {op.name for op, _, _ in pickletools.genops(data)}
        assert used <= OPCODES, used - OPCODES
        return Reader(data, storages).load()


def source_of(path):
    """Without what changes from version to version."""
    with open(path, encoding="utf-8") as f:
        return re.sub(r"penult [0-9.]+\.", "penult.", f.read())


def build(source, path):
    scope = {"__file__": path, "__name__": "net"}
    exec(compile(source, path, "exec"), scope)  # pylint: disable=exec-used
    return scope


class Files(unittest.TestCase):
    maxDiff = None

    def each(self):
        for folder, about, files in checkpoints.goldens():
            if os.path.basename(folder) not in NAMES:
                continue
            with tempfile.TemporaryDirectory() as tmp:
                shape = ",".join(map(str, about["input_shape"]))
                done = convert(PENULT, files, tmp + "/net.py", ["--input-shape", shape])
                self.assertEqual(0, done.returncode, done.stderr)
                self.assertEqual(["net.pth", "net.py", "net.safetensors"], sorted(os.listdir(tmp)))
                yield os.path.basename(folder), about, files, tmp

    def test_modules_are_the_committed_ones(self):
        seen = 0
        for name, _, _, tmp in self.each():
            with open(f"{HERE}/{name}.py", encoding="utf-8") as f:
                self.assertEqual(f.read(), source_of(tmp + "/net.py"))
            seen += 1
        self.assertEqual(len(NAMES), seen)

    def test_both_files_hold_what_the_module_registers(self):
        for _, _, _, tmp in self.each():
            source = source_of(tmp + "/net.py")
            scope = build(source, tmp + "/net.py")
            net = scope[next(n.name for n in reversed(ast.parse(source).body) if isinstance(n, ast.ClassDef))]()
            expected = stub_torch.state_of(net)
            tensors, meta = read_safetensors(tmp + "/net.safetensors")
            self.assertEqual({k: v.shape for k, v in tensors.items()}, expected)
            self.assertEqual("pt", meta["format"])
            state = read_pth(tmp + "/net.pth")
            self.assertEqual(list(expected), list(state))
            for key, value in tensors.items():
                self.assertEqual((value.dtype, value.shape), (state[key].dtype, state[key].shape), key)
                self.assertTrue(np.array_equal(value, state[key]), key)
                self.assertEqual(key.endswith("num_batches_tracked"), value.dtype == np.int64)

    def test_weights_are_those_of_the_onnx_file(self):
        try:
            from onnx import load, numpy_helper
        except ImportError:
            self.skipTest("python3-onnx is not installed")
        for _, about, files, tmp in self.each():
            checkpoints.convert(PENULT, about, files, tmp + "/net.onnx")
            model = load(tmp + "/net.onnx")
            arrays = {hashlib.sha256(numpy_helper.to_array(t).tobytes()).digest() for t in model.graph.initializer}
            for key, value in read_safetensors(tmp + "/net.safetensors")[0].items():
                if value.dtype == np.float32:
                    self.assertIn(hashlib.sha256(value.tobytes()).digest(), arrays, key)


class Names(unittest.TestCase):
    NET = [os.path.join(HERE, "../mxnet/last-window", end) for end in ("net-symbol.json", "net-0000.params")]

    def test_the_docstring_imports_the_file_whatever_it_is_called(self):
        for name in ("net", "class", "1lead", "my net", "v1.0", "it's", "back\\slash", 'a"b'):
            with self.subTest(name), tempfile.TemporaryDirectory() as tmp:
                path = f"{tmp}/{name}.py"
                done = convert(PENULT, self.NET, path, ["--input-shape", "3,8,8"])
                self.assertEqual(0, done.returncode, done.stderr)
                lines = [line[4:] for line in ast.get_docstring(ast.parse(source_of(path)), clean=False).splitlines()
                         if line.startswith("    ")]
                use = next(i for i, line in enumerate(lines) if "load()" in line)
                code = lines[:use][-4:] if name != "net" else ["import net"]
                scope, here, sys.path[:0] = {"path": path}, os.getcwd(), [tmp]
                os.chdir(tmp)
                try:
                    exec("\n".join(code), scope)
                finally:
                    os.chdir(here)
                    sys.path.remove(tmp)
                self.assertTrue(lines[use].startswith("model = net.load()"))
                self.assertEqual(os.path.realpath(path), os.path.realpath(scope["net"].__file__))
                self.assertTrue(callable(scope["net"].load))

    def test_a_name_that_pytorch_imports_is_refused_before_any_work(self):
        for name in ("torch", "pathlib", "random", "numpy", "cuda", "triton", "mpmath", "PIL", "__future__", "zlib"):
            with self.subTest(name), tempfile.TemporaryDirectory() as tmp:
                done = convert(PENULT, self.NET, f"{tmp}/{name}.py", ["--input-shape", "3,8,8"])
                self.assertEqual(64, done.returncode, done.stderr)
                self.assertIn(f'imports a module "{name}" itself', done.stderr)
                self.assertEqual([], os.listdir(tmp))

    def test_the_docstring_says_what_the_file_has(self):
        with tempfile.TemporaryDirectory() as tmp:
            for features, has, lacks in (("none", "Features: none", "def forward_features"),
                                         ("flatten0_output", "Features: forward_features()", "Features: none")):
                done = convert(PENULT, self.NET, tmp + "/net.py", ["--input-shape", "3,8,8", "--features", features])
                self.assertEqual(0, done.returncode, done.stderr)
                source = source_of(tmp + "/net.py")
                self.assertIn(has, source)
                self.assertNotIn(lacks, source)
                self.assertEqual("load() takes no num_classes" in source, "num_classes=" not in source)


class Models(unittest.TestCase):
    def show(self, path):
        return subprocess.run([PENULT, "show", path], capture_output=True, text=True, check=False)

    def test_what_is_no_onnx_is_said_to_be_none(self):
        net = [f"{HERE}/../mxnet/alexnet/net-{end}" for end in ("symbol.json", "0000.params")]
        with tempfile.TemporaryDirectory() as tmp:
            done = convert(PENULT, net, tmp + "/net.py", ["--input-shape", "3,35,35", "--scores", "softmax"])
            self.assertIn("a second one makes all probabilities nearly equal", done.stderr)
            with open(tmp + "/net.onnx", "wb"):
                pass
            for ending, kind in (("py", "Python code: name the .onnx"), ("pth", "weights without the network"),
                                 ("safetensors", "weights without the network"), ("onnx", "is empty")):
                shown = self.show(f"{tmp}/net.{ending}")
                self.assertEqual(66, shown.returncode)
                self.assertIn(kind, shown.stderr)


class Load(unittest.TestCase):
    """What load() takes from a file, and from which one; fc7 is the classifier."""
    def setUp(self):
        self.opened = []
        self.state = {}
        torch = sys.modules["torch"]
        torch.load = lambda path, **_: self.opened.append(str(path)) or dict(self.state)
        with tempfile.TemporaryDirectory() as tmp:
            net = [f"{HERE}/../mxnet/alexnet/net-{end}" for end in ("symbol.json", "0000.params")]
            done = convert(PENULT, net, tmp + "/net.py", ["--input-shape", "3,35,35"])
            self.assertEqual(0, done.returncode, done.stderr)
            self.source = source_of(tmp + "/net.py")

    def load(self, *args, path="/far/net.py", **more):
        with mock.patch.dict(sys.modules, {"safetensors": None, "safetensors.torch": None}):
            return build(self.source, path)["load"](*args, **more).loaded

    def saved(self, n_classes):
        net = build(self.source, "net.py")["Net"](n_classes)
        return {key: stub_torch.Tensor(*shape) for key, shape in stub_torch.state_of(net).items()}

    def test_a_tuned_classifier_is_kept(self):
        self.state = self.saved(4)
        loaded = self.load("tuned.pth", num_classes=4)
        self.assertEqual([], [key for key in self.state if loaded[key] is not self.state[key]])

    def test_another_number_of_classes_makes_the_classifier_fresh(self):
        self.state = self.saved(4)
        loaded = self.load("tuned.pth", num_classes=5)
        self.assertEqual((5, 24), loaded["fc7.weight"].shape)
        self.assertEqual(["fc7.weight", "fc7.bias"],
                         [key for key in self.state if loaded[key] is not self.state[key]])

    def test_a_classifier_that_nobody_asked_to_change_is_never_made_fresh(self):
        self.state = self.saved(4)
        self.assertIs(self.state["fc7.weight"], self.load("tuned.pth")["fc7.weight"])  # PyTorch refuses it

    def test_the_file_named_is_the_one_opened(self):
        self.state = self.saved(9)
        for path in ("x.pt", "x.best", "x", "x.pth"):
            self.load(path)
        self.load()
        self.assertEqual(["x.pt", "x.best", "x", "x.pth", "/far/net.pth"], self.opened)
        with self.assertRaisesRegex(ImportError, "x.safetensors: safetensors is not installed"):
            self.load("x.safetensors")


class Projections(unittest.TestCase):
    def test_projections_that_read_different_values_are_not_of_one_class(self):
        try:
            from onnx import TensorProto, helper, numpy_helper, save
        except ImportError:
            self.skipTest("python3-onnx is not installed")
        nodes, weights = [], []

        def conv(name, x):
            weights.append(numpy_helper.from_array(np.zeros((2, 2, 1, 1), np.float32), name + ".weight"))
            nodes.append(helper.make_node("Conv", [x, name + ".weight"], [name], name=name))
            return name

        at = "data"
        for i, projected in enumerate(("", "input", "", "inner", "input")):
            a = conv(f"unit{i}.conv1", at)
            nodes.append(helper.make_node("Relu", [a], [a + "r"]))
            b = conv(f"unit{i}.conv2", a + "r")
            side = conv(f"unit{i}.sc", {"input": at, "inner": a + "r"}[projected]) if projected else at
            nodes.append(helper.make_node("Add", [b, side], [f"sum{i}"]))
            at = f"sum{i}"
        shape = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 2, 3, 3]) for n in ("data", at)]
        model = helper.make_model(helper.make_graph(nodes, "g", shape[:1], shape[1:], weights),
                                  opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 7
        with tempfile.TemporaryDirectory() as tmp:
            save(model, tmp + "/in.onnx")
            done = convert(PENULT, [tmp + "/in.onnx"], tmp + "/net.py")
            self.assertEqual(0, done.returncode, done.stderr)
            source = source_of(tmp + "/net.py")
            self.assertIn("x if self.sc is None else self.sc(x)", source)
            self.assertIn("self.unit3_sc(x)", source)  # the one that reads inside its unit stands flat
            self.assertEqual(5 * 2 + 3, len(read_pth(tmp + "/net.pth")))


class Hostile(unittest.TestCase):
    def make(self, names, path):
        from onnx import TensorProto, helper, numpy_helper, save
        nodes, weights, at = [], [], "data"
        for i, name in enumerate(names):
            weights.append(numpy_helper.from_array(np.full((2, 2, 1, 1), i, np.float32), f"w{i}"))
            nodes.append(helper.make_node("Conv", [at, f"w{i}"], [f"v{i}"], name=name))
            at = f"v{i}"
        graph = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 2, 1, 1])],
            [helper.make_tensor_value_info(at, TensorProto.FLOAT, ["N", 2, 1, 1])], weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 7
        for key, value in {"penult.labels": 'a"""\nimport os\\', "penult.features": "v0",
                           "penult.source": json.dumps([{"file": '"""\\', "sha256": '"""'}])}.items():
            model.metadata_props.add(key=key, value=value)
        save(model, path)

    def test_names_of_a_model_are_names_and_no_code(self):
        try:
            import onnx  # noqa: F401
        except ImportError:
            self.skipTest("python3-onnx is not installed")
        names = ["class", "self.x = 1\n", '"""', "forward", "0", "a-b", "a.b", "a_b", "\u00fcber", "train", "x" * 300, "import os",
                 "F", "torch", "nn", "x", "y", "__init__", "entries_"]
        with tempfile.TemporaryDirectory() as tmp:
            self.make(names, tmp + "/in.onnx")
            done = convert(PENULT, [tmp + "/in.onnx"], tmp + "/net.py")
            self.assertEqual(0, done.returncode, done.stderr)
            source = source_of(tmp + "/net.py")
            tree = ast.parse(source)
            allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.Try, ast.ClassDef, ast.FunctionDef)
            self.assertTrue(all(isinstance(n, allowed) for n in tree.body))
            imported = {a.name for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}
            self.assertEqual({"Path", "torch", "torch.nn.functional", "nn", "load_file"}, imported | {"torch.nn.functional"})
            scope = build(source, tmp + "/net.py")
            found = stub_torch.state_of(scope["Net"]())
            self.assertEqual(len(names), len(found))
            for i, value in enumerate(read_pth(tmp + "/net.pth").values()):
                self.assertTrue((value == i).all())

    def test_what_cannot_be_said_is_listed_and_leaves_no_file(self):
        try:
            from onnx import TensorProto, helper, save
        except ImportError:
            self.skipTest("python3-onnx is not installed")
        nodes = [helper.make_node("Pad", ["data", "p"], ["a"], name="first", mode="edge"),
                 helper.make_node("Pad", ["a", "p"], ["b"], name="second", mode="edge")]
        graph = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 2, 3, 3])],
            [helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N", 6, 3, 3])],
            [helper.make_tensor("p", TensorProto.INT64, [8], [0, 1, 0, 0, 0, 1, 0, 0])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 7
        with tempfile.TemporaryDirectory() as tmp:
            save(model, tmp + "/in.onnx")
            done = convert(PENULT, [tmp + "/in.onnx"], tmp + "/net.py")
            self.assertEqual(66, done.returncode, done.stderr)
            self.assertIn('2 nodes: Pad "first": mode edge borders spatial axes only; Pad "second": mode', done.stderr)
            self.assertEqual(["in.onnx"], os.listdir(tmp))


def write():
    for folder, about, files in checkpoints.goldens():
        name = os.path.basename(folder)
        if name in NAMES:
            with tempfile.TemporaryDirectory() as tmp:
                convert(PENULT, files, tmp + "/net.py", ["--input-shape", ",".join(map(str, about["input_shape"]))])
                with open(f"{HERE}/{name}.py", "w", encoding="utf-8") as f:
                    f.write(source_of(tmp + "/net.py"))


if __name__ == "__main__":
    PENULT = os.environ.get("PENULT_BIN") or sys.argv[1]
    stub_torch.install()
    if "--write" in sys.argv:
        write()
    else:
        unittest.main(argv=sys.argv[:1])
