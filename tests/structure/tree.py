"""The source files of a checkout, without what a build or git leaves in it."""
import os

SKIPPED = {"build", "__pycache__", "venv", "node_modules"}


def files(root, *endings):
    """Paths relative to root, sorted; all files if no ending is given."""
    found = []
    for folder, names, here in os.walk(root):
        names[:] = [n for n in names if n not in SKIPPED and not n.endswith(".lmdb") and (n == ".ci" or n[0] != ".")]
        # in a linked work tree .git is a file
        found += [os.path.relpath(os.path.join(folder, f), root) for f in here
                  if f != ".git" and (not endings or f.endswith(endings))]
    return sorted(found)
