#!/usr/bin/env python3
"""pack_corpus.py FOLDER OUT: a folder of fuzzer inputs as one file, each with its length
(u32) in front, shortest first. Minimise first: fuzz_X -merge=1 FOLDER GROWN_FOLDER"""
import os
import struct
import sys

folder, out = sys.argv[1:]
inputs = sorted((open(os.path.join(folder, name), "rb").read() for name in os.listdir(folder)),
                key=lambda b: (len(b), b))
with open(out, "wb") as f:
    for data in inputs:
        f.write(struct.pack("<I", len(data)) + data)
