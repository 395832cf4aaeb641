"""Values held to upstream: its own ``execute()``, its published baselines, IBSI's consensus."""

from __future__ import annotations

import ast
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from radiomics.featureextractor import RadiomicsFeatureExtractor
from tests.files_of_itk import read_pair

from radlas.features.preprocess import to_itk
from radlas.features.radiomics import RadiomicsExtractor
from radlas.model import Roi, Volume

# These four of the plain case of brain1 were written by PyRadiomics 1.3.0.post61, whose mesh was
# another one; every later column of the same file agrees. Upstream's own tolerance is 3 %.
STALE = {
    ("brain1", "shape_MeshVolume"),
    ("brain1", "shape_SurfaceArea"),
    ("brain1", "shape_Sphericity"),
    ("brain1", "shape_SurfaceVolumeRatio"),
}
RENAMED = {
    "binWidth": "bin_width",
    "binCount": "bin_count",
    "minimumROIDimensions": "minimum_dimensions",
}
CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape")
CASES = ("brain1", "brain2", "breast1")


def read_case(folder: Path, case: str) -> tuple[Volume, Roi]:
    volume, mask = read_pair(folder / f"{case}_image.nrrd", folder / f"{case}_label.nrrd")
    return volume, Roi("tumour", mask, "image")


def extractor(**settings: Any) -> RadiomicsExtractor:
    plain = {"normalise": "none", "rings": (), "minimum_voxels": 2}
    return RadiomicsExtractor(RadiomicsExtractor.Settings.parse(plain | settings))


def baselines(folder: Path, case: str) -> dict[tuple[str, str], dict[str, float]]:
    """Expected values of one case in all files, by column name and settings."""
    expected: dict[tuple[str, str], dict[str, float]] = {}
    for family in CLASSES:
        with (folder / f"baseline_{family}.csv").open() as stream:
            table = {row[0]: row[1:] for row in csv.reader(stream)}
        for k, column in enumerate(table["featureName"]):
            if table["diagnostics_Configuration_TestCase"][k] != case:
                continue
            settings = table["diagnostics_Configuration_Settings"][k]
            expected.setdefault((column, settings), {}).update(
                (name.removeprefix("original_"), float(cells[k]))
                for name, cells in table.items()
                if name.startswith("original_") and cells[k]
            )
    return expected


def as_ours(settings: dict[str, Any]) -> dict[str, Any]:
    """A baseline's settings; upstream works on the files' integers, and rounds to them."""
    left_out = {"additionalInfo", "label", "minimumROISize", *RENAMED}
    passed = {key: value for key, value in settings.items() if key not in left_out}
    ours = {RENAMED[key]: value for key, value in settings.items() if key in RENAMED}
    return {**ours, "pyradiomics": passed, "pixel_type": "int32"}


@pytest.mark.parametrize("case", CASES)
def test_every_published_baseline_is_met_but_the_stale_ones(real_data, case):
    volume, tumour = read_case(real_data / "pyradiomics", case)
    compared = 0
    for (column, settings), expected in baselines(real_data / "pyradiomics", case).items():
        families = tuple(sorted({name.partition("_")[0] for name in expected}))
        ours = extractor(feature_classes=families, **as_ours(ast.literal_eval(settings)))
        (row,) = ours.describe(volume, {"tumour": tumour}).rows
        fresh = {name: expected[name] for name in expected if (column, name) not in STALE}
        got = {name: row.values[name] for name in fresh}
        assert got == pytest.approx(fresh, rel=1e-6, abs=1e-12), column
        compared += len(fresh)
    assert compared == 665 - (len(STALE) if case == "brain1" else 0)


def test_sharing_filtered_images_equals_one_execute_per_roi_bit_by_bit(real_data):
    """The wavelet sees a part of the image only, the filters run once for both ROIs."""
    volume, tumour = read_case(real_data / "pyradiomics", "brain1")
    half = tumour.mask.copy()
    half[:, :, : int(np.median(np.nonzero(half)[2]))] = False
    ours = extractor(
        backend="pyradiomics",
        image_types={"original": {}, "log": {"sigma": [3]}, "wavelet": {}},
        feature_classes=("shape", "firstorder", "glcm"),
        rois=("tumour", "edema"),
    ).describe(volume, {"tumour": tumour, "edema": Roi("edema", half, "image")})
    upstream = RadiomicsFeatureExtractor(
        {
            "imageType": {"Original": {}, "LoG": {"sigma": [3.0]}, "Wavelet": {}},
            "featureClass": {"shape": [], "firstorder": [], "glcm": []},
            "setting": {"additionalInfo": False},
        }
    )
    image = to_itk(volume.voxels.astype(np.float32), volume.geometry)
    for name, mask in (("tumour", tumour.mask), ("edema", half)):
        theirs = upstream.execute(image, to_itk(mask.astype(np.uint32), volume.geometry))
        mine = {
            f"{row.image_type}_{feature}": value
            for row in ours.rows
            if row.roi == name
            for feature, value in row.values.items()
        }
        assert mine == {key: float(value) for key, value in theirs.items()}
