"""Series to volume: exact where it can be, refused with the right reason where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest
from highdicom.legacy import LegacyConvertedEnhancedMRImage
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import JPEGLSLossless, generate_uid

from radlas.errors import DataError
from radlas.geometry import worst_corner_displacement
from radlas.ingest.base import FileRef
from radlas.ingest.dicom.slice_file import head_of
from radlas.ingest.dicom.volume import plan_slices, read_series

from .corpus import PLANES, Series, grid, make_series


def read_back(series: Series, folder):
    series.write(folder)
    data = read_series([FileRef(path) for path in sorted(folder.iterdir())])
    return data.volume, data.header


def shuffle(datasets, *, seed: int):
    order = np.random.default_rng(seed).permutation(len(datasets))
    return [datasets[index] for index in order]


@pytest.mark.parametrize("plane", sorted(PLANES))
def test_every_plane_comes_back_exactly(plane, tmp_path):
    """Voxels bit for bit, corners to a micrometre; the tags of thickness and spacing lie."""
    series = make_series(grid(plane))
    volume, _ = read_back(series, tmp_path)
    np.testing.assert_array_equal(volume.voxels, series.voxels)
    assert volume.voxels.dtype == np.int16
    assert worst_corner_displacement(volume.geometry, series.geometry) < 1e-3


def test_the_grid_is_right_handed_whatever_the_file_order():
    """Slices are ordered along the normal of rows and columns, not by file or instance number."""
    series = make_series()
    shuffled = shuffle(series.datasets, seed=3)
    geometry, order = plan_slices(list(map(head_of, shuffled)))
    assert np.linalg.det(geometry.affine[:3, :3]) > 0
    assert [shuffled[index].InstanceNumber for index in order] == [1, 2, 3, 4, 5, 6]


def drop_middle(series: Series) -> None:
    del series.datasets[2]


def drop_all_but_one(series: Series) -> None:
    del series.datasets[1:]


def repeat_position(series: Series) -> None:
    again = deepcopy(series.datasets[3])
    again.SOPInstanceUID = generate_uid()
    series.datasets.append(again)


def jitter(series: Series) -> None:
    for index, dataset in enumerate(series.datasets):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, z + (0.1 if index % 2 else 0.0)]


def shear(series: Series) -> None:
    for index, dataset in enumerate(series.datasets):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y + 0.9 * index, z]


def shear_slightly(series: Series) -> None:
    """Two degrees: neighbours look fine, the last slice is a voxel off."""
    for index, dataset in enumerate(series.datasets):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y + 0.14 * index, z]


def tilt_one(series: Series) -> None:
    series.datasets[2].ImageOrientationPatient = [1, 0, 0, 0, 0, 1]


def resize_one(series: Series) -> None:
    series.datasets[2].Rows = 20
    series.datasets[2].PixelData = series.datasets[2].PixelData[: 20 * 52 * 2]


def lose_position(series: Series) -> None:
    del series.datasets[2].ImagePositionPatient


def lie_about_spacing(series: Series) -> None:
    for dataset in series.datasets:
        dataset.PixelSpacing = [0.0, 0.7]


def skew_axes(series: Series) -> None:
    for dataset in series.datasets:
        dataset.ImageOrientationPatient = [1, 0, 0, 0.2, 0.98, 0]


def colour(series: Series) -> None:
    for dataset in series.datasets:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
        dataset.PlanarConfiguration, dataset.BitsAllocated = 0, 8
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 7, 0
        dataset.PixelData = bytes(40 * 52 * 3)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (drop_middle, "slice_gap"),
        (drop_all_but_one, "too_few_slices"),
        (repeat_position, "duplicate_slices"),
        (jitter, "jittered_slices"),
        (shear, "sheared_slices"),
        (shear_slightly, "sheared_slices"),
        (tilt_one, "mixed_slices"),
        (resize_one, "mixed_slices"),
        (lose_position, "missing_geometry"),
        (lie_about_spacing, "bad_geometry"),
        (skew_axes, "bad_geometry"),
        (colour, "not_grey"),
    ],
)
def test_a_faulty_series_is_refused_under_its_reason(
    fault: Callable[[Series], None], reason: str, tmp_path
):
    series = make_series()
    fault(series)
    with pytest.raises(DataError) as caught:
        read_back(series, tmp_path)
    assert caught.value.reason == reason
    assert str(tmp_path) not in str(caught.value)


def test_axes_that_were_rounded_are_not_sent_back_to_dicom(tmp_path):
    """What is refused is DICOM already."""
    series = make_series(grid("oblique"))
    for dataset in series.datasets:
        axes = map(float, dataset.ImageOrientationPatient)
        dataset.ImageOrientationPatient = [round(one, 3) for one in axes]
    with pytest.raises(DataError, match="off orthonormal") as caught:
        read_back(series, tmp_path)
    assert caught.value.reason == "bad_geometry"
    assert "rounded" in caught.value.hint
    assert "DICOM" not in caught.value.hint


def test_two_stations_in_one_series_are_not_told_as_slices_sent_twice(tmp_path):
    """Each of the slices lies at a place of its own: there is no echo or phase to look for."""
    series = make_series()
    again = deepcopy(series.datasets)
    for dataset in again:
        dataset.SOPInstanceUID = generate_uid()
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y + 250.0, z]
    series.datasets += again
    with pytest.raises(DataError) as caught:
        read_back(series, tmp_path)
    assert caught.value.reason == "mixed_slices"
    assert "250.0 mm beside one another" in caught.value.what
    assert "station" in caught.value.hint


def test_a_file_cut_inside_its_pixels_is_named_truncated(tmp_path):
    make_series().write(tmp_path)
    cut = tmp_path / "IM0003"
    cut.write_bytes(cut.read_bytes()[:-200])
    with pytest.raises(DataError) as caught:
        read_series([FileRef(path) for path in sorted(tmp_path.iterdir())])
    assert caught.value.reason == "truncated_pixels"
    assert "file 4" in str(caught.value)


def test_a_file_of_noise_is_named_unreadable(tmp_path):
    make_series().write(tmp_path)
    (tmp_path / "IM0003").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 64)
    with pytest.raises(DataError) as caught:
        read_series([FileRef(path) for path in sorted(tmp_path.iterdir())])
    assert caught.value.reason == "unreadable_file"


def test_each_slice_is_rescaled_by_its_own_slope(tmp_path):
    series = make_series()
    slopes = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    for dataset, slope in zip(series.datasets, slopes, strict=True):
        dataset.RescaleSlope, dataset.RescaleIntercept = float(slope), -10.5
    volume, _ = read_back(series, tmp_path)
    expected = series.voxels * slopes[:, None, None] - 10.5
    assert volume.voxels.dtype == np.float32
    np.testing.assert_allclose(volume.voxels, expected, rtol=1e-6)


def test_a_whole_shift_keeps_whole_numbers(tmp_path):
    series = make_series()
    for dataset in series.datasets:
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    volume, _ = read_back(series, tmp_path)
    assert volume.voxels.dtype.kind == "i"
    np.testing.assert_array_equal(volume.voxels, series.voxels.astype(int) - 1024)


def test_monochrome1_is_not_inverted(tmp_path):
    series = make_series(tags={"PhotometricInterpretation": "MONOCHROME1"})
    volume, _ = read_back(series, tmp_path)
    np.testing.assert_array_equal(volume.voxels, series.voxels)


def test_an_infinite_voxel_is_refused(tmp_path):
    series = make_series()
    for dataset in series.datasets:
        dataset.RescaleSlope, dataset.RescaleIntercept = "1e38", "1e38"
    with pytest.raises(DataError) as caught:
        read_back(series, tmp_path)
    assert caught.value.reason == "not_finite"


def test_compressed_pixels_come_back_exactly(tmp_path):
    series = make_series()
    for dataset in series.datasets:
        dataset.PixelRepresentation = 0
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    volume, _ = read_back(series, tmp_path)
    np.testing.assert_array_equal(volume.voxels, series.voxels)


def test_an_enhanced_file_gives_the_same_volume_as_its_slices(tmp_path):
    """highdicom writes the multi-frame file: an outside witness for the order of frames."""
    series = make_series(grid("oblique"), tags={"RescaleSlope": 2, "RescaleIntercept": 0})
    for dataset in series.datasets:
        dataset.StudyDate, dataset.StudyTime, dataset.AcquisitionDate = "20200101", "120000", ""
        dataset.PatientName, dataset.PatientBirthDate = "x", ""
        dataset.remove_private_tags()
    single, _ = read_back(series, tmp_path / "single")
    enhanced = LegacyConvertedEnhancedMRImage(
        series.datasets, generate_uid(), 1, generate_uid(), instance_number=1
    )
    (tmp_path / "multi").mkdir()
    enhanced.save_as(tmp_path / "multi" / "one")
    multi = read_series([FileRef(tmp_path / "multi" / "one")]).volume
    np.testing.assert_array_equal(multi.voxels, single.voxels)
    assert worst_corner_displacement(multi.geometry, single.geometry) < 1e-3


@given(seed=st.integers(0, 50))
def test_any_order_of_files_gives_the_same_grid(seed):
    datasets = _SERIES.datasets
    shuffled = shuffle(datasets, seed=seed)
    geometry, order = plan_slices(list(map(head_of, shuffled)))
    np.testing.assert_array_equal(
        geometry.affine, plan_slices(list(map(head_of, datasets)))[0].affine
    )
    assert [shuffled[i].SOPInstanceUID for i in order] == [d.SOPInstanceUID for d in datasets]


_SERIES = make_series()
