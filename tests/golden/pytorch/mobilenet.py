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


class ResidualBlock(nn.Module):
    def __init__(self, channels, mid_channels):
        super().__init__()
        self.expand = nn.Conv2d(channels, mid_channels, 1, bias=False)
        self.bn0 = nn.BatchNorm2d(mid_channels, eps=2e-05)
        self.dw = nn.Conv2d(
            mid_channels, mid_channels, 3, padding=1, groups=mid_channels, bias=False
        )
        self.bn1 = nn.BatchNorm2d(mid_channels, eps=2e-05)
        self.project = nn.Conv2d(mid_channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, eps=2e-05)

    def forward(self, x):
        y = F.relu6(self.bn0(self.expand(x)))
        y = F.relu6(self.bn1(self.dw(y)))
        return self.bn2(self.project(y)) + x


class Net(nn.Module):
    def __init__(self, num_classes=12):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(6, eps=2e-05)
        self.b1 = ResidualBlock(6, 18)
        self.b2_expand = nn.Conv2d(6, 18, 1, bias=False)
        self.b2_bn0 = nn.BatchNorm2d(18, eps=2e-05)
        self.b2_dw = nn.Conv2d(18, 18, 3, stride=2, groups=18, bias=False)
        self.b2_bn1 = nn.BatchNorm2d(18, eps=2e-05)
        self.b2_project = nn.Conv2d(18, 8, 1, bias=False)
        self.b2_bn2 = nn.BatchNorm2d(8, eps=2e-05)
        self.b3 = ResidualBlock(8, 24)
        self.dense0 = nn.Linear(8, num_classes)

    def forward_features(self, x):
        """The feature tensor: 8 numbers an image."""
        x = self.stem((x - 127.5) * 0.0078125)
        x = self.b1(F.relu(self.stem_bn(x)))
        x = F.relu6(self.b2_bn0(self.b2_expand(x)))
        x = self.b2_bn1(self.b2_dw(F.pad(x, (0, 1, 0, 1))))
        x = self.b2_bn2(self.b2_project(F.relu6(x)))
        return torch.flatten(F.adaptive_avg_pool2d(self.b3(x), 1), 1)

    def forward(self, x):
        x = self.forward_features(x)
        return self.dense0(x)


def load(path=None, num_classes=12):
    """The trained network, from a .safetensors file or one of torch.save.

    Without a path from the one beside this module: .safetensors if that package is
    installed, else .pth. With another number of classes than
    the file's, dense0 is left as it was born.
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
    if num_classes != 12:
        for key, fresh in model.dense0.state_dict(prefix="dense0.").items():
            if key in state and state[key].shape != fresh.shape:
                state[key] = fresh
    model.load_state_dict(state)
    return model.eval()
