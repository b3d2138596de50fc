"""Bars of each engine's speed by the best peer's. Run by run.py, in its venv.

usage: plot.py OUT.svg < {"title": ..., "speeds": {model: {engine: relative speed}}}
"""
import json
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

data = json.load(sys.stdin)
models = list(data["speeds"])
engines = list(dict.fromkeys(e for speeds in data["speeds"].values() for e in speeds))
figure, axes = plt.subplots(figsize=(1.5 + 1.3 * len(models), 4))
width = 0.8 / len(engines)
for i, engine in enumerate(engines):
    at = [m + (i - (len(engines) - 1) / 2) * width for m in range(len(models))]
    axes.bar(at, [data["speeds"][m].get(engine, 0) for m in models], width, label=engine)
axes.axhline(1, color="black", linewidth=0.8)
axes.set_xticks(range(len(models)), models, rotation=20, ha="right")
axes.set_ylabel("speed, best peer = 1")
axes.set_title(data["title"], fontsize=8)
axes.legend(ncols=len(engines), fontsize=8)
figure.tight_layout()
figure.savefig(sys.argv[1], metadata={"Date": None})
