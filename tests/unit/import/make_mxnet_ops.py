"""Make mxnet_ops.bin: one small net an operator, and what MXNet 1.9.1 answers for it.

Needs MXNet 1.9.1 (`pip install mxnet==1.9.1 numpy==1.23.5`, Python <= 3.11); MXNET_MKLDNN_ENABLED=0, since oneDNN lacks
grouped deconvolution. Little-endian records, one after the other:
u32 sizes of name, symbol, params; u32 n, n x u32 input dimensions; u32 floats of the answer; then these in that order.
The input is golden_input(shape, seed 7, shift, scale) of tests/golden/mxnet/inputs.py, shift 128 (-0.5 where it must be
positive), scale 1/64. Outputs follow each other in the symbol's order.
"""
import os
import random
import struct
import sys
import tempfile

os.environ["MXNET_MKLDNN_ENABLED"] = "0"
import mxnet as mx
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../golden/mxnet"))
from inputs import golden_input

S = mx.sym
d = S.Variable("data")
rng = np.random.default_rng(5)
out = open(os.path.join(HERE, "mxnet_ops.bin"), "wb")


def case(name, sym, shape=(1, 6, 5, 4), positive=False):
    shapes, _, aux_shapes = sym.infer_shape(data=shape)
    x = golden_input(shape, 7, -0.5 if positive else 128, 1 / 64)
    arg, aux, bind = {}, {}, {"data": mx.nd.array(x)}
    for n, s in zip(sym.list_arguments(), shapes):
        if n.endswith("label"):
            bind[n] = mx.nd.zeros(s)
        elif n != "data":
            arg[n] = mx.nd.array(rng.normal(0, 0.5, s).astype("f"))
    for n, s in zip(sym.list_auxiliary_states(), aux_shapes):
        aux[n] = mx.nd.array((np.abs(rng.normal(0, 0.5, s)) + 0.2).astype("f"))
    y = sym.bind(mx.cpu(), dict(arg, **bind), aux_states=dict(aux)).forward(is_train=False)
    answer = np.concatenate([o.asnumpy().ravel() for o in y]).astype("<f4")
    with tempfile.TemporaryDirectory() as folder:
        mx.model.save_checkpoint(folder + "/n", 0, sym, arg, aux)
        symbol = open(folder + "/n-symbol.json", "rb").read()
        params = open(folder + "/n-0000.params", "rb").read()
    name = ("+" if positive else "") + name
    out.write(struct.pack("<IIII", len(name), len(symbol), len(params), len(shape)))
    out.write(struct.pack("<%dI" % len(shape), *shape) + struct.pack("<I", answer.size))
    out.write(name.encode() + symbol + params + answer.tobytes())


def layers():
    case("conv", S.Convolution(d, kernel=(3, 2), stride=(2, 1), pad=(1, 2), dilate=(2, 1), num_filter=4, num_group=2))
    case("deconv", S.Deconvolution(d, kernel=(3, 4), stride=(2, 3), pad=(1, 1), adj=(1, 2), num_filter=4, num_group=2))
    case("deconv bias", S.Deconvolution(d, kernel=(3, 4), stride=(2, 2), num_filter=4, no_bias=False))
    case("deconv target", S.Deconvolution(d, kernel=(4, 4), stride=(2, 2), target_shape=(9, 8), num_filter=4))
    case("fc", S.FullyConnected(d, num_hidden=5))
    case("fc last axis", S.FullyConnected(d, num_hidden=5, flatten=False))
    case("fc last axis, no bias", S.FullyConnected(d, num_hidden=5, flatten=False, no_bias=True))
    case("fc of 2-D", S.FullyConnected(S.Flatten(d), num_hidden=5, no_bias=True))
    case("upsampling", S.UpSampling(d, scale=3, sample_type="nearest"))
    small = S.Pooling(d, kernel=(2, 2), stride=(2, 2))
    for m in ("concat", "sum"):
        case("upsampling of two, " + m,
             S.UpSampling(d, small, scale=2, sample_type="nearest", num_args=2, multi_input_mode=m), (1, 6, 4, 4))
    for s in (2, 3):
        case("bilinear %d" % s,
             S.UpSampling(d, S.Variable("w"), scale=s, sample_type="bilinear", num_filter=6, num_args=2))


    resize = S.contrib.BilinearResize2D
    for aligns in (True, False):
        for h, w in ((7, 3), (1, 9), (5, 4)):
            case("resize to %dx%d, %s" % (h, w, aligns), resize(d, height=h, width=w, align_corners=aligns))
    case("resize by numbers", resize(d, scale_height=1.5, scale_width=0.7))
    for m in ("odd_scale", "to_even_down", "to_even_up", "to_odd_down", "to_odd_up"):
        case("resize " + m, resize(d, scale_height=2, scale_width=3, mode=m))
    case("resize like", resize(d, small, mode="like"))


def pools():
    fixed = (((3, 3), (2, 2), (0, 0), (8, 9)), ((3, 3), (3, 3), (1, 1), (8, 8)), ((3, 2), (2, 3), (1, 1), (10, 11)),
             ((2, 2), (2, 2), (0, 0), (7, 7)), ((5, 3), (4, 2), (2, 1), (6, 6)))
    random.seed(3)
    odd = []
    while len(odd) < 16:
        k, s, p, n = [[random.randint(*r) for _ in range(2)] for r in ((1, 5), (1, 4), (0, 3), (4, 9))]
        if all(k[i] <= n[i] + 2 * p[i] for i in range(2)):
            odd.append((k, s, p, n))
    kinds = [(c, t, i) for c in ("valid", "full") for t in ("max", "avg", "sum") for i in (True, False) if t == "avg" or i]
    for n, (c, t, i) in enumerate(kinds):
        for k, s, p, size in fixed + tuple(odd[n::4]):
            case("pool %s %s %s %s %s %s %s" % (c, t, i, k, s, p, size),
                 S.Pooling(d, kernel=k, stride=s, pad=p, pool_type=t, pooling_convention=c, count_include_pad=i),
                 (1, 2) + tuple(size))
    for p in (1, 2, 3):
        for c in ("valid", "full"):
            case("pool lp %d %s" % (p, c), S.Pooling(d, kernel=(3, 2), stride=(2, 2), pad=(1, 0), pool_type="lp", p_value=p,
                                                     pooling_convention=c))
        case("global lp %d" % p, S.Pooling(d, global_pool=True, kernel=(1, 1), pool_type="lp", p_value=p))
    for t in ("max", "avg", "sum"):
        case("global " + t, S.Pooling(d, global_pool=True, kernel=(2, 2), pad=(1, 1), pool_type=t))
    for n in (1, (5, 2)):
        case("adaptive %s" % (n,), S.contrib.AdaptiveAvgPooling2D(d, output_size=n))


def norms():
    case("bn", S.BatchNorm(d, fix_gamma=False))
    case("bn fixed", S.BatchNorm(d, eps=2e-5))
    case("bn of 2-D", S.BatchNorm(S.Flatten(d), fix_gamma=False))
    for axis in (2, 3, -1):
        case("bn axis %d" % axis, S.BatchNorm(d, fix_gamma=False, axis=axis))
    case("bn fixed axis -1", S.BatchNorm(d, axis=-1))
    case("instance", S.InstanceNorm(d, S.Variable("g"), S.Variable("b")))
    case("layer", S.LayerNorm(d, S.Variable("g"), S.Variable("b")))
    case("layer 1", S.LayerNorm(d, S.Variable("g"), S.Variable("b"), axis=1))
    case("lrn", S.LRN(d, nsize=5, alpha=0.1))
    for m in ("instance", "channel", "spatial"):
        case("l2 " + m, S.L2Normalization(d, mode=m, eps=1e-2))


def elements():
    for a in ("relu", "sigmoid", "tanh", "softrelu", "softsign"):
        case("activation " + a, S.Activation(d, act_type=a))
    for a in ("leaky", "elu", "selu", "gelu"):
        case("leaky " + a, S.LeakyReLU(d, act_type=a, slope=0.1))
    case("leaky rrelu", S.LeakyReLU(d, act_type="rrelu")[0])
    case("prelu", S.LeakyReLU(d, S.Variable("g"), act_type="prelu"))
    case("prelu of 2-D", S.LeakyReLU(S.Flatten(d), S.Variable("g"), act_type="prelu"))
    case("prelu of one", S.LeakyReLU(d, S.Variable("g", shape=(1,)), act_type="prelu"))
    for f in ("relu", "sigmoid", "tanh", "softsign", "exp", "erf", "negative", "square", "abs", "identity", "BlockGrad",
              "make_loss"):
        case(f, getattr(S, f)(d))
    for f in ("log", "sqrt", "rsqrt", "reciprocal"):
        case(f, getattr(S, f)(d), positive=True)
    case("hard_sigmoid", S.hard_sigmoid(d, alpha=0.3, beta=0.4))
    case("clip", S.clip(d, a_min=-0.5, a_max=0.25))
    inf = float("inf")
    for least, most in ((-inf, 0.25), (-0.5, inf), (-inf, inf)):
        case("clip %g %g" % (least, most), S.clip(d, a_min=least, a_max=most))
    w, r = S.Variable("w", shape=(1, 6, 1, 1)), S.relu(d)
    for f in ("add", "sub", "mul", "div", "maximum", "minimum"):
        case("broadcast_" + f, getattr(S, "broadcast_" + f)(d, w))
    case("broadcast_power", S.broadcast_power(d, w), positive=True)
    for f in ("add", "sub", "mul", "div"):
        case("elemwise_" + f, getattr(S, "elemwise_" + f)(d, S.exp(r)))
    case("x + x", S.elemwise_add(d, d))
    case("_maximum", S._internal._maximum(d, r * 0.3))
    case("add_n", S.add_n(d, r, S.tanh(d)))
    case("scalars", (2 - (d * 3 + 1) / 7) ** 2 + 0.5 - 2 / (S.abs(d) + 1))
    case("_rpower_scalar", S._internal._rpower_scalar(d, scalar=2.5))
    case("scalar extremes", S._internal._maximum_scalar(S._internal._minimum_scalar(d, scalar=0.3), scalar=-0.2))
    for f in ("sum", "mean", "max", "min"):
        for axis, keep, exclude in (((2, 3), True, False), (1, False, False), ((0, 1), False, True), (-1, False, False)):
            case("%s %s" % (f, axis), getattr(S, f)(d, axis=axis, keepdims=keep, exclude=exclude))
    for o in (1, 2):
        case("norm %d" % o, S.norm(d, ord=o, axis=(2, 3)))
        case("norm %d kept" % o, S.norm(d, ord=o, axis=1, keepdims=True))


def moves():
    case("flatten", S.Flatten(d))
    for codes, reverse in (((0, -1), False), ((0, -4, 2, -1, -2), False), ((0, -3, -2), False), ((-1, 120), False),
                           ((0, 0, -1), False), ((0, 3, -1, 0), False), ((0, -4, 3, 2, -2), False),
                           ((-2, 1, 1), False), ((0, 30, -1), False), ((0, 0, 0, -4, -1, 2), False),
                           ((0, 0, 0, 2, -1, -4), True)):
        case("reshape %s %s" % (codes, reverse), S.Reshape(d, shape=codes, reverse=reverse))
    case("transpose", S.transpose(d, axes=(0, 2, 3, 1)))
    case("swapaxis", S.SwapAxis(d, dim1=1, dim2=3))
    case("expand_dims", S.expand_dims(d, axis=2))
    case("squeeze", S.squeeze(d, axis=(2,)), (1, 3, 1, 4))
    case("concat", S.Concat(d, S.relu(d), d))
    case("concat -1", S.Concat(d, S.relu(d), dim=-1))
    parts = S.SliceChannel(d, num_outputs=3)
    case("slice channel", S.Group([parts[2], parts[0], parts[1]]))
    parts = S.SliceChannel(d, num_outputs=5, axis=2, squeeze_axis=True)
    case("slice channel, squeezed", S.Group([parts[2], parts[4]]))
    parts = S.split_v2(d, (1, 4), axis=1)
    case("split_v2", S.Group([parts[2], parts[0], parts[1]]))
    case("split_v2 sections", S.Group(list(S.split_v2(d, 5, axis=2, squeeze_axis=True))))
    for axis in (1, 2, -1):
        case("stack %d" % axis, S.stack(d, S.relu(d), d, axis=axis))
    case("shuffle", S.reshape(S.swapaxes(S.reshape(d, shape=(0, -4, 3, -1, -2)), dim1=1, dim2=2), shape=(0, -3, -2)))
    case("slice_axis", S.slice_axis(d, axis=1, begin=1, end=-2))
    case("slice_axis to the end", S.slice_axis(d, axis=2, begin=-3, end=None))
    case("slice", S.slice(d, begin=(None, 1, None, -1), end=(None, None, -1, None), step=(None, 2, 3, -2)))
    half = S.Pooling(d, kernel=(2, 2), stride=(2, 2))
    case("slice_like", S.slice_like(d, half, axes=(2, 3)))
    case("crop", S.Crop(d, offset=(1, 2), h_w=(3, 2), num_args=1))
    case("crop centre", S.Crop(d, h_w=(2, 3), center_crop=True, num_args=1))
    case("crop like", S.Crop(d, half, num_args=2, offset=(2, 1)))
    for m in ("constant", "edge", "reflect"):
        case("pad " + m, S.Pad(d, mode=m, pad_width=(0, 0, 0, 0, 1, 2, 3, 1), constant_value=0.5))


def heads():
    case("softmax", S.softmax(d))
    case("softmax 1, cooled", S.softmax(d, axis=1, temperature=2.5))
    case("log_softmax", S.log_softmax(d, axis=1))
    case("softmin", S.softmin(d))
    case("SoftmaxOutput", S.SoftmaxOutput(d))
    case("SoftmaxOutput of 2-D", S.SoftmaxOutput(S.Flatten(d)))
    case("SoftmaxOutput multi", S.SoftmaxOutput(d, multi_output=True))
    case("SoftmaxOutput preserved", S.SoftmaxOutput(d, preserve_shape=True))
    case("SoftmaxActivation", S.SoftmaxActivation(d))
    case("SoftmaxActivation channel", S.SoftmaxActivation(d, mode="channel"))
    case("LinearRegressionOutput", S.LinearRegressionOutput(d))
    case("LogisticRegressionOutput", S.LogisticRegressionOutput(d))
    case("MAERegressionOutput", S.MAERegressionOutput(d))
    case("dropout", S.Dropout(d, p=0.4))
    case("cast", S.Cast(d, dtype="float32"))
    case("cast to double and back", S.Cast(S.Cast(d, dtype="float64") * 3, dtype="float32"))
    case("amp_cast", S.amp_cast(d, dtype="float32"))
    both = S.amp_multicast(d, S.relu(d), num_outputs=2)
    case("amp_multicast", S.Group([both[1], both[0]]))


def rare():
    """Attributes that nets seldom spell out, and defaults that they do."""
    r = S.relu(d)
    case("deconv dilated", S.Deconvolution(d, kernel=(3, 2), dilate=(2, 3), pad=(1, 0), layout="NCHW", num_filter=3))
    case("instance eps", S.InstanceNorm(d, S.Variable("g"), S.Variable("b"), eps=0.5))
    case("layer eps", S.LayerNorm(d, S.Variable("g"), S.Variable("b"), axis=2, eps=0.5))
    case("bn global", S.BatchNorm(d, fix_gamma=False, use_global_stats=True, eps=0.1, output_mean_var=True)[0])
    case("lrn defaults", S.LRN(d, nsize=3))
    case("lrn all", S.LRN(d, nsize=1, alpha=0.5, beta=0.5, knorm=1))
    case("l2 default eps", S.L2Normalization(d))
    case("leaky default", S.LeakyReLU(d))
    case("elu default", S.LeakyReLU(d, act_type="elu"))
    case("rrelu bounds", S.LeakyReLU(d, act_type="rrelu", lower_bound=0.1, upper_bound=0.7)[0])
    case("hard_sigmoid default", S.hard_sigmoid(d))
    case("_minimum", S._internal._minimum(d, r * 0.3))
    case("_power", S._internal._power(d, r), positive=True)
    case("scalars, whole", (d * 3 - 2) / 4 + 7)
    case("SVMOutput", S.SVMOutput(d, margin=2, use_linear=True))
    case("MakeLoss", S.MakeLoss(d, grad_scale=3))
    case("sparse reg", S.IdentityAttachKLSparseReg(S.Flatten(S.sigmoid(d)), sparseness_target=0.2, penalty=0.01))
    case("log_softmax default", S.log_softmax(d))
    case("log_softmax cooled", S.log_softmax(d, axis=2, temperature=0.5))
    case("softmin 1", S.softmin(d, axis=1, temperature=2))
    case("softmax dtype", S.softmax(d, axis=3, dtype="float32"))
    case("reshape of 0.7", S.Reshape(d, target_shape=(0, 120)))
    case("adaptive default", S.contrib.AdaptiveAvgPooling2D(d))


def randoms():
    """Drawn attributes: whatever MXNet takes."""
    draw = random.Random(11)

    def pair(least, most):
        return (draw.randint(least, most), draw.randint(least, most))

    for n in range(24):
        h, w = pair(5, 9)
        k, s, p, dilate, group = pair(1, 4), pair(1, 3), pair(0, 3), pair(1, 2), draw.choice((1, 2, 3, 6))
        more = {"no_bias": draw.random() < 0.5, "num_group": group, "num_filter": 6 * draw.randint(1, 2)}
        if all(dilate[i] * (k[i] - 1) < (h, w)[i] + 2 * p[i] for i in (0, 1)):
            case("random conv %d" % n, S.Convolution(d, kernel=k, stride=s, pad=p, dilate=dilate, **more), (1, 6, h, w))
        adj = tuple(draw.randint(0, s[i] - 1) for i in (0, 1))
        if all(s[i] * ((h, w)[i] - 1) + k[i] - 2 * p[i] + adj[i] > 0 for i in (0, 1)):
            case("random deconv %d" % n, S.Deconvolution(d, kernel=k, stride=s, pad=p, adj=adj, **more), (1, 6, h, w))
    for n in range(16):
        h, w = pair(4, 9)
        begin = [draw.choice((None, draw.randint(-2, 2))) for _ in range(3)]
        end = [draw.choice((None, draw.randint(3, 4), -1)) for _ in range(3)]
        y = S.slice(d, begin=(None, *begin), end=(None, *end), step=(None, draw.choice((None, 1)), draw.randint(1, 2), draw.randint(1, 3)))
        if all(x > 0 for x in y.infer_shape_partial(data=(1, 6, h, w))[1][0]):
            case("random slice %d" % n, y, (1, 6, h, w))
        mode = draw.choice(("constant", "edge", "reflect"))
        case("random pad %d" % n, S.Pad(d, mode=mode, pad_width=(0, 0, 0, 0, *pair(0, 3), *pair(0, 3)), constant_value=draw.random()), (1, 2, h, w))
        axes = tuple(sorted(draw.sample((1, 2, 3), draw.randint(1, 3))))
        f = draw.choice((S.sum, S.mean, S.max, S.min, S.norm))
        case("random reduction %d" % n, f(d, axis=axes[:2] if f is S.norm else axes, keepdims=draw.random() < 0.5), (1, 3, h, w))
        perm = draw.sample((1, 2, 3), 3)
        case("random transpose %d" % n, S.Flatten(S.transpose(d, axes=(0, *perm))), (1, 3, h, w))
        a, b = [tuple(x if draw.random() < 0.6 else 1 for x in (3, h, w)) for _ in range(2)]
        cut = [S.slice_axis(S.slice_axis(S.slice_axis(d, axis=1, begin=0, end=t[0]), axis=2, begin=0, end=t[1]), axis=3, begin=0, end=t[2])
               for t in (a, b)]
        case("random broadcast %d" % n, draw.choice((S.broadcast_add, S.broadcast_mul, S.broadcast_sub, S.broadcast_maximum))(*cut), (1, 3, h, w))


def products():
    for axis, keep, exclude in (((2, 3), True, False), (1, False, False), ((0, 1), False, True), (-1, False, False)):
        case("prod %s" % (axis,), S.prod(d, axis=axis, keepdims=keep, exclude=exclude))


def axes():
    """One spatial axis, and three."""
    for more in ({}, {"layout": "NCW", "no_bias": True, "num_group": 2}):
        case("conv of one axis %d" % len(more), S.Convolution(d, kernel=(3,), stride=(2,), pad=(2,), dilate=(2,), num_filter=4, **more),
             (1, 6, 9))
        case("deconv of one axis %d" % len(more), S.Deconvolution(d, kernel=(3,), stride=(2,), pad=(1,), adj=(1,), num_filter=4, **more),
             (1, 6, 5))
    case("conv of three axes", S.Convolution(d, kernel=(3, 2, 3), stride=(1, 2, 1), pad=(1, 1, 0), num_filter=4, layout="NCDHW"),
         (1, 3, 4, 5, 6))
    case("conv of three axes, groups", S.Convolution(d, kernel=(2, 3, 1), dilate=(2, 1, 1), num_filter=4, num_group=2, no_bias=True),
         (1, 4, 5, 5, 4))
    for size, k, s, p in (((9,), (3,), (2,), (1,)), ((10,), (3,), (3,), (0,)), ((5, 6, 7), (2, 3, 3), (2, 2, 3), (1, 0, 1))):
        for c in ("valid", "full"):
            for t in ("max", "avg", "sum", "lp"):
                more = {"p_value": 2} if t == "lp" else {}
                if len(size) == 3 and t == "lp":
                    continue
                case("pool %s %s %s" % (c, t, size), S.Pooling(d, kernel=k, stride=s, pad=p, pool_type=t, pooling_convention=c, **more),
                     (1, 3, *size))
        for t in ("max", "avg"):
            case("global %s %s" % (t, size), S.Pooling(d, global_pool=True, kernel=k, pool_type=t), (1, 3, *size))
        case("avg without padding %s" % (size,), S.Pooling(d, kernel=k, stride=s, pad=p, pool_type="avg", count_include_pad=False),
             (1, 3, *size))
        case("bn, prelu %s" % (size,), S.LeakyReLU(S.BatchNorm(d, fix_gamma=False), S.Variable("g"), act_type="prelu"), (1, 3, *size))
        case("instance %s" % (size,), S.InstanceNorm(d, S.Variable("g"), S.Variable("b")), (1, 3, *size))
        case("fc %s" % (size,), S.FullyConnected(S.Pooling(S.relu(d), kernel=k, pool_type="max"), num_hidden=4), (1, 3, *size))


def integers():
    """Casts to integers: the fraction goes, 8 bits count round; and what may follow."""
    wide = d * 60
    for t in ("int32", "int64", "int8", "uint8"):
        c = S.Cast(wide, dtype=t)
        case("cast to " + t, c)
        case("cast to %s and on" % t, S.Cast(S.relu(S.transpose(c, axes=(0, 2, 1, 3))), dtype="float32") * 0.5)
    c = S.Cast(d * 3, dtype="int32")
    case("integers", S.Concat(c + 1.7, c - 1.7, 1.5 - c, c * 2.9, S.abs(c) + S.square(c), S.clip(c, a_min=-1.5, a_max=2.5),
                              S.broadcast_mul(c, S.max(c, axis=1, keepdims=True)), S.negative(c) - S._internal._minimum_scalar(c, scalar=0.5)))
    case("integers to shorter ones", S.Cast(S.Cast(wide, dtype="int64"), dtype="int8"))
    case("sum of integers", S.sum(c, axis=(2, 3)))
    lengths = S.Cast(S.clip(S.sum(S.abs(d), axis=3) - 1, a_min=0, a_max=4), dtype="int32")
    case("softmax of lengths", S.softmax(d, lengths, use_length=True))
    case("softmax of lengths 2", S.softmax(d, S.Cast(S.sum(S.relu(d), axis=2) - 1, dtype="int32"), axis=2, use_length=True, temperature=2))


def padding():
    """What lies behind the length of a row, lengths 0 to 2 among them, is not looked at."""
    front, behind = S.slice_axis(d, axis=3, begin=0, end=2), S.slice_axis(d, axis=3, begin=2, end=4)
    few = S.Cast(S.clip(S.sum(S.abs(d), axis=3) - 1, a_min=0, a_max=2), dtype="int32")
    for name, bad in (("NaN", S.sqrt(-1 - S.abs(behind))), ("infinite", 1 / (behind * 0)), ("1e9", S.abs(behind) * 1e9),
                      ("3e38", S.abs(behind) * 0 + 3e38)):
        case("softmax before what is " + name, S.softmax(S.Concat(front, bad, dim=3), few, use_length=True))
        case("softmax of less than -1e6 before what is " + name,
             S.softmax(S.Concat(front - 1e7, bad, dim=3), few, use_length=True, temperature=0.5))


for family in (layers, pools, norms, elements, moves, heads, rare, randoms, products, axes, integers, padding):
    family()
out.close()
