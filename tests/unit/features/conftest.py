"""The digital phantom of the Image Biomarker Standardisation Initiative, and its consensus."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import SimpleITK

from radlas.geometry import make_geometry
from radlas.model import Roi, Volume


@pytest.fixture(scope="session")
def reference_table(real_data) -> dict[str, tuple[str, str]]:
    """The table as it is printed: value and tolerance by tag, empty where there is none."""
    with (real_data / "ibsi" / "digital_phantom_reference.csv").open() as stream:
        rows = list(csv.reader(stream, delimiter=";"))[1:]
    return {tag: (value, tolerance) for value, tolerance, tag in rows}


@pytest.fixture(scope="session")
def reference(reference_table) -> dict[str, tuple[float, float]]:
    """Consensus value and tolerance by tag."""
    return {
        tag: (float(value), float(tolerance))
        for tag, (value, tolerance) in reference_table.items()
        if value
    }


@pytest.fixture(scope="session")
def phantom(real_data) -> tuple[Volume, dict[str, Roi]]:
    """The phantom as a case; its ROI is the tumour."""
    folder = real_data / "ibsi" / "digital_phantom"
    image = SimpleITK.ReadImage(str(folder / "image" / "phantom.nii.gz"))
    mask = SimpleITK.ReadImage(str(folder / "mask" / "mask.nii.gz"))
    voxels = SimpleITK.GetArrayFromImage(image)
    geometry = make_geometry(
        voxels.shape,
        spacing=image.GetSpacing(),
        origin=image.GetOrigin(),
        direction=np.reshape(image.GetDirection(), (3, 3)),
    )
    inside = SimpleITK.GetArrayFromImage(mask) == 1
    return Volume(voxels, geometry), {"tumour": Roi("tumour", inside, "image")}
