"""Enhanced files, of one frame or many, are the same volume as the slices they were made of."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from pydicom.dataset import Dataset

from radlas.digests import voxel_digest
from radlas.errors import DataError
from radlas.ingest import IMPORTERS
from radlas.ingest.base import FileRef, IngestRules
from radlas.ingest.dicom.volume import read_series

from ..odd import name, save, sound
from .corpus import CENTRE, RADII, ellipse, grid, make_rtstruct, make_seg, make_series
from .odd_enhanced import enhanced_of, item, one_each, parted, rescaled, then

DICOM = IMPORTERS["dicom"]()


def found(folder, rules=IngestRules()):  # noqa: B008 - rules are frozen
    (exam,) = DICOM.find(folder, rules).exams
    return exam


@pytest.mark.parametrize(
    "change",
    [one_each, parted(3, 3), name("uneven", parted(1, 4, 1))],
    ids=["each", "two", "three"],
)
@pytest.mark.parametrize("first", [lambda series: None, rescaled], ids=["stored", "rescaled"])
def test_however_frames_are_filed_the_volume_has_one_digest(change, first, tmp_path):
    """Digests of voxels and of masks, the grid to the last bit, and every file is counted."""
    read = {}
    for kind, changes in (("classic", first), ("enhanced", then(first, change))):
        series = sound()
        changed = changes(series) or series
        for number, dataset in enumerate(changed.datasets):
            save(dataset, tmp_path / kind / str(number))
        save(series.structures, tmp_path / kind / "RS")
        exam = found(tmp_path / kind)
        assert len(exam.images) == len(changed.datasets)
        read[kind] = DICOM.read(exam, IngestRules())
    one, other = read["classic"], read["enhanced"]
    assert voxel_digest(one.volume.voxels) == voxel_digest(other.volume.voxels)
    np.testing.assert_array_equal(one.volume.geometry.affine, other.volume.geometry.affine)
    np.testing.assert_array_equal(one.rois[0].mask, other.rois[0].mask)


def test_one_of_two_echoes_in_one_file_is_read_by_a_seg_that_names_its_frames(tmp_path):
    """highdicom writes the segmentation on the second echo, by numbers of frames."""
    series = make_series(grid())
    pairs = [one for dataset in series.datasets for one in (dataset, dataset)]
    made = enhanced_of(pairs)
    values = np.stack([series.voxels + 1000, series.voxels], axis=1)
    made.PixelData = values.astype(np.int16).tobytes()
    for index, groups in enumerate(made.PerFrameFunctionalGroupsSequence):
        groups.MREchoSequence = item(EffectiveEchoTime=30.0 + 60 * (index % 2))
    mask = np.zeros(series.voxels.shape, bool)
    mask[2:4, 10:20, 10:30] = True
    seg = make_seg(series, {"tumour": mask})
    places = {str(one.SOPInstanceUID): 2 * at + 2 for at, one in enumerate(series.datasets)}
    for group in seg.PerFrameFunctionalGroupsSequence:
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        image.ReferencedFrameNumber = places[str(image.ReferencedSOPInstanceUID)]
        image.ReferencedSOPInstanceUID = made.SOPInstanceUID
    listed = Dataset()
    listed.ReferencedSOPInstanceUID = made.SOPInstanceUID
    seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence = [listed]
    save(made, tmp_path / "image")
    seg.save_as(tmp_path / "seg")
    exam = found(tmp_path)
    assert exam.images[0].frames == (2, 4, 6, 8, 10, 12)
    data = DICOM.read(exam, IngestRules())
    np.testing.assert_array_equal(data.volume.voxels, series.voxels)
    np.testing.assert_array_equal(data.rois[0].mask, mask)


def test_of_two_echoes_the_case_is_that_of_the_tumour_and_not_of_a_larger_edema(tmp_path):
    series = make_series(grid())
    made = enhanced_of([one for dataset in series.datasets for one in (dataset, dataset)])
    for index, groups in enumerate(made.PerFrameFunctionalGroupsSequence):
        groups.MREchoSequence = item(EffectiveEchoTime=30.0 + 60 * (index % 2))
    drawn = {
        name: [ellipse(series.geometry, z, centre=CENTRE, radii=RADII) for z in slices]
        for name, slices in (("GTV_Edema", (1, 2, 3)), ("GTV_Mass", (2, 3)))
    }
    structures = make_rtstruct(series, drawn, references="images")
    places = {str(one.SOPInstanceUID): 2 * at + 1 for at, one in enumerate(series.datasets)}
    for echo, roi in enumerate(structures.ROIContourSequence):
        for contour in roi.ContourSequence:
            (image,) = contour.ContourImageSequence
            image.ReferencedFrameNumber = places[image.ReferencedSOPInstanceUID] + echo
            image.ReferencedSOPInstanceUID = made.SOPInstanceUID
    save(made, tmp_path / "image")
    save(structures, tmp_path / "RS")
    exam = found(tmp_path)
    assert exam.images[0].frames == (2, 4, 6, 8, 10, 12)
    (roi,) = DICOM.read(exam, IngestRules()).rois
    assert (roi.name, roi.flags) == ("tumour", ("elsewhere_edema",))


def test_what_a_file_says_of_its_frames_alone_is_told_of_the_case(tmp_path):
    series = sound("series", tags={"EchoTime": 80})
    made = enhanced_of(series.datasets)
    timing = item(RepetitionTime=4200.0, FlipAngle=150.0)
    modifier = item(SpectrallySelectedSuppression="FAT")
    made.SharedFunctionalGroupsSequence[0].MRTimingAndRelatedParametersSequence = timing
    made.SharedFunctionalGroupsSequence[0].MRModifierSequence = modifier
    made.SeriesDescription = ""
    save(made, tmp_path / "image")
    save(series.structures, tmp_path / "RS")
    exam = found(tmp_path, IngestRules(sequence="T2FS"))
    assert exam.rule == "T2FS by TR/TE/TI; mask by series UID"
    facts = DICOM.read(exam, IngestRules()).facts
    told = ("echo_time_ms", "repetition_time_ms", "flip_angle_deg")
    assert [facts[column] for column in told] == [80, 4200, 150]


def test_of_a_file_of_many_phases_only_the_frames_of_one_take_memory(tmp_path):
    """The file once, not four times: dynamic scans fill gigabytes, and a mask names one phase."""
    series, phases = make_series(grid(shape=(6, 256, 256))), 16
    made = enhanced_of([one for one in series.datasets for _ in range(phases)])
    made.BitsStored, made.HighBit, made.PixelRepresentation = 12, 11, 0
    for index, groups in enumerate(made.PerFrameFunctionalGroupsSequence):
        groups.FrameContentSequence[0].TemporalPositionIndex = 1 + index % phases
    save(made, tmp_path / "image")
    ref = replace(FileRef(tmp_path / "image"), frames=tuple(range(3, 6 * phases, phases)))
    tracemalloc.start()
    try:
        read = read_series([ref])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(read.volume.voxels, series.voxels)
    assert peak < 1.5 * (tmp_path / "image").stat().st_size


def test_a_file_that_lost_frames_since_the_scan_is_the_datas_fault(tmp_path):
    series = sound("none")
    save(enhanced_of(series.datasets), tmp_path / "image")
    ref = replace(FileRef(tmp_path / "image"), frames=(1, 7))
    with pytest.raises(DataError, match="a file of 6 frames, where frame 7 is asked for"):
        read_series([ref])
