"""Spell a checkpoint as older MXNets did. MXNet itself loads the result back before it is used."""
import json
import struct

import numpy as np


def json_of_08(text):
    """`param`, two-element entries, no auxiliary inputs, no version: what 0.8 and older wrote."""
    return _respell(text, "param", 2, None)


def json_of_095(text):
    """`attr` and mxnet_version 0.9.5."""
    return _respell(text, "attr", 3, 905)


def _respell(text, key, entry, version):
    old = json.loads(text)
    aux = {e[0] for n in old["nodes"] if n["op"] == "BatchNorm" for e in n["inputs"][3:]} if version is None else set()
    place, nodes = {}, []
    for i, n in enumerate(old["nodes"]):
        if i in aux:
            continue
        place[i] = len(nodes)
        made = {"op": n["op"], "name": n["name"], "inputs": [[place[e[0]], e[1], 0][:entry] for e in n["inputs"] if e[0] not in aux]}
        attrs = n.get("attrs", {}) if n["op"] != "null" else {}
        if version is None:
            made.update({key: attrs, "backward_source_id": -1})
        elif attrs:
            made[key] = attrs
        nodes.append(made)
    out = {"nodes": nodes, "arg_nodes": [i for i, n in enumerate(nodes) if n["op"] == "null"],
           "heads": [[place[h[0]], h[1], 0][:entry] for h in old["heads"]]}
    if version is not None:
        out["attrs"] = {"mxnet_version": ["int", version]}
    return json.dumps(out, indent=1)


def save_v0(path, arrays):
    """0.10 and older: the first word of a record is the number of dimensions."""
    _save(path, arrays, lambda a: struct.pack(f"<I{a.ndim}I", a.ndim, *a.shape))


def save_v1(path, arrays):
    """0.11: a magic number, then 64-bit dimensions."""
    _save(path, arrays, lambda a: struct.pack(f"<Ii{a.ndim}q", 0xF993FAC8, a.ndim, *a.shape))


def _save(path, arrays, shape):
    with open(path, "wb") as f:
        f.write(struct.pack("<3Q", 0x112, 0, len(arrays)))
        for a in arrays.values():
            a = np.ascontiguousarray(a, "<f4")
            f.write(shape(a) + struct.pack("<3i", 2, 0, 0) + a.tobytes())  # saved on a GPU, as most were
        f.write(struct.pack("<Q", len(arrays)))
        for name in arrays:
            f.write(struct.pack("<Q", len(name)) + name.encode())
