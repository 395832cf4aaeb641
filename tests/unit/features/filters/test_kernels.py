"""The kernels themselves: an impulse shows them, and what defines them holds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from radlas.errors import ConfigError
from radlas.features.filters.gabor import GaborSettings, gabor
from radlas.features.filters.laplacian import laplacian_of_gaussian
from radlas.features.filters.laws import LawsSettings, laws
from radlas.features.filters.mean import MeanSettings, mean
from radlas.features.filters.rotation import pool, turns
from radlas.features.filters.separable import SeparableWaveletSettings, separable_wavelet

MM = (2.0, 2.0, 2.0)
WAVELETS = ("haar", "db2", "db3", "db4", "sym4", "coif1", "coif2", "coif3")
MOMENTS = dict(zip(WAVELETS, (1, 2, 3, 4, 4, 2, 4, 6), strict=True))


def impulse(edge=41):
    image = np.zeros((edge, edge, edge))
    image[(edge // 2,) * 3] = 1.0
    return image


def offsets(edge=41):
    return np.ogrid[tuple(slice(-(edge // 2), edge // 2 + 1) for _ in range(3))]


def laws_response(image, *kernels, boundary="zero"):
    return laws(
        image,
        spacing_zyx=MM,
        kernels=kernels,
        rotation_invariance=False,
        pooling="max",
        energy_distance=None,
        boundary=boundary,
    )


def gabor_response(image, *, theta, gamma=2.0, theta_step=None):
    return gabor(
        image,
        spacing_zyx=MM,
        sigma=6.0,
        wavelength=5.0,
        gamma=gamma,
        theta=theta,
        theta_step=theta_step,
        orthogonal_planes=False,
        pooling="mean",
        cutoff=6.0,
        boundary="mirror",
    )


def wavelet_response(image, wavelet, bands, level=1, boundary="periodic"):
    return separable_wavelet(
        image,
        spacing_zyx=MM,
        wavelet=wavelet,
        bands=bands,
        level=level,
        rotation_invariance=False,
        pooling="mean",
        boundary=boundary,
    )


def filters_of(wavelet, level=1, edge=81):
    """Low and high pass along x, as an impulse shows them."""
    line = np.zeros((1, 1, edge))
    line[0, 0, edge // 2] = 1.0
    low_y = wavelet_response(np.ones((1, 3, 3)), wavelet, "LL", level)[0, 0, 0]
    gain = low_y / np.sqrt(2) ** level  # y alone: periodic, so a constant row is only scaled
    return [wavelet_response(line, wavelet, band + "L", level)[0, 0] / gain for band in "LH"]


def test_the_mean_of_an_impulse_is_a_box():
    response = mean(impulse(), spacing_zyx=MM, size=5, planar=False, boundary="zero")
    z, y, x = offsets()
    inside = (abs(z) <= 2) & (abs(y) <= 2) & (abs(x) <= 2)
    np.testing.assert_allclose(response, inside / 125, atol=1e-15)


@pytest.mark.parametrize("planar", [True, False])
@pytest.mark.parametrize("boundary", ["nearest", "mirror", "periodic"])
def test_the_mean_of_a_constant_is_the_constant(boundary, planar):
    response = mean(
        np.full((4, 9, 30), 7.5), spacing_zyx=MM, size=15, planar=planar, boundary=boundary
    )
    np.testing.assert_allclose(response, 7.5, rtol=1e-13)


@pytest.mark.parametrize("planar", [True, False])
def test_the_laplacian_of_an_impulse_is_the_kernel_of_the_manual(planar):
    response = laplacian_of_gaussian(
        impulse(), spacing_zyx=MM, sigma=5.0, cutoff=4.0, planar=planar, boundary="zero"
    )
    z, y, x = offsets()
    width, dimensions = 2.5, 2 if planar else 3
    squared = y**2 + x**2 + (0 if planar else 1) * z**2
    gauss = np.exp(-squared / (2 * width**2)) / (2 * np.pi * width**2) ** (dimensions / 2)
    kernel = -(dimensions - squared / width**2) / width**2 * gauss
    reach = 10  # floor(4 * 2.5 + 0.5)
    inside = (abs(y) <= reach) & (abs(x) <= reach) & (abs(z) <= (0 if planar else reach))
    np.testing.assert_allclose(response, kernel * inside, atol=1e-16)


def test_laws_kernels_lie_along_x_y_and_z_in_this_order():
    response = laws_response(impulse(), "E5", "L5", "S3")
    edge = np.array([-1, -2, 0, 2, 1]) / np.sqrt(10)
    level = np.array([1, 4, 6, 4, 1]) / np.sqrt(70)
    spot = np.array([-1, 2, -1]) / np.sqrt(6)
    kernel = spot[:, None, None] * level[:, None] * edge
    np.testing.assert_allclose(response[19:22, 18:23, 18:23], kernel, atol=1e-15)
    assert np.count_nonzero(response) == np.count_nonzero(kernel)


@pytest.mark.parametrize("kernel", ["E3", "S3", "E5", "S5", "W5", "R5"])
def test_laws_kernels_other_than_levels_answer_nothing_to_a_constant(kernel):
    constant = np.full((6, 7, 8), 100.0)
    for names in itertools.permutations((kernel, "L3", "L5")):
        response = laws_response(constant, *names, boundary="mirror")
        np.testing.assert_allclose(response, 0, atol=1e-11)


def test_laws_energy_is_the_mean_absolute_response_in_a_box():
    image = np.random.default_rng(6).normal(size=(9, 9, 9))
    settings = {"rotation_invariance": True, "pooling": "max", "boundary": "zero"}
    plain, energy = (
        laws(image, spacing_zyx=MM, kernels=("E3", "S3", "L3"), energy_distance=far, **settings)
        for far in (None, 2)
    )
    assert energy[4, 4, 4] == pytest.approx(np.abs(plain[2:7, 2:7, 2:7]).mean(), rel=1e-13)
    assert energy[0, 0, 0] == pytest.approx(np.abs(plain[:3, :3, :3]).sum() / 125, rel=1e-13)


@pytest.mark.parametrize("theta", [0.0, 30.0, 90.0, 135.0, 210.0])
def test_the_modulus_of_a_gabor_impulse_is_its_envelope(theta):
    _, y, x = offsets()
    angle, width = np.deg2rad(theta), 3.0
    across, along = x * np.cos(angle) + y * np.sin(angle), x * np.sin(angle) - y * np.cos(angle)
    inside = (abs(x) <= 18) & (abs(y) <= 18)  # 6 standard deviations
    envelope = inside * np.exp(-(across**2 + 4 * along**2) / (2 * width**2))
    response = gabor_response(impulse(), theta=theta)
    np.testing.assert_allclose(response[20], envelope[0], atol=1e-12)
    np.testing.assert_allclose(response[[19, 21]], 0, atol=1e-15)


def test_a_gabor_filter_prefers_stripes_of_its_wavelength_across_its_direction():
    """Clockwise with y down: at 30 degrees, stripes follow x cos + y sin."""
    _, y, x = offsets(61)
    angle = np.deg2rad(30)
    stripes = np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) * 2 / 5)
    image = np.broadcast_to(stripes, (1, 61, 61))
    middle = {
        theta: gabor_response(image, theta=theta)[0, 30, 30] for theta in (0, 30, 60, -30, 150)
    }
    assert max(middle, key=middle.__getitem__) == 30
    assert middle[30] > 10 * middle[-30]


def test_directions_half_a_turn_apart_are_one():
    image = np.random.default_rng(2).normal(size=(2, 24, 25))
    here, there = (gabor_response(image, theta=theta) for theta in (40.0, 220.0))
    np.testing.assert_allclose(here, there, rtol=1e-11)
    step = gabor_response(image, theta=40.0, theta_step=45.0)
    around = [gabor_response(image, theta=40.0 + 45 * turn) for turn in range(8)]
    np.testing.assert_allclose(step, np.mean(around, axis=0), rtol=1e-11)


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_wavelet_filters_are_orthonormal_and_have_their_vanishing_moments(wavelet):
    low, high = filters_of(wavelet)
    assert low.sum() == pytest.approx(np.sqrt(2), rel=1e-12)
    places = np.arange(-40, 41) / 10
    for moment in range(MOMENTS[wavelet]):
        assert abs((high * places**moment).sum()) < 1e-11
    assert abs((high * places ** MOMENTS[wavelet]).sum()) > 1e-6
    for shift in range(0, 20, 2):
        expected = 1.0 if shift == 0 else 0.0
        assert (low * np.roll(low, shift)).sum() == pytest.approx(expected, abs=1e-14)
        assert (high * np.roll(high, shift)).sum() == pytest.approx(expected, abs=1e-14)
        assert (low * np.roll(high, shift)).sum() == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize("level", [1, 2])
def test_the_bands_of_a_level_hold_the_energy_of_the_image_eightfold(wavelet, level):
    """Undecimated orthonormal filters double the energy along each axis, at each level."""
    image = np.random.default_rng(1).normal(size=(12, 14, 16))
    details = ["".join(band) for band in itertools.product("LH", repeat=3)][1:]
    energy = (wavelet_response(image, wavelet, "LLL", level) ** 2).sum() / 8**level
    for each in range(1, level + 1):
        for bands in details:
            energy += (wavelet_response(image, wavelet, bands, each) ** 2).sum() / 8**each
    assert energy == pytest.approx((image**2).sum(), rel=1e-12)


def test_the_second_level_widens_its_filters_by_holes():
    low, high = filters_of("db2")
    _, second = filters_of("db2", level=2)
    widened = np.zeros(81)
    for place in range(-4, 5):
        widened[40 + 2 * place] = high[40 + place]
    np.testing.assert_allclose(second, np.convolve(low, widened)[40:121], atol=1e-15)


def test_wavelet_letters_lie_along_x_y_and_z_in_this_order():
    steps_along_x = np.broadcast_to(np.arange(16) % 2, (16, 16, 16)).astype(float)
    strong = {
        bands: np.abs(wavelet_response(steps_along_x, "haar", bands)).max()
        for bands in ("HLL", "LHL", "LLH")
    }
    assert strong["HLL"] == pytest.approx(np.sqrt(2))  # 1 / sqrt 2, doubled along y and z
    assert strong["LHL"] < 1e-12
    assert strong["LLH"] < 1e-12


def test_there_are_24_rotations_of_a_cube_and_4_of_a_slice():
    for planar, count in ((False, 24), (True, 4)):
        matrices = set()
        for turn in turns(planar=planar):
            matrix = np.zeros((3, 3))
            for axis, (source, flip) in enumerate(turn):
                matrix[axis, source] = -1 if flip else 1
            assert np.linalg.det(matrix) == pytest.approx(1)
            matrices.add(matrix.tobytes())
        assert len(matrices) == count


@pytest.mark.parametrize(("pooling", "expected"), [("max", [4.0, 5.0]), ("mean", [2.0, 1.0])])
def test_pooling_leaves_the_pooled_maps_as_they_were(pooling, expected):
    maps = [np.array([0.0, 5.0]), np.array([4.0, -3.0]), np.array([2.0, 1.0])]
    np.testing.assert_array_equal(pool(maps, pooling=pooling), expected)
    np.testing.assert_array_equal(maps[0], [0.0, 5.0])


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (MeanSettings, {"size": 4}, "an even neighbourhood has no central voxel"),
        (GaborSettings, {"sigma": 2, "wavelength": 2, "theta_step": 50}, "must divide 180"),
        (GaborSettings, {"sigma": float("inf"), "wavelength": 2}, "finite"),
        (LawsSettings, {"kernels": ("L5", "X5")}, "kernels"),
        (SeparableWaveletSettings, {"wavelet": "db2", "bands": "LHX"}, "bands"),
    ],
)
def test_settings_that_mean_nothing_are_refused(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        kind.parse(values)


def test_names_say_what_was_asked():
    assert LawsSettings(kernels=("L5", "E5", "E5")).name == "laws-l5e5e5-energy-7-max"
    assert MeanSettings(planar=True, boundary="zero").name == "mean-15-2d-zero"
    pooled = GaborSettings(sigma=5, wavelength=2, theta_step=22.5, orthogonal_planes=True)
    assert pooled.name == ("gabor-sigma-5-0-lambda-2-0-gamma-1-0-theta-0-0-step-22-5-mean-3planes")
