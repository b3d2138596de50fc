"""Nets for phones: the classic MobileNet v1 and v2 symbols, MobileNetV3, ShuffleNet v1 and v2, and an Xception."""
import mxnet as mx

import registry

S = mx.sym
SOURCE = "classic symbol"


def bn(x, name, eps=1e-5, fix_gamma=False):
    return S.BatchNorm(x, fix_gamma=fix_gamma, eps=eps, name=name)


def conv(x, n, k, name, stride=1, group=1, pad=None, no_bias=True):
    p = k // 2 if pad is None else pad
    return S.Convolution(x, num_filter=n, kernel=(k, k), stride=(stride, stride), pad=(p, p), num_group=group, no_bias=no_bias, name=name)


def relu(x, name):
    return S.Activation(x, act_type="relu", name=name)


def relu6(x, name):
    return S.clip(x, a_min=0, a_max=6, name=name)


def average(x, name="pool"):
    return S.Flatten(S.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name=name), name="flatten")


def classify(x, classes):
    return S.SoftmaxOutput(S.FullyConnected(x, num_hidden=classes, name="fc"), name="softmax")


def mobilenet_v1(multiplier=1.0, classes=1000, blocks=13):
    """Depthwise 3x3, then 1x1; BatchNorm with its scale fixed, as the first published symbol had it."""
    def cbr(x, n, k, name, stride=1, group=1):
        return relu(bn(conv(x, n, k, name, stride, group), name + "_bn", 1e-3, True), name + "_relu")

    def n_of(n):
        return max(int(n * multiplier), 4)

    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    before = n_of(32)
    x = cbr(S.Variable("data"), before, 3, "conv_1", 2)
    for i, (n, stride) in enumerate(plan[:blocks]):
        x = cbr(cbr(x, before, 3, f"conv_{i + 2}_dw", stride, before), n_of(n), 1, f"conv_{i + 2}")
        before = n_of(n)
    return classify(average(x), classes)


def mobilenet_v2(multiplier=1.0, classes=1000, repeats=(1, 2, 3, 4, 3, 3, 1), last=1280):
    """Names with dashes; every bottleneck expands, also the first with factor 1."""
    def unit(x, n, k, name, stride=1, group=1, act=True):
        x = bn(conv(x, n, k, name + "-conv2d", stride, group), name + "-batchnorm")
        return relu6(x, name + "-relu6") if act else x

    def bottleneck(x, cin, cout, stride, factor, name):
        y = unit(x, cin * factor, 1, name + "-exp")
        y = unit(y, cin * factor, 3, name + "-depthwise", stride, cin * factor)
        y = unit(y, cout, 1, name + "-linear", act=False)
        return S.elemwise_add(x, y, name=name + "-shortcut") if stride == 1 and cin == cout else y

    def n_of(n):
        return max(int(round(n * multiplier)), 2)

    cin = n_of(32)
    x = unit(S.Variable("data"), cin, 3, "first-3x3-conv", 2)
    for i, (t, c, n, s) in enumerate(zip((1, 6, 6, 6, 6, 6, 6), (16, 24, 32, 64, 96, 160, 320), repeats, (1, 2, 2, 2, 1, 2, 1))):
        for j in range(n):
            x = bottleneck(x, cin, n_of(c), 1 if j else s, t, f"seq-{i}-block{j}")
            cin = n_of(c)
    return classify(average(unit(x, last, 1, "last-1x1-conv"), "global_pool"), classes)


def mobilenet_v3(plan, last, classes=1000, width=1, chains=True):
    """Gates and hard swish; written as chains of scalars and clip as gluon-cv exports them, or with hard_sigmoid."""
    def gate(x, name):
        return S.clip(x + 3, a_min=0, a_max=6, name=name + "_clip") / 6 if chains else S.hard_sigmoid(x, alpha=1 / 6, beta=0.5, name=name)

    def act(x, kind, name):
        return relu(x, name) if kind == "relu" else S.broadcast_mul(x, gate(x, name + "_gate"), name=name)

    def excite(x, n, name):
        y = S.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg", name=name + "_pool")
        y = relu(conv(y, max(n // 4, 2), 1, name + "_se1", no_bias=False), name + "_se_relu")
        return S.broadcast_mul(x, gate(conv(y, n, 1, name + "_se2", no_bias=False), name + "_se_gate"), name=name + "_se")

    def bottleneck(x, cin, step, name):
        k, expand, cout, has_se, kind, stride = step
        expand, cout = max(expand // width, 4), max(cout // width, 4)
        y = act(bn(conv(x, expand, 1, name + "_expand"), name + "_bn0"), kind, name + "_act0")
        y = bn(conv(y, expand, k, name + "_dw", stride, expand), name + "_bn1")
        y = act(excite(y, expand, name) if has_se else y, kind, name + "_act1")
        y = bn(conv(y, cout, 1, name + "_project"), name + "_bn2")
        return (S.elemwise_add(y, x, name=name + "_add") if stride == 1 and cin == cout else y), cout

    cin = max(16 // width, 4)
    x = act(bn(conv(S.Variable("data"), cin, 3, "first", 2), "first_bn"), "hswish", "first_act")
    for i, step in enumerate(plan):
        x, cin = bottleneck(x, cin, step, f"block{i}")
    x = act(bn(conv(x, max(last[0] // width, 4), 1, "last"), "last_bn"), "hswish", "last_act")
    x = S.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg", name="pool")
    x = act(conv(x, max(last[1] // width, 8), 1, "last2", no_bias=False), "hswish", "last2_act")
    return S.FullyConnected(S.Flatten(x, name="flatten"), num_hidden=classes, name="fc")


RE, HS = "relu", "hswish"
V3_LARGE = ((3, 16, 16, 0, RE, 1), (3, 64, 24, 0, RE, 2), (3, 72, 24, 0, RE, 1), (5, 72, 40, 1, RE, 2), (5, 120, 40, 1, RE, 1),
            (5, 120, 40, 1, RE, 1), (3, 240, 80, 0, HS, 2), (3, 200, 80, 0, HS, 1), (3, 184, 80, 0, HS, 1), (3, 184, 80, 0, HS, 1),
            (3, 480, 112, 1, HS, 1), (3, 672, 112, 1, HS, 1), (5, 672, 160, 1, HS, 2), (5, 960, 160, 1, HS, 1), (5, 960, 160, 1, HS, 1))
V3_SMALL = ((3, 16, 16, 1, RE, 2), (3, 72, 24, 0, RE, 2), (3, 88, 24, 0, RE, 1), (5, 96, 40, 1, HS, 2), (5, 240, 40, 1, HS, 1),
            (5, 240, 40, 1, HS, 1), (5, 120, 48, 1, HS, 1), (5, 144, 48, 1, HS, 1), (5, 288, 96, 1, HS, 2), (5, 576, 96, 1, HS, 1),
            (5, 576, 96, 1, HS, 1))


def shuffle(x, groups, name):
    x = S.reshape(x, shape=(0, -4, groups, -1, -2), name=name + "_split")
    return S.reshape(S.swapaxes(x, dim1=1, dim2=2, name=name + "_swap"), shape=(0, -3, -2), name=name)


def shufflenet_v1(groups=3, channels=(240, 480, 960), units=(4, 8, 4), first=24, classes=1000):
    """Grouped 1x1 and a shuffle of channels; a stage begins with an average joined on."""
    def unit(x, cin, cout, stride, group_in, name):
        out = cout - cin if stride == 2 else cout
        y = relu(bn(conv(x, cout // 4, 1, name + "_in", group=group_in), name + "_bn0"), name + "_relu0")
        y = bn(conv(shuffle(y, groups, name + "_shuffle"), cout // 4, 3, name + "_dw", stride, cout // 4), name + "_bn1")
        y = bn(conv(y, out, 1, name + "_out", group=groups), name + "_bn2")
        if stride == 1:
            return relu(y + x, name + "_relu")
        beside = S.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", name=name + "_pool")
        return S.Concat(beside, relu(y, name + "_relu"), dim=1, name=name)

    x = relu(bn(conv(S.Variable("data"), first, 3, "conv1", 2), "conv1_bn"), "conv1_relu")
    x, cin = S.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="pool1"), first
    for i, (n, c) in enumerate(zip(units, channels)):
        for j in range(n):
            x = unit(x, cin, c, 1 if j else 2, 1 if i == j == 0 else groups, f"stage{i + 2}_{j}")
            cin = c
    return classify(average(x), classes)


def shufflenet_v2(channels=(116, 232, 464), units=(4, 8, 4), first=24, last=1024, classes=1000, by_slices=True):
    """Half of the channels passes by untouched; cut with slice_axis, or with SliceChannel."""
    def branch(x, n, stride, name):
        y = relu(bn(conv(x, n, 1, name + "_in"), name + "_bn0"), name + "_relu0")
        y = bn(conv(y, n, 3, name + "_dw", stride, n), name + "_bn1")
        return relu(bn(conv(y, n, 1, name + "_out"), name + "_bn2"), name + "_relu1")

    def halves(x, half, name):
        if by_slices:
            return (S.slice_axis(x, axis=1, begin=0, end=half, name=name + "_first"),
                    S.slice_axis(x, axis=1, begin=half, end=2 * half, name=name + "_second"))
        parts = S.SliceChannel(x, num_outputs=2, axis=1, name=name + "_halves")
        return parts[0], parts[1]

    def unit(x, cin, cout, stride, name):
        half = cout // 2
        if stride == 1:
            kept, x = halves(x, half, name)
        else:
            kept = bn(conv(x, cin, 3, name + "_side_dw", 2, cin), name + "_side_bn0")
            kept = relu(bn(conv(kept, half, 1, name + "_side_out"), name + "_side_bn1"), name + "_side_relu")
        return shuffle(S.concat(kept, branch(x, half, stride, name), dim=1, name=name + "_concat"), 2, name + "_shuffle")

    x = relu(bn(conv(S.Variable("data"), first, 3, "conv1", 2), "conv1_bn"), "conv1_relu")
    x, cin = S.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="pool1"), first
    for i, (n, c) in enumerate(zip(units, channels)):
        for j in range(n):
            x = unit(x, cin, c, 1 if j else 2, f"stage{i + 2}_{j}")
            cin = c
    return classify(average(relu(bn(conv(x, last, 1, "conv5"), "conv5_bn"), "conv5_relu")), classes)


def xception(classes=1000, width=1, middle=8):
    """Separable convolutions round residual blocks."""
    def n_of(n):
        return max(n // width, 4)

    def separable(x, cin, cout, name):
        return bn(conv(conv(x, cin, 3, name + "_dw", group=cin), cout, 1, name), name + "_bn")

    def block(x, cin, filters, stride, name, first_relu=True):
        y, before = x, cin
        for i, n in enumerate(filters):
            y = separable(relu(y, f"{name}_relu{i}") if i or first_relu else y, before, n, f"{name}_sep{i}")
            before = n
        if stride > 1:
            y = S.Pooling(y, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name=name + "_pool")
            x = bn(conv(x, before, 1, name + "_sc", stride), name + "_sc_bn")
        return y + x

    x = relu(bn(conv(S.Variable("data"), n_of(32), 3, "conv1", 2, pad=0), "conv1_bn"), "conv1_relu")
    x = relu(bn(conv(x, n_of(64), 3, "conv2", pad=0), "conv2_bn"), "conv2_relu")
    before = n_of(64)
    for i, n in enumerate((128, 256, 728)):
        x = block(x, before, (n_of(n),) * 2, 2, f"entry{i}", i > 0)
        before = n_of(n)
    for i in range(middle):
        x = block(x, before, (before,) * 3, 1, f"middle{i}")
    x = block(x, before, (before, n_of(1024)), 2, "exit")
    x = relu(separable(x, n_of(1024), n_of(1536), "last0"), "last0_relu")
    x = relu(separable(x, n_of(1536), n_of(2048), "last1"), "last1_relu")
    return classify(average(x), classes)


registry.add("MobileNet v1 symbol", SOURCE, mobilenet_v1)
registry.add("MobileNet v1 symbol, half", SOURCE, lambda: mobilenet_v1(0.5), (3, 96, 128))
registry.add("MobileNet v2 symbol", SOURCE, mobilenet_v2)
registry.add("MobileNet v2 symbol, 1.4", SOURCE, lambda: mobilenet_v2(1.4, last=1792), (3, 224, 224))
registry.add("MobileNetV3 large", "gluon-cv form", lambda: mobilenet_v3(V3_LARGE, (960, 1280)))
registry.add("MobileNetV3 small", "gluon-cv form", lambda: mobilenet_v3(V3_SMALL, (576, 1024)), (3, 224, 224))
registry.add("MobileNetV3 large, hard_sigmoid", "gluon-cv form", lambda: mobilenet_v3(V3_LARGE, (960, 1280), chains=False))
registry.add("ShuffleNet v1, 3 groups", "ShuffleNet form", shufflenet_v1)
registry.add("ShuffleNet v1, 8 groups", "ShuffleNet form", lambda: shufflenet_v1(8, (384, 768, 1536)), (3, 224, 224))
registry.add("ShuffleNet v2 1x", "ShuffleNet form", shufflenet_v2)
registry.add("ShuffleNet v2 1.5x, SliceChannel", "ShuffleNet form", lambda: shufflenet_v2((176, 352, 704), by_slices=False))
registry.add("Xception", "gluon-cv form", xception, (3, 107, 107))
