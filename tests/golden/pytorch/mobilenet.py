"""Net, converted by penult.

Input: Nx3x33x32
Output: Nx12, dense0_fwd_output
Features: forward_features(), Nx8, flatten_output
Made from: net-symbol.json (SHA-256 ed89d54bae6e2d51e2ac6e7b125cbd8cedf3884b21295d4575c7fa3a2d3d6413)
    net-0000.params (SHA-256 98f1420b7d91774097bd728cc0590357d05edfb223d08a80507e024c133e87cd)

    model = net.load()                 # trained, in eval mode
    model = net.load(num_classes=10)   # the classifier fresh, to train
"""
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

try:
    from safetensors.torch import load_file
except ImportError:  # the .pth needs PyTorch alone
    load_file = None


class ConvBNReLU6(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, groups, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            groups=groups,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=2e-05)

    def forward(self, x):
        return F.relu6(self.bn(self.conv(x)))


class Net(nn.Module):
    def __init__(self, num_classes=12):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(6, eps=2e-05)
        self.b1 = nn.Sequential(
            ConvBNReLU6(6, 18, 1, 1),
            ConvBNReLU6(18, 18, 3, 18, padding=1),
        )
        self.b1_project = nn.Conv2d(18, 6, 1, bias=False)
        self.b1_bn2 = nn.BatchNorm2d(6, eps=2e-05)
        self.b2_expand = ConvBNReLU6(6, 18, 1, 1)
        self.b2_dw = ConvBNReLU6(18, 18, 3, 18, stride=2)
        self.b2_project = nn.Conv2d(18, 8, 1, bias=False)
        self.b2_bn2 = nn.BatchNorm2d(8, eps=2e-05)
        self.b3 = nn.Sequential(
            ConvBNReLU6(8, 24, 1, 1),
            ConvBNReLU6(24, 24, 3, 24, padding=1),
        )
        self.b3_project = nn.Conv2d(24, 8, 1, bias=False)
        self.b3_bn2 = nn.BatchNorm2d(8, eps=2e-05)
        self.dense0 = nn.Linear(8, num_classes)

    def forward_features(self, x):
        """What the classifier is given: 8 numbers an image."""
        x = self.stem((x - 127.5) * 0.0078125)
        x = F.relu(self.stem_bn(x))
        y = self.b1_bn2(self.b1_project(self.b1(x)))
        x = F.pad(self.b2_expand(y + x), (0, 1, 0, 1))
        x = self.b2_bn2(self.b2_project(self.b2_dw(x)))
        y = self.b3_bn2(self.b3_project(self.b3(x)))
        return torch.flatten(F.adaptive_avg_pool2d(y + x, 1), 1)

    def forward(self, x):
        x = self.forward_features(x)
        return self.dense0(x)


def load(path=None, num_classes=12):
    """The trained network, from a .safetensors or .pth file.

    Without a path from the one beside this module: .safetensors if that package is
    installed, else .pth. Another number of classes leaves dense0 as it was born.
    """
    path = Path(__file__).with_suffix(".safetensors") if path is None else Path(path)
    if path.suffix == ".safetensors" and load_file:
        state = load_file(path)
    else:
        state = torch.load(path.with_suffix(".pth"), map_location="cpu", weights_only=True)
    model = Net(num_classes)
    if num_classes != 12:
        fresh = model.dense0.state_dict()
        state.update({"dense0." + key: value for key, value in fresh.items()})
    model.load_state_dict(state)
    return model.eval()
