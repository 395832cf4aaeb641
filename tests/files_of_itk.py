"""Images beside their masks, as other tools publish them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from radlas.geometry import make_geometry
from radlas.model import Volume


def read_pair(image: Path, mask: Path) -> tuple[Volume, NDArray[np.bool_]]:
    """An image, and where its mask is 1."""
    read, label = (SimpleITK.ReadImage(str(path)) for path in (image, mask))
    voxels = SimpleITK.GetArrayFromImage(read)
    geometry = make_geometry(
        voxels.shape,
        spacing=read.GetSpacing(),
        origin=read.GetOrigin(),
        direction=np.reshape(read.GetDirection(), (3, 3)),
    )
    return Volume(voxels, geometry), SimpleITK.GetArrayFromImage(label) == 1
