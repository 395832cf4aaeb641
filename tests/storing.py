"""The ways to store one image: its voxels stay where they are in the patient."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from radlas.geometry import Geometry
from radlas.model import Roi, Volume

# Order of the array's axes, and which of them run the other way.
WAYS = list(
    itertools.product(itertools.permutations(range(3)), itertools.product((0, 1), repeat=3))
)


def stored_otherwise(
    volume: Volume, rois: Mapping[str, Roi], order: Sequence[int], flips: Sequence[int]
) -> tuple[Volume, dict[str, Roi]]:
    """The same voxels of the same patient with the array's axes in another order and sense."""

    def turned(array):
        return np.flip(array.transpose(order), [k for k in range(3) if flips[k]])

    columns = volume.geometry.affine[:3, [2, 1, 0]][:, order]  # per array axis, in the new order
    steps = np.where(flips, -1, 1)
    ends = np.where(flips, np.array(volume.geometry.shape)[list(order)] - 1, 0)
    affine = np.eye(4)
    affine[:3, 3] = volume.geometry.affine[:3, 3] + columns @ ends
    affine[:3, :3] = (columns * steps)[:, ::-1]
    voxels = np.ascontiguousarray(turned(volume.voxels))
    masks = {n: Roi(n, np.ascontiguousarray(turned(r.mask)), r.reader) for n, r in rois.items()}
    return Volume(voxels, Geometry(voxels.shape, affine)), masks
