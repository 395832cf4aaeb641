"""The digital phantom of the Image Biomarker Standardisation Initiative, and its consensus."""

from __future__ import annotations

import csv

import pytest
from tests.files_of_itk import read_pair

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
    volume, inside = read_pair(folder / "image" / "phantom.nii.gz", folder / "mask" / "mask.nii.gz")
    return volume, {"tumour": Roi("tumour", inside, "image")}
