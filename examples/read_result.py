#!/usr/bin/python3
"""Read what penult wrote: read_result.py OUT.lmdb"""
import json
import sys

import lmdb
import numpy as np


def read_result(path):
    """Yield (key, [(label, probability), ...], features) of every image that has a result."""
    with lmdb.open(path, readonly=True, lock=False, max_dbs=8) as env, env.begin() as txn:
        features, predictions, meta = (env.open_db(name, txn, create=False)
                                       for name in (b"features", b"predictions", b"meta"))
        labels = json.loads(txn.get(b"labels", b"[]", db=meta))
        dtype = {"float16": "<f2"}.get(json.loads(txn.get(b"features", db=meta))["dtype"], "<f4")
        for key, value in txn.cursor(predictions):
            top = [(labels[i] if labels else i, p) for i, p in np.frombuffer(value, "<u4,<f4")]
            yield key.decode(errors="replace"), top, np.frombuffer(txn.get(key, b"", db=features), dtype)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    images = list(read_result(sys.argv[1]))
    if not images:
        sys.exit("no image in it has a result")
    keys, tops, rows = zip(*images)
    matrix = np.stack(rows)
    print(f"{len(keys)} images, features: {matrix.shape} {matrix.dtype}")
    for key, top, row in list(zip(keys, tops, matrix))[:10]:
        print(f"{key}: {top[0][1]:.2%} {top[0][0]}  {np.array2string(row[:4], precision=4)}")
