#!/usr/bin/python3
"""Writes f16_numpy.inc: float32 bits and numpy's float16 of them, every exponent and every kind of rest."""
import numpy as np

bits = {0, 0x80000000, 0x7F800000, 0xFF800000, 0x7F800001, 0x7FC00000, 0xFFFFFFFF, 0x7F802000}
for exponent in list(range(100, 145)) + [1, 50, 200, 254]:
    for rest in (0, 1, 0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x3001, 0x400000, 0x7FEFFF, 0x7FF000, 0x7FFFFF):
        bits.add(exponent << 23 | rest)
        bits.add(0x80000000 | exponent << 23 | rest)
x = np.array(sorted(bits), "<u4")
with np.errstate(over="ignore"):
    y = x.view("<f4").astype("<f2").view("<u2")
with open("f16_numpy.inc", "w", encoding="ascii") as f:
    for a, b in zip(x, y):
        f.write(f"{{0x{a:08x}, 0x{b:04x}}},\n")
