"""bench/peers/run.py with engines that are scripts: what it counts, what it tells of those that fail."""
import contextlib
import io
import os
import sys
import tempfile
import types
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../bench/peers"))

import nets  # noqa: E402
import run  # noqa: E402


def engine(text):
    return [sys.executable, "-c", text, "engine"]


def speaks(milliseconds):
    return engine(f'print(\'{{"median_ms": {milliseconds}, "version": "9"}}\')')


class Peers(unittest.TestCase):
    def measured(self, rounds=1, **engines):
        """table() of one net called x; engines: "name_batch" to a command."""
        sides = {(name.rsplit("_", 1)[0], int(name.rsplit("_", 1)[1])): c for name, c in engines.items()}
        a = types.SimpleNamespace(rounds=rounds, threads=2, batches=[1, 8], peers=[p for p in ("ort", "ov") if (p, 1) in sides])
        with mock.patch.object(run, "commands", lambda *_: sides), contextlib.redirect_stderr(io.StringIO()):
            found, failed = run.measure(a, "x.onnx", {})
        return found, failed, run.table(a, {"x": (found, failed)}, {})

    def test_the_better_batch_counts_and_batch_1_is_told_beside_it(self):
        _, _, text = self.measured(penult_1=speaks(10), penult_8=speaks(40), ort_1=speaks(8), ort_8=speaks(80), ov_1=speaks(20))
        rows = [line for line in text.splitlines() if line.startswith("| x")]
        self.assertEqual(["| x | 200.0 (8) | 125.0 (1) | 50.0 (1) | 1.60 |", "| x | 10.0 | 8.0 | 20.0 | 0.80 |"], rows)

    def test_a_peer_that_fails_is_told_with_its_last_words_and_the_rest_goes_on(self):
        dies = engine("import sys; print('first', file=sys.stderr); sys.exit('no such operator')")
        found, failed, text = self.measured(rounds=2, penult_1=speaks(10), ort_1=dies, ov_1=speaks(20))
        self.assertEqual({("ort", 1): "exit 1: no such operator"}, failed)
        self.assertEqual({("penult", 1): [100, 100], ("ov", 1): [50, 50]}, found)
        self.assertIn("| x | 100.0 (1) | failed | 50.0 (1) | 2.00 |", text)
        self.assertIn("- x: ort, batch 1: exit 1: no such operator", text)

    def test_one_that_fails_late_has_no_figure(self):
        with tempfile.TemporaryDirectory() as folder:
            once = engine(f"import os; os.mkdir({folder + '/once'!r}); print('{{\"median_ms\": 1}}')")
            found, failed, text = self.measured(rounds=2, penult_1=speaks(10), ort_1=once)
        self.assertNotIn(("ort", 1), found)
        self.assertIn("FileExistsError", failed["ort", 1])
        self.assertIn("| x | 100.0 (1) | failed | - |", text)

    def test_one_that_was_not_asked_has_not_failed(self):
        _, _, text = self.measured(penult_8=speaks(40), ort_1=speaks(8))
        self.assertIn("| x | - | 8.0 | - |", text)

    def test_the_median_of_the_rounds_counts(self):
        self.assertEqual({"penult": (100, 1)}, run.best({("penult", 1): [10, 100, 5000]}))

    def test_peers_are_checked_in_the_first_round_only(self):
        tells = engine("import sys; print('{\"median_ms\": %d}' % len(sys.argv))")  # one argument, or two
        found, _, _ = self.measured(rounds=2, penult_1=tells, ort_1=tells)
        self.assertEqual({("penult", 1): [500, 500], ("ort", 1): [1000 / 3, 500]}, found)


class Nets(unittest.TestCase):
    def test_a_net_is_made_once_and_appears_whole(self):
        with tempfile.TemporaryDirectory() as work:
            penult = os.path.join(work, "penult")
            with open(penult, "w", encoding="utf-8") as f:
                f.write(f"#!{sys.executable}\nimport os, sys\nopen(sys.argv[-1], 'w').write(' '.join(sys.argv[1:6]))\n"
                        f"os.mkdir({work + '/once'!r})\n")
            os.chmod(penult, 0o755)
            path = nets.onnx_of("efficientnet-lite0", work, penult, None)
            with open(path, encoding="utf-8") as f:
                self.assertRegex(f.read(), "^convert .*lite0-symbol.json .*lite0-0000.params --input-shape 3,224,224$")
            self.assertEqual(path, nets.onnx_of("efficientnet-lite0", work, penult, None))
            os.remove(path)
            with self.assertRaisesRegex(nets.NotMade, "penult convert: exit 1: FileExistsError"):
                nets.onnx_of("efficientnet-lite0", work, penult, None)
            self.assertFalse(os.path.exists(path))

    def test_all_that_is_neither_name_nor_file_is_told(self):
        self.assertEqual(["vgg61", "none.onnx"], nets.unknown(["vgg16", "vgg61", __file__, "none.onnx"]))


if __name__ == "__main__":
    unittest.main()
