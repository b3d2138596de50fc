"""Net, converted by penult.

Input: Nx3x35x35
Output: Nx9, softmax_output
Features: forward_features(), Nx24, relu6_output
Made from: net-symbol.json (SHA-256 d4922571f96106c5da7166dbdac5ed1d73d99c255207aedbe0ec6354577db819)
    net-0000.params (SHA-256 ec17c7aea1eb6b2b6ce77996935204fa3ebc8db0cf8e2cb686f8a40c63cbf142)

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


class Net(nn.Module):
    def __init__(self, num_classes=9):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 5, stride=2)
        self.conv2 = nn.Conv2d(8, 12, 3, padding=1, groups=2)
        self.fc6 = nn.Linear(192, 24)
        self.drop6 = nn.Dropout()
        self.fc7 = nn.Linear(24, num_classes)

    def forward_features(self, x):
        """The feature tensor: 24 numbers an image."""
        x = F.local_response_norm(F.relu(self.conv1(x)), 5, 0.0002, 0.75, 2.0)
        x = F.relu(self.conv2(F.max_pool2d(x, 3, stride=2, ceil_mode=True)))
        x = torch.flatten(F.max_pool2d(x, 3, stride=2, ceil_mode=True), 1)
        return F.relu(self.fc6(x))

    def forward(self, x):
        x = self.forward_features(x)
        return F.softmax(self.fc7(self.drop6(x)), 1)


def load(path=None, num_classes=9):
    """The trained network, from a .safetensors file or one of torch.save.

    Without a path from the one beside this module: .safetensors if that package is
    installed, else .pth. With another number of classes than
    the file's, fc7 is left as it was born.
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
    if num_classes != 9:
        for key, fresh in model.fc7.state_dict(prefix="fc7.").items():
            if key in state and state[key].shape != fresh.shape:
                state[key] = fresh
    model.load_state_dict(state)
    return model.eval()
