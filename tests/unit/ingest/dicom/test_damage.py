"""Damaged files: whatever is cut or flipped, the answer is a typed reason and never a crash."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from radlas.errors import DataError
from radlas.ingest import IMPORTERS
from radlas.ingest.base import IngestRules
from radlas.reasons import REASONS

from .corpus import CANARY, grid, make_seg, make_series, tumour_on

DICOM = IMPORTERS["dicom"]()


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """A series with its RTSTRUCT and SEG, as bytes by file name."""
    folder = tmp_path_factory.mktemp("healthy")
    series = make_series(grid(shape=(5, 30, 36)))
    for dataset in series.datasets:
        dataset.StudyDate, dataset.StudyTime = "20200101", "120000"
        dataset.SpacingBetweenSlices = 4.0
    series.write(folder)
    mask = np.zeros(series.voxels.shape, dtype=bool)
    mask[2:4, 10:20, 10:20] = True
    tumour_on(series).save_as(folder / "contours", enforce_file_format=True)
    make_seg(series, {"edema": mask}).save_as(folder / "segments")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(40))
def test_any_damage_ends_in_exams_or_documented_reasons(seed, healthy, tmp_path):
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    rng = np.random.default_rng(seed)
    victim = ["IM0000", "IM0002", "contours", "segments"][seed % 4]
    for name, content in healthy.items():
        (tmp_path / name).write_bytes(damage(content, rng) if name == victim else content)
    scan = DICOM.find(tmp_path, IngestRules())
    errors = [refusal.error for refusal in scan.refusals]
    for exam in scan.exams:
        try:
            DICOM.read(exam, IngestRules())
        except DataError as error:
            errors.append(error)
    assert {error.reason for error in errors} <= set(REASONS)
    assert scan.exams or errors
    assert CANARY not in "".join(map(str, errors))
    assert str(tmp_path) not in "".join(map(str, errors))


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut the file somewhere, or overwrite one to eight bytes behind the preamble."""
    if rng.random() < 0.3:
        return content[: rng.integers(len(content))]
    damaged = bytearray(content)
    for place in rng.integers(132, len(content), size=rng.integers(1, 9)):
        damaged[place] = rng.choice([0, 255, int(rng.integers(256))])
    return bytes(damaged)
