"""Faces, as insightface builds them: embeddings, age and gender, RetinaFace with nine outputs; and MTCNN's three stages."""
import mxnet as mx

import registry

S = mx.sym
SOURCE = "insightface form"
EPS = 2e-5


def bn(x, name, fix_gamma=False):
    return S.BatchNorm(x, fix_gamma=fix_gamma, eps=EPS, momentum=0.9, name=name)


def prelu(x, name):
    return S.LeakyReLU(x, act_type="prelu", name=name)


def conv(x, n, k, name, stride=1, group=1, pad=None, no_bias=True):
    p = k // 2 if pad is None else pad
    return S.Convolution(x, num_filter=n, kernel=(k, k), stride=(stride, stride), pad=(p, p), num_group=group, no_bias=no_bias, name=name)


def pixels():
    """Normalised in the graph."""
    return (S.identity(S.Variable("data"), name="id") - 127.5) * 0.0078125


def embed(x, size):
    """Head E: BatchNorm, Dropout, a FullyConnected whose weights are not named after it, BatchNorm."""
    x = S.Dropout(bn(x, "bn1"), p=0.4, name="dropout0")
    x = S.FullyConnected(x, S.Variable("fc1_weight"), S.Variable("fc1_bias"), num_hidden=size, name="pre_fc1")
    return bn(x, "fc1", fix_gamma=True)


def lresnet_e_ir(units, filters=(64, 64, 128, 256, 512), size=512, se=False):
    """The improved residual unit: BatchNorm first, PReLU between two 3x3, stride in the second; a stem of stride 1."""
    def excite(x, n, name):
        y = S.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name=name + "_se_pool1")
        y = prelu(conv(y, max(n // 16, 2), 1, name + "_se_conv1", no_bias=False), name + "_se_relu1")
        y = S.Activation(conv(y, n, 1, name + "_se_conv2", no_bias=False), act_type="sigmoid", name=name + "_se_sigmoid")
        return S.broadcast_mul(x, y)

    def unit(x, n, stride, match, name):
        y = conv(bn(x, name + "_bn1"), n, 3, name + "_conv1")
        y = conv(prelu(bn(y, name + "_bn2"), name + "_relu1"), n, 3, name + "_conv2", stride)
        y = bn(y, name + "_bn3")
        y = excite(y, n, name) if se else y
        return y + (x if match else bn(conv(x, n, 1, name + "_conv1sc", stride), name + "_sc"))

    x = prelu(bn(conv(pixels(), filters[0], 3, "conv0"), "bn0"), "relu0")
    for i, count in enumerate(units):
        for j in range(count):
            x = unit(x, filters[i + 1], 1 if j else 2, j > 0, f"stage{i + 1}_unit{j + 1}")
    return embed(x, size)


def mobilefacenet(size=128, width=1, repeats=(4, 6, 2)):
    """Bottlenecks of MobileNet v2 with PReLU; the map is averaged by a depthwise convolution of its own size."""
    def cbp(x, n, k, name, stride=1, group=1, act=True, pad=None):
        x = bn(conv(x, n, k, name + "_conv2d", stride, group, pad), name + "_batchnorm")
        return prelu(x, name + "_relu") if act else x

    def n_of(n):
        return max(n // width, 2)

    def down(x, cout, stride, inner, name):
        x = cbp(x, inner, 1, name + "_conv_sep")
        return cbp(cbp(x, inner, 3, name + "_conv_dw", stride, inner), cout, 1, name + "_conv_proj", act=False)

    x = cbp(cbp(pixels(), n_of(64), 3, "conv_1", 2), n_of(64), 3, "conv_2_dw", 1, n_of(64))
    for i, (count, n, inner) in enumerate(zip(repeats, (64, 128, 128), (128, 256, 256))):
        x = down(x, n_of(n), 2, n_of(inner), f"dconv_{i}")
        for j in range(count):
            x = S.elemwise_add(x, down(x, n_of(n), 1, n_of(inner), f"res_{i}_block{j}"), name=f"res_{i}_{j}")
    x = cbp(cbp(x, n_of(512), 1, "conv_6sep"), n_of(512), 7, "conv_6dw7_7", 1, n_of(512), act=False, pad=0)
    return bn(S.FullyConnected(x, S.Variable("fc1_weight"), S.Variable("fc1_bias"), num_hidden=size, name="pre_fc1"), "fc1", True)


def mobile_body(width, last=6):
    """The body that the detector and the age and gender net share: MobileNet v1 of a quarter; every map on the way."""
    def cbr(x, n, k, name, stride=1, group=1):
        return S.Activation(bn(conv(x, n, k, name + "_conv2d", stride, group), name + "_batchnorm"), act_type="relu", name=name + "_relu")

    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + [(128, 1)] * 5 + [(256, 2), (256, 1)]
    before = max(8 // width, 2)
    x = cbr(pixels() if last else S.Variable("data"), before, 3, "conv_1", 2)
    maps = []
    for i, (n, stride) in enumerate(plan):
        n = max(n // width, 2)
        x = cbr(cbr(x, before, 3, f"conv_{i + 2}_dw", stride, before), n, 1, f"conv_{i + 2}")
        before = n
        maps.append(x)
    return maps


def age_gender(width=1):
    """Two scores of gender, then a hundred pairs of "older than": one vector of 202."""
    x = S.Pooling(mobile_body(width)[-1], global_pool=True, kernel=(7, 7), pool_type="avg", name="pool1")
    return S.FullyConnected(S.Flatten(x, name="flatten0"), num_hidden=202, name="fc1")


def retina_heads(maps, n, anchors=2):
    """Three levels, the coarser brought up and cropped to the finer, a context of three sizes, nine outputs."""
    def cbr(x, name, filters, k=3, act=True):
        weight, bias = S.Variable(name + "_weight", lr_mult=1.0), S.Variable(name + "_bias", lr_mult=2.0, wd_mult=0.0)
        x = S.Convolution(x, weight, bias, num_filter=filters, kernel=(k, k), pad=(k // 2, k // 2), name=name)
        x = bn(x, name + "_bn")
        return S.Activation(x, act_type="relu", name=name + "_relu") if act else x

    def context(x, name):
        small = cbr(x, name + "_context_conv1", n // 4)
        deeper = cbr(cbr(small, name + "_context_conv3_1", n // 4), name + "_context_conv3_2", n // 4, act=False)
        x = S.concat(cbr(x, name + "_conv1", n // 2, act=False), cbr(small, name + "_context_conv2", n // 4, act=False), deeper,
                     dim=1, name=name + "_concat")
        return S.Activation(x, act_type="relu", name=name + "_concat_relu")

    def outputs(x, stride):
        score = conv(x, 2 * anchors, 1, f"face_rpn_cls_score_stride{stride}", no_bias=False)
        score = S.Reshape(score, shape=(0, 2, -1, 0), name=f"face_rpn_cls_score_reshape_stride{stride}")
        score = S.SoftmaxActivation(score, mode="channel", name=f"face_rpn_cls_prob_stride{stride}")
        return [S.Reshape(score, shape=(0, 2 * anchors, -1, 0), name=f"face_rpn_cls_prob_reshape_stride{stride}"),
                conv(x, 4 * anchors, 1, f"face_rpn_bbox_pred_stride{stride}", no_bias=False),
                conv(x, 10 * anchors, 1, f"face_rpn_landmark_pred_stride{stride}", no_bias=False)]

    finer, level = {}, None
    for stride, x in zip((32, 16, 8), maps):
        side = cbr(x, f"rf_c{stride}_lateral", n, 1)
        if level is not None:
            up = S.UpSampling(level, scale=2, sample_type="nearest", num_args=1, workspace=512, name=f"rf_c{stride * 2}_upsampling")
            side = cbr(side + S.Crop(up, side, num_args=2), f"rf_c{stride}_aggr", n)
        finer[stride] = level = side
    return S.Group([o for stride, x in finer.items() for o in outputs(context(x, f"rf_c{stride}_det"), stride)])


def retinaface_mnet(width=1):
    maps = mobile_body(width, last=0)
    return retina_heads((maps[12], maps[10], maps[4]), max(64 // width, 8))


def retinaface_r50(units=(3, 4, 6, 3), filters=(64, 256, 512, 1024, 2048), n=256):
    """A ResNet-50 of the v2 kind in front."""
    def act(x, name):
        return S.Activation(x, act_type="relu", name=name)

    def unit(x, m, stride, match, name):
        first = act(bn(x, name + "_bn1"), name + "_relu1")
        y = act(bn(conv(first, m // 4, 1, name + "_conv1"), name + "_bn2"), name + "_relu2")
        y = act(bn(conv(y, m // 4, 3, name + "_conv2", stride), name + "_bn3"), name + "_relu3")
        return first, conv(y, m, 1, name + "_conv3") + (x if match else conv(first, m, 1, name + "_sc", stride))

    x = act(bn(conv(bn(S.Variable("data"), "bn_data", True), filters[0], 7, "conv0", 2), "bn0"), "relu0")
    x = S.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="pooling0")
    maps = []
    for i, count in enumerate(units):
        for j in range(count):
            first, x = unit(x, filters[i + 1], 2 if i and not j else 1, j > 0, f"stage{i + 1}_unit{j + 1}")
            if i > 1 and not j:
                maps.insert(0, first)  # what enters the stage, normalised
    maps.insert(0, act(bn(x, "bn1"), "relu1"))
    return retina_heads(maps, n)


def mtcnn(stage):
    """PReLU, pooling by the full convention, two or three heads of which one is a softmax."""
    def cp(x, n, k, i):
        x = S.Convolution(x, num_filter=n, kernel=(k, k), name=f"conv{i}")
        return S.LeakyReLU(x, act_type="prelu", name=f"prelu{i}")

    def pool(x, k, i):
        return S.Pooling(x, kernel=(k, k), stride=(2, 2), pool_type="max", pooling_convention="full", name=f"pool{i}")

    x = S.Variable("data")
    if stage == 1:
        x = cp(cp(pool(cp(x, 10, 3, 1), 2, 1), 16, 3, 2), 32, 3, 3)
        score = S.Convolution(x, num_filter=2, kernel=(1, 1), name="conv4_1")
        return S.Group([S.Convolution(x, num_filter=4, kernel=(1, 1), name="conv4_2"),
                        S.SoftmaxActivation(score, mode="channel", name="prob1")])
    for i, (n, k) in enumerate(((28, 3), (48, 3), (64, 2)) if stage == 2 else ((32, 3), (64, 3), (64, 3), (128, 2))):
        x = cp(x, n, k, i + 1)
        if i < stage:
            x = pool(x, 2 if i == 2 else 3, i + 1)
    x = S.LeakyReLU(S.FullyConnected(x, num_hidden=64 * stage, name="dense"), act_type="prelu", name="prelu_dense")
    heads = [S.FullyConnected(x, num_hidden=n, name=f"head{n}") for n in ((4,) if stage == 2 else (4, 10))]
    return S.Group([*heads, S.SoftmaxActivation(S.FullyConnected(x, num_hidden=2, name="score"), name="prob1")])


PX = registry.PIXELS
for _n, _units in {34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}.items():
    registry.add(f"LResNet{_n}E-IR", SOURCE, lambda u=_units: lresnet_e_ir(u), (3, 112, 112), PX)
registry.add("LResNet50E-IR, 112x96", SOURCE, lambda: lresnet_e_ir((3, 4, 14, 3)), (3, 112, 96), PX)
registry.add("SE-LResNet50E-IR", SOURCE, lambda: lresnet_e_ir((3, 4, 14, 3), se=True), (3, 112, 112), PX)
registry.add("MobileFaceNet", SOURCE, mobilefacenet, (3, 112, 112), PX)
registry.add("age and gender", SOURCE, age_gender, (3, 112, 112), PX)
registry.add("RetinaFace mnet", SOURCE, retinaface_mnet, (3, 160, 224), PX, None)
registry.add("RetinaFace mnet, odd size", SOURCE, retinaface_mnet, (3, 149, 203), PX, None)
registry.add("RetinaFace R50", SOURCE, retinaface_r50, (3, 128, 160), PX, None)
for _stage, _size in ((1, (3, 37, 50)), (2, (3, 24, 24)), (3, (3, 48, 48))):
    registry.add(f"MTCNN det{_stage}", "MTCNN form", lambda s=_stage: mtcnn(s), _size, features="fc" if _stage > 1 else None)
