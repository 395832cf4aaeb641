"""A file that unpacks to more than a machine has memory for costs its own case, and no process."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from copy import deepcopy

import nibabel
import numpy as np
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import RLELossless

from radlas.errors import DataError, WorkerError
from radlas.ingest import IMPORTERS
from radlas.ingest import memory as module
from radlas.ingest.base import FileRef, IngestRules
from radlas.ingest.dicom.pixels import decode
from radlas.ingest.dicom.volume import read_series
from radlas.ingest.memory import check_memory
from radlas.ingest.nifti.itk import read_image

from .dicom.corpus import make_series
from .dicom.odd_enhanced import enhanced_of
from .odd import save, sound

SIDE = 6_000  # of a cube of so many voxels, which no machine holds twice


def nifti() -> bytes:
    header = nibabel.Nifti1Header()
    header.set_data_shape((SIDE,) * 3)
    header.set_data_dtype(np.int16)
    header.set_qform(np.eye(4), 1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    return header.binaryblock + bytes(4)


MHA = b"""ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = True
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = 0 0 0
ElementSpacing = 0.1 0.1 0.1
DimSize = %d %d %d
ElementType = MET_SHORT
ElementDataFile = LOCAL
""" % ((SIDE,) * 3)
NRRD = b"""NRRD0004
type: short
dimension: 3
space: left-posterior-superior
sizes: %d %d %d
space directions: (0.1,0,0) (0,0.1,0) (0,0,0.1)
kinds: domain domain domain
endian: little
encoding: gzip
space origin: (0,0,0)

""" % ((SIDE,) * 3)
BOMBS = {
    "x.nii": nifti(),
    "x.nii.gz": gzip.compress(nifti() + bytes(1 << 20)),
    "x.mha": MHA + zlib.compress(bytes(1 << 20)),
    "x.nrrd": NRRD + gzip.compress(bytes(1 << 20)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_image_beyond_memory_is_refused_before_it_is_read(name, tmp_path):
    """Not as the data's fault, which would be settled: a larger machine may read it."""
    (tmp_path / name).write_bytes(BOMBS[name])
    tracemalloc.start()
    try:
        with pytest.raises(
            WorkerError, match=r"an image of 432\.0 GB when it is unpacked"
        ) as caught:
            read_image(FileRef(tmp_path / name))
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.reason == "memory"
    assert "a larger machine" in caught.value.hint
    assert str(tmp_path) not in str(caught.value)


def test_a_stream_that_goes_on_behind_its_voxels_is_not_followed(tmp_path):
    """A megabyte may go on for a gigabyte, and ten of them for a day of some worker."""
    image = tmp_path / "x.nii.gz"
    header = nifti()
    sizes = np.array([3, 10, 10, 10, 1, 1, 1, 1], "<i2").tobytes()
    begun = gzip.compress(header[:40] + sizes + header[56:] + bytes(2000))
    image.write_bytes(begun + gzip.compress(bytes(256 << 20)) + b"no more of a stream")
    with pytest.raises(DataError, match="more than the 2352 bytes") as caught:
        read_image(FileRef(image))
    assert caught.value.reason == "bad_pixels"


def huge_slices():
    """Slices of kilobytes that say they hold gigabytes."""
    series = make_series()
    for dataset in series.datasets:
        dataset.PixelRepresentation = 0
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.Rows = dataset.Columns = 65_535
    return series


def test_a_series_beyond_memory_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "of_this_process", lambda: 8 << 30)
    huge_slices().write(tmp_path)
    with pytest.raises(WorkerError, match=r"a series of 103\.1 GB") as caught:
        read_series([FileRef(path) for path in sorted(tmp_path.iterdir())])
    assert caught.value.reason == "memory"


def test_copies_beyond_memory_end_no_scan(tmp_path, monkeypatch):
    """They are decoded to be checked against each other, in the process that scans all patients."""
    monkeypatch.setattr(module, "of_this_process", lambda: 8 << 30)
    series = huge_slices()
    series.write(tmp_path / "one")
    for dataset in series.datasets:
        dataset.PatientComments = "sent again"
    series.write(tmp_path / "other")
    other = sound(patient="P2")
    other.write(tmp_path / "sound")
    save(other.structures, tmp_path / "RS")
    scan = IMPORTERS["dicom"]().find(tmp_path, IngestRules())
    assert [exam.subject for exam in scan.exams] == ["P2"]


def test_a_segmentation_beyond_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "of_this_process", lambda: 1 << 30)
    made = enhanced_of(deepcopy(make_series().datasets))
    made.compress(RLELossless, generate_instance_uid=False)
    streams = list(generate_frames(made.PixelData, number_of_frames=6))
    made.Rows = made.Columns = 20_000
    made.PixelData = encapsulate(streams)
    with pytest.raises(WorkerError, match=r"pixels of 4\.8 GB"):
        decode(made)


def test_what_every_machine_holds_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(module, "of_this_process", lambda: 0)
    check_memory(64 << 20, "an image")
    with pytest.raises(WorkerError):
        check_memory((64 << 20) + 1, "an image")
