"""Masks of stable features: found by what they say, or refused by name."""

from __future__ import annotations

import pytest

from radlas.errors import ConfigError
from radlas.store.layout import init_store
from radlas.store.stable_features import load_stable_features, save_stable_features

MASK = {"form": "ICC(A,1)", "threshold": 0.75, "centres": ["a"], "parts": [], "refused": ["x"]}


@pytest.mark.parametrize("asked", ["", "0" * 16, "../../radlas", "../models/x", "ABCDEF0123456789"])
def test_what_is_no_mask_here_is_told_as_it_was_asked_for(asked, tmp_path):
    """Also a path: the store is not at fault if another file is no mask."""
    store = init_store(str(tmp_path / "store"))
    with pytest.raises(ConfigError) as caught:
        load_stable_features(store, asked)
    assert caught.value.what == f"no mask {asked!r}"
    assert caught.value.hint == "radlas stability makes one"


def test_a_mask_is_found_by_what_it_says_and_kept_once(tmp_path):
    store = init_store(str(tmp_path / "store"))
    digest = save_stable_features(store, MASK)
    assert save_stable_features(store, dict(reversed(MASK.items()))) == digest
    assert load_stable_features(store, digest) == MASK
