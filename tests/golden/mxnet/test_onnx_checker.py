"""onnx's own checker, with shape inference, accepts every file that penult writes.

usage: test_onnx_checker.py PENULT
"""
import os
import sys
import tempfile
import unittest

import checkpoints

try:
    import onnx
except ImportError:
    print("python3-onnx is not installed")
    sys.exit(77)

PENULT = os.environ.get("PENULT_BIN") or sys.argv.pop()


class Checker(unittest.TestCase):
    def test_every_golden_is_a_valid_model(self):
        seen = 0
        for folder, about, files in checkpoints.goldens():
            with self.subTest(os.path.basename(folder)), tempfile.TemporaryDirectory() as tmp:
                path = tmp + "/model.onnx"
                checkpoints.convert(PENULT, about, files, path)
                onnx.checker.check_model(path, full_check=True)
                model = onnx.load(path)
                self.assertEqual([13], [o.version for o in model.opset_import])
                inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
                for said, found in zip(model.graph.output, inferred.graph.output):
                    self.assertEqual(said, found)
                seen += 1
        self.assertGreaterEqual(seen, 11)


unittest.main(argv=sys.argv[:1])
