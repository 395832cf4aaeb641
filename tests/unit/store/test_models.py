"""The registry: versions are whole or absent, aliases remember, in a folder and in a bucket."""

from __future__ import annotations

import pytest

from radlas.errors import ConfigError, StoreError
from radlas.store.models import (
    CARD,
    find_beside,
    find_version,
    keep_beside,
    model_folder,
    model_name,
    move_alias,
    publish,
    read_alias,
    read_card,
    resolve,
    versions,
)


def fill(folder):
    (folder / "dlr").mkdir()
    (folder / "dlr" / "model.json").write_text("{}")


def test_a_published_version_is_found_by_what_it_was_made_from(store):
    assert publish(store, "tiny", {"key": "k1"}, fill) == 1
    assert publish(store, "tiny", {"key": "k2"}, fill) == 2
    assert versions(store, "tiny") == [1, 2]
    assert find_version(store, "tiny", "k2") == 2
    assert find_version(store, "tiny", "k3") is None
    assert (model_folder(store, "tiny", 1) / "dlr" / "model.json").read_text() == "{}"


def test_a_version_whose_filling_failed_is_none_and_its_number_is_given_again(store):
    def fail(folder):
        fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(store, "tiny", {"key": "k1"}, fail)
    assert versions(store, "tiny") == []
    # What one leaves that was killed while it wrote: files without their card.
    store.place.create(f"{model_name('tiny', 1)}/dlr/stray.json", b"{}")
    assert versions(store, "tiny") == []
    assert publish(store, "tiny", {"key": "k1"}, fill) == 1
    assert sorted(p.name for p in (model_folder(store, "tiny", 1) / "dlr").iterdir()) == [
        "model.json"
    ]


def test_what_later_verbs_keep_beside_a_version_is_read_as_it_is_now(store):
    publish(store, "tiny", {"key": "k1"}, fill)
    assert find_beside(store, "tiny", 1, "validation.json") is None
    for look in (1, 2):
        keep_beside(store, "tiny", 1, "validation.json", {"look": look})
        keep_beside(store, "tiny", 1, "cam/a.npz", bytes([look]))
        assert find_beside(store, "tiny", 1, "validation.json") == {"look": look}
        assert (model_folder(store, "tiny", 1) / "cam" / "a.npz").read_bytes() == bytes([look])


def test_an_alias_moves_and_keeps_its_history(store):
    for key in ("k1", "k2", "k3"):
        publish(store, "tiny", {"key": key}, fill)
    assert read_alias(store, "tiny") is None
    assert resolve(store, "tiny") == ("tiny", 3)
    move_alias(store, "tiny", 2, "better")
    move_alias(store, "tiny", 1, "rolled back")
    assert resolve(store, "tiny") == resolve(store, "tiny@champion") == ("tiny", 1)
    history = store.place.read("models/tiny/champion.json").decode()
    assert history.index("better") < history.index("rolled back")


def test_an_unknown_model_lists_what_there_is(store):
    publish(store, "tiny", {"key": "k1"}, fill)
    with pytest.raises(ConfigError, match="no model 'huge'") as caught:
        resolve(store, "huge")
    assert "tiny" in caught.value.hint
    with pytest.raises(ConfigError, match="no model 'tiny@7'"):
        resolve(store, "tiny@7")


def test_a_damaged_card_is_named(store):
    publish(store, "tiny", {"key": "k1"}, fill)
    store.place.replace(f"{model_name('tiny', 1)}/{CARD}", b"{")
    with pytest.raises(StoreError, match="damaged"):
        read_card(store, "tiny", 1)
    with pytest.raises(StoreError, match="a file of the model is missing"):
        read_card(store, "tiny", 9)
