#!/usr/bin/env python3
"""Make npy_cases.bin: .npy and .npz files by numpy and zipfile, such as lie about what is in
them by hand, and what each holds. Needs numpy only; run by hand.

A case is four length-prefixed (u32) byte strings: name, file, expected, verdict.
expected: the elements of all arrays in the archive's order, C order, as float64. verdict: "ok
ARRAYS ELEMENTS", "unsupported TEXT" or "format TEXT" (the message must hold TEXT).
"""
import io
import os
import struct
import zipfile
import zlib

import numpy as np

cases = []


def case(name, data, arrays=None, verdict=None):
    flat = [np.ascontiguousarray(a).astype("<f8").ravel() for a in arrays or []]
    expected = np.concatenate(flat).tobytes() if flat else b""
    cases.append((name, data, expected, verdict or f"ok {len(flat)} {len(expected) // 8}"))


def refused(name, data, text, kind="format"):
    case(name, data, verdict=f"{kind} {text}")


def npy(a, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, a, version=version)
    return out.getvalue()


def raw(header, data=b"", version=1, minor=0, length=None):
    header = header.encode("latin1")
    length = len(header) if length is None else length
    return b"\x93NUMPY" + bytes([version, minor]) + struct.pack("<H" if version == 1 else "<I", length) + header + data


def arrays():
    rng = np.random.RandomState(1)
    for kind in ("f2", "f4", "f8", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "b1"):
        a = rng.randint(-2**62, 2**62, (2, 3, 5)) >> rng.randint(0, 62, (2, 3, 5))
        a = a % 2 if kind == "b1" else a / 2.0**60 if kind[0] == "f" else a
        for order in "<>":
            b = a.astype(order + kind)
            case(f"{order}{kind}", npy(b), [b])
            b = np.asfortranarray(b)
            case(f"{order}{kind} Fortran", npy(b), [b])
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3e38], "<f4")
    case("no numbers", npy(odd), [odd])
    half = np.array([6e-8, 65504, np.inf, -np.nan, 6.1e-5], "<f2")
    case("halves", npy(half), [half])
    big = np.array([2**64 - 1, 2**63, 2**53 + 1], "<u8")
    case("64 bits", npy(big), [big])
    for shape in ((), (1,), (0,), (0, 3), (3, 0, 2), (1, 1, 7), (2, 1, 2, 1, 2, 1, 2, 1)):
        a = np.asarray(rng.rand(*shape), "<f4")
        case(f"shape {shape}", npy(a), [a])
        case(f"shape {shape} Fortran", npy(np.asfortranarray(a)), [a])
    a = np.arange(6, dtype="<f4").reshape(2, 3)
    for version in ((1, 0), (2, 0), (3, 0)):
        case(f"version {version}", npy(a, version), [a])
    a = rng.rand(41, 13, 3).astype("<f4")  # more than a chunk
    case("several chunks", npy(a.transpose(2, 0, 1)), [a.transpose(2, 0, 1)])
    case("several chunks Fortran", npy(np.asfortranarray(a)), [a])


def headers():
    a, d = np.array([[1, 2]], "<f4"), struct.pack("<2f", 1, 2)
    good = ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n",
            "{'shape':(1,2),\"descr\":\"<f4\",'fortran_order':False}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 2L), }",
            "  { 'descr' : '=f4' , 'fortran_order' : True , 'shape' : ( 1 , 2 , ) , }  \n",
            "{'descr': 'f4', 'fortran_order': False, 'shape': (1, 2), }" + " " * 9900)
    for i, h in enumerate(good):
        case(f"header {i}", raw(h, d), [a])
    whole = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }"

    def bad(edit, text, kind="format", data=d):
        h = whole.replace(*edit)
        assert h != whole
        refused(f"header {edit[1]!r}", raw(h, data), text, kind)
    bad(("{", "["), "is no dict")
    bad((", }", ""), "no dict of three keys")
    bad((", }", ", }}"), "behind its header's dict")
    bad((", }", ", } 7"), "behind its header's dict")
    bad((", }", ",, }"), "no dict of three keys")
    bad(("'descr'", "descr"), "no dict of three keys")
    bad(("'descr': '<f4'", "'descr': {'a': {'b': '<f4'}}"), "descr: must be a text")
    bad(("'descr': '<f4', ", ""), "lacks \"descr\"")
    bad(("'shape': (1, 2), ", ""), "lacks \"shape\"")
    bad(("'shape': (1, 2), ", "'shape': (1, 2), 'shape': (1, 2), "), "twice the key \"shape\"")
    bad(("'shape': (1, 2), ", "'shape': (1, 2), 'x': 1, "), "unknown key \"x\"")
    bad(("(1, 2)", "[1, 2]"), "shape: must be a tuple")
    bad(("(1, 2)", "(2)"), "shape: must be a tuple")
    bad(("(1, 2)", "(1 2)"), "whole numbers")
    bad(("(1, 2)", "(1,, 2)"), "whole numbers")
    bad(("(1, 2)", "(,)"), "whole numbers")
    bad(("(1, 2)", "(-1, -2)"), "whole numbers")
    bad(("(1, 2)", "(1, (2,))"), "whole numbers")
    bad(("(1, 2)", "(1, 2.0)"), "whole numbers")
    bad(("(1, 2)", "(1, 9223372036854775808)"), "whole numbers")
    bad(("(1, 2)", "(1, 2"), "whole numbers")
    bad(("(1, 2)", "(1, 3)"), "8 bytes of elements do not make 1x3 of float32")
    bad(("(1, 2)", "(1, 1)"), "8 bytes of elements do not make 1x1 of float32")
    bad(("(1, 2)", "(4294967296, 4294967296)"), "do not make 4294967296x4294967296")
    bad(("(1, 2)", "(4611686018427387904, 1)"), "do not make 4611686018427387904x1")
    bad(("(1, 2)", "(9223372036854775807, 9223372036854775807, 0)"), "do not make")
    bad(("(1, 2)", "(1,1,1,1,1,1,1,1,2)"), "more than 8 dimensions", "unsupported")
    bad(("False", "0"), "fortran_order: must be True or False")
    bad(("False", "Falsehood"), "no dict of three keys")
    bad(("'<f4'", "'|O'"), "holds Python objects (|O)", "unsupported")
    bad(("'<f4'", "'<c8'"), "elements of type <c8", "unsupported")
    bad(("'<f4'", "'<U2'"), "elements of type <U2", "unsupported")
    bad(("'<f4'", "'<M8[ns]'"), "elements of type <M8[ns]", "unsupported")
    bad(("'<f4'", "'<f16'"), "elements of type <f16", "unsupported")
    bad(("'<f4'", "''"), "descr: must be a text")
    bad(("'<f4'", "'<f4"), "no dict of three keys")
    bad(("'<f4'", "'<f\\x34'"), "descr: must be a text")
    bad(("'<f4'", "'" + "f" * 32 + "'"), "descr: must be a text")
    bad(("'<f4'", "[('a', '<f4')]"), "structured", "unsupported")
    refused("header too long", raw(whole + " " * 9942, d), "a header of 10001 bytes")
    refused("header past the end", raw(whole, length=99), "ends inside its header")
    refused("header of 4 GiB", raw(whole, d, 2, length=0xFFFFFFFF), "a header of 4294967295 bytes")
    refused("header empty", raw(""), "is no dict")
    refused("header many braces", raw("{" * 9000), "no dict of three keys")
    refused("version 4", raw(whole, d, 4), "version 4.0", "unsupported")
    refused("version 1.1", raw(whole, d, 1, 1), "version 1.1", "unsupported")
    refused("trailing bytes", raw(whole, d + b"\0"), "9 bytes of elements do not make 1x2")
    refused("no array", b"\x80\x02}q", "neither an .npy nor an .npz")
    refused("nothing", b"", "neither an .npy nor an .npz")


class Stream(io.RawIOBase):
    """Cannot seek: zipfile then writes data descriptors."""
    def __init__(self):
        super().__init__()
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def archives():
    a = {"x": np.arange(6, dtype="<f4").reshape(2, 3), "arg:w": np.ones(300, ">f8"), "g\u00e9": np.zeros((), "<i4")}
    for save in (np.savez, np.savez_compressed):
        out = io.BytesIO()
        save(out, **a)
        case(save.__name__, out.getvalue(), a.values())
    out = io.BytesIO()
    np.savez(out)
    case("no arrays", out.getvalue(), [])
    out = Stream()
    np.savez_compressed(out, **a)
    case("data descriptors", out.data, a.values())
    out = io.BytesIO()
    np.savez(out, **a)
    with zipfile.ZipFile(out, "a") as z:
        z.comment = b"PK\5\6" + b"c" * 30
    case("a comment", out.getvalue(), a.values())
    with zipfile.ZipFile(out, "a") as z:
        z.writestr(zipfile.ZipInfo("data.pkl"), b"x")
    refused("not an array", out.getvalue(), "it holds data.pkl", "unsupported")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as z:
        z.writestr(zipfile.ZipInfo("x.npy"), npy(a["x"]), zipfile.ZIP_BZIP2)
    refused("bzip2", out.getvalue(), "compression method 12", "unsupported")


class Entry:
    """One entry with everything that can be said of it, true unless told otherwise."""
    def __init__(self, name, data, deflate=False, **lies):
        packed = zlib.compressobj(9, zlib.DEFLATED, -15)
        stored = packed.compress(data) + packed.flush() if deflate else data
        self.stored, self.lies = lies.get("stored", stored), lies
        self.name = name
        self.f = {"flags": 0, "method": 8 if deflate else 0, "crc": zlib.crc32(data),
                  "csize": len(self.stored), "usize": len(data), "extra": b"", "name": name}

    def record(self, where):
        f = dict(self.f)
        f.update({k: v for k, v in self.lies.items() if k in f})
        f.update({k[len(where):]: v for k, v in self.lies.items() if k.startswith(where)})
        return f

    def local(self):
        f = self.record("local_")
        return struct.pack("<IHHHHHIIIHH", 0x04034B50, 45, f["flags"], f["method"], 0, 0, f["crc"], f["csize"],
                           f["usize"], len(f["name"]), len(f["extra"])) + f["name"] + f["extra"] + self.stored

    def central(self, at):
        f = self.record("central_")
        return struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 45, 45, f["flags"], f["method"], 0, 0, f["crc"],
                           f["csize"], f["usize"], len(f["name"]), len(f["extra"]), 0, 0, 0, 0,
                           self.lies.get("at", at)) + f["name"] + f["extra"]


def archive(*entries, zip64=False, n=None, size=None, at=None, before=b"", between=b"", disk=0, locator=None):
    body, places = before, []
    for e in entries:
        places.append(len(body))
        body += e.local()
    directory = b"".join(e.central(p) for e, p in zip(entries, places))
    n = len(entries) if n is None else n
    size = len(directory) if size is None else size
    at = len(body) if at is None else at
    out = body + directory + between
    if zip64:
        end = len(out)
        out += struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, n, n, size, at)
        out += struct.pack("<IIQI", 0x07064B50, 0, end if locator is None else locator, 1)
        n, size, at = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF
    return out + struct.pack("<IHHHHIIH", 0x06054B50, disk, 0, n, n, size, at, 0)


def hostile():
    a = np.arange(6, dtype="<f4").reshape(2, 3)
    x, y = npy(a), npy(a + 1)
    zeros = npy(np.zeros(9000, "<f4"))
    n = len(x)
    both = struct.pack("<HHQQ", 1, 16, n, n)
    ones = 0xFFFFFFFF
    case("zip64 end", archive(Entry(b"x.npy", x), Entry(b"y.npy", y, True), zip64=True), [a, a + 1])
    case("zip64 sizes", archive(Entry(b"x.npy", x, csize=ones, usize=ones, extra=struct.pack("<HHI", 7, 4, 9) + both)), [a])
    case("deflated zeros", archive(Entry(b"x.npy", zeros, True)), [np.zeros(9000)])
    case("order of the directory", archive(Entry(b"x.npy", x), Entry(b"y.npy", y, True)), [a, a + 1])

    def bad(name, data, text, kind="format"):
        refused("zip: " + name, data, text, kind)
    one = archive(Entry(b"x.npy", x))
    bad("cut off", one[:-1], "without its directory")
    bad("trailing bytes", one + b"\0", "without its directory")
    bad("bytes before", b"PK\3\4" + one, "claims a directory")
    bad("bytes behind the directory", archive(Entry(b"x.npy", x), between=b"\0" * 50), "claims a directory")
    bad("directory too long", archive(Entry(b"x.npy", x), size=ones), "claims a directory")
    bad("directory elsewhere", archive(Entry(b"x.npy", x), at=0), "claims a directory")
    bad("too many entries", archive(Entry(b"x.npy", x), n=2), "claims a directory of 2")
    bad("too few entries", archive(Entry(b"x.npy", x), Entry(b"y.npy", y), n=1), "are no entry")
    bad("several disks", archive(Entry(b"x.npy", x), disk=1), "several files", "unsupported")
    bad("zip64 end elsewhere", archive(Entry(b"x.npy", x), zip64=True, locator=2**63), "zip64 end record")
    bad("zip64 end here", archive(Entry(b"x.npy", x), zip64=True, locator=0), "zip64 end record")
    bad("zip64 count", archive(Entry(b"x.npy", x), zip64=True, n=2**60), "claims a directory of 1152921504606846976")
    bad("zip64 size", archive(Entry(b"x.npy", x), zip64=True, size=2**64 - 1), "claims a directory")
    bad("zip64 place", archive(Entry(b"x.npy", x), zip64=True, at=2**64 - 1), "claims a directory")
    bad("zip64 sizes missing", archive(Entry(b"x.npy", x, csize=ones, usize=ones)), "its sizes are missing")
    bad("zip64 sizes cut", archive(Entry(b"x.npy", x, csize=ones, usize=ones, extra=both[:-4])), "its sizes are missing")
    bad("zip64 size huge", archive(Entry(b"x.npy", x, csize=ones, usize=ones,
                                         extra=struct.pack("<HHQQ", 1, 16, 2**64 - 8, 2**64 - 8))), "reach into")
    bad("zip64 local sizes lie", archive(Entry(b"x.npy", x, csize=ones, usize=ones, extra=both,
                                               local_extra=struct.pack("<HHQQ", 1, 16, n, n + 1))), "disagree")
    bad("stored size lies", archive(Entry(b"x.npy", x, central_csize=n - 1)), "stored, but")
    bad("both sizes lie", archive(Entry(b"x.npy", x, csize=n - 4, usize=n - 4)), "CRC")
    bad("size past the entries", archive(Entry(b"x.npy", x, csize=n + 1, usize=n + 1)), "reach into")
    bad("local size lies", archive(Entry(b"x.npy", x, local_usize=n + 1)), "disagree")
    bad("local name lies", archive(Entry(b"x.npy", x, local_name=b"y.npy")), "disagree")
    bad("local name longer", archive(Entry(b"x.npy", x, local_name=b"x.npyy")), "disagree")
    bad("local method lies", archive(Entry(b"x.npy", x, local_method=8)), "disagree")
    bad("local CRC lies", archive(Entry(b"x.npy", x, local_crc=1)), "disagree")
    bad("CRC", archive(Entry(b"x.npy", x, crc=1)), "CRC")
    bad("encrypted", archive(Entry(b"x.npy", x, flags=1)), "is encrypted", "unsupported")
    bad("place lies", archive(Entry(b"x.npy", x, at=3)), "no entry begins at byte 3")
    bad("place in the directory", archive(Entry(b"x.npy", x, at=n + 35)), "behind the entries")
    bad("place behind the file", archive(Entry(b"x.npy", x, at=ones - 1)), "behind the entries")
    bad("same bytes twice", archive(Entry(b"x.npy", x), Entry(b"x.npy", x, at=0)), "share bytes")
    inner = Entry(b"y.npy", y).local()
    outer = npy(np.frombuffer(inner + b"\0" * (-len(inner) % 4), "u1"))
    bad("an entry within another", archive(Entry(b"x.npy", outer), Entry(b"y.npy", y, at=35 + outer.index(inner))),
        "share bytes")
    bad("duplicate names", archive(Entry(b"x.npy", x), Entry(b"x.npy", y)), "two entries are named x.npy")
    bad("no name", archive(Entry(b"", x)), "its name must be UTF-8")
    bad("NUL in a name", archive(Entry(b"a\0.npy", x)), "its name must be UTF-8")
    bad("name is no text", archive(Entry(b"\xff.npy", x)), "its name must be UTF-8")
    bad("a folder", archive(Entry(b"a/", b"")), "it holds a/", "unsupported")
    bad("inflates to less", archive(Entry(b"x.npy", zeros, True, usize=len(zeros) + 1)), "does not inflate")
    bad("inflates to more", archive(Entry(b"x.npy", zeros, True, usize=len(zeros) - 1)), "does not inflate")
    bad("deflated, more behind", archive(Entry(b"x.npy", x, True, stored=Entry(b"", x, True).stored + b"\0")), "does not inflate")
    bad("deflated, cut", archive(Entry(b"x.npy", x, True, stored=Entry(b"", x, True).stored[:-3])), "does not inflate")
    bad("no deflated bytes", archive(Entry(b"x.npy", zeros, True, stored=b"")), "cannot inflate")
    bad("bomb by claim", archive(Entry(b"x.npy", x, True, usize=2**31)), "cannot inflate")
    bad("bomb of many", archive(*(Entry(b"%d.npy" % i, x, True, stored=b"\0" * 12000, usize=12000 * 1000)
                                  for i in range(6))), "claim more than")
    bad("object array", archive(Entry(b"x.npy", npy(np.array([None])))), "holds Python objects", "unsupported")
    bad("no array inside", archive(Entry(b"x.npy", b"PK\3\4")), "x.npy: is no .npy array")


def checkpoint():
    """The cases that tests of the import look for by name."""
    out = io.BytesIO()
    w = np.array([[1, -2, 3], [-4, 5, -6]], "<f4")
    np.savez(out, **{"arg:plain": w, "aux:big": w.astype(">f4"), "turned": np.asfortranarray(w), "opt:none": w})
    packed = io.BytesIO()
    np.savez_compressed(packed, **{"arg:half": w.astype("<f2")})
    net = io.BytesIO()
    fc = np.arange(12, dtype="<f4").reshape(4, 3), np.array([0.5, 1.5, -2, 3], ">f4")
    np.savez_compressed(net, **{"arg:w": fc[0], "arg:b": fc[1]})
    case("checkpoint", out.getvalue(), [w] * 4)
    case("classifier", net.getvalue(), fc)
    case("compressed checkpoint", packed.getvalue(), [w])
    case("checkpoint of one", npy(w), [w])


arrays()
headers()
archives()
hostile()
checkpoint()
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "npy_cases.bin"), "wb") as f:
    for parts in cases:
        for part in parts:
            part = part.encode() if isinstance(part, str) else part
            f.write(struct.pack("<I", len(part)) + part)
print(len(cases), "cases")
