"""Net, converted by penult.

Input: Nx3x12x14
Output: Nx4, conv4_2_output
Output: Nx5, conv4_3_output
Output: Nx2, prob1_output
Features: forward_features(), Nx16, prelu3_output
Made from: net-symbol.json (SHA-256 0d0cf24e5f0ba570e4d8efe3df112eaab29bffdbb74d203719a84f532a5e1bae)
    net-0000.params (SHA-256 35088da5274c60d76c135d283eb363c7fc0107ee2771db7989f18d75ee36093e)

    model = net.load()                 # trained, in eval mode

It ends in no classifying layer whose outputs could be others in number:
load() takes no num_classes.
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
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3)
        self.prelu1 = nn.PReLU(6)
        self.conv2 = nn.Conv2d(6, 10, 3)
        self.prelu2 = nn.PReLU(10)
        self.conv3 = nn.Linear(120, 16)
        self.prelu3 = nn.PReLU(16)
        self.conv4_2 = nn.Linear(16, 4)
        self.conv4_3 = nn.Linear(16, 5)
        self.conv4_1 = nn.Linear(16, 2)

    def forward_features(self, x):
        """The feature tensor: 16 numbers an image."""
        x = self.prelu1(self.conv1(x))
        x = self.conv2(F.max_pool2d(x, 3, stride=2, ceil_mode=True))
        x = self.conv3(torch.flatten(self.prelu2(x), 1))
        return self.prelu3(x)

    def forward(self, x):
        x = self.forward_features(x)
        y = self.conv4_2(x)
        conv4_3 = self.conv4_3(x)
        x = F.softmax(self.conv4_1(x), 1)
        return y, conv4_3, x


def load(path=None):
    """The trained network, from a .safetensors file or one of torch.save.

    Without a path from the one beside this module: .safetensors if that package is
    installed, else .pth.
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
    model = Net()
    model.load_state_dict(state)
    return model.eval()
