"""Net, converted by penult.

Input: Nx3x21x19
Output: Nx6, softmax_output
Features: forward_features(), Nx12, flatten0_output
Made from: net-symbol.json (SHA-256 e85b1e30474624dcbee93f39fec4eeb80d2b77aac710a405bf3a6a8bc0e910d6)
    net-0000.params (SHA-256 64d21c2caf55b3cd169ba54b535eed629c30e381336131b631f7b201341568a0)

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
    def __init__(self, num_classes=6):
        super().__init__()
        self.conv0 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.gate1 = nn.Linear(8, 4)
        self.gate2 = nn.Linear(4, 8)
        self.conv1 = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.fc1 = nn.Linear(12, num_classes)

    def forward_features(self, x):
        """The feature tensor: 12 numbers an image."""
        x = F.leaky_relu(self.conv0(x), 0.1)
        y = self.gate1(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        y = torch.sigmoid(self.gate2(F.relu(y)))
        x = self.conv1(x * y.reshape(-1, 8, 1, 1))
        return torch.flatten(F.adaptive_avg_pool2d(F.elu(x), 1), 1)

    def forward(self, x):
        x = self.forward_features(x)
        return F.softmax(self.fc1(x), 1)


def load(path=None, num_classes=6):
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
    if num_classes != 6:
        for key, fresh in model.fc1.state_dict(prefix="fc1.").items():
            if key in state and state[key].shape != fresh.shape:
                state[key] = fresh
    model.load_state_dict(state)
    return model.eval()
