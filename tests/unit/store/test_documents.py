"""A file's mapping says what it lacks, and where it lies; a form says what is not of it."""

from __future__ import annotations

import json
import pickle

import pytest

from radlas.errors import StoreError
from radlas.forms import COUNT, NUMBER, PAIR, SHARE, TEXT, Alike, Maybe, Rows, misfit, one_of
from radlas.places.documents import document
from radlas.places.folder import Folder


@pytest.fixture
def read(tmp_path):
    def written(text: str, form=None):
        (tmp_path / "a.json").write_text(text, encoding="utf-8")
        return document(Folder(tmp_path), "a.json", form)

    return written


def test_a_key_that_is_asked_for_and_is_not_there_names_the_file(read, tmp_path):
    """Also within, and where it was sent to another process; a default asks for nothing."""
    found = pickle.loads(pickle.dumps(read('{"models": {"dlr": {}}}')))  # noqa: S301 - our own
    assert found == {"models": {"dlr": {}}}
    assert found.get("look", 3) == 3
    with pytest.raises(StoreError, match="it lacks `auc`") as caught:
        found["models"]["dlr"]["auc"]
    assert caught.value.where == f"{tmp_path}/a.json"
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        "[" * 60 + "]" * 60,
    ],
)
def test_what_could_not_be_written_again_is_not_read(read, text):
    with pytest.raises(StoreError, match="damaged: "):
        read(text)


def test_what_any_radlas_writes_is_read_as_it_is(read):
    value = {"a": [1, -0.5, None, True, {"β": "\U0001f600"}], "": {}}
    assert read(json.dumps(value)) == value
    assert read(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize(
    ("value", "form", "told"),
    [
        (3, COUNT, ""),
        (True, COUNT, "it is not a whole number from 0"),
        (2**60, COUNT, "it is not a whole number from 0"),
        (10**400, NUMBER, "it is not a number"),
        (1.0000000001, SHARE, ""),
        ([0, 1.5], PAIR, ""),
        ([0, None], PAIR, "it is not a pair of numbers"),
        (None, Maybe(TEXT), ""),
        ({"a": [1, "x"]}, {"a": [NUMBER]}, "`a[1]` is not a number"),
        ({"a": {"b": 3}}, {...: {"b": TEXT}}, "`a.b` is not a text"),
        ({"a": {"b": 3}}, {"c": TEXT}, ""),
        ([], {"c": TEXT}, "it is no mapping"),
        ({}, [TEXT], "it is no list"),
        ([0, 1, 2], PAIR, "it is not a pair of numbers"),
        ((0, 1), PAIR, "it is not a pair of numbers"),
        ({"x": [1], "y": [1, 2]}, Alike({"x": [NUMBER]}), "lists of it differ in length"),
        ({"x": [3, 4], "y": [1, 2], "n": 2}, Alike({"x": [NUMBER]}), ""),
        ([{"s": "a"}, {"s": "b"}], Rows({"s": TEXT}, "s"), ""),
        ([{"s": "a"}, {"s": "a"}], Rows({"s": TEXT}), ""),
        (1, one_of(0, 1), ""),
        ([], Rows({"s": TEXT}), "it is empty"),
        ([{"s": "a"}, {"s": "a"}], Rows({"s": TEXT}, "s"), "it has two rows of one s"),
        ([], one_of(0, 1), "it is not one of 0, 1"),
    ],
)
def test_the_first_place_that_is_not_of_a_form_is_named(value, form, told):
    assert misfit(value, form) == told
