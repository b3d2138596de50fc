"""Net, converted by penult.

Input: Nx3x14x18
Output: Nx5, softmax_output
Features: forward_features(), Nx18, flatten0_output
Made from: net-symbol.json (SHA-256 f41edb17d94f60aa2d2a51daf9eeed0dd5955bced554a6fb92c80b27c38203e0)
    net-0000.params (SHA-256 92cc6fcc8c1bedc4f6ff358e107110cc22bfdc1f161a66f03b9d681e470378f7)

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


class ConcatBlock(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.bn0a = nn.BatchNorm2d(in_channels, eps=2e-05)
        self.conv0a = nn.Conv2d(in_channels, 8, 1, bias=False)
        self.bn0b = nn.BatchNorm2d(8, eps=2e-05)
        self.conv0b = nn.Conv2d(8, 4, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.conv0a(F.relu(self.bn0a(x)))
        y = self.conv0b(F.relu(self.bn0b(y)))
        return torch.cat([x, y], 1)


class Net(nn.Module):
    def __init__(self, num_classes=5):
        super().__init__()
        self.conv0 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(
            ConcatBlock(6),
            ConcatBlock(10),
        )
        self.concatblock = ConcatBlock(14)
        self.bn3 = nn.BatchNorm2d(18, eps=2e-05)
        self.fc1 = nn.Linear(18, num_classes)

    def forward_features(self, x):
        """The feature tensor: 18 numbers an image."""
        x = F.avg_pool2d(self.blocks(self.conv0(x)), 2)
        x = F.relu(self.bn3(self.concatblock(x)))
        return torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)

    def forward(self, x):
        x = self.forward_features(x)
        return F.softmax(self.fc1(x), 1)


def load(path=None, num_classes=5):
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
    if num_classes != 5:
        for key, fresh in model.fc1.state_dict(prefix="fc1.").items():
            if key in state and state[key].shape != fresh.shape:
                state[key] = fresh
    model.load_state_dict(state)
    return model.eval()
