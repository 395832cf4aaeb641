"""The identity of rows: what they say, not how, where or when they were written."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from hashlib import blake2b

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radlas.store.content import content_digest, key_digests, row_digests
from radlas.store.delta import _stamped
from radlas.tables import TABLES

from .conftest import feature_row

NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "case_id": st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
            "firstorder_Mean": NUMBERS,
            "shape_Sphericity": NUMBERS,
            "grey_levels": st.none() | st.integers(-(2**40), 2**40),
        }
    ),
    min_size=1,
    max_size=8,
)


def digests(rows, table="radiomics"):
    return _stamped(TABLES[table], rows).column("row_digest").to_pylist()


def rows_of(values):
    return [feature_row("x") | one for one in values]


@given(ROWS, st.randoms())
def test_a_rows_digest_does_not_depend_on_its_neighbours_or_its_place(values, rng):
    rows = rows_of(values)
    alone = [digests([row])[0] for row in rows]
    order = list(range(len(rows)))
    rng.shuffle(order)
    assert digests([rows[i] for i in order]) == [alone[i] for i in order]


@given(ROWS)
def test_columns_without_a_value_and_who_wrote_when_do_not_count(values):
    rows = rows_of(values)
    later = {"run_id": "other", "recorded_at": datetime(2030, 1, 1, tzinfo=UTC), "toy": None}
    assert digests([row | later for row in rows]) == digests(rows)


@pytest.mark.parametrize(
    "change",
    [
        {"firstorder_Mean": 1.0000000000000002},
        {"firstorder_Mean": None},
        {"firstorder_Mean": None, "firstorder_Median": 1.0},
        {"roi": "tumoux"},
        {"reason": "r"},
        {"grey_levels": 1},
        {"perturbation": "x"},
    ],
)
def test_every_other_change_is_another_row(change):
    row = feature_row("a", firstorder_Mean=1.0)
    assert digests([row | change]) != digests([row])


def test_vectors_count_by_length_and_value():
    row = {"case_id": "a", "vector": [1.0, 2.0]}
    changed = [[1.0, 2.0, 0.0], [2.0, 1.0], [1.0], None]
    found = digests([row, *({**row, "vector": one} for one in changed)], "deep")
    assert len(set(found)) == len(found)


def by_hand(row):
    """A row's digest, value after value: its name, then itself; of what is not there nothing."""
    run = b""
    for name, value in sorted(row.items()):
        match value:
            case None:
                continue
            case str():
                told = blake2b(value.encode(), digest_size=16).digest()
            case list():
                packed = struct.pack(f"<{len(value)}f", *value)
                told = blake2b(packed, digest_size=16).digest()
            case float():
                told = struct.pack("<d", value)
            case bool() | int():
                told = struct.pack("<q", value)
        run += blake2b(name.encode(), digest_size=8).digest() + told
    return int.from_bytes(blake2b(run, digest_size=8).digest(), "little", signed=True)


def test_digests_are_those_that_stored_rows_have():
    """Another encoding, as unambiguous, would make every row of every store a damaged one."""
    rows = [
        {"case_id": "a", "synthetic": True, "slices": 2**53 + 1, "spacing_z_mm": 0.1},
        {"case_id": "b", "synthetic": False, "slices": -1, "sex": "F", "flags": ""},
        {"case_id": "ä", "synthetic": None, "spacing_z_mm": -0.0, "study_day": 7},
    ]
    assert digests(rows, "cases") == [by_hand(row) for row in rows]
    rows = [{"case_id": "a", "vector": [0.1, -2.0]}, {"case_id": "b", "vector": []}]
    assert digests(rows, "deep") == [by_hand(row) for row in rows]


def test_the_content_is_a_bag_of_rows():
    one, other = pa.array([-7, 3]), pa.array([3, -7])
    assert content_digest(one) == content_digest(other)
    assert content_digest(one) != content_digest(pa.array([3]))


def test_parts_of_a_key_do_not_run_together():
    rows = pa.table({"a": ["x", "xy", None], "b": ["yz", "z", "xyz"]})
    assert len(set(key_digests(("a", "b"), rows))) == 3


def test_digests_of_many_rows_are_those_of_few():
    """More than are laid out at once."""
    rows = pa.table({"case_id": [f"{n:06}" for n in range(60_000)]})
    many = row_digests(TABLES["cases"], rows)
    assert many[55_000] == row_digests(TABLES["cases"], rows.slice(55_000, 1))[0]
