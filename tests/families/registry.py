"""The nets of the table, and how each is asked: a builder of its symbol, the input's shape, how the input is drawn."""
import importlib
from collections import namedtuple

# draw: (shift, scale) of a byte, see inputs.py; features: name of the tensor to compare besides the outputs, "fc" for what the
# last FullyConnected is fed, None for none
Net = namedtuple("Net", "name source build shape draw features")

UNIT = (127.5, 1 / 64)  # about -2..2
PIXELS = (0, 1)

NETS = {}


def add(name, source, build, shape=(3, 64, 64), draw=UNIT, features="fc"):
    assert name not in NETS, name
    NETS[name] = Net(name, source, build, shape, draw, features)


def load():
    """Every net by its name, in the table's order; needs MXNet."""
    for module in ("gluon", "plain", "inception", "residual", "mobile", "faces"):
        importlib.import_module("nets_" + module)
    return NETS
