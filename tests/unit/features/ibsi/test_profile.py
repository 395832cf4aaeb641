"""The `ibsi` profile as a whole: the digital phantom through the extractor, and its own rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from radlas.errors import ConfigError, DataError
from radlas.features.discretise import ibsi_levels
from radlas.features.ibsi.extractor import COLUMNS, IbsiExtractor
from radlas.features.ibsi.interpolate import centred_grid, sample, sample_mask
from radlas.features.ibsi.texture import AGGREGATIONS, texture
from radlas.features.lattice import DIRECTIONS
from radlas.geometry import make_geometry, world_to_index
from radlas.model import Roi, Volume

from .test_consensus import TAGS

PAIRS = {
    "joint_max": "MaximumProbability",
    "joint_avg": "JointAverage",
    "joint_var": "SumSquares",
    "joint_entr": "JointEntropy",
    "diff_avg": "DifferenceAverage",
    "diff_var": "DifferenceVariance",
    "diff_entr": "DifferenceEntropy",
    "sum_avg": "SumAverage",
    "sum_var": "ClusterTendency",
    "sum_entr": "SumEntropy",
    "energy": "JointEnergy",
    "contrast": "Contrast",
    "dissimilarity": "DifferenceAverage",
    "inv_diff": "Id",
    "inv_diff_norm": "Idn",
    "inv_diff_mom": "Idm",
    "inv_diff_mom_norm": "Idmn",
    "inv_var": "InverseVariance",
    "corr": "Correlation",
    "auto_corr": "Autocorrelation",
    "clust_tend": "ClusterTendency",
    "clust_shade": "ClusterShade",
    "clust_prom": "ClusterProminence",
    "info_corr1": "Imc1",
    "info_corr2": "Imc2",
}
RUNS = {
    "sre": "ShortRunEmphasis",
    "lre": "LongRunEmphasis",
    "lgre": "LowGrayLevelRunEmphasis",
    "hgre": "HighGrayLevelRunEmphasis",
    "srlge": "ShortRunLowGrayLevelEmphasis",
    "srhge": "ShortRunHighGrayLevelEmphasis",
    "lrlge": "LongRunLowGrayLevelEmphasis",
    "lrhge": "LongRunHighGrayLevelEmphasis",
    "glnu": "GrayLevelNonUniformity",
    "glnu_norm": "GrayLevelNonUniformityNormalized",
    "rlnu": "RunLengthNonUniformity",
    "rlnu_norm": "RunLengthNonUniformityNormalized",
    "r_perc": "RunPercentage",
    "gl_var": "GrayLevelVariance",
    "rl_var": "RunVariance",
    "rl_entr": "RunEntropy",
}
ZONES = {
    "sze": "SmallAreaEmphasis",
    "lze": "LargeAreaEmphasis",
    "lgze": "LowGrayLevelZoneEmphasis",
    "hgze": "HighGrayLevelZoneEmphasis",
    "szlge": "SmallAreaLowGrayLevelEmphasis",
    "szhge": "SmallAreaHighGrayLevelEmphasis",
    "lzlge": "LargeAreaLowGrayLevelEmphasis",
    "lzhge": "LargeAreaHighGrayLevelEmphasis",
    "glnu": "GrayLevelNonUniformity",
    "glnu_norm": "GrayLevelNonUniformityNormalized",
    "zsnu": "SizeZoneNonUniformity",
    "zsnu_norm": "SizeZoneNonUniformityNormalized",
    "z_perc": "ZonePercentage",
    "gl_var": "GrayLevelVariance",
    "zs_var": "ZoneVariance",
    "zs_entr": "ZoneEntropy",
}
DEPENDENCES = {
    "lde": "SmallDependenceEmphasis",
    "hde": "LargeDependenceEmphasis",
    "lgce": "LowGrayLevelEmphasis",
    "hgce": "HighGrayLevelEmphasis",
    "ldlge": "SmallDependenceLowGrayLevelEmphasis",
    "ldhge": "SmallDependenceHighGrayLevelEmphasis",
    "hdlge": "LargeDependenceLowGrayLevelEmphasis",
    "hdhge": "LargeDependenceHighGrayLevelEmphasis",
    "glnu": "GrayLevelNonUniformity",
    "glnu_norm": "GrayLevelNonUniformityNormalized",
    "dcnu": "DependenceNonUniformity",
    "dcnu_norm": "DependenceNonUniformityNormalized",
    "dc_perc": "DependencePercentage",
    "gl_var": "GrayLevelVariance",
    "dc_var": "DependenceVariance",
    "dc_entr": "DependenceEntropy",
    "dc_energy": "DependenceEnergy",
}
TONES = {name.lower(): name for name in "Coarseness Contrast Busyness Complexity Strength".split()}
# By aggregation: the table's ending for families with directions, and for those without.
ENDINGS = {
    "2d_average": ("2D_avg", "2D"),
    "2d_merged": ("2D_comb", "2D"),
    "2.5d_average": ("2_5D_avg", "2_5D"),
    "2.5d_merged": ("2_5D_comb", "2_5D"),
    "3d_average": ("3D_avg", "3D"),
    "3d_merged": ("3D_comb", "3D"),
}


def tags_of(aggregation: str) -> dict[str, str]:
    """Every tag of the reference table that this aggregation answers, with its column."""
    by_direction, whole = ENDINGS[aggregation]
    found = {tag: column for tag, column in TAGS.items() if not tag.startswith("dzm_")}
    found |= {tag: column for tag, column in TAGS.items() if tag.endswith(f"_{whole}")}
    for prefix, family, names, ending in (
        ("cm", "glcm", PAIRS, by_direction),
        ("rlm", "glrlm", RUNS, by_direction),
        ("szm", "glszm", ZONES, whole),
        ("ngl", "gldm", DEPENDENCES, whole),
        ("ngt", "ngtdm", TONES, whole),
    ):
        found |= {f"{prefix}_{tag}_{ending}": f"{family}_{name}" for tag, name in names.items()}
    return found


def describe(volume, rois, **settings):
    plain = {"normalise": "none", "rings": [], "minimum_voxels": 1}
    extractor = IbsiExtractor(IbsiExtractor.Settings.parse(plain | settings))
    return extractor.describe(volume, rois)


def test_every_value_of_the_digital_phantom_is_met_through_the_extractor(
    phantom, reference, reference_table, capsys
):
    """Within the table's tolerance, or, where that is none, to the digits printed there."""
    met, missed = set(), []
    for aggregation in AGGREGATIONS:
        (row,) = describe(*phantom, discretisation="none", aggregation=aggregation).rows
        for tag, column in tags_of(aggregation).items():
            expected, tolerance = reference[tag]
            value = row.values[column]
            near = value is not None and (
                abs(value - expected) <= tolerance
                if tolerance
                else float(f"{value:.3g}") == pytest.approx(expected, rel=1e-9)
            )
            met |= {tag} if near else set()
            missed += [] if near else [(tag, value, expected)]
    absent = sorted(set(reference_table) - met)
    with capsys.disabled():
        print(f"\nIBSI digital phantom: {len(met)} values met; not offered: {', '.join(absent)}")
    assert not missed
    assert len(met) == 482
    assert not set(absent) & set(reference)  # those that are left have no consensus


def test_every_column_is_filled_for_a_plain_case(phantom):
    volume, rois = phantom
    (row,) = describe(volume, rois, bin_width=1).rows
    assert set(row.values) == set(COLUMNS)
    assert [name for name, value in row.values.items() if value is None] == []
    assert (row.reason, row.aggregation) == ("", "3d_merged")


def ball(radius, shape=(16, 40, 40), spacing=(1.0, 1.0, 2.5)):
    geometry = make_geometry(shape, spacing=spacing, origin=(5, -3, 8), direction=np.eye(3))
    axes = [
        (np.arange(n) - (n - 1) / 2) * edge
        for n, edge in zip(shape, geometry.spacing_zyx, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    return geometry, z**2 + y**2 + x**2 <= radius**2, (z, y, x)


def noisy(radius=12, seed=0, **how):
    geometry, mask, _ = ball(radius, **how)
    voxels = np.random.default_rng(seed).normal(100, 30, size=mask.shape)
    return Volume(voxels, geometry), {"tumour": Roi("tumour", mask, "made")}


def test_kurtosis_is_in_excess_and_axes_divide_by_one_less():
    volume, rois = noisy()
    values = describe(volume, rois).rows[0].values
    inside = volume.voxels[rois["tumour"].mask]
    away = inside - inside.mean()
    assert values["firstorder_Kurtosis"] == pytest.approx(
        (away**4).mean() / (away**2).mean() ** 2 - 3
    )
    places = np.argwhere(rois["tumour"].mask) * np.array([2.5, 1, 1])
    largest = np.linalg.eigvalsh(np.cov(places.T))[-1]
    assert values["shape_MajorAxisLength"] == pytest.approx(4 * np.sqrt(largest))


def runs_along(levels, step):
    """Level and length of every run along one direction, by walking."""
    inside = {tuple(place): int(levels[tuple(place)]) for place in np.argwhere(levels)}
    found = []
    for place, level in inside.items():
        if inside.get(tuple(np.subtract(place, step))) == level:
            continue  # not the first of its run
        length = 1
        while inside.get(tuple(np.add(place, np.multiply(step, length)))) == level:
            length += 1
        found.append((level, length))
    return found


@pytest.mark.parametrize("shape", [(3, 5, 6), (1, 6, 7), (4, 1, 5), (1, 1, 6), (1, 1, 1)])
def test_runs_are_counted_in_every_direction_also_across_a_flat_roi(shape):
    """The manual has 13 directions, and 4 in a slice, whatever the ROI."""
    levels = np.random.default_rng(3).integers(1, 3, size=shape)
    along = [runs_along(levels, step) for step in DIRECTIONS]
    emphases = [np.mean([1 / length**2 for _, length in runs]) for runs in along]
    together = np.concatenate([[length for _, length in runs] for runs in along])
    with np.errstate(invalid="ignore"):  # one voxel has no pairs
        merged = texture(levels, aggregation="3d_merged")
        averaged = texture(levels, aggregation="3d_average")
    assert averaged["glrlm_ShortRunEmphasis"] == pytest.approx(np.mean(emphases))
    assert merged["glrlm_ShortRunEmphasis"] == pytest.approx((1 / together**2.0).mean())
    assert merged["glrlm_RunPercentage"] == pytest.approx(together.size / levels.size / 13)


def test_levels_begin_at_the_lower_end_of_the_range_or_at_the_anchor():
    values = np.array([-50.0, 0.0, 24.9, 25.0])
    fixed = {"method": "fixed_width", "width": 25.0, "count": 0}
    assert ibsi_levels(values, **fixed, origin=-60).tolist() == [1, 3, 4, 4]
    assert ibsi_levels(values, **fixed, origin=None).tolist() == [1, 3, 3, 4]
    assert ibsi_levels(values, **fixed, origin=0).tolist() == [1, 1, 1, 2]
    counted = ibsi_levels(values, method="fixed_count", width=1, count=3, origin=None)
    assert counted.tolist() == [1, 3, 3, 3]


def test_resegmenting_moves_intensities_and_not_the_shape():
    volume, rois = noisy()
    whole = describe(volume, rois).rows[0].values
    part = describe(volume, rois, resegment_range=[60, 140]).rows[0].values
    assert part["shape_MeshVolume"] == whole["shape_MeshVolume"]
    assert 60 <= part["firstorder_Minimum"] < part["firstorder_Maximum"] <= 140
    narrow = describe(volume, rois, resegment_outliers=1).rows[0].values
    assert narrow["firstorder_Range"] == pytest.approx(60, abs=2)
    with pytest.raises(DataError, match="0 voxels, at least 1"):
        describe(volume, rois, resegment_range=[900, 901])


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 2.0, 0.0), (0.7, 1.3, 2.2)])
def test_both_grids_share_their_centre_and_the_new_one_covers_the_old(spacing):
    old = make_geometry(
        (7, 30, 21), spacing=(1.3, 0.9, 4.0), origin=(5, 2, -9), direction=np.diag([1.0, -1, -1])
    )
    new = centred_grid(old, spacing)
    middles = [(np.array(grid.shape[::-1]) - 1) / 2 for grid in (old, new)]
    centre = old.affine[:3, :3] @ middles[0] + old.affine[:3, 3]
    np.testing.assert_allclose(world_to_index(new, centre[None])[0], middles[1], atol=1e-9)
    for size, edge, count, pixel in zip(
        old.shape[::-1], old.spacing, new.shape[::-1], new.spacing, strict=True
    ):
        assert count == int(np.ceil(size * edge / pixel - 1e-9))


@pytest.mark.parametrize("edge", [0.7, 0.9, 1.1, 3.3])
def test_a_grid_is_no_voxel_wider_for_what_a_file_rounds(edge):
    """NIfTI keeps single precision, in which 1.1 is a little more: one voxel moved all by half."""
    stored = float(np.float32(edge))
    old = make_geometry(
        (40, 300, 200), spacing=(stored,) * 3, origin=(0, 0, 0), direction=np.eye(3)
    )
    assert centred_grid(old, (edge,) * 3).shape == old.shape
    assert centred_grid(old, (edge * 2,) * 3).shape == (20, 150, 100)


def test_resampling_a_straight_slope_gives_the_slope():
    geometry, _, (z, y, x) = ball(10)
    slope = 3 * x + 2 * y - z + 50
    new = centred_grid(geometry, (0.8, 1.4, 2.0))
    sampled = sample(np.broadcast_to(slope, geometry.shape), geometry, new, interpolation="linear")
    axes = [
        (np.arange(n) - (n - 1) / 2) * edge
        for n, edge in zip(new.shape, new.spacing_zyx, strict=True)
    ]
    w, v, u = np.meshgrid(*axes, indexing="ij")
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(sampled[inner], (3 * u + 2 * v - w + 50)[inner], atol=1e-9)


@given(
    seed=st.integers(0, 10**6),
    factors=st.tuples(*[st.sampled_from([0.25, 1 / 3, 0.5, 0.75, 1, 1.5, 2, 3])] * 3),
    spacing=st.tuples(*[st.sampled_from([0.6, 1.0, 1.5, 6.0])] * 3),
)
def test_half_way_between_voxels_nothing_depends_on_where_the_patient_lay(seed, factors, spacing):
    """There the last digit of a place chooses the nearest voxel, and rounds a mean up or down."""
    rng, shape = np.random.default_rng(seed), (5, 6, 7)
    voxels = rng.integers(0, 50, shape)
    origin, turn = tuple(rng.uniform(-300, 300, 3)), Rotation.random(random_state=seed)
    straight, lain = (
        make_geometry(shape, spacing=spacing, origin=corner, direction=direction)
        for corner, direction in (((0, 0, 0), np.eye(3)), (origin, turn.as_matrix()))
    )
    wanted = tuple(factor * edge for factor, edge in zip(factors, spacing, strict=True))
    for how in ("nearest", "linear", "cubic"):
        one, other = (
            sample(voxels, old, centred_grid(old, wanted), interpolation=how)
            for old in (straight, lain)
        )
        np.testing.assert_array_equal(np.rint(one), np.rint(other))


def test_of_two_voxels_as_near_the_later_is_taken():
    old = make_geometry((1, 1, 4), spacing=(1, 1, 1), origin=(0, 0, 0), direction=np.eye(3))
    row = np.arange(4).reshape(old.shape)
    sampled = sample(row, old, centred_grid(old, (2, 1, 1)), interpolation="nearest")
    assert sampled.tolist() == [[[1, 3]]]


@pytest.mark.parametrize("spacing", [(0.5, 0.7, 0), (2.0, 1.3, 6.0), (1.8, 2.2, 1.5)])
@pytest.mark.parametrize("side", [slice(0, 3), slice(4, 5), slice(7, 12), slice(0, 12)])
def test_a_mask_is_sampled_around_itself_as_in_the_whole_image(side, spacing):
    geometry = make_geometry(
        (12, 12, 12), spacing=(0.9, 1.1, 3), origin=(3, -7, 11), direction=np.eye(3)
    )
    mask = np.zeros((12, 12, 12), dtype=bool)
    mask[side, side, side] = np.random.default_rng(0).random(mask[side, side, side].shape) < 0.8
    new = centred_grid(geometry, spacing)
    whole = sample(mask, geometry, new, interpolation="linear") >= 0.5 - 1e-9
    np.testing.assert_array_equal(sample_mask(mask, geometry, new), whole)


def test_a_resampled_mask_keeps_its_volume():
    geometry, mask, _ = ball(12)
    new = centred_grid(geometry, (0.9, 0.9, 1.1))
    moved = sample_mask(mask, geometry, new)
    assert moved.sum() * new.voxel_volume == pytest.approx(
        mask.sum() * geometry.voxel_volume, rel=0.02
    )


def test_aggregations_by_slice_do_not_depend_on_the_order_of_the_slices():
    levels = np.random.default_rng(1).integers(0, 5, size=(6, 12, 11))
    shuffled = levels[[3, 0, 5, 1, 4, 2]]
    for aggregation in AGGREGATIONS:
        one, other = (texture(each, aggregation=aggregation) for each in (levels, shuffled))
        same = one == pytest.approx(other, rel=1e-9)
        assert same == (not aggregation.startswith("3d")), aggregation


def test_merging_one_direction_or_one_slice_is_no_merging():
    """But for runs, of which there are some across a line and a slice, too."""
    line = np.random.default_rng(2).integers(1, 4, size=(1, 1, 40))
    average, merged = (texture(line, aggregation=f"3d_{form}") for form in ("average", "merged"))
    assert without_runs(average) == pytest.approx(without_runs(merged), rel=1e-12)
    plane = np.random.default_rng(3).integers(0, 4, size=(1, 15, 14))
    found = [texture(plane, aggregation=form) for form in ("2d_merged", "2.5d_merged", "3d_merged")]
    assert found[0] == pytest.approx(found[1])
    assert without_runs(found[0]) == pytest.approx(without_runs(found[2]))


def without_runs(values):
    return {name: value for name, value in values.items() if not name.startswith("glrlm")}


@pytest.mark.parametrize(
    "place", [(8, 20, 20), (8, 20, slice(10, 30)), (8, slice(5, 30), slice(9, 30))]
)
def test_a_voxel_a_line_and_a_slice_have_values_or_a_reason(place):
    volume, _ = noisy()
    mask = np.zeros(volume.voxels.shape, dtype=bool)
    mask[place] = True
    for aggregation in AGGREGATIONS:
        found = describe(
            volume,
            {"tumour": Roi("tumour", mask, "made")},
            aggregation=aggregation,
            image_types={"original": {}, "mean": {"size": 3, "planar": True}},
        )
        for row in found.rows:
            values = row.values.values()
            assert all(value is None or np.isfinite(value) for value in values)
            assert (None in values) == bool(row.reason)


def test_filters_of_ibsi_2_are_images_of_their_own():
    volume, rois = noisy(spacing=(2.0, 2.0, 2.0))
    images = {
        "original": {},
        "mean": {"size": 5},
        "log": {"sigma": 3.0},
        "laws": [{"kernels": ["L5", "E5", "E5"]}, {"kernels": ["E3", "W5", "R5"]}],
        "wavelet": {"wavelet": "db2", "bands": "LLH"},
    }
    rows = describe(volume, rois, image_types=images, feature_classes=["firstorder", "shape"]).rows
    names = [row.image_type for row in rows]
    assert len(set(names)) == 6
    assert names[0] == "original"
    spread = [row.values["firstorder_Variance"] for row in rows]
    assert spread[1] < spread[0] / 10  # the mean evens out
    assert all("shape_MeshVolume" not in row.values for row in rows[1:])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_types": {"riesz": {}}}, "no filter is called `riesz`"),
        ({"image_types": {"original": {"bin_width": 5}}}, "`original` has no settings"),
        ({"image_types": {"mean": [{"size": 3}, {"size": 3}]}}, "two images have one name"),
        ({"image_types": {"mean": {"size": 3}}, "feature_classes": ["shape"]}, "original image"),
        ({"spacing": [1, 1, 1], "in_plane_spacing": 1}, "resample twice"),
        ({"aggregation": "4d"}, "aggregation"),
        ({"resegment_range": [5, 1]}, "the lower limit first"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        IbsiExtractor.Settings.parse(settings)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"bin_width": 1e-20}, "too_many_levels"),
        ({"bin_origin": -1e21}, "too_many_levels"),
        ({"discretisation": "fixed_count", "bin_count": 2_000}, "too_many_levels"),
        ({"discretisation": "fixed_count", "bin_count": 10**9}, "too_many_levels"),
        ({"discretisation": "none"}, "undefined_feature"),
    ],
)
def test_intensities_that_cannot_be_levels_leave_a_row_that_says_so(settings, reason):
    row = describe(*noisy(), **settings).rows[0]
    assert row.reason == reason
    assert set(row.values.values()) == {None}


def test_numbers_beyond_the_largest_are_none_and_not_infinite():
    volume, rois = noisy()
    huge = Volume(volume.voxels * 1e200, volume.geometry)
    row = describe(huge, rois, discretisation="fixed_count", pixel_type="float64").rows[0]
    assert row.values["firstorder_Energy"] is None
    assert "firstorder" in row.reason
    assert all(value is None or np.isfinite(value) for value in row.values.values())
