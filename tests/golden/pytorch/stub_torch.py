"""Enough of torch to build a module without it: what each layer would register, by name and shape.

A module that penult writes can then be held against its weight files on a machine that has no PyTorch.
"""
import sys
import types


class Tensor:
    def __init__(self, *shape):
        self.shape = shape


class Module:
    def __init__(self):
        self._entries = {}

    def register_buffer(self, name, value):
        self._entries[name] = value

    def __setattr__(self, name, value):
        if isinstance(value, (Module, Tensor)):
            assert name not in self._entries, f"{name} is set twice"
            self._entries[name] = value
        object.__setattr__(self, name, value)

    def state_dict(self, prefix=""):
        return {prefix + key: Tensor(*shape) for key, shape in state_of(self).items()}

    def load_state_dict(self, state):
        self.loaded = state

    def eval(self):
        return self


def state_of(module, prefix=""):
    """{key: shape} as module.state_dict() would have it"""
    found = {}
    for name, value in module.__dict__["_entries"].items():
        found.update(state_of(value, f"{prefix}{name}.") if isinstance(value, Module) else {prefix + name: value.shape})
    return found


def both(n, dims):
    return tuple(n) if isinstance(n, tuple) else (n,) * dims


def conv(dims, is_transposed=False):
    class Conv(Module):
        def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                     output_padding=0):
            super().__init__()
            assert in_channels % groups == 0 and out_channels % groups == 0
            assert all(v > 0 for n in (stride, dilation) for v in both(n, dims))
            assert all(v >= 0 for n in (padding, output_padding) for v in both(n, dims))
            pair = (in_channels, out_channels // groups) if is_transposed else (out_channels, in_channels // groups)
            self.weight = Tensor(*pair, *both(kernel_size, dims))
            if bias:
                self.bias = Tensor(out_channels)
    return Conv


class BatchNorm(Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        assert eps >= 0 and 0 <= momentum <= 1
        self.weight, self.bias = Tensor(num_features), Tensor(num_features)
        self.register_buffer("running_mean", Tensor(num_features))
        self.register_buffer("running_var", Tensor(num_features))
        self.register_buffer("num_batches_tracked", Tensor())


class Linear(Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = Tensor(out_features, in_features)
        if bias:
            self.bias = Tensor(out_features)


class PReLU(Module):
    def __init__(self, num_parameters=1):
        super().__init__()
        self.weight = Tensor(num_parameters)


class Dropout(Module):
    def __init__(self, p=0.5):
        super().__init__()
        assert 0 <= p <= 1


class Sequential(Module):
    def __init__(self, *items):
        super().__init__()
        for i, item in enumerate(items):
            self.register_buffer(str(i), item)


def install():
    nn = types.ModuleType("torch.nn")
    nn.Module, nn.Linear, nn.PReLU, nn.Dropout, nn.Sequential = Module, Linear, PReLU, Dropout, Sequential
    for d in (1, 2, 3):
        setattr(nn, f"Conv{d}d", conv(d))
        setattr(nn, f"ConvTranspose{d}d", conv(d, True))
        setattr(nn, f"BatchNorm{d}d", BatchNorm)
    functional = types.ModuleType("torch.nn.functional")
    torch = types.ModuleType("torch")
    torch.nn, nn.functional, torch.zeros = nn, functional, lambda shape: Tensor(*shape)
    sys.modules.update({"torch": torch, "torch.nn": nn, "torch.nn.functional": functional})
