"""Blocks of pixels have numpy's means; see ``test_body`` for what grows."""

from __future__ import annotations

import numpy as np
import pytest

from radlas.roi.planes import means_of_blocks, spread_blocks


@pytest.mark.parametrize("block", [(1, 2), (2, 2), (3, 2), (5, 4)])
@pytest.mark.parametrize("shape", [(3, 40, 37), (1, 9, 30), (2, 4, 3)])
def test_blocks_have_the_mean_of_their_pixels_those_at_the_edge_of_repeated_ones(shape, block):
    voxels = np.random.default_rng(0).normal(300, 80, size=shape).astype(np.float32)
    (y, x), (_, rows, columns) = block, shape
    wide = np.pad(voxels, [(0, 0), (0, -rows % y), (0, -columns % x)], mode="edge")
    blocks = wide.reshape(shape[0], wide.shape[1] // y, y, wide.shape[2] // x, x)
    found = np.empty(blocks.shape[::2][:1] + blocks.shape[1::2], np.float32)
    means_of_blocks(voxels, y, x, found)
    np.testing.assert_allclose(found, blocks.mean(axis=(2, 4)), rtol=1e-6)


@pytest.mark.parametrize("block", [(1, 2), (2, 2), (3, 2), (5, 4)])
@pytest.mark.parametrize("shape", [(3, 40, 37), (1, 9, 30), (2, 4, 3)])
def test_blocks_are_spread_as_numpy_repeats_them(shape, block):
    (y, x), (slices, rows, columns) = block, shape
    mask = np.random.default_rng(0).random((slices, -(-rows // y), -(-columns // x))) < 0.5
    found = np.empty(shape, dtype=bool)
    spread_blocks(mask, y, x, found)
    wide = mask.repeat(y, axis=1).repeat(x, axis=2)
    np.testing.assert_array_equal(found, wide[:, :rows, :columns])
