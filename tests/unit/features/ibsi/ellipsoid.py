"""A small case of every kind of neighbour, whose values MIRP told."""

from __future__ import annotations

import numpy as np


def ellipsoid():
    """An ellipsoid with a hole, cut by the edges of the image; and levels 1 to 6 everywhere."""
    z, y, x = np.ogrid[:8, :12, :14]
    mask = ((z - 3) / 4) ** 2 + ((y - 4) / 6) ** 2 + ((x - 7) / 5) ** 2 < 1
    mask &= ~((z == 3) & (y == 4) & (x > 5) & (x < 8))
    return mask, (7 * z + y * y + 3 * (x // 2) + (z + x) // 3 * (y // 2)) % 6 + 1
