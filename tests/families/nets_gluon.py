"""All of mxnet.gluon.model_zoo.vision, as HybridBlock.export writes them: their names, attributes and logits."""
import mxnet as mx

import registry

SOURCE = "Gluon model zoo"
DENSENETS = ("densenet121", "densenet161", "densenet169", "densenet201")
RESNETS = tuple(f"resnet{n}_v{v}" for v in (1, 2) for n in (18, 34, 50, 101, 152))
MOBILENETS = tuple(f"{kind}{width}" for kind in ("mobilenet", "mobilenetv2_") for width in ("1.0", "0.75", "0.5", "0.25"))
VGGS = tuple(f"vgg{n}{bn}" for bn in ("", "_bn") for n in (11, 13, 16, 19))
# the last pooling of these has a window of fixed size, so the input's size is given; the others take any
SIZES = {"alexnet": 96, "inceptionv3": 299, "squeezenet1.0": 224, "squeezenet1.1": 224,
         "densenet121": 224, "densenet161": 224, "densenet169": 224, "densenet201": 224}
FULL_SIZE = ("resnet50_v1", "resnet50_v2", "vgg16", "mobilenet1.0", "mobilenetv2_1.0", "alexnet")


def block(name, classes=1000):
    """The Gluon block and its symbol; the weights are not made yet."""
    with mx.name.NameManager():  # counters from zero, so that a net's names do not depend on those before it
        net = mx.gluon.model_zoo.vision.get_model(name, classes=classes)
        net.hybridize()
        return net, net(mx.sym.Variable("data"))


def features_of(name):
    return None if name.startswith("squeezenet") else "fc"


for _name in ("alexnet", *DENSENETS, "inceptionv3", *MOBILENETS, *RESNETS, "squeezenet1.0", "squeezenet1.1", *VGGS):
    _size = SIZES.get(_name, 64)
    registry.add(_name, SOURCE, lambda name=_name: block(name)[1], (3, _size, _size), features=features_of(_name))
for _name in FULL_SIZE:
    registry.add(_name + " at 224", SOURCE, lambda name=_name: block(name)[1], (3, 224, 224), features=features_of(_name))
