"""What the witnesses of the table share: a loop that answers one JSON line with another."""
import json
import sys
import traceback


def distance(a, b):
    """max|a-b| / max|b|."""
    import numpy as np
    a, b = np.asarray(a, "f8"), np.asarray(b, "f8")
    if a.shape != b.shape:
        raise ValueError(f"the shapes {a.shape} and {b.shape} differ")
    top = np.abs(b).max()
    off = np.abs(a - b).max()
    if not np.isfinite(top) or top == 0:
        raise ValueError(f"an answer of {top} is no yardstick")
    return float(off / top) if np.isfinite(off) else float("inf")


def serve(answer):
    """answer(question) -> dict, for every line of stdin; what it raises is an answer, too."""
    to, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as e:  # pylint: disable=broad-except
            traceback.print_exc()
            reply = {"error": f"{type(e).__name__}: {str(e).strip().splitlines()[0] if str(e).strip() else ''}"}
        print(json.dumps(reply), file=to, flush=True)
