"""What is done to a case before any feature: bias, intensities, rings by intensity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from radlas.errors import ConfigError, DataError, WorkerError
from radlas.features.n4 import bias_field
from radlas.features.preprocess import body_range
from radlas.features.radiomics import RadiomicsExtractor
from radlas.features.resnet.extractor import DeepExtractor
from radlas.geometry import make_geometry
from radlas.model import Roi, Volume

SHAPE = (10, 64, 60)


def limb(seed=0, bias=0.0):
    """A round limb in air with a tumour; a coil at one side brightens it by ``bias``."""
    rng = np.random.default_rng(seed)
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    body = (y - 32) ** 2 + (x - 30) ** 2 < 24**2
    tumour = ((z - 5) * 3) ** 2 + (y - 28) ** 2 + (x - 34) ** 2 < 9**2
    signal = np.where(body, 100.0, 0.0) + np.where(tumour, 60.0, 0.0)
    signal = signal * np.exp(bias * (x - 30) / 30)
    voxels = np.abs(signal + rng.normal(0, 3, size=SHAPE))
    geometry = make_geometry(SHAPE, spacing=(1, 1, 3), origin=(0, 0, 0), direction=np.eye(3))
    return Volume(voxels.astype(np.float32), geometry), tumour, np.broadcast_to(body, SHAPE)


def describe(volume, tumour, **settings):
    plain = {"feature_classes": ["firstorder"], "rings": []}
    extractor = RadiomicsExtractor(RadiomicsExtractor.Settings.parse(plain | settings))
    return extractor.describe(volume, {"tumour": Roi("tumour", tumour, "made")})


def test_the_bias_field_found_is_the_one_put_in():
    volume, _, body = limb(bias=0.5)
    field = bias_field(volume.voxels, body, spacing=(1, 1, 3))
    x = np.broadcast_to(np.arange(SHAPE[2]), SHAPE)[body]
    slope = np.polyfit((x - 30) / 30, np.log(field[body]), 1)[0]
    assert slope == pytest.approx(0.5, abs=0.15)
    assert np.log(field[body]).mean() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("gain", [1e-5, 0.01, 100.0])
def test_the_bias_field_does_not_depend_on_the_scanners_gain(gain):
    """Beside 1, which was added for the logarithm, a NIfTI file from 0 to 1 had next to none."""
    volume, _, body = limb(bias=0.5)
    fields = [
        bias_field(volume.voxels * np.float32(factor), body, spacing=(1, 1, 3))
        for factor in (1, gain)
    ]
    np.testing.assert_allclose(*fields, rtol=1e-3)


def test_a_body_as_dark_as_it_gets_has_no_bias_field():
    body = np.zeros((4, 32, 32), dtype=bool)
    body[1:3, 8:24, 8:24] = True
    with pytest.raises(DataError, match="brighter than the darkest") as caught:
        bias_field(np.where(body, -5.0, 3.0), body, spacing=(1, 1, 3))
    assert caught.value.reason == "flat_image"


def test_correcting_the_bias_evens_out_the_tissue():
    volume, tumour, _ = limb(bias=0.5)
    names = "firstorder_10Percentile", "firstorder_90Percentile"
    ranges = []
    for n4 in (False, True):
        values = describe(volume, tumour, normalise="none", n4=n4).rows[0].values
        low, high = (values[name] for name in names)
        ranges.append((high - low) / low)
    assert ranges[1] < 0.7 * ranges[0]


def test_a_kept_bias_field_is_used_again_and_changes_nothing(tmp_path):
    volume, tumour, _ = limb(bias=0.3)
    settings = {"n4": True, "n4_cache": str(tmp_path / "fields")}
    first = describe(volume, tumour, **settings)
    (kept,) = (tmp_path / "fields").iterdir()
    stamp = kept.stat().st_mtime_ns
    assert describe(volume, tumour, **settings) == first == describe(volume, tumour, n4=True)
    assert kept.stat().st_mtime_ns == stamp
    describe(limb(seed=1)[0], tumour, **settings)
    assert len(list((tmp_path / "fields").iterdir())) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
        lambda content: b"no archive at all",
    ],
)
def test_a_kept_bias_field_that_was_damaged_is_told_and_never_used(tmp_path, spoil):
    """It divides every voxel: of a flipped bit nothing else would tell."""
    volume, tumour, _ = limb(bias=0.3)
    settings = {"n4": True, "n4_cache": str(tmp_path)}
    describe(volume, tumour, **settings)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(spoil(kept.read_bytes()))
    with pytest.raises(WorkerError, match="a kept bias field is damaged") as told:
        describe(volume, tumour, **settings)
    assert told.value.where == f"`n4_cache`, {kept.name}"
    assert "remove that file" in told.value.hint


def test_a_folder_that_cannot_keep_bias_fields_is_told_before_any_is_computed(
    tmp_path, monkeypatch
):
    """A fit takes up to minutes, and each case would spend them for nothing."""
    monkeypatch.setattr("radlas.features.n4._fit", lambda *args: pytest.fail("it was computed"))
    (tmp_path / "file").touch()
    volume, tumour, _ = limb()
    for place in (tmp_path / "file", tmp_path / "file" / "fields", Path("/proc/fields")):
        with pytest.raises(WorkerError, match="folder of bias fields cannot be used: ") as told:
            describe(volume, tumour, n4=True, n4_cache=str(place))
        assert told.value.where == "`n4_cache`"
        assert told.value.reason == "os_error"
        assert str(place) not in str(told.value), "the ledger travels"


def test_where_bias_fields_are_kept_does_not_name_the_feature_set(tmp_path):
    from radlas.features.base import feature_set_name  # noqa: PLC0415

    names = {
        feature_set_name(
            "radiomics",
            RadiomicsExtractor(RadiomicsExtractor.Settings.parse({"n4": True, "n4_cache": place})),
        )
        for place in (None, str(tmp_path))
    }
    assert len(names) == 1


def test_two_percentiles_of_the_body_become_0_and_the_scale():
    volume, tumour, body = limb()
    scaled = body_range(volume.voxels, body, scale=100.0, percentiles=(1, 99))
    assert np.percentile(scaled[body], [1, 99]) == pytest.approx([0, 100], abs=0.01)
    rows = describe(volume, tumour, normalise="percentile").rows
    brighter = Volume(volume.voxels * 7 + 30, volume.geometry)
    for name, value in describe(brighter, tumour, normalise="percentile").rows[0].values.items():
        if name in {"firstorder_Mean", "firstorder_Variance", "firstorder_Minimum"}:
            assert value == pytest.approx(rows[0].values[name], rel=1e-3)


def test_a_body_of_one_intensity_has_no_range():
    with pytest.raises(DataError, match="both are 5"):
        body_range(np.full((2, 3, 3), 5.0), np.ones((2, 3, 3), bool), scale=1, percentiles=(1, 99))


def test_dark_voxels_are_left_out_of_a_ring_and_counted():
    volume, tumour, _ = limb()
    voxels = volume.voxels.copy()
    voxels[:, 40:44, 30:38] = 1.0  # cortical bone
    settings = {"rings": [[0, 10]], "normalise": "none"}
    whole, kept = (
        describe(Volume(voxels, volume.geometry), tumour, **settings, **more)
        for more in ({}, {"ring_keeps": [30, 1e9]})
    )
    ring = kept.rois[-1]
    assert ring["dropped_voxels"] > 50
    assert ring["voxels"] == whole.rois[-1]["voxels"] - ring["dropped_voxels"]
    assert ring["kept_fraction"] < whole.rois[-1]["kept_fraction"]
    assert (
        kept.rows[-1].values["firstorder_Minimum"]
        >= 30
        > whole.rows[-1].values["firstorder_Minimum"]
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"percentiles": [99, 1]}, "do not ascend"),
        ({"rois": [], "rings": []}, "neither `rois` nor `rings` names what is to be described"),
        ({"ring_keeps": [5, 1]}, "the lowest intensity before the highest"),
        ({"bin_origin": 0, "bin_count": 8}, "leave `bin_origin` out"),
        ({"backend": "pyradiomics", "texture": "2d"}, "has no bin_origin and no texture"),
        ({"backend": "pyradiomics", "image_types": {"lbp3d": {}}}, "no lbp3d"),
        ({"features": ["glcm_Nonsense"]}, "no feature is called `glcm_Nonsense`"),
        ({"profile": "ibsi"}, "pyradiomics"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        RadiomicsExtractor.Settings.parse(settings)


@pytest.mark.parametrize("shape", [(1, 30, 30), (8, 6, 6)])
def test_an_image_too_small_for_a_bias_field_is_refused(shape):
    voxels = np.random.default_rng(0).normal(100, 10, shape)
    with pytest.raises(DataError, match="too few for N4") as caught:
        bias_field(voxels, np.ones(shape, dtype=bool), spacing=(1, 1, 3))
    assert caught.value.reason == "image_too_small"


@pytest.mark.parametrize(
    "spacing", [(1, 1, 3), (0.9, 0.9, 2.7), (1, 1, 1), (2, 2, 5), (0.8, 0.8, 1.6), (0.4, 0.4, 1)]
)
def test_an_exam_is_described_alike_however_the_patient_lay_and_the_file_rounds(spacing):
    """Last digits of a spacing must not choose between slices and space, or 10 and 11 voxels."""
    volume, tumour, _ = limb()
    settings = {"feature_classes": ["shape", "firstorder", "glcm"], "texture": "auto"}
    settings |= {"rings": [[0, 5]], "in_plane_spacing": 2.0}
    single = tuple(float(np.float32(edge)) for edge in spacing)
    boxes = DeepExtractor(DeepExtractor.Settings.parse({"regions": ["ring_box"], "ring_mm": 10}))
    rois, rng = {"tumour": Roi("tumour", tumour, "made")}, np.random.default_rng(0)
    grids = [(spacing, np.zeros(3)), (single, np.zeros(3))]
    grids += [(spacing, rng.uniform(-0.3, 0.3, 3)) for _ in range(6)]
    found = []
    for edges, turn in grids:
        direction = Rotation.from_rotvec(turn).as_matrix()
        origin = tuple(rng.uniform(-200, 200, 3))
        geometry = make_geometry(SHAPE, spacing=edges, origin=origin, direction=direction)
        there = Volume(volume.voxels, geometry)
        rows = describe(there, tumour, **settings).rows
        seen = boxes.prepare(there, rois).inputs["ring_box"].geometry.spacing
        found.append((rows, seen))
    for rows, seen in found[1:]:
        assert seen == pytest.approx(found[0][1], rel=1e-6)
        for row, first in zip(rows, found[0][0], strict=True):
            assert row.aggregation == first.aggregation
            assert row.values == pytest.approx(first.values, rel=2e-3, abs=1e-6)
