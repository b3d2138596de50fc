"""Make the goldens of this folder: what MXNet itself answers, in float32 and float64.

usage: make.py tiny                          every narrow checkpoint of nets.py, with random weights
       make.py families [NAME...]            a narrow net of each family of tests/families (families.py)
       make.py real DATA                     answers for trained checkpoints found under DATA (not copied)
       make.py resnet152-11k-small FOLDER    a checkpoint like the ImageNet-11k ResNet-152, few units
       make.py full PREFIX EPOCH C,H,W FEATURES FOLDER
                                             answers for any checkpoint; `test_parity FOLDER` compares (absolute path)

Needs Python <= 3.11 with `pip install mxnet==1.9.1 numpy==1.23.5`. One folder a golden; golden.json tells how
the input is drawn (inputs.py), which arrays are the checkpoint, and which file holds which tensor.
"""
import json
import os
import sys

if sys.argv[1:2] == ["families"]:  # oneDNN cannot join maps of two channels in training
    os.environ.update(MXNET_MKLDNN_ENABLED="0", MXNET_STORAGE_FALLBACK_LOG_VERBOSE="0")

import mxnet as mx
import numpy as np

import legacy
import nets
from inputs import golden_input

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 2

# name: (symbol, input shape, (seed, shift, scale), JSON age, array version, feature tensor)
TINY = {
    "resnet-v2": (nets.resnet_v2((2, 1, 1, 1), (4, 8, 8, 16, 16), 10), (3, 40, 56), (11, 0, 1), "0.8", "V0", "flatten0_output"),
    "inception": (nets.inception(7), (3, 29, 35), (12, 117, 0.01), "1.9", "V2", "flatten0_output"),
    "alexnet": (nets.alexnet(9), (3, 35, 35), (13, 120, 0.02), "0.9.5", "V1", "relu6_output"),
    "heads": (nets.heads(0), (3, 12, 14), (14, 127.5, 0.0078125), "0.8", "V0", "prelu3_output"),
    "mobilenet": (nets.mobilenet(12), (3, 33, 32), (15, 0, 1), "1.9", "V2", "flatten_output"),
    "mobilenet-half": (nets.mobilenet(12), (3, 32, 33), (16, 0, 1), "1.9", "half", "flatten_output"),
    "squeeze-excite": (nets.squeeze_excite(6), (3, 21, 19), (17, 127, 0.0078125), "1.9", "sparse", "flatten0_output"),
    "densenet": (nets.densenet(5), (3, 14, 18), (18, 117, 0.017), "0.9.5", "V2", "flatten0_output"),
    "last-window": (nets.last_window(4), (3, 8, 8), (19, 127, 0.0078125), "1.9", "V2", "flatten0_output"),
}
# name: (files under DATA without ending, epoch, input shape, (seed, shift, scale), feature tensor)
REAL = {
    "efficientnet-lite0": ("efficientnet-lite0/efficientnet-lite0", 0, (3, 224, 224), (21, 127, 0.0078125), "flatten0_output"),
    "squeezenet-v1.0": ("squeezenet-v1.0/squeezenet_v1.0", 0, (3, 227, 227), (22, 110, 1), "flatten_output"),
    "mobilefacenet": ("mobilefacenet/model", 0, (3, 112, 112), (23, 0, 1), "conv_6dw7_7_batchnorm_output"),
    "det1-12x12": ("mtcnn/det1", 1, (3, 12, 12), (24, 127.5, 0.0078125), "prelu3_output"),
    "det1-37x50": ("mtcnn/det1", 1, (3, 37, 50), (25, 127.5, 0.0078125), None),
    "det2": ("mtcnn/det2", 1, (3, 24, 24), (26, 127.5, 0.0078125), "prelu4_output"),
    "det3": ("mtcnn/det3", 1, (3, 48, 48), (27, 127.5, 0.0078125), "prelu5_output"),
}
NO_FEATURES = ("squeezenet_v1.0",)  # convolutions classify: its tap is one more tensor to compare


def random_arrays(sym, shape, seed):
    """Sane weights: He-normal, residual branches damped, statistics as a forward pass would leave them, roughly."""
    rng = np.random.default_rng(seed)
    arg_shapes, _, aux_shapes = sym.infer_shape(data=(BATCH, *shape))
    arrays = {}
    for name, s in zip(sym.list_arguments(), arg_shapes):
        if name == "data" or name.endswith("label"):
            continue
        if name.endswith("weight"):
            gain = 0.5 if name.endswith("conv3_weight") else 1
            a = rng.normal(0, gain * np.sqrt(2 / np.prod(s[1:])), s)
        elif name.endswith("gamma"):
            a = rng.uniform(0.1, 0.4, s) if "relu" in name else rng.uniform(0.5, 1.5, s)  # slope of a PReLU, or scale
        else:
            a = rng.normal(0, 0.1, s)
        arrays["arg:" + name] = a.astype(np.float32)
    for name, s in zip(sym.list_auxiliary_states(), aux_shapes):
        pixels = name.startswith("bn_data")
        a = (rng.uniform(0.5, 1.5, s) * (5400 if pixels else 1) if name.endswith("var") else
             rng.normal(127 if pixels else 0, 0.1, s))
        arrays["aux:" + name] = a.astype(np.float32)
    return arrays


def save(prefix, sym, arrays, age, version):
    text = {"1.9": lambda t: t, "0.9.5": legacy.json_of_095, "0.8": legacy.json_of_08}[age](sym.tojson())
    with open(prefix + "-symbol.json", "w", encoding="utf-8") as f:
        f.write(text.rstrip("\n") + "\n")
    path = prefix + "-0000.params"
    if version in ("V0", "V1"):
        {"V0": legacy.save_v0, "V1": legacy.save_v1}[version](path, arrays)
    else:
        kept = {k: mx.nd.array(v, dtype="float16" if version == "half" else "float32") for k, v in arrays.items()}
        if version == "sparse":  # every other row of these is zero
            for k in ("arg:gate1_weight", "arg:fc1_weight"):
                arrays[k][::2] = 0
                kept[k] = mx.nd.array(arrays[k]).tostype("row_sparse")
        mx.nd.save(path, kept)
    for k, v in mx.nd.load(path).items():
        same = v.tostype("default").asnumpy()
        assert np.array_equal(same, arrays[k].astype(same.dtype)), k


def answers(sym, params, x, taps, dtype):
    """The graph's outputs and the taps, as MXNet computes them."""
    internals = sym.get_internals()
    names = list(dict.fromkeys(sym.list_outputs() + taps))
    group = mx.sym.Group([internals[n] for n in names])
    bind = {"data": mx.nd.array(x, dtype=dtype)}
    for k, v in params.items():
        bind[k.split(":", 1)[1]] = v.tostype("default").astype(dtype)
    shapes, _, _ = group.infer_shape(data=x.shape)
    for name, s in zip(group.list_arguments(), shapes):
        if name not in bind:
            assert name.endswith("label"), name
            bind[name] = mx.nd.zeros(s, dtype=dtype)
    states = {k: bind[k] for k in group.list_auxiliary_states()}
    ex = group.bind(mx.cpu(), {k: bind[k] for k in group.list_arguments()}, aux_states=states)
    return {n: o.asnumpy() for n, o in zip(names, ex.forward(is_train=False))}


def golden(folder, prefix, epoch, shape, draw, features, checkpoint):
    """Write the answers and golden.json; both files of the checkpoint are loaded by MXNet as they lie there."""
    os.makedirs(folder, exist_ok=True)
    sym = mx.sym.load(prefix + "-symbol.json")
    params = mx.nd.load(f"{prefix}-{epoch:04d}.params")
    seed, shift, scale = draw
    x = golden_input((BATCH, *shape), seed, shift, scale)
    taps = [features] if features else []
    single = answers(sym, params, x, taps, "float32")
    try:
        double = answers(sym, params, x, taps, "float64")
    except mx.base.MXNetError:  # LRN, Crop and SoftmaxActivation know float32 only
        double = {}
    tensors = []
    for i, (name, a) in enumerate(single.items()):
        np.save(f"{folder}/{i}-f32.npy", a.astype("<f4"))
        tensors.append({"name": name, "float32": f"{i}-f32.npy"})
        off = "unknown"
        if name in double:
            tensors[-1]["float64"] = f"{i}-f64.npy"
            np.save(f"{folder}/{i}-f64.npy", double[name].astype("<f8"))
            off = f"{np.abs(a - double[name]).max() / np.abs(double[name]).max():.1e}"
        print(f"{os.path.basename(folder):20} {name:32} {str(a.shape):20} max {np.abs(a).max():<8.3g} off float64 by {off}")
    about = {"checkpoint": checkpoint, "input_shape": list(shape), "batch": BATCH, "seed": seed, "shift": shift,
             "scale": scale, "default_features": None if prefix.endswith(NO_FEATURES) else features, "tensors": tensors,
             "made_by": "MXNet " + mx.__version__}
    with open(f"{folder}/golden.json", "w", encoding="utf-8") as f:
        json.dump(about, f, indent=1)
        f.write("\n")


def tiny():
    for name, (sym, shape, draw, age, version, features) in TINY.items():
        folder = f"{HERE}/{name}"
        os.makedirs(folder, exist_ok=True)
        save(folder + "/net", sym, random_arrays(sym, shape, draw[0]), age, version)
        golden(folder, folder + "/net", 0, shape, draw, features, ["net-symbol.json", "net-0000.params"])


def narrow_families(*names):
    import families
    for i, (name, (build, shape, draw, features)) in enumerate(families.NETS.items()):
        if names and name not in names:
            continue
        folder, seed = f"{HERE}/families/{name}", 100 + i
        os.makedirs(folder, exist_ok=True)
        with mx.name.NameManager():
            sym = build()
        x = golden_input((BATCH, *shape), seed, *draw)
        families.save(folder + "/net", sym, families.checkpoint(sym, x))
        feature = families.weights.feature_of(sym) if features == "fc" else features
        golden(folder, folder + "/net", 0, shape, (seed, *draw), feature, ["net-symbol.json", "net-0000.params"])


def real(data):
    for name, (prefix, epoch, shape, draw, features) in REAL.items():
        golden(f"{HERE}/{name}", f"{data}/{prefix}", epoch, shape, draw, features,
               [f"{prefix}-symbol.json", f"{prefix}-{epoch:04d}.params"])


def resnet152_11k_small(folder):
    """All of the real one's kinds of layers and its 11,221 classes, behind 16 features."""
    os.makedirs(folder, exist_ok=True)
    sym = nets.resnet_v2((1, 1, 1, 1), (4, 8, 8, 16, 16), 11221)
    shape, prefix = (3, 224, 224), folder + "/resnet152-11k-small"
    save(prefix, sym, random_arrays(sym, shape, 31), "0.8", "V0")
    with open(folder + "/synset.txt", "w", encoding="utf-8") as f:
        f.writelines(f"n{i:08d} class {i}\n" for i in range(11221))
    golden(folder, prefix, 0, shape, (31, 0, 1), "flatten0_output",
           ["resnet152-11k-small-symbol.json", "resnet152-11k-small-0000.params"])


def full(prefix, epoch, shape, features, folder):
    golden(folder, prefix, int(epoch), tuple(map(int, shape.split(","))), (32, 127.5, 0.0135), features,
           [os.path.abspath(prefix) + "-symbol.json", f"{os.path.abspath(prefix)}-{int(epoch):04d}.params"])


if __name__ == "__main__":
    {"tiny": tiny, "families": narrow_families, "real": real, "resnet152-11k-small": resnet152_11k_small, "full": full}[sys.argv[1]](*sys.argv[2:])
