"""Every header compiles alone.

usage: check_headers.py ROOT COMPILER
"""
import os
import subprocess
import sys

import tree

PACKAGES = ["libuv", "lmdb", "libjpeg", "yaml-0.1", "jansson", "spng", "libxxhash", "nettle", "cmocka"]

root, compiler = sys.argv[1:]
flags = subprocess.run(["pkg-config", "--cflags"] + PACKAGES, check=True, capture_output=True, text=True).stdout.split()
flags += ["-std=c11", "-D_GNU_SOURCE", '-DPENULT_VERSION="0"', "-DPN_SOURCE_DIR=\".\"", "-Wall", "-Wextra", "-Werror"]
failed = 0
for header in tree.files(root, ".h"):
    # included from a file of its own: compiling the header itself warns of "pragma once in main file" and the like
    made = subprocess.run([compiler, *flags, f"-I{root}", f"-I{root}/include", "-x", "c", "-fsyntax-only", "-"],
                          input=f'#include "{os.path.join(root, header)}"\nextern int pn_nothing;\n', capture_output=True,
                          text=True, check=False)
    if made.returncode:
        failed += 1
        print(f"{header} does not compile alone:\n{made.stderr}")
print(f"{failed} headers failed")
sys.exit(bool(failed))
