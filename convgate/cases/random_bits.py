"""Random bits of a case's arrays.

They come straight from PCG64, whose stream NumPy keeps from version to version, so that a spec gives the same arrays
wherever it is read.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["raw", "stream"]

STREAMS = {"x": 0, "weight": 1, "bias": 2, "grad_output": 3, "columns": 4}


def raw(seed: int, name: str, count: int, part: int = 0) -> NDArray[np.uint64]:
    """Random 64-bit words of one array of a case."""
    return stream(seed, name, part).random_raw(count)


def stream(seed: int, name: str, part: int) -> np.random.PCG64:
    """What the words of one array come from; another part is another stream."""
    return np.random.PCG64(np.random.SeedSequence([seed, STREAMS[name], part]))
