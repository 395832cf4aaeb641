"""Digests: one name per content."""

import hashlib
import hmac

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radlas.digests import canonical_json, digest_of, mask_digest, pseudonym, voxel_digest

VOLUMES = hnp.arrays(np.int16, st.tuples(*[st.integers(1, 6)] * 3))


@given(VOLUMES)
def test_the_same_voxels_have_one_digest_as_int16_and_float32(voxels):
    assert voxel_digest(voxels) == voxel_digest(voxels.astype(np.float32))
    assert voxel_digest(voxels) == voxel_digest(np.asfortranarray(voxels))


@given(*[st.integers(-(2**24), 2**24)] * 2)
def test_numbers_have_one_digest_in_every_type_that_holds_them_and_no_other(one, other):
    """Up to the largest that float32 tells from their neighbours, and so beyond 16 bits too."""
    wide, single = (np.full((1, 1, 1), one, kind) for kind in (np.int64, np.float32))
    assert voxel_digest(wide) == voxel_digest(single)
    for another in {other, one - 2**16, one + 2**16} - {one}:  # the same in their lowest 16 bits
        assert voxel_digest(np.full((1, 1, 1), another, np.int64)) != voxel_digest(wide)


@pytest.mark.parametrize(
    ("values", "head", "kind"),
    [
        ([-(2**15), 2**15 - 1], b'["<i2",[1,1,2]]', "<i2"),
        ([-(2**15), 2**15], b'["<i4",[1,1,2]]', "<i4"),
        ([0, 2**31], b'["<i8",[1,1,2]]', "<i8"),
        ([0, 0.5], b'["<f4",[1,1,2]]', "<f4"),
    ],
)
def test_a_digest_is_what_stores_of_earlier_days_hold(values, head, kind):
    """SHA-256 of type and shape as JSON, then of the values: another would disown every store."""
    expected = hashlib.sha256(head + np.array(values, kind).tobytes()).hexdigest()
    assert voxel_digest(np.array([[values]])) == expected


def test_names_are_those_of_earlier_days():
    """Under another pseudonym a patient would be stored twice, under another mask edited."""
    named = hmac.new(bytes(32), b'["subject","c1","42"]', "sha256").hexdigest()
    assert pseudonym(bytes(32), "subject", "c1", "42") == named[:32]
    mask = np.zeros((1, 2, 5), bool)
    mask[0, 0, 0] = mask[0, 1, 4] = True
    bits = bytes([0b10000000, 0b01000000])
    assert mask_digest(mask) == hashlib.sha256(b"[1,2,5]" + bits).hexdigest()
    assert digest_of({"b": [1.5, None]}) == hashlib.sha256(b'{"b":[1.5,null]}').hexdigest()


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
