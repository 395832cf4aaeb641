"""Sound images that look odd: flagged wherever the odd slice lies, and only then."""

from __future__ import annotations

import numpy as np
import pytest

from radlas.ingest.checks import image_flags

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
