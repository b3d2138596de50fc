"""A narrow net of every family: the nets of tests/families with a few channels, so that the suite can hold them."""
import json
import os
import sys

import mxnet as mx

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../families"))

import nets_faces as faces  # noqa: E402
import nets_gluon as gluon  # noqa: E402
import nets_inception as inception  # noqa: E402
import nets_mobile as mobile  # noqa: E402
import nets_plain as plain  # noqa: E402
import nets_residual as residual  # noqa: E402
import weights  # noqa: E402

UNIT, PIXELS = (127.5, 1 / 64), (0, 1)
FEW, BASIC = (8, 16, 16, 32, 32), (8, 8, 12, 16, 16)
ONE = (1, 1, 1, 1)


def narrow(sym, by):
    """The symbol with every layer but the last `by` times as narrow."""
    graph = json.loads(sym.tojson())
    layers = [n for n in graph["nodes"] if n["op"] in ("Convolution", "FullyConnected")]
    for n in layers:
        for key in ("num_filter", "num_hidden"):
            if key in n["attrs"]:
                was = int(n["attrs"][key])
                now = 10 if n is layers[-1] else max(was // by, 2)
                if int(n["attrs"].get("num_group", 1)) == was:
                    n["attrs"]["num_group"] = str(now)
                n["attrs"][key] = str(now)
    for n in graph["nodes"]:  # a variable repeats what its layer says
        if n["op"] == "null":
            n.pop("attrs", None)
    return mx.sym.load_json(json.dumps(graph))


def zoo(name, by):
    return narrow(gluon.block(name)[1], by)


# name: (symbol, input shape, (shift, scale) of the input's bytes, feature tensor: "fc" is what the classifier is fed)
NETS = {
    "gluon-alexnet": (lambda: zoo("alexnet", 64), (3, 64, 64), UNIT, "fc"),
    "gluon-densenet121": (lambda: zoo("densenet121", 32), (3, 224, 224), UNIT, "fc"),
    "gluon-inceptionv3": (lambda: zoo("inceptionv3", 32), (3, 299, 299), UNIT, "fc"),
    "gluon-mobilenet": (lambda: zoo("mobilenet0.25", 4), (3, 40, 32), UNIT, "fc"),
    "gluon-mobilenetv2": (lambda: zoo("mobilenetv2_0.25", 4), (3, 33, 32), UNIT, "mobilenetv20_features_pool0_fwd_output"),
    "gluon-resnet18-v1": (lambda: zoo("resnet18_v1", 32), (3, 48, 48), UNIT, "fc"),
    "gluon-resnet50-v1": (lambda: zoo("resnet50_v1", 32), (3, 33, 41), UNIT, "fc"),
    "gluon-resnet18-v2": (lambda: zoo("resnet18_v2", 32), (3, 48, 48), UNIT, "fc"),
    "gluon-resnet50-v2": (lambda: zoo("resnet50_v2", 32), (3, 41, 33), UNIT, "fc"),
    "gluon-squeezenet": (lambda: zoo("squeezenet1.1", 8), (3, 224, 224), UNIT, None),
    "gluon-vgg11": (lambda: zoo("vgg11", 64), (3, 32, 32), UNIT, "fc"),
    "gluon-vgg11-bn": (lambda: zoo("vgg11_bn", 64), (3, 32, 64), UNIT, "fc"),
    "mlp": (lambda: plain.mlp(10, 8), (1, 28, 28), UNIT, "fc"),
    "lenet": (lambda: plain.lenet(10, 10), (1, 28, 28), UNIT, "fc"),
    "vgg-symbol": (lambda: plain.vgg(11, True, 10, 32), (3, 32, 32), UNIT, "fc"),
    "squeezenet-symbol": (lambda: plain.squeezenet(10, 6), (3, 63, 63), UNIT, None),
    "googlenet": (lambda: inception.googlenet(10, 16), (3, 64, 64), UNIT, "fc"),
    "inception-bn": (lambda: inception.inception_bn(10, 16), (3, 224, 224), UNIT, "fc"),
    "inception-v3": (lambda: inception.inception_v3(10, 24, 1), (3, 107, 75), UNIT, "fc"),
    "inception-v4": (lambda: inception.inception_v4(10, 24, ONE[:3]), (3, 299, 299), UNIT, "fc"),
    "inception-resnet-v2": (lambda: inception.inception_resnet_v2(10, 24, ONE[:3]), (3, 149, 149), UNIT, "fc"),
    "resnet-v1": (lambda: residual.resnet_v1(ONE, FEW, 10), (3, 48, 48), PIXELS, "fc"),
    "resnet-v2-basic": (lambda: residual.resnet_v2(ONE, BASIC, 10, False), (3, 48, 48), PIXELS, "fc"),
    "resnext": (lambda: residual.resnet_v1(ONE, FEW, 10, group=4, wide=2), (3, 48, 48), PIXELS, "fc"),
    "se-resnet": (lambda: residual.resnet_v1(ONE, FEW, 10, form="b", se="conv", data_bn=False), (3, 48, 48), UNIT, "fc"),
    "se-resnext": (lambda: residual.resnet_v1(ONE, FEW, 10, group=4, wide=2, se="dense", data_bn=False), (3, 48, 48), UNIT, "fc"),
    "resnet-c": (lambda: residual.resnet_v1(ONE, FEW, 10, form="c", data_bn=False), (3, 48, 48), UNIT, "fc"),
    "resnet-d": (lambda: residual.resnet_v1(ONE, FEW, 10, form="d", data_bn=False), (3, 47, 61), UNIT, "fc"),
    "dpn": (lambda: residual.dpn(ONE, 8, 4, 8, 8, (4, 4, 4, 8), 10), (3, 48, 48), UNIT, "fc"),
    "mobilenet-v1": (lambda: mobile.mobilenet_v1(0.125, 10, 8), (3, 48, 64), UNIT, "fc"),
    "mobilenet-v2": (lambda: mobile.mobilenet_v2(0.125, 10, (1, 2, 1, 1, 1, 1, 1), 32), (3, 64, 64), UNIT, "fc"),
    "mobilenet-v3": (lambda: mobile.mobilenet_v3(mobile.V3_SMALL[:6], (96, 128), 10, 4), (3, 48, 48), UNIT, "fc"),
    "mobilenet-v3-hard": (lambda: mobile.mobilenet_v3(mobile.V3_LARGE[2:9], (96, 128), 10, 4, False), (3, 48, 48), UNIT, "fc"),
    "shufflenet-v1": (lambda: mobile.shufflenet_v1(3, (24, 48, 96), (2, 2, 1), 12, 10), (3, 64, 64), UNIT, "fc"),
    "shufflenet-v2": (lambda: mobile.shufflenet_v2((16, 24, 32), (2, 2, 1), 8, 32, 10), (3, 64, 64), UNIT, "fc"),
    "shufflenet-v2-split": (lambda: mobile.shufflenet_v2((16, 24, 32), (2, 2, 1), 8, 32, 10, False), (3, 64, 48), UNIT, "fc"),
    "xception": (lambda: mobile.xception(10, 48, 1), (3, 71, 71), UNIT, "fc"),
    "lresnet-e-ir": (lambda: faces.lresnet_e_ir(ONE, BASIC, 16), (3, 112, 96), PIXELS, "fc"),
    "se-lresnet-e-ir": (lambda: faces.lresnet_e_ir(ONE, BASIC, 16, True), (3, 56, 48), PIXELS, "fc"),
    "mobilefacenet-narrow": (lambda: faces.mobilefacenet(16, 16, ONE[:3]), (3, 112, 112), PIXELS, "fc"),
    "age-gender": (lambda: faces.age_gender(8), (3, 112, 112), PIXELS, "fc"),
    "retinaface-mnet": (lambda: faces.retinaface_mnet(8), (3, 74, 93), PIXELS, None),
    "retinaface-r50": (lambda: faces.retinaface_r50(ONE, FEW, 8), (3, 64, 96), PIXELS, None),
}


def checkpoint(sym, x):
    """(arrays by their sectioned names, name of the feature tensor)."""
    args, auxs = weights.random_weights(sym, x.shape, 1)
    auxs = weights.calibrate(sym, args, auxs, x)
    return {**{"arg:" + k: v for k, v in args.items()}, **{"aux:" + k: v for k, v in auxs.items()}}


def save(prefix, sym, arrays):
    with open(prefix + "-symbol.json", "w", encoding="utf-8") as f:
        f.write(json.dumps(json.loads(sym.tojson()), separators=(",", ":")) + "\n")
    mx.nd.save(prefix + "-0000.params", arrays)
