"""The nets that run.py knows by name, and how the ONNX file of each is made: MXNet's checkpoint through `penult convert`."""
import os
import subprocess
import tempfile
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

Net = namedtuple("Net", "family size")  # its name in tests/families/registry.py, None for the bundled checkpoint; height, width

NETS = {
    "resnet152-11k": Net("ResNet-152 v2, 11221 classes, at 224", 224),
    "resnet50-v1": Net("resnet50_v1", 224),
    "resnet50-v2": Net("resnet50_v2", 224),
    "resnet18": Net("resnet18_v1", 224),
    "vgg16": Net("vgg16", 224),
    "insightface-r100": Net("LResNet100E-IR", 112),
    "inception-v3": Net("inceptionv3", 299),
    "resnext50": Net("ResNeXt-50 32x4d", 224),
    "densenet121": Net("densenet121", 224),
    "googlenet": Net("GoogLeNet", 224),
    "squeezenet1.1": Net("squeezenet1.1", 224),
    "mobilenet1.0": Net("mobilenet1.0", 224),
    "mobilenet-v2": Net("mobilenetv2_1.0", 224),
    "efficientnet-lite0": Net(None, 224)}


class NotMade(Exception):
    """Why a net has no ONNX file."""


def listing():
    return "\n".join(f"{name:20} 3,{net.size},{net.size}  " +
                     (f"{net.family}, random weights" if net.family else "examples/efficientnet-lite0")
                     for name, net in NETS.items())


def unknown(models):
    """What is neither a name nor a file; all of them."""
    return [m for m in models if m not in NETS and not os.path.isfile(m)]


def step(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing on stderr"]
        raise NotMade(f"{os.path.basename(command[0])} {os.path.basename(command[1])}: exit {done.returncode}: {said[-1]}")


def onnx_of(name, work, penult, mxnet_python):
    """The file of a net, made if WORK does not have it; mxnet_python() is an interpreter that has MXNet. A path is itself."""
    if name not in NETS:
        return name
    net, path = NETS[name], os.path.join(work, name + ".onnx")
    if os.path.exists(path):
        return path
    os.makedirs(work, exist_ok=True)
    shape = f"3,{net.size},{net.size}"
    with tempfile.TemporaryDirectory(dir=work) as folder:
        prefix = os.path.join(ROOT, "examples/efficientnet-lite0/efficientnet-lite0")
        if net.family:
            prefix = os.path.join(folder, "net")
            step([mxnet_python(), os.path.join(HERE, "checkpoint.py"), net.family, shape, prefix])
        made = os.path.join(folder, "net.onnx")
        step([penult, "convert", prefix + "-symbol.json", prefix + "-0000.params", "--input-shape", shape, "-o", made])
        os.replace(made, path)
    return path
