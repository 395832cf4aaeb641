"""Digests: one name per content."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radlas.digests import canonical_json, mask_digest, pseudonym, voxel_digest

VOLUMES = hnp.arrays(np.int16, st.tuples(*[st.integers(1, 6)] * 3))


@given(VOLUMES)
def test_the_same_voxels_have_one_digest_as_int16_and_float32(voxels):
    assert voxel_digest(voxels) == voxel_digest(voxels.astype(np.float32))
    assert voxel_digest(voxels) == voxel_digest(np.asfortranarray(voxels))


@given(VOLUMES)
def test_one_changed_voxel_changes_the_digest(voxels):
    changed = voxels.copy()
    changed.flat[0] ^= 1
    assert voxel_digest(changed) != voxel_digest(voxels)


def test_a_reshaped_array_is_another_array():
    assert voxel_digest(np.zeros((2, 3, 4))) != voxel_digest(np.zeros((4, 3, 2)))
    assert mask_digest(np.zeros((2, 3, 4))) != mask_digest(np.zeros((4, 3, 2)))


def test_json_does_not_depend_on_the_order_of_keys():
    assert canonical_json({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'


def test_a_pseudonym_needs_the_key_and_separates_its_parts():
    key = bytes(32)
    assert pseudonym(key, "subject", "a", "bc") != pseudonym(key, "subject", "ab", "c")
    assert pseudonym(key, "x") != pseudonym(bytes(31) + b"1", "x")
    assert len(pseudonym(key, "x")) == 32
