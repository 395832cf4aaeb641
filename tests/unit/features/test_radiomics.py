"""The radiomics extractor: what it returns for whom, and what it refuses."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import radiomics
from scipy.spatial.transform import Rotation

from radlas.errors import ConfigError, DataError
from radlas.features.radiomics import RadiomicsExtractor
from radlas.features.settings import CLASSES, image_type_names
from radlas.geometry import make_geometry
from radlas.model import Roi, Volume
from radlas.tables import BOOKKEEPING, RADIOMICS_FEATURES, ROIS

SHAPE = (8, 32, 30)


def case(seed=0):
    """A bright, textured cuboid in a textured body with air around."""
    rng = np.random.default_rng(seed)
    voxels = rng.normal(20, 4, size=SHAPE)
    voxels[:, 4:28, 4:26] = rng.normal(300, 30, size=(8, 24, 22))
    tumour = np.zeros(SHAPE, dtype=bool)
    tumour[2:6, 10:18, 9:16] = True
    voxels[tumour] += rng.normal(400, 60, size=tumour.sum())
    geometry = make_geometry(SHAPE, spacing=(1, 1, 3), origin=(0, 0, 0), direction=np.eye(3))
    return Volume(voxels.round().astype(np.int16), geometry), tumour


def extractor(**settings):
    plain = {"feature_classes": ["firstorder"], "rings": []}
    return RadiomicsExtractor(RadiomicsExtractor.Settings.parse(plain | settings))


def describe(volume, tumour, others=None, **settings):
    rois = {"tumour": Roi("tumour", tumour, "seg")}
    rois |= {name: Roi(name, mask, "seg") for name, mask in (others or {}).items()}
    return extractor(**settings).describe(volume, rois)


def box(*sides):
    mask = np.zeros(SHAPE, dtype=bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


def test_the_columns_are_upstreams_features_with_their_defaults():
    upstream = {
        f"{family}_{name}"
        for family, kind in radiomics.getFeatureClasses().items()
        if family != "shape2D"
        for name, deprecated in kind.getFeatureNames().items()
        if not deprecated
    }
    assert set(RADIOMICS_FEATURES) == upstream
    assert len(RADIOMICS_FEATURES) == 107


def test_every_image_type_asked_for_comes_out_under_its_name_with_values():
    wanted = {
        "original": {},
        "log": {"sigma": [2, 2.5]},
        "wavelet": {"level": 2},
        "square": {},
        "squareroot": {},
        "logarithm": {},
        "exponential": {},
        "gradient": {},
        "lbp3d": {"binWidth": 0.1},
    }
    rows = describe(*case(), image_types=wanted, normalise="none").rows
    assert [row.image_type for row in rows[:3]] == [
        "original",
        "log-sigma-2-0-mm-3D",
        "log-sigma-2-5-mm-3D",
    ]
    assert len(rows) == 3 + 15 + 5 + 3
    for row in rows:
        assert row.reason == ""
        assert row.values["firstorder_Variance"] > 0


def test_a_width_written_as_integer_is_the_same_image():
    first, second = (
        image_type_names(extractor(image_types={"log": {"sigma": sigma}}).settings)
        for sigma in ([3], [3.0])
    )
    assert first == second == ("log-sigma-3-0-mm-3D",)


def test_a_bin_width_of_one_filter_leaves_the_others_alone():
    filters = {"original": {}, "square": {}}
    plain = describe(*case(), image_types=filters).rows
    other = describe(*case(), image_types=filters | {"square": {"binWidth": 3}}).rows
    assert plain[0] == other[0]
    entropies = [rows[1].values["firstorder_Entropy"] for rows in (plain, other)]
    assert entropies[1] > entropies[0] + 1


def test_shape_belongs_to_the_original_image_only():
    rows = describe(
        *case(), image_types={"original": {}, "square": {}}, feature_classes=["shape", "ngtdm"]
    ).rows
    families = [{name.partition("_")[0] for name in row.values} for row in rows]
    assert families == [{"shape", "ngtdm"}, {"ngtdm"}]


def test_rings_are_described_and_their_facts_are_columns_of_the_table():
    volume, tumour = case()
    found = describe(volume, tumour, rings=[(0, 3), (3, 6)])
    assert [row.roi for row in found.rows] == ["tumour", "ring_0_3", "ring_3_6"]
    assert [facts["roi"] for facts in found.rois] == ["tumour", "ring_0_3", "ring_3_6"]
    assert found.rois[0]["origin"] == "prepared"
    first = found.rois[1]
    assert set(ROIS.names) - set(first) == {
        "case_id",
        "centre",
        "subject_id",
        "feature_set",
        *BOOKKEEPING,
    }
    assert (first["origin"], first["requested_width_mm"], first["kept_fraction"]) == (
        "generated",
        3,
        1,
    )
    total = found.rows[1].values["firstorder_Energy"]
    assert total is not None
    assert first["voxels"] * 3 == pytest.approx(first["volume_mm3"])


def test_a_ring_can_leave_the_drawn_edema_out():
    volume, tumour = case()
    edema = box((2, 6), (18, 24), (9, 16))
    all_round = describe(volume, tumour, {"edema": edema}, rings=[(0, 3)]).rois[-1]
    without = describe(
        volume, tumour, {"edema": edema}, rings=[(0, 3)], ring_excludes=["edema"]
    ).rois[-1]
    assert without["voxels"] < all_round["voxels"]


def test_an_absent_edema_has_no_row_and_a_tiny_one_says_why_it_is_empty():
    volume, tumour = case()
    assert {row.roi for row in describe(volume, tumour).rows} == {"tumour"}
    tiny = box((2, 4), (20, 23), (10, 13))
    row = describe(volume, tumour, {"edema": tiny}).rows[1]
    assert (row.roi, row.reason) == ("edema", "roi_too_small")
    assert set(row.values.values()) == {None}


def test_a_tumour_that_is_too_small_quarantines_the_case_with_the_count():
    volume, _ = case()
    with pytest.raises(DataError, match="18 voxels, at least 27") as caught:
        describe(volume, box((2, 4), (10, 13), (10, 13)))
    assert caught.value.reason == "roi_too_small"


def test_a_tumour_that_is_a_line_is_too_flat_for_features():
    volume, _ = case()
    with pytest.raises(DataError, match="too few dimensions") as caught:
        describe(volume, box((2, 3), (10, 11), (0, 29)))
    assert caught.value.reason == "roi_too_small"


@pytest.mark.parametrize(
    "upstream", [{"resampledPixelSpacing": [2, 2, 0]}, {"resegmentRange": [730, 900]}]
)
def test_an_roi_that_becomes_too_small_is_refused_by_either_backend(upstream):
    volume, tumour = case()
    settings = {"normalise": "none", "pyradiomics": upstream, "minimum_voxels": 100}
    for backend in ("fast", "pyradiomics"):
        with pytest.raises(DataError) as caught:
            describe(volume, tumour, backend=backend, **settings)
        assert caught.value.reason == "roi_too_small"


@pytest.mark.parametrize(
    ("level", "settings", "reason"),
    [
        (700, {"pyradiomics": {"normalize": True}}, "not_finite"),
        (0, {"image_types": {"exponential": {}}, "bin_width": 1e-9}, "too_many_levels"),
    ],
)
def test_what_upstream_ends_in_an_error_over_has_a_reason_by_either_backend(
    level, settings, reason
):
    volume, tumour = case()
    even = Volume(volume.voxels * (level == 0) + level, volume.geometry)
    for backend in ("fast", "pyradiomics"):
        (row,) = describe(even, tumour, normalise="none", backend=backend, **settings).rows
        assert row.reason == reason
        assert set(row.values.values()) == {None}


@pytest.mark.parametrize(
    "upstream",
    [{"force2D": True}, {"distances": [9]}, {"force2D": True, "weightingNorm": "infinity"}],
)
def test_where_no_direction_has_two_voxels_there_is_no_texture_and_no_error(upstream):
    """A line across the slices, or distances beyond the ROI, over which PyRadiomics ends."""
    volume, _ = case()
    line = box((0, 8), (14, 15), (12, 13))
    settings = {"normalise": "none", "minimum_voxels": 8, "minimum_dimensions": 0}
    settings |= {"feature_classes": CLASSES, "pyradiomics": upstream, "backend": "pyradiomics"}
    (row,) = describe(volume, line, **settings).rows
    assert row.values["firstorder_Mean"] == pytest.approx(volume.voxels[line].mean(), rel=1e-6)
    texture = ["glcm", "gldm", "glrlm", "glszm", "ngtdm"]
    assert row.reason == " ".join(f"{family}:no_neighbours" for family in texture)


def test_between_two_slices_an_even_image_is_even():
    """ITK's spline through two samples takes a third from the memory before the image."""
    place = {"spacing": (1, 1, 4), "origin": (0, 0, 0), "direction": np.eye(3)}
    even = Volume(np.full((2, 12, 12), 100), make_geometry((2, 12, 12), **place))
    drawn = np.ones((2, 12, 12), dtype=bool)
    drawn[:, 0] = False
    settings = {"normalise": "none", "pyradiomics": {"resampledPixelSpacing": [1, 1, 1]}}
    (row,) = describe(even, drawn, pixel_type="int32", **settings).rows
    assert row.values["firstorder_Minimum"] == row.values["firstorder_Maximum"] == 100
    with pytest.raises(DataError, match="may read beyond the image"):
        describe(even, drawn, backend="pyradiomics", **settings)


def test_two_slices_are_even_wherever_they_lie_though_they_stay_as_they_are():
    """A bit beyond the second slice, as rounding has it in patient space, ITK reads on as well."""
    rng, drawn = np.random.default_rng(0), np.ones((2, 12, 12), dtype=bool)
    drawn[:, 0] = False
    settings = {"normalise": "none", "pyradiomics": {"resampledPixelSpacing": [1.5, 1.5, 0]}}
    for turn in range(12):
        direction = Rotation.random(random_state=turn).as_matrix()
        origin = tuple(rng.uniform(-100, 100, 3))
        geometry = make_geometry((2, 12, 12), spacing=(1, 1, 6), origin=origin, direction=direction)
        even = Volume(np.full((2, 12, 12), 100), geometry)
        for pixel_type in ("int32", "float64"):
            (row,) = describe(even, drawn, pixel_type=pixel_type, **settings).rows
            assert row.values["firstorder_Minimum"] == pytest.approx(100, rel=1e-12)
            assert row.values["firstorder_Maximum"] == pytest.approx(100, rel=1e-12)
        with pytest.raises(DataError, match="may read beyond the image"):
            describe(even, drawn, backend="pyradiomics", **settings)
    settings["pyradiomics"] = {"resampledPixelSpacing": [1, 1, 6], "preCrop": True}  # as it is
    both = [describe(even, drawn, backend=one, **settings).rows for one in ("fast", "pyradiomics")]
    assert both[0][0].values == pytest.approx(both[1][0].values)


def test_resegmenting_that_leaves_nothing_of_the_edema_is_its_own_misfortune():
    volume, tumour = case()
    rows = describe(
        volume,
        tumour,
        {"edema": box((1, 7), (20, 27), (5, 25))},
        normalise="none",
        pyradiomics={"resegmentRange": [550, 2000]},
    ).rows
    assert [row.reason for row in rows] == ["", "roi_too_small"]
    assert rows[0].values["firstorder_Minimum"] >= 550


def test_a_case_without_tumour_is_refused():
    volume, tumour = case()
    with pytest.raises(DataError, match="ROIs of this case: edema") as caught:
        extractor().describe(volume, {"edema": Roi("edema", tumour, "seg")})
    assert caught.value.reason == "no_tumour"


def test_a_filter_wider_than_the_image_leaves_rows_that_say_so():
    rows = describe(*case(), image_types={"original": {}, "log": {"sigma": [2, 40]}}).rows
    assert [row.reason for row in rows] == ["", "", "image_too_small"]
    assert set(rows[2].values.values()) == {None}


def test_what_is_not_defined_is_none_and_the_row_says_so():
    """Voxels without neighbours have no pairs: upstream divides by zero, and we pass no NaN on."""
    volume, _ = case()
    scattered = np.zeros(SHAPE, dtype=bool)
    scattered[::3, 6:27:3, 6:25:3] = True
    (row,) = describe(volume, scattered, feature_classes=["firstorder", "glcm"]).rows
    undefined = {name for name, value in row.values.items() if value is None}
    assert "glcm_Contrast" in undefined
    assert not any(name.startswith("firstorder") for name in undefined)
    assert row.reason == "glcm:no_neighbours"


def test_eight_bit_voxels_give_the_features_of_their_values():
    """With NumPy 2, upstream's bin edges overflow in uint8: one bin, entropy zero, no error."""
    volume, tumour = case()
    values = np.clip(volume.voxels // 3, 0, 255)
    assert values[tumour].max() > 230
    small, wide = (
        describe(Volume(values.astype(kind), volume.geometry), tumour, normalise="none").rows
        for kind in (np.uint8, np.float64)
    )
    assert small == wide
    assert small[0].values["firstorder_Entropy"] > 1


def test_gain_and_offset_of_the_scanner_do_not_move_normalised_features():
    volume, tumour = case()
    there = Volume(volume.voxels * 2.0 + 64, volume.geometry)
    (one,), (other,) = (describe(each, tumour, bin_width=20).rows for each in (volume, there))
    for name in ("firstorder_Mean", "firstorder_Variance", "firstorder_Skewness"):
        assert one.values[name] == pytest.approx(other.values[name], rel=1e-4)


def test_padding_with_air_does_not_move_normalised_features():
    """Upstream's own normalisation is over all voxels, so that air counts as tissue there."""
    volume, tumour = case()
    pads = ((0, 0), (16, 16), (16, 16))
    air = np.random.default_rng(9).normal(20, 4, size=(8, 64, 62))
    air[:, 16:-16, 16:-16] = volume.voxels
    wide = make_geometry(air.shape, spacing=(1, 1, 3), origin=(0, 0, 0), direction=np.eye(3))

    def means(**how):
        both = ((volume, tumour), (Volume(air, wide), np.pad(tumour, pads)))
        return [describe(*each, **how).rows[0].values["firstorder_Mean"] for each in both]

    ours, theirs = means(), means(normalise="none", pyradiomics={"normalize": True})
    assert ours[0] == pytest.approx(ours[1], rel=0.02)
    assert abs(theirs[1] / theirs[0] - 1) > 0.1


def test_resampling_in_plane_keeps_size_and_level_of_the_tumour():
    volume, tumour = case()
    settings = {"feature_classes": ["shape", "firstorder"], "normalise": "none"}
    (stored,) = describe(volume, tumour, **settings).rows
    (fine,) = describe(volume, tumour, in_plane_spacing=0.5, **settings).rows
    for name in ("shape_VoxelVolume", "firstorder_Mean", "shape_MajorAxisLength"):
        assert fine.values[name] == pytest.approx(stored.values[name], rel=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bin_widht": 5}, "unknown key `bin_widht`"),
        ({"image_types": {"lbp4d": {}}}, "lbp4d"),
        ({"image_types": {"log": {}}}, "`log` needs widths"),
        (
            {"image_types": {"log": {"sigma": [0]}}},
            "a list of widths of 0.05 mm at least, each once",
        ),
        ({"image_types": {"wavelet": {"levle": 2}}}, "`wavelet` has no levle"),
        ({"rings": [(5, 5)]}, "from 5 to 5 mm is empty"),
        ({"rings": [(0, 5), (0, 5)]}, "two rings have one name"),
        ({"pyradiomics": {"binWidth": 5}}, "is set by `bin_width`"),
        ({"pyradiomics": {"label": 2}}, "not passed through"),
        ({"pyradiomics": {"geometryTolerance": 1}}, "not passed through"),
        ({"pyradiomics": {"normalize": True}}, "scale twice"),
        (
            {"in_plane_spacing": 1, "pyradiomics": {"resampledPixelSpacing": [1, 1, 1]}},
            "resample twice",
        ),
        ({"pixel_type": "int32"}, "round normalised"),
        ({"image_types": {"square": {}}, "feature_classes": ["shape"]}, "of the original image"),
        (
            {
                "image_types": {"square": {}},
                "feature_classes": ["shape", "glcm"],
                "features": ["glcm_Contrast", "shape_Flatness"],
            },
            "of the original image",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        RadiomicsExtractor.Settings.parse(settings)


def test_every_setting_has_a_description():
    for name, field in RadiomicsExtractor.Settings.model_fields.items():
        assert field.description, name
    assert inspect.getdoc(RadiomicsExtractor.describe)
