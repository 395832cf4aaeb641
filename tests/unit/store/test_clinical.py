"""Clinical records: what the newest revisions say is what each table told last."""

from __future__ import annotations

import random
from collections import Counter

from radlas.store import delta
from radlas.store.clinical import kept, newest_records, revisions
from radlas.store.content import row_digests
from radlas.tables import CLINICAL

from .conftest import here


@here
def test_of_many_tables_the_newest_records_say_what_each_told_last(store):
    """Parts are read in no order; and every revision is a row with a digest of its own."""
    rng = random.Random(0)  # noqa: S311 - records, not secrets
    told = {subject: {"grade": None, "age_years": None} for subject in "stu"}
    changes = Counter[str]()
    for table in range(8):
        given = [
            {"subject_id": subject, "centre": "c1"}
            | {"grade": rng.choice(["1", "2", None]), "age_years": rng.choice([40.0, None])}
            for subject in told
        ]
        for row in given:
            record = told[row["subject_id"]]
            says = {name: row[name] for name in record if row[name] is not None}
            changes[row["subject_id"]] += table == 0 or record != record | says
            record |= says
        delta.append(store, "clinical", revisions(newest_records(store), given), run_id=f"r{table}")
    newest = newest_records(store)
    assert {one: {name: row[name] for name in told[one]} for one, row in newest.items()} == told
    assert {one: row["revision"] for one, row in newest.items()} == changes
    rows = delta.read(store, "clinical")
    assert rows.num_rows == changes.total() > 2 * len(told)
    assert rows.column("row_digest").to_pylist() == row_digests(CLINICAL, rows).to_pylist()


def test_values_that_no_cell_takes_back_are_counted_where_the_table_has_their_column():
    known = {
        "s": {"subject_id": "s", "centre": "c", "grade": "high", "age_years": 61.0, "sex": "F"},
        "t": {"subject_id": "t", "centre": "c", "grade": None, "age_years": 50.0, "sex": "M"},
    }
    record = {"centre": "c", "sex": None}
    given = [
        record | {"subject_id": "s", "grade": None, "age_years": None},
        record | {"subject_id": "t", "grade": "low", "age_years": None},
        record | {"subject_id": "u", "grade": None, "age_years": 40.0},
    ]
    assert kept(known, given) == {"age_years": 2, "grade": 1}
    assert kept({}, given) == {}
