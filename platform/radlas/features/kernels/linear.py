"""Linear interpolation on a straight grid: along z, then y, then x, in double precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radlas.compiled import kernel


@kernel
def interpolate(
    a: NDArray[np.float32],
    first_z: NDArray[np.int64],
    share_z: NDArray[np.float64],
    first_y: NDArray[np.int64],
    share_y: NDArray[np.float64],
    first_x: NDArray[np.int64],
    share_x: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Samples between voxels.

    Args:
        a: Shape ``(z, y, x)``.
        first_z: Of each new slice, the old one before it; so for rows and columns.
        share_z: How far it is on the way to the next one [1]; at the last there is no next.
        out: Out, shape ``(slice, row, column)``.
    """
    slices, rows, columns = a.shape
    row = np.empty(columns)
    for i in range(out.shape[0]):
        z, up = first_z[i], share_z[i]
        near, far = a[z], a[min(z + 1, slices - 1)]
        for j in range(out.shape[1]):
            y, down = first_y[j], share_y[j]
            one, two = near[y], near[min(y + 1, rows - 1)]
            three, four = far[y], far[min(y + 1, rows - 1)]
            for x in range(columns):
                here = one[x] + up * (np.float64(three[x]) - one[x])
                below = two[x] + up * (np.float64(four[x]) - two[x])
                row[x] = here + down * (below - here)
            found = out[i, j]
            for k in range(out.shape[2]):
                x = first_x[k]
                before, after = row[x], row[min(x + 1, columns - 1)]
                found[k] = before + share_x[k] * (after - before)
