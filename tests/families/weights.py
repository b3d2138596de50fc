"""Sane random weights: a net behaves as a trained one does, and a difference of implementation is seen, not chaos.

Layers are He-normal, what ends a residual branch is a quarter of that, and the moving statistics of every BatchNorm are those
of a forward pass in training, so that activations stay of order one however deep the net is.
"""
import json
import os
import sys
import zlib

import mxnet as mx
import numpy as np

from witness import distance

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/mxnet"))

from inputs import golden_input  # noqa: E402


def picture(shape, seed, shift, scale):
    """Bytes with large shapes in them, as photos have: of white noise a net's averages know nothing, and BatchNorm after
    BatchNorm would lift nothing but rounding errors."""
    x = golden_input(shape, seed, 0, 0.25)
    for i, cells in enumerate((2, 4, 8)):
        coarse = golden_input((*shape[:2], cells, cells), seed + 1000 * (i + 1), 0, 0.25)
        rows, columns = (np.arange(n) * cells // n for n in shape[2:])
        x += coarse[:, :, rows][:, :, :, columns]
    return ((np.round(x) - shift) * scale).astype("f4")


def is_label(name):
    return name.endswith("label")


def _branch_ends(graph):
    """Names of the weights and scales that end a residual branch: a convolution or a BatchNorm before an addition, perhaps gated."""
    nodes, ends = graph["nodes"], set()
    for n in nodes:
        if n["op"] not in ("elemwise_add", "_Plus", "broadcast_add"):
            continue
        for e in n["inputs"]:
            before = nodes[e[0]]
            if before["op"] == "broadcast_mul":
                before = nodes[before["inputs"][0][0]]
            if before["op"] in ("Convolution", "BatchNorm") and len(before["inputs"]) > 1:
                ends.add(nodes[before["inputs"][1][0]]["name"])
    return ends


def _draw(name, shape, is_end, rng):
    gain = 0.25 if is_end else 1
    if name.endswith("weight") and len(shape) > 1:
        return rng.normal(0, gain * np.sqrt(2 / np.prod(shape[1:])), shape)
    if name.endswith("gamma") and "relu" not in name and "prelu" not in name:
        return gain * rng.uniform(0.5, 1.5, shape)
    if name.endswith(("gamma", "alpha")):
        return rng.uniform(0.1, 0.4, shape)  # slopes of PReLU
    return rng.normal(0, 0.1, shape)


def random_weights(sym, shape, seed):
    rng = np.random.default_rng(seed)
    arg_shapes, _, aux_shapes = sym.infer_shape(data=shape)
    ends = _branch_ends(json.loads(sym.tojson()))
    args = {n: mx.nd.array(_draw(n, s, n in ends, rng).astype("f")) for n, s in zip(sym.list_arguments(), arg_shapes)
            if n != "data" and not is_label(n)}
    auxs = {n: (mx.nd.ones if n.endswith("var") else mx.nd.zeros)(s) for n, s in zip(sym.list_auxiliary_states(), aux_shapes)}
    return args, auxs


def _floored(variance, mean):
    """Where two images leave a channel almost at rest, its BatchNorm would lift nothing but rounding errors: no variance far
    below the others' or below what the mean is made of."""
    return mx.nd.maximum(mx.nd.maximum(variance, 0.5 * variance.mean().asscalar()), mean * mean)


def calibrate(sym, args, auxs, x):
    """The moving statistics that one pass in training over x leaves, with no momentum."""
    graph = json.loads(sym.tojson())
    scales = []
    for n in graph["nodes"]:
        if n["op"] == "BatchNorm":
            n.setdefault("attrs", {}).update(momentum="0", use_global_stats="False")
            scales.append(graph["nodes"][n["inputs"][1][0]]["name"])
    if not scales:
        return auxs
    free = mx.sym.load_json(json.dumps(graph))
    bind = dict(args, data=mx.nd.array(x))
    for name, s in zip(free.list_arguments(), free.infer_shape(data=x.shape)[0]):
        if name not in bind:
            bind[name] = mx.nd.zeros(s)
    # MXNet updates them on the way back: a gradient of the scales is the cheapest one that passes every BatchNorm
    grads = {n: mx.nd.zeros(bind[n].shape) for n in scales}
    ex = free.bind(mx.cpu(), bind, args_grad=grads, aux_states={k: v.copy() for k, v in auxs.items()})
    out = ex.forward(is_train=True)
    ex.backward([mx.nd.ones_like(o) for o in out])
    mx.nd.waitall()  # the copies below do not wait for the updates by themselves
    found = {k: v.copy() for k, v in ex.aux_dict.items()}
    return {k: _floored(v, found[k[:-3] + "mean"]) if k.endswith("var") else v for k, v in found.items()}


def dressed(net, shape):
    """A net of the registry for inputs of that shape: its symbol, its weights, its moving statistics, the input they are from."""
    sym, seed = net.build(), zlib.crc32(net.name.encode())
    x = picture(shape, seed % 1000, *net.draw)
    args, auxs = random_weights(sym, shape, seed)
    return sym, args, calibrate(sym, args, auxs, x), x


def self_distances(sym, args, auxs, x, single):
    """name -> how far float32 is from float64 in MXNet itself; what knows float32 only is left out."""
    known = {}
    for names in [list(single)] + [[n] for n in single]:
        if set(names) <= set(known):
            continue
        try:
            double = answers(mx.sym.Group([sym.get_internals()[n] for n in names]), args, auxs, x, [], "float64")
        except mx.base.MXNetError:
            continue
        known.update((n, distance(single[n], a)) for n, a in double.items())
    return known


def answers(sym, args, auxs, x, taps, dtype="float32"):
    """name -> array: the symbol's outputs and the taps."""
    internals = sym.get_internals()
    names = list(dict.fromkeys(sym.list_outputs() + taps))
    group = mx.sym.Group([internals[n] for n in names])
    bind = {k: v.astype(dtype) for k, v in args.items()}
    bind["data"] = mx.nd.array(x, dtype=dtype)
    for name, s in zip(group.list_arguments(), group.infer_shape(data=x.shape)[0]):
        if name not in bind:
            assert is_label(name), name
            bind[name] = mx.nd.zeros(s, dtype=dtype)
    states = {k: auxs[k].astype(dtype) for k in group.list_auxiliary_states()}
    ex = group.bind(mx.cpu(), {k: bind[k] for k in group.list_arguments()}, aux_states=states)
    return {n: o.asnumpy() for n, o in zip(names, ex.forward(is_train=False))}


def feature_of(sym):
    """Name of what the last FullyConnected is fed, seen through Dropout; None if there is none."""
    nodes = json.loads(sym.tojson())["nodes"]
    dense = [n for n in nodes if n["op"] == "FullyConnected"]
    if not dense:
        return None
    at = nodes[dense[-1]["inputs"][0][0]]
    while at["op"] == "Dropout":
        at = nodes[at["inputs"][0][0]]
    return None if at["op"] == "null" else at["name"] + "_output"
