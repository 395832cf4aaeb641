"""The registry: versions are whole or absent, aliases remember, in a folder and in a bucket."""

from __future__ import annotations

import shutil
from contextlib import suppress

import obstore
import pytest

from radlas.errors import ConfigError, StoreError
from radlas.places.bucket import Bucket
from radlas.places.folder import Folder
from radlas.store import models
from radlas.store.layout import init_store
from radlas.store.models import (
    CARD,
    champions,
    find_beside,
    find_version,
    keep_beside,
    keep_first,
    model_folder,
    model_name,
    move_alias,
    publish,
    read_alias,
    read_card,
    resolve,
    versions,
)

from .conftest import here


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


def test_a_version_whose_filling_failed_is_none_and_what_a_kill_left_is_in_nobodys_way(store):
    def fail(folder):
        fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(store, "tiny", {"key": "k1"}, fail)
    assert versions(store, "tiny") == []
    # What one leaves that was killed while it wrote: files without their card.
    store.place.create(f"{model_name('tiny', 1)}/dlr/stray.json", b"{}")
    assert versions(store, "tiny") == []
    assert publish(store, "tiny", {"key": "k1"}, fill) == 2
    assert versions(store, "tiny") == [2]
    (file,) = (model_folder(store, "tiny", 2) / "dlr").iterdir()
    assert file.name == "model.json"


def test_no_version_takes_the_number_of_a_champion_that_was_removed(store):
    """It would stand in its place, and nobody would have compared it with anything."""
    for key in ("k1", "k2"):
        publish(store, "tiny", {"key": key}, fill)
    move_alias(store, "tiny", 2, "better")
    for path in store.place.names(model_name("tiny", 2)):
        store.place.remove(path)
    if isinstance(store.place, Folder):
        shutil.rmtree(model_folder(store, "tiny", 2))
    assert publish(store, "tiny", {"key": "k3"}, fill) == 3
    with pytest.raises(ConfigError, match="no model 'tiny'") as caught:
        resolve(store, "tiny")
    assert caught.value.hint == "its versions: 1, 3; its champion is 2"


def test_whenever_a_run_sleeps_it_changes_nothing_that_another_published(new_store, monkeypatch):
    """It was taken for dead, and another published the next version: neither has files of both."""

    def of(run):
        def fill(folder):
            for number in range(3):
                (folder / f"{number}.json").write_text(run)

        return fill

    store, put = new_store("first"), obstore.put
    for moment in range(4 if isinstance(store.place, Bucket) else 0):
        store, left = new_store(str(moment)), [moment]

        def slept(*given, left=left, store=store, **options):
            left[0] -= 1
            if left[0] == -1:
                with suppress(StoreError):
                    publish(store, "tiny", {"key": "b"}, of("b"))
            return put(*given, **options)

        with monkeypatch.context() as patch, suppress(StoreError):
            patch.setattr(obstore, "put", slept)
            publish(store, "tiny", {"key": "a"}, of("a"))
        for number in versions(store, "tiny"):
            run = read_card(store, "tiny", number)["key"]
            texts = [find_text(store, number, file) for file in ("0.json", "1.json", "2.json")]
            assert texts == [run] * 3


def test_a_run_that_slept_while_another_published_is_told(store, monkeypatch):
    unused = models._unused
    publish(store, "tiny", {"key": "b"}, fill)
    monkeypatch.setattr(models, "_unused", lambda *given: unused(*given) - 1)
    with pytest.raises(StoreError, match="another run publishes version 1 of tiny") as caught:
        publish(store, "tiny", {"key": "a"}, fill)
    assert caught.value.hint == "run again"


def find_text(store, number, file):
    return store.place.read(f"{model_name('tiny', number)}/{file}").decode()


@here
@pytest.mark.parametrize("name", ["phi", "x"])
@pytest.mark.parametrize(
    "rows", [[[1.0, 2.0]], [[1.0, 2.0], [3.0]], [[1.0], [2.0]], [[1.0, 2.0], [3.0, "4"]]]
)
def test_what_drove_a_risk_is_told_of_every_case_and_feature_or_is_damaged(store, name, rows):
    """One number fewer, and those that follow would be told of another feature or patient."""
    whole = {"features": ["f", "g"], "cases": ["a", "b"]}
    whole |= {one: [[1.0, 2.0], [3.0, 4.0]] for one in ("phi", "x")}
    for values, sound in ((whole, True), (whole | {name: rows}, False)):
        keep_beside(store, "tiny", 1, "explanation.json", {"shap": {"values": values}})
        if sound:
            assert find_beside(store, "tiny", 1, "explanation.json") is not None
        else:
            with pytest.raises(StoreError, match=r"`shap.values` is not a table of cases by"):
                find_beside(store, "tiny", 1, "explanation.json")


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


def meanwhile(monkeypatch, act):
    """Another run acts just before this one writes to its bucket, as if this one had slept."""
    put, left = obstore.put, [act]

    def late(*given, **options):
        if left:
            left.pop()()
        return put(*given, **options)

    monkeypatch.setattr(obstore, "put", late)


@pytest.fixture
def remote(bucket):
    return init_store(bucket)


@pytest.mark.parametrize("past", [0, 1])
def test_a_promotion_that_another_made_meanwhile_is_not_lost(remote, monkeypatch, past):
    for number in (1, 2, 3)[:past]:
        move_alias(remote, "tiny", number, "first")
    meanwhile(monkeypatch, lambda: move_alias(remote, "tiny", 2, "theirs"))
    move_alias(remote, "tiny", 3, "ours")
    told = [entry["why"] for entry in champions(remote, "tiny")]
    assert told == [*["first"] * past, "theirs", "ours"]


@pytest.mark.parametrize("past", [0, 1])
def test_a_decision_moves_no_champion_that_somebody_made_since(remote, monkeypatch, past):
    for number in (1, 2, 3)[:past]:
        move_alias(remote, "tiny", number, "first")
    meanwhile(monkeypatch, lambda: move_alias(remote, "tiny", 2, "by hand"))
    move_alias(remote, "tiny", 3, "decided before", after=past)
    assert champions(remote, "tiny")[-1]["why"] == "by hand"


def test_of_two_decisions_the_first_stands(store):
    publish(store, "tiny", {"key": "k"}, fill)
    for decision in ("promote", "keep"):
        found = keep_first(store, "tiny", 1, "decision.json", {"decision": decision})
        assert found == {"decision": "promote"}


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


@pytest.mark.parametrize("text", [b"[]", b"null", b'"a"', b"7"])
def test_a_file_of_the_registry_that_is_no_mapping_is_damage_and_no_defect(store, text):
    publish(store, "tiny", {"key": "k1"}, fill)
    for name in (f"{model_name('tiny', 1)}/{CARD}", "models/tiny/champion.json"):
        store.place.replace(name, text)
    for way in (
        lambda: read_card(store, "tiny", 1),
        lambda: read_alias(store, "tiny"),
        lambda: move_alias(store, "tiny", 1, "better"),
    ):
        with pytest.raises(StoreError, match="damaged: it is no mapping"):
            way()
