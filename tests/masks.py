"""What tests of masks compare them by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Overlap of two masks [1]."""
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))
