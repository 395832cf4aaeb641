"""Right or refused: every class of the corpus ends as an exact volume or under its own reason."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from radlas.errors import DataError
from radlas.geometry import worst_corner_displacement
from radlas.ingest import IMPORTERS
from radlas.ingest.base import IngestRules, Scan
from radlas.reasons import REASONS

from .dicom import odd_enhanced, odd_masks, odd_series  # noqa: F401 - they fill the corpus
from .dicom.corpus import CENTRE, RADII, inside_ellipse
from .nifti import odd_images  # noqa: F401
from .odd import EXACT, ODD, Odd

# Reasons of later stages: no series can be refused under them when it is read.
LATER = {
    "image_too_small",
    "no_neighbours",
    "perturbation_undefined",
    "too_many_levels",
    "undefined_feature",
}


def rules_of(one: Odd) -> IngestRules:
    return IngestRules(sequence=one.sequence, minimum_voxels=2)


def importer_of(folder: Path):
    is_dicom = not any(re.search(r"\.(nii|nrrd|mha)", path.name) for path in folder.rglob("*"))
    return IMPORTERS["dicom" if is_dicom else "nifti"]()


def read_all(folder: Path, one: Odd):
    """Everything that came of a folder: what was read, and what was refused at which stage."""
    importer, rules = importer_of(folder), rules_of(one)
    scan: Scan = importer.find(folder, rules)
    refused = [refusal.error for refusal in scan.refusals]
    read = []
    for exam in scan.exams:
        try:
            read.append(importer.read(exam, rules))
        except DataError as error:
            refused.append(error)
    return read, refused


@pytest.mark.parametrize(
    "one", [o for o in ODD.values() if o.expected == EXACT], ids=lambda o: o.name
)
def test_an_odd_but_sound_exam_is_read_exactly(one, tmp_path):
    """Voxel for voxel, corner for corner, and the tumour where it was drawn."""
    truth = one.write(tmp_path)
    read, refused = read_all(tmp_path, one)
    assert [error.reason for error in refused] in ([], ["no_mask"]), refused
    (data,) = read
    np.testing.assert_array_equal(data.volume.voxels, truth.voxels)
    assert worst_corner_displacement(data.volume.geometry, truth.geometry) < 1e-3
    (roi,) = (roi for roi in data.rois if roi.name == "tumour")
    drawn = np.zeros(truth.geometry.shape, bool)
    drawn[2:4] = inside_ellipse(truth.geometry, centre=CENTRE, radii=RADII)
    np.testing.assert_array_equal(roi.mask, drawn)


@pytest.mark.parametrize(
    "one", [o for o in ODD.values() if o.expected != EXACT], ids=lambda o: o.name
)
def test_a_broken_exam_is_refused_under_its_own_reason(one, tmp_path):
    """With numbers, and with what to do; the sound exams beside it are read."""
    one.write(tmp_path)
    read, refused = read_all(tmp_path, one)
    assert one.expected in {error.reason for error in refused}, (refused, read)
    error = next(error for error in refused if error.reason == one.expected)
    assert error.hint
    assert error.what
    assert str(tmp_path) not in str(error), "paths hold names"
    if one.expected != "unsupported_format" and one.name != "mask_file_alone":
        assert not read


def test_the_corpus_is_as_large_as_it_says():
    assert len(ODD) >= 120
    assert len({one.expected for one in ODD.values()}) >= 35


def test_every_reason_of_ingest_has_a_class_in_the_corpus():
    assert {one.expected for one in ODD.values()} - {EXACT} == set(REASONS) - LATER
