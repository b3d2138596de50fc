"""Hold the arrows between the rooms: an #include may point downwards only.

usage: check_arrows.py ROOT

Also: engine/kernels knows nothing of the rest of the engine but itself, the public headers include
only each other (and need no room), and nothing but cli/ exits or prints to stdout.
"""
import os
import re
import sys

import tree

ROOMS = ["base", "model", "engine", "stages", "pipeline", "cli"]  # each may use those before it
OUTSIDE = ["bench", "tests"]  # may use any room
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)
SPEAKS = re.compile(r"\b(?:exit|_exit|_Exit|quick_exit|abort|printf|puts|putchar|perror)\s*\(|\bstdout\b")
MAY_EXIT = {"pipeline/runner.c"}  # a second signal leaves at once
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


def target(path, name, root):
    """The included file relative to root; as written if it is nowhere."""
    for folder in ("", "include", os.path.dirname(path)):
        candidate = os.path.normpath(os.path.join(folder, name))
        if os.path.exists(os.path.join(root, candidate)):
            return candidate
    return name


def wrong(path, to):
    """Why this include is not allowed; None if it is."""
    room, other = path.split("/")[0], to.split("/")[0]
    if room == "include":
        return None if other == "include" else "a public header includes a room's"
    if other == "include" or room in OUTSIDE or other == room:
        if path.startswith("engine/kernels/") and room == other and not to.startswith("engine/kernels/"):
            return "a kernel knows no other part of the engine"
        return None
    if other not in ROOMS:
        return "no such room"
    if room not in ROOMS or ROOMS.index(other) > ROOMS.index(room):
        return f"{room} may not use {other}"
    return None


def check(root):
    bad = []
    for path in tree.files(root, ".c", ".h"):
        with open(os.path.join(root, path), encoding="utf-8") as f:
            text = f.read()
        for m in INCLUDE.finditer(text):
            to = target(path, m.group(1), root)
            if why := wrong(path, to):
                bad.append(f"{path}:{text.count(chr(10), 0, m.start()) + 1}: includes {to}: {why}")
        if path.split("/")[0] in ROOMS[:-1] and path not in MAY_EXIT:
            code = NOT_CODE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
            for m in SPEAKS.finditer(code):
                line = code.count("\n", 0, m.start()) + 1
                bad.append(f"{path}:{line}: {m.group().strip()}: only cli/ exits or writes to stdout")
    return bad


if __name__ == "__main__":
    problems = check(sys.argv[1])
    print("\n".join(problems) or "all includes point downwards")
    sys.exit(bool(problems))
