"""Narrow networks, each a few KB, that together use the operators of the classifiers MXNet was trained on."""
import mxnet as mx

S = mx.sym


def bn(x, name, fix_gamma=False, eps=2e-5):
    return S.BatchNorm(x, fix_gamma=fix_gamma, eps=eps, momentum=0.9, name=name)


def conv(x, n, k, name, s=1, p=0, group=1, no_bias=True):
    return S.Convolution(x, num_filter=n, kernel=(k, k), stride=(s, s), pad=(p, p), num_group=group, no_bias=no_bias, name=name)


def relu(x, name):
    return S.Activation(x, act_type="relu", name=name)


def head(x, classes):
    x = S.Flatten(S.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool1"), name="flatten0")
    return S.SoftmaxOutput(S.FullyConnected(x, num_hidden=classes, name="fc1"), name="softmax")


def resnet_v2(units, filters, classes):
    """Pre-activation bottlenecks behind a BatchNorm of the pixels: the shape of the ImageNet-11k ResNet-152."""
    def unit(x, n, s, match, name):
        a1 = relu(bn(x, name + "_bn1"), name + "_relu1")
        y = relu(bn(conv(a1, n // 4, 1, name + "_conv1"), name + "_bn2"), name + "_relu2")
        y = relu(bn(conv(y, n // 4, 3, name + "_conv2", s, 1), name + "_bn3"), name + "_relu3")
        return conv(y, n, 1, name + "_conv3") + (x if match else conv(a1, n, 1, name + "_sc", s))

    x = bn(S.Variable("data"), "bn_data", fix_gamma=True)
    x = relu(bn(conv(x, filters[0], 7, "conv0", 2, 3), "bn0"), "relu0")
    x = S.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="pooling0")
    for i, n in enumerate(units):
        for j in range(n):
            x = unit(x, filters[i + 1], 2 if i and not j else 1, j > 0, f"stage{i + 1}_unit{j + 1}")
    return head(relu(bn(x, "bn1"), "relu1"), classes)


def inception(classes):
    """Towers into one Concat; average pooling with and without its padding counted, valid and full."""
    def cbr(x, n, k, name, s=1, p=0):
        return relu(bn(conv(x, n, k, name, s, p, no_bias=False), "bn_" + name, fix_gamma=True, eps=1e-3), "relu_" + name)

    def pool(x, name, kind="avg", s=1, **kw):
        return S.Pooling(x, kernel=(3, 3), stride=(s, s), pad=(1, 1), pool_type=kind, name=name, **kw)

    x = cbr(S.Variable("data"), 8, 3, "stem", 2, 1)
    a = S.Concat(cbr(x, 4, 1, "a1"), cbr(cbr(x, 4, 1, "a2_in"), 6, 3, "a2", 1, 1), cbr(pool(x, "a3_pool"), 3, 1, "a3"), name="a")
    b = S.Concat(cbr(a, 6, 3, "b1", 2, 1), pool(a, "b2_pool", "max", 2), pool(a, "b3_pool", s=2, count_include_pad=False), name="b")
    c = S.Concat(pool(b, "c1_pool", s=2, pooling_convention="full"), pool(b, "c2_pool", "max", 2, pooling_convention="full"), name="c")
    return head(c, classes)


def alexnet(classes):
    """Local response normalisation, grouped convolution, and a FullyConnected straight on a map."""
    x = relu(conv(S.Variable("data"), 8, 5, "conv1", 2, no_bias=False), "relu1")
    x = S.LRN(x, nsize=5, alpha=2e-4, beta=0.75, knorm=2, name="norm1")
    x = S.Pooling(x, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full", name="pool1")
    x = relu(conv(x, 12, 3, "conv2", 1, 1, group=2, no_bias=False), "relu2")
    x = S.Pooling(x, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full", name="pool2")
    x = S.Dropout(relu(S.FullyConnected(x, num_hidden=24, name="fc6"), "relu6"), p=0.5, name="drop6")
    return S.SoftmaxOutput(S.FullyConnected(x, num_hidden=classes, name="fc7"), name="softmax")


def heads(_):
    """A detector's cascade stage: PReLU, full pooling, three outputs; the last convolution feeds all of them."""
    def prelu(x, name):
        return S.LeakyReLU(x, act_type="prelu", name=name)

    x = prelu(conv(S.Variable("data"), 6, 3, "conv1", no_bias=False), "prelu1")
    x = S.Pooling(x, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full", name="pool1")
    x = prelu(conv(x, 10, 3, "conv2", no_bias=False), "prelu2")
    x = prelu(S.FullyConnected(x, num_hidden=16, name="conv3"), "prelu3")
    prob = S.SoftmaxActivation(S.FullyConnected(x, num_hidden=2, name="conv4_1"), name="prob1")
    return S.Group([S.FullyConnected(x, num_hidden=4, name="conv4_2"), S.FullyConnected(x, num_hidden=5, name="conv4_3"), prob])


def mobilenet(classes):
    """Pixels normalised by scalars in the graph, padding as a node, depthwise convolution, ReLU6; ends in logits."""
    def block(x, cin, cout, stride, name, expand=3):
        y = S.clip(bn(conv(x, cin * expand, 1, name + "_expand"), name + "_bn0"), a_min=0, a_max=6, name=name + "_relu0")
        if stride == 2:
            y = S.pad(y, mode="constant", pad_width=(0, 0, 0, 0, 0, 1, 0, 1), name=name + "_pad")
        y = conv(y, cin * expand, 3, name + "_dw", stride, 0 if stride == 2 else 1, cin * expand)
        y = S.clip(bn(y, name + "_bn1"), a_min=0, a_max=6, name=name + "_relu1")
        y = bn(conv(y, cout, 1, name + "_project"), name + "_bn2")
        return S.elemwise_add(y, x, name=name + "_add") if stride == 1 and cin == cout else y

    x = (S.Variable("data") - 127.5) * 0.0078125
    x = relu(bn(conv(x, 6, 3, "stem", 2, 1), "stem_bn"), "stem_relu")
    x = block(block(block(x, 6, 6, 1, "b1"), 6, 8, 2, "b2"), 8, 8, 1, "b3")
    x = S.Flatten(S.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg", name="pool"), name="flatten")
    return S.FullyConnected(x, num_hidden=classes, name="dense0_fwd")


def squeeze_excite(classes):
    """A gate of a map's own averages, broadcast back over it; leaky ReLU and ELU."""
    x = S.LeakyReLU(conv(S.Variable("data"), 8, 3, "conv0", 2, 1, no_bias=False), act_type="leaky", slope=0.1, name="leaky0")
    gate = S.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg", name="squeeze")
    gate = relu(S.FullyConnected(S.Flatten(gate, name="squeeze_flat"), num_hidden=4, name="gate1"), "gate_relu")
    gate = S.Activation(S.FullyConnected(gate, num_hidden=8, name="gate2"), act_type="sigmoid", name="gate")
    x = S.broadcast_mul(x, S.Reshape(gate, shape=(-1, 8, 1, 1), name="gate_map"), name="excite")
    x = S.LeakyReLU(conv(x, 12, 3, "conv1", 2, 1, no_bias=False), act_type="elu", slope=1.0, name="elu1")
    return head(x, classes)


def densenet(classes):
    """BatchNorm behind Concat, where no convolution stands that it could be folded into."""
    x = conv(S.Variable("data"), 6, 3, "conv0", 1, 1)
    for i in range(3):
        y = conv(relu(bn(x, f"bn{i}a"), f"relu{i}a"), 8, 1, f"conv{i}a")
        y = conv(relu(bn(y, f"bn{i}b"), f"relu{i}b"), 4, 3, f"conv{i}b", 1, 1)
        x = S.Concat(x, y, name=f"concat{i}")
        if i == 1:
            x = S.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="avg", name="transition")
    return head(relu(bn(x, "bn3"), "relu3"), classes)


def last_window(classes):
    """Full pooling whose last window lies wholly in the padding: MXNet keeps it."""
    x = conv(S.Variable("data"), 4, 3, "conv0", 1, 1)
    kw = dict(kernel=(3, 3), stride=(3, 3), pad=(1, 1), pooling_convention="full")
    a = S.Pooling(x, pool_type="avg", name="average", **kw)
    m = relu(S.Pooling(x, pool_type="max", name="maximum", **kw), "relu0")
    x = conv(S.Concat(a, m, name="both"), 8, 3, "conv1", 1, 1)
    return head(relu(x, "relu1"), classes)
