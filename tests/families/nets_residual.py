"""Residual nets: the classic ResNet v1, v2 and ResNeXt symbols, squeeze-and-excite, the b, c and d forms, dual paths."""
import mxnet as mx

import registry

S = mx.sym
SOURCE = "classic symbol"
BOTTLENECKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
BASICS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


def bn(x, name, fix_gamma=False, eps=2e-5):
    return S.BatchNorm(x, fix_gamma=fix_gamma, eps=eps, momentum=0.9, name=name)


def relu(x, name):
    return S.Activation(x, act_type="relu", name=name)


def conv(x, n, k, name, stride=1, pad=None, group=1, no_bias=True):
    return S.Convolution(x, num_filter=n, kernel=(k, k), stride=(stride, stride), pad=((k // 2 if pad is None else pad),) * 2,
                         num_group=group, no_bias=no_bias, workspace=256, name=name)


def head(x, classes, name="fc1"):
    x = S.Flatten(S.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool1"), name="flatten0")
    return S.SoftmaxOutput(S.FullyConnected(x, num_hidden=classes, name=name), name="softmax")


def stem(x, n, deep=False, prefix=""):
    """7x7, or three of 3x3 (the c and d forms)."""
    if deep:
        for i, m in enumerate((n // 2, n // 2, n)):
            x = relu(bn(conv(x, m, 3, f"{prefix}conv0_{i}", 1 if i else 2), f"{prefix}bn0_{i}"), f"{prefix}relu0_{i}")
    else:
        x = relu(bn(conv(x, n, 7, prefix + "conv0", 2), prefix + "bn0"), prefix + "relu0")
    return S.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name=prefix + "pooling0")


def excite(x, n, name, ratio=16, dense=False):
    """A gate of the map's own averages. Written with convolutions of 1x1, or with fully connected layers and a reshape."""
    gate = S.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg", name=name + "_squeeze")
    small = max(n // ratio, 2)
    if dense:
        gate = S.FullyConnected(S.Flatten(gate, name=name + "_flat"), num_hidden=small, name=name + "_se1")
        gate = S.FullyConnected(relu(gate, name + "_se_relu"), num_hidden=n, name=name + "_se2")
        gate = S.Reshape(gate, shape=(-1, n, 1, 1), name=name + "_se_map")
    else:
        gate = relu(conv(gate, small, 1, name + "_se1", no_bias=False), name + "_se_relu")
        gate = conv(gate, n, 1, name + "_se2", no_bias=False)
    return S.broadcast_mul(x, S.Activation(gate, act_type="sigmoid", name=name + "_se_gate"), name=name + "_excited")


def resnet_v2(units, filters, classes=1000, bottleneck=True):
    """Pre-activation, with a BatchNorm of the pixels: what data.mxnet.io published."""
    def unit(x, n, stride, match, name):
        first = relu(bn(x, name + "_bn1"), name + "_relu1")
        steps = ((n // 4, 1, 1), (n // 4, 3, stride), (n, 1, 1)) if bottleneck else ((n, 3, stride), (n, 3, 1))
        y = first
        for i, (m, k, s) in enumerate(steps):
            if i:
                y = relu(bn(y, f"{name}_bn{i + 1}"), f"{name}_relu{i + 1}")
            y = conv(y, m, k, f"{name}_conv{i + 1}", s)
        return y + (x if match else conv(first, n, 1, name + "_sc", stride))

    x = stem(bn(S.identity(S.Variable("data"), name="id"), "bn_data", fix_gamma=True), filters[0])
    for i, count in enumerate(units):
        for j in range(count):
            x = unit(x, filters[i + 1], 2 if i and not j else 1, j > 0, f"stage{i + 1}_unit{j + 1}")
    return head(relu(bn(x, "bn1"), "relu1"), classes)


def resnet_v1(units, filters, classes=1000, bottleneck=True, group=1, form="", se=None, prefix="", data_bn=True, wide=4):
    """Post-activation. form "b": the stride in the 3x3; "c" also a deep stem; "d" also an average before the shortcut's 1x1.

    group > 1 is ResNeXt, whose inner width is half of the outer (wide 2); se: "conv" or "dense".
    """
    def shortcut(x, n, stride, name):
        if form == "d" and stride > 1:
            x = S.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="avg", pooling_convention="full", count_include_pad=False,
                          name=name + "_sc_pool")
            stride = 1
        return bn(conv(x, n, 1, name + "_sc", stride), name + "_sc_bn")

    def unit(x, n, stride, match, name):
        m = n // wide
        early, late = (1, stride) if form or group > 1 else (stride, 1)
        steps = ((m, 1, early, 1), (m, 3, late, group), (n, 1, 1, 1)) if bottleneck else ((n, 3, stride, 1), (n, 3, 1, 1))
        y = x
        for i, (filters_of, k, s, g) in enumerate(steps):
            y = relu(y, f"{name}_relu{i}") if i else y
            y = bn(conv(y, filters_of, k, f"{name}_conv{i + 1}", s, group=g), f"{name}_bn{i + 1}")
        if se:
            y = excite(y, n, name, dense=se == "dense")
        return relu(y + (x if match else shortcut(x, n, stride, name)), name + "_relu")

    x = S.Variable("data")
    x = stem(bn(x, prefix + "bn_data", fix_gamma=True) if data_bn else x, filters[0], form in ("c", "d"), prefix)
    for i, count in enumerate(units):
        for j in range(count):
            x = unit(x, filters[i + 1], 2 if i and not j else 1, j > 0, f"{prefix}stage{i + 1}_unit{j + 1}")
    return head(x, classes)


def dpn(units, stem_filters, group, inner, outer, growth, classes=1000):
    """Dual paths: of each unit's channels some are added, the rest joined on. Names with slashes and brackets."""
    def cba(x, n, k, name, stride=1, group_of=1):
        x = relu(bn(x, name + "__bn", eps=1e-3), name + "__relu")
        return conv(x, n, k, f"{name}__conv({k}x{k}/{stride})", stride, group=group_of)

    def cut(x, begin, end, name):
        return S.slice_axis(x, axis=1, begin=begin, end=end, name=name)

    def unit(paths, m, n, inc, stride, is_first, name):
        both = S.Concat(*paths, name=name + "_cat-input") if isinstance(paths, tuple) else paths
        if is_first:
            way = cba(both, n + 2 * inc, 1, f"{name}_c1x1-w(s/{stride})", stride)
            paths = (cut(way, 0, n, name + "_c1x1-w(s)-split1"), cut(way, n, n + 2 * inc, name + "_c1x1-w(s)-split2"))
        y = cba(cba(cba(both, m, 1, name + "_c1x1-a"), m, 3, name + "_c3x3-b", stride, group), n + inc, 1, name + "_c1x1-c")
        added = S.elemwise_add(paths[0], cut(y, 0, n, name + "_c1x1-c-split1"), name=name + "_sum")
        return added, S.Concat(paths[1], cut(y, n, n + inc, name + "_c1x1-c-split2"), name=name + "_cat")

    x = relu(bn(conv(S.Variable("data"), stem_filters, 7, "conv1_x_1__conv(7x7/2)", 2), "conv1_x_1__bn", eps=1e-3), "conv1_x_1__relu")
    x = S.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="conv1_x_1__pool")
    for i, count in enumerate(units):
        for j in range(count):
            x = unit(x, inner << i, outer << i, growth[i], 2 if i and not j else 1, j == 0, f"conv{i + 2}_x_{j + 1}")
    x = S.Concat(*x, name="conv5_x_x_cat-final")
    return head(relu(bn(x, "conv5_x_x__bn", eps=1e-3), "conv5_x_x__relu"), classes, "fc6")


WIDE, BASIC = (64, 256, 512, 1024, 2048), (64, 64, 128, 256, 512)
PX = registry.PIXELS
for _n, _units in {**BASICS, **BOTTLENECKS}.items():
    _deep = _n >= 50
    _filters = WIDE if _deep else BASIC
    registry.add(f"ResNet-{_n} v2 symbol", SOURCE, lambda u=_units, f=_filters, d=_deep: resnet_v2(u, f, bottleneck=d), draw=PX)
    registry.add(f"ResNet-{_n} v1 symbol", SOURCE, lambda u=_units, f=_filters, d=_deep: resnet_v1(u, f, bottleneck=d), draw=PX)
registry.add("ResNet-152 v2, 11221 classes, at 224", SOURCE, lambda: resnet_v2(BOTTLENECKS[152], WIDE, 11221), (3, 224, 224), PX)
registry.add("ResNet-200 v2 symbol", SOURCE, lambda: resnet_v2((3, 24, 36, 3), WIDE), draw=PX)
for _n, _units in BOTTLENECKS.items():
    registry.add(f"ResNeXt-{_n} 32x4d", SOURCE, lambda u=_units: resnet_v1(u, WIDE, group=32, wide=2), draw=PX)
    registry.add(f"SE-ResNet-{_n}", "SENet form", lambda u=_units: resnet_v1(u, WIDE, form="b", se="conv", data_bn=False))
registry.add("SE-ResNet-18", "SENet form", lambda: resnet_v1(BASICS[18], BASIC, bottleneck=False, se="dense", data_bn=False))
for _n in (50, 101):
    registry.add(f"SE-ResNeXt-{_n} 32x4d", "SENet form", lambda u=BOTTLENECKS[_n]: resnet_v1(u, WIDE, group=32, wide=2, se="dense",
                                                                                             data_bn=False))
for _form in "bcd":
    for _n in (50, 101):
        registry.add(f"ResNet-{_n}{_form}", "gluon-cv form", lambda u=BOTTLENECKS[_n], f=_form: resnet_v1(u, WIDE, form=f, data_bn=False))
registry.add("SE-ResNeXt-50d", "gluon-cv form", lambda: resnet_v1(BOTTLENECKS[50], WIDE, group=32, wide=2, form="d", se="conv", data_bn=False),
             (3, 75, 93))
registry.add("DPN-68", "DPN form", lambda: dpn((3, 4, 12, 3), 10, 32, 128, 64, (16, 32, 32, 64)))
registry.add("DPN-92", "DPN form", lambda: dpn((3, 4, 20, 3), 64, 32, 96, 256, (16, 32, 24, 128)))
