"""The fast backend: PyRadiomics' values under every setting, and what it promises beside."""

from __future__ import annotations

import sys
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import SimpleITK
from radiomics import imageoperations
from radiomics.featureextractor import RadiomicsFeatureExtractor
from scipy import ndimage
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y
from threadpoolctl import threadpool_limits

from radlas.digests import digest_of
from radlas.errors import ConfigError, DataError
from radlas.features import images
from radlas.features.discretise import fixed_count_edges, to_levels
from radlas.features.filters.lbp import icosphere
from radlas.features.firstorder import first_order
from radlas.features.kernels import pairs as pair_kernels
from radlas.features.params import settings_of
from radlas.features.preprocess import to_itk
from radlas.features.radiomics import RadiomicsExtractor
from radlas.geometry import make_geometry
from radlas.model import Roi, Volume
from radlas.roi.facts import bounding_box
from radlas.tables import RADIOMICS_FEATURES

SHAPE = (13, 40, 44)
SPACING = (0.9, 1.1, 3.0)  # x, y, z
IMAGES = {
    "original": {},
    "log": {"sigma": [1.0, 2.5]},
    "wavelet": {},
    "square": {},
    "squareroot": {},
    "logarithm": {},
    "exponential": {},
    "gradient": {},
}
UPSTREAM = "Original LoG Wavelet Square SquareRoot Logarithm Exponential Gradient".split()
PLAIN = {"normalise": "none", "rings": [], "minimum_voxels": 2, "pixel_type": "float64"}


def case(dtype=np.float64, seed=0):
    """Two ROIs, one of them in two pieces, in noise with structure; some voxels are negative."""
    rng = np.random.default_rng(seed)
    rough = ndimage.gaussian_filter(rng.normal(size=SHAPE), (0.5, 2, 2))
    voxels = 150 * rough / rough.std() + 120 + rng.normal(0, 15, size=SHAPE)
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    tumour = ((z - 6) / 3.2) ** 2 + ((y - 20) / 9.5) ** 2 + ((x - 18) / 11) ** 2 < 1
    edema = ((z - 5) / 2.5) ** 2 + ((y - 9) / 5) ** 2 + ((x - 34) / 7) ** 2 < 1
    edema |= (z > 9) & (abs(y - 30) < 4) & (abs(x - 6) < 4)
    geometry = make_geometry(SHAPE, spacing=SPACING, origin=(3, -7, 11), direction=np.eye(3))
    voxels = voxels.round().astype(dtype) if np.issubdtype(dtype, np.integer) else voxels
    masks = {"tumour": tumour, "edema": np.broadcast_to(edema, SHAPE).copy()}
    rois = {name: Roi(name, mask, "made") for name, mask in masks.items()}
    return Volume(voxels.astype(dtype), geometry), rois


def describe(volume, rois, /, **settings):
    settings = RadiomicsExtractor.Settings.parse({**PLAIN, "image_types": IMAGES, **settings})
    return RadiomicsExtractor(settings).describe(volume, rois)


ROOTS = {  # of variances: upstream's is 1e-18 here and 0 there, where the ROI has no width
    "shape_Elongation",
    "shape_Flatness",
    "shape_LeastAxisLength",
    "shape_MinorAxisLength",
}


def assert_same(one, other, bound=1e-9):
    """Row by row, each value within the bound of its own size; what is not defined is not."""
    assert [(row.roi, row.image_type) for row in one.rows] == [
        (row.roi, row.image_type) for row in other.rows
    ]
    for mine, theirs in zip(one.rows, other.rows, strict=True):
        for name, value in theirs.values.items():
            found = mine.values[name]
            where = f"{mine.roi} {mine.image_type} {name}"
            assert (found is None) == (value is None), where
            if value is not None:
                power = 2 if name in ROOTS else 1
                assert found**power == pytest.approx(value**power, rel=bound, abs=1e-12), where


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"bin_width": 12},
        {"bin_count": 16},
        {"image_types": {"original": {"binWidth": 7}, "wavelet": {"wavelet": "db3", "level": 2}}},
        {"image_types": {"wavelet": {"start_level": 1}}},
        {"image_types": {"gradient": {"gradientUseSpacing": False}}},
        {"pyradiomics": {"force2D": True}},
        {"pyradiomics": {"force2D": True, "force2Ddimension": 2}},
        {"pyradiomics": {"resampledPixelSpacing": [1.3, 1.3, 2]}},
        {"pyradiomics": {"resampledPixelSpacing": [1.8, 2.2, 0], "padDistance": 3}},
        {"pyradiomics": {"preCrop": True, "padDistance": 4}},
        {"pyradiomics": {"resegmentRange": [-50, 400], "resegmentShape": True}},
        {"pyradiomics": {"resegmentRange": [150, 900]}},
        {"pyradiomics": {"resegmentRange": [-2, 2], "resegmentMode": "sigma"}},
        {"pyradiomics": {"resegmentRange": [0.2], "resegmentMode": "relative"}},
        {"pyradiomics": {"normalize": True, "normalizeScale": 100, "removeOutliers": 2}},
        {"pyradiomics": {"voxelArrayShift": 500}},
    ],
    ids=str,
)
def test_every_value_is_that_of_pyradiomics(settings):
    inputs = case()
    assert_same(describe(*inputs, **settings), describe(*inputs, backend="pyradiomics", **settings))


@pytest.mark.parametrize("pixel_type", ["int32", "float32"])
@pytest.mark.parametrize("upstream", [{}, {"resampledPixelSpacing": [1.3, 1.3, 2]}])
def test_integers_and_single_precision_are_those_of_pyradiomics(pixel_type, upstream):
    inputs = case(np.int16)
    settings = {"pixel_type": pixel_type, "pyradiomics": upstream}
    assert_same(describe(*inputs, **settings), describe(*inputs, backend="pyradiomics", **settings))


@pytest.mark.parametrize("origin", [(0.0, 0.0, 0.0), (-113.7, 47.123, 9.77)])
def test_integers_are_cut_as_upstream_cuts_them_where_grids_meet(origin):
    """Of a spline through its own samples the last bit decides between 5 and 4."""
    volume, rois = case(np.int32)
    geometry = make_geometry(SHAPE, spacing=SPACING, origin=origin, direction=np.eye(3))
    inputs = Volume(volume.voxels // 100, geometry), rois
    settings = {
        "bin_width": 1,
        "image_types": {"original": {}},
        "pixel_type": "int32",
        "pyradiomics": {"resampledPixelSpacing": [0.9, 1.1, 1.0]},
    }
    assert_same(describe(*inputs, **settings), describe(*inputs, backend="pyradiomics", **settings))


def test_what_the_fast_backend_does_not_offer_goes_to_pyradiomics_and_is_said():
    wanted = {**PLAIN, "pyradiomics": {"distances": [1, 2], "gldm_a": 1}}
    extractor = RadiomicsExtractor(RadiomicsExtractor.Settings.parse(wanted))
    assert "`distances`, `gldm_a`" in extractor.banner
    assert extractor.label == "pyradiomics-upstream"
    inputs = case()
    settings = {"image_types": {"original": {}}, "pyradiomics": wanted["pyradiomics"]}
    assert describe(*inputs, **settings) == describe(*inputs, backend="pyradiomics", **settings)


def test_a_usual_recipe_needs_no_fallback_and_says_nothing():
    extractor = RadiomicsExtractor(RadiomicsExtractor.Settings.parse(PLAIN))
    assert (extractor.banner, extractor.label) == ("", "pyradiomics")


def test_eight_bit_images_are_described_rightly_where_pyradiomics_is_silently_wrong():
    """With NumPy 2 its bin edges overflow in uint8; the values must be those of wider integers."""
    volume, rois = case()
    small = np.clip(volume.voxels, 40, 250).astype(np.uint8)
    upstream = RadiomicsFeatureExtractor(binWidth=25, additionalInfo=False)
    mask = to_itk(rois["tumour"].mask.astype(np.uint8), volume.geometry)

    def theirs(voxels):
        found = upstream.execute(to_itk(voxels, volume.geometry), mask)
        return {name.removeprefix("original_"): float(value) for name, value in found.items()}

    wrong, right = theirs(small), theirs(small.astype(np.int32))
    ours = (
        describe(
            Volume(small, volume.geometry), rois, image_types={"original": {}}, pixel_type="int32"
        )
        .rows[0]
        .values
    )
    assert ours == pytest.approx(right, rel=1e-9)
    assert wrong["firstorder_Entropy"] == pytest.approx(0, abs=1e-9)
    assert sum(wrong[name] != pytest.approx(right[name], rel=1e-6) for name in ours) > 50


@pytest.mark.parametrize("pixel_type", ["float32", "int32"])
def test_copies_of_the_same_voxels_give_the_same_digest(pixel_type):
    volume, rois = case(np.int16)
    digests = {
        digest_of([row.values for row in describe(copy, rois, pixel_type=pixel_type).rows])
        for kind in (np.int16, np.int32, np.float32, np.float64)
        for copy in [Volume(volume.voxels.astype(kind), volume.geometry)]
    }
    assert len(digests) == 1


def test_several_threads_at_once_give_what_one_gives():
    inputs = [case(seed=seed) for seed in range(4)]
    alone = [describe(*each) for each in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda each: describe(*each), inputs))
    assert together == alone


@pytest.mark.parametrize("seed", [0, 4])
def test_as_many_threads_as_a_machine_has_give_what_a_worker_gives(seed):
    """BLAS adds up in another order by two threads, and some patterns of such noise show it."""
    voxels = np.random.default_rng(seed).normal(300, 30, size=(8, 12, 14))
    mask = np.arange(voxels.size).reshape(voxels.shape) < 692
    geometry = make_geometry(voxels.shape, spacing=SPACING, origin=(0, 0, 0), direction=np.eye(3))
    inputs = Volume(voxels, geometry), {"tumour": Roi("tumour", mask, "made")}
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            found.append(describe(*inputs, image_types={"lbp3d": {}}))
    assert found[0] == found[1]


def test_an_roi_is_described_alike_alone_and_beside_another():
    volume, rois = case()
    both = [row for row in describe(volume, rois).rows if row.roi == "tumour"]
    assert both == list(describe(volume, {"tumour": rois["tumour"]}).rows)


@pytest.mark.parametrize("slab", [1, 5_000])
def test_bands_split_in_slabs_are_those_of_the_whole(monkeypatch, slab):
    """Slabs of one slice and of some; there are slabs that an ROI does not touch."""
    whole = describe(*case(), image_types={"wavelet": {}})
    monkeypatch.setattr(images, "SLAB", slab)
    assert describe(*case(), image_types={"wavelet": {}}) == whole


def test_turning_axes_and_image_moves_no_value_of_texture():
    volume, rois = case()
    turned = Volume(np.ascontiguousarray(volume.voxels[:, ::-1]), volume.geometry)
    moved = {"tumour": Roi("tumour", np.ascontiguousarray(rois["tumour"].mask[:, ::-1]), "made")}
    settings = {"image_types": {"original": {}}}
    here = describe(volume, {"tumour": rois["tumour"]}, **settings).rows[0].values
    assert describe(turned, moved, **settings).rows[0].values == pytest.approx(here, rel=1e-9)


def test_a_multiple_of_the_image_with_a_multiple_of_the_bin_has_the_same_texture():
    volume, rois = case()
    double = Volume(volume.voxels * 2, volume.geometry)
    images = {"original": {}, "log": {"sigma": [2]}}
    classes = ["glcm", "glrlm", "glszm", "gldm", "ngtdm"]
    settings = {"image_types": images, "feature_classes": classes}
    here = describe(volume, rois, bin_width=10, **settings)
    assert_same(describe(double, rois, bin_width=20, **settings), here, bound=1e-6)


# local binary patterns: upstream's own code, on stand-ins for what SciPy and trimesh were


@pytest.fixture
def older_libraries(monkeypatch):
    interpolation = types.ModuleType("scipy.ndimage.interpolation")
    interpolation.map_coordinates = ndimage.map_coordinates
    monkeypatch.setitem(sys.modules, "scipy.ndimage.interpolation", interpolation)
    special = __import__("scipy.special", fromlist=["special"])
    monkeypatch.setattr(
        special, "sph_harm", lambda m, n, azimuth, polar: sph_harm_y(n, m, polar, azimuth), False
    )
    creation = types.ModuleType("trimesh.creation")
    creation.icosphere = lambda subdivision, radius: types.SimpleNamespace(
        vertices=icosphere(subdivision) * radius
    )
    monkeypatch.setitem(sys.modules, "trimesh", types.ModuleType("trimesh"))
    monkeypatch.setitem(sys.modules, "trimesh.creation", creation)


@pytest.mark.parametrize("dtype", [np.int16, np.float64])
@pytest.mark.parametrize(
    "options",
    [{}, {"lbp3DLevels": 3, "lbp3DIcosphereRadius": 2, "lbp3DIcosphereSubdivision": 2}],
)
def test_binary_patterns_are_those_of_upstreams_code(older_libraries, dtype, options):
    volume, rois = case(dtype)
    mask = rois["tumour"].mask
    image = to_itk(volume.voxels, volume.geometry)
    theirs = {}
    label = to_itk(mask.astype(np.uint8), volume.geometry)
    for found, name, _ in imageoperations.getLBP3DImage(image, label, **options):
        theirs[name] = SimpleITK.GetArrayFromImage(found)[mask]
    target = images.Target("tumour", mask, bounding_box(mask))
    scene = images.Scene(volume.voxels, volume.geometry.spacing_zyx, (target,))
    made = images.filtered_images(scene, {"lbp3d": options}, {})
    ours = {one.name: one.values["tumour"] for one in made}
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("subdivision", "vertices"), [(0, 12), (1, 42), (2, 162), (3, 642)])
def test_an_icosphere_has_as_many_vertices_as_its_faces_ask_for(subdivision, vertices):
    points = icosphere(subdivision)
    assert len(points) == vertices
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)


# ROIs at the edge of what can be described


def odd(*places):
    mask = np.zeros(SHAPE, dtype=bool)
    for place in places:
        mask[place] = True
    return mask


ODD = {
    "one voxel": odd((6, 20, 18)),
    "two voxels apart": odd((6, 20, 18), (6, 20, 22)),
    "a line": odd((6, slice(10, 30), 18)),
    "one slice": odd((6, slice(10, 30), slice(8, 30))),
    "two pieces": odd((slice(2, 5), slice(5, 10), slice(5, 10)), (9, slice(30, 36), slice(30, 36))),
    "at the border": odd((slice(0, 3), slice(0, 6), slice(0, 7))),
    "a diagonal": odd(*((k, 10 + k, 12 + k) for k in range(13))),
    "the whole image": np.ones(SHAPE, dtype=bool),
}


@pytest.mark.parametrize("flat", [False, True], ids=["noise", "flat"])
@pytest.mark.parametrize("name", ODD)
def test_odd_rois_have_values_or_a_reason_and_never_nan(name, flat):
    volume, _ = case()
    voxels = np.full(SHAPE, 100.0) if flat else volume.voxels
    rois = {"tumour": Roi("tumour", ODD[name], "made")}
    settings = {
        "minimum_voxels": 1,
        "minimum_dimensions": 0,
        "image_types": {**IMAGES, "lbp3d": {}},
    }
    for row in describe(Volume(voxels, volume.geometry), rois, **settings).rows:
        values = row.values.values()
        assert all(value is None or np.isfinite(value) for value in values)
        assert (None in values) == bool(row.reason)


@pytest.mark.parametrize("voxels", [3, 7, 12, 97])
@pytest.mark.parametrize("level", [0.1, 1 / 3, -0.7, 1e9 / 3])
def test_equal_voxels_are_neither_skewed_nor_peaked(voxels, level):
    """Added up and divided again they need not be themselves, and rests have any ratio."""
    values = np.full(voxels, level)
    extent, total = (level, level), float(values.sum())
    found = first_order(values, np.array([0, voxels]), extent=extent, total=total, voxel_volume=1)
    spread = ("Variance", "Skewness", "Kurtosis", "MeanAbsoluteDeviation", "Range")
    assert {found[f"firstorder_{name}"] for name in spread} == {0.0}
    assert found["firstorder_Mean"] == level


# PyRadiomics refuses one voxel, and of two without neighbours it sums over nothing to 0.
@pytest.mark.parametrize("name", [name for name in ODD if name not in list(ODD)[:2]])
def test_odd_rois_that_pyradiomics_describes_are_described_alike(name):
    volume, _ = case()
    rois = {"tumour": Roi("tumour", ODD[name], "made")}
    settings = {"minimum_voxels": 1, "minimum_dimensions": 1}
    assert_same(
        describe(volume, rois, **settings),
        describe(volume, rois, backend="pyradiomics", **settings),
        bound=1e-7,  # of flat sides, whose axes are the root of a rounding error
    )


def test_more_levels_than_tables_can_hold_leave_a_row_that_says_so():
    volume, rois = case()
    row = describe(volume, rois, bin_width=0.001, image_types={"original": {}}).rows[0]
    assert row.reason == "too_many_levels"
    assert row.values["glcm_Contrast"] is None


# what is asked beside the values


def test_rows_tell_grey_levels_and_whose_neighbours_were_compared():
    volume, rois = case()
    images = {"image_types": {"original": {}}}
    by = {
        texture: describe(volume, rois, texture=texture, **images).rows[0]
        for texture in ("3d", "2d", "auto")
    }
    assert by["3d"].aggregation == by["auto"].aggregation == "3d_average"  # 3 mm to 1.1 mm
    assert by["2d"].aggregation == "2.5d_average"
    assert by["3d"].grey_levels == by["2d"].grey_levels > 10
    flat = describe(volume, rois, pyradiomics={"force2D": True}, **images).rows[0]
    assert by["2d"].values == flat.values


def test_thick_slices_are_described_one_by_one_if_that_is_left_to_them():
    volume, rois = case()
    thick = make_geometry(SHAPE, spacing=(0.9, 1.1, 3.4), origin=(0, 0, 0), direction=np.eye(3))
    rows = describe(
        Volume(volume.voxels, thick), rois, texture="auto", image_types={"original": {}}
    ).rows
    assert {row.aggregation for row in rows} == {"2.5d_average"}


def test_an_anchored_bin_gives_one_intensity_one_level_in_every_roi():
    """With PyRadiomics' bins, a single dark voxel shifts every level of its ROI."""
    volume, rois = case()
    dark = volume.voxels.copy()
    dark[6, 20, 18] = -3_000
    settings = {"image_types": {"original": {}}, "feature_classes": ["gldm"]}

    def mean_level(voxels, **how):
        rows = describe(Volume(voxels, volume.geometry), rois, **settings, **how).rows
        return rows[0].values["gldm_HighGrayLevelEmphasis"]

    anchored = [mean_level(voxels, bin_origin=-1_000) for voxels in (volume.voxels, dark)]
    usual = [mean_level(voxels) for voxels in (volume.voxels, dark)]
    assert anchored[0] == pytest.approx(anchored[1], rel=0.01)
    assert usual[1] > 5 * usual[0]


def test_the_facts_of_rois_tell_the_grid_before_and_after():
    volume, rois = case()
    facts = describe(volume, rois, in_plane_spacing=0.5, image_types={"original": {}}).rois
    tumour = next(one for one in facts if one["roi"] == "tumour")
    assert tumour["voxels_before"] == rois["tumour"].mask.sum()
    spacings = [tumour[f"spacing_{axis}_mm"] for axis in "xyz"]
    assert spacings == pytest.approx([0.5, 0.5, 3.0])
    grown = 0.9 * 1.1 / 0.25
    assert tumour["voxels"] == pytest.approx(tumour["voxels_before"] * grown, rel=0.05)


def test_perturbed_copies_have_rows_under_the_name_of_their_change():
    volume, rois = case()
    settings = {
        "image_types": {"original": {}},
        "feature_classes": ["shape", "firstorder"],
        "perturbations": {"rotation_degrees": [0, 5], "grow_mm": [0, 1.5]},
    }
    found = describe(volume, {"tumour": rois["tumour"]}, **settings)
    assert [row.perturbation for row in found.rows] == ["", "grow+1p5", "rot+5", "rot+5_grow+1p5"]
    volumes = [row.values["shape_VoxelVolume"] for row in found.rows]
    assert volumes[1] > volumes[0] == pytest.approx(volumes[2], rel=0.05)
    plain = describe(volume, {"tumour": rois["tumour"]}, **settings | {"perturbations": None})
    assert plain.rows[0] == found.rows[0]
    assert describe(volume, {"tumour": rois["tumour"]}, **settings) == found


@pytest.mark.parametrize("chain", [(5, 0), (5, 1.5), (0, 1.5), (-3, 1.5)])
def test_a_changed_copy_is_described_alike_alone_and_among_others(chain):
    """Those that differ in their masks alone share an image, and all one measure of noise."""
    volume, rois = case()
    settings = {"image_types": {"original": {}}, "feature_classes": ["firstorder"]}
    many = {"rotation_degrees": [5, 0, -3], "grow_mm": [0, 1.5], "noise_repeats": 0}
    one = {"rotation_degrees": chain[:1], "grow_mm": chain[1:], "noise_repeats": 0}
    for noise in (0, 2):
        among, alone = (
            describe(volume, rois, **settings, perturbations=grid | {"noise_repeats": noise})
            for grid in (many, one)
        )
        changed = [row for row in alone.rows if row.perturbation]
        names = {row.perturbation for row in changed}
        assert [row for row in among.rows if row.perturbation in names] == changed


def test_a_change_that_cannot_be_made_leaves_rows_that_say_so():
    volume, _ = case()
    thin = Roi("tumour", odd((slice(4, 8), slice(10, 14), slice(10, 14))), "made")
    found = describe(
        volume,
        {"tumour": thin},
        image_types={"original": {}},
        perturbations={"grow_mm": [0, -4]},
    )
    assert [row.reason for row in found.rows] == ["", "perturbation_undefined"]
    assert set(found.rows[1].values.values()) == {None}


# parameter files


def test_a_parameter_file_of_pyradiomics_gives_what_pyradiomics_gives_with_it(tmp_path):
    text = """
setting:
  binWidth: 12
  label: 1
  resampledPixelSpacing: [1.4, 1.4, 2.0]
  interpolator: sitkBSpline
  minimumROISize: 3
  geometryTolerance: 0.01
imageType:
  Original: {}
  LoG: {sigma: [2.0]}
  Wavelet: {binWidth: 10}
featureClass:
  shape:
  firstorder: []
  glcm: [Contrast, Idm, MCC]
  ngtdm:
"""
    path = tmp_path / "params.yaml"
    path.write_text(text)
    import yaml  # noqa: PLC0415

    volume, rois = case()
    upstream = RadiomicsFeatureExtractor(str(path), additionalInfo=False)
    mask = to_itk(rois["tumour"].mask.astype(np.uint8), volume.geometry)
    theirs = upstream.execute(to_itk(volume.voxels, volume.geometry), mask)
    expected = {k: float(np.real(v)) for k, v in theirs.items() if not k.startswith("diag")}
    settings = settings_of(yaml.safe_load(text)) | {"pixel_type": "float64"}
    found = describe(volume, {"tumour": rois["tumour"]}, **settings)
    ours = {
        f"{row.image_type}_{name}": value
        for row in found.rows
        for name, value in row.values.items()
    }
    assert ours == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("setting", "refused"), [({}, False), ({"minimumROISize": 12}, True)])
def test_a_parameter_file_refuses_a_small_roi_only_if_it_says_so(setting, refused):
    volume, _ = case()
    small = {"tumour": Roi("tumour", odd((slice(5, 7), slice(10, 12), slice(10, 13))), "made")}
    settings = RadiomicsExtractor.Settings.parse(settings_of({"setting": setting}))
    try:
        found = bool(RadiomicsExtractor(settings).describe(volume, small).rows)
    except DataError as error:
        found = error.reason != "roi_too_small"
    assert found != refused


def test_only_the_features_that_were_asked_for_are_columns_of_a_row():
    volume, rois = case()
    row = describe(
        volume,
        rois,
        image_types={"original": {}},
        features=["glcm_Contrast", "ngtdm_*"],
        feature_classes=["glcm", "ngtdm"],
    ).rows[0]
    wanted = {name for name in RADIOMICS_FEATURES if name.startswith("ngtdm_")}
    assert set(row.values) == {"glcm_Contrast", *wanted}


# what fuzzing found


def test_a_grid_that_ends_on_the_image_edge_is_upstreams_in_any_orientation():
    """There rounding decides whether the last sample is inside; only ITK rounds as ITK does."""
    rng = np.random.default_rng(0)
    voxels, mask = rng.normal(500, 20, (9, 40, 40)), np.zeros((9, 40, 40), dtype=bool)
    mask[4:, 10:30, 10:30] = True
    for turn in range(6):
        direction = Rotation.random(random_state=turn).as_matrix()
        geometry = make_geometry(
            mask.shape, spacing=(1, 1, 4.5), origin=(5, -80, 31), direction=direction
        )
        inputs = Volume(voxels, geometry), {"tumour": Roi("tumour", mask, "made")}
        settings = {
            "image_types": {"original": {}},
            "pyradiomics": {"resampledPixelSpacing": [1, 1, 3]},
            "feature_classes": ["firstorder", "shape", "glcm"],
        }
        assert_same(
            describe(*inputs, **settings), describe(*inputs, backend="pyradiomics", **settings)
        )


@pytest.mark.parametrize(
    ("level", "spread", "settings"),
    [
        (1e20, 0.0, {}),
        (1e37, 1e37, {}),
        (1e15, 1e9, {}),
        (100.0, 10.0, {"bin_width": 1e-9}),
        (100.0, 10.0, {"bin_origin": -1e18}),
        (100.0, 10.0, {"bin_count": 10**9}),
    ],
)
def test_no_bin_is_made_that_no_table_could_hold(level, spread, settings):
    rng = np.random.default_rng(0)
    voxels = level + spread * rng.normal(size=SHAPE)
    volume, rois = case()
    settings = {"image_types": {"original": {}}, **settings}
    row = describe(Volume(voxels, volume.geometry), rois, **settings).rows[0]
    assert row.reason == "too_many_levels"
    told = {name.partition("_")[0] for name, value in row.values.items() if value is not None}
    assert told == {"shape"}  # which needs no levels


def test_bins_of_a_range_of_two_neighbouring_numbers_are_bins():
    volume, rois = case()
    voxels = np.full(SHAPE, 5.0)
    voxels[6, 20, 18] = np.nextafter(5, 6)
    row = describe(
        Volume(voxels, volume.geometry), rois, bin_count=32, image_types={"original": {}}
    ).rows[0]
    assert row.reason == ""
    assert row.values["firstorder_Range"] > 0


def test_of_bins_as_wide_as_the_steps_of_an_image_each_begins_with_a_step():
    """Seven tenths are less in single precision than in double: edges have the image's."""
    steps = (np.arange(11) / 10).astype(np.float32)
    edges = fixed_count_edges(0.0, 1.0, count=10, dtype=np.float32)
    assert to_levels(steps.astype(np.float64), edges).levels.tolist() == [*range(1, 11), 10]


@pytest.mark.parametrize("limits", [[0.7], [0.1, 0.7], [0.3, 1.1]])
def test_a_limit_is_as_precise_as_the_image_so_that_voxels_on_it_are_kept(limits):
    """Seven tenths in single precision are less than the 0.7 of a parameter file."""
    volume, rois = case()
    tenths = (np.random.default_rng(0).integers(0, 15, SHAPE) / 10).astype(np.float32)
    inputs = Volume(tenths, volume.geometry), rois
    settings = {
        "bin_width": 0.25,
        "image_types": {"original": {}},
        "feature_classes": ["firstorder"],
        "pixel_type": "float32",
        "pyradiomics": {"resegmentRange": limits},
    }
    found = describe(*inputs, **settings)
    assert found.rows[0].values["firstorder_Minimum"] == np.float32(limits[0])
    assert_same(found, describe(*inputs, backend="pyradiomics", **settings))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_filtered_images_are_as_precise_as_upstreams(kind):
    volume, rois = case(kind)
    mask = rois["tumour"].mask
    settings = RadiomicsExtractor.Settings.parse(PLAIN | {"image_types": IMAGES})
    target = images.Target("tumour", mask, bounding_box(mask))
    scene = images.Scene(volume.voxels, volume.geometry.spacing_zyx, (target,))
    ours = images.filtered_images(scene, settings.image_types, settings.common())
    image = to_itk(volume.voxels, volume.geometry)
    label = to_itk(mask.astype(np.uint8), volume.geometry)
    theirs = {
        name: SimpleITK.GetArrayViewFromImage(found).dtype
        for upstream, custom in zip(UPSTREAM, IMAGES.values(), strict=True)
        for found, name, _ in getattr(imageoperations, f"get{upstream}Image")(
            image, label, **custom
        )
    }
    assert {one.name: one.dtype for one in ours} == theirs


def test_integers_beyond_single_precision_keep_their_last_digit():
    volume, rois = case()
    voxels = (volume.voxels.round() + 2**24 + 1).astype(np.int32)
    settings = {"image_types": {"original": {}}, "pixel_type": "int32"}
    values = describe(Volume(voxels, volume.geometry), rois, **settings).rows[0].values
    assert values["firstorder_Mean"] == pytest.approx(voxels[rois["tumour"].mask].mean(), rel=1e-12)
    with pytest.raises(DataError, match="beyond the integers of 32 bits"):
        describe(Volume(voxels * 1e3, volume.geometry), rois, **settings)


def test_independent_neighbours_tell_nothing_of_each_other():
    shares = np.outer([4, 12], [4, 12]) / 16**2
    values = np.empty((1, len(pair_kernels.FEATURES)))
    pair_kernels.pair_features(shares[None], np.array([1, 2]), 2, values)
    told = dict(zip(pair_kernels.FEATURES, values[0], strict=True))
    assert told["Imc2"] == pytest.approx(0, abs=1e-7)
    assert told["Correlation"] == pytest.approx(0, abs=1e-12)


def test_a_change_that_another_roi_does_not_survive_spares_the_tumour_and_its_ring():
    volume, rois = case()
    rim = Roi("edema", odd((slice(3, 6), slice(0, 4), slice(0, 4))), "made")
    empty = Roi("edema", np.zeros(SHAPE, dtype=bool), "made")
    settings = {
        "image_types": {"original": {}},
        "feature_classes": ["firstorder"],
        "rings": [[0, 4]],
        "perturbations": {"shift_voxels": [-2.0]},
    }
    alone = describe(volume, {"tumour": rois["tumour"]}, **settings).rows[-2:]
    assert [row.roi for row in alone] == ["tumour", "ring_0_4"]
    for other in (rim, empty):
        found = describe(volume, {"tumour": rois["tumour"], "edema": other}, **settings)
        changed = {row.roi: row for row in found.rows if row.perturbation}
        assert [changed["tumour"], changed["ring_0_4"]] == list(alone)
        assert changed["edema"].reason == "perturbation_undefined"


def test_a_ring_never_holds_what_it_leaves_out_though_a_change_lost_that():
    """An edema that leaves the image is no part of the copy, and the ring would run through it."""
    volume, rois = case()
    border = odd((slice(4, 9), slice(0, 24), slice(28, 36))) & ~rois["tumour"].mask
    other = odd((slice(3, 6), slice(36, 40), slice(0, 4)))
    settings = {
        "image_types": {"original": {}},
        "feature_classes": ["firstorder"],
        "rings": [[0, 8]],
        "ring_excludes": ["edema"],
        "rois": ["tumour", "node"],
        "perturbations": {"shift_voxels": [-1.0]},
    }
    drawn = {"tumour": rois["tumour"], "edema": Roi("edema", border, "made")}
    reasons = {row.roi: row.reason for row in describe(volume, drawn, **settings).rows[-2:]}
    assert reasons == {"tumour": "", "ring_0_8": "perturbation_undefined"}
    drawn = {"tumour": rois["tumour"], "edema": rois["edema"], "node": Roi("node", other, "made")}
    found = describe(volume, drawn, **settings).rows[-3:]
    reasons = {row.roi: row.reason for row in found}
    assert reasons == {"tumour": "", "node": "perturbation_undefined", "ring_0_8": ""}
    alone = describe(volume, {name: drawn[name] for name in ("tumour", "edema")}, **settings)
    assert found[-1] == alone.rows[-1]


def test_whose_neighbours_were_compared_follows_from_the_settings_not_from_the_roi():
    volume, _ = case()
    slab = {"tumour": Roi("tumour", ODD["one slice"], "made")}
    images = {"image_types": {"original": {}}}
    assert describe(volume, slab, **images).rows[0].aggregation == "3d_average"
    _, rois = case()
    flat = describe(volume, rois, pyradiomics={"force2D": True, "force2Ddimension": 1}, **images)
    assert flat.rows[0].aggregation == "2.5d_average"


@pytest.mark.parametrize(
    "settings",
    [
        {"image_types": {"original": {"binWidth": 0}}},
        {"image_types": {"original": {"binCount": 0}}},
        {"image_types": {"wavelet": {"wavelet": "foo"}}},
        {"image_types": {"wavelet": {"level": 0}}},
        {"image_types": {"log": {"sigma": 2}}},
        {"image_types": {"log": {"sigma": "12"}}},
        {"image_types": {"log": {"sigma": [2, float("nan")]}}},
        {"image_types": {"log": {"sigma": [1, 1.0]}}},
        {"image_types": {"lbp3d": {"lbp3DLevels": "2"}}},
        {"image_types": {"original": {"binWidth": 50}}, "bin_count": 32},
        {"pyradiomics": {"resampledPixelSpacing": ["1", "1", "1"]}},
        {"pyradiomics": {"resampledPixelSpacing": [1, 1]}},
        {"pyradiomics": {"resegmentRange": [0, 100, 200]}},
        {"pyradiomics": {"resegmentRange": [0, float("inf")]}},
        {"pyradiomics": {"resegmentMode": "Sigma"}},
        {"pyradiomics": {"resegmentMode": ["sigma"]}},
        {"pyradiomics": {"interpolator": "BSpline"}},
        {"pyradiomics": {"interpolator": 99}},
        {"pyradiomics": {"gldm_a": 1.5}},
        {"pyradiomics": {"padDistance": -2}},
        {"pyradiomics": {"force2D": "false"}},
        {"pyradiomics": {"force2Ddimension": 3}},
        {"pyradiomics": {"removeOutliers": -1}},
        {"pyradiomics": {"weightingNorm": "foo"}},
        {"pyradiomics": {"distances": []}},
        {"bin_width": float("inf")},
        {"scale": float("nan")},
        {"perturbations": {}},
    ],
    ids=str,
)
def test_a_setting_that_could_not_be_obeyed_is_refused_before_any_image_is_read(settings):
    with pytest.raises(ConfigError):
        RadiomicsExtractor.Settings.parse(PLAIN | settings)


def test_a_setting_of_null_is_upstreams_default():
    volume, rois = case()
    null = {"padDistance": None, "resegmentRange": None, "force2Ddimension": None}
    settings = {"image_types": {"original": {}, "wavelet": {"wavelet": None}}}
    assert describe(volume, rois, pyradiomics=null, **settings) == describe(
        volume, rois, **settings
    )
