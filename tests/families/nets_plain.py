"""The plain chains among the classic symbols of MXNet 1.x: MLP, LeNet, AlexNet, VGG, SqueezeNet. `width` narrows a net."""
import mxnet as mx

import registry

S = mx.sym
SOURCE = "classic symbol"


def conv(x, n, kernel, name, stride=1, pad=0, group=1, no_bias=False, act="relu"):
    k = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    p = pad if isinstance(pad, tuple) else (pad, pad)
    x = S.Convolution(x, num_filter=n, kernel=k, stride=(stride, stride), pad=p, num_group=group, no_bias=no_bias, name=name)
    return S.Activation(x, act_type=act, name=name + "_" + act) if act else x


def pool(x, kernel, stride, name, kind="max", pad=0, **more):
    return S.Pooling(x, kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad), pool_type=kind, name=name, **more)


def dense(x, n, name, act="relu", dropout=True):
    x = S.FullyConnected(x, num_hidden=n, name=name)
    x = S.Activation(x, act_type=act, name=name + "_" + act) if act else x
    return S.Dropout(x, p=0.5, name=name + "_drop") if act and dropout else x


def classify(x, classes):
    return S.SoftmaxOutput(S.FullyConnected(x, num_hidden=classes, name="fc"), name="softmax")


def mlp(classes=10, width=1):
    x = S.Flatten(S.Variable("data"))
    for i, n in enumerate((128, 64)):
        x = dense(x, max(n // width, 4), f"fc{i + 1}", dropout=False)
    return classify(x, classes)


def lenet(classes=10, width=1):
    x = S.Variable("data")
    for i, n in enumerate((20, 50)):
        x = pool(conv(x, max(n // width, 4), 5, f"conv{i + 1}", act="tanh"), 2, 2, f"pool{i + 1}")
    x = dense(S.Flatten(x), max(500 // width, 8), "fc1", act="tanh", dropout=False)
    return classify(x, classes)


def alexnet(classes=1000, width=1):
    """Local response normalisation behind the first two layers, groups of two as on two GPUs."""
    def lrn(x, i):
        return S.LRN(x, alpha=1e-4, beta=0.75, knorm=2, nsize=5, name=f"norm{i}")

    def n(filters):
        return max(filters // width, 4)

    x = lrn(conv(S.Variable("data"), n(96), 11, "conv1", 4), 1)
    x = lrn(conv(pool(x, 3, 2, "pool1"), n(256), 5, "conv2", 1, 2, group=2), 2)
    x = conv(pool(x, 3, 2, "pool2"), n(384), 3, "conv3", 1, 1)
    x = conv(x, n(384), 3, "conv4", 1, 1, group=2)
    x = pool(conv(x, n(256), 3, "conv5", 1, 1, group=2), 3, 2, "pool3")
    x = dense(dense(S.Flatten(x), n(4096), "fc1"), n(4096), "fc2")
    return classify(x, classes)


VGG_UNITS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(layers=16, with_bn=False, classes=1000, width=1):
    x = S.Variable("data")
    for i, (units, n) in enumerate(zip(VGG_UNITS[layers], (64, 128, 256, 512, 512))):
        for j in range(units):
            name = f"conv{i + 1}_{j + 1}"
            x = conv(x, max(n // width, 4), 3, name, 1, 1, act=None)
            if with_bn:
                x = S.BatchNorm(x, name="bn" + name[4:])
            x = S.Activation(x, act_type="relu", name="relu" + name[4:])
        x = pool(x, 2, 2, f"pool{i + 1}")
    x = S.Flatten(x, name="flatten")
    x = dense(dense(x, max(4096 // width, 8), "fc6"), max(4096 // width, 8), "fc7")
    return S.SoftmaxOutput(S.FullyConnected(x, num_hidden=classes, name="fc8"), name="softmax")


def squeezenet(classes=1000, width=1):
    """Version 1.1 as the old model gallery had it: pooling by the full convention, a convolution that classifies."""
    def n(filters):
        return max(filters // width, 2)

    def fire(x, squeeze, expand, name):
        x = conv(x, n(squeeze), 1, name + "_squeeze1x1")
        return S.Concat(conv(x, n(expand), 1, name + "_expand1x1"), conv(x, n(expand), 3, name + "_expand3x3", 1, 1), name=name)

    def shrink(x, i):
        return pool(x, 3, 2, f"pool{i}", pooling_convention="full")

    x = shrink(conv(S.Variable("data"), n(64), 3, "conv1", 2), 1)
    x = shrink(fire(fire(x, 16, 64, "fire2"), 16, 64, "fire3"), 3)
    x = shrink(fire(fire(x, 32, 128, "fire4"), 32, 128, "fire5"), 5)
    x = fire(fire(fire(fire(x, 48, 192, "fire6"), 48, 192, "fire7"), 64, 256, "fire8"), 64, 256, "fire9")
    x = conv(S.Dropout(x, p=0.5, name="drop9"), classes, 1, "conv10", 1, 1)
    x = S.Pooling(x, kernel=(13, 13), global_pool=True, pool_type="avg", name="pool10")
    return S.SoftmaxOutput(S.Flatten(x, name="flatten"), name="softmax")


registry.add("MLP", SOURCE, mlp, (1, 28, 28))
registry.add("LeNet", SOURCE, lenet, (1, 28, 28))
registry.add("AlexNet with LRN", SOURCE, alexnet, (3, 224, 224))
for _n in VGG_UNITS:
    for _bn in (False, True):
        registry.add(f"VGG-{_n}" + (" with BN" if _bn else ""), SOURCE, lambda n=_n, bn=_bn: vgg(n, bn))
registry.add("SqueezeNet v1.1 symbol", SOURCE, squeezenet, (3, 227, 227), features=None)
