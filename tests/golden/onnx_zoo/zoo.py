"""Nets of torchvision's families with random weights, exported to ONNX as their users would.

Needs torch, torchvision, onnx, onnxscript, onnxruntime; nothing of the test suite imports it.
"""
import logging
import os
import sys
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torchvision.models as M
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.densenet import DenseNet
from torchvision.models.efficientnet import EfficientNet, FusedMBConvConfig, MBConvConfig
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
from torchvision.models.regnet import BlockParams, RegNet
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

FULL = """alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3
mnasnet1_0 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_400mf regnet_y_400mf
resnet18 resnet50 resnext50_32x4d shufflenet_v2_x1_0 squeezenet1_0 squeezenet1_1 vgg11 vgg16_bn
wide_resnet50_2""".split()
NEWEST = onnx.defs.onnx_opset_version()


def make_sane(net, size):
    """Running statistics like those of a trained net: without them activations fade or burst."""
    torch.manual_seed(1)
    for m in net.modules():
        if isinstance(m, torch.nn.modules.batchnorm._BatchNorm):
            m.momentum = None  # a plain average
    net.train()
    with torch.no_grad():
        for _ in range(2):
            net(torch.randn(4, 3, size, size))
    return net.eval()


def full(name):
    """A net of torchvision at full width, and the size of its images."""
    torch.manual_seed(0)
    # an adaptive pool that has to stretch is nothing anyone exports: those two stay at 224
    size = 224 if name in ("alexnet", "vgg11", "vgg16_bn") else 160 if name == "inception_v3" else 96
    more = dict(transform_input=True, init_weights=False, aux_logits=False) if name in ("googlenet", "inception_v3") else {}
    net = make_sane(getattr(M, name)(weights=None, **more), size)
    for m in net.modules():
        if isinstance(m, torch.nn.modules.batchnorm._BatchNorm):
            m.running_var += m.running_var.mean() / 10  # nearly constant channels would turn rounding into noise
    return net, size


def mini_alexnet():
    c = torch.nn
    return c.Sequential(c.Conv2d(3, 6, 11, 4, 2), c.ReLU(), c.MaxPool2d(3, 2), c.Conv2d(6, 8, 5, 1, 2), c.ReLU(),
                        c.MaxPool2d(3, 2), c.AdaptiveAvgPool2d(3), c.Flatten(), c.Dropout(), c.Linear(72, 16),
                        c.ReLU(), c.Dropout(), c.Linear(16, 10))


def mini_inception(net):
    """Only the first blocks of each kind: the families differ in those, not in their number."""
    c = torch.nn
    if net == "googlenet":
        block = sys.modules["torchvision.models.googlenet"].Inception
        return c.Sequential(c.Conv2d(3, 8, 7, 2, 3), c.MaxPool2d(3, 2, ceil_mode=True), block(8, 4, 3, 6, 2, 3, 3),
                            c.MaxPool2d(2, 2, ceil_mode=True), block(16, 4, 3, 6, 2, 3, 3), c.AdaptiveAvgPool2d(1),
                            c.Flatten(), c.Linear(16, 10))
    block = sys.modules["torchvision.models.inception"].InceptionC
    return c.Sequential(c.Conv2d(3, 6, 3, 2), c.MaxPool2d(3, 2), block(6, 2), c.AdaptiveAvgPool2d(1), c.Flatten(),
                        c.Linear(768, 10))


class Transformed(torch.nn.Module):
    """What transform_input of googlenet and inception_v3 does before their first layer."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        parts = [torch.unsqueeze(x[:, i], 1) * (0.22 + i / 300) + (0.03 - i / 20) for i in range(3)]
        return self.body(torch.cat(parts, 1))


def mini(name):
    """A few thousand weights of the same family, for images of 64 x 64."""
    torch.manual_seed(0)
    n = dict(num_classes=10)
    v3 = [InvertedResidualConfig(8, 3, 16, 8, True, "RE", 2, 1, 0.5),
          InvertedResidualConfig(8, 5, 24, 8, True, "HS", 2, 1, 0.5),
          InvertedResidualConfig(8, 5, 24, 8, False, "HS", 1, 1, 0.5)]
    make = {
        "alexnet": mini_alexnet,
        "convnext": lambda: M.ConvNeXt([CNBlockConfig(8, 12, 2), CNBlockConfig(12, None, 1)], **n),
        "densenet": lambda: DenseNet(4, (2, 3), 8, 2, **n),
        "efficientnet": lambda: EfficientNet([MBConvConfig(1, 3, 1, 8, 8, 1, 0.3, 1),
                                              MBConvConfig(4, 5, 2, 8, 12, 2, 0.3, 1)], 0.2, last_channel=24, **n),
        "efficientnet_v2": lambda: EfficientNet([FusedMBConvConfig(1, 3, 1, 8, 8, 1),
                                                 FusedMBConvConfig(4, 3, 2, 8, 16, 2),
                                                 MBConvConfig(4, 3, 2, 16, 16, 2)], 0.2, last_channel=24, **n),
        "googlenet": lambda: Transformed(mini_inception("googlenet")),
        "inception": lambda: Transformed(mini_inception("inception_v3")),
        "mnasnet": mnasnet,
        "mobilenet_v2": mobilenet_v2,
        "mobilenet_v3": lambda: MobileNetV3(v3, 16, **n),
        "regnet_x": lambda: RegNet(BlockParams([1, 2], [8, 16], [4, 4], [1, 1], [2, 2]), stem_width=8, **n),
        "regnet_y": lambda: RegNet(BlockParams([1, 2], [8, 16], [4, 8], [1, 1], [2, 2], 0.25), stem_width=8, **n),
        "resnet": lambda: thin(ResNet(BasicBlock, [1, 1, 1, 1], width_per_group=64, **n)),
        "resnext": lambda: thin(ResNet(Bottleneck, [1, 1, 1, 1], groups=4, width_per_group=16, **n)),
        "shufflenet": lambda: M.ShuffleNetV2([1, 2, 1], [8, 8, 16, 24, 24], **n),
        "squeezenet": lambda: squeeze(),
        "vgg": lambda: vgg(),
        "wide_resnet": lambda: thin(ResNet(Bottleneck, [1, 1, 1, 1], width_per_group=128, **n)),
    }
    return make_sane(make[name](), 64) if name else sorted(make)


def thin(net):
    """The same net with an eighth of the channels: torchvision fixes 64 at the stem."""
    c = torch.nn

    def cut(m, parent, key):
        if isinstance(m, c.Conv2d):
            group = m.groups if m.groups == 1 else 2
            i = 3 if m.in_channels == 3 else m.in_channels // 8
            setattr(parent, key, c.Conv2d(i, m.out_channels // 8, m.kernel_size, m.stride, m.padding, m.dilation,
                                          group, m.bias is not None))
        elif isinstance(m, c.BatchNorm2d):
            setattr(parent, key, c.BatchNorm2d(m.num_features // 8))
        elif isinstance(m, c.Linear):
            setattr(parent, key, c.Linear(m.in_features // 8, m.out_features))
        else:
            for k, child in list(m.named_children()):
                cut(child, m, k)

    for block in ("layer3", "layer4"):  # two stages show all there is
        setattr(net, block, c.Identity())
    net.fc = c.Linear(net.layer2[-1].bn2.num_features * (4 if isinstance(net.layer2[0], Bottleneck) else 1), 10)
    if isinstance(net.layer2[0], Bottleneck):
        net.fc = c.Linear(net.layer2[-1].bn3.num_features, 10)
    cut(net, None, None)
    return net


def squeeze():
    c = torch.nn
    fire = M.SqueezeNet.__init__.__globals__["Fire"]
    net = c.Sequential(c.Conv2d(3, 8, 3, 2), c.ReLU(), c.MaxPool2d(3, 2, ceil_mode=True), fire(8, 4, 8, 8),
                       fire(16, 4, 8, 8), c.MaxPool2d(3, 2, ceil_mode=True), fire(16, 4, 8, 8), c.Dropout(),
                       c.Conv2d(16, 10, 1), c.ReLU(), c.AdaptiveAvgPool2d(1), c.Flatten())
    for p in net.parameters():  # without BatchNorm the image would hardly be seen at the end
        p.data *= 2.5
    return net


def mnasnet():
    net = M.MNASNet(0.2, num_classes=10)
    net.layers = net.layers[:10]
    net.classifier = torch.nn.Linear(8, 10)
    return net


def mobilenet_v2():
    net = M.MobileNetV2(width_mult=0.1, inverted_residual_setting=[[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 2, 2]],
                        round_nearest=4, num_classes=10)
    net.features = net.features[:-1]
    net.classifier = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(4, 10))
    return net


def vgg():
    net = M.VGG(M.vgg.make_layers([4, "M", 8, "M", 8, 8, "M"], batch_norm=True), init_weights=False, num_classes=10)
    net.avgpool = torch.nn.AdaptiveAvgPool2d(2)
    net.classifier = torch.nn.Sequential(torch.nn.Linear(32, 12), torch.nn.ReLU(), torch.nn.Dropout(),
                                         torch.nn.Linear(12, 10))
    return net


def export(net, size, path, exporter, opset, batch="free", fold=True, dtype=torch.float32):
    """exporter: torchscript or dynamo; batch: free, or a number spelled out in the file."""
    x = torch.randn(2 if batch == "free" else batch, 3, size, size).to(dtype)
    net = net.to(dtype)
    free = batch == "free"
    names = dict(input_names=["input"], output_names=["output"])
    if exporter == "torchscript":
        torch.onnx.export(net, x, path, dynamo=False, opset_version=opset, do_constant_folding=fold,
                          dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}} if free else None, **names)
    else:
        torch.onnx.export(net, (x,), path, dynamo=True, opset_version=opset, verbose=False,
                          dynamic_shapes=({0: torch.export.Dim("batch")},) if free else None, **names)
    net.to(torch.float32)


def answers(path, x):
    """ONNX Runtime's first output, without optimisations that change numbers."""
    o = ort.SessionOptions()
    o.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    o.log_severity_level = 3
    s = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    i = s.get_inputs()[0]
    x = x.astype(np.float16 if "float16" in i.type else np.float32)
    return s.run(None, {i.name: x})[0].astype(np.float32)
