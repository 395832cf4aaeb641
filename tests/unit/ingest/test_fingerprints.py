"""An edit is another file, wherever in the file it lies; a copy is the same one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import generate_uid

from radlas.ingest import IMPORTERS
from radlas.ingest.base import FileRef, IngestRules
from radlas.ingest.dicom.crawl import crawl
from radlas.ingest.files import list_files
from radlas.ingest.fingerprints import fingerprints, name_fingerprint

from .dicom.corpus import grid, make_series, tumour_on
from .nifti.test_importer import write

DICOM, NIFTI = IMPORTERS["dicom"](), IMPORTERS["nifti"]()
RULES = IngestRules()
WIDE = grid(shape=(20, 120, 120))  # 280 kB as bytes: its middle is far from both ends


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("what", ["image", "mask"])
@pytest.mark.parametrize("ending", ["nii", "nrrd", "mha"])
def test_one_voxel_edited_in_the_middle_is_another_exam(ending, what, packed, tmp_path):
    voxels = np.zeros(WIDE.shape, np.uint8)
    voxels[8:12, 40:80, 40:80] = 1
    sizes, seen = set(), set()
    for edit in (0, 1, 0):
        edited = voxels.copy()
        edited[10, 60, 60] ^= edit
        for name in ("image", "mask"):
            write(tmp_path / f"source/P1_{name}.{ending}", edited if name == what else voxels, WIDE)
        source = tmp_path / "source"
        if packed:
            source = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", source))
        (exam,) = NIFTI.find(source, RULES).exams
        seen.add(exam.fingerprint)
        sizes.add((tmp_path / f"source/P1_{what}.{ending}").stat().st_size)
    assert len(sizes) == 1
    assert len(seen) == 2


def test_masks_that_trade_their_names_are_another_exam(tmp_path):
    """As after a mix-up that was found: all contents are what they were."""
    voxels = np.random.default_rng(1).integers(0, 900, (4, 20, 20)).astype(np.int16)
    geometry = grid(shape=voxels.shape)
    write(tmp_path / "P1_image.nii", voxels, geometry)
    seen = set()
    for tumour, edema in ((1, 2), (2, 1)):
        write(tmp_path / "P1_tumour.nii", (voxels % 3 == tumour).astype(np.uint8), geometry)
        write(tmp_path / "P1_edema.nii", (voxels % 3 == edema).astype(np.uint8), geometry)
        (exam,) = NIFTI.find(tmp_path, RULES).exams
        seen.add(exam.fingerprint)
    assert len(seen) == 2


def test_contours_edited_in_place_are_another_exam(tmp_path):
    """Same SOPInstanceUID, same size: as a contouring station saves a correction."""
    series = make_series().write(tmp_path)
    structures = tumour_on(series)
    seen = set()
    for last in ("1.25", "1.75"):
        structures.ROIContourSequence[0].ContourSequence[0].ContourData[400] = last
        structures.save_as(tmp_path / "rs.dcm", enforce_file_format=True)
        (exam,) = DICOM.find(tmp_path, RULES).exams
        seen.add(((tmp_path / "rs.dcm").stat().st_size, exam.fingerprint))
    sizes, prints = zip(*seen, strict=True)
    assert len(set(sizes)) == 1
    assert len(set(prints)) == 2


def test_an_image_under_a_new_uid_is_another_exam(tmp_path):
    series = make_series().write(tmp_path)
    tumour_on(series).save_as(tmp_path / "rs.dcm", enforce_file_format=True)
    (before,) = DICOM.find(tmp_path, RULES).exams
    uid = generate_uid()
    series.datasets[2].SOPInstanceUID = series.datasets[2].file_meta.MediaStorageSOPInstanceUID = (
        uid
    )
    series.write(tmp_path)
    (after,) = DICOM.find(tmp_path, RULES).exams
    assert before.fingerprint != after.fingerprint


def test_a_mask_is_read_whole_at_the_scan_and_an_image_is_not(tmp_path):
    series = make_series().write(tmp_path)
    tumour_on(series).save_as(tmp_path / "rs.dcm", enforce_file_format=True)
    headers = crawl(list_files(tmp_path))
    (mask,) = headers.masks
    assert mask.identity == f"{mask.instance}:{fingerprints([mask.ref])[mask.ref]}"
    assert headers.images[0].identity.endswith(f":{headers.images[0].size}")


def test_the_error_stands_where_a_fingerprint_cannot(tmp_path):
    here, gone = tmp_path / "here", tmp_path / "gone"
    here.write_bytes(b"x")
    found = fingerprints([FileRef(here), FileRef(gone)])
    assert isinstance(found[FileRef(here)], str)
    assert isinstance(found[FileRef(gone)], FileNotFoundError)


def test_a_name_in_another_encoding_than_the_systems_has_a_fingerprint():
    """``Müller`` in Latin-1, out of reach: one such file must not end a scan of thousands."""
    names = [os.fsdecode(b"M\xfcller_image.nii"), "Müller_image.nii"]
    told = [name_fingerprint(FileRef(Path(name))) for name in names]
    assert told[0] != told[1]
