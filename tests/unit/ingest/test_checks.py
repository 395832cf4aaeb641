"""Sound images and masks that look odd: flagged wherever the odd slice lies, and only then."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from radlas.errors import ConfigError, DataError
from radlas.ingest.checks import check_rois, image_flags
from radlas.ingest.labels import ANY, declared_labels, inventory
from radlas.ingest.masks import Drawn, Placed, rois_of
from radlas.ingest.roi_names import DEFAULT_ROI_MAP
from radlas.model import Roi

VOXELS = np.random.default_rng(3).integers(0, 900, (5, 20, 20))


@pytest.mark.parametrize("first", range(4))
def test_a_slice_that_is_the_one_before_it_is_flagged(first):
    voxels = VOXELS.copy()
    voxels[first + 1] = voxels[first]
    assert image_flags(voxels) == ("repeated_slices",)
    voxels[first, 1, 1] += 1
    assert image_flags(voxels) == (), "one voxel tells them apart"


@pytest.mark.parametrize("which", range(5))
def test_a_slice_of_one_value_is_flagged(which):
    voxels = VOXELS.copy()
    voxels[which] = 7
    assert image_flags(voxels) == ("blank_slices",)
    voxels[which, 1, 1] += 1
    assert image_flags(voxels) == (), "one voxel is another"


def test_the_same_slice_elsewhere_is_no_repetition():
    voxels = VOXELS.copy()
    voxels[3] = voxels[1]
    assert image_flags(voxels) == ()


@pytest.mark.parametrize(("slices", "flags"), [(2, ()), (3, ("covers_most",)), (4, ())])
def test_a_mask_of_more_than_half_the_image_may_be_turned_inside_out(slices, flags):
    mask = np.zeros((4 if slices < 4 else 8, 6, 6), bool)
    mask[:slices] = True
    (roi,) = check_rois([Roi("tumour", mask, "seg")], 1)
    assert roi.flags == flags


@pytest.mark.parametrize("kind", ["u1", "i2", "i8", "f4"])
@pytest.mark.parametrize("lowest", [-3, 0, 5])
def test_every_value_of_a_mask_file_is_counted_whatever_type_holds_it(lowest, kind):
    values = np.random.default_rng(4).integers(lowest, lowest + 4, (3, 5, 5))
    if kind == "u1":
        values = np.abs(values)
    counts = Counter(values.ravel().tolist())
    assert inventory(values.astype(kind)) == counts
    assert list(inventory(values.astype(kind))) == sorted(counts)


def drawn(name: str, mask: np.ndarray) -> Drawn:
    return Drawn(name, "seg", hollow=False, place=lambda: Placed(mask, ("resampled",), 0.5, 0.2))


def test_an_roi_that_is_drawn_alike_under_two_names_is_one_and_says_so():
    mask = np.zeros((4, 6, 6), bool)
    mask[1:3, 2:5, 1:4] = True
    (roi,) = rois_of([drawn("GTV_Mass", mask), drawn("Tumor", mask.copy())], DEFAULT_ROI_MAP, 1)
    np.testing.assert_array_equal(roi.mask, mask)
    assert roi.flags == ("resampled", "drawn_twice")
    assert (roi.name, roi.misalignment_mm, roi.misalignment_voxels) == ("tumour", 0.5, 0.2)
    (roi,) = rois_of([drawn("Tumor", mask)], DEFAULT_ROI_MAP, 1)
    assert roi.flags == ("resampled",)
    other = mask.copy()
    other[1, 1, 1] = True
    with pytest.raises(DataError, match="mean tumour, of 18 and 19 voxels") as caught:
        rois_of([drawn("GTV_Mass", mask), drawn("Tumor", other)], DEFAULT_ROI_MAP, 1)
    assert caught.value.reason == "ambiguous_roi"
    assert "make the ROI map more specific" in caught.value.hint


def test_two_drawings_of_one_name_are_not_sent_to_the_map_which_cannot_tell_them_apart():
    """As two revisions of one structure set."""
    first, second = np.zeros((4, 6, 6), bool), np.zeros((4, 6, 6), bool)
    first[1, 2:5, 1:4] = second[1, 2:5, 1:5] = True
    with pytest.raises(DataError, match="2 drawings named 'GTV' mean tumour") as caught:
        rois_of([drawn("GTV", first), drawn("GTV", second)], DEFAULT_ROI_MAP, 1)
    assert caught.value.hint.startswith("keep the drawing, or the revision of its file, that count")


def test_an_empty_drawing_beside_one_of_the_same_roi_is_none():
    mask = np.zeros((4, 6, 6), bool)
    empty = mask.copy()
    mask[1:3, 2:5, 1:4] = True
    for pair in ((mask, empty), (empty, mask)):
        both = [drawn(name, one) for name, one in zip(("GTV_Mass", "Tumor"), pair, strict=True)]
        (roi,) = rois_of(both, DEFAULT_ROI_MAP, 1)
        np.testing.assert_array_equal(roi.mask, mask)
        assert roi.flags == ("resampled",)


def test_labels_are_one_for_all_files_or_one_for_each_roi():
    assert declared_labels([]) == {}
    assert declared_labels(["255"]) == {ANY: 255}
    assert declared_labels(["tumour = 1", "edema=1"]) == {"tumour": 1, "edema": 1}


@pytest.mark.parametrize(
    ("labels", "said"),
    {
        ("tumour=1", "tumour=4"): "labels state two values of tumour",
        ("1", "2"): "labels state a value of every mask file, and another one",
        ("255", "edema=2"): "labels state a value of every mask file, and another one",
    }.items(),
)
def test_of_two_labels_none_is_lost_without_a_word(labels, said):
    """The last of them was taken: of a tumour whose core has another value the core alone."""
    for given in (labels, labels[::-1]):
        with pytest.raises(ConfigError, match=said) as told:
            declared_labels(given)
    assert "one for all files, or one for each ROI" in told.value.hint


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "=1", "tumour=", "tumour=²", ""])
def test_what_is_no_label_is_told_as_it_was_typed(text):
    with pytest.raises(ConfigError, match="is no label") as told:
        declared_labels([text])
    assert repr(text) in told.value.what
    assert "a whole number above 0" in told.value.hint
