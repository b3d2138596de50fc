"""Write docs/mxnet-operators.md: every MXNet operator that is imported, its attributes, and what holds each against MXNet.

usage: list_operators.py

The operators and their attributes are read from the tables of model/import_mxnet_ops_*.c, the cases from mxnet_ops.bin
(make_mxnet_ops.py) and the nets of tests/golden/mxnet. Needs nothing but Python.
"""
import collections
import glob
import json
import os
import re
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../..")
ROW = re.compile(r'\{\s*"(\w+)",\s*\w+,\s*\w+,\s*((?:"[^"]*"\s*)+)\}')
MACRO = re.compile(r'#define (\w+)\(name\)[^{]*\{[\s\\]*name, \w+, \w+, +"([^"]*)"', re.S)


def tables():
    """operator -> its attributes, in the order of the sources."""
    found = {}
    for path in sorted(glob.glob(f"{ROOT}/model/import_mxnet_ops_*.c")):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        for name, keys in ROW.findall(text):
            found[name] = "".join(re.findall(r'"([^"]*)"', keys)).split()
        for macro, keys in MACRO.findall(text):
            for name in re.findall(macro + r'\("(\w+)"\)', text):
                found[name] = keys.split()
    return found


def cases():
    """(name, symbol) of every small net."""
    with open(f"{HERE}/mxnet_ops.bin", "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        name, symbol, params, n = struct.unpack_from("<4I", data, at)
        floats = struct.unpack_from("<I", data, at + 16 + 4 * n)[0]
        at += 20 + 4 * n
        yield data[at:at + name].decode().lstrip("+"), json.loads(data[at + name:at + name + symbol])
        at += name + symbol + params + 4 * floats
    for path in sorted(glob.glob(f"{ROOT}/tests/golden/mxnet/**/net-symbol.json", recursive=True)):
        with open(path, encoding="utf-8") as f:
            yield os.path.basename(os.path.dirname(path)), json.load(f)


def aliases():
    with open(f"{ROOT}/model/import_mxnet_json.c", encoding="utf-8") as f:
        return dict(re.findall(r'\{"(\w+)", "(\w+)"\}', f.read()))


def main():
    by_op, by_key, today = collections.Counter(), collections.Counter(), aliases()
    total = 0
    for _, symbol in cases():
        total += 1
        seen = set()
        for n in symbol["nodes"]:
            op = today.get(n["op"], n["op"])
            seen.add(op)
            seen.update((op, k) for k in {**n.get("param", {}), **n.get("attr", {}), **n.get("attrs", {})})
        by_op.update(s for s in seen if isinstance(s, str))
        by_key.update(s for s in seen if isinstance(s, tuple))
    rows = []
    for op, keys in sorted(tables().items(), key=lambda r: r[0].lower()):
        said = ", ".join(f"{k} {by_key[op, k]}" if by_key[op, k] else f"*{k}*" for k in dict.fromkeys(keys))
        rows.append(f"| {op} | {by_op[op] or '*none*'} | {said} |")
    with open(f"{HERE}/operators.md.in", encoding="utf-8") as f:
        text = f.read().replace("@total@", str(total)).replace("@table@", "\n".join(rows))
    with open(f"{ROOT}/docs/mxnet-operators.md", "w", encoding="utf-8") as f:
        f.write(text)


main()
