#!/usr/bin/python3
"""Pack the images of a folder as an LMDB, for penult's `input.kind: lmdb` or for Caffe.

pack_lmdb.py photos/ photos-lmdb                        image files as they are
pack_lmdb.py --format datum photos/ photos-lmdb         image files in Caffe's Datum
pack_lmdb.py --format datum-raw photos/ photos-lmdb     decoded planes, BGR or grey, in Datum

Keys are the paths below the folder. In a Datum the label is the number of the image's class:
the folders in the first level, numbered in the order of their names.
"""
import argparse
import os
import sys

import lmdb


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def datum(data, label=None, shape=None, encoded=False):
    """Caffe's protobuf message. Fields: channels 1, height 2, width 3, data 4, label 5, encoded 7."""
    out = b"".join(bytes([8 * i]) + varint(n) for i, n in enumerate(shape or (), 1))
    out += b"\x22" + varint(len(data)) + data
    if label is not None:
        out += b"\x28" + varint(label)
    return out + bytes([0x38, encoded])


def raw_datum(path, label):
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    planes = pixels[None] if pixels.ndim == 2 else pixels[:, :, ::-1].transpose(2, 0, 1)
    return datum(planes.tobytes(), label, planes.shape)


def images(root, extensions):
    """Paths below root, in order of their bytes; hidden files and folders are left out."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in files:
            if not name.startswith(".") and name.lower().endswith(extensions):
                yield os.path.relpath(os.path.join(folder, name), root)


def put(env, key, value):
    """One record; the map grows with what is in it, since its size is kept in the file."""
    while True:
        try:
            with env.begin(write=True) as txn:
                txn.put(key, value, overwrite=False)
                return
        except lmdb.MapFullError:
            env.set_mapsize(env.info()["map_size"] * 3 // 2 + len(value))


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--format", choices=["encoded", "datum", "datum-raw"], default="encoded")
    args.add_argument("--extensions", default="jpg,jpeg,png", help="default: jpg,jpeg,png")
    args.add_argument("folder")
    args.add_argument("lmdb", help="made; must not exist")
    o = args.parse_args()
    if not os.path.isdir(o.folder) or os.path.lexists(o.lmdb):
        sys.exit(f"pack_lmdb.py: {o.folder} must be a folder and {o.lmdb} must not exist")
    extensions = tuple("." + e.strip().lower() for e in o.extensions.split(","))
    classes = {c: i for i, c in enumerate(sorted(e.name for e in os.scandir(o.folder)
                                                 if e.is_dir() and not e.name.startswith(".")))}
    n = 0
    # one sync at the end: a half-packed LMDB is of no use to anyone
    with lmdb.open(o.lmdb, map_size=64 << 20, sync=False) as env:
        for name in sorted(images(o.folder, extensions), key=os.fsencode):
            path, label = os.path.join(o.folder, name), classes.get(name.split(os.sep)[0])
            if o.format == "datum-raw":
                value = raw_datum(path, label)
            else:
                with open(path, "rb") as f:
                    value = f.read()
                if o.format == "datum":
                    value = datum(value, label, encoded=True)
            put(env, os.fsencode(name), value)
            n += 1
        env.sync(True)
    print(f"{n} images in {o.lmdb}")


if __name__ == "__main__":
    main()
