"""One net of tests/families/registry.py as a checkpoint of random weights. Run by nets.py, with MXNet 1.9.1.

usage: checkpoint.py NET C,H,W PREFIX
"""
import logging
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/families"))

import mxnet as mx  # noqa: E402

import registry  # noqa: E402
import weights  # noqa: E402

BATCH = 2
logging.disable(logging.WARNING)


def main(name, shape, prefix):
    net = registry.load()[name]
    sym, args, auxs, _ = weights.dressed(net, (BATCH, *map(int, shape.split(","))))
    mx.model.save_checkpoint(prefix, 0, sym, args, auxs)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
