"""Enhanced multi-frame MR: one file that holds the whole volume, read by highdicom."""

from __future__ import annotations

from collections.abc import Sequence

import highdicom
import numpy as np
from pydicom.dataset import Dataset

from radlas.ingest.grids import finite_volume, geometry_of, xyz_affine
from radlas.model import Volume
from radlas.reasons import data_error


def read_enhanced(datasets: Sequence[Dataset]) -> tuple[Volume, Dataset]:
    """The volume of one multi-frame file, slices right-handed, and the file's header.

    Raises:
        DataError: ``irregular_slices``: frames are not the planes of one grid, or there are other
            files; ``too_few_slices``, ``bad_geometry`` or ``not_finite``.
    """
    if len(datasets) > 1:
        what = f"{len(datasets)} files, some of them multi-frame"
        raise data_error("irregular_slices", what, hint="keep one multi-frame file per series")
    try:
        image = highdicom.Image.from_dataset(datasets[0], copy=False)
        volume = image.get_volume(
            dtype=np.float32, apply_real_world_transform=False, apply_presentation_lut=False
        )
    except (RuntimeError, ValueError, AttributeError, KeyError, TypeError, IndexError) as error:
        what = f"a multi-frame file that is not one regular volume ({type(error).__name__})"
        raise data_error("irregular_slices", what) from error
    voxels, affine = np.asarray(volume.array), xyz_affine(volume.affine)
    if voxels.ndim != 3 or voxels.shape[0] < 2:
        raise data_error("too_few_slices", f"a multi-frame file of shape {voxels.shape}")
    if np.linalg.det(affine[:3, :3]) < 0:  # our rule is right-handed, as for single slices
        affine[:3, 3] += affine[:3, 2] * (len(voxels) - 1)
        affine[:3, 2] *= -1
        voxels = voxels[::-1]
    geometry = geometry_of((voxels.shape[0], voxels.shape[1], voxels.shape[2]), affine)
    return finite_volume(np.ascontiguousarray(voxels), geometry), datasets[0]
