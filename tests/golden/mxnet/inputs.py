"""The inputs of the goldens: the same numbers as pn_golden_input() in tests/support/golden.c."""
import numpy as np


def splitmix64(seed, n):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def golden_input(shape, seed, shift, scale):
    """(u - shift) * scale, u uniform in 0..255; computed in double, rounded to float32 once."""
    u = (splitmix64(seed, int(np.prod(shape))) >> np.uint64(56)).astype(np.float64)
    return ((u - shift) * scale).astype(np.float32).reshape(shape)
