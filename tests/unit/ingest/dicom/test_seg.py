"""DICOM-SEG and mask grids: voxels land where they belong, or the millimetres are named."""

from __future__ import annotations

import io

import highdicom
import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from radlas.errors import DataError
from radlas.geometry import Geometry, make_geometry
from radlas.ingest.dicom.seg import read_segments
from radlas.ingest.placing import Bounds, place_on_image, place_voxels
from radlas.ingest.roi_names import DEFAULT_ROI_MAP

from .corpus import PLANES, grid, inside_ellipse, make_seg, make_series

UPRIGHT = {"spacing": (0.8, 0.7, 4.0), "origin": (0.0, 0.0, 0.0), "direction": np.eye(3)}


def drawn_mask(geometry, slices=(2, 3)):
    mask = np.zeros(geometry.shape, dtype=bool)
    mask[list(slices)] = inside_ellipse(geometry, centre=(25, 20), radii=(9, 7))
    return mask


def stream_of(segmentation):
    stream = io.BytesIO()
    segmentation.save_as(stream)
    stream.seek(0)
    return stream


def series_for_seg(plane="axial"):
    series = make_series(grid(plane))
    for dataset in series.datasets:
        dataset.StudyDate, dataset.StudyTime = "20200101", "120000"
        dataset.SpacingBetweenSlices = 4.0
    return series


@pytest.mark.parametrize("plane", sorted(PLANES))
def test_segments_written_by_highdicom_come_back_bit_for_bit(plane):
    series = series_for_seg(plane)
    masks = {"Tumor": drawn_mask(series.geometry), "edema": drawn_mask(series.geometry, (1, 2, 4))}
    stream = stream_of(make_seg(series, masks))
    found = read_segments(stream, series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    assert [one.name for one in found] == ["Tumor", "edema"]
    for one in found:
        np.testing.assert_array_equal(one.place().mask, masks[one.name])


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_every_type_of_segmentation_is_read(kind):
    series = series_for_seg("oblique")
    tumour = drawn_mask(series.geometry)
    masks = {"Tumor": tumour, "edema": drawn_mask(series.geometry, (1, 2, 3, 4)) & ~tumour}
    stream = stream_of(make_seg(series, masks, kind))
    found = read_segments(stream, series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    for one in found:
        np.testing.assert_array_equal(one.place().mask, masks[one.name])
    assert [one.name for one in found] == list(masks)


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_segments_without_preamble_and_syntax_are_read_as_images_are(kind):
    series = series_for_seg()
    tumour = drawn_mask(series.geometry)
    made, bare = make_seg(series, {"Tumor": tumour}, kind), Dataset()
    bare.update(dict(made.items()))
    stream = io.BytesIO()
    dcmwrite(stream, bare, implicit_vr=True, little_endian=True)
    stream.seek(0)
    (found,) = read_segments(stream, series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    np.testing.assert_array_equal(found.place().mask, tumour)


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_a_type_in_lower_case_is_no_other_type(kind):
    """Fractions that are not known as such would hold every voxel that they touch."""
    series = series_for_seg()
    tumour = drawn_mask(series.geometry)
    made = make_seg(series, {"Tumor": tumour}, kind)
    if kind == "FRACTIONAL":
        made.PixelData = np.maximum(np.frombuffer(made.PixelData, np.uint8), 30).tobytes()
    made.SegmentationType = kind.lower()
    (found,) = read_segments(stream_of(made), series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    np.testing.assert_array_equal(found.place().mask, tumour)


def test_a_type_that_is_none_is_refused():
    made = make_seg(series := series_for_seg(), {"Tumor": drawn_mask(series.geometry)})
    made.SegmentationType = "PROBABILITY"
    with pytest.raises(DataError, match="neither binary, nor fractional") as caught:
        read_segments(stream_of(made), series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    assert caught.value.reason == "bad_pixels"


@pytest.mark.parametrize(
    ("values", "fits"), [((0, 1), True), ((0, 255), True), ((0, 9, 255), False)]
)
def test_fractions_under_the_name_of_a_binary_type_are_refused(values, fits):
    series = series_for_seg()
    made = make_seg(series, {"Tumor": drawn_mask(series.geometry)}, "FRACTIONAL")
    frame = np.resize(np.array(values, np.uint8), series.voxels.shape[1:])
    made.PixelData, made.SegmentationType = frame.tobytes() * 2, "BINARY"
    (found,) = read_segments(stream_of(made), series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    if fits:
        np.testing.assert_array_equal(found.place().mask[2], frame > 0)
        return
    with pytest.raises(DataError, match="several values, up to 255") as caught:
        found.place()
    assert caught.value.reason == "bad_pixels"


def test_surfaces_are_no_damaged_voxels_and_the_message_says_what_to_export():
    made = make_seg(series := series_for_seg(), {"Tumor": drawn_mask(series.geometry)})
    made.SurfaceSequence = [Dataset()]
    for keyword in ("PixelData", "NumberOfFrames", "PerFrameFunctionalGroupsSequence"):
        delattr(made, keyword)
    with pytest.raises(DataError, match="of surfaces") as caught:
        read_segments(stream_of(made), series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    assert (caught.value.reason, "of voxels" in caught.value.hint) == ("unsupported_format", True)


@pytest.mark.parametrize(
    ("full", "fractions"),
    [(255, [0, 127, 128, 255]), (100, [0, 49, 50, 100]), (2, [0, 1, 2, 2]), (1, [0, 1, 0, 1])],
)
def test_a_voxel_that_lies_inside_by_half_is_inside(full, fractions):
    series = series_for_seg()
    made = make_seg(series, {"Tumor": drawn_mask(series.geometry)}, "FRACTIONAL")
    frame = np.resize(np.array(fractions, np.uint8), series.voxels.shape[1:])
    made.PixelData = frame.tobytes() * 2
    made.MaximumFractionalValue = full
    (found,) = read_segments(stream_of(made), series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    expected = np.zeros(series.voxels.shape, bool)
    expected[2:4] = 2 * frame.astype(int) >= full
    np.testing.assert_array_equal(found.place().mask, expected)


@pytest.mark.parametrize("stated", [None, 0.0, 3.5, 4.0, 8.0])
@pytest.mark.parametrize("slices", [(2, 3), (1, 3), (0, 2, 4), (1, 2, 4), (0, 3), (5,)])
def test_frames_lie_where_their_positions_say_whatever_spacing_is_stated(stated, slices):
    series = series_for_seg("oblique")
    mask = drawn_mask(series.geometry, slices)
    made = make_seg(series, {"Tumor": mask})
    measures = made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    if stated is None:
        measures.pop("SpacingBetweenSlices", None)
    else:
        measures.SpacingBetweenSlices = stated
    (found,) = read_segments(stream_of(made), series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    placed = found.place()
    np.testing.assert_array_equal(placed.mask, mask)
    gaps = len(slices) < slices[-1] - slices[0] + 1
    assert ("undrawn_slices" in placed.flags) == gaps


@pytest.mark.parametrize(
    ("shift", "message"), [(1.5, "slices off"), (4.0, "two frames"), (0.3, None)]
)
def test_a_frame_that_lies_on_no_slice_of_its_own_is_refused(shift, message):
    series = series_for_seg("axial")
    mask = drawn_mask(series.geometry)
    made = make_seg(series, {"Tumor": mask})
    position = made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    x, y, z = map(float, position.ImagePositionPatient)
    other = made.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    away = 1 if float(other.ImagePositionPatient[2]) > z else -1
    position.ImagePositionPatient = [x, y, z + away * shift]
    (found,) = read_segments(stream_of(made), series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    if message is None:  # a rounded position
        np.testing.assert_array_equal(found.place().mask, mask)
        return
    with pytest.raises(DataError, match=message) as caught:
        found.place()
    assert caught.value.reason == "mask_off_grid"


def test_a_segment_of_one_slice_is_placed_on_that_slice():
    series = series_for_seg()
    mask = drawn_mask(series.geometry, (4,))
    (found,) = read_segments(
        stream_of(make_seg(series, {"Tumor": mask})), series.geometry, DEFAULT_ROI_MAP, Bounds(0.1)
    )
    np.testing.assert_array_equal(found.place().mask, mask)


def test_placing_agrees_with_highdicom_where_that_can_match():
    """Outside witness: flips and permutations by ``Volume.match_geometry``."""
    geometry = grid("oblique")
    mask = drawn_mask(geometry)
    affine = geometry.affine[:, [2, 1, 0, 3]]
    volume = highdicom.Volume(mask.astype(np.uint8), affine, coordinate_system="PATIENT")
    turned = volume.permute_spatial_axes([2, 0, 1]).flip_spatial(0)
    placed = place_voxels(
        np.asarray(turned.array) > 0, turned.affine[:, [2, 1, 0, 3]], geometry, Bounds(0.1)
    )
    witness = turned.match_geometry(volume.get_geometry())
    np.testing.assert_array_equal(placed.mask, np.asarray(witness.array) > 0)


def test_segments_that_a_camera_would_compress_are_refused():
    """A decoder that happens to be installed reads them, and a number in them is another then."""
    series = series_for_seg()
    made = make_seg(series, {"Tumor": drawn_mask(series.geometry)}, "FRACTIONAL")
    frames = made.pixel_array
    made.PixelData = encapsulate([jpeg(one) for one in frames])
    made["PixelData"].VR = "OB"
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    (one,) = read_segments(stream_of(made), series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    with pytest.raises(DataError, match="encoded as JPEG Baseline") as caught:
        one.place()
    assert caught.value.reason == "lossy_pixels"


def jpeg(values):
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG")
    return stream.getvalue()


def test_a_seg_of_other_planes_is_off_the_grid():
    series = series_for_seg()
    elsewhere = make_geometry(
        series.geometry.shape,
        spacing=series.geometry.spacing,
        origin=(-12.5, 7.25, 33.0),
        direction=np.eye(3),
    )
    stream = stream_of(make_seg(series, {"Tumor": drawn_mask(series.geometry)}))
    (found,) = read_segments(stream, elsewhere, DEFAULT_ROI_MAP, Bounds(0.1))
    with pytest.raises(DataError, match=r"2\.00 mm") as caught:
        found.place()
    assert caught.value.reason == "mask_off_grid"


def moved(geometry: Geometry, millimetres: float) -> Geometry:
    affine = geometry.affine.copy()
    affine[0, 3] += millimetres
    return Geometry(geometry.shape, affine)


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize(("side", "change"), [("Rows", -1), ("Columns", -2), ("Rows", 1)])
def test_pixels_that_are_not_as_many_as_the_header_states_are_refused(side, change, kind):
    """All slices but the first would be shifted by what is too much: voxels in a wrong place."""
    series = series_for_seg()
    made = make_seg(series, {"Tumor": drawn_mask(series.geometry)}, kind)
    setattr(made, side, getattr(made, side) + change)
    (found,) = read_segments(stream_of(made), series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    with pytest.raises(DataError, match="the pixel data holds") as caught:
        found.place()
    assert caught.value.reason == ("truncated_pixels" if change > 0 else "bad_pixels")


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_segments_of_another_size_than_the_header_states_are_refused(syntax):
    series = series_for_seg()
    made = make_seg(series, {"Tumor": drawn_mask(series.geometry)}, "FRACTIONAL")
    made.compress(syntax, generate_instance_uid=False)
    made.Columns -= 2
    (found,) = read_segments(stream_of(made), series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    with pytest.raises(DataError, match="pixels in the stream, and") as caught:
        found.place()
    assert caught.value.reason == "bad_pixels"


@pytest.mark.parametrize("columns", [9, 11, 16])
def test_bits_that_fill_up_the_last_byte_are_no_voxels(columns):
    series = make_series(make_geometry((3, 7, columns), **UPRIGHT))
    for dataset in series.datasets:
        dataset.StudyDate, dataset.StudyTime = "20200101", "120000"
    mask = np.random.default_rng(columns).random(series.geometry.shape) < 0.5
    stream = stream_of(make_seg(series, {"Tumor": mask}))
    (found,) = read_segments(stream, series.geometry, DEFAULT_ROI_MAP, Bounds(0.1))
    np.testing.assert_array_equal(found.place().mask, mask)


@pytest.mark.parametrize("allowed", [0.0, 1.5])
def test_a_seg_of_finer_pixels_is_refused_with_their_edges_whatever_is_allowed(allowed):
    """As docs/ingest.md says: only mask files of other formats are resampled to another size."""
    series, bounds = series_for_seg(), Bounds(0.1, allowed)
    made = make_seg(series, {"Tumor": drawn_mask(series.geometry)})
    measures = made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.PixelSpacing = [edge / 2 for edge in measures.PixelSpacing]
    (found,) = read_segments(stream_of(made), series.geometry, DEFAULT_ROI_MAP, bounds)
    told = "of 0.4 x 0.35 x 4 mm, are others than the image's, of 0.8 x 0.7 x 4 mm"
    with pytest.raises(DataError, match=told) as caught:
        found.place()
    assert caught.value.reason == "mask_off_grid"


def test_a_mask_a_hair_off_is_snapped_and_the_distance_kept():
    geometry = grid("oblique")
    mask = drawn_mask(geometry)
    placed = place_on_image(mask, moved(geometry, 0.03), geometry, Bounds(0.1))
    np.testing.assert_array_equal(placed.mask, mask)
    assert placed.misalignment_mm == pytest.approx(0.03)


@pytest.mark.parametrize("millimetres", [0.2, 0.8, 8.0])
def test_a_mask_that_was_moved_is_refused_even_by_whole_voxels(millimetres):
    geometry = grid()
    other = moved(geometry, millimetres)
    with pytest.raises(DataError, match=f"{millimetres:.2f} mm") as caught:
        place_on_image(drawn_mask(geometry), other, geometry, Bounds(0.1))
    assert caught.value.reason == "mask_off_grid"


def test_a_mask_cut_to_its_box_is_put_back():
    geometry = grid("oblique")
    mask = drawn_mask(geometry)
    affine = geometry.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [10, 5, 1]
    box = mask[1:5, 5:35, 10:40]
    placed = place_on_image(box, Geometry(box.shape, affine), geometry, Bounds(0.1))
    np.testing.assert_array_equal(placed.mask, mask)


def test_the_flip_between_ras_and_lps_is_named():
    geometry = grid()
    flipped = Geometry(geometry.shape, np.diag([-1.0, -1, 1, 1]) @ geometry.affine)
    with pytest.raises(DataError, match="RAS/LPS flip explains it"):
        place_on_image(drawn_mask(geometry), flipped, geometry, Bounds(0.1))
