"""Make pickles/*.npy: the same weights as one numpy after another pickled them; and squeezenet/protocol2.npy: what
squeezenet/ir.npy holds as numpy before 1.17 wrote it.

usage: make_pickles.py

Run it once with numpy 1.23 (protocols 2 and 3, as MMdnn's time wrote) and once with numpy 2 (protocols 4 and 5).
"""
import io
import os
import pickle

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
six = np.arange(6, dtype=np.float32).reshape(2, 3)
weights = {"conv": {"plain": six, "fortran": np.asfortranarray(six), "big": six.astype(">f4"), "half": six.astype(np.float16),
                    "double": six.astype(np.float64)},
           "fc": {"scalar": np.float32(1.5), "vector": np.float32([200, -200])}}


def write(name, what, protocol):
    f = io.BytesIO()
    np.lib.format.write_array_header_1_0(f, {"descr": "|O", "fortran_order": False, "shape": ()})
    pickle.dump(np.array(what, dtype=object), f, protocol=protocol)
    with open(f"{HERE}/{name}.npy", "wb") as out:
        out.write(f.getvalue())


os.makedirs(HERE + "/pickles", exist_ok=True)
old = int(np.__version__.split(".")[0]) < 2
for protocol in (2, 3) if old else (4, 5):
    write(f"pickles/protocol{protocol}", weights, protocol)
if old:
    net = np.load(HERE + "/squeezenet/ir.npy", allow_pickle=True)
    write("squeezenet/protocol2", net.item(), 2)
