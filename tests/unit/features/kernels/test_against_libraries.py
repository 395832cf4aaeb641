"""Every kernel held to a library that does the same, voxel by voxel or value by value."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from radiomics import cShape
from scipy import ndimage
from scipy.spatial.distance import pdist

from radlas.features.discretise import Levels, fixed_width_edges, to_levels
from radlas.features.filters.log import log_image
from radlas.features.filters.wavelet import wavelet_bands
from radlas.features.kernels.levels import order_statistics
from radlas.features.kernels.transitions import second_eigenvalues
from radlas.features.lattice import DIRECTIONS, in_plane, make_lattice
from radlas.features.mesh import surface
from radlas.features.shape import diameters, principal_variances, vertices
from radlas.features.texture import count

SPACING = (3.0, 0.9, 1.1)
masks = arrays(bool, st.tuples(*(st.integers(1, 6) for _ in range(3)))).filter(np.any)


def noise(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(400, 150, size=shape).astype(dtype)


def boxes(shape):
    """The whole, one corner, and one voxel in the middle."""
    middle = tuple(slice(size // 2, size // 2 + 1) for size in shape)
    return tuple(slice(0, size) for size in shape), tuple(slice(0, 3) for _ in shape), middle


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("sigma", [0.7, 2.0, 5.0])
def test_the_laplacian_is_itks_bit_by_bit(dtype, sigma):
    voxels = noise((11, 37, 50), dtype) * (1 if dtype != np.float64 else 1.0000000123)
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing(SPACING[::-1])
    whole = SimpleITK.GetArrayFromImage(SimpleITK.LaplacianRecursiveGaussian(image, sigma, True))
    for box in boxes(voxels.shape):
        part = log_image(voxels, spacing_zyx=SPACING, sigma=sigma, box=box)
        np.testing.assert_array_equal(part, whole[box])


@pytest.mark.parametrize("kind", ["a fifth of the box", "a ball", "a slanted rod", "one voxel"])
def test_the_laplacian_is_itks_where_the_image_is_far_larger_than_the_filter(kind):
    """Here the recursion has forgotten the image's far parts, and they are not read."""
    voxels = noise((40, 160, 170), np.float32, seed=1)
    image = SimpleITK.GetImageFromArray(voxels)
    box = (slice(16, 24), slice(78, 94), slice(70, 95))
    z, y, x = np.ogrid[:8, :16, :25]
    needed = {
        "a fifth of the box": np.random.default_rng(2).random((8, 16, 25)) < 0.2,
        "a ball": (z - 3.5) ** 2 + ((y - 7.5) / 2) ** 2 + ((x - 12) / 3) ** 2 < 16,
        "a slanted rod": (abs(y - 2 * z) < 2) & (abs(x - 3 * z) < 3),
        "one voxel": (z == 7) & (y == 0) & (x == 24),
    }[kind]
    for sigma in (0.8, 1.0, 1.7):
        part = log_image(voxels, spacing_zyx=(1, 1, 1), sigma=sigma, box=box, needed=needed)
        whole = SimpleITK.GetArrayFromImage(
            SimpleITK.LaplacianRecursiveGaussian(image, sigma, True)
        )
        np.testing.assert_array_equal(part[needed], whole[box][needed])


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
@pytest.mark.parametrize("wavelet", ["coif1", "haar", "db3", "bior2.2", "coif2"])
@pytest.mark.parametrize("shape", [(12, 14, 16), (9, 20, 31)])
def test_the_wavelet_is_pywavelets_bit_by_bit(dtype, wavelet, shape):
    """Odd axes too, which upstream pads by wrapping, and the ends, where the sums turn round."""
    voxels = noise(shape, dtype)
    padded = np.pad(voxels, [(0, size % 2) for size in shape], "wrap")
    found = pywt.swtn(padded, wavelet, level=1, start_level=0, axes=(2, 1, 0))[0]
    for box in boxes(shape):
        bands = wavelet_bands(voxels, wavelet=wavelet, box=box)
        assert len(bands) == 8
        for name, band in bands.items():
            whole = found[name.replace("L", "a").replace("H", "d")]
            np.testing.assert_array_equal(band, whole[: shape[0], : shape[1], : shape[2]][box])


@given(masks)
def test_mesh_and_diameters_are_upstreams(mask):
    padded = np.pad(mask, 1)
    area, volume, widths = cShape.calculate_coefficients(padded, np.array(SPACING))
    found = surface(mask, SPACING)
    assert found.area == pytest.approx(area, rel=1e-12)
    assert found.volume == pytest.approx(volume, rel=1e-9, abs=1e-9)
    assert diameters(mask, SPACING) == pytest.approx(tuple(widths), rel=1e-12)


@given(masks)
def test_no_two_vertices_lie_farther_apart_than_the_diameter(mask):
    points = vertices(mask) * np.array(SPACING) / 2
    assert diameters(mask, SPACING).in_space == pytest.approx(pdist(points).max(), rel=1e-12)


@given(masks)
def test_principal_variances_are_those_of_the_places(mask):
    places = np.argwhere(mask) * np.array(SPACING)
    expected = np.linalg.eigvalsh(np.cov(places.T, bias=True)) if len(places) > 1 else np.zeros(3)
    np.testing.assert_allclose(principal_variances(mask, SPACING), expected, atol=1e-9)


@given(
    arrays(np.int64, st.tuples(*(st.integers(1, 6) for _ in range(3))), elements=st.integers(0, 3)),
    st.booleans(),
)
def test_zones_are_the_pieces_that_scipy_finds(levels, planar):
    inside = levels > 0
    if not inside.any():
        return
    lattice = make_lattice(inside, in_plane() if planar else DIRECTIONS)
    flat = levels[inside].astype(np.uint16)
    counts = count(lattice, Levels(flat, np.bincount(flat)))
    touching = np.ones((3, 3, 3), dtype=bool)
    if planar:
        touching[[0, 2]] = False
    expected = []
    for level in np.unique(flat):
        pieces, number = ndimage.label(levels == level, touching)
        expected += [(level, (pieces == k).sum()) for k in range(1, number + 1)]
    found = zip(counts.levels[counts.zone_ranks - 1], counts.zone_sizes, strict=True)
    assert sorted(found) == sorted(expected)


@given(
    arrays(np.int64, st.tuples(*(st.integers(2, 6) for _ in range(3))), elements=st.integers(0, 4))
)
def test_runs_and_pairs_are_those_of_a_walk_along_each_line(levels):
    inside = levels > 0
    if not inside.any():
        return
    lattice = make_lattice(inside)
    flat = levels[inside].astype(np.uint16)
    counts = count(lattice, Levels(flat, np.bincount(flat)))
    ranks, row = counts.levels.size + 1, counts.levels.size + 1 + counts.longest
    tables = counts.tables.reshape(len(lattice.directions), ranks, row)
    for table, step in zip(tables, lattice.directions, strict=True):
        told: dict[tuple[int, int], int] = {}
        reached: dict[tuple[int, int], int] = {}
        for place in np.argwhere(inside):
            here, length = levels[tuple(place)], 0
            back = place - step
            if (back >= 0).all() and (back < levels.shape).all() and levels[tuple(back)] != here:
                pair = (here, levels[tuple(back)])
                told[pair] = told.get(pair, 0) + 1
            while (back >= 0).all() and (back < levels.shape).all() and levels[tuple(back)] == here:
                length, back = length + 1, back - step
            if length:
                reached[here, length] = reached.get((here, length), 0) + 1
        names = [0, *counts.levels]
        found = {
            (names[later], names[earlier]): int(table[later, earlier])
            for later in range(1, ranks)
            for earlier in range(ranks)
            if table[later, earlier]
        }
        outside = {pair: n for pair, n in found.items() if pair[1] == 0}
        assert {pair: n for pair, n in found.items() if pair not in outside} == {
            pair: n for pair, n in told.items() if pair[1]
        }
        runs = {
            (names[rank], place): int(table[rank, ranks + place])
            for rank in range(1, ranks)
            for place in range(counts.longest)
            if table[rank, ranks + place]
        }
        assert runs == reached


@given(
    arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e4, 1e4, width=32)),
    st.sampled_from([0.3, 1.0, 25.0]),
)
def test_levels_are_numpys_bins(values, width):
    edges = fixed_width_edges(values.min(), values.max(), width=width)
    if edges.size > 60_000:
        return
    found = to_levels(values, edges)
    np.testing.assert_array_equal(found.levels, np.digitize(values, edges))
    assert found.present.sum() == values.size


@given(arrays(np.float64, st.integers(1, 80), elements=st.floats(-1e6, 1e6)))
def test_order_statistics_are_those_of_the_sorted_values(values):
    wanted = np.unique(np.linspace(0, values.size - 1, 5).astype(np.int64))
    found = np.empty(wanted.size)
    cells = np.empty(values.size, dtype=np.uint16)
    order_statistics(values, values.min(), values.max(), wanted, found, cells)
    np.testing.assert_array_equal(found, np.sort(values)[wanted])


@pytest.mark.parametrize("ranks", [2, 3, 11, 24, 25, 60, 150])
@pytest.mark.parametrize("spread", [0.5, 3.0, 30.0])
def test_the_second_eigenvalue_is_lapacks(ranks, spread):
    """Nearly independent, smooth and nearly parted pairs, as grey levels make them."""
    rng = np.random.default_rng(ranks)
    apart = np.abs(np.subtract.outer(np.arange(ranks), np.arange(ranks)))
    pairs = rng.random((3, ranks, ranks)) * np.exp(-apart / spread)
    pairs = pairs + pairs.transpose(0, 2, 1)
    pairs /= pairs.sum(axis=(1, 2), keepdims=True)
    values, errors = second_eigenvalues(pairs)
    for matrix, value, error in zip(pairs, values, errors, strict=True):
        share = matrix.sum(axis=1)
        full = matrix / (np.outer(share, share) + 2.0**-52) @ matrix.T
        expected = np.sort(np.linalg.eigvals(full).real)[-2]
        assert value == pytest.approx(expected, rel=1e-9, abs=max(1e-12, 10 * error))
