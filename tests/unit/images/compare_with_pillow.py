#!/usr/bin/python3
"""Every photo and odd file of a data folder: what Pillow decodes has Pillow's bits here too,
and what Pillow refuses is refused.

    compare_with_pillow.py PRINT_PIXELS DATA_FOLDER

Exit status 77 (skipped) where the data or Pillow is not there.
"""
import importlib.util
import os
import subprocess
import sys
import warnings

try:
    import numpy as np
    from PIL import Image
except ImportError:
    sys.exit(77)

GEOMETRIES = ["squash", "short_side_crop", "letterbox", "centre_square"]
FILTERS = ["nearest", "bilinear", "bicubic"]
CASES = {  # folder: geometry, filter, height, width, short side, exif
    "images": ("short_side_crop", "bicubic", 224, 224, 256, "ignore"),
    "odd": ("squash", "nearest", 224, 224, 0, "apply"),
}
KNOWN = {  # where we differ on purpose
    "png_decompression_dos.png": "its text is a bomb, its pixels are fine",
    "cicp_pq.png": "a wrong checksum in a chunk that is not about pixels",
    "issue#430.png": "the same",
    "invalid_palette_index.png": "a colour that the palette lacks has no right value",
}


def golden_script():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        "../../golden/images/make.py")
    spec = importlib.util.spec_from_file_location("make", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files_under(folder):
    for top, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name.lower().endswith((".jpg", ".jpeg", ".png")) and name not in KNOWN:
                yield os.path.join(top, name)


def check(program, make, case, files):
    geometry, how, height, width, short, exif = case
    numbers = (GEOMETRIES.index(geometry), FILTERS.index(how), height, width, short, 0,
               int(exif == "apply"))
    run = subprocess.run([program] + [str(n) for n in numbers],
                         input="".join(f"{path}\n" for path in files).encode(),
                         capture_output=True, check=False)
    if run.returncode:
        sys.exit(run.stderr.decode())
    rest, wrong = run.stdout, []
    for path in files:
        line, _, rest = rest.partition(b"\n")
        ours = None
        if line.startswith(b"none"):
            size = height * width * 3
            ours = np.frombuffer(rest[:size], np.uint8).reshape(height, width, 3)
            rest = rest[size:]
        try:
            with open(path, "rb") as f:
                image = make.seen(f.read(), "ignore", exif)
            image = make.fitted(image, geometry, make.FILTERS[how], height, width, short)
            theirs = np.asarray(image)[:, :, ::-1]
        except Exception:  # Pillow raises whatever its parsers come upon
            theirs = None
        if (ours is None) != (theirs is None) or (
                ours is not None and not np.array_equal(ours, theirs)):
            wrong.append(f"{case} {path}: we: {line.decode()}, "
                         f"Pillow {'refuses it' if theirs is None else 'has other pixels'}")
    return wrong


def main():
    program, data = sys.argv[1:]
    files = {d: list(files_under(os.path.join(data, d))) for d in CASES}
    if not any(files.values()):
        print("no data folder: skipped")
        sys.exit(77)
    warnings.simplefilter("ignore")
    make = golden_script()
    wrong = [w for d in CASES for w in check(program, make, CASES[d], files[d])]
    print("\n".join(wrong) or f"{sum(map(len, files.values()))} files: equal")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
