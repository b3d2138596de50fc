"""The checker of the arrows must see what it exists to see."""
import os
import tempfile
import unittest

import check_arrows


class Arrows(unittest.TestCase):
    def problems(self, **files):
        with tempfile.TemporaryDirectory() as root:
            for name in ("base/file.h", "model/wire.h", "engine/plan.h", "engine/kernels/kernels.h", "stages/registry.h",
                         "pipeline/runner.h", "include/penult/status.h"):
                files.setdefault(name, "")
            for name, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
                with open(os.path.join(root, name), "w", encoding="utf-8") as f:
                    f.write(text)
            return check_arrows.check(root)

    def test_downward_includes_are_fine(self):
        self.assertEqual([], self.problems(**{
            "engine/compile.c": '#include "model/wire.h"\n#include "engine/plan.h"\n#include "penult/status.h"\n',
            "engine/ops/conv.c": '#include "engine/kernels/kernels.h"\n', "tests/unit/x.c": '#include "pipeline/runner.h"\n',
            "cli/main.c": '#include "pipeline/runner.h"\nint main(void)\n{\n    exit(0);\n}\n'}))

    def test_upward_includes_are_found(self):
        for path, include in (("base/a.c", "model/wire.h"), ("model/a.c", "engine/plan.h"), ("engine/a.c", "stages/registry.h"),
                              ("stages/a.c", "pipeline/runner.h"), ("include/penult/a.h", "base/file.h"),
                              ("engine/kernels/a.c", "engine/plan.h"), ("engine/kernels/a.c", "../plan.h")):
            found = self.problems(**{path: f'\n#include "{include}"\n'})
            self.assertEqual(1, len(found), (path, include, found))
            self.assertIn(f"{path}:2:", found[0])

    def test_leaving_and_printing_are_found(self):
        for code in ("exit(1);", "abort();", 'printf("x");', 'fprintf(stdout, "x");', 'puts("x");'):
            self.assertEqual(1, len(self.problems(**{"model/a.c": code})), code)

    def test_words_in_comments_and_strings_are_not(self):
        self.assertEqual([], self.problems(**{
            "model/a.c": '/* exit(1) */ // printf("x")\nsnprintf(b, n, "exit(1) to stdout");\nfprintf(stderr, "x");\n'}))


unittest.main()
