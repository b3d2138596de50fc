"""Runs examples/pack_lmdb.py and examples/read_result.py against penult's own LMDB stages.

PENULT_LMDB_TOOL names the program that makes a known result and prints what the source reads.
"""
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import lmdb
import numpy as np
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True  # the examples are loaded from where they lie

EXAMPLES = f"{ROOT}/examples"
TOOL = os.environ["PENULT_LMDB_TOOL"]


def call(*args, expect=0):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False)
    if done.returncode != expect:
        raise AssertionError(f"{args}\nexit {done.returncode}, not {expect}\n{done.stdout}{done.stderr}")
    return done


def load(name):
    spec = importlib.util.spec_from_file_location(name, f"{EXAMPLES}/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class WithFolder(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.mkdtemp(prefix="penult-examples-")

    def tearDown(self):
        shutil.rmtree(self.tmp)


class ReadResult(WithFolder):
    def make(self, features):
        out = f"{self.tmp}/{features}.lmdb"
        call(TOOL, "make", out, features)
        return out

    def check(self, out, count, dtype):
        rows = list(load("read_result").read_result(out))
        ok = [i for i in range(20) if i % 7 != 3]
        self.assertEqual([f"image-{i:08d}" for i in ok], [key for key, _, _ in rows])
        for i, (_, top, features) in zip(ok, rows):
            self.assertEqual(["zero", "one", "two", "three", "four"], [label for label, _ in top])
            self.assertEqual([0.5, 0.25, 0.125, 0.0625, 0.03125], [p for _, p in top])
            want = (np.float32(i) + np.arange(count, dtype="<f4") / 1024).astype(dtype)
            self.assertEqual(want.dtype, features.dtype)
            np.testing.assert_array_equal(want, features)

    def test_float32_features_are_the_numbers_written(self):
        self.check(self.make("float32"), 8, "<f4")

    def test_float16_features_are_numpys_rounding(self):
        self.check(self.make("float16"), 8, "<f2")

    def test_without_features_the_labels_are_there(self):
        self.check(self.make("none"), 0, "<f4")

    def test_as_a_program_it_prints_shape_and_labels(self):
        done = call(sys.executable, f"{EXAMPLES}/read_result.py", self.make("float32"))
        lines = done.stdout.splitlines()
        self.assertEqual("17 images, features: (17, 8) float32", lines[0])
        self.assertTrue(lines[1].startswith("image-00000000: 50.00% zero  [0."), lines[1])
        self.assertEqual(11, len(lines))
        call(sys.executable, f"{EXAMPLES}/read_result.py", expect=1)


class PackLmdb(WithFolder):
    def setUp(self):
        super().setUp()
        self.photos = f"{self.tmp}/photos"
        rng = np.random.default_rng(1)
        for name, size, mode in (("b.png", (5, 7), "RGB"), ("dogs/a b.PNG", (3, 2), "L"), ("dogs/z.jpeg", (40, 30), "RGB"),
                                 ("cats/x.jpg", (300, 200), "RGB"), (".hidden.png", (1, 1), "RGB"), ("p.png", (4, 4), "P")):
            path = f"{self.photos}/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            h, w = size
            pixels = rng.integers(0, 256, (h, w) if mode != "RGB" else (h, w, 3), dtype=np.uint8)
            image = Image.fromarray(pixels, "L" if mode == "P" else mode)
            (image.convert("P") if mode == "P" else image).save(path)
        with open(f"{self.photos}/notes.txt", "w", encoding="utf-8") as f:
            f.write("no image")
        # byte order of keys; class numbers by name: cats 0, dogs 1
        self.want = [("b.png", None), ("cats/x.jpg", 0), ("dogs/a b.PNG", 1), ("dogs/z.jpeg", 1), ("p.png", None)]

    def pack(self, *args):
        out = f"{self.tmp}/packed"
        call(sys.executable, f"{EXAMPLES}/pack_lmdb.py", *args, self.photos, out)
        return out

    def read(self, packed, form):
        lines = call(TOOL, "read", packed, form).stdout.splitlines()
        return [tuple(line.split("\t")) for line in lines]

    def digest(self, name):
        with open(f"{self.photos}/{name}", "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()

    def test_encoded_values_are_the_files(self):
        packed = self.pack()
        want = [(name, "0", "0", "0", "", self.digest(name)) for name, _ in self.want]
        self.assertEqual(want, self.read(packed, "auto"))
        self.assertEqual(want, self.read(packed, "encoded"))

    def test_datum_holds_the_file_and_its_label(self):
        packed = self.pack("--format", "datum")
        want = [(name, "0", "0", "0", "" if label is None else str(label), self.digest(name)) for name, label in self.want]
        self.assertEqual(want, self.read(packed, "auto"))
        self.assertEqual(want, self.read(packed, "datum"))

    def test_raw_datum_holds_bgr_planes_or_grey(self):
        packed = self.pack("--format", "datum-raw")
        for (name, label), got in zip(self.want, self.read(packed, "auto"), strict=True):
            with Image.open(f"{self.photos}/{name}") as image:
                grey = image.mode == "L"
                image = image if grey else image.convert("RGB")
                w, h = image.size
                bands = [b.tobytes() for b in image.split()][::-1]
            self.assertEqual((name, "1" if grey else "3", str(h), str(w), "" if label is None else str(label),
                              hashlib.sha256(b"".join(bands)).hexdigest()), got)

    def test_map_grows_with_the_values(self):
        pack = load("pack_lmdb")
        with lmdb.open(f"{self.tmp}/grown", map_size=1 << 16) as env:
            for i in range(40):
                pack.put(env, b"%d" % i, bytes([i]) * 10000)
        with lmdb.open(f"{self.tmp}/grown", readonly=True) as env, env.begin() as txn:
            self.assertEqual({b"%d" % i: bytes([i]) * 10000 for i in range(40)}, dict(txn.cursor()))

    def test_datum_is_as_protobuf_writes_it(self):
        pack = load("pack_lmdb")
        # channels 3, height 1, width 300 (two bytes), data "xyz", label 200, encoded false
        self.assertEqual(b"\x08\x03\x10\x01\x18\xac\x02\x22\x03xyz\x28\xc8\x01\x38\x00", pack.datum(b"xyz", 200, (3, 1, 300)))

    def test_existing_lmdb_and_missing_folder_are_refused(self):
        packed = self.pack()
        done = call(sys.executable, f"{EXAMPLES}/pack_lmdb.py", self.photos, packed, expect=1)
        self.assertIn("must not exist", done.stderr)
        done = call(sys.executable, f"{EXAMPLES}/pack_lmdb.py", f"{self.tmp}/absent", f"{self.tmp}/new", expect=1)
        self.assertIn("must be a folder", done.stderr)


if __name__ == "__main__":
    unittest.main()
