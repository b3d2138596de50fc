"""Runs penult as its users do: convert, run every bundled config, read the result as the README says.

PENULT_BIN names the program. PENULT_TEST_DATA is a folder with the hundred photos in images/, or not set.
"""
import glob
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import lmdb
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PENULT = os.environ["PENULT_BIN"]
LITE0 = f"{ROOT}/examples/efficientnet-lite0"
SMALL = f"{ROOT}/tests/golden/resnet152-11k-small"
PHOTOS = f"{ROOT}/examples/photos"
HUNDRED = os.environ.get("PENULT_TEST_DATA", "") + "/images"


def call(*args, expect=0, cwd=ROOT):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode != expect:
        raise AssertionError(f"{' '.join(map(str, args))}\nexit {done.returncode}, not {expect}\n{done.stdout}{done.stderr}")
    return done


def read(path):
    """Sub-database -> {key: value}."""
    with lmdb.open(path, readonly=True, lock=False, max_dbs=8) as env, env.begin() as txn:
        names = [k for k, _ in txn.cursor()]
        return {n.decode(): dict(txn.cursor(env.open_db(n, txn, create=False))) for n in names}


def top(result, key, k=5):
    return [int(c) for c in np.frombuffer(result["predictions"][key], "<u4,<f4")["f0"][:k]]


class Whole(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.mkdtemp(prefix="penult-whole-")
        cls.lite0 = f"{cls.tmp}/lite0.onnx"
        call(PENULT, "convert", f"{LITE0}/efficientnet-lite0-symbol.json", f"{LITE0}/efficientnet-lite0-0000.params",
             "--labels", f"{LITE0}/synset.txt", "--preprocess", f"{LITE0}/preprocess.yaml", "-o", cls.lite0)
        cls.small = f"{cls.tmp}/small.onnx"
        call(PENULT, "convert", f"{SMALL}/resnet152-11k-small-symbol.json", f"{SMALL}/resnet152-11k-small-0000.params",
             "--labels", f"{SMALL}/synset.txt", "--preset", "tutorial", "-o", cls.small)
        with open(f"{LITE0}/synset.txt", encoding="utf-8") as f:
            cls.wnids = [line.split()[0] for line in f]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tmp)

    def run_config(self, name, out, *sets, expect=0):
        path = f"{self.tmp}/{out}"
        args = [a for s in sets + (f"output.path={path}",) for a in ("--set", s)]
        call(PENULT, "run", f"{ROOT}/configs/{name}", *args, expect=expect)
        return read(path)

    def label_folder(self, out, folder, *sets, expect=0):
        return self.run_config("label-folder.yaml", out, f"model.path={self.lite0}", f"input.path={folder}", *sets, expect=expect)

    def test_every_config_has_a_test_here(self):
        with open(os.path.abspath(__file__), encoding="utf-8") as f:
            text = f.read()
        for path in glob.glob(f"{ROOT}/configs/*.yaml"):
            self.assertIn(f'"{os.path.basename(path)}"', text)

    def test_bundled_photos_get_their_labels(self):
        r = self.label_folder("photos.lmdb", PHOTOS)
        self.assertEqual({b"camera.png", b"chelsea.png", b"china.jpg", b"coffee.png", b"flower.jpg", b"rocket.jpg"}, set(r["items"]))
        self.assertEqual({}, r.get("errors", {}))
        # MXNet 1.9.1 with Pillow 9.4's decoding, resize and crop: espresso, tripod, missile, palace, daisy
        for key, want, p in ((b"coffee.png", 967, 0.9511), (b"camera.png", 872, 0.9366), (b"rocket.jpg", 657, 0.2722),
                             (b"china.jpg", 698, 0.2976), (b"flower.jpg", 985, 0.3152), (b"chelsea.png", 282, 0.3946)):
            first = np.frombuffer(r["predictions"][key], "<u4,<f4")[0]
            self.assertEqual(want, first["f0"], key)
            self.assertAlmostEqual(p, float(first["f1"]), delta=0.01, msg=key)
        self.assertEqual({1280 * 4}, {len(v) for v in r["features"].values()})

    def test_a_run_of_one_thread_and_batch_one_gives_the_same_bits(self):
        a = self.label_folder("auto.lmdb", PHOTOS)
        b = self.label_folder("single.lmdb", PHOTOS, "run.threads=1", "run.batch=1")
        for db in ("features", "predictions", "items"):
            self.assertEqual(a[db], b[db])

    def test_images_from_an_lmdb_give_the_bits_of_the_folder(self):
        folder = self.label_folder("folder.lmdb", PHOTOS)
        for form in ("encoded", "datum", "datum-raw"):
            packed = f"{self.tmp}/packed-{form}"
            call(sys.executable, f"{ROOT}/examples/pack_lmdb.py", "--format", form, PHOTOS, packed)
            r = self.run_config("features-from-lmdb.yaml", f"from-{form}.lmdb", f"model.path={self.lite0}", f"input.path={packed}")
            self.assertEqual(6, len(r["predictions"]))
            for db in ("features", "predictions"):
                self.assertEqual(folder[db], r[db], (form, db))

    def test_eleven_thousand_classes(self):
        r = self.run_config("imagenet11k-resnet152.yaml", "small.lmdb", f"model.path={self.small}", f"input.path={PHOTOS}")
        self.assertEqual(6, len(r["features"]))
        self.assertEqual({16 * 4}, {len(v) for v in r["features"].values()})
        self.assertTrue(all(c < 11221 for k in r["predictions"] for c in top(r, k)))
        self.assertGreater(len({tuple(top(r, k)) for k in r["predictions"]}), 1)

    def test_a_broken_file_is_a_record_and_changes_no_neighbour(self):
        clean = self.label_folder("clean.lmdb", PHOTOS)
        folder = f"{self.tmp}/broken"
        shutil.copytree(PHOTOS, folder)
        with open(f"{PHOTOS}/rocket.jpg", "rb") as f:
            half = f.read(50000)
        for name, data in (("a-half.jpg", half), ("empty.png", b""), ("text.jpg", b"no image at all")):
            with open(f"{folder}/{name}", "wb") as f:
                f.write(data)
        r = self.label_folder("broken.lmdb", folder, expect=65)
        self.assertEqual({b"a-half.jpg": b"truncated", b"empty.png": b"empty", b"text.jpg": b"not_an_image"},
                         {k: v.split(b"\t")[0] for k, v in r["errors"].items()})
        for db in ("features", "predictions"):
            self.assertEqual(clean[db], r[db])
        self.label_folder("allowed.lmdb", folder, "run.max_failures=3")

    def start_long_run(self, out, **popen):
        """A run of minutes, if nothing stops it, of one thread, so that it commits a few megabytes at a time at most."""
        folder = f"{self.tmp}/long"
        if not os.path.isdir(folder):
            os.mkdir(folder)
            shutil.copy(f"{PHOTOS}/flower.jpg", f"{folder}/0000.jpg")
            for i in range(1, 10000):
                os.link(f"{folder}/0000.jpg", f"{folder}/{i:04}.jpg")
        sets = (f"model.path={self.lite0}", f"input.path={folder}", f"output.path={self.tmp}/{out}", "output.on_exists=overwrite",
                "run.threads=1", "run.batch=4")
        return subprocess.Popen([PENULT, "run", f"{ROOT}/configs/label-folder.yaml", "--json"] + [a for s in sets for a in ("--set", s)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, **popen)

    def expect_partial(self, out, stdout, stderr):
        """What the summary says is what is in OUT.partial."""
        self.assertFalse(os.path.exists(f"{self.tmp}/{out}"))
        r = read(f"{self.tmp}/{out}.partial")
        n = len(r["items"])
        said = json.loads(stdout)
        self.assertGreater(n, 0)
        self.assertEqual(n, len(r["predictions"]))
        self.assertEqual((n, n, 0, False), (said["seen"], said["ok"], said["failed"], said["complete"]))
        self.assertEqual(os.path.realpath(f"{self.tmp}/{out}.partial"), said["output"])
        self.assertIn(f": {n} labelled, 0 failed", stderr)
        self.assertNotIn(".new-", stderr)
        self.assertNotIn("as it was", stderr)
        return n

    def test_a_stopped_run_says_what_it_leaves(self):
        run = self.start_long_run("stopped.lmdb")
        until = time.monotonic() + 120
        grown = lambda: sum(os.path.getsize(p) for p in glob.glob(f"{self.tmp}/.stopped.lmdb.new-*/data.mdb"))
        while grown() < 65536 and time.monotonic() < until and run.poll() is None:
            time.sleep(0.01)
        run.send_signal(signal.SIGTERM)
        stdout, stderr = run.communicate(timeout=120)
        self.assertEqual(75, run.returncode, stderr)
        self.expect_partial("stopped.lmdb", stdout, stderr)

    def test_a_full_disk_is_told_with_what_is_there(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000000, 4000000))
        run = self.start_long_run("full.lmdb", preexec_fn=limit)
        stdout, stderr = run.communicate(timeout=600)
        self.assertEqual(75, run.returncode, stderr)
        n = self.expect_partial("full.lmdb", stdout, stderr)
        self.assertIn(f"write {self.tmp}/full.lmdb: the disk is full", stderr)
        self.assertIn(f"{n} images are written and whole", stderr)

    def test_the_python_of_the_readme_reads_a_result(self):
        self.label_folder("readme.lmdb", PHOTOS)
        done = call(sys.executable, f"{ROOT}/examples/read_result.py", f"{self.tmp}/readme.lmdb")
        self.assertIn("1280", done.stdout)
        with open(f"{ROOT}/README.md", encoding="utf-8") as f:
            blocks = re.findall(r"```python\n(.*?)```", f.read(), re.S)
        self.assertTrue(blocks)
        with open(f"{ROOT}/examples/read_result.py", encoding="utf-8") as f:
            self.assertIn(blocks[0].strip(), f.read())

    def test_classify_prints_percent_arrow_label(self):
        done = call(PENULT, "classify", self.lite0, f"{PHOTOS}/coffee.png")
        self.assertRegex(done.stdout.splitlines()[0], r"^ *\d+\.\d\d% -> n07920052 espresso$")

    @unittest.skipUnless(os.path.isdir(HUNDRED), "the hundred photos are not here")
    def test_hundred_photos_as_mxnet_labels_them(self):
        r = self.label_folder("hundred.lmdb", HUNDRED)
        self.assertEqual(100, len(r["predictions"]))
        want = {k: self.wnids.index(k.decode().split("_")[0]) for k in r["predictions"]}
        self.assertEqual(89, sum(top(r, k)[0] == c for k, c in want.items()))
        self.assertEqual(98, sum(c in top(r, k) for k, c in want.items()))
        labels = json.loads(r["meta"][b"labels"])
        self.assertEqual(1000, len(labels))


if __name__ == "__main__":
    unittest.main()
