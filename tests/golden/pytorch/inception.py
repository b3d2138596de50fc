"""Net, converted by penult.

Input: Nx3x29x35
Output: Nx7, softmax_output
Features: forward_features(), Nx64, flatten0_output
Made from: net-symbol.json (SHA-256 ac3c15e6d9cdbe52efe52b40892d4b1364d9d11ad3d5304894790de299e0b8c3)
    net-0000.params (SHA-256 3f691fde350ee5dfe373261cd80d9178f4c35262b431b461ddcd7b7b40964536)

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
    def __init__(self, num_classes=7):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.bn_stem = nn.BatchNorm2d(8, eps=0.001)
        self.a1 = nn.Conv2d(8, 4, 1)
        self.bn_a1 = nn.BatchNorm2d(4, eps=0.001)
        self.a2_in = nn.Conv2d(8, 4, 1)
        self.bn_a2_in = nn.BatchNorm2d(4, eps=0.001)
        self.a2 = nn.Conv2d(4, 6, 3, padding=1)
        self.bn_a2 = nn.BatchNorm2d(6, eps=0.001)
        self.a3 = nn.Conv2d(8, 3, 1)
        self.bn_a3 = nn.BatchNorm2d(3, eps=0.001)
        self.b1 = nn.Conv2d(13, 6, 3, stride=2, padding=1)
        self.bn_b1 = nn.BatchNorm2d(6, eps=0.001)
        self.fc1 = nn.Linear(64, num_classes)

    def forward_features(self, x):
        """The feature tensor: 64 numbers an image."""
        x = F.relu(self.bn_stem(self.stem(x)))
        y = F.relu(self.bn_a1(self.a1(x)))
        relu_a2_in = F.relu(self.bn_a2_in(self.a2_in(x)))
        relu_a2 = F.relu(self.bn_a2(self.a2(relu_a2_in)))
        x = self.bn_a3(self.a3(F.avg_pool2d(x, 3, stride=1, padding=1)))
        x = torch.cat([y, relu_a2, F.relu(x)], 1)
        y = F.relu(self.bn_b1(self.b1(x)))
        b3_pool = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        x = torch.cat([y, F.max_pool2d(x, 3, stride=2, padding=1), b3_pool], 1)
        y = F.avg_pool2d(x, 3, stride=2, padding=1, ceil_mode=True)
        x = F.max_pool2d(x, 3, stride=2, padding=1, ceil_mode=True)
        return torch.flatten(F.adaptive_avg_pool2d(torch.cat([y, x], 1), 1), 1)

    def forward(self, x):
        x = self.forward_features(x)
        return F.softmax(self.fc1(x), 1)


def load(path=None, num_classes=7):
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
    if num_classes != 7:
        for key, fresh in model.fc1.state_dict(prefix="fc1.").items():
            if key in state and state[key].shape != fresh.shape:
                state[key] = fresh
    model.load_state_dict(state)
    return model.eval()
