"""No file names a folder of the machine it was written on.

usage: check_paths.py ROOT
"""
import os
import re
import sys

import tree

# pieces are joined here so that this file is not found by itself
NAMES = ["/wor" + "k/", "/op" + "t/venv", "/hom" + "e/[a-z]", "/roo" + "t/", "/tm" + "p/b-", "share" + "d/[A-Z]+\\.md"]
PATTERN = re.compile("|".join(f"(?<![A-Za-z0-9_.}}]){n}" for n in NAMES))
BINARY = (".params", ".npy", ".png", ".jpg", ".jpeg", ".onnx", ".mdb", ".v0", ".pyc")

found = 0
for path in tree.files(sys.argv[1]):
    if path.endswith(BINARY):
        continue
    with open(os.path.join(sys.argv[1], path), encoding="utf-8", errors="replace") as f:
        for number, line in enumerate(f, 1):
            if m := PATTERN.search(line):
                found += 1
                print(f"{path}:{number}: {m.group()}")
sys.exit(bool(found))
