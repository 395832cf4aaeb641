"""Pixels of one slice: the quick way for plain integers says what pydicom says."""

from __future__ import annotations

import io
import tempfile
import zipfile
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom.pixels import pixel_array
from tests.no_room import no_room

from radlas.errors import DataError, WorkerError
from radlas.ingest.base import FileRef
from radlas.ingest.dicom.pixels import check_encoding, read_frames
from radlas.ingest.dicom.slice_file import head_of, read_slice
from radlas.ingest.nifti.itk import read_image

from .dicom_corpus import CANARY, make_series
from .odd_series import itk_encoded

BASE = make_series().datasets[0]


@settings(max_examples=200)
@given(st.data())
def test_any_width_and_sign_is_read_as_pydicom_reads_it(data):
    size = data.draw(st.sampled_from([8, 16, 32]))
    stored = data.draw(st.integers(1, size))
    raw = data.draw(hnp.arrays(f"<u{size // 8}", (3, 4)))
    dataset = deepcopy(BASE)
    dataset.Rows, dataset.Columns, dataset.PixelData = 3, 4, raw.tobytes()
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = size, stored, stored - 1
    signed = data.draw(st.sampled_from([0, 1]))
    raw &= raw.dtype.type((1 << stored) - 1)
    if signed and data.draw(st.booleans()):  # by its sign; else filled with zeros
        raw = (raw.view(f"<i{size // 8}") << (size - stored)) >> (size - stored)
    dataset.PixelData = raw.tobytes()
    dataset.PixelRepresentation = signed
    dataset.RescaleSlope, dataset.RescaleIntercept = "2.5", "-3"
    expected = pixel_array(dataset)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    file = read_slice(buffer.getvalue(), "here")
    (found,) = file.pixels("here")
    assert file.heads == (head_of(dataset),)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_a_meaning_beyond_the_standard_is_not_told():
    """Messages are stored, and a damaged header may hold a name anywhere."""
    dataset = deepcopy(BASE)
    dataset.PhotometricInterpretation = CANARY
    with pytest.raises(DataError, match="of an unknown meaning") as caught:
        check_encoding(dataset)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("told", ["File too large", "No such file or directory"])
@pytest.mark.parametrize("kind", ["compressed", "archived"])
def test_no_room_for_what_is_unpacked_is_no_fault_of_the_source(kind, told, tmp_path, monkeypatch):
    """It is planned again, and nobody is sent to look at the hospital's files."""
    dataset = itk_encoded(np.zeros((8, 8)), "JPEG2000")
    archive = FileRef(tmp_path / "images.zip", "image.nrrd")
    with zipfile.ZipFile(archive.path, "w") as file:
        file.writestr(archive.member, "NRRD0004")
    if told != "File too large":
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with no_room(), pytest.raises(WorkerError) as caught:
        read_frames(dataset, 1, "here") if kind == "compressed" else read_image(archive)
    said = f"a file cannot be unpacked to the folder for temporary files: {told}"
    assert (caught.value.what, caught.value.reason) == (said, "os_error")
    assert str(tmp_path) not in str(caught.value)
