"""What must hold for every filter of IBSI 2, whatever its numbers."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radlas.errors import ConfigError, DataError
from radlas.features.filters.ibsi import IBSI_FILTERS, response_map, support

MM = (2.0, 2.0, 2.0)
NOISE = np.random.default_rng(3).normal(20, 100, size=(17, 22, 26))
CUBE = np.random.default_rng(4).normal(20, 100, size=(19, 19, 19))

GABOR = {"sigma": 3, "wavelength": 4, "gamma": 1.5}
LINEAR = [
    ("mean", {"size": 5}),
    ("mean", {"size": 3, "planar": True}),
    ("log", {"sigma": 2.5, "cutoff": 3}),
    ("log", {"sigma": 2.5, "planar": True}),
    (
        "laws",
        {"kernels": ("E5", "L3", "S5"), "rotation_invariance": False, "energy_distance": None},
    ),
    ("wavelet", {"wavelet": "db2", "bands": "LHL", "rotation_invariance": False}),
    ("wavelet", {"wavelet": "coif1", "bands": "LLH", "level": 2}),
    ("wavelet", {"wavelet": "haar", "bands": "HL"}),
]
ROTATING = [
    ("mean", {"size": 5}),
    ("log", {"sigma": 2.5}),
    ("laws", {"kernels": ("E5", "L5", "S3"), "energy_distance": None}),
    ("laws", {"kernels": ("E5", "W5", "L3"), "energy_distance": 2}),
    ("laws", {"kernels": ("L5", "S5", "S5"), "energy_distance": None, "pooling": "mean"}),
    ("gabor", {**GABOR, "theta_step": 45, "orthogonal_planes": True}),
    ("gabor", {**GABOR, "theta_step": 22.5, "orthogonal_planes": True, "pooling": "max"}),
    ("wavelet", {"wavelet": "db3", "bands": "LLH"}),
    ("wavelet", {"wavelet": "db2", "bands": "HLH", "level": 2, "pooling": "max"}),
]
OTHERS = [
    ("laws", {"kernels": ("E5", "S5"), "energy_distance": 3}),
    ("gabor", {**GABOR, "theta": 30}),
    ("wavelet", {"wavelet": "db2", "bands": "HH", "level": 2, "rotation_invariance": False}),
]
EVERY = LINEAR + ROTATING + OTHERS
BOUNDARIES = ("zero", "nearest", "mirror", "periodic")


def respond(kind, asked, voxels, spacing=MM):
    return response_map(kind, IBSI_FILTERS[kind].settings(**asked), voxels, spacing_zyx=spacing)


def reach(kind, asked, spacing=MM):
    return support(kind, IBSI_FILTERS[kind].settings(**asked), spacing_zyx=spacing)


def same(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("kind", "asked"), LINEAR)
def test_linear_filters_are_linear(kind, asked, boundary):
    asked = {**asked, "boundary": boundary}
    other = NOISE[::-1, :, ::-1]
    together = respond(kind, asked, 2 * NOISE - 3 * other)
    same(together, 2 * respond(kind, asked, NOISE) - 3 * respond(kind, asked, other))


@pytest.mark.parametrize(("kind", "asked"), EVERY)
def test_a_response_doubles_with_the_image(kind, asked):
    same(respond(kind, asked, 2 * NOISE), 2 * respond(kind, asked, NOISE))


@settings(max_examples=5)
@given(shift=st.tuples(*[st.integers(-20, 20)] * 3))
@pytest.mark.parametrize(("kind", "asked"), EVERY)
def test_a_shifted_image_has_a_shifted_response(kind, asked, shift):
    """With the periodic boundary this holds everywhere, else away from the borders."""
    asked = {**asked, "boundary": "periodic"}
    moved = respond(kind, asked, np.roll(NOISE, shift, axis=(0, 1, 2)))
    same(moved, np.roll(respond(kind, asked, NOISE), shift, axis=(0, 1, 2)))


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("plane", [(0, 1), (0, 2), (1, 2)])
@pytest.mark.parametrize(("kind", "asked"), ROTATING)
def test_pooled_maps_turn_with_the_image(kind, asked, plane, boundary):
    asked = {**asked, "boundary": boundary}
    turned = respond(kind, asked, np.rot90(CUBE, axes=plane))
    same(turned, np.rot90(respond(kind, asked, CUBE), axes=plane))


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("laws", {"kernels": ("E5", "L5", "S3"), "rotation_invariance": False}),
        ("gabor", {**GABOR, "theta_step": 45}),
        ("gabor", {**GABOR, "orthogonal_planes": True}),
        ("wavelet", {"wavelet": "db3", "bands": "LLH", "rotation_invariance": False}),
    ],
)
def test_maps_that_are_not_pooled_do_not_turn_with_the_image(kind, asked):
    turned = respond(kind, asked, np.rot90(CUBE, axes=(0, 2)))
    assert not np.allclose(turned, np.rot90(respond(kind, asked, CUBE), axes=(0, 2)), rtol=0.01)


@pytest.mark.parametrize(
    ("kind", "asked"), [case for case in ROTATING if case[0] in ("laws", "gabor", "wavelet")]
)
def test_the_largest_orientation_is_not_below_the_mean_one(kind, asked):
    asked = {**asked, "energy_distance": None} if kind == "laws" else asked
    largest, mean = (respond(kind, {**asked, "pooling": how}, NOISE) for how in ("max", "mean"))
    assert (largest >= mean - 1e-9).all()
    assert (largest > mean + 1).any()


@settings(max_examples=5)
@given(data=st.data())
@pytest.mark.parametrize("boundary", ["zero", "nearest", "mirror"])
@pytest.mark.parametrize(("kind", "asked"), EVERY)
def test_a_crop_with_its_support_gives_what_the_whole_image_gives(kind, asked, boundary, data):
    asked = {**asked, "boundary": boundary}
    whole = respond(kind, asked, NOISE)
    box, crop, inner = [], [], []
    for size, margin in zip(NOISE.shape, reach(kind, asked), strict=True):
        low = data.draw(st.integers(0, size - 1))
        high = data.draw(st.integers(low + 1, size))
        start, stop = max(0, low - margin), min(size, high + margin)
        box.append(slice(low, high))
        crop.append(slice(start, stop))
        inner.append(slice(low - start, high - start))
    part = respond(kind, asked, NOISE[tuple(crop)])[tuple(inner)]
    np.testing.assert_allclose(part, whole[tuple(box)], rtol=0, atol=1e-10 * np.abs(whole).max())


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("mean", {"size": 5}),
        ("log", {"sigma": 2.5, "cutoff": 2}),
        ("laws", {"kernels": ("E5", "L3", "S3"), "energy_distance": 2}),
        ("gabor", {**GABOR, "theta_step": 45, "orthogonal_planes": True, "cutoff": 2}),
        ("wavelet", {"wavelet": "db2", "bands": "LLH", "level": 2}),
    ],
)
def test_the_support_is_no_larger_than_needed(kind, asked, axis):
    """The outermost voxel of the margin still moves the value in the middle."""
    margins = reach(kind, asked)
    voxels, noise = np.random.default_rng(8).normal(size=(2, *(2 * each + 1 for each in margins)))
    other = voxels.copy()
    outermost = (slice(None),) * axis + ([0, -1],)
    other[outermost] = 100 * noise[outermost]
    there, here = (respond(kind, asked, image)[margins] for image in (other, voxels))
    assert abs(there - here) > 1e-6


@given(factor=st.floats(0.1, 10))
@settings(max_examples=10)
@pytest.mark.parametrize(
    ("kind", "asked", "lengths"),
    [("log", {"sigma": 2.5}, ["sigma"]), ("gabor", GABOR, ["sigma", "wavelength"])],
)
def test_lengths_and_spacing_scaled_together_change_nothing(kind, asked, lengths, factor):
    scaled = {**asked, **{key: asked[key] * factor for key in lengths}}
    spacing = tuple(factor * step for step in MM)
    if reach(kind, scaled, spacing) != reach(kind, asked):
        return  # rounding put the cut-off one voxel further
    same(respond(kind, scaled, NOISE, spacing), respond(kind, asked, NOISE))


@pytest.mark.parametrize(("kind", "asked"), EVERY)
def test_the_pixel_type_leaves_no_trace_and_the_image_stays_as_it_was(kind, asked):
    whole_numbers = np.rint(NOISE)
    expected = respond(kind, asked, whole_numbers)
    for dtype in ("int16", "float32"):
        image = whole_numbers.astype(dtype)
        actual = respond(kind, asked, image)
        assert actual.dtype == np.float64
        assert actual.shape == image.shape
        np.testing.assert_array_equal(actual, expected)
        np.testing.assert_array_equal(image, whole_numbers)


@pytest.mark.parametrize(("kind", "asked"), EVERY)
def test_a_voxel_that_is_not_finite_is_refused(kind, asked):
    image = NOISE.copy()
    image[3, 4, 5] = np.nan
    with pytest.raises(DataError, match="1 of 9724 voxels are NaN or infinite") as caught:
        respond(kind, asked, image)
    assert caught.value.reason == "not_finite"


@pytest.mark.parametrize(("kind", "asked"), EVERY)
def test_voxels_that_are_not_isotropic_are_refused_with_their_spacing(kind, asked):
    with pytest.raises(ConfigError, match="is 2 x 1 x 2 mm") as caught:
        respond(kind, asked, NOISE, (2.0, 1.0, 2.0))
    assert "resample to isotropic voxels first" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("mean", {"size": 3, "planar": True}),
        ("log", {"sigma": 2.5, "planar": True}),
        ("laws", {"kernels": ("E5", "S5")}),
        ("gabor", GABOR),
        ("wavelet", {"wavelet": "haar", "bands": "HL"}),
    ],
)
def test_filters_of_slices_see_no_other_slice_and_take_any_slice_distance(kind, asked):
    spacing = (6.5, 2.0, 2.0)
    alone = respond(kind, asked, NOISE[5:6], spacing)
    same(respond(kind, asked, NOISE, spacing)[5:6], alone)
    assert reach(kind, asked, spacing)[0] == 0


@pytest.mark.parametrize("kind", IBSI_FILTERS)
def test_each_setting_is_a_keyword_of_its_filter(kind):
    entry = IBSI_FILTERS[kind]
    keywords = set(inspect.signature(entry.respond).parameters) - {"voxels", "spacing_zyx"}
    assert keywords == set(entry.settings.model_fields)
    assert all(field.description for field in entry.settings.model_fields.values())


def test_other_settings_have_other_names():
    variants = [
        (kind, {**asked, "boundary": boundary}) for kind, asked in EVERY for boundary in BOUNDARIES
    ]
    variants += [("log", {"sigma": 2.5, "cutoff": 5}), ("gabor", {**GABOR, "cutoff": 5})]
    variants += [("gabor", {**GABOR, "orthogonal_planes": True})]
    made = {IBSI_FILTERS[kind].settings(**asked) for kind, asked in variants}
    names = {each.name for each in made}
    assert len(names) == len(made)
    assert all(name == name.lower() and " " not in name and "." not in name for name in names)
