"""clang-format 14 leaves every C file as it is.

usage: check_format.py ROOT
"""
import shutil
import subprocess
import sys

import tree

tool = shutil.which("clang-format-14")
if not tool:
    print("clang-format-14 is not installed")
    sys.exit(77)
sys.exit(subprocess.run([tool, "--dry-run", "--Werror", *tree.files(sys.argv[1], ".c", ".h")], cwd=sys.argv[1],
                        check=False).returncode)
