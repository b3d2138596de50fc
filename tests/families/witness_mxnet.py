"""MXNet: makes a net's checkpoint and answers for it. Started by table.py with an interpreter that has MXNet 1.9.1."""
import logging
import zlib

import mxnet as mx
import numpy as np

import nets_gluon
import registry
import weights
from witness import distance, serve

BATCH = 2
logging.disable(logging.WARNING)


def save_structured(name, args, auxs, path):
    """The same weights as HybridBlock.save_parameters names them."""
    net, _ = nets_gluon.block(name)
    params = {p.name: p for p in net.collect_params().values()}
    for key, value in {**args, **auxs}.items():
        params[key].shape = value.shape
        params[key].initialize()
        params[key].set_data(value)
    net.save_parameters(path)


def feature_of(net, sym):
    return weights.feature_of(sym) if net.features == "fc" else net.features


def make_for_accuracy(question):
    """A checkpoint, and more pictures than its averages are of: those and others."""
    net, shape = registry.load()[question["net"]], question["shape"]
    sym, args, auxs, _ = weights.dressed(net, (BATCH, *shape))
    mx.model.save_checkpoint(question["folder"] + "/net", 0, sym, args, auxs)
    x = weights.picture((question["images"], *shape), zlib.crc32(net.name.encode()) % 1000, *net.draw)
    x.astype("<f4").tofile(question["folder"] + "/input.f32")
    return {"feature": feature_of(net, sym), "output": sym.list_outputs()[0]}


def photos(question):
    """Squashed to the size, with the first of what a record of preprocessing holds: order of channels, mean, scale."""
    _, h, w = question["shape"]
    x = np.stack([mx.image.imresize(mx.image.imread(p), w, h).asnumpy() for p in question["photos"]]).astype("f4")
    x = x[..., ::-1] if question["bgr"] else x
    x = (x - np.array(question["mean"], "f4")) * question["scale"]
    x.transpose(0, 3, 1, 2).astype("<f4").tofile(question["folder"] + "/input.f32")
    return {}


def make(question):
    net = registry.load()[question["net"]]
    folder = question["folder"]
    sym, args, auxs, x = weights.dressed(net, (BATCH, *net.shape))
    feature = feature_of(net, sym)
    taps = [feature] if feature else []
    single = weights.answers(sym, args, auxs, x, taps)
    own = weights.self_distances(sym, args, auxs, x, single)
    mx.model.save_checkpoint(folder + "/net", 0, sym, args, auxs)
    if net.source == nets_gluon.SOURCE and question.get("structured"):
        save_structured(net.name.split(" ", 1)[0], args, auxs, folder + "/structured.params")
    x.astype("<f4").tofile(folder + "/input.f32")
    np.savez(folder + "/answers.npz", input=x, **{f"y{i}": a for i, a in enumerate(single.values())})
    tensors = [{"name": n, "shape": list(a.shape), "is_output": n in sym.list_outputs(),
                "self": own.get(n)} for n, a in single.items()]
    return {"tensors": tensors, "feature": feature, "parameters": int(sum(a.size for a in args.values())),
            "version": mx.__version__}


def compare_raw(question):
    """A file of float32, the tensors one after the other."""
    known = np.load(question["answers"])
    raw, at, off = np.fromfile(question["raw"], "<f4"), 0, []
    for i in range(len(known.files) - 1):
        b = known[f"y{i}"]
        off.append(distance(raw[at:at + b.size].reshape(b.shape), b))
        at += b.size
    return {"off": off}


def answer(question):
    if "raw" in question:
        return compare_raw(question)
    if question.get("list"):
        return {"nets": [[n.name, n.source, n.shape] for n in registry.load().values()]}
    if "photos" in question:
        return photos(question)
    return make_for_accuracy(question) if "images" in question else make(question)


serve(answer)
