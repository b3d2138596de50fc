"""Run the code that mmtocode wrote for PyTorch: run_code.py CODE.py WEIGHTS.npy INPUT.npy OUT.npz"""
import importlib.util
import sys

import numpy as np
import torch

code, weights, source, out = sys.argv[1:]
load = np.load  # the code was written before numpy asked for allow_pickle
np.load = lambda *args, **more: load(*args, **{**more, "allow_pickle": True})
spec = importlib.util.spec_from_file_location("code", code)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
model = module.KitModel(weights).eval()
with torch.no_grad():
    y = model(torch.from_numpy(load(source)))
np.savez(out, *[t.numpy() for t in (y if isinstance(y, tuple) else (y,))])
