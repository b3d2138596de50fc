"""Make the goldens of this folder: what MMdnn's own parser made of narrow checkpoints, and MXNet's answers for them.

usage: make.py

Needs Python <= 3.11 with `pip install mxnet==1.9.1 numpy==1.23.5 mmdnn==0.3.1 protobuf==3.20.3`. The format of
golden.json and of the answers is that of ../mxnet/make.py; the checkpoint is MMdnn's ir.pb and ir.npy.
"""
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MXNET = os.path.join(os.path.dirname(HERE), "mxnet")
sys.path.insert(0, MXNET)

import make as mxnet_goldens
import mxnet as mx
from mmdnn.conversion.mxnet.mxnet_parser import MXNetParser
from nets import bn, conv, relu

S = mx.sym


def vgg(classes):
    """A map of several places is flattened into the first of three fully connected layers."""
    x = relu(conv(S.Variable("data"), 6, 3, "conv1", 1, 1, no_bias=False), "relu1")
    x = S.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool1")
    x = relu(conv(x, 8, 3, "conv2", 1, 1, no_bias=False), "relu2")
    x = S.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool2")
    x = relu(S.FullyConnected(S.Flatten(x, name="flatten"), num_hidden=12, name="fc6"), "relu6")
    x = S.Dropout(x, p=0.5, name="drop6")
    x = relu(S.FullyConnected(x, num_hidden=10, name="fc7"), "relu7")
    return S.SoftmaxOutput(S.FullyConnected(x, num_hidden=classes, name="fc8"), name="softmax")


def squeezenet(classes):
    """Pools that round up, which the IR does not say; scalars; a convolution that classifies."""
    def pool(x, name):
        return S.Pooling(x, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full", name=name)

    def fire(x, n, name):
        squeezed = relu(conv(x, n, 1, name + "_squeeze", no_bias=False), name + "_relu")
        wide = relu(conv(squeezed, n, 3, name + "_wide", p=1, no_bias=False), name + "_wide_relu")
        return S.Concat(relu(conv(squeezed, n, 1, name + "_thin", no_bias=False), name + "_thin_relu"), wide, name=name)

    x = S._internal._mul_scalar(S._internal._minus_scalar(S.Variable("data"), scalar=117, name="centred"), scalar=0.0125, name="scaled")
    x = fire(pool(relu(conv(x, 8, 3, "conv1", 2, no_bias=False), "relu1"), "pool1"), 4, "fire2")
    x = S.Dropout(fire(pool(x, "pool2"), 6, "fire3"), p=0.5, name="drop")
    x = relu(conv(x, classes, 1, "conv10", no_bias=False), "relu10")
    x = S.Pooling(x, kernel=(1, 1), global_pool=True, pool_type="avg", name="pool10")
    return S.SoftmaxOutput(S.Flatten(x, name="flatten"), name="softmax")


def mobilenet(classes):
    """Depthwise convolutions, one of them with two filters a channel; scales that are fixed."""
    x = relu(bn(conv(S.Variable("data"), 6, 3, "conv1", 2, 1), "bn1", fix_gamma=True), "relu1")
    x = relu(bn(conv(x, 6, 3, "conv2_dw", 1, 1, group=6), "bn2_dw"), "relu2_dw")
    x = relu(bn(conv(x, 8, 1, "conv2"), "bn2"), "relu2")
    x = relu(bn(conv(x, 16, 3, "conv3_dw", 2, 1, group=8), "bn3_dw", fix_gamma=True), "relu3_dw")
    x = relu(bn(conv(x, 12, 1, "conv3"), "bn3"), "relu3")
    x = relu(bn(conv(x, 12, 3, "conv4", 1, 1, group=3), "bn4"), "relu4")
    x = S.Flatten(S.Pooling(x, kernel=(7, 7), global_pool=True, pool_type="avg", name="pool"), name="flatten")
    return S.SoftmaxOutput(S.FullyConnected(x, num_hidden=classes, name="fc"), name="softmax")


# name: (symbol, or None for the checkpoint of that name in ../mxnet; input shape; (seed, shift, scale); feature tensor)
NETS = {
    "vgg": (vgg(7), (3, 13, 18), (41, 127, 0.0078125), "relu7_output"),
    "squeezenet": (squeezenet(9), (3, 40, 44), (42, 0, 1), None),
    "mobilenet": (mobilenet(8), (3, 26, 31), (43, 127, 0.0078125), "flatten_output"),
    "resnet-v2": (None, (3, 40, 56), (11, 0, 1), "flatten0_output"),
    "densenet": (None, (3, 14, 18), (18, 117, 0.017), "flatten0_output"),
}

for name, (sym, shape, draw, features) in NETS.items():
    folder = f"{HERE}/{name}"
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp:
        prefix = tmp + "/net"
        if sym is None:
            for end in ("-symbol.json", "-0000.params"):
                shutil.copy(f"{MXNET}/{name}/net{end}", prefix + end)
        else:
            mxnet_goldens.save(prefix, sym, mxnet_goldens.random_arrays(sym, shape, draw[0]), "1.9", "V2")
        MXNetParser([prefix + "-symbol.json", prefix, "0", list(shape)]).run(folder + "/ir")
        mxnet_goldens.golden(folder, prefix, 0, shape, draw, features, ["ir.pb", "ir.npy"])
    os.remove(folder + "/ir.json")
