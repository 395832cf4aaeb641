"""What a snapshot must hold to be frozen, and what is said of it: gates, and a report on them.

DuckDB counts, in one pass over the rows; pandera checks the counts against the declared limits, all
of them, so that the report names every gate that fails and not the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import duckdb
import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, NonNegativeInt

from radlas.config import Config
from radlas.errors import StoreError
from radlas.tables import RADIOMICS_FACTS, VIEW_KEYS

Gate = Literal[
    "unique_keys", "finite", "expected_rows", "null_rate", "constant", "cases_per_centre"
]
MEANINGS: dict[Gate, str] = {
    "unique_keys": "rows whose key is there twice",
    "finite": "NaN or infinity in a column of features",
    "expected_rows": "rows that some cases lack and others of their feature set have",
    "null_rate": "share of undefined values in a column",
    "constant": "a column with one value in all cases",
    "cases_per_centre": "number of cases of a centre",
}
_EXAMPLES = 10


class Gates(Config):
    """Limits of a snapshot."""

    max_null_rate: float = Field(default=0.1, ge=0, le=1, description="Of a column, over cases.")
    min_cases_per_centre: NonNegativeInt = Field(default=1, description="Of every centre.")
    refuse: tuple[Gate, ...] = Field(
        default=("unique_keys", "finite"),
        description="Gates that refuse the snapshot; all others warn.",
    )


class Counts(NamedTuple):
    """What was counted for one gate or several, at each of some places."""

    found: Mapping[Gate, ArrayLike]
    places: Iterable[str]


def examine(connection: duckdb.DuckDBPyConnection, gates: Gates) -> dict[str, Any]:
    """Check what a connection sees against the gates.

    Args:
        connection: The snapshot to be.
        gates: The limits.

    Returns:
        ``gates`` as they were set, and ``findings``: per gate that failed its ``meaning``, whether
        it ``refuses``, how ``many`` places failed, and ``examples``, with ``where`` and ``found``.
    """
    counted = [_tables(connection), _centres(connection), _coverage(connection)]
    counted += list(_columns(connection))
    failed: dict[Gate, list[dict[str, Any]]] = {}
    for counts in counted:
        for gate, where, found in _failures(counts, gates):
            failed.setdefault(gate, []).append({"where": where, "found": found})
    findings = [
        {
            "gate": gate,
            "meaning": MEANINGS[gate],
            "refuses": gate in gates.refuse,
            "many": len(places),
            "examples": places[:_EXAMPLES],
        }
        for gate, places in sorted(failed.items())
    ]
    return {"gates": gates.model_dump(mode="json"), "findings": findings}


def refuse(report: Mapping[str, Any]) -> None:
    """Stop where a gate that refuses has failed.

    Raises:
        StoreError: Names every such gate with its first place.
    """
    told = [line for one in report["findings"] if one["refuses"] for line in [said(one)]]
    if told:
        raise StoreError(
            "the snapshot does not pass its gates: " + "; ".join(told),
            hint="exclude these cases by --cohort, or look: radlas status, radlas verify",
            reason="gates",
        )


def said(finding: Mapping[str, Any]) -> str:
    """A finding in one line."""
    first = finding["examples"][0]
    more = f" and {finding['many'] - 1} more" if finding["many"] > 1 else ""
    return f"{finding['gate']} ({finding['meaning']}): {first['found']:g} at {first['where']}{more}"


def _failures(counts: Counts, gates: Gates) -> Iterator[tuple[Gate, str, float]]:
    import pandas as pd  # noqa: PLC0415 - half a second, and only to make a snapshot
    import pandera.pandas as pa  # noqa: PLC0415

    frame = pd.DataFrame(dict(counts.found), index=list(counts.places))
    limits: dict[Gate, Any] = {
        "unique_keys": pa.Check.eq(0, error="unique_keys"),
        "finite": pa.Check.eq(0, error="finite"),
        "expected_rows": pa.Check.eq(0, error="expected_rows"),
        "null_rate": pa.Check.le(gates.max_null_rate, error="null_rate"),
        "constant": pa.Check.eq(0, error="constant"),
        "cases_per_centre": pa.Check.ge(gates.min_cases_per_centre, error="cases_per_centre"),
    }
    schema = pa.DataFrameSchema({name: pa.Column(checks=limits[name]) for name in frame})
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        for one in error.failure_cases.to_dict("records"):
            yield one["check"], str(one["index"]), float(one["failure_case"])


def _tables(connection: duckdb.DuckDBPyConnection) -> Counts:
    doubled = [_doubled(connection, name, key) for name, key in VIEW_KEYS.items()]
    return Counts({"unique_keys": doubled}, VIEW_KEYS)


def _doubled(connection: duckdb.DuckDBPyConnection, table: str, key: Sequence[str]) -> int:
    """Rows whose key is there before: by hashes, and only where they meet by the keys."""

    def count(what: str) -> int:
        sql = f"select count(*) - count(distinct {what}) from {table}"
        return int(connection.sql(sql).fetchall()[0][0])

    columns = ", ".join(key)
    return count(f"({columns})") if count(f"hash({columns})") else 0


def _centres(connection: duckdb.DuckDBPyConnection) -> Counts:
    rows = dict(connection.sql("select centre, count(*) from cases group by 1").fetchall())
    return Counts({"cases_per_centre": list(rows.values())}, rows)


def _coverage(connection: duckdb.DuckDBPyConnection) -> Counts:
    """Per feature set and centre: rows that are not there, as if each case had all of them."""
    missing: dict[str, int] = {}
    kinds = {"radiomics": "roi, image_type, perturbation", "deep": "roi, layer"}
    for table, kind in kinds.items():
        rows = connection.sql(
            f"""with expected as (
                select feature_set, count(distinct ({kind})) kinds from {table} group by 1
            ), there as (
                select feature_set, centre, count(*) n from {table} group by all
            ), people as (select centre, count(*) cases from cases group by 1)
            select feature_set, centre, kinds * cases - coalesce(n, 0)
            from expected cross join people left join there using (feature_set, centre)"""
        ).fetchall()
        missing |= {f"{feature_set}, {centre}": number for feature_set, centre, number in rows}
    return Counts({"expected_rows": list(missing.values())}, missing)


def _columns(connection: duckdb.DuckDBPyConnection) -> Iterator[Counts]:
    """Every column of the training matrix: undefined, not finite, constant."""
    every = connection.sql("select * from radiomics limit 0").columns
    features = [name for name in every if name not in RADIOMICS_FACTS]
    told = ", ".join(
        f'{what}("{name}") as "{what}_{name}"'
        for what in ("count", "min", "max")
        for name in features
    )
    groups = connection.sql(
        f"select feature_set, roi, image_type, count(*) as many, {told} from radiomics"
        " where perturbation = '' group by all order by all"
    ).to_arrow_table()
    for group in groups.to_pylist():
        place = f"{group['feature_set']}, {group['roi']}__{group['image_type']}__"
        # A column without any value is one that this recipe does not make.
        made = [name for name in features if group[f"count_{name}"]]
        low, high, number = (
            np.array([group[f"{what}_{name}"] for name in made], dtype=float)
            for what in ("min", "max", "count")
        )
        yield Counts(
            {
                "null_rate": 1 - number / group["many"],
                "finite": (~(np.isfinite(low) & np.isfinite(high))).astype(int),
                "constant": ((low == high) & (group["many"] > 1)).astype(int),
            },
            [place + name for name in made],
        )
