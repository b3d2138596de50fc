"""Net, converted by penult.

Input: Nx3x40x56
Output: Nx10, softmax_output
Features: forward_features(), Nx16, flatten0_output
Made from: net-symbol.json (SHA-256 e3b1c5953c467fa0c957c3688d94f24ca4167849ce8d38eb567763e77b7c9ffd)
    net-0000.params (SHA-256 e9068d6e7e056a36b9fd811a2e562471a235df72bdb5c656465bc3f283237f18)

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


class Unit(nn.Module):
    def __init__(self, in_channels, mid_channels, out_channels, stride=1, projection=False):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels, eps=2e-05)
        self.sc = nn.Conv2d(
            in_channels, out_channels, 1, stride=stride, bias=False
        ) if projection else None
        self.conv1 = nn.Conv2d(in_channels, mid_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(mid_channels, eps=2e-05)
        self.conv2 = nn.Conv2d(mid_channels, mid_channels, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(mid_channels, eps=2e-05)
        self.conv3 = nn.Conv2d(mid_channels, out_channels, 1, bias=False)

    def forward(self, x):
        y = F.relu(self.bn1(x))
        x = x if self.sc is None else self.sc(y)
        y = F.relu(self.bn2(self.conv1(y)))
        y = F.relu(self.bn3(self.conv2(y)))
        return self.conv3(y) + x


class Net(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.bn_data = nn.BatchNorm2d(3, eps=2e-05)
        self.conv0 = nn.Conv2d(3, 4, 7, stride=2, padding=3, bias=False)
        self.bn0 = nn.BatchNorm2d(4, eps=2e-05)
        self.stage1 = nn.Sequential(
            Unit(4, 2, 8, projection=True),
            Unit(8, 2, 8),
        )
        self.stage2_unit1 = Unit(8, 2, 8, stride=2, projection=True)
        self.stage3_unit1 = Unit(8, 4, 16, stride=2, projection=True)
        self.stage4_unit1 = Unit(16, 4, 16, stride=2, projection=True)
        self.bn1 = nn.BatchNorm2d(16, eps=2e-05)
        self.fc1 = nn.Linear(16, num_classes)

    def forward_features(self, x):
        """The feature tensor: 16 numbers an image."""
        x = self.bn0(self.conv0(self.bn_data(x)))
        x = self.stage1(F.max_pool2d(F.relu(x), 3, stride=2, padding=1))
        x = self.stage4_unit1(self.stage3_unit1(self.stage2_unit1(x)))
        x = F.adaptive_avg_pool2d(F.relu(self.bn1(x)), 1)
        return torch.flatten(x, 1)

    def forward(self, x):
        x = self.forward_features(x)
        return F.softmax(self.fc1(x), 1)


def load(path=None, num_classes=10):
    """The trained network, from a .safetensors file or one of torch.save.

    Without a path from the one beside this module: .safetensors if that package is
    installed, else .pth. With another number of classes than
    the file's, fc1 is left as it was born.
    """
    if path is None:  # what has no name in UTF-8, safetensors cannot open
        is_safe = load_file and __file__.isprintable()
        path = Path(__file__).with_suffix(".safetensors" if is_safe else ".pth")
    if str(path).endswith(".safetensors"):
        if not load_file:
            raise ImportError(f"{path}: safetensors is not installed")
        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    model = Net(num_classes)
    if num_classes != 10:
        for key, fresh in model.fc1.state_dict(prefix="fc1.").items():
            if key in state and state[key].shape != fresh.shape:
                state[key] = fresh
    model.load_state_dict(state)
    return model.eval()
